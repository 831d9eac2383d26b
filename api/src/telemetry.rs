//! Logs to stderr, traces to a collector.
//!
//! Every span has a trace id, whether or not a collector is configured, so that an event can always name the request
//! that caused it. Only sampled traces cost more than that, and only with a collector are they sent.

use std::fmt;
use std::io::IsTerminal as _;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter};
use reqwest::redirect::Policy;
use tokio::runtime::Runtime;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{Directive, EnvFilter, ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, fmt as log};

use crate::config::{LogFormat, TelemetryConfig};

const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest time that stopping waits for the last traces to leave.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

const TRACES_PATH: &str = "/v1/traces";

/// Libraries, by the start of their names, whose spans say nothing about our work.
const NOT_TRACED: [&str; 4] = ["h2", "hyper", "opentelemetry", "reqwest"];

/// The client of EventStoreDB, by the name that its messages begin with.
///
/// While no server is there it reports every attempt of its own as an error, several a second; what is the matter our
/// log says once, with its fault. So it is heard only where `telemetry.filter` names it, as in `info,eventstore=debug`.
const SILENT: &str = "eventstore";

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.filter` is not one.
    #[error("telemetry.filter is not a filter")]
    Filter {
        /// What the parser said.
        #[source]
        source: ParseError,
    },
    /// The HTTP client for traces cannot be built, most likely for want of the system's certificates.
    #[error("telemetry.otlp_endpoint: no HTTP client could be built; are the system's certificates installed?")]
    Client {
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// The exporter refuses the address.
    #[error("telemetry.otlp_endpoint is not usable")]
    Exporter {
        /// What it said.
        #[source]
        source: ExporterBuildError,
    },
    /// The exporter's own runtime cannot be made.
    #[error("no runtime could be made for the export of traces")]
    Runtime {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Somebody has set up logging before.
    #[error("logging has been set up already")]
    AlreadySet {
        /// What the library said.
        #[source]
        source: TryInitError,
    },
}

/// Stops telemetry in order: what is buffered leaves first.
///
/// Dropping it does the same as [`TelemetryGuard::shutdown`], but blocks the thread while it waits.
#[must_use = "telemetry ends when this is dropped"]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
}

impl TelemetryGuard {
    /// Sends what is buffered, waiting no longer than [`SHUTDOWN_TIMEOUT`], and stops.
    pub async fn shutdown(mut self) {
        if let Some(provider) = self.provider.take() {
            let stopped = tokio::task::spawn_blocking(move || stop(&provider)).await;
            if let Err(error) = stopped {
                tracing::warn!(%error, "The task that stops telemetry failed");
            }
        }
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            stop(&provider);
        }
    }
}

impl fmt::Debug for TelemetryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryGuard").finish_non_exhaustive()
    }
}

fn stop(provider: &SdkTracerProvider) {
    if let Err(error) = provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT) {
        tracing::warn!(%error, "The last traces may not have been sent");
    }
}

/// Sets up logs and traces for the whole process. It succeeds once.
pub fn init(config: &TelemetryConfig) -> Result<TelemetryGuard, TelemetryError> {
    let filter = log_filter(&config.filter)?;
    let provider = tracer_provider(config)?;
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("baycase")).with_filter(traced());

    tracing_subscriber::registry()
        .with(log_layer(config.log_format, filter))
        .with(traces)
        .try_init()
        .map_err(|source| TelemetryError::AlreadySet { source })?;
    Ok(TelemetryGuard { provider: Some(provider) })
}

/// What traces and metrics say about this process.
pub fn resource(config: &TelemetryConfig) -> Resource {
    // Not `Resource::builder()`, which also reads variables of the environment that are no part of our configuration.
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_service_name(config.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The W3C `traceparent` of the current span, to keep with events. `None` outside of every span.
pub fn current_traceparent() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span();
    let current = span.span_context();
    if !current.is_valid() {
        return None;
    }
    Some(format!("00-{}-{}-{:02x}", current.trace_id(), current.span_id(), current.trace_flags()))
}

fn log_layer<S>(format: LogFormat, filter: EnvFilter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    match format {
        LogFormat::Text => log::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => log::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed(),
    }
}

/// The filter that was configured, without what is heard only by its name.
fn log_filter(configured: &str) -> Result<EnvFilter, TelemetryError> {
    let filter = EnvFilter::try_new(configured).map_err(|source| TelemetryError::Filter { source })?;
    let mut targets = configured.split(',').filter_map(|directive| directive.split(['=', '[']).next());
    if targets.any(|target| target == SILENT) {
        return Ok(filter);
    }
    let off: Directive = format!("{SILENT}=off").parse().expect("a name and a level are a directive");
    Ok(filter.add_directive(off))
}

fn traced() -> Targets {
    Targets::new().with_default(LevelFilter::INFO).with_targets(NOT_TRACED.map(|target| (target, LevelFilter::OFF)))
}

fn tracer_provider(config: &TelemetryConfig) -> Result<SdkTracerProvider, TelemetryError> {
    let builder = SdkTracerProvider::builder().with_resource(resource(config));
    let Some(endpoint) = &config.otlp_endpoint else {
        // Spans get ids and are dropped.
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let exporter = OtlpExporter::new(endpoint)?;
    Ok(builder
        .with_sampler(Sampler::parent_based(Sampler::TraceIdRatioBased(ratio(config.sample_ratio_ppm))))
        .with_span_processor(BatchSpanProcessor::builder(exporter).build())
        .build())
}

#[expect(clippy::float_arithmetic, reason = "the sampler takes a float; nobody counts with it")]
fn ratio(ppm: u32) -> f64 {
    f64::from(ppm) / 1_000_000.0
}

/// The OTLP exporter on a runtime of its own.
///
/// The batch processor drives its exporter from a plain thread, where the HTTP client finds no runtime. Giving it the
/// program's would let a program that stops wait for itself: with its own, the last traces leave whoever is waiting.
#[derive(Debug)]
struct OtlpExporter {
    inner: opentelemetry_otlp::SpanExporter,
    runtime: Runtime,
}

impl OtlpExporter {
    fn new(endpoint: &str) -> Result<Self, TelemetryError> {
        let client = reqwest::Client::builder()
            .timeout(EXPORT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            // Nobody drives an idle connection between two exports.
            .pool_max_idle_per_host(0);
        // Without TLS the system's certificates are not needed, and a machine may have none.
        let client = if endpoint.starts_with("http:") { client.tls_certs_only([]) } else { client };
        let client = client.build().map_err(|source| TelemetryError::Client { source })?;
        let inner = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(traces_url(endpoint))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|source| TelemetryError::Exporter { source })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| TelemetryError::Runtime { source })?;
        Ok(Self { inner, runtime })
    }
}

impl SpanExporter for OtlpExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.runtime.block_on(self.inner.export(batch))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn traces_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(TRACES_PATH) { base.to_owned() } else { format!("{base}{TRACES_PATH}") }
}

#[cfg(test)]
mod tests;

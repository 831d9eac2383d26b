//! Counters, histograms and gauges, in the text format that Prometheus reads.

mod cluster;
mod listeners;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use self::listeners::Listeners;

pub use self::listeners::Connections;

/// Content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Upper edges of the time buckets, in seconds: a statement of 100 µs to a request that timed out.
const SECONDS: [f64; 14] = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];

/// The kind of a GraphQL request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationType {
    /// It only reads.
    Query,
    /// It acts.
    Mutation,
    /// It stays open.
    Subscription,
    /// It was refused before that was known.
    Unknown,
}

impl OperationType {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
            Self::Unknown => "unknown",
        }
    }
}

/// How a GraphQL request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Without errors.
    Ok,
    /// With an error that the client can mend.
    ClientError,
    /// With an error of ours.
    InternalError,
}

impl Outcome {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::InternalError => "internal_error",
        }
    }
}

/// How far a projection is behind the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events not yet applied.
    pub events: u64,
    /// Age of the oldest of them.
    pub age: Duration,
}

/// There are no metrics, because the library refused.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be set up")]
pub struct MetricsError {
    /// What it said.
    #[source]
    source: OTelSdkError,
}

type Look<T> = Box<dyn Fn() -> T + Send + Sync>;
type Projections = RwLock<Vec<(String, Look<Lag>)>>;
type LogPosition = RwLock<Option<Look<u64>>>;

/// The instruments of this process.
pub struct Metrics {
    registry: Registry,
    graphql_requests: Counter<u64>,
    graphql_request_seconds: Histogram<f64>,
    projections: Arc<Projections>,
    listeners: Listeners,
    log_position: Arc<LogPosition>,
    meter: Meter,
    /// The instruments end with it.
    _provider: SdkMeterProvider,
}

impl Metrics {
    /// The instruments, all at zero. `resource` names the service: see [`crate::telemetry::resource`].
    pub fn new(resource: Resource) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|source| MetricsError { source })?;
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(exporter).build();
        let meter = provider.meter("baycase");

        let projections = Arc::new(Projections::default());
        let log_position = Arc::new(LogPosition::default());
        observe_lag(&meter, &projections);
        let listeners = Listeners::shown_by(&meter);
        observe_position(&meter, &log_position);
        observe_memory(&meter);
        Ok(Self {
            registry,
            // `_total` is appended to counters as they are printed.
            graphql_requests: meter
                .u64_counter("graphql_requests")
                .with_description("GraphQL requests answered")
                .build(),
            graphql_request_seconds: seconds(
                &meter,
                "graphql_request_seconds",
                "Time from a GraphQL request to its answer",
            ),
            projections,
            listeners,
            log_position,
            meter,
            _provider: provider,
        })
    }

    /// Counts a GraphQL request. A subscription is counted when it ends, and its time is not recorded.
    pub fn graphql_request(&self, kind: OperationType, outcome: Outcome, elapsed: Duration) {
        let kind_label = KeyValue::new("operation_type", kind.as_str());
        let outcome_label = KeyValue::new("outcome", outcome.as_str());
        self.graphql_requests.add(1, &[kind_label.clone(), outcome_label]);
        if kind != OperationType::Subscription {
            self.graphql_request_seconds.record(elapsed.as_secs_f64(), &[kind_label]);
        }
    }

    /// Asks `look` for the lag of a projection whenever metrics are read. It must answer at once.
    pub fn observe_projection(&self, name: impl Into<String>, look: impl Fn() -> Lag + Send + Sync + 'static) {
        let name = name.into();
        let mut projections = self.projections.write().unwrap_or_else(PoisonError::into_inner);
        projections.retain(|(known, _)| *known != name);
        projections.push((name, Box::new(look)));
    }

    /// Asks `look` for the connections of a listener whenever metrics are read. It must answer at once.
    pub fn observe_connections(&self, name: &'static str, look: impl Fn() -> Connections + Send + Sync + 'static) {
        self.listeners.add(name, Box::new(look));
    }

    /// Asks `look` for the last position of the log whenever metrics are read. It must answer at once.
    pub fn observe_log_position(&self, look: impl Fn() -> u64 + Send + Sync + 'static) {
        let mut position = self.log_position.write().unwrap_or_else(PoisonError::into_inner);
        *position = Some(Box::new(look));
    }

    /// Asks `look` for a number of its own whenever metrics are read. It must answer at once; a name is given once.
    pub fn observe_number(
        &self,
        name: &'static str,
        description: &'static str,
        look: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.meter
            .u64_observable_gauge(name)
            .with_description(description)
            .with_callback(move |gauge| gauge.observe(look(), &[]))
            .build();
    }

    /// All metrics as text, of type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        match TextEncoder::new().encode_to_string(&self.registry.gather()) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "Metrics cannot be written as text");
                String::new()
            }
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    meter.f64_histogram(name).with_description(description).with_boundaries(SECONDS.to_vec()).build()
}

fn observe_lag(meter: &Meter, projections: &Arc<Projections>) {
    let of_events = Arc::clone(projections);
    meter
        .u64_observable_gauge("projection_lag_events")
        .with_description("Events of the log that a projection has not applied")
        .with_callback(move |gauge| {
            for_each_lag(&of_events, |labels, lag| gauge.observe(lag.events, labels));
        })
        .build();
    let of_seconds = Arc::clone(projections);
    meter
        .f64_observable_gauge("projection_lag_seconds")
        .with_description("Age of the oldest event that a projection has not applied")
        .with_callback(move |gauge| {
            for_each_lag(&of_seconds, |labels, lag| gauge.observe(lag.age.as_secs_f64(), labels));
        })
        .build();
}

fn for_each_lag(projections: &Projections, visit: impl Fn(&[KeyValue], Lag)) {
    let projections = projections.read().unwrap_or_else(PoisonError::into_inner);
    for (name, look) in projections.iter() {
        visit(&[KeyValue::new("projection", name.clone())], look());
    }
}

fn observe_position(meter: &Meter, position: &Arc<LogPosition>) {
    let position = Arc::clone(position);
    meter
        .u64_observable_gauge("log_position")
        .with_description("Last position of the log")
        .with_callback(move |gauge| {
            let look = position.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(look) = look.as_deref() {
                gauge.observe(look(), &[]);
            }
        })
        .build();
}

fn observe_memory(meter: &Meter) {
    meter
        .u64_observable_gauge("process_resident_memory_bytes")
        .with_description("Memory of this process that is not swapped out")
        .with_callback(|gauge| {
            if let Some(bytes) = resident_bytes() {
                gauge.observe(bytes, &[]);
            }
        })
        .build();
}

/// The resident memory of this process, where the system tells.
///
/// `/proc/self/status` and not `statm`: it counts in kB and not in pages, whose size only unsafe code can ask for.
pub fn resident_bytes() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    resident_bytes_of(&status)
}

fn resident_bytes_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        let resource = Resource::builder_empty().with_service_name("test").build();
        Metrics::new(resource).unwrap()
    }

    fn has_line(text: &str, line: &str) -> bool {
        text.lines().any(|candidate| candidate == line)
    }

    #[test]
    fn requests_are_counted() {
        let metrics = metrics();
        let elapsed = Duration::from_millis(3);
        metrics.graphql_request(OperationType::Query, Outcome::Ok, elapsed);
        metrics.graphql_request(OperationType::Query, Outcome::Ok, elapsed);
        metrics.graphql_request(OperationType::Mutation, Outcome::ClientError, elapsed);
        metrics.graphql_request(OperationType::Subscription, Outcome::Ok, elapsed);

        let text = metrics.encode();

        for line in [
            r#"graphql_requests_total{operation_type="query",outcome="ok"} 2"#,
            r#"graphql_requests_total{operation_type="mutation",outcome="client_error"} 1"#,
            r#"graphql_requests_total{operation_type="subscription",outcome="ok"} 1"#,
            r#"graphql_request_seconds_count{operation_type="query"} 2"#,
            r#"graphql_request_seconds_bucket{operation_type="query",le="0.005"} 2"#,
            r#"graphql_request_seconds_bucket{operation_type="query",le="0.0025"} 0"#,
        ] {
            assert!(has_line(&text, line), "{line}\n{text}");
        }
        assert!(!text.contains(r#"graphql_request_seconds_count{operation_type="subscription"}"#));
    }

    #[test]
    fn gauges_ask_when_they_are_read() {
        let metrics = metrics();
        assert!(!metrics.encode().contains("log_position "));

        metrics.observe_log_position(|| 42);
        metrics.observe_number("letters", "Letters in a box", || 5);
        metrics.observe_projection("dashboard", Lag::default);
        metrics.observe_projection("search", || Lag { events: 3, age: Duration::from_millis(1_500) });
        metrics.observe_projection("dashboard", || Lag { events: 7, age: Duration::from_secs(2) });

        let text = metrics.encode();
        for line in [
            "log_position 42",
            "letters 5",
            r#"projection_lag_events{projection="dashboard"} 7"#,
            r#"projection_lag_events{projection="search"} 3"#,
            r#"projection_lag_seconds{projection="search"} 1.5"#,
        ] {
            assert!(has_line(&text, line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_service_is_named() {
        assert!(metrics().encode().contains(r#"service_name="test""#));
    }

    #[test]
    fn resident_memory_is_read_from_the_system() {
        let status = "Name:\tbaycase\nVmPeak:\t  99 kB\nVmRSS:\t   12 kB\nThreads:\t3\n";
        assert_eq!(resident_bytes_of(status), Some(12 * 1_024));
        assert_eq!(resident_bytes_of("Name:\tbaycase\n"), None);
        assert_eq!(resident_bytes_of("VmRSS:\tmany kB\n"), None);
        #[cfg(target_os = "linux")]
        assert!(resident_bytes().unwrap() > 1_024 * 1_024);
    }
}

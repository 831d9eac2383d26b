//! What leaves the process, and what is written into its log.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry::trace::{Span as _, Tracer as _};
use tracing_subscriber::layer::Context;

use super::*;

fn config(endpoint: Option<String>) -> TelemetryConfig {
    TelemetryConfig { otlp_endpoint: endpoint, sample_ratio_ppm: 1_000_000, ..TelemetryConfig::default() }
}

/// Answers one request and returns its first line.
fn collector() -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let answered = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4_096];
        while !String::from_utf8_lossy(&request).contains("\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned()
    });
    (endpoint, answered)
}

#[test]
fn spans_leave_at_shutdown_without_anybodys_runtime() {
    let (endpoint, answered) = collector();
    let provider = tracer_provider(&config(Some(endpoint))).unwrap();
    provider.tracer("test").start("span").end();

    drop(TelemetryGuard { provider: Some(provider) });

    assert_eq!(answered.join().unwrap(), "POST /v1/traces HTTP/1.1");
}

#[tokio::test]
async fn spans_leave_at_shutdown_from_a_runtime_with_one_thread() {
    let (endpoint, answered) = collector();
    let provider = tracer_provider(&config(Some(endpoint))).unwrap();
    provider.tracer("test").start("span").end();

    TelemetryGuard { provider: Some(provider) }.shutdown().await;

    assert_eq!(answered.join().unwrap(), "POST /v1/traces HTTP/1.1");
}

#[test]
fn a_collector_that_is_away_does_not_hold_up_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let provider = tracer_provider(&config(Some(endpoint))).unwrap();
    provider.tracer("test").start("span").end();
    let began = std::time::Instant::now();

    // The connection is taken and never answered.
    drop(TelemetryGuard { provider: Some(provider) });

    assert!(began.elapsed() <= SHUTDOWN_TIMEOUT + Duration::from_secs(2));
    drop(listener);
}

#[test]
fn spans_have_ids_without_a_collector_and_are_not_sampled() {
    let provider = tracer_provider(&config(None)).unwrap();

    let span = provider.tracer("test").start("span");

    assert!(span.span_context().is_valid());
    assert!(!span.span_context().is_sampled());
}

#[test]
fn an_event_can_name_the_span_that_caused_it() {
    let provider = tracer_provider(&config(None)).unwrap();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test")).with_filter(traced());
    let subscriber = tracing_subscriber::registry().with(layer);

    tracing::subscriber::with_default(subscriber, || {
        assert_eq!(current_traceparent(), None);
        let span = tracing::info_span!("request");
        let outer = span.in_scope(|| current_traceparent().unwrap());
        let inner = span.in_scope(|| tracing::info_span!("append").in_scope(|| current_traceparent().unwrap()));

        let (outer, inner): (Vec<&str>, Vec<&str>) = (outer.split('-').collect(), inner.split('-').collect());
        assert_eq!(outer.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2]);
        assert_eq!(outer[0], "00");
        assert_eq!(outer[1], inner[1], "one trace");
        assert_ne!(outer[2], inner[2], "two spans");
        assert_eq!(outer[3], "00", "not sampled");
    });
}

#[test]
fn the_path_of_traces_is_appended_once() {
    for endpoint in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
        assert_eq!(traces_url(endpoint), "http://c:4318/v1/traces");
    }
    assert_eq!(traces_url("https://c/otlp"), "https://c/otlp/v1/traces");
}

#[test]
fn ratios_are_shares_of_a_million() {
    assert_eq!(ratio(0), 0.0);
    assert_eq!(ratio(250_000), 0.25);
    assert_eq!(ratio(1_000_000), 1.0);
}

#[test]
fn a_filter_that_is_none_is_an_error() {
    let config = TelemetryConfig { filter: "a=b".to_owned(), ..TelemetryConfig::default() };
    assert!(matches!(init(&config), Err(TelemetryError::Filter { .. })));
}

/// Writes down the level and the target of what passes a filter.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        self.0.lock().unwrap().push(format!("{} {}", metadata.level(), metadata.target()));
    }
}

/// What is logged under a filter while no server is there.
fn heard(filter: &str) -> Vec<String> {
    let heard = Heard::default();
    let layer = heard.clone().with_filter(log_filter(filter).unwrap());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::error!(target: "eventstore::grpc", "gRPC connection error");
        tracing::debug!(target: "eventstore::commands", "Subscribing...");
        tracing::warn!(target: "event_log::eventstore::connection", "The log cannot be used");
    });
    heard.0.lock().unwrap().clone()
}

#[test]
fn the_client_of_the_servers_is_silent_where_it_is_not_named() {
    let ours = "WARN event_log::eventstore::connection";
    for filter in ["info", "trace", "debug,hyper=off", "info,event_log::eventstore=debug", "eventstore_x=info,info"] {
        assert_eq!(heard(filter), [ours], "{filter}");
    }
    // A part of it that is named is heard; the rest stays silent.
    assert_eq!(heard("info,eventstore::grpc=error"), ["ERROR eventstore::grpc", ours]);
}

#[test]
fn the_client_of_the_servers_is_heard_where_it_is_named() {
    let (error, debug) = ("ERROR eventstore::grpc", "DEBUG eventstore::commands");
    let ours = "WARN event_log::eventstore::connection";
    assert_eq!(heard("info,eventstore=warn"), [error, ours]);
    assert_eq!(heard("eventstore=debug,info"), [error, debug, ours]);
    assert_eq!(heard("eventstore"), [error, debug], "a name alone is all of it");
    assert_eq!(heard("info,eventstore=off"), [ours]);
}

//! One span and one measurement per operation; never the document, its variables or anything of a person.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::types::OperationType as Kind;
use async_graphql::{Response, Value};
use async_trait::async_trait;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::error::Code;
use crate::edge::RequestFacts;
use crate::metrics::{Metrics, OperationType, Outcome};

/// Makes the extension of each request.
#[derive(Debug, Clone)]
pub struct Observe(Arc<Metrics>);

impl Observe {
    /// Measures into these metrics.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self(metrics)
    }
}

impl ExtensionFactory for Observe {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self(Arc::clone(&self.0)))
    }
}

// The library runs `execute` for every event of a subscription, so each has its span; the hook `subscribe` runs before
// the request's data is there.
#[async_trait]
impl Extension for Observe {
    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let kind = match ctx.data_opt::<Kind>() {
            Some(Kind::Query) => OperationType::Query,
            Some(Kind::Mutation) => OperationType::Mutation,
            Some(Kind::Subscription) => OperationType::Subscription,
            None => OperationType::Unknown,
        };
        let facts = ctx.data_opt::<RequestFacts>();
        let request = facts.map_or("", |facts| facts.request_id.as_str());
        let span = tracing::info_span!("graphql", otel.name = kind.as_str(), request.id = %request);
        if let Some(caller) = facts.and_then(|facts| facts.traceparent.as_deref()) {
            continue_trace(&span, caller);
        }
        let begun = Instant::now();
        let response = next.run(ctx, operation_name).instrument(span).await;
        self.0.graphql_request(kind, outcome(&response), begun.elapsed());
        response
    }
}

/// Makes the span a child of the caller's, whose W3C `traceparent` this is. A span that was entered keeps its parent.
fn continue_trace(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let caller = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    // It fails where nobody traces, and then there is nothing to continue.
    let _ = span.set_parent(caller);
}

fn outcome(response: &Response) -> Outcome {
    let internal = Value::from(Code::Internal.as_str());
    let code = |error: &async_graphql::ServerError| {
        error.extensions.as_ref().and_then(|extensions| extensions.get("code")).cloned()
    };
    if response.errors.is_empty() {
        Outcome::Ok
    } else if response.errors.iter().all(|error| code(error).is_some_and(|code| code != internal)) {
        Outcome::ClientError
    } else {
        Outcome::InternalError
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::telemetry::current_traceparent;

    #[test]
    fn the_callers_trace_goes_on_in_a_span_of_our_own() {
        let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("graphql");
            continue_trace(&span, caller);
            let own = span.in_scope(current_traceparent).expect("a trace");
            let parts = |text: &str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
            let (own, caller) = (parts(&own), parts(caller));
            assert_eq!(own.get(1), caller.get(1), "one trace");
            assert_ne!(own.get(2), caller.get(2), "two spans");
            assert_eq!(own.get(3), caller.get(3), "the caller's decision to sample");
        });
    }

    #[test]
    fn without_telemetry_nothing_happens() {
        continue_trace(&Span::none(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }
}

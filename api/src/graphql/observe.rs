//! One span and one measurement per operation; never the document, its variables or anything of a person.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::types::OperationType as Kind;
use async_graphql::{Response, Value};
use async_trait::async_trait;
use tokio::time::Instant;
use tracing::Instrument as _;

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
        let request = ctx.data_opt::<RequestFacts>().map_or("", |facts| facts.request_id.as_str());
        let span = tracing::info_span!("graphql", otel.name = kind.as_str(), request.id = %request);
        let begun = Instant::now();
        let response = next.run(ctx, operation_name).instrument(span).await;
        self.0.graphql_request(kind, outcome(&response), begun.elapsed());
        response
    }
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

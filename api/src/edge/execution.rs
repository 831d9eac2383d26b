//! Running prepared requests, so that neither a panic nor a slow resolver gets past the edge.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::OwnedSemaphorePermit;

use super::answer::{Answer, Inquiry};
use super::document::Prepared;
use super::fault::{Code, Fault};
use super::{Admitted, Edge, Gatekeeper, Presented, RequestFacts, bearer_of};

impl<E: Executor, G: Gatekeeper> Edge<E, G> {
    /// Asks the gatekeeper about what the request presents.
    pub(super) async fn admit(&self, parts: &Parts) -> Result<Admitted<G::Principal>, Fault> {
        let presented = Presented { bearer: bearer_of(&parts.headers), extensions: &parts.extensions };
        self.gatekeeper.authenticate(presented).await.map_err(Fault::refused)
    }

    /// Asks the gatekeeper to charge the principal for an operation.
    pub(super) async fn charge(&self, principal: &G::Principal, cost: u32) -> Result<(), Fault> {
        self.gatekeeper.charge(principal, cost).await.map_err(Fault::refused)
    }

    /// Waits for the position that the request wants to see, if it names one. A mutation acts on the log itself.
    pub(super) async fn reach(&self, kind: OperationType, position: Option<u64>) -> Result<(), Fault> {
        match position.filter(|_| kind != OperationType::Mutation) {
            Some(position) => self.gatekeeper.reach(position).await.map_err(Fault::refused),
            None => Ok(()),
        }
    }

    /// Takes a place among the open subscriptions, to be dropped when the stream ends. Other operations need none.
    pub(super) fn place(&self, kind: OperationType) -> Result<Option<OwnedSemaphorePermit>, Fault> {
        if kind != OperationType::Subscription {
            return Ok(None);
        }
        match Arc::clone(&self.subscriptions).try_acquire_owned() {
            Ok(place) => Ok(Some(place)),
            Err(_full) => {
                let message = "the server has as many open subscriptions as it may; try again later";
                Err(Fault::exchange(StatusCode::SERVICE_UNAVAILABLE, Code::TooManySubscriptions, message))
            }
        }
    }

    /// Executes a query or a mutation within the request timeout.
    ///
    /// When the time is over the resolver is dropped where it waits. What it has appended by then stays appended, so a
    /// client repeats a mutation with the same command id.
    pub(super) async fn execute(&self, request: Request, inquiry: &Inquiry) -> Answer {
        let execution = FutureExt::catch_unwind(AssertUnwindSafe(self.executor.execute(request)));
        match tokio::time::timeout(self.limits.request_timeout, execution).await {
            Ok(Ok(response)) => Answer::of_execution(response, inquiry),
            Ok(Err(_panic)) => panicked(inquiry),
            Err(_elapsed) => {
                let message = "the request took too long";
                Answer::of_fault(&Fault::exchange(StatusCode::SERVICE_UNAVAILABLE, Code::Timeout, message))
            }
        }
    }

    /// The answers of any operation, one after the other: one of a query or a mutation, any number of a subscription.
    ///
    /// An answer that is a refusal is the last one that counts.
    pub(super) fn answers(
        self: &Arc<Self>,
        prepared: Prepared,
        principal: G::Principal,
        facts: RequestFacts,
    ) -> BoxStream<'static, Answer> {
        let kind = prepared.kind();
        let (request, inquiry) = prepared.into_request(principal, facts);
        if kind == OperationType::Subscription {
            let responses = AssertUnwindSafe(self.executor.execute_stream(request, None));
            let events = StreamExt::catch_unwind(responses).map(move |outcome| match outcome {
                Ok(response) => Answer::of_event(response, &inquiry),
                Err(_panic) => panicked(&inquiry),
            });
            return events.boxed();
        }
        let edge = Arc::clone(self);
        stream::once(async move { edge.execute(request, &inquiry).await }).boxed()
    }
}

fn panicked(inquiry: &Inquiry) -> Answer {
    let id = inquiry.facts.request_id.as_str();
    tracing::error!(request.id = %id, "A resolver panicked in request `{id}`");
    Answer::of_panic(inquiry)
}

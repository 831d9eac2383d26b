//! The partners' gatekeeper of the GraphQL edge: whoever came through the guard is let in.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::StatusCode;
use cross_border::exchange::RefusalCode;

use super::PartnerCaller;
use super::rate::Rates;
use crate::edge::{Admitted, Gatekeeper, Presented, Refusal};

/// Admits the callers that the guard has found.
pub(super) struct SignedGate {
    rates: Arc<Rates>,
}

impl SignedGate {
    /// A gate over the rates that the guard has charged with one request.
    pub(super) fn new(rates: Arc<Rates>) -> Self {
        Self { rates }
    }
}

#[async_trait]
impl Gatekeeper for SignedGate {
    type Principal = PartnerCaller;

    async fn authenticate(&self, presented: Presented<'_>) -> Result<Admitted<PartnerCaller>, Refusal> {
        match presented.extensions.get::<PartnerCaller>() {
            Some(caller) => Ok(Admitted { principal: caller.clone(), expires_at: None }),
            None => {
                tracing::error!("The partners' edge was reached without its guard");
                let message = "an error of ours; nothing was done".to_owned();
                Err(Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, code: "INTERNAL", message })
            }
        }
    }

    async fn charge(&self, caller: &PartnerCaller, cost: u32) -> Result<(), Refusal> {
        // The request itself was charged before its body was looked at; what is left is what a long document costs.
        let more = cost.saturating_sub(1);
        if more == 0 {
            return Ok(());
        }
        self.rates.check(&caller.partner, more).map_err(|wait| Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "RATE_LIMITED",
            message: wait.to_string(),
        })
    }

    fn is_retryable(&self, code: &str) -> Option<bool> {
        RefusalCode::parse(code).map(RefusalCode::is_retryable)
    }
}

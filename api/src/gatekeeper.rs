//! Who comes through the edge: a verified token, within its rate, once the node shows what the caller has seen.

use async_trait::async_trait;
use axum::http::StatusCode;
use domain::envelope::Position;

use crate::app::{App, Now};
use crate::auth::{Principal, Verifier};
use crate::edge::{Admitted, Gatekeeper, Presented, Refusal};
use crate::limiter::Limiter;
use crate::origin::bar::Bar;

/// Admits bearers of tokens that the verifier accepts.
pub struct TokenGate {
    verifier: Verifier,
    limiter: Limiter,
    now: Now,
    app: App,
    bar: Bar,
}

impl std::fmt::Debug for TokenGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenGate").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl TokenGate {
    /// A gate over a verifier and a limiter, to what an application shows while the node is not barred.
    #[must_use]
    pub fn new(verifier: Verifier, limiter: Limiter, now: Now, app: App, bar: Bar) -> Self {
        Self { verifier, limiter, now, app, bar }
    }
}

#[async_trait]
impl Gatekeeper for TokenGate {
    type Principal = Principal;

    async fn authenticate(&self, presented: Presented<'_>) -> Result<Admitted<Principal>, Refusal> {
        let bearer = presented.bearer.unwrap_or_default();
        match self.verifier.verify(bearer, (self.now)()).await {
            Ok(principal) => {
                let expires_at = Some(principal.expires_at);
                Ok(Admitted { principal, expires_at })
            }
            Err(error) if error.is_temporary() => {
                tracing::error!(error = %error, "Tokens cannot be checked");
                Err(Refusal {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    code: "UNAVAILABLE",
                    message: "tokens cannot be checked now; try again".to_owned(),
                })
            }
            Err(error) => {
                Err(Refusal { status: StatusCode::UNAUTHORIZED, code: "UNAUTHENTICATED", message: error.to_string() })
            }
        }
    }

    async fn charge(&self, principal: &Principal, cost: u32) -> Result<(), Refusal> {
        // Operations over a connection that was opened before the node was barred come by no other check.
        if let Some(barred) = self.bar.barred() {
            return Err(Refusal {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "UNAVAILABLE",
                message: barred.to_string(),
            });
        }
        self.limiter.check(&principal.subject, cost).map_err(|wait| Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "RATE_LIMITED",
            message: format!("too many requests; try again in {} ms", wait.after.as_millis()),
        })
    }

    async fn reach(&self, position: u64) -> Result<(), Refusal> {
        self.app.reach_both(Position::new(position)).await.map_err(|error| Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: error.code.as_str(),
            message: error.message,
        })
    }
}

//! Where a partner's request is answered: the council, the caller, and how a refusal is told and recorded.

use std::sync::Arc;

use async_graphql::{Context, Error, ErrorExtensions};
use cross_border::council::refusals::of_council;
use cross_border::council::{Council, CouncilError};
use cross_border::exchange::{Refusal, RefusalCode, SharedId};
use cross_border::security::Refused;

use crate::edge::RequestFacts;
use crate::partner::PartnerCaller;

/// One request of a partner, as a resolver sees it.
pub(super) struct Desk<'a> {
    pub(super) council: &'a Arc<Council>,
    pub(super) caller: &'a PartnerCaller,
    facts: Option<&'a RequestFacts>,
}

impl<'a> Desk<'a> {
    /// The desk of a resolver's context. It fails only if the schema is executed without its edge.
    pub(super) fn of(ctx: &Context<'a>) -> Result<Self, Error> {
        Ok(Self { council: ctx.data()?, caller: ctx.data()?, facts: ctx.data_opt() })
    }

    /// Records a refusal in the journal and tells it. What the council itself refuses it has recorded itself; that is
    /// only [`told`].
    pub(super) async fn refuse(&self, what: &str, refusal: Refusal) -> Error {
        self.council.journal.record(self.record(what, refusal.code)).await;
        told(&refusal)
    }

    /// Refuses an argument.
    pub(super) async fn invalid(&self, what: &str, message: impl Into<String>) -> Error {
        self.refuse(what, Refusal::new(RefusalCode::Invalid, message)).await
    }

    /// Tells that the service of the council failed. The cause is in our log; it is no attempt of the partner's.
    pub(super) fn failed(&self, error: &CouncilError) -> Error {
        told(&of_council(error))
    }

    /// Reads the id of a referral.
    pub(super) async fn shared(&self, what: &str, id: &str) -> Result<SharedId, Error> {
        match SharedId::parse(id) {
            Ok(shared) => Ok(shared),
            Err(error) => Err(self.invalid(what, format!("the id of the referral: {error}")).await),
        }
    }

    /// There is no such referral between the caller and us: the same answer whether it exists elsewhere or not.
    pub(super) async fn unknown(&self, what: &str) -> Error {
        let message = "there is no referral with that id between your council and ours";
        self.refuse(what, Refusal::new(RefusalCode::UnknownReferral, message)).await
    }

    fn record(&self, what: &str, code: RefusalCode) -> Refused {
        Refused {
            code: code.code().to_owned(),
            partner: Some(self.caller.partner.clone()),
            key: Some(self.caller.key.to_string()),
            what: format!("POST /partner/graphql {what}"),
            digest: Some(self.caller.body.clone()),
            request_id: self.facts.map(|facts| facts.request_id.clone()),
        }
    }
}

/// A refusal as an error of GraphQL.
pub(super) fn told(refusal: &Refusal) -> Error {
    Error::new(refusal.message.as_str()).extend_with(|_, values| {
        values.set("code", refusal.code.code());
        values.set("retryable", refusal.code.is_retryable());
    })
}

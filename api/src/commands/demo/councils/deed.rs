//! What the officers do once a referral has left: each deed is one mutation, or fetching a file.

use chrono::{SubsecRound as _, TimeDelta};
use cross_border::exchange::Side;
use domain::id::CommandId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::place::{language, name_of};
use super::plot::{Kind, Plot, pick};
use super::texts::{self, money};
use super::view::View;
use crate::graphql::referral::enums::{
    CouncilSessionResult, ProgressKind, ReferralOutcome, ReferralStage, ReturnCode, SessionForm,
};

/// Why a council of the play sends something back.
const RETURN_CODES: &[ReturnCode] =
    &[ReturnCode::NotLocal, ReturnCode::TraderUntraceable, ReturnCode::OutOfWarranty, ReturnCode::AlreadyHandled];

/// One thing that an officer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// 提取.
    Retrieve,
    /// 签收.
    Acknowledge,
    /// Gets the file that the other council announced.
    Fetch,
    /// 通报进展.
    Report(ProgressKind),
    /// 退回.
    Return,
    /// 建议调解或者仲裁.
    Offer(SessionForm),
    /// 答复建议: the consumer accepts.
    Accept,
    /// 记录调解或者仲裁.
    Hold(CouncilSessionResult),
    /// 通报结果.
    Conclude(ReferralOutcome),
    /// 转告结果.
    Inform,
    /// 撤回同意.
    Withdraw,
}

impl Deed {
    /// Whose officer does it.
    pub(super) const fn side(self) -> Side {
        match self {
            Self::Accept | Self::Inform | Self::Withdraw => Side::Origin,
            Self::Retrieve
            | Self::Acknowledge
            | Self::Fetch
            | Self::Report(_)
            | Self::Return
            | Self::Offer(_)
            | Self::Hold(_)
            | Self::Conclude(_) => Side::Target,
        }
    }

    /// The mutation that does it; none for what is no mutation.
    pub(super) const fn mutation(self) -> Option<&'static str> {
        Some(match self {
            Self::Retrieve => "retrieveReferral",
            Self::Acknowledge => "acknowledgeReferral",
            Self::Fetch => return None,
            Self::Report(_) => "reportProgress",
            Self::Return => "returnReferral",
            Self::Offer(_) => "offerSession",
            Self::Accept => "answerOffer",
            Self::Hold(_) => "recordCouncilSession",
            Self::Conclude(_) => "reportOutcome",
            Self::Inform => "acknowledgeOutcome",
            Self::Withdraw => "withdrawConsent",
        })
    }

    /// Whether it can be done, by what its officer sees.
    pub(super) fn is_ready(self, view: &View) -> bool {
        match (self, self.mutation()) {
            (Self::Fetch, _) => view.evidence.iter().any(|file| file.stored),
            // It could be withdrawn at once; the play waits until the other council has the data and says so.
            (Self::Withdraw, _) => view.stage == ReferralStage::Acknowledged,
            (_, Some(mutation)) => view.allowed_actions.iter().any(|allowed| allowed == mutation),
            (_, None) => false,
        }
    }

    /// What the mutation is given.
    pub(super) fn input(self, plot: &Plot, referral: Uuid, view: &View) -> Value {
        let session = view.sessions.first().map(|session| session.id);
        let mut input = self.fields(plot, session);
        if let Value::Object(fields) = &mut input {
            fields.insert("commandId".to_owned(), command(plot, &format!("{self:?}")).into());
            fields.insert("referralId".to_owned(), referral.to_string().into());
        }
        input
    }

    fn fields(self, plot: &Plot, session: Option<Uuid>) -> Value {
        let (from, to) = (plot.from, plot.to);
        let is_mediated = plot.kind == Kind::Mediated;
        let recovered = || money(to, plot.recovered());
        match self {
            Self::Retrieve | Self::Fetch | Self::Inform | Self::Withdraw => json!({}),
            Self::Acknowledge => json!({ "reference": format!("{to}-{}", plot.key()) }),
            Self::Report(kind) => {
                let note = if kind == ProgressKind::Handling { texts::HANDLING } else { texts::REPLIED };
                json!({ "progress": name_of(kind), "note": note.text(to) })
            }
            Self::Return => {
                json!({ "code": name_of(*pick(RETURN_CODES, plot.draw)), "note": texts::RETURNED.text(to) })
            }
            Self::Offer(form) => {
                let note = if is_mediated { texts::MEDIATION } else { texts::ARBITRATION };
                json!({
                    "form": name_of(form),
                    "proposedAt": moment(TimeDelta::days(2)),
                    "languages": [language(to), language(from)],
                    "note": note.text(to),
                })
            }
            Self::Accept => json!({
                "sessionId": session,
                "accepted": true,
                "recordingConsent": is_mediated,
                "note": texts::ACCEPTED.text(from),
            }),
            Self::Hold(result) => {
                let text = if is_mediated { texts::AGREED } else { texts::AWARDED };
                json!({
                    "sessionId": session,
                    "heldAt": moment(TimeDelta::zero()),
                    "recorded": is_mediated,
                    "result": name_of(result),
                    "amount": recovered(),
                    "text": text.text(to),
                })
            }
            Self::Conclude(ReferralOutcome::ConciliationFailed) => {
                json!({ "outcome": name_of(ReferralOutcome::ConciliationFailed), "note": texts::FAILED.text(to) })
            }
            Self::Conclude(outcome) => json!({ "outcome": name_of(outcome), "recovered": recovered() }),
        }
    }
}

/// The id of a command of the play: the same however often it is asked.
pub(super) fn command(plot: &Plot, step: &str) -> String {
    CommandId::derived(&["councils-demo", &plot.key(), step]).to_string()
}

/// A moment so long after now, to the second.
fn moment(later: TimeDelta) -> String {
    (crate::clock::now() + later).trunc_subsecs(0).to_rfc3339()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::plot::{BLOCK, draw};
    use super::*;
    use crate::graphql::sdl;

    #[test]
    fn every_deed_of_a_script_is_a_mutation_of_the_schema_with_an_id_of_its_own() {
        let sdl = sdl();
        let mut commands = BTreeSet::new();
        let mut deeds = 0;
        for plot in draw(1, BLOCK, 1) {
            for deed in plot.kind.script() {
                deeds += 1;
                commands.insert(command(&plot, &format!("{deed:?}")));
                if let Some(mutation) = deed.mutation() {
                    assert!(sdl.contains(&format!("\t{mutation}(input: ")), "{mutation}");
                }
            }
        }
        assert_eq!(commands.len(), deeds);
        assert_ne!(command(&draw(1, 1, 1)[0], "x"), command(&draw(2, 1, 1)[0], "x"));
    }

    #[test]
    fn a_recording_needs_the_consent_that_was_given() {
        for plot in draw(1, BLOCK, 9) {
            let agreed = Deed::Accept.fields(&plot, None)["recordingConsent"].clone();
            let recorded = Deed::Hold(CouncilSessionResult::Settled).fields(&plot, None)["recorded"].clone();
            assert_eq!(agreed, recorded);
        }
    }
}

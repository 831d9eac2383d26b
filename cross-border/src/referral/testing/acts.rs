//! The acts of the tests, by their names.

use crate::exchange::SessionForm;
use crate::referral::Act;
use crate::referral::acknowledge::Acknowledge;
use crate::referral::answer_offer::AnswerOffer;
use crate::referral::assess::Assess;
use crate::referral::capture_consent::CaptureConsent;
use crate::referral::draft::Draft;
use crate::referral::event::{Assessed, ConsentCaptured, Drafted};
use crate::referral::offer_session::OfferSession;
use crate::referral::recall::Recall;
use crate::referral::record_delivery::RecordDelivery;
use crate::referral::report_outcome::ReportOutcome;
use crate::referral::report_progress::ReportProgress;
use crate::referral::testing::session;
use crate::referral::vocabulary::{ProgressKind, RecallReason, ReferralOutcome};

pub(in crate::referral) fn draft(drafted: Drafted) -> Act {
    Act::Draft(Box::new(Draft { drafted }))
}

pub(in crate::referral) fn capture(consent: ConsentCaptured) -> Act {
    Act::CaptureConsent(Box::new(CaptureConsent { consent }))
}

pub(in crate::referral) fn assess(assessed: Assessed) -> Act {
    Act::Assess(Box::new(Assess { assessed }))
}

pub(in crate::referral) fn deliver() -> Act {
    Act::RecordDelivery(RecordDelivery { receipt: Some("R-1".to_owned()) })
}

pub(in crate::referral) fn acknowledge(reference: &str) -> Act {
    Act::Acknowledge(Acknowledge { reference: reference.to_owned() })
}

pub(in crate::referral) fn progress(kind: ProgressKind) -> Act {
    Act::ReportProgress(ReportProgress { kind, note: None })
}

pub(in crate::referral) fn outcome(outcome: ReferralOutcome) -> Act {
    Act::ReportOutcome(ReportOutcome { outcome, recovered: None, note: None })
}

pub(in crate::referral) fn recall(reason: RecallReason) -> Act {
    Act::Recall(Recall { reason })
}

pub(in crate::referral) fn offer(number: u128, form: SessionForm) -> Act {
    Act::OfferSession(OfferSession {
        session: session(number),
        form,
        proposed_at: None,
        languages: Vec::new(),
        note: None,
    })
}

pub(in crate::referral) fn answer(number: u128, accepted: bool, recording_consent: bool) -> Act {
    Act::AnswerOffer(AnswerOffer { session: session(number), accepted, recording_consent, note: None })
}

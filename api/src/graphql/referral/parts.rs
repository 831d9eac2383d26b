//! What a referral consists of: its consent and assessment, its clocks, sessions, evidence, and the record of the
//! transfer.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, NaiveDate, Utc};
use cross_border::council::EVIDENCE_NAME_PURPOSE;
use cross_border::exchange::{Digest, Segment, SessionId, SharedId, Side, Step};
use cross_border::referral::event;
use cross_border::referral::state::{Consent, EvidenceState, SessionState, StepClock};
use uuid::Uuid;

use super::enums::{
    ConsentChannel, CouncilSessionResult, DataField, Language, LegalRoute, Place, ReferralPurpose, ReferralSide,
    ReferralStepName, ScanState, SessionForm,
};
use super::messages::open;
use super::rights::Look;
use crate::graphql::error::Field;
use crate::graphql::money::Money;
use crate::graphql::scalars::Date;

/// The consumer's separate consent, and whether it still holds.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralConsent {
    pub consent: String,
    pub text_version: String,
    pub language: Language,
    pub channel: ConsentChannel,
    /// Id of the partner it is for.
    pub recipient: String,
    pub purpose: ReferralPurpose,
    pub fields: Vec<DataField>,
    /// Digest of the record.
    pub evidence: String,
    pub by_guardian: bool,
    pub given_at: DateTime<Utc>,
    pub withdrawn: bool,
}

impl From<&Consent> for ReferralConsent {
    fn from(consent: &Consent) -> Self {
        let event::ConsentCaptured {
            consent: number,
            text_version,
            language,
            channel,
            recipient,
            purpose,
            fields,
            evidence,
            by_guardian,
        } = consent.captured.clone();
        Self {
            consent: number,
            text_version,
            language: language.into(),
            channel: channel.into(),
            recipient: recipient.to_string(),
            purpose: purpose.into(),
            fields: fields.into_iter().map(Into::into).collect(),
            evidence,
            by_guardian,
            given_at: consent.captured_at,
            withdrawn: consent.withdrawn,
        }
    }
}

/// A contract, a certificate or an approval on which data may leave.
#[derive(Debug, Clone, SimpleObject)]
pub struct Instrument {
    pub number: String,
    pub valid_from: Date,
    pub valid_to: Date,
    /// Number of its filing (备案).
    pub filing_number: Option<String>,
    pub filed_on: Option<Date>,
}

impl From<event::Instrument> for Instrument {
    fn from(instrument: event::Instrument) -> Self {
        Self {
            number: instrument.number,
            valid_from: Date(instrument.valid_from),
            valid_to: Date(instrument.valid_to),
            filed_on: instrument.filing.as_ref().map(|filing| Date(filing.on)),
            filing_number: instrument.filing.map(|filing| filing.number),
        }
    }
}

/// 个人信息保护影响评估 (PIPL Art. 55).
#[derive(Debug, Clone, SimpleObject)]
pub struct ImpactAssessment {
    pub number: String,
    pub version: u16,
    pub assessed_on: Date,
    pub valid_to: Date,
}

impl From<event::ImpactAssessment> for ImpactAssessment {
    fn from(impact: event::ImpactAssessment) -> Self {
        let event::ImpactAssessment { number, version, assessed_on, valid_to } = impact;
        Self { number, version, assessed_on: Date(assessed_on), valid_to: Date(valid_to) }
    }
}

/// 合法性评估: the way on which the data may leave, and what it rests on.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralAssessment {
    pub route: LegalRoute,
    pub instrument: Option<Instrument>,
    pub impact: Option<ImpactAssessment>,
    pub important_data: bool,
}

impl From<&event::Assessed> for ReferralAssessment {
    fn from(assessed: &event::Assessed) -> Self {
        let event::Assessed { route, instrument, impact, important_data } = assessed.clone();
        Self {
            route: route.into(),
            instrument: instrument.map(Into::into),
            impact: impact.map(Into::into),
            important_data,
        }
    }
}

/// A step that one of the two councils has to do by a day.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralStep {
    pub name: ReferralStepName,
    /// The place of the council whose act is awaited; its calendar counts.
    pub awaited: Place,
    pub started_on: Date,
    /// The last day.
    pub by: Date,
    /// Edition of the calendar.
    pub calendar: String,
    /// A day that mattered lies in a year whose calendar is not published.
    pub provisional: bool,
    /// The day it was done, or no longer awaited.
    pub met_on: Option<Date>,
    /// Not done, and its last day is over.
    pub overdue: bool,
    /// Reminders that we sent, or gave to ourselves.
    pub reminders: u16,
    /// Reminders that the partner sent us.
    pub reminders_received: u16,
    pub escalated: bool,
}

impl ReferralStep {
    /// A step as it stands on a day.
    #[must_use]
    pub fn on(step: Step, clock: &StepClock, day: NaiveDate) -> Self {
        Self {
            name: step.into(),
            awaited: clock.council.into(),
            started_on: Date(clock.started_on),
            by: Date(clock.by),
            calendar: clock.calendar.to_string(),
            provisional: clock.provisional,
            met_on: clock.met_on.map(Date),
            overdue: clock.is_overdue(day),
            reminders: clock.reminders,
            reminders_received: clock.received,
            escalated: clock.escalated,
        }
    }
}

/// A session of mediation or arbitration that was offered, answered, held.
#[derive(Debug, Clone, SimpleObject)]
pub struct CouncilSession {
    pub id: Uuid,
    pub form: SessionForm,
    pub proposed_at: Option<DateTime<Utc>>,
    pub languages: Vec<Language>,
    /// What the consumer answered; null while it has not.
    pub accepted: Option<bool>,
    pub recording_consent: Option<bool>,
    pub held_at: Option<DateTime<Utc>>,
    pub recorded: Option<bool>,
    pub result: Option<CouncilSessionResult>,
    pub amount: Option<Money>,
    /// Digest of the record, an agreement or an award, among the evidence.
    pub record: Option<String>,
}

impl CouncilSession {
    /// A session as it stands.
    #[must_use]
    pub fn new(id: SessionId, session: &SessionState) -> Self {
        let (answer, held) = (session.answer.as_ref(), session.held.as_ref());
        Self {
            id: id.as_uuid(),
            form: session.form.into(),
            proposed_at: session.proposed_at,
            languages: session.languages.iter().map(|language| (*language).into()).collect(),
            accepted: answer.map(|answer| answer.accepted),
            recording_consent: answer.map(|answer| answer.recording_consent),
            held_at: held.map(|held| held.held_at),
            recorded: held.map(|held| held.recorded),
            result: held.map(|held| held.result.into()),
            amount: held.and_then(|held| held.amount).map(Into::into),
            record: held.and_then(|held| held.record.as_ref()).map(ToString::to_string),
        }
    }
}

/// A file that belongs to a referral.
#[derive(Debug, Clone)]
pub struct ReferralEvidence {
    digest: Digest,
    state: EvidenceState,
    /// What whoever reads its name asks for.
    look: Look,
}

impl ReferralEvidence {
    /// A file as it stands; `look` is what whoever reads its name asks for.
    #[must_use]
    pub fn new(digest: &Digest, state: &EvidenceState, look: Look) -> Self {
        Self { digest: digest.clone(), state: state.clone(), look }
    }
}

/// A file that belongs to a referral; its bytes come by `GET /evidence/{referralId}/{digest}`.
#[Object]
impl ReferralEvidence {
    /// SHA-256 of the file.
    async fn digest(&self) -> &str {
        self.digest.as_str()
    }

    /// Name of the file, for those who may read the `text` of messages; null once the person was erased.
    async fn name(&self, ctx: &Context<'_>) -> Field<String> {
        open(ctx, self.look, EVIDENCE_NAME_PURPOSE, &self.state.name).await.map_err(Into::into).transpose()
    }

    /// Length of the file.
    async fn bytes(&self) -> u32 {
        u32::try_from(self.state.bytes).unwrap_or(u32::MAX)
    }

    /// Media type.
    async fn media(&self) -> &str {
        &self.state.media
    }

    /// Whose it is.
    async fn side(&self) -> ReferralSide {
        self.state.side.into()
    }

    /// Its bytes are here.
    async fn stored(&self) -> bool {
        self.state.stored
    }

    async fn scan(&self) -> ScanState {
        self.state.scan.into()
    }
}

/// One council's lane of messages.
#[derive(Debug, Clone, SimpleObject)]
pub struct Lane {
    /// Messages in it, without those that wait for others.
    pub count: u32,
    /// Digest of the newest.
    pub head: Option<String>,
}

/// What both councils hold in common. Two councils with the same digest hold the same messages in the same order.
#[derive(Debug, Clone, SimpleObject)]
pub struct SharedSegment {
    pub digest: String,
    pub origin: Lane,
    pub target: Lane,
}

impl SharedSegment {
    /// The segment of a referral.
    #[must_use]
    pub fn new(segment: &Segment, shared: SharedId) -> Self {
        let lane = |side: Side| Lane {
            count: segment.count(side),
            head: segment.head(side).map(|entry| entry.digest.to_string()),
        };
        Self { digest: segment.digest(shared).to_string(), origin: lane(Side::Origin), target: lane(Side::Target) }
    }
}

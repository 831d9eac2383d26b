//! What a referral is after everything that happened to it.

mod apply;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::CalendarEdition;
use domain::id::SubjectId;
use domain::money::Money;
use domain::privacy::Sealed as SealedText;

pub(super) use self::apply::{after, evolve};
use super::erase::Erasure;
use super::event::{Assessed, ConsentCaptured, Drafted, MessageMeta, Presented, Sealed, Sent};
use super::vocabulary::{Direction, ProgressKind, ReferralOutcome, ReturnCode};
use crate::exchange::{
    Digest, Entry, Inserted, Next, ScanState, Segment, SegmentError, SessionForm, SessionId, SessionResult, SharedId,
    Side, Step,
};
use crate::partner::{Language, Place};

/// Where a referral stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// 拟转办.
    Drafted,
    /// 已取得同意.
    ConsentCaptured,
    /// 已评估.
    Assessed,
    /// 已封装.
    Sealed,
    /// 已发出: waiting for a receipt or an answer.
    Sent,
    /// 已送达.
    Delivered,
    /// 已签收: the receiving council has it.
    Acknowledged,
    /// 办理中, with the newest that was reported.
    InProgress(ProgressKind),
    /// 结果已通报.
    OutcomeReported(ReferralOutcome),
    /// 已转告当事人: nothing is left to do.
    Closed(ReferralOutcome),
    /// 被退回.
    Returned(ReturnCode),
    /// 已撤回: whether data had left, and what the recipient answered.
    Recalled { after_sending: bool, erased: Option<bool> },
}

impl Stage {
    /// The stable code of the stage, without its details.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Drafted => "drafted",
            Self::ConsentCaptured => "consent-captured",
            Self::Assessed => "assessed",
            Self::Sealed => "sealed",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::InProgress(_) => "in-progress",
            Self::OutcomeReported(_) => "outcome-reported",
            Self::Closed(_) => "closed",
            Self::Returned(_) => "returned",
            Self::Recalled { .. } => "recalled",
        }
    }

    /// Whether the message has left its sender.
    #[must_use]
    pub const fn has_left(self) -> bool {
        match self {
            Self::Drafted | Self::ConsentCaptured | Self::Assessed | Self::Sealed => false,
            Self::Recalled { after_sending, .. } => after_sending,
            Self::Sent
            | Self::Delivered
            | Self::Acknowledged
            | Self::InProgress(_)
            | Self::OutcomeReported(_)
            | Self::Closed(_)
            | Self::Returned(_) => true,
        }
    }

    /// Whether it is still being prepared.
    #[must_use]
    pub const fn is_before_sending(self) -> bool {
        matches!(self, Self::Drafted | Self::ConsentCaptured | Self::Assessed | Self::Sealed)
    }

    /// Whether it is at the receiving council, which has not said yet whether it takes it.
    #[must_use]
    pub const fn is_on_the_way(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered)
    }

    /// Whether the receiving council has taken it and not yet decided.
    #[must_use]
    pub const fn is_handled(self) -> bool {
        matches!(self, Self::Acknowledged | Self::InProgress(_))
    }

    /// Whether it was called back.
    #[must_use]
    pub const fn is_recalled(self) -> bool {
        matches!(self, Self::Recalled { .. })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A consent, and whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    pub captured: ConsentCaptured,
    pub captured_at: DateTime<Utc>,
    pub withdrawn: bool,
}

/// A step that is awaited of one of the two councils, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepClock {
    pub started_on: NaiveDate,
    /// The last day.
    pub by: NaiveDate,
    pub calendar: CalendarEdition,
    /// A day that mattered lies in a year whose calendar was not published.
    pub provisional: bool,
    /// Whose act is awaited.
    pub council: Place,
    /// The day it was done, or was no longer awaited.
    pub met_on: Option<NaiveDate>,
    /// How often we reminded whoever is late.
    pub reminders: u16,
    /// How often the other council reminded us.
    pub received: u16,
    pub escalated: bool,
}

impl StepClock {
    /// Whether the step is still awaited.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.met_on.is_none()
    }

    /// Whether the step is awaited on the day and its last day is over.
    #[must_use]
    pub fn is_overdue(&self, on: NaiveDate) -> bool {
        self.is_running() && on > self.by
    }
}

/// What the consumer answered to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub accepted: bool,
    pub recording_consent: bool,
}

/// What became of a session, by the newest report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub held_at: DateTime<Utc>,
    pub recorded: bool,
    pub result: SessionResult,
    pub amount: Option<Money>,
    pub record: Option<Digest>,
}

/// A session that the receiving council offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    pub form: SessionForm,
    pub proposed_at: Option<DateTime<Utc>>,
    pub languages: Vec<Language>,
    pub note: Option<SealedText>,
    pub answer: Option<Answer>,
    pub held: Option<Held>,
}

impl SessionState {
    /// Whether it was accepted and is still to be held: not yet begun, or adjourned.
    #[must_use]
    pub fn is_to_be_held(&self) -> bool {
        let accepted = self.answer.is_some_and(|answer| answer.accepted);
        accepted && self.held.as_ref().is_none_or(|held| held.result == SessionResult::Adjourned)
    }
}

/// A file of the referral; its bytes are kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceState {
    pub name: SealedText,
    pub bytes: u64,
    /// The media type (RFC 6838).
    pub media: String,
    /// Who has it and gives it to the other.
    pub side: Side,
    /// Its bytes are here.
    pub stored: bool,
    pub scan: ScanState,
    /// The number of our message that tells of it, if it is ours and was told of.
    pub announced: Option<u32>,
    /// The other council has the bytes from us, or refused them for good.
    pub brought: bool,
    /// Who of ours added it, by work id, where that is known.
    pub by: Option<String>,
}

/// A drafted referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub drafted: Drafted,
    pub stage: Stage,
    /// The newest consent.
    pub consent: Option<Consent>,
    pub assessed: Option<Assessed>,
    /// What was laid before the second person; a later consent, assessment or file of ours makes it void.
    pub presented: Option<Presented>,
    /// Who has presented it, by work id; also of what is void by now, because the next content is rarely all new.
    pub presenters: BTreeSet<String>,
    pub sealed: Option<Sealed>,
    pub sent: Option<Sent>,
    pub delivered: bool,
    /// A partner that fetches was given the submission, and may have it.
    pub given_out: bool,
    /// The receiving council has fetched it.
    pub retrieved: bool,
    /// The receiving council's own number.
    pub reference: Option<String>,
    pub outcome: Option<ReferralOutcome>,
    /// The id under which both councils know the referral.
    pub shared: SharedId,
    /// The two lanes of messages.
    pub segment: Segment,
    /// Messages of the other council that wait for one that comes before them, by their number.
    pub parked: BTreeMap<u32, MessageMeta>,
    /// What is awaited, and what was.
    pub clocks: BTreeMap<Step, StepClock>,
    pub sessions: BTreeMap<SessionId, SessionState>,
    pub evidence: BTreeMap<Digest, EvidenceState>,
    /// Files that were attached to the draft and are not in the message that left: nobody else ever hears of them.
    pub unshared: BTreeSet<Digest>,
    /// What became of the data when they were not to be kept any longer.
    pub erasure: Erasure,
    pub drafted_at: DateTime<Utc>,
    pub last_act_at: DateTime<Utc>,
}

impl Transfer {
    /// Whether it goes to the partner.
    #[must_use]
    pub fn is_outbound(&self) -> bool {
        self.drafted.direction == Direction::Outbound
    }

    /// Which of the two councils we are.
    #[must_use]
    pub fn own_side(&self) -> Side {
        if self.is_outbound() { Side::Origin } else { Side::Target }
    }

    /// Our place, by the seat of our council.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        Place::of_seat(self.drafted.seat)
    }

    /// The id under which both councils know the referral.
    #[must_use]
    pub const fn shared(&self) -> SharedId {
        self.shared
    }

    /// Whose key seals the texts: of what goes out it is known once it is presented.
    #[must_use]
    pub fn subject(&self) -> Option<SubjectId> {
        match &self.presented {
            Some(presented) => Some(presented.subject),
            None if self.is_outbound() => None,
            None => Some(SubjectId::of_referral(self.drafted.referral.as_uuid())),
        }
    }

    /// What our next message must say of its place.
    #[must_use]
    pub fn next_message(&self) -> Next {
        self.segment.next(self.own_side())
    }

    /// What receiving a message of the other council would do to the segment.
    ///
    /// # Errors
    /// Why the message cannot stand in its lane.
    pub fn preview(&self, entry: &Entry) -> Result<Inserted, SegmentError> {
        self.segment.clone().receive(self.own_side().other(), entry.clone())
    }

    /// The steps that are awaited now.
    pub fn running(&self) -> impl Iterator<Item = (Step, &StepClock)> {
        self.clocks.iter().filter(|(_, clock)| clock.is_running()).map(|(step, clock)| (*step, clock))
    }

    /// Whether the consent was withdrawn after the data had left, and they are not called back yet.
    #[must_use]
    pub fn recall_is_due(&self) -> bool {
        let withdrawn = self.consent.as_ref().is_some_and(|consent| consent.withdrawn);
        self.is_outbound() && withdrawn && self.stage.has_left() && !self.stage.is_recalled()
    }

    pub(super) fn new(at: DateTime<Utc>, drafted: &Drafted) -> Self {
        Self {
            shared: shared_id(drafted),
            drafted: drafted.clone(),
            stage: Stage::Drafted,
            consent: None,
            assessed: None,
            presented: None,
            presenters: BTreeSet::new(),
            sealed: None,
            sent: None,
            delivered: false,
            given_out: false,
            retrieved: false,
            reference: None,
            outcome: None,
            segment: Segment::default(),
            parked: BTreeMap::new(),
            clocks: BTreeMap::new(),
            sessions: BTreeMap::new(),
            evidence: BTreeMap::new(),
            unshared: BTreeSet::new(),
            erasure: Erasure::default(),
            drafted_at: at,
            last_act_at: at,
        }
    }

    /// Moves on from exactly one stage; at any other the event only adds to the record.
    fn advance(&mut self, from: Stage, to: Stage) {
        if self.stage == from {
            self.stage = to;
        }
    }
}

/// What goes out is known by its own id, what comes in by the id that its sender gave. A number that is no such id was
/// entered by hand, before councils exchanged messages.
fn shared_id(drafted: &Drafted) -> SharedId {
    let own = SharedId::from_uuid(drafted.referral.as_uuid());
    match (drafted.direction, drafted.partner_reference.as_deref().map(SharedId::parse)) {
        (Direction::Inbound, Some(Ok(theirs))) => theirs,
        (Direction::Inbound | Direction::Outbound, _) => own,
    }
}

/// The state of a referral's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Referral {
    Unknown,
    Known(Box<Transfer>),
}

impl Referral {
    /// The referral, once it is drafted.
    #[must_use]
    pub fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Unknown => None,
            Self::Known(transfer) => Some(transfer),
        }
    }
}

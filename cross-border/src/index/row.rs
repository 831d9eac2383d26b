//! What the index answers with, and what it is asked by.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use domain::envelope::{Position, Revision};
use domain::id::{ComplaintId, SubjectId, UnitId};
use domain::vocabulary::vocabulary;

use crate::delivery::{DeliveredBy, DeliveryState, FailureCode};
use crate::exchange::{DeliveryId, Digest, MessageKind, SharedId, Step};
use crate::partner::{PartnerId, Place};
use crate::referral::ReferralId;
use crate::referral::vocabulary::{Direction, Purpose, ReferralOutcome};

/// Where a list is to go on. Opaque; only good for the kind of list it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(Position);

impl Cursor {
    /// Reads a cursor that a client gives back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = u64::from_str_radix(text, 16).ok()?;
        // One spelling for each place: what this program wrote.
        let cursor = Self(Position::new(number));
        (number <= i64::MAX.cast_unsigned() && cursor.to_string() == text).then_some(cursor)
    }

    pub(super) const fn new(position: Position) -> Self {
        Self(position)
    }

    pub(super) const fn position(self) -> Position {
        self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0.get())
    }
}

vocabulary! {
    /// What this council itself still owes to a referral, whether or not anybody asks for it.
    Duty {
        /// The consumer withdrew the consent after the data had left: they are to be called back (PIPL Art. 47).
        Recall = "recall", "撤回转办";
        /// The other council calls back what it sent us: it is to be erased, and that told.
        AnswerRecall = "answer-recall", "答复撤回";
        /// The partner's receipt for the submission is kept, and the referral does not say so yet.
        RecordDelivery = "record-delivery", "登记送达";
    }
}

/// One referral as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralRow {
    pub id: ReferralId,
    /// The id under which both councils know it.
    pub shared: SharedId,
    pub direction: Direction,
    pub partner: PartnerId,
    /// Our council.
    pub council: UnitId,
    pub complaint: Option<ComplaintId>,
    /// Whose key seals its texts; of what goes out it is known once it is presented.
    pub subject: Option<SubjectId>,
    pub purpose: Purpose,
    /// The code of [`crate::referral::Stage`].
    pub stage: String,
    /// The code of what was reported last, of the result or of the return; for a recall `erased` or `kept`.
    pub detail: Option<String>,
    /// The receiving council's own number.
    pub reference: Option<String>,
    pub drafted_at: DateTime<Utc>,
    /// When it left its sender.
    pub sent_at: Option<DateTime<Utc>>,
    pub last_act_at: DateTime<Utc>,
    pub outcome: Option<ReferralOutcome>,
    /// The awaited step whose last day comes first.
    pub next_step: Option<Step>,
    /// Its last day.
    pub next_due: Option<NaiveDate>,
    pub revision: Revision,
    /// Of the newest event.
    pub position: Position,
    /// Of the draft.
    pub drafted_position: Position,
    /// The digest of the messages of both councils: equal on both sides as soon as both hold the same.
    pub segment: Digest,
    /// Messages of the council that refers.
    pub origin_count: u32,
    /// Messages of the council that receives.
    pub target_count: u32,
}

impl ReferralRow {
    /// Where a list goes on behind this row.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor::new(self.drafted_position)
    }
}

/// Which referrals are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReferralFilter {
    pub partner: Option<PartnerId>,
    pub direction: Option<Direction>,
    /// Those of these councils of ours; an empty list means none.
    pub councils: Option<Vec<UnitId>>,
    /// The code of a stage.
    pub stage: Option<String>,
    pub complaint: Option<ComplaintId>,
    pub subject: Option<SubjectId>,
    /// Those of which a step is overdue on that day.
    pub overdue_on: Option<NaiveDate>,
}

/// One message of ours on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub delivery: DeliveryId,
    pub referral: ReferralId,
    pub shared: SharedId,
    pub partner: PartnerId,
    /// Our council.
    pub council: UnitId,
    /// Its number in our lane.
    pub sequence: u32,
    pub kind: MessageKind,
    /// Of the message's text.
    pub digest: Digest,
    /// When the log recorded it.
    pub issued_at: DateTime<Utc>,
    /// When it was issued or last re-driven: from here on attempts are counted.
    pub since: DateTime<Utc>,
    /// Of the event that issued it.
    pub position: Position,
    pub state: DeliveryState,
    /// Since `since`.
    pub attempts: u32,
    /// The earliest moment of the next attempt; of one under way, the end of its lease; at the end, when that came.
    pub next_at: DateTime<Utc>,
    pub lease_until: Option<DateTime<Utc>>,
    /// Who tries.
    pub holder: Option<String>,
    /// Why the newest attempt failed, or why nobody tries any more.
    pub last_code: Option<String>,
    pub last_status: Option<u16>,
    pub last_detail: Option<String>,
    /// Since it was given up.
    pub alarms: u32,
    pub alarmed_at: Option<DateTime<Utc>>,
    /// When it was delivered or given up.
    pub ended_at: Option<DateTime<Utc>>,
    pub delivered_by: Option<DeliveredBy>,
    /// An earlier message of the same referral is not delivered: this one is not tried before it is.
    pub waits: bool,
}

impl OutboxRow {
    /// Where a list goes on behind this row.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor::new(self.position)
    }

    /// Whether nothing more will come of it: it is delivered, or its text was erased before it could be, or may not leave
    /// any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let never = [FailureCode::Erased.code(), FailureCode::Lapsed.code()];
        let is_kept = self.last_code.as_deref().is_some_and(|code| never.contains(&code));
        self.state == DeliveryState::Delivered || (self.state == DeliveryState::Dead && is_kept)
    }
}

/// Which deliveries are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    pub partner: Option<PartnerId>,
    pub state: Option<DeliveryState>,
    /// Those of these councils of ours; an empty list means none.
    pub councils: Option<Vec<UnitId>>,
}

/// One awaited step of a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    pub referral: ReferralId,
    pub shared: SharedId,
    pub partner: PartnerId,
    pub direction: Direction,
    pub our_council: UnitId,
    pub step: Step,
    /// Whose act is awaited.
    pub council: Place,
    pub started_on: NaiveDate,
    /// The last day.
    pub due: NaiveDate,
    /// A day that mattered lies in a year whose calendar was not published.
    pub provisional: bool,
    /// How often we reminded whoever is late.
    pub reminders: u16,
    pub escalated: bool,
}

impl StepRow {
    /// The place of the row in the list of overdue steps.
    #[must_use]
    pub const fn key(&self) -> StepKey {
        StepKey { due: self.due, referral: self.referral, step: self.step }
    }
}

/// A place in the list of overdue steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepKey {
    pub(super) due: NaiveDate,
    pub(super) referral: ReferralId,
    pub(super) step: Step,
}

/// What one of our councils sent to one partner in a year: the numbers by which the duties of a sender grow (2024
/// provisions on cross-border data flows; PIPL Art. 38).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterRow {
    pub council: UnitId,
    pub partner: PartnerId,
    pub transfers: u64,
    /// Distinct persons.
    pub persons: u64,
    /// Distinct persons of whom sensitive data were sent.
    pub sensitive: u64,
}

/// One file of a referral that has to go over to the other council or to come from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRow {
    pub referral: ReferralId,
    pub shared: SharedId,
    pub partner: PartnerId,
    pub digest: Digest,
}

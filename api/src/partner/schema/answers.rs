//! What a partner reads.

use async_graphql::{ID, SimpleObject};
use cross_border::exchange::{Digest, Entry, RefusalCode as Code, Segment, SharedId, Side};
use cross_border::partner::PartnerId;
use cross_border::referral::Transfer;

use super::codes::RefusalCode;

/// The receipt of a message: the same one however often the message comes.
#[derive(Debug, SimpleObject)]
pub struct ReceiptPayload {
    /// The delivery of the message.
    pub delivery: ID,
    /// SHA-256 of the message's text as it is kept here. Compare it with your own.
    pub digest: String,
    /// `received`: in its place and in effect. `parked`: kept until the messages before it are there; send those.
    pub status: String,
    /// The receipt: canonical JSON (RFC 8785) of `at`, `delivery`, `digest`, `from`, `referral`, `status` and `to`. The
    /// other fields only repeat it.
    pub text: String,
    /// The detached JWS over the text, made as that of a message.
    pub jws: String,
    /// The id of our key that signed it.
    pub key: String,
    /// The message was here before this request.
    pub repeated: bool,
}

/// Who answers here.
#[derive(Debug, SimpleObject)]
pub struct ServerInfo {
    /// The version of the program.
    pub version: String,
    /// The version of messages that is read and written here.
    pub message_version: u32,
    /// The council whose node this is.
    pub council: String,
    /// The time of this node, UTC. Signatures are valid for minutes, so the clocks must not differ by more than 30
    /// seconds.
    pub time: String,
    /// Every code of this contract in `extensions.code`, and whether the same request may succeed later.
    pub refusals: Vec<RefusalRule>,
}

/// What a code means for a retry.
#[derive(Debug, SimpleObject)]
pub struct RefusalRule {
    pub code: RefusalCode,
    /// The same message may succeed later with nothing changed: repeat it with growing pauses. Otherwise a person must
    /// look at it first.
    pub retryable: bool,
}

impl RefusalRule {
    /// The rules of all codes.
    pub(super) fn all() -> Vec<Self> {
        Code::ALL.iter().map(|code| Self { code: (*code).into(), retryable: code.is_retryable() }).collect()
    }
}

/// A referral between your council and ours.
#[derive(Debug, SimpleObject)]
pub struct PartnerReferral {
    /// The id that both councils know it under.
    pub id: ID,
    /// The council that referred the dispute.
    pub origin: String,
    /// The council that received it.
    pub target: String,
    /// Where it stands here: `sent`, `delivered`, `acknowledged`, `in-progress`, `outcome-reported`, `closed`,
    /// `returned` or `recalled`. Where both councils hold the same messages they are at the same stage, but for
    /// `sent`, which its recipient knows as `delivered`.
    pub stage: String,
    /// The recipient's own number of the case, once it has acknowledged.
    pub reference: Option<String>,
    /// The history that both councils share.
    pub segment: SharedSegment,
}

/// The messages of a referral as they are held here.
#[derive(Debug, SimpleObject)]
pub struct SharedSegment {
    /// Equal at both councils if and only if they hold the same messages: SHA-256 of the lines that the guide
    /// describes.
    pub digest: String,
    /// The lane of the council that referred the dispute.
    pub origin: Lane,
    /// The lane of the council that received it.
    pub target: Lane,
}

/// The messages of one council, in the order in which it wrote them.
#[derive(Debug, SimpleObject)]
pub struct Lane {
    /// How many there are from the first without a gap: the sequence of the head.
    pub count: u32,
    /// SHA-256 of the text of the last of them.
    pub head: Option<String>,
    /// Those messages.
    pub entries: Vec<LaneEntry>,
    /// What is kept behind a gap and waits for the messages before it, or for messages of the other lane.
    pub parked: Vec<LaneEntry>,
}

/// The place of a message; its text is in `messages`.
#[derive(Debug, SimpleObject)]
pub struct LaneEntry {
    pub delivery: ID,
    pub sequence: u32,
    pub clock: u32,
    /// `submission`, `retrieved`, `acknowledgement`, `return`, `progress`, `offer`, `offer-answer`, `session-report`,
    /// `outcome`, `outcome-acknowledgement`, `recall`, `recall-answer`, `reminder` or `evidence`.
    pub kind: String,
    /// When its author wrote it, UTC.
    pub at: String,
    /// SHA-256 of its text.
    pub digest: String,
}

/// A page of our messages to your council.
#[derive(Debug, SimpleObject)]
pub struct MessagePage {
    /// In the order in which they were issued. A page may hold fewer than asked for, even none, and not be the last.
    pub messages: Vec<IssuedMessage>,
    /// What to give as `after` for the next page; absent if this page and all before it were empty.
    pub next: Option<String>,
    /// There is nothing behind this page now. Come again later with `next`.
    pub at_end: bool,
}

/// A message of ours, signed.
#[derive(Debug, SimpleObject)]
pub struct IssuedMessage {
    /// Its place in the feed; opaque.
    pub cursor: String,
    pub delivery: ID,
    /// The kind, as in `LaneEntry`.
    pub kind: String,
    /// The canonical JSON of `{"header": …, "kind": …, "body": …}`: the text that is signed.
    pub text: String,
    /// The detached JWS over it.
    pub jws: String,
    /// The id of our key that signed it.
    pub key: String,
}

/// A file that belongs to a referral.
#[derive(Debug, SimpleObject)]
pub struct EvidenceInfo {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its length.
    pub bytes: u64,
    /// Its media type.
    pub media: String,
    /// Who announced it and sends it: `origin` or `target`.
    pub side: String,
    /// Its bytes are here.
    pub stored: bool,
    /// `unscanned`, `clean`, `infected` or `failed`: what a search for malicious content found.
    pub scan: String,
}

impl PartnerReferral {
    /// The referral as the partner may see it.
    pub(super) fn of(transfer: &Transfer, own: &PartnerId) -> Self {
        let partner = &transfer.drafted.partner;
        let (origin, target) = if transfer.is_outbound() { (own, partner) } else { (partner, own) };
        Self {
            id: transfer.shared().to_string().into(),
            origin: origin.to_string(),
            target: target.to_string(),
            stage: transfer.stage.code().to_owned(),
            reference: transfer.reference.clone(),
            segment: SharedSegment::of(&transfer.segment, transfer.shared()),
        }
    }
}

impl SharedSegment {
    pub(super) fn of(segment: &Segment, shared: SharedId) -> Self {
        Self {
            digest: segment.digest(shared).to_string(),
            origin: Lane::of(segment, Side::Origin),
            target: Lane::of(segment, Side::Target),
        }
    }
}

impl Lane {
    fn of(segment: &Segment, side: Side) -> Self {
        Self {
            count: segment.count(side),
            head: segment.head(side).map(|entry| entry.digest.to_string()),
            entries: segment.entries(side).iter().map(LaneEntry::of).collect(),
            parked: segment.parked(side).map(LaneEntry::of).collect(),
        }
    }
}

impl LaneEntry {
    fn of(entry: &Entry) -> Self {
        Self {
            delivery: entry.delivery.to_string().into(),
            sequence: entry.sequence,
            clock: entry.clock,
            kind: entry.kind.code().to_owned(),
            at: moment(entry.at),
            digest: entry.digest.to_string(),
        }
    }
}

/// The files of a referral.
pub(super) fn evidence_of(transfer: &Transfer) -> Vec<EvidenceInfo> {
    let info = |(digest, file): (&Digest, &cross_border::referral::state::EvidenceState)| EvidenceInfo {
        digest: digest.to_string(),
        bytes: file.bytes,
        media: file.media.clone(),
        side: file.side.code().to_owned(),
        stored: file.stored,
        scan: file.scan.code().to_owned(),
    };
    transfer.evidence.iter().map(info).collect()
}

/// A moment as it stands in messages.
pub(super) fn moment(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

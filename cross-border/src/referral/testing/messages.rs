//! The messages that go with the acts of the tests: in place, but signed and sealed by nobody.

use domain::id::SubjectId;

use super::{content, sealed_text, subject, time};
use crate::exchange::{DeliveryId, Digest, Entry, MessageKind, Next, Segment, SharedId, Side};
use crate::partner::{PartnerId, PartnerRegister};
use crate::referral::Transfer;
use crate::referral::event::{Drafted, MessageMeta, PresentedContent, Sealed};
use crate::referral::receive::Receive;
use crate::referral::submit::{Submit, TransferBasis};
use crate::referral::vocabulary::LegalRoute;
use crate::trust::KeyId;

/// The next message of a side, written with everything of the other lane read that this replica holds.
pub(in crate::referral) fn next_message(transfer: &Transfer, side: Side, kind: MessageKind, at: &str) -> MessageMeta {
    let from = author(transfer, side);
    let next = transfer.segment.next(side);
    meta(transfer.shared(), from, (next, kind, at), transfer.subject().unwrap_or_else(subject))
}

fn author(transfer: &Transfer, side: Side) -> PartnerId {
    if side == transfer.own_side() {
        let place = transfer.place().expect("our seat is in one of the places");
        PartnerRegister::builtin().at(place).expect("each place has a council").id.clone()
    } else {
        transfer.drafted.partner.clone()
    }
}

fn meta(
    shared: SharedId,
    from: PartnerId,
    (next, kind, at): (Next, MessageKind, &str),
    subject: SubjectId,
) -> MessageMeta {
    let Next { sequence, clock, previous, seen } = next;
    let key = KeyId::parse(&format!("{from}:2026a")).unwrap();
    MessageMeta {
        entry: Entry {
            delivery: DeliveryId::derived(shared, &from, sequence),
            digest: Digest::of(format!("{shared} {from} {sequence} {kind}").as_bytes()),
            from,
            sequence,
            clock,
            previous,
            seen,
            kind,
            at: time(at),
        },
        shared,
        key,
        jws: "eyJhbGciOiJFZERTQSJ9..c2lnbmF0dXJl".to_owned(),
        content: sealed_text(subject),
    }
}

/// The submission by which a referral comes in.
pub(in crate::referral) fn opening(drafted: Drafted, at: &str) -> Receive {
    let shared = SharedId::parse(drafted.partner_reference.as_deref().unwrap_or_default()).unwrap();
    let next = Segment::default().next(Side::Origin);
    let subject = SubjectId::of_referral(drafted.referral.as_uuid());
    let message = meta(shared, drafted.partner.clone(), (next, MessageKind::Submission, at), subject);
    Receive { opening: Some(drafted), message, evidence: Vec::new(), effects: Vec::new() }
}

/// The submission of what was presented, which says what the state does; `sealed` holds its fields.
pub(in crate::referral) fn submission(transfer: &Transfer, sealed: Sealed, at: &str) -> Submit {
    let issued = next_message(transfer, Side::Origin, MessageKind::Submission, at);
    let sealed = Sealed { payload: issued.entry.digest.to_string(), ..sealed };
    let presented = transfer.presented.as_ref().and_then(|presented| presented.content.clone());
    let PresentedContent { digest, evidence, .. } = presented.unwrap_or_else(content);
    Submit { approved: digest, sealed, record: basis(transfer), evidence, issued }
}

/// What the state says of the basis; of what is not there, anything.
fn basis(transfer: &Transfer) -> TransferBasis {
    let captured = transfer.consent.as_ref().map(|consent| &consent.captured);
    let assessed = transfer.assessed.as_ref();
    TransferBasis {
        consent: captured.map_or_else(|| "C-1".to_owned(), |consent| consent.consent.clone()),
        consent_text_version: captured.map_or_else(|| "2026-1".to_owned(), |consent| consent.text_version.clone()),
        purpose: transfer.drafted.purpose,
        route: assessed.map_or(LegalRoute::Exempt, |assessed| assessed.route),
        contract: assessed.and_then(|assessed| assessed.instrument.as_ref()).map(|contract| contract.number.clone()),
        retention_to: transfer
            .presented
            .as_ref()
            .map_or_else(|| domain::day::local_day(transfer.drafted_at), |presented| presented.retention_to),
        onward_transfer: false,
        rights_contact: "12315".to_owned(),
        controller_uscc: None,
    }
}

//! Everything that is wrong with a message or a receipt is refused by its own code, and changes nothing.

use crate::council::testing::{
    Clock, GUANGDONG, HONG_KONG, MACAO, Node, Pair, START, council_id, day, peer, shared, signing_key,
};
use crate::delivery::DeliveredBy;
use crate::exchange::body::{Acknowledgement, Outcome, Progress, Reminder, Submission};
use crate::exchange::message::MESSAGE_BYTES_MAX;
use crate::exchange::{
    Body, DeliveryId, Digest, EvidenceItem, Header, Message, Receipt, RefusalCode, Seen, SignedMessage, SignedReceipt,
    Step,
};
use crate::referral::ReferralId;
use crate::referral::vocabulary::{ProgressKind, ReferralOutcome};
use crate::trust::jws::sign_detached;
use crate::trust::{KeyId, SigningKey};

fn signed_text(key: &SigningKey, text: String) -> SignedMessage {
    let jws = sign_detached(key, text.as_bytes()).unwrap();
    SignedMessage { text, jws, key: key.id.clone() }
}

fn signed(key: &SigningKey, message: &Message) -> SignedMessage {
    signed_text(key, message.canonical().unwrap())
}

fn changed(message: &Message, change: impl FnOnce(&mut Message)) -> Message {
    let mut changed = message.clone();
    change(&mut changed);
    changed
}

/// Refused by this code, with nothing of any referral changed, and in the journal unless it passes by itself.
async fn assert_refused(to: &Node, from: &str, message: SignedMessage, code: RefusalCode, what: &str) {
    let before = to.events().await;
    let refused = to.council.receive(&council_id(from), message).await.unwrap_err();
    assert_eq!(refused.code, code, "{what}: {refused}");
    let after = to.events().await;
    let of = |category: &str, events: &[domain::envelope::RecordedEvent]| {
        events.iter().filter(|event| event.stream.category() == category).count()
    };
    assert_eq!(of("referral", &after), of("referral", &before), "{what}");
    let journalled = of("security", &after) - of("security", &before);
    let told = !code.is_retryable() || code == RefusalCode::UnknownReferral;
    assert_eq!(journalled, usize::from(told), "{what}");
}

/// The submission as it lies in the outbox, not yet brought over.
async fn submission(pair: &Pair) -> (ReferralId, Message, SignedMessage) {
    let here = pair.origin.submit(pair.target.own()).await;
    let row = pair.origin.outbox(here).remove(0);
    let message = pair.origin.message(&row).await;
    (here, Message::parse(&message.text).unwrap(), message)
}

#[tokio::test]
async fn a_statement_is_signed_by_a_key_of_whoever_brings_it() {
    let pair = Pair::new();
    let (_, message, sent) = submission(&pair).await;
    let key = signing_key(GUANGDONG, "2026a");
    let stolen_name = SigningKey { private: signing_key(MACAO, "x").private, ..key.clone() };
    let unknown = SigningKey { id: KeyId::parse("gd-consumer-council:1999").unwrap(), ..key.clone() };
    let tampered = SignedMessage { text: sent.text.replace("C-1", "C-2"), ..sent.clone() };
    assert_ne!(tampered.text, sent.text);
    let other_text = SignedMessage { jws: sign_detached(&key, b"another text").unwrap(), ..sent.clone() };
    let renamed = SignedMessage { jws: sign_detached(&unknown, sent.text.as_bytes()).unwrap(), ..sent.clone() };
    for (what, refused, code) in [
        ("key", signed(&unknown, &message), RefusalCode::UnknownKey),
        ("private key", signed(&stolen_name, &message), RefusalCode::BadStatement),
        ("text", tampered, RefusalCode::BadStatement),
        ("signature", other_text, RefusalCode::BadStatement),
        ("name in the signature", renamed, RefusalCode::BadStatement),
        ("no signature", SignedMessage { jws: String::new(), ..sent.clone() }, RefusalCode::BadStatement),
    ] {
        assert_refused(&pair.target, GUANGDONG, refused, code, what).await;
    }
    assert_refused(&pair.target, MACAO, sent.clone(), RefusalCode::WrongSender, "brought by another").await;
    let expired = changed(&message, |message| message.header.at = "2025-12-31T23:59:59Z".parse().unwrap());
    assert_refused(&pair.target, GUANGDONG, signed(&key, &expired), RefusalCode::KeyNotValid, "too early").await;
    let future = changed(&message, |message| message.header.at += chrono::Duration::minutes(6));
    assert_refused(&pair.target, GUANGDONG, signed(&key, &future), RefusalCode::Invalid, "future").await;
    pair.target.receive(&pair.origin, &sent).await.unwrap();
}

#[tokio::test]
async fn a_message_is_whole_and_for_us() {
    let pair = Pair::new();
    let (_, message, sent) = submission(&pair).await;
    let key = signing_key(GUANGDONG, "2026a");
    let header = |change: fn(&mut Header)| signed(&key, &changed(&message, |message| change(&mut message.header)));
    let text = |from: &str, to: &str| {
        let replaced = sent.text.replace(from, to);
        assert_ne!(replaced, sent.text);
        signed_text(&key, replaced)
    };
    let nobodys = DeliveryId::from_uuid(uuid::Uuid::from_u128(7));
    let delivery = signed(&key, &changed(&message, |message| message.header.delivery = nobodys));
    for (what, refused, code) in [
        ("recipient", header(|header| header.to = council_id(MACAO)), RefusalCode::WrongRecipient),
        ("author", header(|header| header.from = council_id(MACAO)), RefusalCode::WrongSender),
        ("origin", header(|header| header.origin = council_id(MACAO)), RefusalCode::Invalid),
        ("delivery", delivery, RefusalCode::Invalid),
        ("sequence", header(|header| header.sequence = 0), RefusalCode::Invalid),
        ("salt", header(|header| header.salt.clear()), RefusalCode::Invalid),
        ("version", text(r#""version":1"#, r#""version":2"#), RefusalCode::VersionUnsupported),
        ("space", text(r#","kind""#, r#", "kind""#), RefusalCode::Invalid),
        ("code", text(r#""conciliation""#, r#""brand-new""#), RefusalCode::UnknownCode),
        ("kind", text(r#""kind":"submission""#, r#""kind":"brand-new""#), RefusalCode::UnknownCode),
        ("member", text(r#""onwardTransfer":false"#, r#""onwardTransfer":true"#), RefusalCode::Invalid),
        ("no JSON", signed_text(&key, "hello".to_owned()), RefusalCode::Invalid),
        ("length", signed_text(&key, " ".repeat(MESSAGE_BYTES_MAX + 1)), RefusalCode::BodyTooLarge),
    ] {
        assert_refused(&pair.target, GUANGDONG, refused, code, what).await;
    }
    let mut long = message.clone();
    if let Body::Submission(submission) = &mut long.body {
        submission.consent = "x".repeat(1_000);
    }
    assert_refused(&pair.target, GUANGDONG, signed(&key, &long), RefusalCode::Invalid, "limits").await;
}

#[tokio::test]
async fn what_nobody_can_mean_is_not_taken() {
    let pair = Pair::new();
    let (_, message, sent) = submission(&pair).await;
    let key = signing_key(GUANGDONG, "2026a");
    let with = |change: fn(&mut Submission)| {
        let mut changed = message.clone();
        if let Body::Submission(submission) = &mut changed.body {
            change(submission);
        }
        signed(&key, &changed)
    };
    let page = |submission: &mut Submission| {
        let (digest, name) = (Digest::of(b"page"), "page.html".to_owned());
        submission.evidence.push(EvidenceItem { digest, name, bytes: 4, media: "text/html".to_owned() });
    };
    for (what, refused, code) in [
        ("kept until long ago", with(|sent| sent.retention_to = day("2001-05-18")), RefusalCode::Invalid),
        ("kept for ever", with(|sent| sent.retention_to = day("9999-05-18")), RefusalCode::Invalid),
        ("bought some day", with(|sent| sent.purchase.date = Some(day("2030-01-01"))), RefusalCode::Invalid),
        ("a script", with(|sent| sent.trader.link = Some("javascript:alert(1)".to_owned())), RefusalCode::Invalid),
        ("a page", with(page), RefusalCode::EvidenceType),
    ] {
        assert_refused(&pair.target, GUANGDONG, refused, code, what).await;
    }
    pair.target.receive(&pair.origin, &sent).await.unwrap();
}

/// A message of Guangdong behind its submission.
fn next(message: &Message, body: impl Into<Body>, change: impl FnOnce(&mut Header)) -> Message {
    let digest = Digest::of(message.canonical().unwrap().as_bytes());
    let mut header = Header { sequence: 2, clock: 2, previous: Some(digest), ..message.header.clone() };
    change(&mut header);
    header.delivery = DeliveryId::derived(header.referral, &header.from, header.sequence);
    Message { header, body: body.into() }
}

fn reminder() -> Reminder {
    Reminder { step: Step::Acknowledgement }
}

#[tokio::test]
async fn a_message_has_its_place_in_the_history() {
    let pair = Pair::new();
    let (_, message, sent) = submission(&pair).await;
    let key = signing_key(GUANGDONG, "2026a");
    let early = signed(&key, &next(&message, reminder(), |_| {}));
    assert_refused(&pair.target, GUANGDONG, early.clone(), RefusalCode::UnknownReferral, "before the submission").await;
    pair.target.receive(&pair.origin, &sent).await.unwrap();

    let another = changed(&message, |message| message.header.salt = "0".repeat(32));
    let outcome = Outcome { outcome: ReferralOutcome::Settled, recovered: None, note: None };
    let seen = Seen { sequence: 5, digest: Digest::of(b"nothing") };
    for (what, refused, code) in [
        ("two for one place", another, RefusalCode::Equivocation),
        ("side", next(&message, outcome, |_| {}), RefusalCode::WrongSide),
        (
            "chain",
            next(&message, reminder(), |header| header.previous = Some(Digest::of(b"another"))),
            RefusalCode::BrokenChain,
        ),
        ("clock", next(&message, reminder(), |header| header.clock = 9), RefusalCode::Invalid),
        (
            "ahead",
            next(&message, reminder(), |header| {
                header.sequence = 200;
                header.clock = 200;
            }),
            RefusalCode::TooFarAhead,
        ),
        (
            "seen",
            next(&message, reminder(), |header| {
                header.seen = Some(seen.clone());
                header.clock = 6;
            }),
            RefusalCode::SeenUnknown,
        ),
    ] {
        assert_refused(&pair.target, GUANGDONG, signed(&key, &refused), code, what).await;
    }
    pair.target.council.receive(&council_id(GUANGDONG), early).await.unwrap();
}

#[tokio::test]
async fn a_partner_has_no_say_in_others_referrals() {
    // Hong Kong refers a dispute to Macao; Guangdong, which it knows, answers in Macao's place.
    let pair = Pair::new();
    let foreign = pair.target.submit(&council_id(MACAO)).await;
    let unknown = ReferralId::outbound(pair.target.complaint(), &council_id(MACAO), 9);
    let key = signing_key(GUANGDONG, "2026a");
    let (_, message, _) = submission(&pair).await;
    for (referral, code) in [(foreign, RefusalCode::ForeignReferral), (unknown, RefusalCode::UnknownReferral)] {
        let seen = Seen { sequence: 1, digest: Digest::of(b"guessed") };
        let answer = next(&message, Acknowledgement { reference: "T-9".to_owned() }, |header| {
            header.referral = shared(referral);
            header.origin = council_id(HONG_KONG);
            header.sequence = 1;
            header.previous = None;
            header.seen = Some(seen);
        });
        assert_refused(&pair.target, GUANGDONG, signed(&key, &answer), code, "answer").await;
    }
}

#[tokio::test]
async fn a_partner_begins_no_referral_under_an_id_of_ours() {
    // Hong Kong has referred a dispute to Guangdong, which begins one of its own under the same id.
    let pair = Pair::new();
    let ours = shared(pair.target.submit(pair.origin.own()).await);
    let (_, message, _) = submission(&pair).await;
    let under_ours = changed(&message, |message| {
        message.header.referral = ours;
        message.header.delivery = DeliveryId::derived(ours, &message.header.from, 1);
    });
    let key = signing_key(GUANGDONG, "2026a");
    assert_refused(&pair.target, GUANGDONG, signed(&key, &under_ours), RefusalCode::ForeignReferral, "our id").await;
}

#[tokio::test]
async fn a_partner_begins_no_referral_under_an_id_of_another_partner() {
    // Macao's referral is here; Guangdong, which has seen its id somewhere, begins one of its own under it.
    let clock = Clock::at(START);
    let peers = [MACAO, GUANGDONG].map(|id| peer(id, &[signing_key(id, "2026a")])).to_vec();
    let target = Node::new(HONG_KONG, peers, &clock);
    let from_macao = Node::new(MACAO, vec![peer(HONG_KONG, &[signing_key(HONG_KONG, "2026a")])], &clock);
    let id = from_macao.submit(target.own()).await;
    let row = from_macao.outbox(id).remove(0);
    let message = from_macao.message(&row).await;
    target.receive(&from_macao, &message).await.unwrap();
    let stolen = changed(&Message::parse(&message.text).unwrap(), |message| {
        message.header.origin = council_id(GUANGDONG);
        message.header.from = council_id(GUANGDONG);
        message.header.delivery = DeliveryId::derived(message.header.referral, &message.header.from, 1);
    });
    let key = signing_key(GUANGDONG, "2026a");
    assert_refused(&target, GUANGDONG, signed(&key, &stolen), RefusalCode::ForeignReferral, "Macao's id").await;
}

#[tokio::test]
async fn what_never_left_is_unknown_to_partners() {
    let pair = Pair::new();
    let prepared = pair.target.prepare(pair.origin.own()).await;
    let (_, message, _) = submission(&pair).await;
    let progress = Progress { progress: ProgressKind::Handling, note: None };
    let seen = Seen { sequence: 1, digest: Digest::of(b"guessed") };
    let answer = next(&message, progress, |header| {
        header.referral = shared(prepared);
        header.origin = council_id(HONG_KONG);
        header.sequence = 1;
        header.previous = None;
        header.seen = Some(seen);
    });
    let key = signing_key(GUANGDONG, "2026a");
    assert_refused(&pair.target, GUANGDONG, signed(&key, &answer), RefusalCode::UnknownReferral, "draft").await;
}

#[tokio::test]
async fn a_receipt_is_the_partners_and_for_a_message_of_ours() {
    let pair = Pair::new();
    let (here, _, sent) = submission(&pair).await;
    let good = pair.target.receive(&pair.origin, &sent).await.unwrap();
    let receipt = Receipt::parse(&good.text).unwrap();
    let key = signing_key(HONG_KONG, "2026a");
    let of = |change: &dyn Fn(&mut Receipt)| {
        let mut changed = receipt.clone();
        change(&mut changed);
        let text = changed.canonical();
        SignedReceipt { jws: sign_detached(&key, text.as_bytes()).unwrap(), key: key.id.clone(), text }
    };
    let other_key = signing_key(MACAO, "2026a");
    let nobodys = DeliveryId::from_uuid(uuid::Uuid::from_u128(7));
    let later = of(&|receipt| receipt.at += chrono::Duration::seconds(1)).text;
    for (what, refused, code) in [
        ("digest", of(&|receipt| receipt.digest = Digest::of(b"another")), RefusalCode::Invalid),
        ("delivery", of(&|receipt| receipt.delivery = nobodys), RefusalCode::Invalid),
        ("recipient", of(&|receipt| receipt.to = council_id(MACAO)), RefusalCode::WrongRecipient),
        ("signer", of(&|receipt| receipt.from = council_id(MACAO)), RefusalCode::WrongSender),
        ("too early", of(&|receipt| receipt.at = "2025-12-31T23:59:59Z".parse().unwrap()), RefusalCode::KeyNotValid),
        ("key", SignedReceipt { key: other_key.id.clone(), ..good.clone() }, RefusalCode::UnknownKey),
        ("text", SignedReceipt { text: later, ..good.clone() }, RefusalCode::BadStatement),
        ("shape", SignedReceipt { text: "{}".to_owned(), ..good.clone() }, RefusalCode::Invalid),
    ] {
        let refused = pair.origin.council.receipt_from(pair.target.own(), &refused, DeliveredBy::Push).await;
        assert_eq!(refused.unwrap_err().code, code, "{what}");
    }
    let stranger = of(&|receipt| receipt.referral = shared(ReferralId::inbound(&council_id(MACAO), "1")));
    let refused = pair.origin.council.receipt_from(pair.target.own(), &stranger, DeliveredBy::Push).await;
    assert_eq!(refused.unwrap_err().code, RefusalCode::UnknownReferral);
    assert_eq!(pair.origin.outbox(here).len(), 1, "nothing counts as delivered");
    pair.origin.council.receipt_from(pair.target.own(), &good, DeliveredBy::Push).await.unwrap();
    assert!(pair.origin.outbox(here).is_empty());
}

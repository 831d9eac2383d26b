//! Checks of the feed: the server's own messages, fetched instead of brought, and our receipts for them.

use std::collections::BTreeSet;

use chrono::SubsecRound as _;
use cross_border::delivery::client::answer::{MessagePage, PulledMessage};
use cross_border::delivery::documents;
use cross_border::exchange::{
    Body, DeliveryId, Digest, Entry, Message, Receipt, ReceiptStatus, RefusalCode, SharedId, Side, SignedMessage,
};
use cross_border::partner::PartnerId;
use cross_border::trust::jws::verify_detached;
use serde_json::{Map, Value, json};

use super::exam::Exam;
use super::report::{Checked, Miss, not_as_agreed, shown};
use super::settings::Settings;
use super::wire::Draft;
use super::writer::sign;

/// Messages asked for in one page.
const PAGE_MESSAGES: u32 = 50;
/// Pages that are read on the way to the end of the feed; a council that has served longer has more than this.
const PAGES_MAX: u32 = 2_000;
/// What no server gives as a cursor.
const NO_CURSOR: &str = "%no cursor%";
/// A place of the server's lane that nobody reaches in a test.
const NEVER_WRITTEN: u32 = 999;

/// How far the feed was read, and what of it concerns the test.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Behind what the next page begins.
    after: Option<String>,
    /// The server's messages about the test.
    theirs: Vec<(Message, SignedMessage)>,
}

impl Feed {
    /// Whether the data were erased, as the answer to a recall says; `None` while there is none.
    pub(super) fn recall_answer(&self) -> Option<bool> {
        self.theirs.iter().find_map(|(message, _)| match &message.body {
            Body::RecallAnswer(answer) => Some(answer.erased),
            _ => None,
        })
    }
}

impl Exam<'_> {
    async fn page(&mut self, after: Option<&str>) -> Result<MessagePage, Miss> {
        let value = self.question(documents::MESSAGES, variables(after)).await?;
        serde_json::from_value(value).map_err(|error| not_as_agreed("messages", &error))
    }

    /// Reads the feed to its end, and takes in what is about the test. What is about others is looked at no further
    /// than to see that.
    pub(super) async fn read_on(&mut self) -> Result<(), Miss> {
        for _ in 0..PAGES_MAX {
            let after = self.feed.after.clone();
            let page = self.page(after.as_deref()).await?;
            for pulled in page.messages {
                self.take_in(pulled)?;
            }
            if page.at_end {
                self.feed.after = page.next.or(after);
                return Ok(());
            }
            if page.next.is_none() || page.next == after {
                return Err(Miss::failed("`messages` says `atEnd: false` and gives no `next` that leads on"));
            }
            self.feed.after = page.next;
        }
        Err(Miss::failed(format!("`messages` does not come to its end within {PAGES_MAX} pages")))
    }

    fn take_in(&mut self, pulled: PulledMessage) -> Result<(), Miss> {
        let PulledMessage { delivery, text, jws, key, .. } = pulled;
        let known = self.feed.theirs.iter().any(|(message, _)| message.header.delivery == delivery);
        if known || referral_of(&text).as_deref() != Some(self.writer.shared.to_string().as_str()) {
            return Ok(());
        }
        let signed = SignedMessage { text, jws, key };
        let message = verified(&signed, delivery, self.settings)?;
        let entry = Entry::of(&message, signed.digest());
        self.writer.segment.insert(Side::Target, entry).map_err(|error| {
            Miss::failed(format!("message {delivery} of the feed does not fit the history: {error}"))
        })?;
        self.feed.theirs.push((message, signed));
        Ok(())
    }
}

/// A message of the feed, when it is the server's to us.
fn verified(signed: &SignedMessage, delivery: DeliveryId, settings: &Settings) -> Result<Message, Miss> {
    let wrong = |what: &str| Miss::failed(format!("message {delivery} of the feed {what}"));
    let key = settings.peer_key(&signed.key);
    let key = key.ok_or_else(|| wrong(&format!("names key `{}`, not given with --peer-key", signed.key)))?;
    if verify_detached(key, signed.text.as_bytes(), &signed.jws).is_err() {
        return Err(wrong(&format!("is not signed by key `{}` over its text", signed.key)));
    }
    let message = Message::parse(&signed.text).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    message.check().map_err(|error| wrong(&format!("is none of the contract: {error}")))?;
    let header = &message.header;
    if header.from != settings.partner.id || header.to != settings.own.id || header.delivery != delivery {
        return Err(wrong("is not from the server's council to ours under the delivery beside it"));
    }
    Ok(message)
}

/// The referral that a text is about, if it is a message at all.
fn referral_of(text: &str) -> Option<String> {
    let text: Value = serde_json::from_str(text).ok()?;
    text.pointer("/header/referral")?.as_str().map(str::to_owned)
}

fn variables(after: Option<&str>) -> Map<String, Value> {
    let mut variables = Map::from_iter([("first".to_owned(), json!(PAGE_MESSAGES))]);
    variables.extend(after.map(|after| ("after".to_owned(), json!(after))));
    variables
}

/// The feed answers, its cursors lead on, and what is no cursor is refused.
pub(super) async fn pages(exam: &mut Exam<'_>) -> Checked {
    let first = exam.page(None).await?;
    let deliveries =
        |page: &MessagePage| -> BTreeSet<DeliveryId> { page.messages.iter().map(|message| message.delivery).collect() };
    let seen = deliveries(&first);
    if seen.len() != first.messages.len() {
        return Err(Miss::failed("expected every message of a page once, came one of them twice"));
    }
    if !first.at_end && first.next.is_none() {
        return Err(Miss::failed("expected `next` on a page with `atEnd: false`, came none: nobody can read on"));
    }
    let last = first.messages.last().map(|message| message.cursor.clone());
    for (name, cursor) in [("next", first.next), ("the last message's `cursor`", last)] {
        let Some(cursor) = cursor else { continue };
        let behind = exam.page(Some(&cursor)).await?;
        if !deliveries(&behind).is_disjoint(&seen) {
            let advice = "a cursor is a place in the order of issue, and a page begins behind it";
            return Err(Miss::failed(format!("expected other messages behind {name}, came the same again; {advice}")));
        }
    }
    let body = documents::MESSAGES.request(variables(Some(NO_CURSOR))).to_string().into_bytes();
    let draft = Draft::post("a page behind what is no cursor", &exam.settings.endpoint, body);
    exam.ask_signed(draft).await?.must_refuse(&[RefusalCode::Invalid], "refuse a cursor that you did not give")?;
    exam.read_on().await?;
    let count = exam.feed.theirs.len();
    Ok((count > 0).then(|| format!("{count} of its messages about the test")))
}

/// Receipts for what was fetched are taken, again and again; one for nothing is refused.
pub(super) async fn receipts(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    let referral = exam.writer.shared;
    let mut receipts = Vec::new();
    for (message, signed) in &exam.feed.theirs {
        receipts.push(receipt(exam.settings, referral, message.header.delivery, signed.digest())?);
    }
    let count = receipts.len();
    let variables = Map::from_iter([("receipts".to_owned(), Value::Array(receipts))]);
    // None at all is a list as well; and a receipt that is known counts again.
    for _ in 0..2 {
        let recorded = exam.question(documents::RECORD_RECEIPTS, variables.clone()).await?;
        if recorded.as_u64() != u64::try_from(count).ok() {
            let came = shown(&recorded.to_string());
            return Err(Miss::failed(format!(
                "expected recordReceipts to answer {count} for {count} receipts, came {came}"
            )));
        }
    }
    let partner: &PartnerId = &exam.settings.partner.id;
    let delivery = DeliveryId::derived(referral, partner, NEVER_WRITTEN);
    let nothing = receipt(exam.settings, referral, delivery, Digest::of(b"nothing"))?;
    let variables = Map::from_iter([("receipts".to_owned(), json!([nothing]))]);
    let body = documents::RECORD_RECEIPTS.request(variables).to_string().into_bytes();
    let draft = Draft::post("a receipt for a message that was never written", &exam.settings.endpoint, body);
    let codes = [RefusalCode::Invalid, RefusalCode::UnknownReferral];
    exam.ask_signed(draft).await?.must_refuse(&codes, "take receipts only for messages of your own")?;
    Ok((count > 0).then(|| format!("receipts for {count} of its messages")))
}

/// Our receipt, as the server reads it.
fn receipt(settings: &Settings, referral: SharedId, delivery: DeliveryId, digest: Digest) -> Result<Value, Miss> {
    let receipt = Receipt {
        delivery,
        referral,
        digest,
        from: settings.own.id.clone(),
        to: settings.partner.id.clone(),
        at: crate::clock::now().trunc_subsecs(6),
        status: ReceiptStatus::Received,
    };
    let SignedMessage { text, jws, key } = sign(&settings.key, receipt.canonical())?;
    Ok(json!({"text": text, "jws": jws, "key": key}))
}

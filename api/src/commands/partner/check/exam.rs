//! One run: the checks in their order, and what one leaves for the next.

use std::time::Duration;

use chrono::{DateTime, Utc};
use cross_border::delivery::client::answer::RemoteSegment;
use cross_border::delivery::documents::{self, Document};
use cross_border::exchange::{EvidenceItem, MessageKind, ReceiptStatus, RefusalCode, Side, SignedMessage};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::feed::Feed;
use super::receipt::Payload;
use super::report::{Checked, Finding, Miss, Verdict, not_as_agreed};
use super::settings::Settings;
use super::wire::{Answer, Crafted, Draft, Line};
use super::writer::{Writer, Written, beginning, submission};
use super::{feed, files, messages, overall, places, requests};

/// Times a request is made again for a server that asks to be left alone.
const AGAIN_MAX: u32 = 5;
/// Longest pause that is kept; a server that asks for more is not waited for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Times two histories are compared before they count as different, and the pause between: the server may be writing a
/// message of its own at this moment.
const COMPARISONS_MAX: u32 = 5;
const COMPARISON_PAUSE: Duration = Duration::from_millis(200);

/// Whether the server has the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was not sent, or refused.
    Nowhere,
    /// It was sent, and no right receipt came.
    Perhaps,
    /// There is a right receipt.
    Accepted,
}

/// What comparing the two histories has shown.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) compared: u32,
    /// The first difference.
    pub(super) different: Option<String>,
}

/// A run under way.
pub(super) struct Exam<'s> {
    pub(super) settings: &'s Settings,
    pub(super) line: Line,
    pub(super) writer: Writer,
    pub(super) submission: Written,
    /// The receipt of the submission.
    pub(super) receipt: Option<Payload>,
    pub(super) standing: Standing,
    /// The file that was announced, with its bytes.
    pub(super) file: Option<(EvidenceItem, Vec<u8>)>,
    pub(super) history: History,
    pub(super) feed: Feed,
    findings: Vec<Finding>,
    tell: &'s mut dyn FnMut(&Finding),
}

macro_rules! checks {
    ($exam:ident: $($name:literal => $check:path,)+) => {$({
        let checked = Box::pin($check(&mut $exam)).await;
        $exam.found($name, checked);
    })+};
}

/// Carries out every check, and tells each as it is made.
pub(super) async fn run<'s>(
    settings: &'s Settings,
    http: reqwest::Client,
    tell: &'s mut dyn FnMut(&Finding),
) -> Result<Vec<Finding>, Miss> {
    let mut writer = Writer::new(settings);
    let submission = writer.write(beginning(), submission(settings, crate::clock::now()))?;
    let mut exam = Exam {
        settings,
        line: Line::new(http, settings.timeout),
        writer,
        submission,
        receipt: None,
        standing: Standing::Nowhere,
        file: None,
        history: History::default(),
        feed: Feed::default(),
        findings: Vec::new(),
        tell,
    };
    // What is refused is tried with a submission that the server has: whoever looks for what it knows before it looks
    // at the signature is found out. What must have an effect comes last, and the recall behind all of it.
    checks! { exam:
        "server-info" => requests::server_info,
        "submission-accepted" => messages::submission_accepted,
        "same-delivery-same-receipt" => messages::same_receipt,
        "unsigned-refused" => requests::unsigned,
        "tampered-body-refused" => requests::tampered,
        "forged-signature-refused" => requests::forged,
        "expired-refused" => requests::expired,
        "replay-refused" => requests::replayed,
        "unknown-key-refused" => requests::unknown_key,
        "get-mutation-refused" => requests::get_mutation,
        "media-type-refused" => requests::media_type,
        "oversized-body-refused" => requests::oversized,
        "wrong-recipient-refused" => messages::wrong_recipient,
        "wrong-sender-refused" => messages::wrong_sender,
        "bad-statement-refused" => messages::bad_statement,
        "unknown-code-refused" => messages::unknown_code,
        "unknown-referral-refused" => messages::unknown_referral,
        "equivocation-refused" => places::equivocation,
        "broken-chain-refused" => places::broken_chain,
        "seen-unknown-refused" => places::seen_unknown,
        "too-far-ahead-refused" => places::too_far_ahead,
        "out-of-order-parked-then-joined" => places::out_of_order,
        "evidence-digest-refused" => files::wrong_bytes,
        "evidence-round-trip" => files::round_trip,
        "recall-accepted" => messages::recall,
        "pull-feed" => feed::pages,
        "receipts-recorded" => feed::receipts,
        "segment-digest" => overall::segment_digest,
        "no-redirect" => overall::no_redirect,
        "answers-bounded" => overall::answers_bounded,
        "errors-typed" => overall::errors_typed,
    }
    Ok(exam.findings)
}

impl Exam<'_> {
    fn found(&mut self, name: &'static str, checked: Checked) {
        let verdict = checked.map_or_else(Verdict::from, Verdict::Passed);
        let finding = Finding { name, verdict };
        (self.tell)(&finding);
        self.findings.push(finding);
    }

    /// Sends a request and reads the answer. A server that is busy is asked again after the pause that it asks for,
    /// with a request that is crafted anew.
    pub(super) async fn ask(&mut self, craft: impl Fn(DateTime<Utc>) -> Result<Crafted, Miss>) -> Result<Answer, Miss> {
        self.ask_and_keep(craft).await.map(|(_, answer)| answer)
    }

    /// As [`Exam::ask`], with the request that was answered.
    pub(super) async fn ask_and_keep(
        &mut self,
        craft: impl Fn(DateTime<Utc>) -> Result<Crafted, Miss>,
    ) -> Result<(Crafted, Answer), Miss> {
        let mut times = 0;
        loop {
            let crafted = craft(crate::clock::now())?;
            let answer = self.line.send(&crafted).await?;
            times += 1;
            match answer.asks_for_a_pause().filter(|pause| times <= AGAIN_MAX && *pause <= PAUSE_MAX) {
                Some(pause) => sleep(pause).await,
                None => return Ok((crafted, answer)),
            }
        }
    }

    /// Sends a request as it should be signed.
    pub(super) async fn ask_signed(&mut self, draft: Draft) -> Result<Answer, Miss> {
        let settings = self.settings;
        self.ask(|now| draft.clone().signed(&settings.key, now)).await
    }

    /// Asks a question, and gives what stands in its field.
    pub(super) async fn question(&mut self, document: Document, variables: Map<String, Value>) -> Result<Value, Miss> {
        let body = document.request(variables).to_string().into_bytes();
        let draft = Draft::post(document.field, &self.settings.endpoint, body);
        self.ask_signed(draft).await?.data(document.field).cloned()
    }

    /// The request that brings a message.
    pub(super) fn bring(&self, what: &'static str, kind: MessageKind, message: &SignedMessage) -> Result<Draft, Miss> {
        let variables = documents::variables(kind, message).map_err(Miss::here)?;
        let body = documents::of(kind).request(variables).to_string().into_bytes();
        Ok(Draft::post(what, &self.settings.endpoint, body))
    }

    /// The request that brings the submission, once more.
    pub(super) fn repeat(&self, what: &'static str) -> Result<Draft, Miss> {
        self.bring(what, self.submission.kind, &self.submission.signed)
    }

    /// Brings a message that must be refused with one of these codes.
    pub(super) async fn must_refuse(
        &mut self,
        what: &'static str,
        written: &Written,
        codes: &[RefusalCode],
        advice: &str,
    ) -> Checked {
        let draft = self.bring(what, written.kind, &written.signed)?;
        self.ask_signed(draft).await?.must_refuse(codes, advice)
    }

    /// Brings a message that must be taken, and gives the receipt, which must be right.
    pub(super) async fn deliver(
        &mut self,
        what: &'static str,
        written: &Written,
        expected: ReceiptStatus,
    ) -> Result<Payload, Miss> {
        let draft = self.bring(what, written.kind, &written.signed)?;
        let answer = self.ask_signed(draft).await?;
        self.accepted(what, written, &answer, expected)
    }

    /// Checks the answer to a message that must be taken. Then the message stands in our history.
    pub(super) fn accepted(
        &mut self,
        what: &'static str,
        written: &Written,
        answer: &Answer,
        expected: ReceiptStatus,
    ) -> Result<Payload, Miss> {
        let payload = receipt_in(what, written, answer)?;
        let status = payload.check(written, self.settings, &self.writer, crate::clock::now())?;
        if status != expected {
            let reason = format!("{what}: expected a receipt with the status `{expected}`, came `{status}`");
            return Err(Miss::failed(reason));
        }
        self.writer.acknowledged(written)?;
        Ok(payload)
    }

    /// Brings a message once more, which must be answered as it was the first time.
    pub(super) async fn deliver_again(
        &mut self,
        what: &'static str,
        written: &Written,
        first: &Payload,
    ) -> Result<(), Miss> {
        let draft = self.bring(what, written.kind, &written.signed)?;
        let answer = self.ask_signed(draft).await?;
        let again = receipt_in(what, written, &answer)?;
        let advice = "keep the receipt, or all that it is made of, and sign the same text with the same key";
        for (name, same) in
            [("text", again.text == first.text), ("jws", again.jws == first.jws), ("key", again.key == first.key)]
        {
            if !same {
                return Err(Miss::failed(format!(
                    "{what}: expected the receipt of the first time, came one with another `{name}`; {advice}"
                )));
            }
        }
        if again.repeated {
            return Ok(());
        }
        Err(Miss::failed(format!(
            "{what}: expected `repeated: true`, came false; say that the message was here before"
        )))
    }

    /// What needs the submission is not looked at without it.
    pub(super) fn needs_the_submission(&self) -> Result<(), Miss> {
        if self.standing == Standing::Accepted {
            return Ok(());
        }
        Err(Miss::NotRun("it needs a referral, and the submission was not accepted".to_owned()))
    }

    /// Compares our history with the server's; the first difference is kept for the check about it.
    pub(super) async fn compare(&mut self, after: &str) {
        if self.history.different.is_some() || self.line.is_dead() {
            return;
        }
        self.history.compared = self.history.compared.saturating_add(1);
        if let Err(Miss::Failed(reason) | Miss::NotRun(reason)) = self.same_history().await {
            self.history.different = Some(format!("after {after}: {reason}"));
        }
    }

    async fn same_history(&mut self) -> Result<(), Miss> {
        let mut times = 0;
        loop {
            let theirs = self.their_history().await?;
            if theirs.target.count > self.writer.segment.count(Side::Target) {
                self.read_on().await?;
            }
            if theirs.digest == self.writer.digest() {
                return Ok(());
            }
            times += 1;
            if times >= COMPARISONS_MAX {
                return Err(Miss::failed(self.difference(&theirs)));
            }
            sleep(COMPARISON_PAUSE).await;
        }
    }

    async fn their_history(&mut self) -> Result<RemoteSegment, Miss> {
        let variables = Map::from_iter([("referral".to_owned(), json!(self.writer.shared))]);
        let value = self.question(documents::SEGMENT, variables).await?;
        serde_json::from_value(value).map_err(|error| not_as_agreed("segment", &error))
    }

    fn difference(&self, theirs: &RemoteSegment) -> String {
        let ours = self.writer.digest();
        let (origin, target) = (self.writer.segment.count(Side::Origin), self.writer.segment.count(Side::Target));
        let RemoteSegment { digest, origin: their_origin, target: their_target } = theirs;
        let advice = if their_origin.count < origin {
            "messages that were acknowledged are not in its history: store a message before its receipt is given"
        } else {
            "keep what is parked as well, and reckon the digest over all of it, ready or parked, as the guide describes"
        };
        format!(
            "expected the digest {ours} over {origin} messages of ours and {target} of the server's in order, came \
             {digest} over {} and {}; {advice}",
            their_origin.count, their_target.count
        )
    }
}

/// The receipt in the answer to a message.
fn receipt_in(what: &'static str, written: &Written, answer: &Answer) -> Result<Payload, Miss> {
    let reading = answer.data(documents::of(written.kind).field).and_then(Payload::read);
    reading.map_err(|miss| miss.and(&format!("{what} must be answered with a signed receipt")))
}

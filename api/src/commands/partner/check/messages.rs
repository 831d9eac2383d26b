//! Checks of the message: taken once and receipted, or refused for what it says of itself; and the recall at the end.

use std::time::Duration;

use cross_border::delivery::client::answer::RemoteReferral;
use cross_border::delivery::documents;
use cross_border::exchange::body::{Recall, Reminder};
use cross_border::exchange::vocabulary::Step;
use cross_border::exchange::{Body, DeliveryId, Digest, Message, MessageKind, Next, ReceiptStatus, RefusalCode};
use cross_border::referral::vocabulary::RecallReason;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::exam::{Exam, Standing};
use super::report::{Checked, Miss, not_as_agreed, shown};
use super::requests::impostor;
use super::wire::Draft;
use super::writer::{beginning, sign, submission};

/// A code that no list holds.
const UNHEARD_OF: &str = "something-unheard-of";
/// How often the feed is asked for the answer to the recall.
const ANSWER_PAUSE: Duration = Duration::from_millis(250);

/// The submission is taken, and the receipt is right in every part.
pub(super) async fn submission_accepted(exam: &mut Exam<'_>) -> Checked {
    const WHAT: &str = "the submission";
    let written = exam.submission.clone();
    let draft = exam.repeat(WHAT)?;
    exam.standing = Standing::Perhaps;
    let answer = exam.ask_signed(draft).await?;
    if answer.is_refusal() || answer.is_redirect() {
        exam.standing = Standing::Nowhere;
    }
    if answer.code() == Some(RefusalCode::Equivocation.code()) {
        let reason = "the server has a referral of this --seed already; run again with another one or none";
        return Err(Miss::failed(reason));
    }
    let receipt = exam.accepted(WHAT, &written, &answer, ReceiptStatus::Received)?;
    exam.receipt = Some(receipt);
    exam.standing = Standing::Accepted;
    exam.compare(WHAT).await;
    Ok(None)
}

/// The same message again, in a request of its own, is answered with the very same receipt.
pub(super) async fn same_receipt(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    let written = exam.submission.clone();
    if let Some(first) = exam.receipt.clone() {
        exam.deliver_again("the submission once more", &written, &first).await?;
    }
    exam.compare("the submission once more").await;
    Ok(None)
}

pub(super) async fn wrong_recipient(exam: &mut Exam<'_>) -> Checked {
    let mut message = stray_submission(exam);
    message.header.to = exam.settings.third.id.clone();
    let written = exam.writer.signed(&message)?;
    let advice = "take only messages whose `to` is your own council";
    exam.must_refuse("a submission to another council", &written, &[RefusalCode::WrongRecipient], advice).await
}

/// A message in another council's name, under our own signature.
pub(super) async fn wrong_sender(exam: &mut Exam<'_>) -> Checked {
    let third = exam.settings.third.id.clone();
    let mut message = stray_submission(exam);
    message.header.delivery = DeliveryId::derived(message.header.referral, &third, message.header.sequence);
    (message.header.origin, message.header.from) = (third.clone(), third);
    let written = exam.writer.signed(&message)?;
    let advice = "take only messages whose `from` is the council whose key signed the request and the message";
    exam.must_refuse("a submission in the name of another council", &written, &[RefusalCode::WrongSender], advice).await
}

/// The request is signed by us, the message in it by somebody else under our key's name.
pub(super) async fn bad_statement(exam: &mut Exam<'_>) -> Checked {
    let message = stray_submission(exam);
    let mut written = exam.writer.signed(&message)?;
    let impostor = impostor(&exam.settings.key, exam.settings.key.id.clone())?;
    written.signed = sign(&impostor, written.signed.text)?;
    let advice = "verify the statement's JWS over the canonical text with the key that it names";
    exam.must_refuse("a submission with a forged statement", &written, &[RefusalCode::BadStatement], advice).await
}

/// A code that the server does not know is told apart from a message that is none.
pub(super) async fn unknown_code(exam: &mut Exam<'_>) -> Checked {
    let message = stray_submission(exam);
    let Value::Object(mut text) =
        serde_json::from_str(&message.canonical().map_err(Miss::here)?).map_err(Miss::here)?
    else {
        return Err(Miss::here("a message is an object"));
    };
    let mut part = |name: &str| text.remove(name).unwrap_or_default();
    let (header, mut body) = (part("header"), part("body"));
    if let Some(purpose) = body.get_mut("purpose") {
        *purpose = json!(UNHEARD_OF);
    }
    let text = Message::assemble(header, MessageKind::Submission.code(), body).map_err(Miss::here)?;
    let signed = sign(&exam.settings.key, text)?;
    let draft = exam.bring("a submission with an unknown purpose", MessageKind::Submission, &signed)?;
    let advice = "answer an unknown code with UNKNOWN_CODE and the codes you know; never guess one in its place";
    exam.ask_signed(draft).await?.must_refuse(&[RefusalCode::UnknownCode], advice)
}

/// A message, and a question, about a referral that was never submitted.
pub(super) async fn unknown_referral(exam: &mut Exam<'_>) -> Checked {
    let referral = exam.writer.draw.referral();
    let previous = Some(Digest::of(exam.writer.draw.digits().as_bytes()));
    let header = exam.writer.header(referral, Next { sequence: 2, clock: 2, previous, seen: None });
    let body: Body = Reminder { step: Step::Acknowledgement }.into();
    let written = exam.writer.signed(&Message { header, body })?;
    let unknown = [RefusalCode::UnknownReferral];
    let advice = "nothing but a submission begins a referral; refuse it as retryable, for the submission may be late";
    exam.must_refuse("a reminder before any submission", &written, &unknown, advice).await?;

    let variables = Map::from_iter([("id".to_owned(), json!(referral))]);
    let body = documents::REFERRAL.request(variables).to_string().into_bytes();
    let draft = Draft::post("a question about no referral", &exam.settings.endpoint, body);
    exam.ask_signed(draft).await?.must_refuse(&unknown, "answer alike whether it exists between others or nowhere")
}

/// The test is called back, and the server knows.
pub(super) async fn recall(exam: &mut Exam<'_>) -> Checked {
    if exam.standing == Standing::Nowhere {
        return Err(Miss::NotRun("the submission was not taken, so there is nothing to recall".to_owned()));
    }
    let shared = exam.writer.shared;
    let told = call_back(exam).await;
    told.map_err(|miss| {
        miss.and(&format!("the test referral {shared} may still stand at the server: close it by hand"))
    })
}

async fn call_back(exam: &mut Exam<'_>) -> Checked {
    const WHAT: &str = "the recall";
    if exam.standing == Standing::Perhaps {
        // No right receipt came for it; if it was stored all the same, the recall belongs behind it.
        let written = exam.submission.clone();
        exam.writer.acknowledged(&written)?;
    }
    let place = exam.writer.next();
    let written = exam.writer.write(place, Recall { reason: RecallReason::WrongContent })?;
    exam.deliver(WHAT, &written, ReceiptStatus::Received).await?;
    exam.compare(WHAT).await;
    let variables = Map::from_iter([("id".to_owned(), json!(exam.writer.shared))]);
    let value = exam.question(documents::REFERRAL, variables).await?;
    let RemoteReferral { stage, .. } =
        serde_json::from_value(value).map_err(|error| not_as_agreed("referral", &error))?;
    if stage != "recalled" {
        let stage = shown(&stage);
        let advice = "a recall wins over whatever crosses it";
        return Err(Miss::failed(format!("expected the stage `recalled`, came `{stage}`; {advice}")));
    }
    let until = Instant::now() + exam.settings.recall_wait;
    loop {
        if exam.read_on().await.is_err() {
            return Ok(Some("its answer could not be looked for, see pull-feed".to_owned()));
        }
        if let Some(erased) = exam.feed.recall_answer() {
            exam.compare("the answer to the recall").await;
            let remark =
                if erased { "answered: the data were erased" } else { "answered: the data could not be erased" };
            return Ok(Some(remark.to_owned()));
        }
        if Instant::now() >= until {
            return Ok(Some("not answered yet, which may take days".to_owned()));
        }
        sleep(ANSWER_PAUSE).await;
    }
}

/// A submission of a referral of its own, to be spoiled.
fn stray_submission(exam: &mut Exam<'_>) -> Message {
    let referral = exam.writer.draw.referral();
    let header = exam.writer.header(referral, beginning());
    Message { header, body: submission(exam.settings, crate::clock::now()).into() }
}

//! Checks of the request itself: who signed it, when, over what, in which form and how long.

use chrono::TimeDelta;
use cross_border::delivery::client::answer::RemoteServer;
use cross_border::delivery::documents;
use cross_border::exchange::RefusalCode;
use cross_border::trust::http_signature::SKEW_SECONDS;
use cross_border::trust::{KeyId, PrivateKey, SigningKey};
use reqwest::Method;
use serde_json::Map;

use super::exam::Exam;
use super::report::{Checked, Miss, not_as_agreed};
use super::wire::Draft;

/// Length of the body that is too long, in bytes.
const OVERSIZED_BYTES: usize = 3 * 1024 * 1024;
/// How far a signature lies in the past or the future that must not be taken.
const OUT_OF_TIME: TimeDelta = TimeDelta::minutes(10);
/// A mutation that changes nothing, short enough for an address.
const HARMLESS: &str = "mutation{recordReceipts(receipts:[])}";

/// The right council answers, and its clock is right.
pub(super) async fn server_info(exam: &mut Exam<'_>) -> Checked {
    let value = exam.question(documents::SERVER_INFO, Map::new()).await?;
    let RemoteServer { council, time, version: _ } =
        serde_json::from_value(value).map_err(|error| not_as_agreed("serverInfo", &error))?;
    let wanted = &exam.settings.partner.id;
    if council != *wanted {
        return Err(Miss::failed(format!("expected `{wanted}` to answer, came `{council}`; ask the server of --to")));
    }
    let apart = (time - crate::clock::now()).num_seconds().abs();
    if apart > SKEW_SECONDS {
        let reason =
            format!("expected clocks at most {SKEW_SECONDS} seconds apart, came {apart}; set them by one source");
        return Err(Miss::failed(reason));
    }
    Ok(None)
}

pub(super) async fn unsigned(exam: &mut Exam<'_>) -> Checked {
    let crafted = exam.repeat("a submission without a signature")?.unsigned();
    let answer = exam.ask(|_now| Ok(crafted.clone())).await?;
    answer.must_refuse(&[RefusalCode::SignatureMissing], "look for the signature before anything else is looked at")
}

/// One blank behind the body: the same message, and yet not what was signed.
pub(super) async fn tampered(exam: &mut Exam<'_>) -> Checked {
    let draft = exam.repeat("a submission with a blank behind its signed body")?;
    let settings = exam.settings;
    let answer = exam
        .ask(|now| {
            let mut crafted = draft.clone().signed(&settings.key, now)?;
            crafted.draft.body.push(b' ');
            Ok(crafted)
        })
        .await?;
    answer.must_refuse(&[RefusalCode::TamperedBody], "compare Content-Digest with the bytes of the body as they came")
}

/// Our key's name over somebody else's signature.
pub(super) async fn forged(exam: &mut Exam<'_>) -> Checked {
    let forged = impostor(&exam.settings.key, exam.settings.key.id.clone())?;
    let draft = exam.repeat("a submission under a forged signature")?;
    let answer = exam.ask(|now| draft.clone().signed(&forged, now)).await?;
    let advice = "check the signature with the key that it names, over the base of RFC 9421 section 2.5";
    answer.must_refuse(&[RefusalCode::BadSignature], advice)
}

/// Once too late, and once too early.
pub(super) async fn expired(exam: &mut Exam<'_>) -> Checked {
    let draft = exam.repeat("a submission under a signature out of its time")?;
    let settings = exam.settings;
    for (shift, advice) in [
        (-OUT_OF_TIME, "a signature that has expired is refused by `expires`"),
        (OUT_OF_TIME, "a signature of the future is refused by `created`"),
    ] {
        let answer = exam.ask(|now| draft.clone().signed(&settings.key, now + shift)).await?;
        answer.must_refuse(&[RefusalCode::SignatureExpired], advice)?;
    }
    Ok(None)
}

/// One request, bytes and all, a second time.
pub(super) async fn replayed(exam: &mut Exam<'_>) -> Checked {
    let body = documents::SERVER_INFO.request(Map::new()).to_string().into_bytes();
    let draft = Draft::post("a request that is repeated", &exam.settings.endpoint, body);
    let settings = exam.settings;
    let (crafted, answer) = exam.ask_and_keep(|now| draft.clone().signed(&settings.key, now)).await?;
    answer.data(documents::SERVER_INFO.field)?;
    let again = exam.ask(|_now| Ok(crafted.clone())).await?;
    again.must_refuse(&[RefusalCode::NonceReplayed], "remember each nonce until its signature expires")
}

pub(super) async fn unknown_key(exam: &mut Exam<'_>) -> Checked {
    let name = format!("{}:check-{:.8}", exam.settings.own.id, exam.writer.draw.digits());
    let stranger = impostor(&exam.settings.key, KeyId::parse(&name).map_err(Miss::here)?)?;
    let draft = exam.repeat("a submission signed with a key that nobody was given")?;
    let answer = exam.ask(|now| draft.clone().signed(&stranger, now)).await?;
    answer.must_refuse(&[RefusalCode::UnknownKey], "take only keys that were entered for the council")
}

/// GraphQL is served over POST alone: a GET is repeated, kept and logged on its way.
pub(super) async fn get_mutation(exam: &mut Exam<'_>) -> Checked {
    let mut url = exam.settings.endpoint.clone();
    url.query_pairs_mut().append_pair("query", HARMLESS);
    let what = "a mutation in a signed GET";
    let draft = Draft { what, method: Method::GET, url, content_type: None, body: Vec::new() };
    let answer = exam.ask_signed(draft).await?;
    if answer.is_refusal() && answer.status == 405 {
        return Ok(None);
    }
    Err(Miss::failed(format!("expected HTTP 405 for {what}, came {}; answer POST alone", answer.shown())))
}

/// Another type than JSON is what a page of another site can send without asking.
pub(super) async fn media_type(exam: &mut Exam<'_>) -> Checked {
    let what = "a submission as text/plain";
    let draft = Draft { content_type: Some("text/plain"), ..exam.repeat(what)? };
    let answer = exam.ask_signed(draft).await?;
    if answer.is_refusal() && answer.status == 415 {
        return Ok(None);
    }
    Err(Miss::failed(format!("expected HTTP 415 for {what}, came {}; take application/json alone", answer.shown())))
}

pub(super) async fn oversized(exam: &mut Exam<'_>) -> Checked {
    let mut draft = exam.repeat("a submission with blanks up to 3 MiB")?;
    draft.body.resize(OVERSIZED_BYTES, b' ');
    let advice = "answer 413 as soon as the limit is passed, and read on until the sender has read the answer";
    let answer = exam.ask_signed(draft).await.map_err(|miss| miss.and(advice))?;
    answer.must_refuse(&[RefusalCode::BodyTooLarge], advice)?;
    if answer.status == 413 {
        return Ok(None);
    }
    Err(Miss::failed(format!("expected HTTP 413 with BODY_TOO_LARGE, came HTTP {}; {advice}", answer.status)))
}

/// A new key of the same suite and time as one of ours, under a name of its own or ours.
pub(super) fn impostor(key: &SigningKey, id: KeyId) -> Result<SigningKey, Miss> {
    let private = PrivateKey::generate(key.private.suite()).map_err(Miss::here)?;
    Ok(SigningKey { id, private, not_before: key.not_before, not_after: key.not_after })
}

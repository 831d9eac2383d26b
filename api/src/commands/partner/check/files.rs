//! Checks of evidence: announced first, taken only as it was announced, and given back as it came.

use std::collections::BTreeMap;

use cross_border::delivery::documents;
use cross_border::exchange::body::Evidence;
use cross_border::exchange::{Digest, EvidenceItem, ReceiptStatus, RefusalCode};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Map, json};

use super::exam::Exam;
use super::report::{Checked, Miss, not_as_agreed};
use super::wire::{Answer, Draft};

const MEDIA: &str = "text/plain";

/// A file as the server lists it.
#[derive(Deserialize)]
struct Listed {
    digest: Digest,
    bytes: u64,
    stored: bool,
}

/// Bytes that nobody announced, and other bytes than those that were announced.
pub(super) async fn wrong_bytes(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    let bytes = text(exam);
    let item = EvidenceItem {
        digest: Digest::of(&bytes),
        name: "test.txt".to_owned(),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        media: MEDIA.to_owned(),
    };
    let place = exam.writer.next();
    let written = exam.writer.write(place, Evidence { item: item.clone() })?;
    exam.deliver("the announcement of a file", &written, ReceiptStatus::Received).await?;
    exam.compare("the announcement of a file").await;

    let unannounced = text(exam);
    let answer = put(exam, "a file that nobody announced", &Digest::of(&unannounced), unannounced).await?;
    let advice = "take only files that a message of this council has announced";
    answer.must_refuse(&[RefusalCode::EvidenceUnannounced], advice)?;

    // As long as the announced one, so that its digest alone gives it away.
    let other = text(exam);
    let answer = put(exam, "other bytes than were announced", &item.digest, other).await?;
    answer.must_refuse(&[RefusalCode::EvidenceDigest], "compare the SHA-256 of the bytes with the announcement")?;
    exam.file = Some((item, bytes));
    Ok(None)
}

/// The announced bytes are taken, listed and given back.
pub(super) async fn round_trip(exam: &mut Exam<'_>) -> Checked {
    let Some((item, bytes)) = exam.file.clone() else {
        return Err(Miss::NotRun("it needs a file that was announced, see evidence-digest-refused".to_owned()));
    };
    for what in ["the announced file", "the announced file once more"] {
        let answer = put(exam, what, &item.digest, bytes.clone()).await?;
        if !answer.is_success() {
            return Err(Miss::failed(format!("expected {what} to be taken, came {}", answer.shown())));
        }
    }
    let variables = Map::from_iter([("referral".to_owned(), json!(exam.writer.shared))]);
    let value = exam.question(documents::EVIDENCE, variables).await?;
    let listed: Vec<Listed> = serde_json::from_value(value).map_err(|error| not_as_agreed("evidence", &error))?;
    let listed: BTreeMap<_, _> = listed.into_iter().map(|file| (file.digest, (file.bytes, file.stored))).collect();
    if listed.get(&item.digest) != Some(&(item.bytes, true)) {
        let reason = "expected `evidence` to list the file with its length and `stored: true`, came a list without it";
        return Err(Miss::failed(reason));
    }
    let url = address(exam, &item.digest)?;
    let draft = Draft { what: "the file back", method: Method::GET, url, content_type: None, body: Vec::new() };
    let answer = exam.ask_signed(draft).await?;
    if answer.status == 200 && answer.body == bytes {
        return Ok(None);
    }
    let came = if answer.status == 200 { format!("{} other bytes", answer.body.len()) } else { answer.shown() };
    Err(Miss::failed(format!(
        "expected the {} bytes of the file back, came {came}; give them as they came",
        bytes.len()
    )))
}

/// A text that nobody else has, always of the same length.
fn text(exam: &mut Exam<'_>) -> Vec<u8> {
    format!("A test of the exchange between councils, of no meaning: {}\n", exam.writer.draw.digits()).into_bytes()
}

async fn put(exam: &mut Exam<'_>, what: &'static str, digest: &Digest, body: Vec<u8>) -> Result<Answer, Miss> {
    let url = address(exam, digest)?;
    exam.ask_signed(Draft { what, method: Method::PUT, url, content_type: Some("application/octet-stream"), body })
        .await
}

/// Files lie beside the GraphQL of partners: `…/partner/evidence/{referral}/{digest}`.
fn address(exam: &Exam<'_>, digest: &Digest) -> Result<Url, Miss> {
    exam.settings.endpoint.join(&format!("evidence/{}/{digest}", exam.writer.shared)).map_err(Miss::here)
}

//! Checks of all answers together.

use super::exam::Exam;
use super::report::{Checked, Miss};

/// After every step the server's digest of the shared history was the one that we reckoned.
pub(super) async fn segment_digest(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    exam.compare("all of it").await;
    match exam.history.different.take() {
        Some(different) => Err(Miss::failed(different)),
        None => Ok(Some(format!("compared {} times", exam.history.compared))),
    }
}

pub(super) async fn no_redirect(exam: &mut Exam<'_>) -> Checked {
    let advice = "answer at the address itself: a signature covers its address, and no sender follows elsewhere";
    match &exam.line.ledger.redirect {
        Some(seen) => Err(Miss::failed(format!("expected no redirect, but {seen}; {advice}"))),
        None => looked_at(exam.line.ledger.answers, "answer"),
    }
}

pub(super) async fn answers_bounded(exam: &mut Exam<'_>) -> Checked {
    let advice = "answer in seconds, in at most 4 MiB, and end the answer";
    match &exam.line.ledger.unbounded {
        Some(seen) => {
            Err(Miss::failed(format!("expected every answer in time and of bounded size, but {seen}; {advice}")))
        }
        None => looked_at(exam.line.ledger.answers, "answer"),
    }
}

pub(super) async fn errors_typed(exam: &mut Exam<'_>) -> Checked {
    let advice = "every error has `extensions.code` of the closed list and `extensions.retryable` as it is listed";
    match &exam.line.ledger.untyped {
        Some(seen) => Err(Miss::failed(format!("expected errors in the form of the contract, but {seen}; {advice}"))),
        None => looked_at(exam.line.ledger.refusals, "refusal"),
    }
}

/// What was not seen was not checked.
fn looked_at(count: u32, what: &str) -> Checked {
    if count == 0 { Err(Miss::NotRun(format!("there was no {what} to look at"))) } else { Ok(None) }
}

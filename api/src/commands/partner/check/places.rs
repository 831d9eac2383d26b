//! Checks of a message's place in the history: each place is written once, in order, and behind what was seen.

use cross_border::exchange::body::Reminder;
use cross_border::exchange::segment::PARKED_MAX;
use cross_border::exchange::vocabulary::Step;
use cross_border::exchange::{Digest, Next, ReceiptStatus, RefusalCode, Seen, Side};

use super::exam::Exam;
use super::report::{Checked, Miss};
use super::writer::{Writer, beginning, submission};

const FIRST: Reminder = Reminder { step: Step::Acknowledgement };
const SECOND: Reminder = Reminder { step: Step::Outcome };

/// Another text in a place that is taken.
pub(super) async fn equivocation(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    // The salt alone differs, and with it the text.
    let other = exam.writer.write(beginning(), submission(exam.settings, crate::clock::now()))?;
    let advice = "compare the text with the one that was taken for this delivery, and keep the first";
    exam.must_refuse("another text for the first place", &other, &[RefusalCode::Equivocation], advice).await?;
    exam.compare("another text for the first place").await;
    Ok(None)
}

/// A message that names another one before it than the one that is there.
pub(super) async fn broken_chain(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    let previous = Some(something(exam));
    let place = Next { previous, ..exam.writer.next() };
    let written = exam.writer.write(place, FIRST)?;
    let advice = "compare `previous` with the digest of the message before it";
    exam.must_refuse("a message behind another one", &written, &[RefusalCode::BrokenChain], advice).await?;
    exam.compare("a message behind another one").await;
    Ok(None)
}

/// A message that claims to have seen what the server never wrote.
pub(super) async fn seen_unknown(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    let next = exam.writer.next();
    let beyond = exam.writer.segment.count(Side::Target).saturating_add(1);
    let seen = Some(Seen { sequence: beyond, digest: something(exam) });
    // The greatest clock that such a message could have.
    let place = Next { clock: next.sequence.saturating_add(beyond), seen, ..next };
    let written = exam.writer.write(place, FIRST)?;
    let advice = "compare `seen` with your own lane, which nobody knows further than you";
    exam.must_refuse("a message that has seen too much", &written, &[RefusalCode::SeenUnknown], advice).await?;
    exam.compare("a message that has seen too much").await;
    Ok(None)
}

/// A message so far ahead that it is not kept for later.
pub(super) async fn too_far_ahead(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    let next = exam.writer.next();
    let ahead = u32::try_from(PARKED_MAX).unwrap_or(u32::MAX);
    let previous = Some(something(exam));
    let place = Next {
        sequence: next.sequence.saturating_add(ahead),
        clock: next.clock.saturating_add(ahead),
        previous,
        seen: next.seen,
    };
    let written = exam.writer.write(place, FIRST)?;
    let advice = "keep what is up to 64 places ahead, and refuse more as retryable";
    exam.must_refuse("a message 65 places ahead", &written, &[RefusalCode::TooFarAhead], advice).await?;
    exam.compare("a message 65 places ahead").await;
    Ok(None)
}

/// The later of two messages first: it waits, and both stand in order when the earlier one has come.
pub(super) async fn out_of_order(exam: &mut Exam<'_>) -> Checked {
    exam.needs_the_submission()?;
    let earlier = exam.writer.next();
    let earlier = exam.writer.write(earlier, FIRST)?;
    let later = exam.writer.write(Writer::behind(&earlier), SECOND)?;
    let parked = exam.deliver("the later of two messages", &later, ReceiptStatus::Parked).await?;
    exam.compare("the later of two messages").await;
    exam.deliver("the earlier of two messages", &earlier, ReceiptStatus::Received).await?;
    exam.compare("the earlier of two messages").await;
    // What was said once stays said, also now that nothing is waited for.
    exam.deliver_again("the later of two messages once more", &later, &parked).await?;
    let ready = exam.writer.segment.count(Side::Origin);
    if ready == later.entry.sequence {
        return Ok(None);
    }
    Err(Miss::here(format!("{ready} messages are in order here, not {}", later.entry.sequence)))
}

/// A digest of nothing that anybody has.
fn something(exam: &mut Exam<'_>) -> Digest {
    Digest::of(exam.writer.draw.digits().as_bytes())
}

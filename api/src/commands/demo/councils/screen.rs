//! The moving view: one line for each change that one council sees, in columns.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use cross_border::partner::Place;

use super::plot::Plot;
use super::view::View;

/// How far the clocks of all three places are ahead of UTC.
const AHEAD_OF_UTC: TimeDelta = TimeDelta::hours(8);
/// Columns of the longest stage with its detail, and a gap.
const STAGE_COLUMNS: usize = 59;
const COUNTS_COLUMNS: usize = 7;
/// Letters of a referral's id that are shown.
const ID_LETTERS: usize = 8;
/// From here on a letter is two columns wide: Chinese, and the punctuation that goes with it.
const WIDE_FROM: char = '\u{2e80}';

/// Where the lines go.
#[derive(Debug)]
pub(super) struct Screen {
    /// Standard output is for the results alone.
    once: bool,
    referrals: u32,
    ended: AtomicU32,
}

impl Screen {
    pub(super) const fn new(once: bool, referrals: u32) -> Self {
        Self { once, referrals, ended: AtomicU32::new(0) }
    }

    /// Prints a line.
    pub(super) fn say(&self, line: &str) {
        if self.once {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }

    /// Prints the names of the columns.
    pub(super) fn head(&self) {
        let (stage, counts) = (pad("stage, as that council sees it", STAGE_COLUMNS), pad("msgs", COUNTS_COLUMNS));
        self.say(&format!("\n{}  at  referral  {stage}{counts}awaited next", pad("local time", 12)));
    }

    /// Says that a dispute begins.
    pub(super) fn begins(&self, plot: &Plot, shared: &str) {
        let Plot { number, from, to, kind, .. } = plot;
        let what = format!("{from} > {to}, {number} of {}, {}: {}", self.referrals, plot.key(), kind.tells());
        self.say(&line(crate::clock::now(), "--", shared, &what));
    }

    /// Says what a council sees now.
    pub(super) fn moved(&self, at: Place, shared: &str, seen: &str) {
        self.say(&line(crate::clock::now(), at.code(), shared, seen));
    }

    /// Says that both sides have come to the same end.
    pub(super) fn ends(&self, shared: &str) {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        let what = format!("both councils hold the same; {ended} of {} have ended", self.referrals);
        self.say(&line(crate::clock::now(), "--", shared, &what));
    }
}

fn line(at: DateTime<Utc>, place: &str, shared: &str, what: &str) -> String {
    let local = (at.naive_utc() + AHEAD_OF_UTC).format("%H:%M:%S%.3f");
    format!("{local}  {place}  {}  {what}", short(shared))
}

/// What is shown of the id under which both councils know a referral.
pub(super) fn short(shared: &str) -> String {
    shared.chars().take(ID_LETTERS).collect()
}

/// A council's sight of a referral in columns; of one that is not there yet, nothing.
pub(super) fn columns(view: &View) -> String {
    let stage = pad(&view.stage_text(), STAGE_COLUMNS);
    format!("{stage}{}{}", pad(&view.counts_text(), COUNTS_COLUMNS), view.awaited_text())
}

fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text)).max(1)))
}

fn width(text: &str) -> usize {
    text.chars().map(|letter| if letter >= WIDE_FROM { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use cross_border::referral::vocabulary::{ProgressKind, ReferralOutcome, ReturnCode};

    use super::*;

    #[test]
    fn a_letter_of_chinese_takes_two_columns() {
        assert_eq!(pad("已送达", 8), "已送达  ");
        assert_eq!(pad("sent", 8), "sent    ");
        assert_eq!(pad("too long", 4), "too long ");
    }

    #[test]
    fn every_stage_fits_its_column() {
        let handled = ProgressKind::ALL.iter().map(|kind| format!("办理中 in-progress: {} {kind}", kind.term()));
        let returned = ReturnCode::ALL.iter().map(|code| format!("被退回 returned: {} {code}", code.term()));
        let ended = ReferralOutcome::ALL.iter().map(|end| format!("结果已通报 outcome-reported: {} {end}", end.term()));
        for text in handled.chain(returned).chain(ended) {
            assert!(width(&text) < STAGE_COLUMNS, "{text}: {}", width(&text));
        }
    }

    #[test]
    fn a_line_begins_with_the_local_time_the_council_and_the_short_id() {
        let at = "2026-11-22T16:05:09.250Z".parse().unwrap();
        let shown = line(at, "HK", "3f2a91c4-7c9e-6679-7425-50de944be07f", "已送达 delivered");
        assert_eq!(shown, "00:05:09.250  HK  3f2a91c4  已送达 delivered");
    }
}

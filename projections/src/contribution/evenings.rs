//! Contributions against a second opinion: every day of a random case looked at by itself.

use domain::clock::ClockKind;
use domain::day::day_number;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::tests::{INTAKE, day, morning};
use super::*;

/// The state of a case at the end of a day, found by looking at nothing but that day.
struct Evening {
    open: bool,
    overdue: bool,
    unit: u32,
    handler: u32,
}

fn evening(track: &Track, on: i32) -> Evening {
    let (mut open, mut unit, mut handler) = (day_of(track.registered) <= on, track.intake, 0);
    for fact in track.facts.iter().filter(|fact| day_of(fact.at) <= on) {
        match fact.what {
            What::Custody { unit: to, how } => {
                unit = to;
                if how != Handover::Received {
                    handler = 0;
                }
            }
            What::Handler(to) => handler = to,
            What::Closed { .. } => open = false,
            What::Reopened => open = true,
            What::Accepted
            | What::Refused
            | What::AcceptLate
            | What::MediationOpened
            | What::Succeeded
            | What::Urged => {}
        }
    }
    let exceeded = track.clocks.iter().any(|clock| {
        on > clock.due && clock.end.is_none_or(|end| on < end) && clock.stopped.is_none_or(|from| from > clock.due)
    });
    let first_round = track.deadline_end.is_none_or(|end| on < end);
    let overdue = open && (exceeded || (first_round && track.deadline.is_some_and(|deadline| deadline <= on)));
    Evening { open, overdue, unit, handler }
}

fn tracks() -> impl Strategy<Value = Track> {
    let first = day_number(day("2026-04-01"));
    let what = (0_u8..9, 1_u32..4).prop_map(|(kind, number)| match kind {
        0 | 1 => What::Custody { unit: number, how: Handover::Dispatched },
        2 => What::Custody { unit: number, how: Handover::Returned },
        3 => What::Custody { unit: number, how: Handover::Received },
        4 | 5 => What::Handler(number),
        6 | 7 => What::Closed { late: number == 1, recovered: None },
        _ => What::Reopened,
    });
    let facts = vec((0_i64..300, what), 0..14);
    let days = move || option::of(first..first + 16);
    let clock = (first..first + 14, days(), days()).prop_map(|(due, stopped, end)| Clock {
        kind: ClockKind::Mediate,
        due,
        provisional: false,
        stopped,
        end,
    });
    (facts, vec(clock, 0..3), days(), days()).prop_map(|(facts, clocks, deadline, deadline_end)| {
        let mut track = Track { deadline_end, ..Track::new(morning("2026-04-01"), INTAKE, deadline) };
        let at = |hours: i64| track.registered + hours * 3_600_000_000;
        track.facts = (1_u32..).zip(facts).map(|(seq, (hours, what))| Fact { at: at(hours), seq, what }).collect();
        track.facts.sort_by_key(|fact| (fact.at, fact.seq));
        track.clocks = clocks;
        track
    })
}

proptest! {
    #[test]
    fn entries_add_up_to_every_evening(track in tracks()) {
        let entries = Contributor::default().of(&track).clone();
        let first = day_number(day("2026-04-01"));
        for on in first - 1..first + 18 {
            let evening = evening(&track, on);
            for (unit, handler) in (1..4).flat_map(|unit| (0..4).map(move |handler| (unit, handler))) {
                let sum = |measure: Measure| -> i64 {
                    let here = |entry: &&Entry| {
                        entry.measure == measure && entry.unit == unit && entry.handler == handler && entry.day <= on
                    };
                    entries.iter().filter(here).map(|entry| entry.amount).sum()
                };
                let has = (evening.unit, evening.handler) == (unit, handler);
                prop_assert_eq!(sum(Measure::Open), i64::from(evening.open && has), "open on {}", on);
                prop_assert_eq!(sum(Measure::Overdue), i64::from(evening.overdue && has), "overdue on {}", on);
            }
        }
    }
}

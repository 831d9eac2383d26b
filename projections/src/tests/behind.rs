//! Every number equals the list behind it, in every scope, on any day, as known at any moment; and the same number
//! comes out of memory, of the cells, of the ledger, and of read models that never saw more.

use domain::day::local_day;
use domain::envelope::Position;
use proptest::prelude::*;

use super::history::{days, histories};
use super::kit::{Kit, Log, day, scopes};
use crate::{AsOf, Breakdown, CaseFilter, Counts, DashboardQuery, Known, Measure, PageRequest, ReadModels, Scope};

fn counts(models: &ReadModels, scope: &Scope, on: chrono::NaiveDate, known: Known) -> Counts {
    let query = DashboardQuery { scope: scope.clone(), as_of: Some(on), today: day(60), known };
    models.dashboard(&query).unwrap().counts
}

/// Adds up the list behind a number, page by page.
fn listed(models: &ReadModels, scope: &Scope, measure: Measure, as_of: AsOf) -> (i64, u64) {
    let filter = CaseFilter { measure: Some((measure, as_of)), ..CaseFilter::new(vec![scope.clone()]) };
    let mut page = PageRequest { after: None, limit: 2 };
    let (mut sum, mut rows) = (0, 0);
    loop {
        let answer = models.cases(&filter, &page).unwrap();
        sum += answer.rows.iter().map(|(row, _)| row.counted).sum::<i64>();
        rows += u64::try_from(answer.rows.len()).unwrap();
        if !answer.has_more {
            assert_eq!(models.count_cases(&filter).unwrap(), rows);
            return (sum, rows);
        }
        page.after = answer.rows.last().map(|(_, cursor)| *cursor);
    }
}

/// The part of a log that was known by a moment.
fn prefix(log: &Log, known: Known) -> usize {
    match known {
        Known::Now => log.events.len(),
        Known::Day(day) => log.events.partition_point(|event| local_day(event.recorded_at) <= day),
        Known::Position(position) => log.events.partition_point(|event| event.position <= position),
    }
}

fn knowledge(log: &Log, number: u64) -> Vec<Known> {
    let last = log.last().map_or(0, Position::get);
    vec![
        Known::Now,
        Known::Day(day(i64::try_from(number % 12).unwrap())),
        Known::Day(day(-30)),
        Known::Position(Position::new(number % (last + 3))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn opening_and_in_less_out_is_closing(log in histories()) {
        let kit = Kit::new();
        let models = kit.filled("m.sqlite", &log.events, 9);
        for scope in scopes() {
            for on in days() {
                let counts = counts(&models, &scope, on, Known::Now);
                let came = [Measure::Received, Measure::Reopened, Measure::TransferredIn];
                let went = [Measure::Closed, Measure::TransferredOut];
                let flows = came.iter().map(|measure| counts.get(*measure)).sum::<i64>()
                    - went.iter().map(|measure| counts.get(*measure)).sum::<i64>();
                prop_assert_eq!(counts.get(Measure::Open), flows, "{:?} on {}", scope, on);
                prop_assert!(counts.get(Measure::Overdue) <= counts.get(Measure::Open));
                prop_assert!(Measure::ALL.iter().all(|measure| counts.get(*measure) >= 0));
            }
        }
    }

    #[test]
    fn the_list_behind_a_number_adds_up_to_it(log in histories(), number in 0_u64..500) {
        let kit = Kit::new();
        let models = kit.filled("m.sqlite", &log.events, 9);
        for scope in scopes() {
            for known in knowledge(&log, number) {
                let on = day(i64::try_from(number % 40).unwrap());
                let counts = counts(&models, &scope, on, known);
                for measure in Measure::ALL {
                    let (sum, rows) = listed(&models, &scope, measure, AsOf { day: on, known });
                    prop_assert_eq!(sum, counts.get(measure), "{} of {:?} on {} known {:?}", measure, scope, on, known);
                    if measure == Measure::Open || measure == Measure::Overdue || measure == Measure::Received {
                        prop_assert_eq!(u64::try_from(sum).unwrap(), rows);
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_known_then_is_what_one_would_have_seen_then(log in histories(), number in 0_u64..500) {
        let kit = Kit::new();
        let models = kit.filled("m.sqlite", &log.events, 9);
        for (index, known) in knowledge(&log, number).into_iter().enumerate() {
            let then = kit.filled(&format!("then-{index}.sqlite"), &log.events[..prefix(&log, known)], 9);
            for scope in scopes() {
                // The register itself is not dated: a scope is what it is today.
                if prefix(&log, known) < super::kit::UNITS.len() {
                    continue;
                }
                for on in days() {
                    prop_assert_eq!(
                        counts(&models, &scope, on, known),
                        counts(&then, &scope, on, Known::Now),
                        "{:?} on {} known {:?}", scope, on, known
                    );
                }
            }
        }
    }

    #[test]
    fn the_parts_add_up_to_the_whole(log in histories(), number in 0_u64..500) {
        let kit = Kit::new();
        let models = kit.filled("m.sqlite", &log.events, 9);
        let on = day(i64::try_from(number % 40).unwrap());
        for scope in scopes() {
            for known in knowledge(&log, number) {
                let whole = counts(&models, &scope, on, known);
                let query = DashboardQuery { scope: scope.clone(), as_of: Some(on), today: day(60), known };
                for by in [
                    Breakdown::City,
                    Breakdown::Unit,
                    Breakdown::Handler,
                    Breakdown::Channel,
                    Breakdown::Category,
                    Breakdown::Day,
                ] {
                    let rows = models.breakdown(&query, by).unwrap();
                    for measure in Measure::ALL.into_iter().filter(|measure| !measure.is_transfer()) {
                        let sum: i64 = rows.iter().map(|row| row.counts.get(measure)).sum();
                        prop_assert_eq!(sum, whole.get(measure), "{} by {:?} of {:?} known {:?}", measure, by, scope, known);
                    }
                }
                let series = models.series(&query, Measure::Open, day(-2), on).unwrap();
                let sum: i64 = series.iter().map(|(_, change)| *change).sum();
                prop_assert_eq!(sum, whole.get(Measure::Open));
            }
        }
    }
}

#[test]
fn a_case_closed_twice_is_one_row_that_counts_twice() {
    use super::kit::{closed, hour, registered};
    use domain::complaint::ComplaintEvent;
    use domain::complaint::event::Reopened;

    let kit = Kit::new();
    let mut log = Log::with_units();
    log.case(1, hour(0, 9), &registered(1, "gz"));
    log.case(1, hour(1, 9), &closed(false, None));
    let reopened = ComplaintEvent::Reopened(Reopened { reason: "x".into(), round: 2 });
    log.case(1, hour(2, 9), &reopened);
    log.case(1, hour(3, 9), &closed(true, None));
    let models = kit.filled("m.sqlite", &log.events, 100);
    let as_of = AsOf { day: day(9), known: Known::Now };
    let scope = Scope::Region(domain::region::RegionCode::GUANGDONG);
    assert_eq!(listed(&models, &scope, Measure::Closed, as_of), (2, 1));
    assert_eq!(counts(&models, &scope, day(9), Known::Now).get(Measure::Closed), 2);
    assert_eq!(listed(&models, &scope, Measure::ClosedLate, as_of), (1, 1));
}

//! The generator by its own output: the same for ever, all of it possible, and distributed as it says.

use std::collections::BTreeMap;

use domain::complaint::{Complaint, ComplaintEvent, Stage};
use domain::decider::{Decider as _, Happened};
use domain::envelope::{NewEvent, Revision};
use domain::filing::FilingEvent;
use domain::id::SubjectId;
use domain::privacy::Sealed;
use domain::wire::Stored as _;

use super::*;

/// Seals nothing, but so that every value can be told.
struct Plain;

impl Sealer for Plain {
    fn seal(&mut self, values: &[(SubjectId, &str, &str)]) -> Result<Vec<Sealed>, Failure> {
        let seal = |(subject, purpose, text): &(SubjectId, &str, &str)| {
            Sealed::new(*subject, (*purpose).to_owned(), (*text).to_owned())
        };
        Ok(values.iter().map(seal).collect())
    }
}

fn plan(cases: u64, days: u32, seed: u64) -> Plan {
    Plan { cases, days, until: "2026-05-31".parse().unwrap(), seed, facts: true, personal: true }
}

fn generate(plan: Plan) -> Vec<(Append, DateTime<Utc>)> {
    let mut generator = Generator::new(plan, Box::new(Plain)).unwrap();
    let mut all = Vec::new();
    while let Some(batch) = generator.next_batch(1_000).unwrap() {
        all.extend(batch.appends);
        let events: usize = all.iter().map(|(append, _)| append.events.len()).sum();
        assert_eq!(batch.so_far.events, u64::try_from(events).unwrap());
    }
    assert_eq!(generator.so_far.cases, plan.cases);
    all
}

/// Every event with its stream and the moment it is recorded at.
fn told(appends: &[(Append, DateTime<Utc>)]) -> Vec<(String, DateTime<Utc>, &NewEvent)> {
    let mut all = Vec::new();
    for (append, at) in appends {
        all.extend(append.events.iter().map(|event| (append.stream.to_string(), *at, event)));
    }
    all
}

/// The states that the complaints come to, by stream; checks revisions and shapes on the way.
fn states(appends: &[(Append, DateTime<Utc>)]) -> BTreeMap<String, (Complaint, u64)> {
    let mut states: BTreeMap<String, (Complaint, u64)> = BTreeMap::new();
    for (append, _) in appends {
        if append.stream.category() == "filing" {
            assert_eq!(append.expected, Expected::NoStream);
            for event in &append.events {
                FilingEvent::decode(event.kind, event.schema, &event.payload).unwrap();
            }
            continue;
        }
        let entry = states.entry(append.stream.to_string()).or_insert_with(|| (Complaint::initial(), 0));
        let expected = entry.1.checked_sub(1).map_or(Expected::NoStream, |last| Expected::At(Revision::new(last)));
        assert_eq!(append.expected, expected);
        for event in &append.events {
            let decoded = ComplaintEvent::decode(event.kind, event.schema, &event.payload).unwrap();
            let state = std::mem::replace(&mut entry.0, Complaint::initial());
            entry.0 = Complaint::evolve(state, &Happened { at: event.occurred_at, event: decoded });
            entry.1 += 1;
        }
    }
    states
}

fn kinds(appends: &[(Append, DateTime<Utc>)]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for event in appends.iter().flat_map(|(append, _)| &append.events) {
        *kinds.entry(event.kind).or_default() += 1;
    }
    kinds
}

#[test]
fn the_same_plan_gives_the_same_events() {
    let (one, two) = (generate(plan(300, 40, 42)), generate(plan(300, 40, 42)));
    assert_eq!(told(&one), told(&two));
    let other = generate(plan(300, 40, 43));
    assert_ne!(told(&one), told(&other));
}

#[test]
fn without_personal_data_the_same_cases_come() {
    let with = generate(plan(200, 30, 1));
    let without = generate(Plan { facts: false, personal: false, ..plan(200, 30, 1) });
    let shape = |appends: &[(Append, DateTime<Utc>)]| {
        told(appends).into_iter().map(|(stream, at, event)| (stream, at, event.id, event.kind)).collect::<Vec<_>>()
    };
    assert_eq!(shape(&with), shape(&without));
    assert!(with.iter().flat_map(|(append, _)| &append.events).any(|event| event.payload.contains("ciphertext")));
    assert!(!without.iter().flat_map(|(append, _)| &append.events).any(|event| event.payload.contains("ciphertext")));
}

#[test]
fn time_runs_forwards_and_ends_with_the_plan() {
    let plan = plan(500, 45, 5);
    let appends = generate(plan);
    assert!(appends.is_sorted_by_key(|(_, at)| *at));
    assert!(appends.first().unwrap().1 >= plan.starts_at());
    assert!(appends.last().unwrap().1 < day_end(plan.until));
    for (append, at) in &appends {
        assert!(append.events.iter().all(|event| event.occurred_at <= *at));
    }
    let late = appends.iter().flat_map(|(append, at)| append.events.iter().map(move |event| (event, at)));
    assert!(late.filter(|(event, at)| event.occurred_at < **at).count() > 10);
}

#[test]
fn every_stage_is_reached_and_every_history_holds() {
    let states = states(&generate(plan(6_000, 90, 7)));
    assert_eq!(states.len(), 6_000);
    let mut stages: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (state, _) in states.values() {
        *stages.entry(state.case().unwrap().stage.code()).or_default() += 1;
    }
    for stage in ["at-intake", "dispatched", "received", "accepted", "mediating", "ended", "closed"] {
        assert!(stages.contains_key(stage), "{stage} in {stages:?}");
    }
    assert!(states.values().any(|(state, _)| state.case().unwrap().round > 1));
    assert!(states.values().any(|(state, _)| state.case().unwrap().urged > 0));
}

#[test]
fn every_kind_of_act_occurs() {
    let kinds = kinds(&generate(plan(6_000, 90, 11)));
    let never = ["complaint.clock-extended", "complaint.waiting-began", "complaint.waiting-ended"];
    for (kind, _) in ComplaintEvent::KINDS {
        assert_eq!(kinds.contains_key(kind), !never.contains(kind), "{kind}");
    }
}

#[test]
fn cases_are_distributed_as_the_tables_say() {
    let appends = generate(plan(6_000, 120, 13));
    let kinds = kinds(&appends);
    let count = |kind: &str| kinds.get(kind).copied().unwrap_or_default();
    let events: usize = kinds.values().sum();
    assert!((60_000..120_000).contains(&events), "{events} events");

    let (accepted, refused) = (count("complaint.accepted"), count("complaint.not-accepted"));
    assert!((14..23).contains(&(refused * 100 / (accepted + refused))), "{refused} refused of {accepted}");
    let well = count("complaint.agreement-reached") + count("complaint.settled");
    let ended = well + count("complaint.terminated") + count("complaint.withdrawn");
    assert!((48..66).contains(&(well * 100 / ended)), "{well} of {ended} ended well");
    assert!((20..70).contains(&(count("complaint.returned-to-intake") * 1_000 / 6_000)));

    let states = states(&appends);
    let cases: Vec<_> = states.values().filter_map(|(state, _)| state.case()).collect();
    let closed = cases.iter().filter(|case| matches!(case.stage, Stage::Closed(_)));
    let late = closed.clone().filter(|case| case.closed_late).count();
    assert!(late * 100 <= closed.count(), "{late} closed late");
    let today = "2026-05-31".parse().unwrap();
    let overdue = cases.iter().filter(|case| {
        !matches!(case.stage, Stage::Closed(_)) && case.clocks.iter().any(|clock| clock.is_exceeded_on(today))
    });
    assert!((5..120).contains(&overdue.count()));
    let guangzhou = cases.iter().filter(|case| case.region.to_string().starts_with("4401")).count();
    assert!((1_600..2_000).contains(&guangzhou), "{guangzhou} in Guangzhou");
}

#[test]
fn plans_hold_their_limits() {
    let new = |plan| Generator::new(plan, Box::new(Plain)).map(drop);
    assert_eq!(new(plan(0, 30, 1)), Err(PlanError::Cases(0)));
    assert_eq!(new(plan(CASES_MAX, 30, 1)), Ok(()));
    assert_eq!(new(plan(CASES_MAX + 1, 30, 1)), Err(PlanError::Cases(CASES_MAX + 1)));
    assert_eq!(new(plan(1, 0, 1)), Err(PlanError::Days(0)));
    assert_eq!(new(plan(1, DAYS_MAX, 1)), Ok(()));
    assert_eq!(new(plan(1, DAYS_MAX + 1, 1)), Err(PlanError::Days(DAYS_MAX + 1)));
    let first: NaiveDate = "2020-01-01".parse().unwrap();
    assert_eq!(new(Plan { until: first, ..plan(1, 1, 1) }), Ok(()));
    let before = first.pred_opt().unwrap();
    let refused = PlanError::BeforeTheRules { first_day: before, first_rule: first };
    assert_eq!(new(Plan { until: before, ..plan(1, 1, 1) }), Err(refused));
}

#[test]
fn a_single_day_gives_all_its_cases() {
    assert_eq!(states(&generate(plan(1, 1, 1))).len(), 1);
    assert_eq!(states(&generate(plan(500, 1, 1))).len(), 500);
}

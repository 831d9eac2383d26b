//! A replay shows what was known, and finds a case by its number.

use domain::calendar::WorkingCalendar;
use domain::clock::{ClockKind, RuleTable, start};
use domain::complaint::event::{ClockStarted, HandlerAssigned, ReceivedByUnit, Registered};
use domain::decider::Context;
use domain::id::{CommandId, FilingId, UnitId};
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};
use event_log::digest::command_digest;
use event_log::execute::{Issue, new_events};
use event_log::port::{Append, CommandRef, EventLog as _, Expected};

use super::*;

const NUMBER: &str = "GZ-7";

fn history() -> Vec<Happened<ComplaintEvent>> {
    let unit = UnitId::parse("gd-440106").unwrap();
    let rule = RuleTable::builtin().rule(ClockKind::Accept, "2026-04-27".parse().unwrap()).unwrap();
    let terms = start(rule, WorkingCalendar::mainland(), "2026-04-27".parse().unwrap()).unwrap();
    let registered = Registered {
        filing: FilingId::derived("test", NUMBER),
        item: 1,
        number: NUMBER.to_owned(),
        channel: Channel::Web,
        category: Category::Quality,
        region: RegionCode::parse("440106").unwrap(),
        unit: unit.clone(),
        respondent: None,
        amount: None,
        remedies: Vec::new(),
        facts: None,
        source: None,
    };
    let at = |text: &str| text.parse().unwrap();
    vec![
        Happened { at: at("2026-04-26T01:00:00Z"), event: ComplaintEvent::Registered(Box::new(registered)) },
        Happened { at: at("2026-04-27T01:00:00Z"), event: ComplaintEvent::ReceivedByUnit(ReceivedByUnit { unit }) },
        Happened { at: at("2026-04-27T01:00:00Z"), event: ComplaintEvent::ClockStarted(ClockStarted { terms }) },
        Happened {
            at: at("2026-04-28T01:00:00Z"),
            event: ComplaintEvent::HandlerAssigned(HandlerAssigned { handler: "w-7".to_owned() }),
        },
    ]
}

/// A data folder with one case.
async fn folder() -> (tempfile::TempDir, ComplaintId) {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::new(folder.path());
    let log = dir.open_log(&Config::default(), true).unwrap();
    let id = ComplaintId::of_item(FilingId::derived("test", NUMBER), 1);
    let unit = UnitId::parse("gd-440106").unwrap();
    let ctx = Context {
        now: "2026-04-28T02:00:00Z".parse().unwrap(),
        unit: &unit,
        actor: "w-1",
        calendar: WorkingCalendar::mainland(),
        rules: RuleTable::builtin(),
    };
    let command = CommandRef { id: CommandId::derived(&["replay-test"]), digest: command_digest(b"replay-test") };
    let events = new_events(&id.stream(), command.id, &Issue::default(), &ctx, &history()).unwrap();
    log.append(Append { stream: id.stream(), expected: Expected::NoStream, command, events }).await.unwrap();
    log.close();
    (folder, id)
}

fn args(as_of: Option<&str>, as_known_at: Option<&str>, json: bool) -> ReplayArgs {
    let day = |text: &str| text.parse().unwrap();
    ReplayArgs { case: NUMBER.to_owned(), as_of: as_of.map(day), as_known_at: as_known_at.map(day), json }
}

async fn printed(args: &ReplayArgs) -> String {
    let (folder, id) = folder().await;
    let events = read(id, &mut DataDir::new(folder.path()).reader().unwrap().into()).unwrap();
    let shown: Vec<&RecordedEvent> = events.iter().filter(|event| shows(event, args)).collect();
    let steps = fold(&shown).unwrap();
    let mut out = Vec::new();
    print(id, &steps, events.len(), args, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn each_event_is_shown_with_the_state_behind_it() {
    let text = printed(&args(None, None, false)).await;
    assert!(text.contains("number GZ-7"), "{text}");
    assert!(text.contains("#0 2026-04-26 09:00:00  complaint.registered"), "{text}");
    assert!(text.contains("stage received, round 1, with gd-440106, handled by nobody"), "{text}");
    assert!(text.contains("clock CLK-ACCEPT since 2026-04-27, due 2026-05-09"), "{text}");
    assert!(text.contains("handled by w-7"), "{text}");
    assert!(text.contains("allowed dispatchCase"), "{text}");
    assert!(text.contains("by w-1 for gd-440106, recorded"), "{text}");
}

#[tokio::test]
async fn a_past_day_shows_what_had_happened_by_then() {
    let text = printed(&args(Some("2026-04-26"), None, false)).await;
    assert!(text.contains("stage at-intake") && !text.contains("stage received"), "{text}");
    assert!(text.contains("3 of 4 events do not show"), "{text}");
    // Nothing of it had been recorded at that time.
    let unknown = printed(&args(None, Some("2020-01-01"), false)).await;
    assert!(unknown.contains("4 of 4 events do not show"), "{unknown}");
}

#[tokio::test]
async fn json_has_one_line_for_each_event() {
    let text = printed(&args(None, None, true)).await;
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["kind"], "complaint.registered");
    assert_eq!(lines[0]["state"]["stage"], "at-intake");
    assert_eq!(lines[3]["state"]["handler"], "w-7");
    assert_eq!(lines[3]["state"]["clocks"][0]["dueLegal"], "2026-05-09");
    assert_eq!(lines[3]["occurredAt"], "2026-04-28T01:00:00.000000Z");
}

#[tokio::test]
async fn a_case_is_found_by_id_and_by_number_without_read_models() {
    let (folder, id) = folder().await;
    let dir = DataDir::new(folder.path());
    let mut reader: AnyReader = dir.reader().unwrap().into();
    for wanted in [id.to_string(), NUMBER.to_owned()] {
        let (found, events) = find::find(&wanted, &dir, &Config::default(), &mut reader).unwrap();
        assert_eq!((found, events.len()), (id, 4));
    }
    let error = find::find("GZ-8", &dir, &Config::default(), &mut reader).unwrap_err().to_string();
    assert!(error.contains("`GZ-8`"), "{error}");
}

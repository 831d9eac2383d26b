//! What holds for every history: for those that decisions can make, and for orders of events that nobody could decide.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use proptest::prelude::*;

use super::assign_handler::AssignHandler;
use super::decide_clue::DecideClue;
use super::extend_clock::ExtendClock;
use super::note::Note;
use super::record_clue::RecordClue;
use super::record_session::RecordSession;
use super::reopen::Reopen;
use super::resume_clock::ResumeClock;
use super::return_to_intake::ReturnToIntake;
use super::settle::Settle;
use super::stop_clock::StopClock;
use super::testing::{
    BUREAU, Event, INTAKE, STATION, accept, accepted, agree, close, day, decide, dispatch, open_mediation, receive,
    refuse, registered, tell, terminate, time,
};
use super::urge::Urge;
use super::vocabulary::{
    Mode, NoteKind, NoticeSubject, Outcome, Party, ReturnReason, SessionResult, StopReason, TerminationGround,
};
use super::withdraw::Withdraw;
use super::{Act, Action, Case, Complaint, ComplaintCommand, Rejection, Stage};
use crate::clock::ClockKind;
use crate::decider::{Decider, fold};

mod any_event;

/// The throws that an act or an event is made from.
#[derive(Debug, Clone, Copy)]
struct Dice {
    which: usize,
    a: usize,
    b: usize,
    hours: i64,
}

fn dice() -> impl Strategy<Value = Dice> {
    (0_usize..10_000, 0_usize..10_000, 0_usize..10_000, 0_i64..100).prop_map(|(which, a, b, hours)| Dice {
        which,
        a,
        b,
        hours,
    })
}

fn pick<T: Copy>(list: &[T], at: usize) -> T {
    list[at % list.len()]
}

/// One act of this action, sensible or not.
fn act(action: Action, case: &Case, dice: Dice) -> Act {
    let Dice { a, b, .. } = dice;
    match action {
        Action::Dispatch => dispatch(pick(&[INTAKE, BUREAU, STATION], a)),
        Action::ReturnToIntake => {
            Act::ReturnToIntake(ReturnToIntake { reason: pick(ReturnReason::ALL, a), note: None })
        }
        Action::Receive => receive(),
        Action::AssignHandler => Act::AssignHandler(AssignHandler { handler: format!("officer-{a}") }),
        Action::Accept => accept(),
        Action::Refuse => refuse(),
        Action::OpenMediation => open_mediation(),
        Action::RecordSession => Act::RecordSession(RecordSession {
            mode: pick(Mode::ALL, a),
            result: pick(SessionResult::ALL, b),
            note: None,
        }),
        Action::ReachAgreement => agree(),
        Action::Settle => Act::Settle(Settle { amount: None }),
        Action::Withdraw => Act::Withdraw(Withdraw { reason: "已退款".into() }),
        Action::Terminate => terminate(pick(TerminationGround::ALL, a)),
        Action::GiveNotice => tell(pick(NoticeSubject::ALL, a), pick(Party::ALL, b)),
        Action::StopClock => Act::StopClock(StopClock {
            clock: pick(&ClockKind::ALL, a),
            reason: pick(StopReason::ALL, b),
            evidence: None,
        }),
        Action::ResumeClock => Act::ResumeClock(ResumeClock { clock: pick(&ClockKind::ALL, a) }),
        Action::ExtendClock => Act::ExtendClock(ExtendClock {
            clock: pick(&[ClockKind::Mediate, ClockKind::ClueVerify], a),
            by: pick(&[0, 1, 7, 15, 16], b),
            approver: "head-1".to_owned(),
            reason: "检验结果未出".into(),
        }),
        Action::RecordClue => Act::RecordClue(RecordClue { summary: "无标签".into() }),
        Action::DecideClue => Act::DecideClue(DecideClue { filed: a.is_multiple_of(2), note: None }),
        Action::Close => close(case.stage.outcome().unwrap_or_else(|| pick(Outcome::ALL, a))),
        Action::Reopen => Act::Reopen(Reopen { reason: "未履行".into() }),
        Action::Note => Act::Note(Note { kind: NoteKind::Visit, text: "走访商家".into() }),
        Action::Urge => Act::Urge(Urge { note: "请尽快办理".into() }),
    }
}

/// The next act on the way to closing, and to reopening behind it.
fn forward(case: &Case, dice: Dice) -> Act {
    const NOTICES: [(NoticeSubject, Party); 4] = [
        (NoticeSubject::Acceptance, Party::Complainant),
        (NoticeSubject::Refusal, Party::Complainant),
        (NoticeSubject::Termination, Party::Respondent),
        (NoticeSubject::Termination, Party::Complainant),
    ];
    let action = match case.stage {
        Stage::AtIntake | Stage::Dispatched => Action::Receive,
        Stage::Received => pick(&[Action::Accept, Action::Accept, Action::Refuse], dice.a),
        Stage::Accepted => Action::OpenMediation,
        Stage::Mediating => {
            pick(&[Action::ReachAgreement, Action::Terminate, Action::Settle, Action::Withdraw], dice.a)
        }
        Stage::Ended(_) | Stage::NotAccepted => {
            if case.running(ClockKind::ClueVerify).is_some() {
                Action::DecideClue
            } else if let Some((subject, to)) = NOTICES.into_iter().find(|(subject, to)| !case.told(*subject, *to)) {
                return tell(subject, to);
            } else {
                Action::Close
            }
        }
        Stage::Closed(_) => Action::Reopen,
    };
    act(action, case, dice)
}

/// A complaint on its way, act by act.
struct Walk {
    events: Vec<Event>,
    state: Complaint,
    now: DateTime<Utc>,
}

impl Walk {
    fn begin() -> Self {
        let history = registered();
        Self { state: history.state(), events: history.into_iter().collect(), now: time("2026-05-06T09:00:00+08:00") }
    }

    fn case(&self) -> &Case {
        self.state.case().unwrap()
    }

    /// Half of the acts go forward, half are any that is allowed; some are entered later than they were done.
    fn step(&mut self, dice: Dice) {
        self.now += Duration::hours(dice.hours);
        let act = if dice.which.is_multiple_of(2) {
            forward(self.case(), dice)
        } else {
            act(pick(&self.case().allowed(), dice.which / 2), self.case(), dice)
        };
        let at = dice.b.is_multiple_of(5).then(|| self.now - Duration::hours(dice.hours / 2));
        let Ok(happened) = decide(&self.state, self.now, ComplaintCommand { at, act }) else { return };
        self.state = happened.iter().fold(self.state.clone(), Complaint::evolve);
        self.events.extend(happened);
    }
}

/// No clock runs that has nothing to wait for, so none is counted as overdue for ever.
fn check_clocks(case: &Case) -> Result<(), TestCaseError> {
    let runs = |kind| case.running(kind).is_some();
    for kind in ClockKind::ALL {
        let running = case.clocks.iter().filter(|clock| clock.terms.rule == kind && clock.is_running()).count();
        prop_assert!(running <= 1, "{running} clocks {kind} run");
    }
    let may_run: &[ClockKind] = match case.stage {
        Stage::AtIntake | Stage::NotAccepted | Stage::Closed(_) => &[],
        Stage::Dispatched | Stage::Received => &[ClockKind::Accept],
        Stage::Accepted | Stage::Mediating => &[ClockKind::Mediate, ClockKind::ClueVerify],
        Stage::Ended(Outcome::Agreement) => &[ClockKind::ClueVerify],
        Stage::Ended(_) => &[ClockKind::TermNotice, ClockKind::ClueVerify],
    };
    for kind in ClockKind::ALL {
        prop_assert!(!runs(kind) || may_run.contains(&kind), "{kind} runs while {}", case.stage);
    }
    prop_assert!(case.stage != Stage::Received || runs(ClockKind::Accept));
    let open = matches!(case.stage, Stage::Accepted | Stage::Mediating);
    prop_assert_eq!(open, runs(ClockKind::Mediate));
    Ok(())
}

/// What is listed is never answered with "not allowed", and what is not listed always is.
fn check_actions(state: &Complaint, case: &Case, now: DateTime<Utc>, dice: Dice) -> Result<(), TestCaseError> {
    let allowed = case.allowed();
    for action in Action::ALL {
        let command = ComplaintCommand { at: None, act: act(*action, case, dice) };
        prop_assert_eq!(command.act.action(), Some(*action));
        let answer = decide(state, now, command.clone());
        prop_assert_eq!(&answer, &decide(state, now, command), "deciding again gives another answer");
        if allowed.contains(action) {
            let unlisted = matches!(answer, Err(Rejection::NotAllowed { .. }));
            prop_assert!(!unlisted, "{action} is listed and refused while {}", case.stage);
        } else {
            let refusal = Rejection::NotAllowed { action: *action, stage: case.stage, allowed: allowed.clone() };
            prop_assert_eq!(answer, Err(refusal));
        }
    }
    Ok(())
}

#[test]
fn walking_forward_leads_to_every_end_and_round_again() {
    let mut walk = Walk::begin();
    let mut ends = Vec::new();
    for throw in 0..400 {
        walk.step(Dice { which: 0, a: throw * 7 + throw / 5, b: 1, hours: 1 });
        if let Stage::Closed(outcome) = walk.case().stage
            && !ends.contains(&outcome)
        {
            ends.push(outcome);
        }
    }
    ends.sort_unstable();
    let all: Vec<Outcome> =
        Outcome::ALL.iter().copied().filter(|outcome| *outcome != Outcome::RecordedBySource).collect();
    assert_eq!(ends, all);
    assert!(walk.case().round > 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn on_any_way_actions_and_clocks_fit_the_stage(throws in prop::collection::vec(dice(), 1..40)) {
        let mut walk = Walk::begin();
        for throw in throws {
            walk.step(throw);
            check_clocks(walk.case())?;
            check_actions(&walk.state, walk.case(), walk.now, throw)?;
        }
        prop_assert_eq!(fold::<Complaint>(&walk.events), walk.state);
    }

    #[test]
    fn a_closed_case_waits_for_no_day(throws in prop::collection::vec(dice(), 1..40)) {
        let mut walk = Walk::begin();
        for throw in throws {
            walk.step(Dice { which: throw.which * 2, ..throw });
            if matches!(walk.case().stage, Stage::Closed(_)) {
                let counted = walk.case().clocks.iter().any(|clock| clock.is_exceeded_on(NaiveDate::MAX));
                prop_assert!(!counted);
            }
        }
    }

    #[test]
    fn what_elapses_less_what_stood_still_is_the_whole_period(
        plans in prop::collection::vec((0_i64..30, 0_i64..20), 0..5),
    ) {
        let mut state = accepted().state();
        let mut now = time("2026-05-08T10:00:00+08:00");
        let mut stood: Vec<(NaiveDate, NaiveDate)> = Vec::new();
        let stop = StopClock { clock: ClockKind::Mediate, reason: StopReason::Testing, evidence: None };
        for (runs, stands) in plans {
            let from = now + Duration::days(runs);
            let to = from + Duration::days(stands);
            for (at, act) in [
                (from, Act::StopClock(stop.clone())),
                (to, Act::ResumeClock(ResumeClock { clock: ClockKind::Mediate })),
            ] {
                let happened = decide(&state, at, ComplaintCommand { at: None, act }).unwrap();
                state = happened.iter().fold(state, Complaint::evolve);
            }
            stood.push((crate::day::local_day(from), crate::day::local_day(to)));
            now = to;
        }
        let clock = state.case().unwrap().running(ClockKind::Mediate).unwrap().clone();
        let elapsed = day("2026-05-08")
            .iter_days()
            .skip(1)
            .take_while(|day| *day <= clock.terms.due_strict)
            .filter(|day| !stood.iter().any(|(from, to)| from <= day && day < to))
            .count();
        prop_assert_eq!(elapsed, usize::from(clock.terms.length));
        prop_assert!(!clock.is_exceeded_on(clock.terms.due_legal));
        prop_assert!(clock.is_exceeded_on(clock.terms.due_legal.succ_opt().unwrap()));
    }
}

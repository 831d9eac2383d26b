//! How each step is done: the command, who gives it, and when it was done if it is entered late.

use domain::clock::ClockKind;
use domain::complaint::accept::Accept;
use domain::complaint::close::Close;
use domain::complaint::decide_clue::DecideClue;
use domain::complaint::dispatch::Dispatch;
use domain::complaint::give_notice::GiveNotice;
use domain::complaint::note::Note;
use domain::complaint::open_mediation::OpenMediation;
use domain::complaint::reach_agreement::ReachAgreement;
use domain::complaint::receive::Receive;
use domain::complaint::record_clue::RecordClue;
use domain::complaint::record_session::RecordSession;
use domain::complaint::refuse::Refuse;
use domain::complaint::reopen::Reopen;
use domain::complaint::resume_clock::ResumeClock;
use domain::complaint::return_to_intake::ReturnToIntake;
use domain::complaint::settle::Settle;
use domain::complaint::stop_clock::StopClock;
use domain::complaint::terminate::Terminate;
use domain::complaint::urge::Urge;
use domain::complaint::vocabulary::{NoteKind, NoticeSubject, Party, Route, SessionResult, TerminationGround};
use domain::complaint::withdraw::Withdraw;
use domain::complaint::{Act, Case, ComplaintCommand, Stage};
use domain::day::local_day;
use domain::money::Money;
use domain::privacy::FreeText;

use super::dice::Dice;
use super::life::{Doer, Life, Step, World};
use super::mix::{
    Fate, MANNERS, MODES, NOTE_KINDS, REFUSAL_GROUNDS, RETURN_REASONS, STOP_REASONS, TERMINATION_GROUNDS,
};
use super::network::officer;
use super::office::{MINUTE, moment};
use super::people::yuan;

/// In a thousand: an acceptance or a session is entered later than it was done.
const ENTERED_LATE: u32 = 30;
/// In a thousand: a note is.
const NOTED_LATE: u32 = 250;
/// In a thousand of what happens beside the course: somebody above urges.
const URGED: u32 = 130;

const WITHDRAWALS: [&str; 3] = ["双方已协商一致，不再投诉", "投诉人表示不再追究", "商家已主动联系处理"];
const URGINGS: [&str; 3] = ["请尽快联系投诉人并反馈进展", "投诉人来电催办，请抓紧办理", "办理期限临近，请注意时限"];
const CLUES: [&str; 3] = ["涉嫌销售标签不合格商品", "涉嫌虚假宣传", "涉嫌销售假冒商品"];
const REOPENINGS: [&str; 2] = ["投诉人反映商家未履行约定", "回访时投诉人提出新的事实"];
const CALLS: [&str; 4] =
    ["已电话联系投诉人核实情况", "致电商家，对方同意协商", "多次致电商家无人接听", "投诉人补充了购买凭证"];
const VISITS: [&str; 2] = ["现场核查经营场所，经营状态正常", "到店了解情况并调取销售记录"];
const DOCUMENTS: [&str; 2] = ["收到商家书面说明", "收到检测报告"];

impl Life {
    /// The command of a step; `None` only for a complaint that was never registered.
    pub(super) fn act(
        &mut self,
        step: Step,
        at: i64,
        world: &World,
        dice: &mut Dice,
    ) -> Option<(Doer, ComplaintCommand)> {
        if step == Step::Aside {
            return self.beside(at, dice);
        }
        let (last_act, amount) = {
            let case = self.case()?;
            (case.last_act_at.timestamp(), case.amount)
        };
        let doer = if step == Step::Dispatch { self.intake(dice)? } else { self.holder(dice)? };
        let may_be_late = matches!(step, Step::Decide | Step::Session) && dice.chance(ENTERED_LATE);
        let done = may_be_late.then(|| last_act.max(at - dice.span(2, 40) * 60 * MINUTE));
        let act = match step {
            Step::Dispatch => {
                let seat = self.astray.unwrap_or(self.seat);
                Act::Dispatch(Dispatch { to: world.network.area(seat).unit.clone(), note: None })
            }
            Step::PassDown => Act::Dispatch(Dispatch { to: self.station.take()?, note: None }),
            Step::Return => {
                self.astray = None;
                Act::ReturnToIntake(ReturnToIntake { reason: dice.weighted(&RETURN_REASONS), note: None })
            }
            Step::Receive => {
                let stays = self.astray.is_none() && self.station.is_none();
                let unit = &self.case()?.custody;
                Act::Receive(Receive { handler: stays.then(|| officer(unit, dice)) })
            }
            Step::Decide => self.decision(dice),
            Step::TellRefused => tell(NoticeSubject::Refusal, Party::Complainant, dice),
            Step::TellAccepted => tell(NoticeSubject::Acceptance, Party::Complainant, dice),
            Step::OpenMediation => Act::OpenMediation(OpenMediation { mode: dice.weighted(&MODES), both_agree: true }),
            Step::StopClock => Act::StopClock(StopClock {
                clock: ClockKind::Mediate,
                reason: dice.weighted(&STOP_REASONS),
                evidence: Some(format!("委托单{:06}", dice.below(1_000_000))),
            }),
            Step::ResumeClock => Act::ResumeClock(ResumeClock { clock: ClockKind::Mediate }),
            Step::Session => self.session(dice),
            Step::RecordClue => Act::RecordClue(RecordClue { summary: text(&CLUES, dice) }),
            Step::End => self.end(amount, at, dice)?,
            Step::TellComplainant => tell(NoticeSubject::Termination, Party::Complainant, dice),
            Step::TellRespondent => tell(NoticeSubject::Termination, Party::Respondent, dice),
            Step::TellResult => tell(NoticeSubject::Result, Party::Complainant, dice),
            Step::DecideClue => Act::DecideClue(DecideClue { filed: dice.chance(300), note: None }),
            Step::Close => {
                Act::Close(Close { outcome: self.case()?.stage.outcome()?, recovered: self.recovered.take() })
            }
            Step::Reopen => Act::Reopen(Reopen { reason: text(&REOPENINGS, dice) }),
            Step::Aside => return None,
        };
        Some((doer, ComplaintCommand { at: done.map(moment), act }))
    }

    fn decision(&self, dice: &mut Dice) -> Act {
        match self.fate {
            Fate::Refused => {
                let ground = dice.weighted(&REFUSAL_GROUNDS);
                let routes = vec![Route::SettleWithOperator, Route::ConsumerCouncil, Route::Court];
                Act::Refuse(Refuse { ground, reason: ground.term().into(), routes })
            }
            Fate::WithdrawnEarly => Act::Withdraw(Withdraw { reason: text(&WITHDRAWALS, dice) }),
            Fate::Forgotten | Fate::Agreement | Fate::Settled | Fate::Withdrawn | Fate::Terminated => {
                Act::Accept(Accept {})
            }
        }
    }

    fn session(&mut self, dice: &mut Dice) -> Act {
        self.sessions = self.sessions.saturating_sub(1);
        let result = match self.fate {
            _ if self.sessions > 0 => SessionResult::Continues,
            Fate::Agreement => SessionResult::Agreed,
            Fate::Terminated if dice.chance(250) => SessionResult::PartyAbsent,
            Fate::Terminated => SessionResult::NotAgreed,
            Fate::Forgotten | Fate::Refused | Fate::WithdrawnEarly | Fate::Settled | Fate::Withdrawn => {
                SessionResult::Continues
            }
        };
        Act::RecordSession(RecordSession { mode: dice.weighted(&MODES), result, note: None })
    }

    fn end(&mut self, amount: Option<Money>, at: i64, dice: &mut Dice) -> Option<Act> {
        let case = self.case()?;
        let ground = ground(case, at, dice);
        Some(match self.fate {
            Fate::Agreement => {
                self.recovered = recovered(amount, dice);
                Act::ReachAgreement(ReachAgreement { document: dice.chance(400), amount: self.recovered })
            }
            Fate::Settled => {
                self.recovered = recovered(amount, dice);
                Act::Settle(Settle { amount: self.recovered })
            }
            Fate::Withdrawn => Act::Withdraw(Withdraw { reason: text(&WITHDRAWALS, dice) }),
            Fate::Terminated | Fate::Forgotten | Fate::Refused | Fate::WithdrawnEarly => {
                Act::Terminate(Terminate { ground, note: None })
            }
        })
    }

    fn beside(&self, at: i64, dice: &mut Dice) -> Option<(Doer, ComplaintCommand)> {
        if dice.chance(URGED) {
            let act = Act::Urge(Urge { note: text(&URGINGS, dice) });
            return Some((self.intake(dice)?, ComplaintCommand { at: None, act }));
        }
        let since = self.case()?.registered_at.timestamp();
        let late = dice.chance(NOTED_LATE).then(|| since.max(at - dice.span(1, 40) * 60 * MINUTE));
        let kind = dice.weighted(&NOTE_KINDS);
        let texts: &[&str] = match kind {
            NoteKind::Visit => &VISITS,
            NoteKind::Document => &DOCUMENTS,
            NoteKind::Call | NoteKind::Task | NoteKind::Other => &CALLS,
        };
        let act = Act::Note(Note { kind, text: text(texts, dice) });
        Some((self.holder(dice)?, ComplaintCommand { at: late.map(moment), act }))
    }
}

/// The ground of a termination: the sixty days once they are over, the refusal of a side before mediation began.
fn ground(case: &Case, at: i64, dice: &mut Dice) -> TerminationGround {
    let today = local_day(moment(at));
    if case.running(ClockKind::Mediate).is_some_and(|clock| clock.is_exceeded_on(today)) {
        TerminationGround::SixtyDays
    } else if case.stage == Stage::Accepted {
        TerminationGround::AbsentOrRefused
    } else {
        dice.weighted(&TERMINATION_GROUNDS)
    }
}

fn tell(subject: NoticeSubject, to: Party, dice: &mut Dice) -> Act {
    Act::GiveNotice(GiveNotice { subject, to, manner: dice.weighted(&MANNERS) })
}

/// Three to ten tenths of the amount in dispute.
fn recovered(amount: Option<Money>, dice: &mut Dice) -> Option<Money> {
    let fen = amount?.minor();
    let whole = u32::try_from(fen / 1_000).unwrap_or(u32::MAX);
    yuan(whole.saturating_mul(dice.between(3, 10)).max(1))
}

fn text(texts: &[&str], dice: &mut Dice) -> FreeText {
    FreeText::from(*dice.pick(texts))
}

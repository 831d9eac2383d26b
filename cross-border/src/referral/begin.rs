//! 拟转办并送审: a draft and what is given with it of consent, assessment and presentation, in one decision.
//!
//! Each step is decided on what the ones before it make of the referral; where one is refused nothing has happened.

use super::draft::Draft;
use super::event::ReferralEvent;
use super::rejection::Rejection;
use super::state::{Transfer, after};
use super::{Act, Moment, check_allowed, check_untold, decide_act};

/// Begins a referral and takes it as far as what is given allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    pub draft: Draft,
    /// Acts of our own that the other council is not told of, in their order.
    pub then: Vec<Act>,
}

impl Begin {
    pub(super) fn decide(self, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        let Self { draft, then } = self;
        let mut state = Transfer::new(moment.at, &draft.drafted);
        let mut events = draft.decide(moment)?;
        for act in then {
            let step = act.action().ok_or(Rejection::NothingToTell)?;
            let happened = decide_step(&state, act, moment)
                .map_err(|refused| Rejection::InStep { step, refused: Box::new(refused) })?;
            state = after(state, &happened, moment.at);
            events.extend(happened);
        }
        Ok(events)
    }
}

fn decide_step(state: &Transfer, act: Act, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
    check_allowed(state, &act, moment.at)?;
    check_untold(state, &act)?;
    decide_act(state, act, moment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referral::event::{Assessed, ConsentCaptured};
    use crate::referral::present::Present;
    use crate::referral::testing::{
        HONG_KONG, assess, assessed, assessment, capture, consent_to, draft, drafted, drafted_to, given, nothing,
        presentation, presented, progress,
    };
    use crate::referral::vocabulary::{LegalRoute, ProgressKind};
    use crate::referral::{Action, Stage};

    const NOW: &str = "2026-05-18T09:00:00+08:00";

    fn begin(then: Vec<Act>) -> Act {
        Act::Begin(Box::new(Begin { draft: Draft { drafted: drafted_to(HONG_KONG) }, then }))
    }

    fn all() -> [Act; 3] {
        [capture(consent_to(HONG_KONG)), assess(assessment(LegalRoute::GbaHongKong)), Act::Present(presentation())]
    }

    #[test]
    fn it_is_what_its_steps_are_one_after_the_other() {
        for (count, stage) in
            [(0, Stage::Drafted), (1, Stage::ConsentCaptured), (2, Stage::Assessed), (3, Stage::Assessed)]
        {
            let then: Vec<Act> = all().into_iter().take(count).collect();
            let singly = then
                .iter()
                .fold(nothing().and(NOW, draft(drafted_to(HONG_KONG))), |history, act| history.and(NOW, act.clone()));
            let at_once = nothing().and(NOW, begin(then)).transfer();
            assert_eq!(at_once, singly.transfer());
            assert_eq!((at_once.stage, at_once.presented.is_some()), (stage, count == 3));
        }
    }

    #[test]
    fn where_one_step_is_refused_nothing_has_happened_and_the_step_is_named() {
        let unnumbered = capture(ConsentCaptured { consent: String::new(), ..consent_to(HONG_KONG) });
        let long_ago = Act::Present(Present { retention_to: "2026-05-17".parse().unwrap(), ..presentation() });
        let [consent, assessment, presentation] = all();
        for (then, named) in [
            (vec![unnumbered], Action::CaptureConsent),
            (vec![assessment.clone()], Action::Assess),
            (vec![consent.clone(), presentation], Action::Present),
            (vec![consent.clone(), assessment, long_ago], Action::Present),
            (vec![consent.clone(), progress(ProgressKind::Handling)], Action::ReportProgress),
        ] {
            given(nothing())
                .at(NOW)
                .when(begin(then))
                .then_err(|refused| matches!(refused, Rejection::InStep { step, .. } if *step == named));
        }
        let no_act = begin(vec![draft(drafted_to(HONG_KONG))]);
        given(nothing()).at(NOW).when(no_act).then_err(|refused| *refused == Rejection::NothingToTell);
        let missing = Assessed { instrument: None, ..self::assessment(LegalRoute::GbaHongKong) };
        let unfinished = begin(vec![consent, assess(missing)]);
        assert_eq!(given(nothing()).at(NOW).when(unfinished).events().len(), 3, "a shut gate stops no preparing");
    }

    #[test]
    fn it_begins_once() {
        let referral = drafted_to(HONG_KONG).referral;
        for history in [drafted(), assessed(), presented()] {
            given(history)
                .at("2026-05-20T09:00:00+08:00")
                .when(begin(Vec::new()))
                .then_err(|refused| *refused == Rejection::AlreadyDrafted(referral));
        }
    }
}

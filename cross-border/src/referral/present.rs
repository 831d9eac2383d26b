//! 送审: the first person lays before the second what is to leave (four eyes).

use chrono::{Days, NaiveDate};
use domain::id::SubjectId;

use super::event::{Presented, ReferralEvent};
use super::rejection::Rejection;
use super::vocabulary::DataField;
use super::{Moment, check_code, seal};
use crate::exchange::AgeBand;

/// How long a recipient may be allowed to keep the data: three years, as long as the record of the transfer (PIPL
/// Art. 56).
pub const RETENTION_DAYS_MAX: u64 = 1_096;

/// Presents the referral to whoever approves it; a later one takes the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Whose data it is.
    pub subject: SubjectId,
    pub age: AgeBand,
    /// The last day on which the recipient may keep the data.
    pub retention_to: NaiveDate,
    /// The fields that the message is to hold.
    pub fields: Vec<DataField>,
    /// To whom the recipient would pass the data on, outside the three places; such a referral does not leave.
    pub onward_to: Option<String>,
}

impl Present {
    pub(super) fn decide(self, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        check_retention(self.retention_to, moment.day())?;
        if let Some(onward_to) = &self.onward_to {
            check_code("onwardTo", onward_to)?;
        }
        Ok(vec![ReferralEvent::Presented(Box::new(Presented {
            by: moment.ctx.actor.to_owned(),
            subject: self.subject,
            age: self.age,
            retention_to: self.retention_to,
            fields: seal::in_order(self.fields)?,
            onward_to: self.onward_to,
        }))])
    }
}

/// The recipient keeps the data from the day of sending on, and no longer than the record of it is kept.
pub(super) fn check_retention(to: NaiveDate, day: NaiveDate) -> Result<(), Rejection> {
    let last = day.checked_add_days(Days::new(RETENTION_DAYS_MAX)).unwrap_or(NaiveDate::MAX);
    if to < day || to > last { Err(Rejection::Retention { first: day, last }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::Present;
    use crate::referral::event::{Presented, ReferralEvent};
    use crate::referral::testing::{
        ACTOR, HONG_KONG, assess, assessed, assessment, came_in, capture, consent_to, consented, day, given,
        presentation, presented, sent,
    };
    use crate::referral::vocabulary::{DataField, LegalRoute};
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-19T10:00:00+08:00";

    fn laid(by: Present) -> ReferralEvent {
        let Present { subject, age, retention_to, fields, onward_to } = by;
        let by = ACTOR.to_owned();
        ReferralEvent::Presented(Box::new(Presented { by, subject, age, retention_to, fields, onward_to }))
    }

    #[test]
    fn it_is_recorded_who_presents_what() {
        let jumbled = Present {
            fields: vec![DataField::Facts, DataField::ConsumerName, DataField::Facts],
            onward_to: Some("DECO".to_owned()),
            ..presentation()
        };
        let ordered = Present { fields: vec![DataField::ConsumerName, DataField::Facts], ..jumbled.clone() };
        let transfer = given(assessed()).at(NOW).when(Act::Present(jumbled)).then([laid(ordered)]).transfer();
        assert_eq!(transfer.stage, Stage::Assessed);
        assert_eq!(transfer.presented.map(|presented| presented.by).as_deref(), Some(ACTOR));
    }

    #[test]
    fn what_changes_after_it_is_presented_anew() {
        for change in [capture(consent_to(HONG_KONG)), assess(assessment(LegalRoute::GbaHongKong))] {
            let changed = presented().and(NOW, change);
            assert_eq!(changed.transfer().presented, None);
            given(changed).at(NOW).when(Act::Present(presentation())).then([laid(presentation())]);
        }
    }

    #[test]
    fn it_follows_the_assessment_and_precedes_the_sending() {
        for history in [consented(), sent(), came_in()] {
            given(history)
                .at("2026-05-21T10:00:00+08:00")
                .when(Act::Present(presentation()))
                .then_err(|refused| matches!(refused, Rejection::NotAllowed { action: Action::Present, .. }));
        }
    }

    #[test]
    fn the_recipient_keeps_the_data_for_three_years_at_most() {
        let until = |last: &str| Present { retention_to: day(last), ..presentation() };
        for last in ["2026-05-19", "2029-05-19"] {
            given(assessed()).at(NOW).when(Act::Present(until(last))).then([laid(until(last))]);
        }
        let bounds = Rejection::Retention { first: day("2026-05-19"), last: day("2029-05-19") };
        for beyond in ["2026-05-18", "2029-05-20"] {
            given(assessed()).at(NOW).when(Act::Present(until(beyond))).then_err(|refused| *refused == bounds);
        }
    }

    #[test]
    fn it_names_at_least_one_field_and_whoever_would_get_them_next() {
        for (presentation, rejection) in [
            (Present { fields: Vec::new(), ..presentation() }, Rejection::FieldsMissing),
            (
                Present { onward_to: Some(" ".to_owned()), ..presentation() },
                Rejection::CodeMissing { field: "onwardTo" },
            ),
        ] {
            given(assessed()).at(NOW).when(Act::Present(presentation)).then_err(|refused| *refused == rejection);
        }
    }
}

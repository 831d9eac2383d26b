//! 送审: the first person lays before the second what is to leave, word for word (four eyes).
//!
//! The content is kept with its digest. The second person approves that digest, and what leaves is that content: it can
//! be presented anew, and it cannot be changed.

use chrono::{Days, NaiveDate};
use domain::id::SubjectId;

use super::event::{Presented, PresentedContent, ReferralEvent};
use super::rejection::Rejection;
use super::state::Transfer;
use super::vocabulary::DataField;
use super::{Moment, check_code, seal};
use crate::exchange::{AgeBand, Digest};

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
    /// What the message says, sealed, with its digest and the files that it lists.
    pub content: PresentedContent,
}

impl Present {
    pub(super) fn decide(self, transfer: &Transfer, moment: &Moment<'_>) -> Result<Vec<ReferralEvent>, Rejection> {
        check_retention(self.retention_to, moment.day())?;
        if let Some(onward_to) = &self.onward_to {
            check_code("onwardTo", onward_to)?;
        }
        let fields = seal::in_order(self.fields)?;
        Ok(vec![ReferralEvent::Presented(Box::new(Presented {
            by: moment.ctx.actor.to_owned(),
            subject: self.subject,
            age: self.age,
            retention_to: self.retention_to,
            content: Some(checked(self.content, self.subject, &fields, transfer)?),
            fields,
            onward_to: self.onward_to,
        }))])
    }
}

/// The content with its files in order: it is sealed for the consumer, and its files are ours and named as a field.
fn checked(
    mut content: PresentedContent,
    subject: SubjectId,
    fields: &[DataField],
    transfer: &Transfer,
) -> Result<PresentedContent, Rejection> {
    if content.text.subject != subject {
        return Err(Rejection::OtherSubject);
    }
    content.evidence.sort_unstable();
    content.evidence.dedup();
    if !content.evidence.is_empty() && !fields.contains(&DataField::Evidence) {
        return Err(Rejection::Misstated { field: "evidence" });
    }
    let ours = |digest: &Digest| transfer.evidence.get(digest).is_some_and(|file| file.side == transfer.own_side());
    match content.evidence.iter().find(|digest| !ours(digest)) {
        Some(unknown) => Err(Rejection::UnknownEvidence(unknown.clone())),
        None => Ok(content),
    }
}

/// The recipient keeps the data from the day of sending on, and no longer than the record of it is kept.
pub(super) fn check_retention(to: NaiveDate, day: NaiveDate) -> Result<(), Rejection> {
    let last = day.checked_add_days(Days::new(RETENTION_DAYS_MAX)).unwrap_or(NaiveDate::MAX);
    if to < day || to > last { Err(Rejection::Retention { first: day, last }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use domain::id::SubjectId;
    use uuid::Uuid;

    use super::Present;
    use crate::referral::event::{Presented, PresentedContent, ReferralEvent};
    use crate::referral::testing::{
        ACTOR, HONG_KONG, assess, assessed, assessment, came_in, capture, consent_to, consented, content, day, file,
        given, presentation, presented, sealed_text, sent,
    };
    use crate::referral::vocabulary::{DataField, LegalRoute};
    use crate::referral::{Act, Action, Rejection, Stage};

    const NOW: &str = "2026-05-19T10:00:00+08:00";

    fn laid(by: Present) -> ReferralEvent {
        let Present { subject, age, retention_to, fields, onward_to, content } = by;
        let (by, content) = (ACTOR.to_owned(), Some(content));
        ReferralEvent::Presented(Box::new(Presented { by, subject, age, retention_to, fields, onward_to, content }))
    }

    fn with_files(files: &[&str]) -> Present {
        let evidence = files.iter().map(|text| file(text).digest).collect();
        let fields = vec![DataField::ConsumerName, DataField::Evidence];
        Present { fields, content: PresentedContent { evidence, ..content() }, ..presentation() }
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
        assert_eq!(transfer.presented.as_ref().map(|presented| presented.by.as_str()), Some(ACTOR));
        assert_eq!(transfer.presented.and_then(|presented| presented.content), Some(content()));
        assert!(transfer.presenters.contains(ACTOR));
    }

    #[test]
    fn what_changes_after_it_is_presented_anew() {
        let changes =
            [capture(consent_to(HONG_KONG)), assess(assessment(LegalRoute::GbaHongKong)), Act::AddEvidence(file("a"))];
        for change in changes {
            let changed = presented().and(NOW, change);
            assert_eq!(changed.transfer().presented, None);
            assert!(changed.transfer().presenters.contains(ACTOR), "who presented it once has written of it");
            given(changed).at(NOW).when(Act::Present(presentation())).then([laid(presentation())]);
        }
    }

    #[test]
    fn a_file_changes_nothing_of_what_was_presented_before_contents_were_kept() {
        let mut transfer = presented().transfer();
        let presented = transfer.presented.as_mut().unwrap();
        presented.content = None;
        let old = presented.clone();
        let added = file("a").added(transfer.own_side(), None);
        let after = crate::referral::state::after(transfer, [&added], crate::referral::testing::time(NOW));
        assert_eq!(after.presented, Some(old));
        assert_eq!(after.evidence.len(), 1);
    }

    #[test]
    fn its_files_belong_to_the_referral_and_are_named_as_a_field() {
        let attached = assessed().and(NOW, Act::AddEvidence(file("a"))).and(NOW, Act::AddEvidence(file("b")));
        let (listing, jumbled) = (with_files(&["a", "b"]), with_files(&["b", "a", "b"]));
        let mut ordered = listing;
        ordered.content.evidence.sort_unstable();
        given(attached.clone()).at(NOW).when(Act::Present(jumbled)).then([laid(ordered)]);
        for (presentation, rejection) in [
            (with_files(&["a", "c"]), Rejection::UnknownEvidence(file("c").digest)),
            (
                Present { fields: vec![DataField::Facts], ..with_files(&["a"]) },
                Rejection::Misstated { field: "evidence" },
            ),
        ] {
            let decided = given(attached.clone()).at(NOW).when(Act::Present(presentation));
            decided.then_err(|refused| *refused == rejection);
        }
    }

    #[test]
    fn its_content_is_sealed_for_the_consumer() {
        let text = sealed_text(SubjectId::from_uuid(Uuid::from_u128(7)));
        let foreign = Present { content: PresentedContent { text, ..content() }, ..presentation() };
        given(assessed()).at(NOW).when(Act::Present(foreign)).then_err(|refused| *refused == Rejection::OtherSubject);
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

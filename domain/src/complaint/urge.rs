//! 催办: somebody above, or the consumer, presses for it.

use super::event::{ComplaintEvent, Urged};
use super::rejection::Rejection;
use crate::privacy::FreeText;

/// Urges the unit that has the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urge {
    pub note: FreeText,
}

impl Urge {
    pub(super) fn decide(self) -> Result<Vec<ComplaintEvent>, Rejection> {
        super::check_free("note", &self.note)?;
        Ok(vec![ComplaintEvent::Urged(Urged { note: self.note })])
    }
}

#[cfg(test)]
mod tests {
    use super::Urge;
    use crate::complaint::event::{ComplaintEvent, Urged};
    use crate::complaint::testing::{closed, given, longest_text, overlong_text, registered};
    use crate::complaint::{Act, Rejection};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn urge(note: String) -> Act {
        Act::Urge(Urge { note: note.into() })
    }

    #[test]
    fn each_urging_is_counted_at_any_stage() {
        for history in [registered(), closed()] {
            let once = given(history)
                .at(NOW)
                .when(urge(longest_text()))
                .then([ComplaintEvent::Urged(Urged { note: longest_text().into() })]);
            assert_eq!(once.case().urged, 1);
            assert_eq!(once.and(NOW, urge("再次催办".to_owned())).case().urged, 2);
        }
    }

    #[test]
    fn it_says_what_for() {
        given(registered())
            .at(NOW)
            .when(urge("\t".to_owned()))
            .then_err(|refused| *refused == Rejection::TextMissing { field: "note" });
        given(registered())
            .at(NOW)
            .when(urge(overlong_text()))
            .then_err(|refused| matches!(refused, Rejection::TextTooLong { field: "note", .. }));
    }
}

//! The destructions of one opening of a store, the newest of them by name.

use std::collections::VecDeque;

use domain::id::SubjectId;

use crate::vault::keys::{Cursor, DESTROYED_KEPT_MAX, News};

/// Remembers the newest [`DESTROYED_KEPT_MAX`] destructions.
#[derive(Debug)]
pub(super) struct Recent {
    head: Cursor,
    kept: VecDeque<SubjectId>,
}

impl Recent {
    pub(super) const fn new(run: u128) -> Self {
        Self { head: Cursor { run, number: 0 }, kept: VecDeque::new() }
    }

    pub(super) const fn head(&self) -> Cursor {
        self.head
    }

    pub(super) fn push(&mut self, subject: SubjectId) {
        if self.kept.len() >= DESTROYED_KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(subject);
        self.head.number = self.head.number.saturating_add(1);
    }

    pub(super) fn since(&self, since: Option<Cursor>) -> News {
        let upto = self.head;
        let missed = since
            .filter(|since| upto.covers(*since))
            .and_then(|since| usize::try_from(upto.number.saturating_sub(since.number)).ok())
            .and_then(|missed| self.kept.len().checked_sub(missed));
        match missed {
            Some(skipped) => News::Destroyed { subjects: self.kept.iter().skip(skipped).copied().collect(), upto },
            None => News::Lost { upto },
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::id::CommandId;

    use super::*;

    fn subject(which: usize) -> SubjectId {
        SubjectId::from_uuid(CommandId::derived(&["subject", &which.to_string()]).as_uuid())
    }

    #[test]
    fn what_is_behind_a_cursor_is_told_in_order() {
        let mut recent = Recent::new(7);
        let start = recent.head();
        assert_eq!(recent.since(Some(start)), News::Destroyed { subjects: Vec::new(), upto: start });
        recent.push(subject(1));
        let one = recent.head();
        recent.push(subject(2));
        let upto = recent.head();
        assert_eq!(recent.since(Some(start)), News::Destroyed { subjects: vec![subject(1), subject(2)], upto });
        assert_eq!(recent.since(Some(one)), News::Destroyed { subjects: vec![subject(2)], upto });
        assert_eq!(recent.since(Some(upto)), News::Destroyed { subjects: Vec::new(), upto });
    }

    #[test]
    fn a_cursor_of_another_run_or_from_beyond_the_head_is_lost() {
        let mut recent = Recent::new(7);
        recent.push(subject(1));
        let upto = recent.head();
        for since in [None, Some(Cursor { run: 8, number: 0 }), Some(Cursor { run: 7, number: 2 })] {
            assert_eq!(recent.since(since), News::Lost { upto }, "{since:?}");
        }
    }

    #[test]
    fn the_oldest_are_forgotten_at_the_limit_and_one_past_it() {
        let mut recent = Recent::new(7);
        let start = recent.head();
        for which in 0..DESTROYED_KEPT_MAX {
            recent.push(subject(which));
        }
        let News::Destroyed { subjects, .. } = recent.since(Some(start)) else { panic!("all are kept") };
        assert_eq!(subjects.len(), DESTROYED_KEPT_MAX);
        recent.push(subject(DESTROYED_KEPT_MAX));
        assert_eq!(recent.since(Some(start)), News::Lost { upto: recent.head() });
    }
}

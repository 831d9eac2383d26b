//! Statutory periods: what runs, until when, under which article, and how the days were counted.

use async_graphql::SimpleObject;
use domain::clock::{ClockTerms, TraceDay, explain};
use domain::complaint::state::RunningClock;

use super::scalars::Date;

/// One statutory period of a case.
#[derive(Debug, Clone, SimpleObject)]
pub struct Clock {
    /// For example CLK-ACCEPT.
    pub clock: String,
    /// The order the rule is from.
    pub rule_version: String,
    pub article: String,
    /// The calendar edition the days were counted with.
    pub calendar: String,
    pub started_on: Date,
    /// The last day by the letter, without a holiday's postponement; warnings go by this.
    pub due_strict: Date,
    /// The last day by law (Order 121 Art. 45); overdue goes by this.
    pub due_legal: Date,
    /// The count ran into a year whose calendar is not published.
    pub provisional: bool,
    /// The first day of the stop that is still open.
    pub stopped_on: Option<Date>,
    pub extended_by: u16,
    /// The day the act was done.
    pub met_on: Option<Date>,
    pub met_late: Option<bool>,
    /// Exceeded on the day looked at.
    pub exceeded: bool,
}

impl Clock {
    /// A clock of a case, looked at on a day.
    #[must_use]
    pub fn new(clock: &RunningClock, day: chrono::NaiveDate) -> Self {
        let terms = &clock.terms;
        Self {
            clock: terms.rule.as_str().to_owned(),
            rule_version: terms.rule_version.clone(),
            article: terms.article.clone(),
            calendar: terms.calendar.to_string(),
            started_on: Date(terms.started_on),
            due_strict: Date(terms.due_strict),
            due_legal: Date(terms.due_legal),
            provisional: terms.provisional,
            stopped_on: clock.stopped_on().map(Date),
            extended_by: clock.extended_by,
            met_on: clock.met.map(|(on, _)| Date(on)),
            met_late: clock.met.map(|(_, late)| late),
            exceeded: clock.is_exceeded_on(day),
        }
    }
}

/// One day of a count.
#[derive(Debug, Clone, SimpleObject)]
pub struct TraceLine {
    pub day: Date,
    /// How many days had been counted by its end.
    pub count: u16,
    /// Why it counted or not.
    pub text: String,
}

impl TraceLine {
    /// A day of a trace with its explanation.
    #[must_use]
    pub fn new(day: &TraceDay) -> Self {
        Self { day: Date(day.day), count: day.count, text: explain(day) }
    }
}

/// A worked deadline.
#[derive(Debug, Clone, SimpleObject)]
pub struct Deadline {
    pub rule: String,
    pub rule_version: String,
    pub article: String,
    pub calendar: String,
    pub started_on: Date,
    pub due_strict: Date,
    pub due_legal: Date,
    /// The count ran into a year whose calendar is not published.
    pub provisional: bool,
    pub trace: Vec<TraceLine>,
}

impl Deadline {
    /// A worked deadline with its trace.
    #[must_use]
    pub fn new(terms: &ClockTerms, trace: &[TraceDay]) -> Self {
        Self {
            rule: terms.rule.as_str().to_owned(),
            rule_version: terms.rule_version.clone(),
            article: terms.article.clone(),
            calendar: terms.calendar.to_string(),
            started_on: Date(terms.started_on),
            due_strict: Date(terms.due_strict),
            due_legal: Date(terms.due_legal),
            provisional: terms.provisional,
            trace: trace.iter().map(TraceLine::new).collect(),
        }
    }
}

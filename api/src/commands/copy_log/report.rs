//! What a copy tells at its end.

use std::fmt;

use domain::envelope::Revision;
use event_log::copy::{Comparison, Difference, Side, Totals};
use event_log::digest::hex;
use serde_json::{Value, json};
use uuid::Uuid;

use super::To;
use super::compare::Compared;

/// See the module.
pub(super) struct Report {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) installation: Uuid,
    pub(super) compared: Compared,
    /// Which engine the copy is on.
    pub(super) into: To,
    pub(super) ran: Ran,
}

/// What was done before both sides were compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ran {
    /// Nothing was to be copied.
    Check,
    /// A copy was under way.
    Copy,
    /// Nothing: the copy had been finished by an earlier run, and its target may have been in service since.
    FinishedBefore {
        /// Who holds a lease of the cluster.
        holders: Vec<Box<str>>,
    },
}

impl Report {
    pub(super) fn is_equal(&self) -> bool {
        self.compared.is_equal()
    }

    pub(super) fn to_text(&self) -> String {
        let Comparison { source, target, .. } = &self.compared.comparison;
        let mut lines = vec![
            format!("from            {}", self.from),
            format!("to              {}", self.to),
            format!("installation    {}", self.installation),
            format!("streams         {}", both(source.streams, target.streams)),
            format!("events          {}", both(source.events, target.events)),
            format!("commands        {}", both(source.commands, target.commands)),
            format!("digest          {}", both(hex(&source.digest), hex(&target.digest))),
            format!("command digest  {}", both(hex(&source.commands_digest), hex(&target.commands_digest))),
        ];
        if self.is_equal() {
            lines.push("equal: both logs hold the same events by the same commands".to_owned());
            return lines.join("\n");
        }
        lines.extend(self.differences().map(|(difference, revision)| line(difference, revision)));
        let more = self.unlisted();
        if more > 0 {
            lines.push(format!("and {more} more streams"));
        }
        lines.extend(self.of_list());
        lines.push(match &self.ran {
            Ran::Check => "NOT EQUAL".to_owned(),
            Ran::Copy => {
                "NOT EQUAL: the copy is not released; find out who wrote the target, and begin anew with an empty one"
                    .to_owned()
            }
            Ran::FinishedBefore { holders } => self.of_finished(holders),
        });
        lines.join("\n")
    }

    pub(super) fn to_json(&self) -> Value {
        let Comparison { source, target, differences_total, .. } = &self.compared.comparison;
        let differences: Vec<Value> = self
            .differences()
            .map(|(difference, revision)| {
                json!({
                    "stream": difference.stream().as_str(),
                    "revision": revision.map(Revision::get),
                    "what": what(difference),
                })
            })
            .collect();
        json!({
            "equal": self.is_equal(),
            "finishedBefore": matches!(self.ran, Ran::FinishedBefore { .. }),
            "from": self.from,
            "to": self.to,
            "installation": self.installation,
            "source": totals(source),
            "target": totals(target),
            "differences": differences,
            "differencesTotal": differences_total,
            "commandsDiffering": self.compared.list.map(|list| list.differing),
        })
    }

    /// The differences that are listed, each with the first event that differs.
    fn differences(&self) -> impl Iterator<Item = (&Difference, Option<Revision>)> {
        let Compared { comparison, revisions, .. } = &self.compared;
        comparison.differences.iter().zip(revisions.iter().copied().chain(std::iter::repeat(None)))
    }

    fn unlisted(&self) -> u64 {
        let Comparison { differences, differences_total, .. } = &self.compared.comparison;
        differences_total.saturating_sub(u64::try_from(differences.len()).unwrap_or(u64::MAX))
    }

    /// What to make of a difference behind a copy that was finished. Its target may be the log in service by now, so
    /// nobody is told to throw it away.
    fn of_finished(&self, holders: &[Box<str>]) -> String {
        let (source, target) = match self.into {
            To::EventStoreDb => ("file", "cluster"),
            To::Sqlite => ("cluster", "file"),
        };
        let since = |newer: &str, older: &str| {
            format!(
                "NOT EQUAL: the copy was finished earlier, and the {newer} has been written to since: the {newer} is \
                 what is current, and the {older} is older. Nothing was changed. Do not discard the {newer}, and do \
                 not serve the {older} any more; to compare again use --verify-only"
            )
        };
        let told = match self.ahead() {
            Some(Side::Target) => since(target, source),
            Some(Side::Source) => since(source, target),
            None => {
                "NOT EQUAL: the copy was finished earlier, and the file and the cluster differ by now. Nothing was \
                 changed. Discard neither, each may hold what the other has not: find out which of them has been \
                 served since; to compare again use --verify-only"
                    .to_owned()
            }
        };
        if holders.is_empty() {
            return told;
        }
        let holders: Vec<String> = holders.iter().map(|holder| format!("`{holder}`")).collect();
        format!("{told}\nleases on the cluster are held by {}", holders.join(", "))
    }

    /// The side that has all the other one has, and more; `None` where there is none.
    fn ahead(&self) -> Option<Side> {
        let from = |revision: Option<Revision>, events: u64| revision.is_some_and(|first| first.get() >= events);
        let longer = |(difference, revision): (&Difference, Option<Revision>)| match difference {
            Difference::Missing { .. } => Some(Side::Source),
            Difference::Surplus { .. } => Some(Side::Target),
            Difference::Events { source, target, .. } if target > source && from(revision, *source) => {
                Some(Side::Target)
            }
            Difference::Events { source, target, .. } if source > target && from(revision, *target) => {
                Some(Side::Source)
            }
            Difference::Gap { .. } | Difference::Events { .. } | Difference::Commands { .. } => None,
        };
        let mut sides = self.differences().map(longer);
        let first = sides.next()??;
        (sides.all(|side| side == Some(first)) && self.of_list().is_none()).then_some(first)
    }

    /// What is wrong with the list of commands.
    fn of_list(&self) -> Option<String> {
        let list = self.compared.list?;
        let of_events = self.compared.comparison.source.commands;
        match list.first {
            Some(first) => Some(format!("{} commands are listed otherwise, the first is {first}", list.differing)),
            None if list.commands != of_events => Some(format!(
                "the file lists {} commands and its events have {of_events}; run `baycase verify`",
                list.commands
            )),
            None => None,
        }
    }
}

/// One value when both sides have it, or both.
fn both<T: fmt::Display + PartialEq>(source: T, target: T) -> String {
    if source == target { source.to_string() } else { format!("{source} in the source, {target} in the target") }
}

fn totals(totals: &Totals) -> Value {
    json!({
        "streams": totals.streams,
        "events": totals.events,
        "commands": totals.commands,
        "digest": hex(&totals.digest),
        "commandsDigest": hex(&totals.commands_digest),
    })
}

fn line(difference: &Difference, revision: Option<Revision>) -> String {
    let from = revision.map_or_else(String::new, |revision| format!(", from revision {revision} on"));
    format!("`{}`: {}{from}", difference.stream(), what(difference))
}

fn what(difference: &Difference) -> String {
    match difference {
        Difference::Missing { events, .. } => format!("missing in the target, {events} events"),
        Difference::Surplus { events, .. } => format!("in the target alone, {events} events"),
        Difference::Gap { side, revision, .. } => match side {
            Side::Source => format!("revision {revision} is missing in the source"),
            Side::Target => format!("revision {revision} is missing in the target"),
        },
        Difference::Events { source, target, .. } => {
            format!("{source} events in the source and {target} in the target differ")
        }
        Difference::Commands { .. } => "its events are equal, and the commands behind them differ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{CommandId, StreamId};

    use super::*;
    use crate::commands::copy_log::listed::ListCheck;

    fn report(differences: Vec<Difference>, total: u64) -> Report {
        let source = Totals { streams: 2, events: 5, commands: 4, ..Totals::default() };
        let target = Totals { events: 6, ..source.clone() };
        let revisions = vec![Some(Revision::new(3))];
        let comparison = Comparison { source, target, differences, differences_total: total };
        let list = Some(ListCheck { commands: 4, ..ListCheck::default() });
        Report {
            from: "log.sqlite".to_owned(),
            to: "esdb://one".to_owned(),
            installation: Uuid::from_u128(7),
            compared: Compared { comparison, revisions, list },
            into: To::EventStoreDb,
            ran: Ran::Copy,
        }
    }

    fn stream(name: &str) -> StreamId {
        StreamId::parse(name).unwrap()
    }

    #[test]
    fn two_logs_that_are_equal_are_called_that() {
        let mut report = report(Vec::new(), 0);
        report.compared.comparison.target = report.compared.comparison.source.clone();
        let text = report.to_text();
        assert!(report.is_equal() && text.contains("events          5\n") && !text.contains("NOT EQUAL"), "{text}");
        assert_eq!(report.to_json()["equal"], true);
    }

    #[test]
    fn what_differs_is_named_and_the_rest_is_counted() {
        let differences = vec![
            Difference::Events { stream: stream("filing-1"), source: 5, target: 6 },
            Difference::Missing { stream: stream("filing-2"), events: 1 },
        ];
        let report = report(differences, 7);
        let text = report.to_text();
        assert!(text.contains("events          5 in the source, 6 in the target\n"), "{text}");
        let first = "`filing-1`: 5 events in the source and 6 in the target differ, from revision 3 on";
        assert!(text.contains(first), "{text}");
        assert!(text.contains("`filing-2`: missing in the target, 1 events\nand 5 more streams"), "{text}");
        assert!(text.ends_with("begin anew with an empty one"), "{text}");
        let json = report.to_json();
        assert_eq!((&json["equal"], &json["differencesTotal"]), (&json!(false), &json!(7)));
        let listed = &json["differences"];
        assert_eq!((&listed[0]["revision"], &listed[1]["revision"]), (&json!(3), &Value::Null));
    }

    #[test]
    fn a_cluster_in_service_since_its_copy_is_never_called_worthless() {
        let grown = |source, target| Difference::Events { stream: stream("filing-1"), source, target };
        let surplus = Difference::Surplus { stream: stream("filing-2"), events: 1 };
        let missing = Difference::Missing { stream: stream("filing-3"), events: 1 };
        // The first of them differs from revision 3 on.
        for (differences, expected) in [
            (vec![grown(3, 6), surplus.clone()], "the cluster is what is current"),
            (vec![grown(6, 3), missing.clone()], "the file is what is current"),
            (vec![grown(5, 6), surplus], "Discard neither"),
            (vec![grown(3, 6), missing], "Discard neither"),
        ] {
            let mut report = report(differences, 2);
            report.ran = Ran::FinishedBefore { holders: vec!["gz-1/7f".into()] };
            let text = report.to_text();
            assert!(text.contains(expected) && text.contains("finished earlier"), "{text}");
            assert!(text.contains("--verify-only") && text.ends_with("held by `gz-1/7f`"), "{text}");
            assert!(!text.contains("begin anew") && report.to_json()["finishedBefore"] == true, "{text}");
        }
    }

    #[test]
    fn a_command_that_is_not_listed_makes_a_difference() {
        let mut report = report(Vec::new(), 0);
        let first = Some(CommandId::derived(&["a"]));
        report.compared.list = Some(ListCheck { commands: 4, differing: 1, first });
        assert!(!report.is_equal() && report.to_text().contains("1 commands are listed otherwise"));
        report.compared.list = Some(ListCheck { commands: 9, ..ListCheck::default() });
        assert!(!report.is_equal() && report.to_text().contains("lists 9 commands and its events have 4"));
    }
}

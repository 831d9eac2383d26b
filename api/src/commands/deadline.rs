//! `baycase deadline`: a statutory last day and how it was counted.

use chrono::NaiveDate;
use clap::Args;
use domain::calendar::WorkingCalendar;
use domain::clock::{ClockKind, ClockTerms, RuleTable, TraceDay, explain, start, trace};
use serde_json::json;

use super::{Failure, date};

/// Work out a statutory deadline.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  baycase deadline --rule CLK-ACCEPT --from 2026-04-27\n  baycase deadline --rule CLK-MEDIATE --from 2026-08-05 --json"
)]
pub struct DeadlineArgs {
    /// The clock, for example CLK-ACCEPT, CLK-MEDIATE or CLK-TERM-NOTICE.
    #[arg(long)]
    rule: String,
    /// The day of the act that starts the period; it does not count itself.
    #[arg(long, value_parser = date::parse)]
    from: NaiveDate,
    /// How much longer than the rule's own length, in its unit; refused where no article allows it.
    #[arg(long, default_value_t = 0)]
    extend: u16,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Prints the deadline.
///
/// # Errors
/// No such rule, none in force on the day, or an extension that no article allows.
pub fn run(args: &DeadlineArgs) -> Result<(), Failure> {
    let (terms, days) = work_out(args)?;
    if args.json {
        let trace: Vec<_> =
            days.iter().map(|day| json!({"day": day.day, "count": day.count, "text": explain(day)})).collect();
        println!("{}", json!({"terms": terms, "trace": trace}));
        return Ok(());
    }
    println!("{} ({}, {}), from {}", terms.rule.as_str(), terms.rule_version, terms.article, terms.started_on);
    println!("calendar {}", terms.calendar);
    for day in &days {
        println!("  {:>3}  {}", day.count, explain(day));
    }
    println!("last day by the letter: {}", terms.due_strict);
    println!("last day by law:        {}", terms.due_legal);
    if terms.provisional {
        println!("PROVISIONAL: the count runs into a year whose calendar is not published yet");
    }
    Ok(())
}

fn work_out(args: &DeadlineArgs) -> Result<(ClockTerms, Vec<TraceDay>), Failure> {
    let kind = ClockKind::parse(&args.rule).map_err(|error| {
        let known: Vec<_> = ClockKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("{error}; known are {}", known.join(", "))
    })?;
    let rule = RuleTable::builtin().rule(kind, args.from)?;
    if args.extend > rule.extension_max.unwrap_or(0) {
        return Err(match rule.extension_max {
            Some(max) => format!("{} may be extended by at most {max}", kind.as_str()).into(),
            None => format!("no article lets {} be extended", kind.as_str()).into(),
        });
    }
    let calendar = WorkingCalendar::mainland();
    let terms = start(rule, calendar, args.from)?;
    let basis = terms.basis().extended(args.extend);
    let due = domain::clock::reckon(basis, &[], calendar)?;
    let days = trace(basis, &[], calendar)?;
    let terms = ClockTerms { due_strict: due.strict, due_legal: due.legal, provisional: due.provisional, ..terms };
    Ok((terms, days))
}

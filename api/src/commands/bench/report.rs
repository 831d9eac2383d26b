//! What was measured, for programs and for people. Nothing is judged here.

use std::fmt::Write as _;

use chrono::NaiveDate;
use serde::Serialize;

use super::appends::AppendFigures;
use super::figures::{Spread, as_millis, grouped};
use super::load::Outcome;
use super::machine::{Machine, Resident};
use super::reads::{OpenFigures, RebuildFigures, ReplayFigures, ScanFigures};
use super::serving::{PEAK_CONNECTIONS, ServingFigures};

/// What generating the log reached; unlike the rest it is bounded by the generator, not by the store.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerateFigures {
    pub(super) events: u64,
    pub(super) took_millis: u64,
    pub(super) events_per_second: u64,
}

/// A whole run; a stage that was left out is missing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) version: &'static str,
    pub(super) machine: Machine,
    pub(super) cases: u64,
    pub(super) days: u32,
    pub(super) until: NaiveDate,
    pub(super) seed: u64,
    /// Whether complaints carry sealed facts, which a rebuild opens for the search.
    pub(super) facts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generate: Option<GenerateFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) appends: Option<Vec<AppendFigures>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scan: Option<ScanFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replay: Option<ReplayFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rebuild: Option<RebuildFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) open: Option<OpenFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dashboard: Option<ServingFigures>,
}

impl Report {
    /// The report as a table.
    pub(super) fn table(&self) -> String {
        let mut table = Table::default();
        table.row("machine", "", &self.machine.line());
        table.row("durable 8 KiB write", "", &spread(&self.machine.sync));
        table.row("data", "", &format!("{} cases over {} days, seed {}", grouped(self.cases), self.days, self.seed));
        if let Some(made) = &self.generate {
            table.row("generate", &rate(made.events_per_second, "events"), &events(made.events));
        }
        self.append_rows(&mut table);
        if let Some(scan) = &self.scan {
            let detail = format!("{}, {} MiB/s of texts", events(scan.events), scan.mib_per_second);
            table.row("scan", &rate(scan.events_per_second, "events"), &detail);
        }
        if let Some(replay) = &self.replay {
            table.row("replay", &rate(replay.replays_per_second, "cases"), &spread(&replay.latency));
        }
        if let Some(built) = &self.rebuild {
            let detail =
                format!("{} in {} ms, {} MiB", events(built.events), grouped(built.took_millis), built.file_mib);
            table.row("rebuild", &rate(built.events_per_second, "events"), &detail);
        }
        if let Some(open) = &self.open {
            let OpenFigures { log_millis, vault_millis, read_models_millis } = open;
            let detail = format!("log {log_millis} ms, vault {vault_millis} ms, read models {read_models_millis} ms");
            table.row("open", "", &detail);
        }
        self.serving_rows(&mut table);
        table.0
    }

    fn append_rows(&self, table: &mut Table) {
        for figures in self.appends.iter().flatten() {
            let AppendFigures { writers, batch, .. } = figures;
            let detail = format!(
                "{}% of the bare loop's {}",
                figures.percent_of_raw,
                rate(figures.raw_events_per_second, "events")
            );
            let name = format!("append {writers} x {batch}");
            table.row(&name, &rate(figures.events_per_second, "events"), &detail);
        }
    }

    fn serving_rows(&self, table: &mut Table) {
        let Some(served) = &self.dashboard else { return };
        table.row("serve", "", &format!("ready after {} ms", grouped(served.ready_millis)));
        let at_rate = format!("at {}/s", served.rate);
        let at_peak = format!("peak, {PEAK_CONNECTIONS} connections");
        for (name, how, outcome) in [
            ("cityDashboard", &at_rate, &served.city_dashboard),
            ("stationWorkload", &at_rate, &served.station_workload),
            ("cityDashboard", &at_peak, &served.city_dashboard_peak),
            ("stationWorkload", &at_peak, &served.station_workload_peak),
        ] {
            let Outcome { answered_per_second, errors, latency } = outcome;
            let detail = format!("{how}: {}, {errors} errors", spread(latency));
            table.row(name, &rate(*answered_per_second, "answers"), &detail);
        }
        if let Some(Resident { now_kib, peak_kib }) = served.memory {
            let detail = format!("{} MiB resident, at most {} MiB", now_kib / 1_024, peak_kib / 1_024);
            table.row("memory of the server", "", &detail);
        }
    }
}

#[derive(Debug, Default)]
struct Table(String);

impl Table {
    fn row(&mut self, name: &str, figure: &str, detail: &str) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "{name:<22} {figure:>22}   {detail}");
    }
}

fn rate(per_second: u64, of: &str) -> String {
    format!("{} {of}/s", grouped(per_second))
}

fn events(count: u64) -> String {
    format!("{} events", grouped(count))
}

fn spread(spread: &Spread) -> String {
    format!(
        "p50 {}, p99 {}, p99.9 {}",
        as_millis(spread.p50_micros),
        as_millis(spread.p99_micros),
        as_millis(spread.p999_micros)
    )
}

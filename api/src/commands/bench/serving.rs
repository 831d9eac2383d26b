//! The served dashboards under load: a server in a process of its own, asked over HTTP with a token.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use domain::org::UnitKind;
use domain::region::RegionTable;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::Connection;
use super::figures::millis;
use super::load::{Outcome, at_peak, at_rate, once, wait_until};
use super::machine::{Resident, resident};
use crate::auth::{DevKey, Role};
use crate::commands::{Failure, Global};
use crate::data_dir::DataDir;
use crate::units::{of_divisions, province_unit};

/// Connections that are kept alive while the peak is measured.
pub(super) const PEAK_CONNECTIONS: usize = 4;
/// What the server says first when it listens.
const LISTENING: &str = "listening on http://";
const READY_TIMEOUT: Duration = Duration::from_secs(300);
const READY_POLL: Duration = Duration::from_millis(20);
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 3_600);
/// One principal asks everything, so its rate must not be what is measured.
const UNLIMITED: [(&str, &str); 3] = [
    ("BAYCASE_LIMITS__REQUESTS_PER_SECOND", "1000000"),
    ("BAYCASE_LIMITS__BURST", "1000000"),
    ("BAYCASE_TELEMETRY__FILTER", "warn"),
];
/// Of so many questions for a dashboard one asks for a past day.
const PAST_EVERY: usize = 5;
/// So many days back at most.
const PAST_DAYS: usize = 28;
/// Of so many county bureaus and stations one is asked for.
const UNITS_STEP: usize = 7;

const DASHBOARD: &str = "query($city: String!, $asOf: Date) { cityDashboard(city: $city, asOf: $asOf) { received accepted \
                         refused mediated succeeded closed closedLate open overdue recoveredLoss position } }";
const WORKLOAD: &str = "query($unit: String!) { stationWorkload(unitId: $unit) { open overdue dueToday \
                        dueInThreeWorkingDays transferredIn transferredOut byHandler { handler open overdue } } }";

/// What serving cost and gave.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServingFigures {
    /// From the start of the process to the first answer that it is ready.
    pub(super) ready_millis: u64,
    pub(super) rate: u32,
    pub(super) city_dashboard: Outcome,
    pub(super) station_workload: Outcome,
    pub(super) peak_connections: usize,
    pub(super) city_dashboard_peak: Outcome,
    pub(super) station_workload_peak: Outcome,
    /// Of the serving process, before and after the load.
    pub(super) memory_idle: Option<Resident>,
    pub(super) memory: Option<Resident>,
}

/// Serves the folder and presses it.
pub(super) fn measure(
    global: &Global,
    dir: &DataDir,
    until: NaiveDate,
    rate: u32,
    lasting: Duration,
) -> Result<ServingFigures, Failure> {
    let key = DevKey::load_or_create(dir.root())?;
    let unit = province_unit();
    let token = key.issue(&[Role::Viewer], unit.as_str(), "bench", TOKEN_LIFETIME, crate::clock::now())?;
    let server = Serving::start(global, dir)?;
    let addr = server.addr;
    let ask = |query: &str, variables: Value| request(addr, &token, &json!({ "query": query, "variables": variables }));
    let dashboards: Vec<_> = dashboard_variables(until).into_iter().map(|of| ask(DASHBOARD, of)).collect();
    let workloads: Vec<_> = workload_variables().into_iter().map(|of| ask(WORKLOAD, of)).collect();
    let memory_idle = server.memory();
    // Each question once, unmeasured: it must be answered, and caches shall be as they are on any day.
    once(addr, &dashboards)?;
    once(addr, &workloads)?;
    Ok(ServingFigures {
        ready_millis: millis(server.ready_after),
        rate,
        city_dashboard: at_rate(addr, &dashboards, rate, lasting)?,
        station_workload: at_rate(addr, &workloads, rate, lasting)?,
        peak_connections: PEAK_CONNECTIONS,
        city_dashboard_peak: at_peak(addr, &dashboards, PEAK_CONNECTIONS, lasting / 2)?,
        station_workload_peak: at_peak(addr, &workloads, PEAK_CONNECTIONS, lasting / 2)?,
        memory_idle,
        memory: server.memory(),
    })
}

/// A server in a process of its own, which ends with this value.
struct Serving {
    child: Child,
    /// Kept open: a server that cannot write to its output would fail.
    _output: BufReader<ChildStdout>,
    addr: SocketAddr,
    ready_after: Duration,
}

impl Serving {
    fn start(global: &Global, dir: &DataDir) -> Result<Self, Failure> {
        let began = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]);
        command.arg(dir.root()).envs(UNLIMITED).stdin(Stdio::null()).stdout(Stdio::piped());
        if let Some(file) = &global.config {
            command.arg("--config").arg(file);
        }
        let mut child = command.spawn()?;
        let Some(output) = child.stdout.take() else { return Err("the server has no output".into()) };
        let mut output = BufReader::new(output);
        // From here on the child is ended whatever happens.
        let addr = match listening(&mut output) {
            Ok(addr) => addr,
            Err(error) => {
                end(&mut child);
                return Err(error);
            }
        };
        let mut serving = Self { child, _output: output, addr, ready_after: Duration::ZERO };
        serving.wait_until_ready(began)?;
        serving.ready_after = began.elapsed();
        Ok(serving)
    }

    fn wait_until_ready(&self, began: Instant) -> Result<(), Failure> {
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\n\r\n", self.addr);
        let mut connection = Connection::open(self.addr)?;
        while began.elapsed() < READY_TIMEOUT {
            if connection.ask(request.as_bytes())?.status == 200 {
                return Ok(());
            }
            wait_until(Instant::now() + READY_POLL);
        }
        Err("the server did not become ready".into())
    }

    fn memory(&self) -> Option<Resident> {
        resident(self.child.id())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a server the hard way; its log is made for that.
fn end(child: &mut Child) {
    // It may have ended by itself; either way it is waited for, so that the folder is free afterwards.
    let _ = child.kill();
    let _ = child.wait();
}

/// The address that a starting server prints.
fn listening(output: &mut impl io::BufRead) -> Result<SocketAddr, Failure> {
    for line in output.lines() {
        if let Some(addr) = line?.strip_prefix(LISTENING) {
            return Ok(addr.parse()?);
        }
    }
    Err("the server ended before it listened; it has said why above".into())
}

fn request(addr: SocketAddr, token: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Every city, for now and, one time in [`PAST_EVERY`], for a past day.
fn dashboard_variables(until: NaiveDate) -> Vec<Value> {
    let cities: Vec<String> = RegionTable::builtin().cities().map(|city| city.code.to_string()).collect();
    let questions = cities.iter().cycle().take(cities.len().saturating_mul(PAST_EVERY)).enumerate();
    questions
        .map(|(index, city)| {
            let back = u64::try_from(index % PAST_DAYS).unwrap_or(0);
            let past = index % PAST_EVERY == 0;
            json!({ "city": city, "asOf": past.then(|| until.checked_sub_days(Days::new(back))).flatten() })
        })
        .collect()
}

fn workload_variables() -> Vec<Value> {
    let units = of_divisions().into_iter().filter(|unit| matches!(unit.kind, UnitKind::County | UnitKind::Station));
    units.step_by(UNITS_STEP).map(|unit| json!({ "unit": unit.unit.as_str() })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_among_other_lines() {
        let mut output = "starting\nlistening on http://127.0.0.1:4711\nadmin on http://127.0.0.1:4712\n".as_bytes();
        assert_eq!(listening(&mut output).unwrap(), SocketAddr::from(([127, 0, 0, 1], 4711)));
        assert!(listening(&mut "error\n".as_bytes()).is_err());
    }

    #[test]
    fn questions_cover_every_city_and_some_of_them_the_past() {
        let questions = dashboard_variables("2026-05-31".parse().unwrap());
        assert_eq!(questions.len(), 105);
        let cities: std::collections::BTreeSet<_> = questions.iter().map(|of| of["city"].to_string()).collect();
        assert_eq!(cities.len(), 21);
        assert_eq!(questions.iter().filter(|of| of["asOf"].is_string()).count(), 21);
        assert!(workload_variables().len() > 200);
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        let bytes = request(SocketAddr::from(([127, 0, 0, 1], 80)), "t", &json!({ "query": "{ a }" }));
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(head.lines().all(|line| !line.starts_with(' ')));
    }
}

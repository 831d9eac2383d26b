//! The three queries that a demo prints, and the tokens they are asked with.

use std::net::SocketAddr;
use std::time::Duration;

use domain::region::{RegionCode, RegionTable};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::auth::{DevKey, Role};
use crate::commands::Failure;
use crate::data_dir::DataDir;
use crate::units::{bureau, province_unit};

/// How long the printed tokens are valid.
pub(super) const TOKEN_HOURS: u32 = 12;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Guangzhou, and its district Tianhe.
const CITY: &str = "440100";
const DISTRICT: &str = "440106";

/// A token to paste.
#[derive(Debug)]
pub(super) struct Token {
    /// Whose it is, for people.
    pub(super) of: String,
    pub(super) variable: &'static str,
    pub(super) text: String,
}

/// One token for each interesting role.
#[derive(Debug)]
pub(super) struct Tokens(Vec<Token>);

impl Tokens {
    /// Signs them with the folder's development key, made now if there is none.
    pub(super) fn issue(dir: &DataDir) -> Result<Self, Failure> {
        let key = DevKey::load_or_create(dir.root())?;
        let now = crate::clock::now();
        let lifetime = Duration::from_secs(u64::from(TOKEN_HOURS) * 3_600);
        let (station, city) = (station()?, RegionCode::parse(CITY)?);
        let holders: [(&'static str, &str, String, &[Role]); 4] = [
            ("VIEWER", "a viewer of the province", province_unit().to_string(), &[Role::Viewer]),
            ("HEAD", "the head of a station in Tianhe", bureau(station).to_string(), &[Role::Head, Role::Handler]),
            (
                "DISPATCHER",
                "a dispatcher of the city of Guangzhou",
                bureau(city).to_string(),
                &[Role::Dispatcher, Role::IntakeClerk],
            ),
            ("AUDITOR", "an auditor of the province", province_unit().to_string(), &[Role::Auditor]),
        ];
        let tokens = holders.into_iter().map(|(variable, of, unit, roles)| {
            let subject = format!("demo-{}", variable.to_ascii_lowercase());
            let text = key.issue(roles, &unit, &subject, lifetime, now)?;
            Ok::<_, Failure>(Token { of: format!("{of} ({unit})"), variable, text })
        });
        tokens.collect::<Result<Vec<_>, Failure>>().map(Self)
    }

    pub(super) fn all(&self) -> &[Token] {
        &self.0
    }

    fn of(&self, variable: &str) -> Option<&str> {
        self.0.iter().find(|token| token.variable == variable).map(|token| token.text.as_str())
    }
}

/// One query to paste.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) title: &'static str,
    /// The variable that holds the token.
    variable: &'static str,
    query: String,
    /// Where in the answer something must stand.
    expects: &'static str,
}

impl Question {
    fn body(&self) -> String {
        json!({ "query": self.query }).to_string()
    }

    /// The query as a command; the body holds no apostrophe, so the shell takes it as it is.
    pub(super) fn curl(&self, addr: SocketAddr) -> String {
        format!(
            "curl -s http://{addr}/graphql -H \"Authorization: Bearer ${}\" -H 'Content-Type: application/json' \\\n  -d '{}'",
            self.variable,
            self.body()
        )
    }
}

/// How the province is doing, what a station has to do, and the history of one case that asks for a refund (退款).
pub(super) fn questions() -> [Question; 3] {
    let station = station().map(bureau).unwrap_or_else(|_| province_unit());
    [
        Question {
            title: "How the province and its cities are doing",
            variable: "VIEWER",
            query: "{ provinceDashboard { asOf received accepted refused closed closedLate open overdue recoveredLoss \
                    position byCity(first: 21) { key name received closed open overdue } } }"
                .to_owned(),
            expects: "/data/provinceDashboard/byCity/0/received",
        },
        Question {
            title: "What a station has to do, and who does it",
            variable: "HEAD",
            query: format!(
                "{{ stationWorkload(unitId: \"{station}\") {{ unitId asOf open overdue dueToday \
                 dueInThreeWorkingDays transferredIn transferredOut byHandler {{ handler open overdue }} }} }}"
            ),
            expects: "/data/stationWorkload/open",
        },
        Question {
            title: "Complaints that ask for a refund (退款), and the history of the first",
            variable: "AUDITOR",
            query: "{ cases(filter: { text: \"退款\" }, first: 1) { totalCount edges { node { number regionName stage \
                    facts history { totalCount edges { node { kind occurredAt recordedAt actor unitId } } } } } } }"
                .to_owned(),
            expects: "/data/cases/edges/0/node/history/edges/0",
        },
    ]
}

/// The first station of Tianhe: the generator gives the first stations of a county the most to do.
fn station() -> Result<RegionCode, Failure> {
    let district = RegionCode::parse(DISTRICT)?;
    let station = RegionTable::builtin().children(district).next();
    station.map(|town| town.code).ok_or_else(|| "the table of divisions has no towns of Tianhe".into())
}

/// Asks over HTTP, as the printed command would.
pub(super) async fn ask(addr: SocketAddr, question: &Question, tokens: &Tokens) -> Result<Value, Failure> {
    let token = tokens.of(question.variable).ok_or("there is no token for the query")?;
    let client = Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        // Without TLS the system's certificates are not needed, and a machine may have none.
        .tls_certs_only([])
        .build()?;
    let request = client
        .post(format!("http://{addr}/graphql"))
        .bearer_auth(token)
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .body(question.body());
    Ok(request.send().await?.error_for_status()?.json().await?)
}

/// Refuses an answer with errors, or without what was asked for.
pub(super) fn check(question: &Question, answer: &Value) -> Result<(), Failure> {
    let missing = answer.pointer(question.expects).is_none_or(Value::is_null);
    if answer.get("errors").is_some() || missing {
        return Err(format!("the answer to \"{}\" is not what it should be", question.title).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_query_survives_the_shell() {
        for question in questions() {
            let body = question.body();
            assert!(!body.contains('\''), "{body}");
            assert!(question.curl(SocketAddr::from(([127, 0, 0, 1], 80))).ends_with(&format!("-d '{body}'")));
        }
    }

    #[test]
    fn answers_with_errors_or_holes_are_refused() {
        let [question, ..] = questions();
        let good = json!({ "data": { "provinceDashboard": { "byCity": [{ "received": 1 }] } } });
        assert!(check(&question, &good).is_ok());
        let mut bad = good.clone();
        bad["errors"] = json!([{ "message": "x" }]);
        assert!(check(&question, &bad).is_err());
        assert!(check(&question, &json!({ "data": { "provinceDashboard": null } })).is_err());
    }

    #[test]
    fn every_query_has_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::issue(&DataDir::new(folder.path())).unwrap();
        assert!(questions().iter().all(|question| tokens.of(question.variable).is_some()));
        assert!(tokens.all().iter().all(|token| token.text.split('.').count() == 3));
    }
}

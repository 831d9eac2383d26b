//! No caller reads another's case, count, search hit or history, through any field of the schema, or changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::auth::Role;
use apollo_compiler::schema::{ExtendedType, InputObjectType, InputValueDefinition, ObjectType, Type};
use apollo_compiler::{Node, Schema};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::flows::{BUREAU, Flow, STATION, filed_in_vain, filing};
use tests::{TestServer, command_id};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Another station of the same county.
const OTHER: &str = "gd-440106002";
const NUMBER: &str = "SECRET-NUMBER-77";
const FACTS: &str = "蓝色水壶漏水，要求退款";
/// What only those who see the case may read.
const SECRETS: [&str; 5] = ["SECRET-NUMBER-7", "蓝色水壶", "陈小明", "19900001234", "广州某某商贸"];
/// The only reasons for a question not to be answered: whatever else comes, the question did not reach a resolver.
const REASONS: [&str; 4] = ["NOT_FOUND", "FORBIDDEN", "UNKNOWN_UNIT", "UNKNOWN_REGION"];
/// What is said of a case in a list, when it is not as far as the others.
const NO_SUCH_CLOCK: &str = "the case has no such clock";
/// Fields that count cases.
const COUNTS: [&str; 6] = ["totalCount", "open", "received", "transferredIn", "returned", "closed"];
/// Filters that tell of a case as it is today; asked together with a measure they must not tell of a case that left.
const OF_TODAY: [&str; 4] = ["text", "number", "business", "stage"];
/// Lists of referrals: a bureau has none, so there is no cursor of theirs to try.
const OF_COUNCILS: [&str; 2] = ["referrals", "deliveries"];
/// No answer of the schema nests deeper; a schema that does is recursive.
const LEVELS: usize = 8;

/// One question of the probe.
struct Question {
    field: String,
    given: String,
    document: String,
}

impl Question {
    fn has_measure(&self) -> bool {
        self.field == "cases" && self.given.contains("measure:")
    }

    fn is_narrowed(&self) -> bool {
        OF_TODAY.iter().any(|name| self.given.contains(&format!("{name}:")))
    }
}

/// Every question that the schema allows about one case.
struct Probe {
    schema: Schema,
    case: String,
    /// A filing of the bureau with a matter that led to no complaint.
    filing: String,
    today: String,
    position: String,
    /// A cursor of each list, as the bureau reads it.
    cursors: BTreeMap<String, String>,
}

fn schema() -> Schema {
    Schema::parse_and_validate(api::graphql::sdl(), "schema.graphql").unwrap().into_inner()
}

fn object<'s>(schema: &'s Schema, name: &str) -> &'s ObjectType {
    let Some(ExtendedType::Object(object)) = schema.types.get(name) else { panic!("`{name}` is no object") };
    object
}

fn in_brackets(arguments: &[String]) -> String {
    if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) }
}

impl Probe {
    /// A probe for a case that the bureau sees.
    async fn new(flow: &Flow<'_>) -> Self {
        let token = flow.server.token(&Role::ALL, BUREAU);
        let info = flow.server.data(&token, "{ serverInfo { today logPosition } }", json!({})).await;
        let text = |name: &str| info["serverInfo"][name].as_str().unwrap().to_owned();
        // A matter without a complaint, so that this list is not empty either.
        let in_vain = filed_in_vain(flow.server, &filing("SECRET-NUMBER-78", FACTS)).await;
        let mut probe = Self {
            schema: schema(),
            case: flow.id.clone(),
            filing: in_vain["filingId"].as_str().unwrap().to_owned(),
            today: text("today"),
            position: text("logPosition"),
            cursors: BTreeMap::new(),
        };
        let read = "query($at: Position) { cases(first: 1, atLeast: $at) { totalCount } }";
        flow.server.data(&token, read, json!({"at": in_vain["position"]})).await;
        for (list, document) in probe.lists() {
            let data = flow.server.data(&token, &document, json!({})).await;
            let cursor = data[list.as_str()]["pageInfo"]["startCursor"].as_str();
            if OF_COUNCILS.contains(&list.as_str()) {
                assert!(cursor.is_none(), "the bureau sees referrals in `{list}`");
                continue;
            }
            let cursor = cursor.unwrap_or_else(|| panic!("the bureau's `{list}` is empty")).to_owned();
            probe.cursors.insert(list, cursor);
        }
        probe
    }

    /// The first page of each list, without a cursor.
    fn lists(&self) -> Vec<(String, String)> {
        let mut lists = Vec::new();
        for (name, field) in &object(&self.schema, "Query").fields {
            if !field.arguments.iter().any(|argument| argument.name.as_str() == "after") {
                continue;
            }
            let wanted = field.arguments.iter().filter(|one| one.is_required() || one.name.as_str() == "until");
            let given: Vec<String> =
                wanted.map(|one| self.filled(name.as_str(), one.name.as_str())[0].clone()).collect();
            let document = format!("{{ {name}{} {{ pageInfo {{ startCursor }} }} }}", in_brackets(&given));
            lists.push((name.to_string(), document));
        }
        lists
    }

    /// How an argument of a field is filled, in every way that could lead to the case.
    fn values(&self, field: &str, argument: &str) -> Vec<String> {
        let quoted = |texts: &[&str]| texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>();
        match argument {
            "id" => quoted(&[&self.case]),
            "number" => quoted(&[&format!("{NUMBER}-C1")]),
            "city" => quoted(&["440100"]),
            "region" => quoted(&["440106", "440000"]),
            "unitId" => quoted(&[STATION, OTHER, BUREAU]),
            "rule" | "clock" => quoted(&["CLK-ACCEPT"]),
            "from" => quoted(&["2026-05-06"]),
            "to" => quoted(&["2026-12-31"]),
            "until" => quoted(&["2027-12-31"]),
            "on" | "asOf" | "asKnownAt" => quoted(&[&self.today]),
            "atLeast" | "asKnownAtPosition" => quoted(&[&self.position]),
            "after" if OF_COUNCILS.contains(&field) => Vec::new(),
            "after" => quoted(&[self.cursors.get(field).unwrap_or_else(|| panic!("no cursor of `{field}`"))]),
            "text" => quoted(&["蓝色水壶", "广州某某商贸", NUMBER]),
            "business" => quoted(&["广州某某商贸"]),
            "handler" => quoted(&["h-1"]),
            "first" => vec!["5".to_owned()],
            "kind" => vec!["STATION".to_owned()],
            "channel" => vec!["WECHAT_MINI".to_owned()],
            "category" => vec!["QUALITY".to_owned()],
            "stage" => vec!["RECEIVED".to_owned()],
            "state" => vec!["DEAD".to_owned()],
            "year" => vec!["2026".to_owned()],
            "partner" => quoted(&["hk-consumer-council"]),
            "filter" if field == "referrals" => vec![
                "{partner: \"hk-consumer-council\"}".to_owned(),
                "{direction: OUTBOUND}".to_owned(),
                "{stage: DRAFTED}".to_owned(),
                format!("{{caseId: \"{}\"}}", self.case),
                "{council: \"cc-440100\"}".to_owned(),
                "{overdue: true}".to_owned(),
            ],
            "measure" => vec!["RECEIVED".to_owned()],
            "filter" => self.filters(),
            unknown => panic!("teach the probe how to fill `{unknown}` of `{field}`"),
        }
    }

    fn filled(&self, field: &str, argument: &str) -> Vec<String> {
        self.values(field, argument).into_iter().map(|value| format!("{argument}: {value}")).collect()
    }

    /// One filter per field of it, and every measure, alone and with every other field.
    fn filters(&self) -> Vec<String> {
        let Some(ExtendedType::InputObject(filter)) = self.schema.types.get("CaseFilterInput") else {
            panic!("there is no filter of cases")
        };
        let Some(ExtendedType::Enum(measures)) = self.schema.types.get("MeasureName") else { panic!("no measures") };
        let plain =
            filter.fields.keys().map(|name| name.as_str()).filter(|name| !matches!(*name, "measure" | "moment"));
        let plain: Vec<String> = plain.flat_map(|name| self.filled("filter", name)).collect();
        let mut filters: Vec<String> = plain.iter().map(|one| format!("{{{one}}}")).collect();
        for measure in measures.values.keys() {
            filters.push(format!("{{measure: {measure}}}"));
            filters.extend(plain.iter().map(|one| format!("{{measure: {measure}, {one}}}")));
            for moment in ["asOf", "asKnownAt", "asKnownAtPosition"] {
                let at = &self.filled("moment", moment)[0];
                filters.push(format!("{{measure: {measure}, moment: {{{at}}}}}"));
            }
        }
        filters
    }

    /// What is required, and beside it each argument that is not, one at a time.
    fn argument_sets(&self, field: &str, arguments: &[Node<InputValueDefinition>]) -> Vec<Vec<String>> {
        let required = arguments.iter().filter(|one| one.is_required());
        let required: Vec<String> = required.map(|one| self.filled(field, one.name.as_str())[0].clone()).collect();
        // A case is asked for by one of two arguments, neither of which is required by itself.
        let bases =
            if field == "case" { vec![self.filled(field, "id"), self.filled(field, "number")] } else { vec![required] };
        let is_base = |name: &str| field == "case" && matches!(name, "id" | "number");
        let mut sets = bases.clone();
        for one in arguments.iter().filter(|one| !one.is_required() && !is_base(one.name.as_str())) {
            for filled in self.filled(field, one.name.as_str()) {
                for base in &bases {
                    let mut set = base.clone();
                    set.push(filled.clone());
                    sets.push(set);
                }
            }
        }
        sets
    }

    /// A selection of everything below a type.
    fn selection(&self, type_name: &str, levels: usize) -> String {
        assert!(levels > 0, "`{type_name}` lies too deep");
        let mut fields = Vec::new();
        for (name, field) in &object(&self.schema, type_name).fields {
            let required = field.arguments.iter().filter(|one| one.is_required());
            let given: Vec<String> =
                required.map(|one| self.filled(name.as_str(), one.name.as_str())[0].clone()).collect();
            let given = in_brackets(&given);
            let inner = field.ty.inner_named_type().as_str();
            match self.schema.types.get(inner) {
                Some(ExtendedType::Object(_)) => {
                    fields.push(format!("{name}{given} {}", self.selection(inner, levels - 1)));
                }
                _ => fields.push(format!("{name}{given}")),
            }
        }
        format!("{{ {} }}", fields.join(" "))
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for (name, field) in &object(&self.schema, "Query").fields {
            let below = self.selection(field.ty.inner_named_type().as_str(), LEVELS);
            for set in self.argument_sets(name.as_str(), &field.arguments) {
                let given = in_brackets(&set);
                let document = format!("{{ {name}{given} {below} }}");
                questions.push(Question { field: name.to_string(), given, document });
            }
        }
        questions
    }

    /// Asks, and checks that the question was understood.
    async fn ask(&self, server: &TestServer, token: &str, question: &Question) -> Value {
        let answer = server.ask(token, &question.document, json!({})).await;
        for error in answer["errors"].as_array().into_iter().flatten() {
            let code = error["extensions"]["code"].as_str().unwrap_or("no code");
            let reached = REASONS.contains(&code) || error["message"] == NO_SUCH_CLOCK;
            assert!(reached, "{}{} was not asked: {error:#}", question.field, question.given);
        }
        answer
    }

    fn secret_in(&self, answer: &Value) -> Option<&str> {
        let text = answer.to_string();
        SECRETS.into_iter().chain([self.case.as_str()]).find(|secret| text.contains(secret))
    }
}

/// The sum of all that counts cases in an answer.
fn counted(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => {
            let own: u64 = COUNTS.iter().filter_map(|name| fields.get(*name)?.as_u64()).sum();
            own + fields.values().map(counted).sum::<u64>()
        }
        Value::Array(items) => items.iter().map(counted).sum(),
        _ => 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_any_query_leaks_to_another_unit() {
    let server = TestServer::new().await;
    // Two of them, so that something stands behind the first cursor of a list.
    Flow::filed_with(&server, "SECRET-NUMBER-76", FACTS).await.received().await;
    let flow = Flow::filed_with(&server, NUMBER, FACTS).await.received().await;
    let probe = Probe::new(&flow).await;
    let questions = probe.questions();
    let strangers = [
        ("gd-440300", "another city"),
        ("gd-440305", "another county"),
        (OTHER, "another station"),
        ("cc-440300", "a council"),
    ];
    for (unit, who) in strangers {
        let token = server.token(&Role::ALL, unit);
        for question in &questions {
            let answer = probe.ask(&server, &token, question).await;
            let (field, given) = (&question.field, &question.given);
            let secret = probe.secret_in(&answer);
            assert!(secret.is_none(), "{who} reads {secret:?} through {field}{given}: {answer}");
            assert_eq!(counted(&answer), 0, "{who} counts through {field}{given}: {answer}");
        }
    }
    // The owners, asking the same, see it: the probe does look where the secret is.
    for unit in [STATION, BUREAU, "gd"] {
        let token = server.token(&Role::ALL, unit);
        let mut found = BTreeSet::new();
        let mut asked = BTreeSet::new();
        for question in &questions {
            let answer = probe.ask(&server, &token, question).await;
            asked.insert(question.field.as_str());
            if probe.secret_in(&answer).is_some() {
                found.insert(question.field.as_str());
            }
        }
        assert_eq!(asked.len(), object(&probe.schema, "Query").fields.len(), "every query was asked");
        for field in ["case", "caseHistory", "cases", "dueList"] {
            assert!(found.contains(field), "{unit} does not find its own case through {field}, only {found:?}");
        }
    }
}

/// A case that a station had and handed back, now with another station of its county.
async fn left(server: &TestServer) -> Flow<'_> {
    let flow = Flow::filed_with(server, NUMBER, FACTS).await.received().await;
    let (clerk, station) = (flow.clerk.clone(), flow.station.clone());
    flow.act(&station, "returnToIntake", "ReturnToIntakeInput", json!({"reason": "NO_TERRITORY"})).await;
    flow.act(&clerk, "dispatchCase", "DispatchCaseInput", json!({"to": OTHER})).await;
    let other = server.token(&Role::ALL, OTHER);
    flow.act(&other, "receiveCase", "ReceiveCaseInput", json!({"handler": "h-2"})).await;
    flow
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_reads_nothing_of_a_case_that_left_it() {
    let server = TestServer::new().await;
    let flow = left(&server).await;
    let probe = Probe::new(&flow).await;
    let old = server.token(&Role::ALL, STATION);
    let mut behind_measures = 0;
    for question in probe.questions() {
        let answer = probe.ask(&server, &old, &question).await;
        let (field, given) = (&question.field, &question.given);
        let secret = probe.secret_in(&answer);
        assert!(secret.is_none(), "the old station reads {secret:?} through {field}{given}: {answer}");
        let data = &answer["data"][field.as_str()];
        match field.as_str() {
            "case" | "caseHistory" => {
                assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_FOUND", "{field}{given}: {answer}");
            }
            "cases" | "dueList" => {
                let edges: Vec<&Value> = data["edges"].as_array().into_iter().flatten().collect();
                assert!(edges.iter().all(|edge| edge["node"].is_null()), "{field}{given}: {answer}");
                let total = data["totalCount"].as_u64().unwrap_or(0);
                if question.has_measure() && !question.is_narrowed() {
                    behind_measures += total;
                } else {
                    assert_eq!((total, edges.len()), (0, 0), "{field}{given} tells that it is there: {answer}");
                }
            }
            _ => {}
        }
    }
    assert!(behind_measures > 0, "what the station had done still counts for it");
    assert_no_mutation_touches(&server, &old, &flow.id, &probe.filing).await;
    // The first it hears, from the beginning of the log, is a case of its own.
    let own = Flow::filed(&server, "OWN-1").await.received().await;
    let query = "query($id: UUID!) { caseHistory(id: $id) { totalCount } }";
    let history = server.data(&old, query, json!({"id": own.id})).await;
    let count = history["caseHistory"]["totalCount"].as_u64().unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(30), hear(&server, &old, count)).await.unwrap();
    assert!(heard.iter().all(|event| event["caseId"] == json!(own.id)), "{heard:#?}");
}

/// The first events that a caller hears, from the beginning of the log.
async fn hear(server: &TestServer, token: &str, count: u64) -> Vec<Value> {
    let mut request = (server.url().replace("http://", "ws://") + "/ws").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let init = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}});
    socket.send(Message::text(init.to_string())).await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..=count {
        let message = loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["type"] != "ping" {
                break message;
            }
        };
        if message["type"] == "connection_ack" {
            let query = "subscription { caseEvents(after: \"0\") { caseId kind data } }";
            let subscribe = json!({"id": "1", "type": "subscribe", "payload": {"query": query}});
            socket.send(Message::text(subscribe.to_string())).await.unwrap();
        } else {
            assert_eq!(message["type"], "next", "{message}");
            heard.push(message["payload"]["data"]["caseEvents"].clone());
        }
    }
    heard
}

/// What inputs are filled with: the schema they are of, and whose things they name.
struct Target<'t> {
    schema: &'t Schema,
    case: &'t str,
    filing: &'t str,
}

/// A sensible value for a field of an input.
fn sample(target: &Target<'_>, name: &str, ty: &Type) -> Value {
    if ty.is_list() {
        return json!([sample(target, name, ty.item_type())]);
    }
    match (name, ty.inner_named_type().as_str()) {
        ("caseId", _) => json!(target.case),
        ("filingId", _) => json!(target.filing),
        ("clock", _) => json!("CLK-MEDIATE"),
        ("region", _) => json!("440106"),
        ("to", "String") => json!("gd-440106003"),
        (_, "UUID") => json!(command_id()),
        (_, "DateTime") => json!("2026-05-06T01:00:00Z"),
        (_, "Date") => json!("2026-12-31"),
        (_, "String") => json!("x"),
        (_, "MinorUnits") => json!("1"),
        (_, "Int") => json!(1),
        (_, "Boolean") => json!(true),
        (_, other) => match target.schema.types.get(other) {
            Some(ExtendedType::Enum(list)) => json!(list.values.keys().next().unwrap().as_str()),
            Some(ExtendedType::InputObject(input)) => sample_input(target, input),
            _ => panic!("teach the probe what a `{other}` is like"),
        },
    }
}

/// An input with all that it requires.
fn sample_input(target: &Target<'_>, input: &InputObjectType) -> Value {
    let required = input.fields.iter().filter(|(_, field)| field.is_required());
    let filled = required.map(|(name, field)| (name.to_string(), sample(target, name.as_str(), &field.ty)));
    Value::Object(filled.collect())
}

/// Tries every mutation of the schema on a case, and on a filing with a matter that led to no complaint, neither of
/// which the caller sees.
async fn assert_no_mutation_touches(server: &TestServer, token: &str, case: &str, filing: &str) {
    let schema = schema();
    let target = Target { schema: &schema, case, filing };
    let keeper = server.token(&[Role::Administrator], "gd");
    let position = "{ serverInfo { logPosition } }";
    let before = server.data(&keeper, position, json!({})).await;
    for (name, field) in &object(&schema, "Mutation").fields {
        let input_type = field.arguments[0].ty.inner_named_type().as_str();
        let Some(ExtendedType::InputObject(input)) = schema.types.get(input_type) else {
            panic!("`{name}` does not take an input object")
        };
        let input = sample_input(&target, input);
        let query = format!("mutation($input: {input_type}!) {{ {name}(input: $input) {{ position }} }}");
        let answer = server.ask(token, &query, json!({"input": input})).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("done");
        // Whoever names a thing may hear that there is none.
        let names = ["caseId", "filingId", "referralId", "deliveryId"].iter().any(|name| !input[*name].is_null());
        let expected: &[&str] = if names { &["NOT_FOUND", "FORBIDDEN"] } else { &["FORBIDDEN"] };
        assert!(expected.contains(&code), "{name}: {answer:#}");
        assert_eq!(server.data(&keeper, position, json!({})).await, before, "{name} was appended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mutation_touches_another_units_case() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "FOREIGN-1").await.received().await;
    let in_vain = filed_in_vain(&server, &filing("FOREIGN-2", FACTS)).await;
    let filing = in_vain["filingId"].as_str().unwrap();
    for unit in ["gd-440305", OTHER, "cc-440300"] {
        assert_no_mutation_touches(&server, &server.token(&Role::ALL, unit), &flow.id, filing).await;
    }
}

//! No caller reads another city's case, count, search hit or history, through any field of the schema.

use std::collections::BTreeSet;

use api::auth::Role;
use apollo_compiler::schema::ExtendedType;
use serde_json::json;
use tests::TestServer;
use tests::flows::{BUREAU, Flow, STATION};

/// How each argument of a query is filled when somebody from elsewhere asks for what is Guangzhou's.
fn argument(name: &str, flow: &Flow<'_>) -> Option<String> {
    Some(match name {
        "id" => format!("\"{}\"", flow.id),
        "city" => "\"440100\"".to_owned(),
        "region" => "\"440106\"".to_owned(),
        "unitId" => format!("\"{STATION}\""),
        "rule" => "\"CLK-ACCEPT\"".to_owned(),
        "from" => "\"2026-05-06\"".to_owned(),
        "until" => "\"2027-12-31\"".to_owned(),
        "filter" => "{text: \"蓝色水壶\"}".to_owned(),
        _ => return None,
    })
}

/// A selection of every scalar below a type, a few levels deep.
fn selection(schema: &apollo_compiler::Schema, type_name: &str, depth: usize) -> String {
    let Some(ExtendedType::Object(object)) = schema.types.get(type_name) else { return String::new() };
    let mut fields = Vec::new();
    for (name, field) in &object.fields {
        if field.arguments.iter().any(|argument| argument.is_required()) {
            continue;
        }
        let inner = field.ty.inner_named_type();
        match schema.types.get(inner.as_str()) {
            Some(ExtendedType::Object(_)) if depth > 0 => {
                let below = selection(schema, inner.as_str(), depth - 1);
                if !below.is_empty() {
                    fields.push(format!("{name} {below}"));
                }
            }
            Some(ExtendedType::Object(_)) => {}
            _ => fields.push(name.to_string()),
        }
    }
    if fields.is_empty() { String::new() } else { format!("{{ {} }}", fields.join(" ")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_any_query_leaks_to_another_city() {
    let server = TestServer::new().await;
    let flow = Flow::filed_with(&server, "SECRET-NUMBER-77", "蓝色水壶漏水，要求退款").await.received().await;
    let schema = apollo_compiler::Schema::parse_and_validate(api::graphql::sdl(), "schema.graphql").unwrap();
    let Some(ExtendedType::Object(query)) = schema.types.get("Query") else { panic!("no Query") };
    let everything: Vec<Role> = Role::ALL.to_vec();
    let strangers = [
        ("gd-440300", "another city"),
        ("gd-440305", "another county"),
        ("gd-440106002", "another station"),
        ("cc-440300", "a council"),
    ];
    let mut asked = BTreeSet::new();
    for (unit, who) in strangers {
        let token = server.token(&everything, unit);
        for (name, field) in &query.fields {
            let arguments: Vec<String> = field
                .arguments
                .iter()
                .filter_map(|wanted| argument(&wanted.name, &flow).map(|value| format!("{}: {value}", wanted.name)))
                .collect();
            // With its arguments, and without those that may be left out.
            let required: Vec<String> = field
                .arguments
                .iter()
                .filter(|wanted| wanted.is_required())
                .filter_map(|wanted| argument(&wanted.name, &flow).map(|value| format!("{}: {value}", wanted.name)))
                .collect();
            for arguments in [arguments, required] {
                let given = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
                let below = selection(&schema, field.ty.inner_named_type().as_str(), 3);
                let answer = server.ask(&token, &format!("{{ {name}{given} {below} }}"), json!({})).await;
                let text = answer.to_string();
                for secret in ["SECRET-NUMBER-77", "蓝色水壶", "陈小明", "19900001234", "广州某某商贸"] {
                    assert!(!text.contains(secret), "{who} reads {secret} through {name}{given}: {text}");
                }
                if let Some(count) = answer["data"][name.as_str()]["totalCount"].as_u64() {
                    assert_eq!(count, 0, "{who} counts through {name}{given}");
                }
                for count in ["open", "received"] {
                    if let Some(count) = answer["data"][name.as_str()][count].as_u64() {
                        assert_eq!(count, 0, "{who} counts through {name}{given}");
                    }
                }
                asked.insert(name.to_string());
            }
        }
        // By the number, which the generated arguments do not guess.
        let by_number = "{ case(number: \"SECRET-NUMBER-77-C1\") { id } }";
        assert_eq!(server.code(&token, by_number, json!({})).await, "NOT_FOUND");
    }
    assert_eq!(asked.len(), query.fields.len(), "every query was asked");
    // The owner, asking the same, sees it: the probe does look where the secret is.
    let own = server
        .ask(&server.token(&everything, BUREAU), "{ cases { edges { node { number facts } } } }", json!({}))
        .await;
    assert!(own.to_string().contains("SECRET-NUMBER-77") && own.to_string().contains("蓝色水壶"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mutation_touches_another_unit_case() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "FOREIGN-1").await.received().await;
    let everything: Vec<Role> = Role::ALL.to_vec();
    let stranger = server.token(&everything, "gd-440305");
    for (name, input, fields) in [
        ("acceptComplaint", "AcceptComplaintInput", json!({})),
        ("noteWork", "NoteWorkInput", json!({"kind": "CALL", "text": "x"})),
        ("urgeCase", "UrgeCaseInput", json!({"note": "x"})),
        ("withdrawCase", "WithdrawCaseInput", json!({"reason": "x"})),
    ] {
        let answer = flow.try_act(&stranger, name, input, fields).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_FOUND", "{name}: {answer:#}");
    }
}

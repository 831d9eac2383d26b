//! What is printed for people once the play is over: where the councils are, tokens, and a query for each.

use std::net::SocketAddr;

use chrono::Datelike as _;
use cross_border::partner::Place;
use domain::day::local_day;
use serde_json::{Value, json};

use super::node::{Node, NodeError, Nodes, Post};
use super::place::council;
use crate::commands::demo::questions::TOKEN_HOURS;

/// A query to paste, for one council.
#[derive(Debug)]
struct Question {
    place: Place,
    title: &'static str,
    query: String,
    /// Where in the answer something must stand.
    expects: &'static str,
}

fn questions(year: i32) -> [Question; 3] {
    [
        Question {
            place: Place::Guangdong,
            title: "Every referral of Guangdong and its cities, with what is or was awaited of whom",
            query: "{ referrals(first: 5) { totalCount edges { node { sharedId direction partner { id } stage outcome \
                    steps { name awaited by metOn overdue } segment { digest } } } } }"
                .to_owned(),
            expects: "/referrals/edges",
        },
        Question {
            place: Place::HongKong,
            title: "What came in, with the signed messages of both councils and the receipts",
            query: "{ referrals(filter: { direction: INBOUND }, first: 2) { edges { node { sharedId stage \
                    messages(first: 20) { edges { node { side sequence kind at digest receipt { key at } } } } } } } }"
                .to_owned(),
            expects: "/referrals/edges",
        },
        Question {
            place: Place::Macao,
            title: "How much personal data left this year, and how the newest messages fared on their way",
            query: format!(
                "{{ crossBorderCounters(year: {year}) {{ council partner transfers persons sensitive }} \
                 deliveries(first: 5) {{ edges {{ node {{ kind partner sequence state attempts endedAt }} }} }} }}"
            ),
            expects: "/deliveries/edges",
        },
    ]
}

fn this_year() -> i32 {
    local_day(crate::clock::now()).year()
}

/// The name of the variable that holds a token.
fn variable(place: Place, post: Post) -> String {
    let name = match post {
        Post::Officer => "OFFICER",
        Post::Head => "HEAD",
        Post::Taker => "TAKER",
    };
    format!("{}_{name}", place.code())
}

const fn who(post: Post) -> &'static str {
    match post {
        Post::Officer => "files disputes and prepares referrals",
        Post::Head => "lets referrals leave",
        Post::Taker => "works off what comes in",
    }
}

/// The query as a command; the body holds no apostrophe, so the shell takes it as it is.
fn curl(question: &Question, addr: SocketAddr) -> String {
    format!(
        "curl -s http://{addr}/graphql -H \"Authorization: Bearer ${}\" -H 'Content-Type: application/json' \\\n  -d '{}'",
        variable(question.place, Post::Taker),
        json!({ "query": question.query })
    )
}

/// Prints where the councils are, and what to paste.
pub(super) fn print(nodes: &Nodes) {
    println!("\nThe three councils are served on:\n");
    for Node { place, addr, .. } in nodes.all() {
        let name = &council(*place).name;
        println!("{place}  http://{addr}/graphql  {} {}", name.zh_hant, name.en);
    }
    println!("\nTokens, valid for {TOKEN_HOURS} hours:\n");
    for node in nodes.all() {
        for post in Post::ALL {
            let (who, unit) = (who(post), post.unit(node.place));
            println!("# who {who} at {unit}\n{}='{}'\n", variable(node.place, post), node.token(post));
        }
    }
    println!("Three queries to paste, once the tokens above have been pasted:\n");
    for question in questions(this_year()) {
        println!("# {}\n{}\n", question.title, curl(&question, nodes.at(question.place).addr));
    }
    println!("Ctrl-C ends it; the next `baycase demo --councils` goes on in the same folder with new disputes.");
}

/// Asks what would have been printed, so that nobody pastes what is refused.
///
/// # Errors
/// A node refuses a query, or answers without what was asked for.
pub(super) async fn check(nodes: &Nodes) -> Result<(), NodeError> {
    for Question { place, title, query, expects } in questions(this_year()) {
        let data = nodes.at(place).ask(Post::Taker, title, &query, &json!({})).await?;
        if data.pointer(expects).is_none_or(Value::is_null) {
            return Err(NodeError::Answer { place, what: title });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_query_survives_the_shell_and_names_a_printed_token() {
        let printed: Vec<String> =
            super::super::place::PLACES.iter().flat_map(|place| Post::ALL.map(|post| variable(*place, post))).collect();
        assert_eq!(printed.len(), 9);
        for question in questions(2_026) {
            let command = curl(&question, SocketAddr::from(([127, 0, 0, 1], 80)));
            assert_eq!(command.matches('\'').count(), 4, "{command}");
            assert!(printed.iter().any(|name| command.contains(&format!("Bearer ${name}\""))), "{command}");
        }
    }
}

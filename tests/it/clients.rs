//! The reference clients of the protocols, where Node.js and they are installed: `npm ci` in `tests/clients`.

use std::path::PathBuf;
use std::process::Stdio;

use api::auth::Role;
use tests::TestServer;
use tests::flows::Flow;

fn clients() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
    if folder.join("node_modules").exists() {
        return Some(folder);
    }
    eprintln!("NOT RUN: the reference clients are not installed; `npm ci` in tests/clients installs them");
    None
}

async fn node(script: &str, args: &[&str]) -> Option<String> {
    let folder = clients()?;
    let output = tokio::process::Command::new("node")
        .arg(folder.join(script))
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graphql_over_http_audit_finds_nothing() {
    let server = TestServer::new().await;
    let token = server.token(&[Role::Auditor], "gd");
    if let Some(said) = node("audit.mjs", &[&server.url(), &token]).await {
        println!("{said}");
        assert!(said.contains("\"error\":0") && said.contains("\"warn\":0"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_clients_follow_cases_cut_off_and_resume() {
    let server = TestServer::new().await;
    let flow = Flow::filed(&server, "CLIENT-1").await.accepted().await;
    let token = server.token(&[Role::Auditor], "gd");
    let query = "query($id: UUID!) { caseHistory(id: $id) { totalCount } }";
    let count =
        server.data(&token, query, serde_json::json!({"id": flow.id})).await["caseHistory"]["totalCount"].to_string();
    let ws = server.url().replace("http://", "ws://") + "/ws";
    for (script, url) in [("follow-ws.mjs", ws), ("follow-sse.mjs", server.url())] {
        if let Some(said) = node(script, &[&url, &token, "0", &count, "--cut", "2"]).await {
            println!("{script}: {said}");
            let last = said.lines().last().unwrap();
            assert_eq!(last, format!("{{\"received\":{count},\"duplicates\":0}}"), "{said}");
        }
    }
}

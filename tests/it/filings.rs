//! Filings: real, de-identified complaints in Chinese, filed over the API and found again in either script.

use api::auth::Role;
use serde_json::json;
use tests::TestServer;
use tests::flows::{BUREAU, Flow, REGISTER, filing};

/// The texts of the ten real complaints, or two of our own making where the file is not at hand.
fn samples() -> Vec<String> {
    let folder = std::env::vars().find(|(key, _)| key == "BAYCASE_TEST_DATA").map(|(_, value)| value);
    let Some(folder) = folder else {
        eprintln!("BAYCASE_TEST_DATA is not set: two texts of our own stand in for the ten real ones");
        return vec!["要求商家退款，商家不退。".to_owned(), "衣服质量差，要求更换。".to_owned()];
    };
    let text = std::fs::read_to_string(format!("{folder}/complaint_samples_12315.csv")).unwrap();
    // Records: a text, possibly quoted, then a digit and a note.
    let body = text.trim_start_matches('\u{feff}');
    body.lines()
        .skip(1)
        .map(|line| {
            let end = line.rfind(",脱敏").unwrap();
            line[..end - 2].trim_matches('"').to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_filed_is_found_in_either_script() {
    let server = TestServer::new().await;
    let samples = samples();
    for (number, text) in samples.iter().enumerate() {
        Flow::filed_with(&server, &format!("SAMPLE-{number}"), text).await;
    }
    let token = server.token(&[Role::Handler], BUREAU);
    let search = "query($t: String!) { cases(first: 50, filter: {text: $t}) { totalCount edges { node { facts } } } }";
    for (word, simplified) in
        [("退款", "退款"), ("商家", "商家"), ("質量", "质量"), ("協調", "协调"), ("车", "车"), ("更換", "更换")]
    {
        let expected = samples.iter().filter(|text| text.contains(simplified)).count();
        let data = server.data(&token, search, json!({"t": word})).await;
        let found = data["cases"]["edges"].as_array().unwrap();
        assert_eq!(found.len(), expected, "{word}");
        assert!(found.iter().all(|edge| edge["node"]["facts"].as_str().unwrap().contains(simplified)), "{word}");
    }
    for hostile in ["\" OR 1", "退款* NEAR(", "' ; DROP TABLE", "-", "\u{0}"] {
        let data = server.data(&token, search, json!({"t": hostile})).await;
        assert_eq!(data["cases"]["totalCount"], json!(0), "{hostile:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_outside_number_is_the_same_filing() {
    let server = TestServer::new().await;
    let clerk = server.token(&[Role::IntakeClerk], BUREAU);
    let input = filing("SAME-1", "要求退款");
    let first = server.data(&clerk, REGISTER, json!({"input": input})).await;
    let again = server.data(&clerk, REGISTER, json!({"input": input})).await;
    assert_eq!(first["registerFiling"]["cases"], again["registerFiling"]["cases"]);
    assert_eq!(again["registerFiling"]["repeated"], json!(true));
    // Another command with the same outside number: the stream itself refuses the second copy.
    assert_eq!(server.code(&clerk, REGISTER, json!({"input": filing("SAME-1", "要求退款")})).await, "ALREADY_EXISTS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_filing_is_split_into_its_matters() {
    let server = TestServer::new().await;
    let clerk = server.token(&[Role::IntakeClerk], BUREAU);
    let mut input = filing("MIXED-1", "要求退款");
    let report = json!({"kind": "REPORT", "category": "ADVERTISING", "facts": "虚假宣传"});
    let second = json!({"kind": "COMPLAINT", "category": "PRICE", "facts": "多收停车费"});
    input["items"].as_array_mut().unwrap().extend([report, second]);
    let data = server.data(&clerk, REGISTER, json!({"input": input})).await;
    let numbers: Vec<&str> = data["registerFiling"]["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["number"].as_str().unwrap())
        .collect();
    assert_eq!(numbers, ["MIXED-1-C1", "MIXED-1-C3"]);
}

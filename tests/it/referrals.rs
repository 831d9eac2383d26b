//! Our own officers prepare a referral, a second person lets it leave, and nobody else hears of it.

use std::time::Duration;

use api::auth::{DevKey, Role};
use chrono::TimeDelta;
use cross_border::exchange::Digest;
use cross_border::trust::{KeyId, PrivateKey, SigningKey, SuiteName};
use serde_json::{Value, json};
use tests::flows::{BUREAU, REGISTER, filing};
use tests::{TestServer, command_id};

/// The council of Guangzhou.
const COUNCIL: &str = "cc-440100";
const FIELDS: [&str; 5] = ["CONSUMER_NAME", "TRADER_NAME", "PURCHASE_AMOUNT", "FACTS", "REQUEST"];
const FACTS: &str = "购买的手表走时不准，商家拒绝退款。";
const REFER: &str = "mutation($input: ReferAcrossBorderInput!) { referAcrossBorder(input: $input) { revision position \
                     repeated referral { id stage shutGates allowedActions presentation { by contentDigest content } } \
                     } }";
const APPROVE: &str = "mutation($input: ApproveReferralInput!) { approveReferral(input: $input) { revision position \
                       repeated referral { stage messages { totalCount } transferRecord { approver presentedBy \
                       rightsContact } } } }";
const PRESENT: &str = "mutation($input: PresentReferralInput!) { presentReferral(input: $input) { referral { id \
                       presentation { contentDigest } } } }";
const WITHDRAW: &str = "mutation($input: WithdrawConsentInput!) { withdrawConsent(input: $input) { position } }";
const ONE: &str = "query($id: UUID!) { referral(id: $id) { id messages { edges { node { kind text content delivery { \
                   state attempts } } } } evidence { digest name stored scan } } }";

/// A server of a council that can sign.
async fn server() -> TestServer {
    let dir = tempfile::tempdir().unwrap();
    tests::prepare(dir.path(), &tests::config()).await;
    let now = api::clock::now();
    let key = SigningKey {
        id: KeyId::parse("gd-consumer-council:test").unwrap(),
        private: PrivateKey::generate(SuiteName::Ed25519Sha256).unwrap(),
        not_before: now - TimeDelta::days(1),
        not_after: now + TimeDelta::days(30),
    };
    let keys = dir.path().join("council-keys");
    std::fs::create_dir_all(&keys).unwrap();
    key.write_new(&keys.join("test.key.json")).unwrap();
    let mut config = tests::config();
    // The partner fetches for itself, and here it never does.
    let partner = json!({"id": "hk-consumer-council", "transport": "poll"});
    config.partner.peers = vec![serde_json::from_value(partner).unwrap()];
    TestServer::over_with(dir, config).await
}

fn token(server: &TestServer, who: &str, roles: &[Role], unit: &str) -> String {
    let key = DevKey::load(server.dir()).unwrap();
    key.issue(roles, unit, who, Duration::from_secs(3_600), api::clock::now()).unwrap()
}

fn officer(server: &TestServer) -> String {
    token(server, "officer-1", &[Role::IntakeClerk, Role::Handler], COUNCIL)
}

fn day(days: i64) -> String {
    (domain::day::local_day(api::clock::now()) + TimeDelta::days(days)).to_string()
}

/// A case of the council's own.
async fn case(server: &TestServer, number: &str) -> Value {
    let mut input = filing(number, FACTS);
    input["region"] = json!("440100");
    let data = server.data(&officer(server), REGISTER, json!({"input": input})).await;
    data["registerFiling"]["cases"][0]["id"].clone()
}

/// All that a referral needs before it may leave.
fn prepared(case: &Value) -> Value {
    json!({
        "commandId": command_id(),
        "caseId": case,
        "partner": "hk-consumer-council",
        "consent": {
            "consent": "C-1", "textVersion": "2026-1", "language": "SIMPLIFIED_CHINESE", "channel": "PAPER",
            "fields": FIELDS, "evidence": "ab".repeat(32),
        },
        "assessment": {
            "route": "GBA_HONG_KONG",
            "instrument": {
                "number": "SCC-1", "validFrom": day(-100), "validTo": day(900), "filingNumber": "F-1",
                "filedOn": day(-90),
            },
            "impact": {"number": "PIA-1", "version": 1, "assessedOn": day(-100), "validTo": day(300)},
        },
        "presentation": presentation(FACTS),
    })
}

/// What is laid before a second person.
fn presentation(facts: &str) -> Value {
    let text = |text: &str| json!({"lang": "SIMPLIFIED_CHINESE", "text": text});
    json!({
        "age": "ADULT", "retentionTo": day(400), "fields": FIELDS,
        "content": {"facts": text(facts), "request": text("请求退款。")},
    })
}

/// The approval of what a referral shows as presented.
fn approval(referral: &Value) -> Value {
    let digest = &referral["presentation"]["contentDigest"];
    json!({"commandId": command_id(), "referralId": referral["id"], "contentDigest": digest})
}

/// A referral that was sent.
pub(super) async fn sent(server: &TestServer, number: &str) -> Value {
    let case = case(server, number).await;
    let referred = server.data(&officer(server), REFER, json!({"input": prepared(&case)})).await;
    let referral = &referred["referAcrossBorder"]["referral"];
    let head = token(server, "head-1", &[Role::Head], COUNCIL);
    let approved = server.data(&head, APPROVE, json!({"input": approval(referral)})).await;
    let query = "query($at: Position) { referrals(atLeast: $at) { totalCount } }";
    server.data(&head, query, json!({"at": approved["approveReferral"]["position"]})).await;
    referral["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_prepares_a_referral_does_not_let_it_leave() {
    let server = server().await;
    let case = case(&server, "REFER-1").await;
    let input = prepared(&case);
    let referred = server.data(&officer(&server), REFER, json!({"input": input})).await;
    let first = &referred["referAcrossBorder"];
    assert_eq!((&first["referral"]["shutGates"], &first["repeated"]), (&json!([]), &json!(false)), "{first:#}");
    let allowed = first["referral"]["allowedActions"].as_array().unwrap();
    assert!(allowed.contains(&json!("approveReferral")), "{first:#}");
    let again = server.data(&officer(&server), REFER, json!({"input": input})).await;
    assert_eq!(again["referAcrossBorder"]["repeated"], true);
    assert_eq!(again["referAcrossBorder"]["revision"], first["revision"]);

    // Another attempt follows only one that came back or was called back.
    for attempt in [2, 7] {
        let mut another = prepared(&case);
        another["attempt"] = json!(attempt);
        let code = server.code(&officer(&server), REFER, json!({"input": another})).await;
        assert_eq!(code, "NOT_ALLOWED_NOW", "attempt {attempt}");
    }

    let approval = json!({"input": approval(&first["referral"])});
    assert_eq!(server.code(&officer(&server), APPROVE, approval.clone()).await, "FORBIDDEN");
    for spelt in ["officer-1", "Officer-1", "ｏｆｆｉｃｅｒ－１"] {
        let both = token(&server, spelt, &[Role::Handler, Role::Head], COUNCIL);
        assert_eq!(server.code(&both, APPROVE, approval.clone()).await, "SAME_APPROVER", "{spelt}");
    }
    let head = token(&server, "head-1", &[Role::Head], COUNCIL);
    let approved = server.data(&head, APPROVE, approval.clone()).await;
    let referral = &approved["approveReferral"]["referral"];
    assert_eq!((&referral["stage"], &referral["messages"]["totalCount"]), (&json!("SENT"), &json!(1)));
    let record = &referral["transferRecord"];
    assert_eq!((&record["presentedBy"], &record["approver"]), (&json!("officer-1"), &json!("head-1")));
    assert_ne!(record["rightsContact"], json!(""));
    let again = server.data(&head, APPROVE, approval.clone()).await;
    assert_eq!(again["approveReferral"]["repeated"], true);
    assert_eq!(again["approveReferral"]["revision"], approved["approveReferral"]["revision"]);

    let mut once_more = approval;
    once_more["input"]["commandId"] = json!(command_id());
    let answer = server.ask(&head, APPROVE, once_more).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "NOT_ALLOWED_NOW", "{answer:#}");
    assert_eq!(extensions["allowed"], json!(["withdrawConsent", "announceEvidence", "recallReferral"]), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_is_what_the_second_person_has_read() {
    let server = server().await;
    let case = case(&server, "REFER-6").await;
    let referred = server.data(&officer(&server), REFER, json!({"input": prepared(&case)})).await;
    let first = &referred["referAcrossBorder"]["referral"];
    assert_eq!(first["presentation"]["content"]["facts"]["text"], FACTS, "{first:#}");
    assert_eq!(first["presentation"]["by"], "officer-1");

    // Presented anew meanwhile: what was read before does not leave.
    let head = token(&server, "head-1", &[Role::Head], COUNCIL);
    let other = "商家拒绝退款，也拒绝换货。";
    let input = json!({"commandId": command_id(), "referralId": first["id"], "presentation": presentation(other)});
    let anew = server.data(&officer(&server), PRESENT, json!({"input": input})).await;
    let anew = &anew["presentReferral"]["referral"];
    let answer = server.ask(&head, APPROVE, json!({"input": approval(first)})).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "STALE_REVISION", "{answer:#}");
    assert_eq!(extensions["contentDigest"], anew["presentation"]["contentDigest"], "{answer:#}");

    let query = "query($id: UUID!) { referral(id: $id) { presentation { by contentDigest content } } }";
    let asked = json!({"id": first["id"]});
    let auditor = server.ask(&server.token(&[Role::Auditor], COUNCIL), query, asked.clone()).await;
    let shown = &auditor["data"]["referral"]["presentation"];
    assert_eq!((&shown["by"], &shown["content"]), (&json!("officer-1"), &Value::Null), "{auditor:#}");
    assert_eq!(auditor["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let read = server.data(&head, query, asked.clone()).await;
    let content = &read["referral"]["presentation"]["content"];
    assert_eq!(content["facts"]["text"], other);
    server.data(&head, APPROVE, json!({"input": approval(anew)})).await;
    let sent = server.data(&head, ONE, asked).await;
    assert_eq!(&sent["referral"]["messages"]["edges"][0]["node"]["content"], content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referral_is_begun_with_every_step_or_not_at_all() {
    let server = server().await;
    let case = case(&server, "REFER-7").await;
    let whole = prepared(&case);
    let mut early = whole.clone();
    early["assessment"] = Value::Null;
    let answer = server.ask(&officer(&server), REFER, json!({"input": early})).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["step"]), (&json!("NOT_ALLOWED_NOW"), &json!("presentReferral")));
    assert!(extensions["allowed"].as_array().unwrap().contains(&json!("assessReferral")), "{answer:#}");

    let mut with_card = whole.clone();
    with_card["presentation"] = presentation("刷卡4111 1111 1111 1111付款。");
    let answer = server.ask(&officer(&server), REFER, json!({"input": with_card})).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["gates"]), (&json!("GATES_SHUT"), &json!(["bank-card-in-text"])));
    assert_eq!(extensions["texts"][0], json!({"gate": "bank-card-in-text", "text": "facts", "offset": 2}));
    assert!(!answer.to_string().contains("4111"), "{answer:#}");

    // Nothing was kept of either, so the same command is the first.
    let referred = server.data(&officer(&server), REFER, json!({"input": whole})).await;
    let first = &referred["referAcrossBorder"];
    assert_eq!((&first["repeated"], &first["referral"]["shutGates"]), (&json!(false), &json!([])), "{first:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_is_withdrawn_before_anything_went_out_ends_the_referral() {
    let server = server().await;
    let id = sent(&server, "REFER-8").await;
    let withdrawn = json!({"commandId": command_id(), "referralId": id});
    server.data(&officer(&server), WITHDRAW, json!({"input": withdrawn})).await;
    let query = "query($id: UUID!) { referral(id: $id) { stage recalledAfterSending erased allowedActions } }";
    let ended = server.data(&officer(&server), query, json!({"id": id})).await;
    let referral = &ended["referral"];
    assert_eq!((&referral["stage"], &referral["recalledAfterSending"]), (&json!("RECALLED"), &json!(false)));
    let allowed = referral["allowedActions"].as_array().unwrap();
    assert!(!allowed.contains(&json!("recallReferral")), "nobody is asked: {referral:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_kept_is_erased_by_nobody() {
    let server = server().await;
    let id = sent(&server, "REFER-9").await;
    let erase = "mutation($input: EraseReferralInput!) { eraseReferral(input: $input) { position } }";
    let input = json!({"input": {"commandId": command_id(), "referralId": id}});
    assert_eq!(server.code(&officer(&server), erase, input.clone()).await, "FORBIDDEN");
    let head = token(&server, "head-1", &[Role::Head], COUNCIL);
    assert_eq!(server.code(&head, erase, input).await, "NOT_ALLOWED_NOW");
    let query = "query($id: UUID!) { referral(id: $id) { retentionTo dataErased erasureHeldFor } }";
    let kept = server.data(&head, query, json!({"id": id})).await;
    let expected = json!({"retentionTo": day(400), "dataErased": false, "erasureHeldFor": null});
    assert_eq!(kept["referral"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referral_with_shut_gates_stays_and_each_gate_is_named() {
    let server = server().await;
    let case = case(&server, "REFER-2").await;
    let input = json!({"commandId": command_id(), "caseId": case, "partner": "mo-consumer-council"});
    let referred = server.data(&officer(&server), REFER, json!({"input": input})).await;
    let referral = &referred["referAcrossBorder"]["referral"];
    let head = token(&server, "head-1", &[Role::Head], COUNCIL);
    let approval = json!({"commandId": command_id(), "referralId": referral["id"], "contentDigest": "ab".repeat(32)});
    let answer = server.ask(&head, APPROVE, json!({"input": approval})).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "GATES_SHUT", "{answer:#}");
    assert_eq!(extensions["gates"], referral["shutGates"], "{answer:#}");
    for gate in ["not-assessed", "consent-missing", "not-presented"] {
        assert!(extensions["gates"].as_array().unwrap().contains(&json!(gate)), "{gate}: {answer:#}");
    }
    // A bureau is a state organ: it hands nothing across the border itself.
    let bureau = server.token(&Role::ALL, BUREAU);
    assert_eq!(server.code(&bureau, REFER, json!({"input": prepared(&case)})).await, "FORBIDDEN");
    let stranger = json!({"input": {"commandId": command_id(), "caseId": case, "partner": "sg-consumer-council"}});
    assert_eq!(server.code(&officer(&server), REFER, stranger).await, "UNKNOWN_PARTNER");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_outside_the_council_sees_a_referral_and_not_everybody_inside_reads_it() {
    let server = server().await;
    let id = sent(&server, "REFER-3").await;
    let lists = "{ referrals { totalCount edges { node { id } } } deliveries { edges { node { referralId } } } \
                 crossBorderCounters(year: 2026) { transfers } }";
    for unit in ["cc-440300", "gd-440300", "gd-440106001"] {
        let stranger = server.token(&Role::ALL, unit);
        assert_eq!(server.code(&stranger, ONE, json!({"id": id})).await, "NOT_FOUND", "{unit}");
        let seen = server.data(&stranger, lists, json!({})).await;
        let nothing = json!({"totalCount": 0, "edges": []});
        assert_eq!((&seen["referrals"], &seen["deliveries"]["edges"]), (&nothing, &json!([])), "{unit}");
        assert_eq!(seen["crossBorderCounters"], json!([]), "{unit}");
        let recall = "mutation($input: RecallReferralInput!) { recallReferral(input: $input) { position } }";
        let input = json!({"commandId": command_id(), "referralId": id, "reason": "SETTLED_HERE"});
        assert_eq!(server.code(&stranger, recall, json!({"input": input})).await, "NOT_FOUND", "{unit}");
    }
    // The council above sees it, and does not act in its place.
    let above = server.token(&Role::ALL, "gd-consumer-council");
    assert_eq!(server.data(&above, lists, json!({})).await["referrals"]["totalCount"], 1);
    let acknowledge = "mutation($input: RecallReferralInput!) { recallReferral(input: $input) { position } }";
    let input = json!({"commandId": command_id(), "referralId": id, "reason": "SETTLED_HERE"});
    assert_eq!(server.code(&above, acknowledge, json!({"input": input})).await, "FORBIDDEN");

    let auditor = server.ask(&server.token(&[Role::Auditor], COUNCIL), ONE, json!({"id": id})).await;
    let message = &auditor["data"]["referral"]["messages"]["edges"][0]["node"];
    assert_eq!((&message["kind"], &message["text"]), (&json!("SUBMISSION"), &Value::Null), "{auditor:#}");
    assert_eq!(message["delivery"]["state"], "PENDING");
    assert!(auditor["errors"].as_array().unwrap().iter().all(|error| error["extensions"]["code"] == "FORBIDDEN"));
    assert!(!auditor.to_string().contains("手表"), "{auditor:#}");
    let reviewer = server.ask(&server.token(&[Role::Reviewer], COUNCIL), ONE, json!({"id": id})).await;
    let message = &reviewer["data"]["referral"]["messages"]["edges"][0]["node"];
    assert_eq!((&message["kind"], &message["delivery"]), (&json!("SUBMISSION"), &Value::Null), "{reviewer:#}");
    let read = server.data(&officer(&server), ONE, json!({"id": id})).await;
    let message = &read["referral"]["messages"]["edges"][0]["node"];
    assert_eq!(message["content"]["facts"]["text"], FACTS, "{read:#}");
    assert!(message["content"]["renditions"].to_string().contains("購買"), "{read:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_only_as_it_was_announced_and_given_only_to_its_council() {
    let server = server().await;
    let case = case(&server, "REFER-4").await;
    let input = json!({"commandId": command_id(), "caseId": case, "partner": "hk-consumer-council"});
    let referred = server.data(&officer(&server), REFER, json!({"input": input})).await;
    let id = referred["referAcrossBorder"]["referral"]["id"].clone();
    let bytes = "收据：手表一只，129.00元".as_bytes();
    let digest = Digest::of(bytes);
    let url = |digest: &str| {
        format!("{}/evidence/{}/{digest}", server.url().trim_end_matches("/graphql"), id.as_str().unwrap())
    };
    let put = |token: String, digest: String, bytes: Vec<u8>| {
        let request = server.http().put(url(&digest)).bearer_auth(token).body(bytes);
        async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        }
    };
    let code = |answer: &(u16, Value)| answer.1["errors"][0]["extensions"]["code"].clone();
    let early = put(officer(&server), digest.to_string(), bytes.to_vec()).await;
    assert_eq!((early.0, code(&early)), (404, json!("EVIDENCE_UNANNOUNCED")));

    let announce = "mutation($input: AnnounceEvidenceInput!) { announceEvidence(input: $input) { position } }";
    let announced = json!({
        "commandId": command_id(), "referralId": id, "digest": digest.as_str(), "name": "收据.txt",
        "bytes": bytes.len(), "media": "text/plain",
    });
    server.data(&officer(&server), announce, json!({"input": announced})).await;
    let other = put(officer(&server), digest.to_string(), vec![b'x'; bytes.len()]).await;
    assert_eq!((other.0, code(&other)), (422, json!("EVIDENCE_DIGEST")));
    let stranger = put(server.token(&Role::ALL, "cc-440300"), digest.to_string(), bytes.to_vec()).await;
    assert_eq!((stranger.0, code(&stranger)), (404, json!("NOT_FOUND")));
    let nobody = put("x".to_owned(), digest.to_string(), bytes.to_vec()).await;
    assert_eq!((nobody.0, code(&nobody)), (401, json!("UNAUTHENTICATED")));
    for _ in 0..2 {
        let kept = put(officer(&server), digest.to_string(), bytes.to_vec()).await;
        assert_eq!((kept.0, &kept.1["stored"]), (200, &json!(true)), "{kept:?}");
    }
    let read = server.data(&officer(&server), ONE, json!({"id": id})).await;
    let file = json!({"digest": digest.as_str(), "name": "收据.txt", "stored": true, "scan": "UNSCANNED"});
    assert_eq!(read["referral"]["evidence"], json!([file]));

    let got = server.http().get(url(digest.as_str())).bearer_auth(officer(&server)).send().await.unwrap();
    assert_eq!(got.headers()["content-disposition"], "attachment");
    assert_eq!(got.bytes().await.unwrap(), bytes);
    for (unit, roles, status) in
        [("cc-440300", &Role::ALL[..], 404), (COUNCIL, &[Role::Auditor][..], 403), (COUNCIL, &[Role::Viewer][..], 403)]
    {
        let token = server.token(roles, unit);
        let refused = server.http().get(url(digest.as_str())).bearer_auth(token).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), status, "{unit} {roles:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_follows_what_left_without_files() {
    let server = server().await;
    let id = sent(&server, "REFER-10").await;
    let announce = "mutation($input: AnnounceEvidenceInput!) { announceEvidence(input: $input) { position } }";
    let announced = json!({
        "commandId": command_id(), "referralId": id, "digest": "ab".repeat(32), "name": "收据.txt", "bytes": 9,
        "media": "text/plain",
    });
    let answer = server.ask(&officer(&server), announce, json!({"input": announced})).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "GATES_SHUT", "{answer:#}");
    assert_eq!(extensions["gates"], json!(["consent-for-fewer-fields", "not-as-presented"]), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partners_are_those_of_the_register_and_a_delivery_under_way_is_not_redriven() {
    let server = server().await;
    let id = sent(&server, "REFER-5").await;
    let token = server.token(&[Role::Administrator], "gd-consumer-council");
    let partners = server.data(&token, "{ partners { id isOurs place connected } }", json!({})).await;
    let ours = partners["partners"].as_array().unwrap().iter().filter(|partner| partner["isOurs"] == true).count();
    assert_eq!((partners["partners"].as_array().unwrap().len(), ours), (3, 1));
    let query = "{ deliveries(state: PENDING) { edges { node { deliveryId referralId } } } }";
    let found = server.data(&token, query, json!({})).await;
    let delivery = &found["deliveries"]["edges"][0]["node"];
    assert_eq!(delivery["referralId"], id);
    let redrive = "mutation($input: RedriveDeliveryInput!) { redriveDelivery(input: $input) { position } }";
    let input = json!({"commandId": command_id(), "deliveryId": delivery["deliveryId"]});
    assert_eq!(server.code(&token, redrive, json!({"input": input})).await, "NOT_ALLOWED_NOW");
}

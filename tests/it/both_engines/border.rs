//! Disputes that cross the border, in which every act on a referral is done by one council or the other.

use api::auth::Role;
use chrono::TimeDelta;
use cross_border::exchange::Digest;
use domain::day::local_day;
use serde_json::{Value, json};

use super::pair::{HONG_KONG, MACAO, token};
use super::run::{At, Run};

/// The council of Guangzhou, which sends.
pub(super) const SENDER: &str = "cc-440100";
const FIELDS: [&str; 6] = ["CONSUMER_NAME", "CONSUMER_CONTACT", "TRADER_NAME", "PURCHASE_AMOUNT", "FACTS", "REQUEST"];
const FILE: &str = "收据：手表一只，129.00元";

/// The officers of both councils.
struct Desks {
    officer: String,
    head: String,
    taker: String,
}

/// A referral on its way.
struct Crossing<'c, 'p> {
    run: &'c mut Run<'p>,
    desks: &'c Desks,
    /// What is sent, and so what was agreed to.
    fields: Vec<&'static str>,
    /// Its id at the sending council, under which both know it.
    id: Value,
    /// Its id at the receiving council.
    theirs: Value,
    /// Of the content that was presented.
    digest: Value,
}

/// Tells them all.
pub(super) async fn tell(run: &mut Run<'_>) {
    let pair = run.pair;
    let desks = Desks {
        officer: token(&pair.guangdong, "officer-1", &[Role::IntakeClerk, Role::Handler], SENDER),
        head: token(&pair.guangdong, "head-1", &[Role::Head, Role::Administrator], SENDER),
        taker: token(&pair.hong_kong, "taker-1", &[Role::Handler, Role::CrossBorderOfficer], HONG_KONG),
    };
    Box::pin(settled(run, &desks)).await;
    Box::pin(returned(run, &desks)).await;
    Box::pin(withdrawn(run, &desks)).await;
    Box::pin(recalled(run, &desks)).await;
    Box::pin(given_up(run, &desks)).await;
}

fn day(days: i64) -> String {
    (local_day(api::clock::now()) + TimeDelta::days(days)).to_string()
}

fn text(lang: &str, text: &str) -> Value {
    json!({"lang": lang, "text": text})
}

impl<'c, 'p> Crossing<'c, 'p> {
    /// Files a dispute and begins its referral.
    async fn begin(run: &'c mut Run<'p>, desks: &'c Desks, number: &str, partner: &str, more: &[&'static str]) -> Self {
        let at = At { server: &run.pair.guangdong, token: &desks.officer };
        let filing = json!({
            "at": run.moment(),
            "source": "12315",
            "externalNumber": number,
            "channel": "WEB",
            "region": "440100",
            "complainant": {"name": "黎示例", "phone": "19900005678"},
            "items": [{
                "kind": "COMPLAINT", "category": "QUALITY", "facts": "手表走时不准。",
                "respondent": {"name": "示例钟表行"},
                "amount": {"minorUnits": "12900", "currency": "CNY"},
                "remedies": ["REFUND"],
            }],
        });
        let filed = run.act(at, "registerFiling", filing).await;
        let input = json!({"caseId": filed["cases"][0]["id"], "partner": partner});
        let referred = run.act(at, "referAcrossBorder", input).await;
        let id = referred["referral"]["id"].clone();
        let fields = FIELDS.iter().chain(more).copied().collect();
        Self { run, desks, fields, id, theirs: Value::Null, digest: Value::Null }
    }

    /// Everything that must be there before it may leave.
    async fn prepare(&mut self, route: &str) {
        let consent = json!({
            "consent": "C-1", "textVersion": "2026-1", "language": "SIMPLIFIED_CHINESE", "channel": "PAPER",
            "fields": self.fields, "evidence": "ab".repeat(32),
        });
        self.officer("recordConsent", json!({"consent": consent})).await;
        let assessment = json!({
            "route": route,
            "instrument": {
                "number": "SCC-1", "validFrom": day(-100), "validTo": day(900), "filingNumber": "F-1",
                "filedOn": day(-90),
            },
            "impact": {"number": "PIA-1", "version": 1, "assessedOn": day(-100), "validTo": day(300)},
        });
        self.officer("assessReferral", json!({"assessment": assessment})).await;
        let content = json!({"request": text("SIMPLIFIED_CHINESE", "请求退款。")});
        let presentation = json!({"age": "ADULT", "retentionTo": day(400), "fields": self.fields, "content": content});
        let desks = self.desks;
        let presented = self.here(&desks.officer, "presentReferral", json!({"presentation": presentation})).await;
        self.digest = presented["referral"]["presentation"]["contentDigest"].clone();
    }

    /// Lets it leave, and waits until both councils hold the same of it.
    async fn approve(&mut self) {
        let (desks, digest) = (self.desks, self.digest.clone());
        self.here(&desks.head, "approveReferral", json!({"contentDigest": digest})).await;
    }

    async fn sent(&mut self) {
        self.approve().await;
        let at = At { server: &self.run.pair.hong_kong, token: &self.desks.taker };
        let list = "{ referrals { edges { node { id sharedId } } } }";
        let of = |data: &Value| {
            let edges = data["referrals"]["edges"].as_array().unwrap();
            let found = edges.iter().find(|edge| edge["node"]["sharedId"] == self.id);
            found.map(|edge| edge["node"]["id"].clone())
        };
        let data = self.run.until(at, list, |data| of(data).is_some()).await;
        self.theirs = of(&data).unwrap();
        self.in_step().await;
    }

    async fn here(&mut self, token: &str, name: &str, mut input: Value) -> Value {
        input["referralId"] = self.id.clone();
        self.run.act(At { server: &self.run.pair.guangdong, token }, name, input).await
    }

    /// An act of the officer who prepares.
    async fn officer(&mut self, name: &str, input: Value) {
        let desks = self.desks;
        self.here(&desks.officer, name, input).await;
    }

    /// What the sending council tells the receiving one.
    async fn tells(&mut self, name: &str, input: Value) {
        self.officer(name, input).await;
        self.in_step().await;
    }

    /// What the receiving council tells the sending one.
    async fn hears(&mut self, name: &str, mut input: Value) {
        input["referralId"] = self.theirs.clone();
        let at = At { server: &self.run.pair.hong_kong, token: &self.desks.taker };
        self.run.act(at, name, input).await;
        self.in_step().await;
    }

    /// Waits until both councils hold the same, and each has the other's receipt for everything.
    async fn in_step(&mut self) {
        let pair = self.run.pair;
        let here = At { server: &pair.guangdong, token: &self.desks.officer };
        let there = At { server: &pair.hong_kong, token: &self.desks.taker };
        let of = |id: &Value| {
            format!(
                "{{ referral(id: {id}) {{ stage segment {{ digest }} messages(first: 100) {{ edges {{ node {{ issued \
                 receipt {{ at }} }} }} }} }} }}"
            )
        };
        let has_receipts = |data: &Value| {
            let edges = data["referral"]["messages"]["edges"].as_array().unwrap();
            let issued = |edge: &&Value| edge["node"]["issued"] == json!(true);
            edges.iter().filter(issued).all(|edge| edge["node"]["receipt"].is_object())
        };
        let (ours, theirs) = (of(&self.id), of(&self.theirs));
        let left = |data: &Value| has_receipts(data) && data["referral"]["stage"] != json!("SENT");
        // One of the two may be about to learn of something: then both are looked at again.
        loop {
            let one = self.run.until(here, &ours, left).await;
            let two = self.run.until(there, &theirs, has_receipts).await;
            if one["referral"]["segment"] == two["referral"]["segment"] {
                break;
            }
        }
        self.run.settle(here).await;
        self.run.settle(there).await;
    }

    /// The session that the other council offers.
    async fn session(&mut self) -> Value {
        let query = format!("{{ referral(id: {}) {{ sessions {{ id }} }} }}", self.id);
        let at = At { server: &self.run.pair.guangdong, token: &self.desks.officer };
        self.run.ask_so(at, &query).await["referral"]["sessions"][0]["id"].clone()
    }
}

/// A file, a session by video, a settlement.
async fn settled(run: &mut Run<'_>, desks: &Desks) {
    let mut crossing = Crossing::begin(run, desks, "CROSS-1", HONG_KONG, &["EVIDENCE"]).await;
    // What is presented holds the file.
    let digest = Digest::of(FILE.as_bytes());
    let file = json!({"digest": digest.as_str(), "name": "收据.txt", "bytes": FILE.len(), "media": "text/plain"});
    crossing.officer("announceEvidence", file).await;
    put(&crossing, &digest).await;
    crossing.prepare("GBA_HONG_KONG").await;
    crossing.sent().await;
    crossing.hears("retrieveReferral", json!({})).await;
    crossing.hears("acknowledgeReferral", json!({"reference": "HK-1"})).await;
    let note = text("TRADITIONAL_HONG_KONG", "商戶已答覆。");
    crossing.hears("reportProgress", json!({"progress": "TRADER_REPLIED", "note": note})).await;
    let since = crossing.run.since;
    let offer = json!({
        "form": "VIDEO_MEDIATION",
        "proposedAt": (since + TimeDelta::days(2)).to_rfc3339(),
        "languages": ["TRADITIONAL_HONG_KONG", "SIMPLIFIED_CHINESE"],
        "note": text("TRADITIONAL_HONG_KONG", "建議視像調解。"),
    });
    crossing.hears("offerSession", offer).await;
    let session = crossing.session().await;
    let answer = json!({"sessionId": session, "accepted": true, "recordingConsent": true});
    crossing.tells("answerOffer", answer).await;
    let amount = json!({"minorUnits": "12900", "currency": "HKD"});
    let held = json!({
        "sessionId": session, "heldAt": since.to_rfc3339(), "recorded": true, "result": "SETTLED", "amount": amount,
        "text": text("TRADITIONAL_HONG_KONG", "雙方達成協議。"),
    });
    crossing.hears("recordCouncilSession", held).await;
    crossing.hears("reportOutcome", json!({"outcome": "SETTLED", "recovered": amount})).await;
    crossing.tells("acknowledgeOutcome", json!({})).await;
    let (head, id) = (At { server: &crossing.run.pair.guangdong, token: &desks.head }, crossing.id.clone());
    crossing.run.refused(head, "eraseReferral", json!({"referralId": id})).await;
}

/// Puts in the bytes of the file that was announced.
async fn put(crossing: &Crossing<'_, '_>, digest: &Digest) {
    let server = &crossing.run.pair.guangdong;
    let root = server.url();
    let url = format!("{}/evidence/{}/{digest}", root.trim_end_matches("/graphql"), crossing.id.as_str().unwrap());
    let request = server.http().put(url).bearer_auth(&crossing.desks.officer).body(FILE.as_bytes().to_vec());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
}

async fn returned(run: &mut Run<'_>, desks: &Desks) {
    let mut crossing = Crossing::begin(run, desks, "CROSS-2", HONG_KONG, &[]).await;
    crossing.prepare("GBA_HONG_KONG").await;
    crossing.sent().await;
    let note = text("TRADITIONAL_HONG_KONG", "商戶不在香港。");
    crossing.hears("returnReferral", json!({"code": "NOT_LOCAL", "note": note})).await;
}

/// The consent is withdrawn once it has left: it is called back by itself, and the other council erases it.
async fn withdrawn(run: &mut Run<'_>, desks: &Desks) {
    let mut crossing = Crossing::begin(run, desks, "CROSS-3", HONG_KONG, &[]).await;
    crossing.prepare("GBA_HONG_KONG").await;
    crossing.sent().await;
    crossing.officer("withdrawConsent", json!({})).await;
    let query = format!("{{ referral(id: {}) {{ stage erased }} }}", crossing.id);
    let at = At { server: &crossing.run.pair.guangdong, token: &desks.officer };
    crossing.run.until(at, &query, |data| data["referral"]["erased"] == json!(true)).await;
    crossing.in_step().await;
}

/// Called back before it has left.
async fn recalled(run: &mut Run<'_>, desks: &Desks) {
    let mut crossing = Crossing::begin(run, desks, "CROSS-4", HONG_KONG, &[]).await;
    crossing.officer("recallReferral", json!({"reason": "SETTLED_HERE"})).await;
}

/// To a council that does not answer: the message is given up, set going again, and given up again.
async fn given_up(run: &mut Run<'_>, desks: &Desks) {
    let mut crossing = Crossing::begin(run, desks, "CROSS-5", MACAO, &[]).await;
    crossing.prepare("GBA_MACAO").await;
    crossing.approve().await;
    let run = crossing.run;
    let at = At { server: &run.pair.guangdong, token: &desks.head };
    let dead = "{ deliveries(partner: \"mo-consumer-council\", state: DEAD) { edges { node { deliveryId } } } }";
    let is_there = |data: &Value| !data["deliveries"]["edges"].as_array().unwrap().is_empty();
    let found = run.until(at, dead, is_there).await;
    let delivery = &found["deliveries"]["edges"][0]["node"]["deliveryId"];
    let redriven = run.act(at, "redriveDelivery", json!({"deliveryId": delivery})).await;
    // As the list shows it behind that act, and not as it stood before.
    let position = redriven["position"].as_str().unwrap();
    let again = dead.replace("state: DEAD", &format!("state: DEAD, atLeast: \"{position}\""));
    run.until(at, &again, is_there).await;
    run.settle(at).await;
}

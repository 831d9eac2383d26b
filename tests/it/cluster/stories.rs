//! What officers do, step by step: complaints from filing to closing, and disputes that cross the border.

use api::auth::Role;
use chrono::Duration;
use domain::day::local_day;
use domain::id::CommandId;
use domain::region::{RegionCode, RegionTable};
use serde_json::{Value, json};

use super::client::{Client, Deed, Dice, Done, Look};
use super::witness::{Filed, count};
use super::world::HONG_KONG;

/// Counties where complaints are filed, in three cities.
pub(super) const COUNTIES: [&str; 3] = ["440106", "440305", "440605"];
/// The council of Guangzhou, which sends disputes across the border.
pub(super) const COUNCIL: &str = "cc-440100";
/// Of ten stories so many are referrals.
const REFERRALS_OF_TEN: u64 = 3;
const FIELDS: [&str; 6] = ["CONSUMER_NAME", "CONSUMER_CONTACT", "TRADER_NAME", "PURCHASE_AMOUNT", "FACTS", "REQUEST"];
const CASES: &str = "cases { id number }";
const CASE: &str = "revision case { stage }";
const REFERRAL: &str = "revision referral { id presentation { contentDigest } }";

/// Tells one story, or as much of it as its client does not give up on.
pub(super) async fn tell(client: &Client<'_>, number: u64) {
    count(&client.witness.counts.stories);
    let mut story = Story { client, number, dice: Dice::new(client.seed, number), steps: 0 };
    // The story itself knows how far it came: whoever gives up leaves it there.
    let _ended = if story.dice.below(10) < REFERRALS_OF_TEN {
        Box::pin(story.referral()).await
    } else {
        Box::pin(story.complaint()).await
    };
}

struct Story<'s, 'w> {
    client: &'s Client<'w>,
    number: u64,
    dice: Dice,
    steps: u32,
}

/// A filing that was answered for.
struct Case {
    id: String,
    number: String,
}

impl Story<'_, '_> {
    /// The id of the next command; the same however often the story is told with the same seed.
    fn command(&mut self) -> CommandId {
        self.steps += 1;
        let (seed, number, step) = (self.client.seed.to_string(), self.number.to_string(), self.steps.to_string());
        CommandId::derived(&["cluster-test", &seed, &number, &step])
    }

    async fn act(&mut self, token: &str, name: &'static str, selection: &'static str, input: Value) -> Option<Done> {
        let command = self.command();
        self.client.act(&mut self.dice, Deed { command, token, name, selection, input }).await
    }

    /// A complaint, from its filing up to some step of its life.
    async fn complaint(&mut self) -> Option<()> {
        let county = COUNTIES[self.dice.place(COUNTIES.len())];
        let (bureau, station) = (format!("gd-{county}"), station(county));
        let clerk = self.client.token("storm-clerk", &[Role::IntakeClerk, Role::Dispatcher], &bureau);
        let officer = self.client.token("storm-officer", &[Role::Handler, Role::Mediator, Role::Head], &station);
        let cases = self.file(&clerk, county).await?;
        let life = life(&station);
        let steps = self.dice.place(life.len() + 1);
        for (who, name, fields) in &life[..steps] {
            let token = if *who == Who::Clerk { &clerk } else { &officer };
            let mut input = fields.clone();
            input["caseId"] = json!(cases[0].id);
            let done = self.act(token, name, CASE, input).await?;
            self.look_at(&clerk, &cases[0], &done).await;
        }
        Some(())
    }

    /// Looks for the case at another node, in the stage that the answer told of: its read models must show it there.
    async fn look_at(&mut self, token: &str, case: &Case, done: &Done) {
        let stage = done.payload["case"]["stage"].as_str().unwrap_or("AT_INTAKE");
        let look = Look {
            token,
            query: "query($at: Position, $number: String!, $stage: Stage!) { cases(atLeast: $at, first: 1, \
                    filter: {number: $number, stage: $stage}) { edges { node { revision } } } }",
            variables: json!({"number": case.number, "stage": stage}),
            revision: "/cases/edges/0/node/revision",
        };
        self.client.look_elsewhere(&mut self.dice, done, look).await;
    }

    /// Files one matter, or two.
    async fn file(&mut self, token: &str, region: &str) -> Option<Vec<Case>> {
        let person = format!("黎示例{:06}", self.number);
        let matters = if self.dice.below(4) == 0 { 2 } else { 1 };
        let facts: Vec<String> = (1..=matters)
            .map(|matter| format!("第{}号手表走时不准，第{matter}次维修后要求退款。", self.number))
            .collect();
        let items: Vec<Value> = facts
            .iter()
            .map(|facts| {
                json!({
                    "kind": "COMPLAINT", "category": "QUALITY", "facts": facts,
                    "respondent": {"name": "示例钟表行"},
                    "amount": {"minorUnits": "12900", "currency": "CNY"},
                    "remedies": ["REFUND"],
                })
            })
            .collect();
        let input = json!({
            "source": "cluster-test",
            "externalNumber": format!("S{:07}", self.number),
            "channel": "WECHAT_MINI",
            "region": region,
            "complainant": {"name": person, "phone": format!("199{:08}", self.number)},
            "items": items,
        });
        let done = self.act(token, "registerFiling", CASES, input).await?;
        let mut cases = Vec::new();
        for (case, facts) in done.payload["cases"].as_array().unwrap().iter().zip(facts) {
            let text = |name: &str| case[name].as_str().unwrap().to_owned();
            let (id, number) = (text("id"), text("number"));
            self.client.witness.is_filed(&id, Filed { number: number.clone(), facts, person: person.clone() });
            cases.push(Case { id, number });
        }
        assert_eq!(cases.len(), matters, "{:#}", done.payload);
        self.look_at(token, &cases[0], &done).await;
        Some(cases)
    }

    /// A dispute that a second person lets leave, and whose consent is withdrawn now and then.
    async fn referral(&mut self) -> Option<()> {
        let officer = self.client.token("storm-referrer", &[Role::IntakeClerk, Role::Handler], COUNCIL);
        let head = self.client.token("storm-head", &[Role::Head], COUNCIL);
        let cases = self.file(&officer, "440100").await?;
        let input = json!({
            "caseId": cases[0].id,
            "partner": HONG_KONG,
            "consent": {
                "consent": format!("C-{}", self.number), "textVersion": "2026-1", "language": "SIMPLIFIED_CHINESE",
                "channel": "ONLINE", "fields": FIELDS, "evidence": "ab".repeat(32),
            },
            "assessment": {
                "route": "GBA_HONG_KONG",
                "instrument": {
                    "number": "SCC-1", "validFrom": day(-100), "validTo": day(900), "filingNumber": "F-1",
                    "filedOn": day(-90),
                },
                "impact": {"number": "PIA-1", "version": 1, "assessedOn": day(-100), "validTo": day(300)},
            },
            "presentation": {
                "age": "ADULT", "retentionTo": day(400), "fields": FIELDS,
                "content": {"request": {"lang": "SIMPLIFIED_CHINESE", "text": "请求退款。"}},
            },
        });
        let referred = self.act(&officer, "referAcrossBorder", REFERRAL, input).await?;
        let id = referred.payload["referral"]["id"].as_str().unwrap().to_owned();
        let witness = self.client.witness;
        // Until the next answer comes nobody knows how far it is.
        witness.note(&id, |referral| referral.uncertain = true);
        let digest = &referred.payload["referral"]["presentation"]["contentDigest"];
        let approval = json!({"referralId": id, "contentDigest": digest});
        let approved = self.act(&head, "approveReferral", REFERRAL, approval).await?;
        witness.note(&id, |referral| referral.approved = true);
        self.look_at_referral(&officer, &cases[0], &approved).await;
        if self.dice.below(4) == 0 {
            let withdrawn = self.act(&officer, "withdrawConsent", REFERRAL, json!({"referralId": id})).await?;
            witness.note(&id, |referral| referral.withdrawn = true);
            self.look_at_referral(&officer, &cases[0], &withdrawn).await;
        }
        witness.note(&id, |referral| referral.uncertain = false);
        Some(())
    }

    /// Looks for the referral at another node: its index must show it.
    async fn look_at_referral(&mut self, token: &str, case: &Case, done: &Done) {
        let look = Look {
            token,
            query: "query($at: Position, $case: UUID!) { referrals(atLeast: $at, first: 1, filter: {caseId: $case}) { \
                    edges { node { revision } } } }",
            variables: json!({"case": case.id}),
            revision: "/referrals/edges/0/node/revision",
        };
        self.client.look_elsewhere(&mut self.dice, done, look).await;
    }
}

/// Who does a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Clerk,
    Officer,
}

/// The life of a complaint behind its filing.
fn life(station: &str) -> Vec<(Who, &'static str, Value)> {
    let money = json!({"minorUnits": "12900", "currency": "CNY"});
    let notice = json!({"subject": "ACCEPTANCE", "to": "COMPLAINANT", "manner": "SMS"});
    vec![
        (Who::Clerk, "dispatchCase", json!({"to": station})),
        (Who::Officer, "receiveCase", json!({"handler": "h-1"})),
        (Who::Officer, "acceptComplaint", json!({})),
        (Who::Officer, "giveNotice", notice),
        (Who::Officer, "noteWork", json!({"kind": "CALL", "text": "联系商家，商家同意调解。"})),
        (Who::Officer, "openMediation", json!({"mode": "PHONE", "bothAgree": true})),
        (Who::Officer, "recordSession", json!({"mode": "PHONE", "result": "AGREED"})),
        (Who::Officer, "reachAgreement", json!({"document": true, "amount": money})),
        (Who::Officer, "closeCase", json!({"outcome": "AGREEMENT", "recoveredLoss": money})),
        (Who::Officer, "reopenCase", json!({"reason": "商家未履行。"})),
    ]
}

/// The first station below a county.
fn station(county: &str) -> String {
    let code = RegionCode::parse(county).unwrap();
    format!("gd-{}", RegionTable::builtin().children(code).next().unwrap().code)
}

fn day(days: i64) -> String {
    (local_day(api::clock::now()) + Duration::days(days)).to_string()
}

//! The lives of some cases, in which every act on a case, a filing and a unit is done.

use api::auth::Role;
use domain::id::{CommandId, FilingId};
use serde_json::{Value, json};

use super::pair::token;
use super::run::{At, Run};

pub(super) const BUREAU: &str = "gd-440106";
pub(super) const STATION: &str = "gd-440106001";
/// The case whose every detail is asked for in the end.
pub(super) const FIRST: &str = "BOTH-1-C1";
const FACTS: &str = "购买的水壶漏水，商家拒绝退款。";

/// What is filed.
fn filing(number: &str, at: &str) -> Value {
    json!({
        "at": at,
        "source": "12315",
        "externalNumber": number,
        "channel": "WECHAT_MINI",
        "region": "440106",
        "complainant": {"name": "陈小明", "phone": "19900001234", "address": "天河区测试路1号"},
        "items": [
            {
                "kind": "COMPLAINT", "category": "QUALITY", "facts": FACTS,
                "respondent": {"name": "广州某某商贸有限公司"},
                "amount": {"minorUnits": "12900", "currency": "CNY"},
                "remedies": ["REFUND"],
            },
            {"kind": "REPORT", "category": "ADVERTISING", "facts": "商家虚假宣传。"},
        ],
    })
}

fn money() -> Value {
    json!({"minorUnits": "12900", "currency": "CNY"})
}

/// A case on its way, and those who work on it.
struct Life<'r, 'p> {
    run: &'r mut Run<'p>,
    clerk: String,
    station: String,
    case: Value,
}

impl Life<'_, '_> {
    async fn file(&mut self, number: &str) {
        let input = filing(number, &self.run.moment());
        let at = At { server: &self.run.pair.guangdong, token: &self.clerk };
        let filed = self.run.act(at, "registerFiling", input).await;
        self.case = filed["cases"][0]["id"].clone();
    }

    async fn bureau(&mut self, name: &str, input: Value) {
        let token = self.clerk.clone();
        self.act(&token, name, input).await;
    }

    async fn station(&mut self, name: &str, input: Value) {
        let token = self.station.clone();
        self.act(&token, name, input).await;
    }

    async fn act(&mut self, token: &str, name: &str, mut input: Value) {
        input["caseId"] = self.case.clone();
        input["at"] = json!(self.run.moment());
        self.run.act(At { server: &self.run.pair.guangdong, token }, name, input).await;
    }
}

/// Tells the lives.
pub(super) async fn tell(run: &mut Run<'_>) {
    let server = &run.pair.guangdong;
    let clerk = token(server, "clerk-1", &Role::ALL, BUREAU);
    let station = token(server, "station-1", &Role::ALL, STATION);
    let administrator = token(server, "admin-1", &[Role::Administrator], "gd");
    let unit = json!({
        "id": "gd-440106-both", "kind": "SERVICE_STATION", "name": "天河测试服务站", "region": "440106", "parent": BUREAU,
    });
    let at = At { server, token: &administrator };
    run.act(at, "registerUnit", unit).await;
    let mut life = Life { run, clerk, station, case: Value::Null };
    Box::pin(mediated(&mut life)).await;
    Box::pin(refused(&mut life)).await;
    Box::pin(settled(&mut life)).await;
    Box::pin(terminated(&mut life)).await;
    Box::pin(withdrawn(&mut life)).await;
    Box::pin(wrong(&mut life)).await;
    Box::pin(in_vain(&mut life)).await;
}

async fn mediated(life: &mut Life<'_, '_>) {
    life.file("BOTH-1").await;
    life.bureau("dispatchCase", json!({"to": STATION, "note": "请尽快处理。"})).await;
    life.station("receiveCase", json!({"handler": "h-1"})).await;
    life.station("assignHandler", json!({"handler": "h-2"})).await;
    life.bureau("urgeCase", json!({"note": "消费者来电催办。"})).await;
    life.station("acceptComplaint", json!({})).await;
    life.station("giveNotice", json!({"subject": "ACCEPTANCE", "to": "COMPLAINANT", "manner": "SMS"})).await;
    life.station("noteWork", json!({"kind": "CALL", "text": "商家同意调解。"})).await;
    life.station("openMediation", json!({"mode": "PHONE", "bothAgree": true})).await;
    life.station("recordSession", json!({"mode": "PHONE", "result": "CONTINUES", "note": "约定再谈。"})).await;
    life.station("recordClue", json!({"summary": "疑似销售不合格商品。"})).await;
    let longer = json!({"clock": "CLK-CLUE-VERIFY", "by": 5, "approver": "head-1", "reason": "需要补充材料。"});
    life.station("extendClock", longer).await;
    life.station("stopClock", json!({"clock": "CLK-MEDIATE", "reason": "TESTING", "evidence": "T-1"})).await;
    life.station("resumeClock", json!({"clock": "CLK-MEDIATE"})).await;
    life.station("decideClue", json!({"filed": false, "note": "证据不足。"})).await;
    life.station("reachAgreement", json!({"document": true, "amount": money()})).await;
    life.station("closeCase", json!({"outcome": "AGREEMENT", "recoveredLoss": money()})).await;
    life.station("reopenCase", json!({"reason": "商家未履行。"})).await;
}

async fn refused(life: &mut Life<'_, '_>) {
    life.file("BOTH-2").await;
    life.bureau("receiveCase", json!({})).await;
    let reason = json!({"ground": "NOT_CONSUMPTION", "reason": "购买用于经营。", "routes": ["COURT", "ARBITRATION"]});
    life.bureau("refuseComplaint", reason).await;
    life.bureau("giveNotice", json!({"subject": "REFUSAL", "to": "COMPLAINANT", "manner": "LETTER"})).await;
    life.bureau("closeCase", json!({"outcome": "NOT_ACCEPTED"})).await;
}

async fn settled(life: &mut Life<'_, '_>) {
    life.file("BOTH-3").await;
    life.bureau("receiveCase", json!({"handler": "h-3"})).await;
    life.bureau("acceptComplaint", json!({})).await;
    life.bureau("settleCase", json!({"amount": money()})).await;
}

async fn terminated(life: &mut Life<'_, '_>) {
    life.file("BOTH-4").await;
    life.bureau("receiveCase", json!({"handler": "h-3"})).await;
    life.bureau("acceptComplaint", json!({})).await;
    life.bureau("openMediation", json!({"mode": "VIDEO", "bothAgree": true})).await;
    life.bureau("terminateMediation", json!({"ground": "ABSENT_OR_REFUSED", "note": "商家不到场。"})).await;
    life.bureau("giveNotice", json!({"subject": "TERMINATION", "to": "COMPLAINANT", "manner": "PHONE"})).await;
    life.bureau("giveNotice", json!({"subject": "TERMINATION", "to": "RESPONDENT", "manner": "PHONE"})).await;
}

async fn withdrawn(life: &mut Life<'_, '_>) {
    life.file("BOTH-5").await;
    life.bureau("dispatchCase", json!({"to": STATION})).await;
    life.station("receiveCase", json!({})).await;
    life.station("returnToIntake", json!({"reason": "NO_TERRITORY", "note": "不在本辖区。"})).await;
    life.bureau("withdrawCase", json!({"reason": "消费者本人撤回。"})).await;
}

/// Three filings lead to no complaint, because the id of the command that registers it is spent; one is tried again,
/// one needs none.
async fn in_vain(life: &mut Life<'_, '_>) {
    let decided = [("BOTH-6", Some("retryRegistration")), ("BOTH-7", None), ("BOTH-8", Some("settleRegistration"))];
    for (number, act) in decided {
        let command = CommandId::derived(&["both-engines", number]);
        let split = command.event(&FilingId::derived("12315", number).stream(), 1);
        let spent = split.command("register-1").to_string();
        life.bureau("noteWork", json!({"commandId": spent, "kind": "CALL", "text": "已联系商家。"})).await;
        let mut input = filing(number, &life.run.moment());
        input["commandId"] = json!(command.to_string());
        let at = At { server: &life.run.pair.guangdong, token: &life.clerk };
        let filed = life.run.act(at, "registerFiling", input).await;
        assert_eq!(filed["unregistered"][0]["obstacle"], "COMMAND_REUSED", "{filed:#}");
        if let Some(act) = act {
            let mut input = json!({"filingId": filed["filingId"], "item": 1});
            if act == "settleRegistration" {
                input["reason"] = json!("DUPLICATE");
            }
            life.run.act(at, act, input).await;
        }
    }
}

/// What is refused is refused alike.
async fn wrong(life: &mut Life<'_, '_>) {
    let Life { run, clerk, station, case } = life;
    let server = &run.pair.guangdong;
    let (clerk, station) = (At { server, token: clerk }, At { server, token: station });
    let again = filing("BOTH-5", &run.moment());
    run.refused(clerk, "registerFiling", again).await;
    let known = json!("0190a6f0-7c11-7d5e-8f7e-1f2a3b4c5d6e");
    let note = |text: &str| json!({"commandId": known, "caseId": case, "kind": "CALL", "text": text});
    run.act(clerk, "noteWork", note("先说的话。")).await;
    // The very same is answered as it was, and another body under its id is refused.
    run.act(clerk, "noteWork", note("先说的话。")).await;
    run.refused(clerk, "noteWork", note("后说的话。")).await;
    let stale = json!({"caseId": case, "kind": "CALL", "text": "x", "expectedRevision": "0"});
    run.refused(clerk, "noteWork", stale).await;
    run.refused(clerk, "closeCase", json!({"caseId": case, "outcome": "AGREEMENT"})).await;
    run.refused(station, "acceptComplaint", json!({"caseId": case})).await;
    run.refused(clerk, "dispatchCase", json!({"caseId": case, "to": "gd-440305"})).await;
}

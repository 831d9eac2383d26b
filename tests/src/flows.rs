//! The steps of a complaint's life over the API, for tests that need a case somewhere on its way.

use api::auth::Role;
use domain::id::{CommandId, FilingId};
use serde_json::{Value, json};

use crate::{TestServer, command_id};

/// A station of Tianhe, Guangzhou.
pub const STATION: &str = "gd-440106001";
/// The bureau above it.
pub const BUREAU: &str = "gd-440106";

/// A case under way, with the tokens of those who work on it.
#[derive(Debug)]
pub struct Flow<'s> {
    pub server: &'s TestServer,
    pub id: String,
    pub clerk: String,
    pub station: String,
}

impl<'s> Flow<'s> {
    /// Files a complaint at the Tianhe bureau.
    pub async fn filed(server: &'s TestServer, number: &str) -> Self {
        Self::filed_with(server, number, "购买的水壶漏水，商家拒绝退款。").await
    }

    /// Files a complaint with these facts.
    pub async fn filed_with(server: &'s TestServer, number: &str, facts: &str) -> Self {
        let clerk = server.token(&[Role::IntakeClerk, Role::Dispatcher], BUREAU);
        let station = server.token(&[Role::Handler, Role::Mediator, Role::Head], STATION);
        let data = server.data(&clerk, REGISTER, json!({"input": filing(number, facts)})).await;
        let id = data["registerFiling"]["cases"][0]["id"].as_str().unwrap_or_default().to_owned();
        let flow = Self { server, id, clerk, station };
        flow.settle(&data["registerFiling"]["position"]).await;
        flow
    }

    /// Sends it to the station, which receives it.
    pub async fn received(self) -> Self {
        let clerk = self.clerk.clone();
        self.act(&clerk, "dispatchCase", "DispatchCaseInput", json!({"to": STATION})).await;
        let station = self.station.clone();
        self.act(&station, "receiveCase", "ReceiveCaseInput", json!({"handler": "h-1"})).await;
        self
    }

    /// The station accepts it and tells the complainant.
    pub async fn accepted(self) -> Self {
        let flow = self.received().await;
        let station = flow.station.clone();
        flow.act(&station, "acceptComplaint", "AcceptComplaintInput", json!({})).await;
        let notice = json!({"subject": "ACCEPTANCE", "to": "COMPLAINANT", "manner": "SMS"});
        flow.act(&station, "giveNotice", "GiveNoticeInput", notice).await;
        flow
    }

    /// Does an act, and waits until the read models show it.
    pub async fn act(&self, token: &str, name: &str, input_type: &str, fields: Value) -> Value {
        let answer = self.try_act(token, name, input_type, fields).await;
        assert!(answer.get("errors").is_none(), "{name}: {answer:#}");
        let payload = answer["data"][name].clone();
        self.settle(&payload["position"]).await;
        payload
    }

    /// Does an act, whatever comes of it.
    pub async fn try_act(&self, token: &str, name: &str, input_type: &str, mut fields: Value) -> Value {
        if fields.get("commandId").is_none() {
            fields["commandId"] = json!(command_id());
        }
        fields["caseId"] = json!(self.id);
        let query = format!(
            "mutation($input: {input_type}!) {{ {name}(input: $input) {{ revision position repeated case {{ stage \
             allowedActions revision }} }} }}"
        );
        self.server.ask(token, &query, json!({"input": fields})).await
    }

    async fn settle(&self, position: &Value) {
        let query = "query($at: Position) { cases(first: 1, atLeast: $at) { totalCount } }";
        self.server.data(&self.clerk, query, json!({"at": position})).await;
    }
}

/// The mutation that files.
pub const REGISTER: &str = "mutation($input: RegisterFilingInput!) { registerFiling(input: $input) { filingId position \
                            repeated cases { id number stage } unregistered { filingId item number unitId obstacle } } \
                            }";

/// Files what leads to no complaint with its first matter: the id of the command that would register it has been spent
/// on something else. Answers what `registerFiling` answers.
pub async fn filed_in_vain(server: &TestServer, input: &Value) -> Value {
    filed_with_spent(server, input, &["register-1"]).await
}

/// Files something, after the ids of commands that would follow from it have been spent on something else. Answers what
/// `registerFiling` answers.
pub async fn filed_with_spent(server: &TestServer, input: &Value, steps: &[&str]) -> Value {
    let text = |name: &str| input[name].as_str().unwrap();
    let filing = FilingId::derived(text("source"), text("externalNumber"));
    // The split is the second event of a filing, and what follows from it is derived from its id.
    let split = CommandId::parse(text("commandId")).unwrap().event(&filing.stream(), 1);
    let flow = Flow::filed(server, &format!("{}-SPENT", text("externalNumber"))).await;
    let clerk = flow.clerk.clone();
    for step in steps {
        let note = json!({"commandId": split.command(step).to_string(), "kind": "CALL", "text": "已联系商家。"});
        flow.act(&clerk, "noteWork", "NoteWorkInput", note).await;
    }
    let data = server.data(&clerk, REGISTER, json!({"input": input})).await;
    data["registerFiling"].clone()
}

/// A filing's input.
#[must_use]
pub fn filing(number: &str, facts: &str) -> Value {
    json!({
        "commandId": command_id(),
        "source": "12315",
        "externalNumber": number,
        "channel": "WECHAT_MINI",
        "region": "440106",
        "complainant": {"name": "陈小明", "phone": "19900001234", "address": "天河区测试路1号"},
        "items": [{
            "kind": "COMPLAINT",
            "category": "QUALITY",
            "facts": facts,
            "respondent": {"name": "广州某某商贸有限公司"},
            "amount": {"minorUnits": "12900", "currency": "CNY"},
            "remedies": ["REFUND"],
        }],
    })
}

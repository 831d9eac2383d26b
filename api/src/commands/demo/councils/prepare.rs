//! What the sending council does before a referral leaves: files the dispute, and hands the mutations what they take.

use chrono::TimeDelta;
use cross_border::exchange::Digest;
use cross_border::partner::Place;
use domain::day::local_day;
use serde_json::{Value, json};
use uuid::Uuid;

use super::deed::command;
use super::place::{council, language, name_of, region};
use super::plot::Plot;
use super::texts::{REQUEST, bought, money, person};
use crate::graphql::referral::enums::LegalRoute;

/// The kind of the files of the play.
pub(super) const MEDIA: &str = "text/plain";

/// What leaves, as the consumer agreed to it.
const FIELDS: [&str; 8] = [
    "CONSUMER_NAME",
    "CONSUMER_CONTACT",
    "TRADER_NAME",
    "PURCHASE_DATE",
    "PURCHASE_ITEM",
    "PURCHASE_AMOUNT",
    "FACTS",
    "REQUEST",
];

fn fields(plot: &Plot) -> Vec<&'static str> {
    let mut fields = FIELDS.to_vec();
    if plot.kind.has_file() {
        fields.push("EVIDENCE");
    }
    fields
}

/// The local day so many days from now.
fn day(days: i64) -> String {
    let today = local_day(crate::clock::now());
    today.checked_add_signed(TimeDelta::days(days)).unwrap_or(today).to_string()
}

/// 来件登记: what the consumer complains of.
pub(super) fn filing(plot: &Plot) -> Value {
    let (name, phone) = person(plot);
    let goods = bought(plot);
    json!({
        "commandId": command(plot, "file"),
        "source": "councils-demo",
        "externalNumber": plot.key(),
        "channel": if plot.from == Place::Guangdong { "WECHAT_MINI" } else { "WEB" },
        "region": region(plot.from),
        "complainant": { "name": name, "phone": phone },
        "items": [{
            "kind": "COMPLAINT",
            "category": "QUALITY",
            "facts": goods.facts.of(plot.from),
            "respondent": { "name": goods.trader.of(plot.from) },
            "amount": money(plot.to, plot.paid()),
            "remedies": ["REFUND"],
        }],
    })
}

/// 跨境转办: with the consent and the legal route.
pub(super) fn referral(plot: &Plot, case: &str) -> Value {
    let key = plot.key();
    json!({
        "commandId": command(plot, "refer"),
        "caseId": case,
        "partner": council(plot.to).id.as_str(),
        "consent": {
            "consent": format!("C-{key}"),
            "textVersion": "2026-1",
            "language": language(plot.from),
            "channel": "ONLINE",
            "fields": fields(plot),
            "evidence": Digest::of(format!("consent C-{key}").as_bytes()).as_str(),
        },
        "assessment": assessment(plot),
    })
}

/// The route of the sender's law, with what it rests on.
fn assessment(plot: &Plot) -> Value {
    let route = match (plot.from, plot.to) {
        (Place::HongKong, _) => return json!({ "route": name_of(LegalRoute::PdpoConsent) }),
        (Place::Macao, _) => return json!({ "route": name_of(LegalRoute::MacaoConsent) }),
        (Place::Guangdong, Place::Macao) => LegalRoute::GbaMacao,
        (Place::Guangdong, Place::HongKong | Place::Guangdong) => LegalRoute::GbaHongKong,
    };
    json!({
        "route": name_of(route),
        "instrument": {
            "number": format!("SCC-{}", plot.to),
            "validFrom": day(-200),
            "validTo": day(900),
            "filingNumber": format!("F-{}", plot.to),
            "filedOn": day(-195),
        },
        "impact": { "number": "PIA-1", "version": 1, "assessedOn": day(-200), "validTo": day(300) },
    })
}

/// 补充证据: the file that the consumer attaches.
pub(super) fn announcement(plot: &Plot, referral: Uuid, file: &str) -> Value {
    json!({
        "commandId": command(plot, "announce"),
        "referralId": referral,
        "digest": Digest::of(file.as_bytes()).as_str(),
        "name": format!("receipt-{}.txt", plot.key()),
        "bytes": file.len(),
        "media": MEDIA,
    })
}

/// 送审: what is to leave, with what the case does not hold.
pub(super) fn presentation(plot: &Plot, referral: Uuid) -> Value {
    json!({
        "commandId": command(plot, "present"),
        "referralId": referral,
        "presentation": {
            "age": "ADULT",
            "retentionTo": day(365),
            "fields": fields(plot),
            "content": {
                "purchaseDate": day(-3),
                "purchaseItem": bought(plot).item.of(plot.from),
                "request": REQUEST.text(plot.from),
            },
        },
    })
}

/// 审批发出: of the content with this digest.
pub(super) fn approval(plot: &Plot, referral: Uuid, digest: &str) -> Value {
    json!({ "commandId": command(plot, "approve"), "referralId": referral, "contentDigest": digest })
}

#[cfg(test)]
mod tests {
    use super::super::plot::{BLOCK, draw};
    use super::*;

    #[test]
    fn what_leaves_is_what_was_agreed_to_and_every_route_is_of_the_senders_law() {
        for plot in draw(1, BLOCK, 2) {
            let referral = referral(&plot, "00000000-0000-0000-0000-000000000001");
            let presented = presentation(&plot, Uuid::from_u128(1));
            assert_eq!(referral["consent"]["fields"], presented["presentation"]["fields"]);
            let route = referral["assessment"]["route"].as_str().unwrap();
            let expected = match plot.from {
                Place::Guangdong if plot.to == Place::Macao => "GBA_MACAO",
                Place::Guangdong => "GBA_HONG_KONG",
                Place::HongKong => "PDPO_CONSENT",
                Place::Macao => "MACAO_CONSENT",
            };
            assert_eq!(route, expected);
            assert_eq!(referral["assessment"]["instrument"].is_object(), plot.from == Place::Guangdong);
        }
    }

    #[test]
    fn only_what_has_a_file_says_so() {
        for plot in draw(1, BLOCK, 2) {
            let has_evidence = fields(&plot).contains(&"EVIDENCE");
            assert_eq!(has_evidence, plot.kind.has_file());
        }
    }
}

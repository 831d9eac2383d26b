//! The gates before sending: each must be open, and those that are shut are named one by one.
//!
//! They follow from PIPL Art. 23, 28, 31, 38, 39 and 55, from the standard contracts of the Greater Bay Area (mainland
//! senders of the nine cities only, nothing beyond the three places), from Order 121 Art. 37 (nothing of a report), from
//! what the recipient takes, and from two persons having looked. They are shown as soon as something is presented
//! ([`ahead`]) and bind when it is sent ([`shut`]), and again when a file of ours follows it ([`shut_to_file`]). A
//! contract counts as filed only once it is: the ten working days that its parties have for filing are not used, which
//! is the stricter reading.

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use domain::region::RegionTable;
use domain::vocabulary::vocabulary;

use super::event::Assessed;
use super::state::Transfer;
use super::vocabulary::{DataField, FieldClass, LegalRoute};
use crate::exchange::{AgeBand, ScanState};
use crate::partner::{Partner, PartnerRegister, Place};

vocabulary! {
    /// What is missing before a referral may be sent.
    Gate {
        NotAssessed = "not-assessed", "未作合法性评估";
        InstrumentMissing = "contract-missing", "没有合同、认证或者批准";
        InstrumentNotInForce = "contract-not-in-force", "合同不在有效期内";
        InstrumentNotFiled = "contract-not-filed", "合同未备案";
        RouteElsewhere = "route-elsewhere", "该途径不适用于双方所在地";
        SenderOutsideNineCities = "sender-outside-nine-cities", "发送方不在大湾区内地九市";
        ImpactMissing = "impact-missing", "未作个人信息保护影响评估";
        ImpactExpired = "impact-expired", "个人信息保护影响评估已过期";
        ImportantData = "important-data", "含重要数据";
        ConsentMissing = "consent-missing", "没有单独同意";
        ConsentWithdrawn = "consent-withdrawn", "同意已撤回";
        ConsentForAnotherRecipient = "consent-for-another-recipient", "同意不及于此接收方";
        ConsentForAnotherPurpose = "consent-for-another-purpose", "同意不及于此目的";
        ConsentForFewerFields = "consent-for-fewer-fields", "同意不及于全部字段";
        NotSealed = "not-sealed", "未封装";
        FieldNotListed = "field-not-listed", "含非必要字段";
        ReportData = "report-data", "含举报内容";
        NotPresented = "not-presented", "未送审";
        NotAsPresented = "not-as-presented", "与送审内容不一致";
        ChildWithoutGuardian = "child-without-guardian", "不满十四周岁，没有监护人同意";
        MinorToHongKong = "minor-to-hong-kong", "未成年人资料送香港，没有监护人同意";
        SensitiveByExemption = "sensitive-by-exemption", "敏感个人信息不适用免予前述程序";
        FieldNotTakenByPartner = "field-not-taken", "含接收方不收取的字段";
        OnwardTransfer = "onward-transfer", "将转往三地之外";
        InfectedEvidence = "infected-evidence", "证据含恶意代码";
        /// It was presented before contents were kept.
        ContentNotPresented = "content-not-presented", "送审时未附内容";
        /// Of the texts, which are looked through before they are sealed; no field of the message may hold such a number.
        IdNumberInText = "id-number-in-text", "文字含证件号码";
        BankCardInText = "bank-card-in-text", "文字含银行卡号";
        /// And the consumer's contact is not among the fields.
        PhoneInText = "phone-in-text", "文字含手机号码";
    }
}

/// The gates that are shut on the day, in the order of [`Gate::ALL`]; none means that the referral may be sent.
#[must_use]
pub fn shut(transfer: &Transfer, day: NaiveDate) -> Vec<Gate> {
    match &transfer.sealed {
        Some(sealed) => found(transfer, &sealed.fields, day),
        None => {
            let mut shut = found(transfer, &[], day);
            shut.push(Gate::NotSealed);
            shut.sort_unstable();
            shut
        }
    }
}

/// The gates that would be shut on the day if what was presented were sealed as it is: for showing ahead of submitting.
#[must_use]
pub fn ahead(transfer: &Transfer, day: NaiveDate) -> Vec<Gate> {
    let fields = transfer.presented.as_ref().map_or(&[][..], |presented| presented.fields.as_slice());
    found(transfer, fields, day)
}

/// The gates that are shut on the day to a file that follows what has left.
///
/// Nobody reads it a second time, so files must be among the fields that were let go. How the words of the message were
/// presented, and what a scanner found in another file, is no matter of this one.
pub(super) fn shut_to_file(transfer: &Transfer, day: NaiveDate) -> Vec<Gate> {
    let mut shut = standing(transfer, &[DataField::Evidence], day);
    shut.sort_unstable();
    shut
}

fn found(transfer: &Transfer, message: &[DataField], day: NaiveDate) -> Vec<Gate> {
    let mut shut = standing(transfer, message, day);
    if transfer.presented.as_ref().is_some_and(|presented| presented.content.is_none()) {
        shut.push(Gate::ContentNotPresented);
    }
    if transfer.evidence.values().any(|evidence| evidence.scan == ScanState::Infected) {
        shut.push(Gate::InfectedEvidence);
    }
    shut.sort_unstable();
    shut
}

/// Those that ask for the basis of the transfer and for these fields, whatever carries them; in no order.
fn standing(transfer: &Transfer, message: &[DataField], day: NaiveDate) -> Vec<Gate> {
    let mut shut = Vec::new();
    let partner = PartnerRegister::builtin().get(&transfer.drafted.partner);
    match &transfer.assessed {
        None => shut.push(Gate::NotAssessed),
        Some(assessed) => {
            instrument(assessed, day, &mut shut);
            area(transfer, assessed, partner, &mut shut);
            impact(assessed, day, &mut shut);
        }
    }
    consent(transfer, message, &mut shut);
    fields(message, partner, &mut shut);
    match &transfer.presented {
        None => shut.push(Gate::NotPresented),
        Some(presented) => {
            if !message.iter().all(|field| presented.fields.contains(field)) {
                shut.push(Gate::NotAsPresented);
            }
            if presented.onward_to.is_some() {
                shut.push(Gate::OnwardTransfer);
            }
            guardian(transfer, presented.age, partner, &mut shut);
            exemption(transfer, presented.age, &mut shut);
        }
    }
    shut
}

fn instrument(assessed: &Assessed, day: NaiveDate, shut: &mut Vec<Gate>) {
    if !assessed.route.needs_instrument() {
        return;
    }
    let Some(instrument) = &assessed.instrument else {
        shut.push(Gate::InstrumentMissing);
        return;
    };
    if day < instrument.valid_from || day > instrument.valid_to {
        shut.push(Gate::InstrumentNotInForce);
    }
    let filed = instrument.filing.as_ref().is_some_and(|filing| filing.on <= day);
    if assessed.route.needs_filing() && !filed {
        shut.push(Gate::InstrumentNotFiled);
    }
}

/// A way is of the sender's own law, or a contract between its place and the recipient's, and no farther.
fn area(transfer: &Transfer, assessed: &Assessed, partner: Option<&Partner>, shut: &mut Vec<Gate>) {
    let sender = transfer.place();
    let carried = match (sender, partner) {
        (Some(from), Some(partner)) => assessed.route.carries(from, partner.place),
        (Some(_) | None, _) => false,
    };
    if !carried {
        shut.push(Gate::RouteElsewhere);
    }
    // Hong Kong and Macao are of the area as they are; on the mainland it is nine cities of a province.
    if assessed.route.gba_place().is_some() && sender == Some(Place::Guangdong) {
        let seat = RegionTable::builtin().get(transfer.drafted.seat);
        if seat.is_none_or(|seat| !seat.gba9) {
            shut.push(Gate::SenderOutsideNineCities);
        }
    }
}

fn impact(assessed: &Assessed, day: NaiveDate, shut: &mut Vec<Gate>) {
    match &assessed.impact {
        None if assessed.route.needs_impact() => shut.push(Gate::ImpactMissing),
        Some(impact) if day > impact.valid_to => shut.push(Gate::ImpactExpired),
        Some(_) | None => {}
    }
    if assessed.important_data {
        shut.push(Gate::ImportantData);
    }
}

fn consent(transfer: &Transfer, message: &[DataField], shut: &mut Vec<Gate>) {
    let Some(consent) = &transfer.consent else {
        shut.push(Gate::ConsentMissing);
        return;
    };
    let captured = &consent.captured;
    if consent.withdrawn {
        shut.push(Gate::ConsentWithdrawn);
    }
    if captured.recipient != transfer.drafted.partner {
        shut.push(Gate::ConsentForAnotherRecipient);
    }
    if captured.purpose != transfer.drafted.purpose {
        shut.push(Gate::ConsentForAnotherPurpose);
    }
    if !message.iter().all(|field| captured.fields.contains(field)) {
        shut.push(Gate::ConsentForFewerFields);
    }
}

fn fields(message: &[DataField], partner: Option<&Partner>, shut: &mut Vec<Gate>) {
    let holds = |class: FieldClass| message.iter().any(|field| field.class() == class);
    if holds(FieldClass::Unlisted) {
        shut.push(Gate::FieldNotListed);
    }
    if holds(FieldClass::Report) {
        shut.push(Gate::ReportData);
    }
    // What no referral may hold is named above, whoever would take it.
    let taken = |field: DataField| partner.is_some_and(|partner| partner.takes(field));
    if message.iter().any(|field| field.class() == FieldClass::Listed && !taken(*field)) {
        shut.push(Gate::FieldNotTakenByPartner);
    }
}

/// For a child under fourteen a guardian consents (PIPL Art. 31); the council of Hong Kong takes nothing of anybody
/// under eighteen without a parent.
fn guardian(transfer: &Transfer, age: AgeBand, partner: Option<&Partner>, shut: &mut Vec<Gate>) {
    if age == AgeBand::Adult || transfer.consent.as_ref().is_some_and(|consent| consent.captured.by_guardian) {
        return;
    }
    if age == AgeBand::Child {
        shut.push(Gate::ChildWithoutGuardian);
    }
    if partner.is_some_and(|partner| partner.place == Place::HongKong) {
        shut.push(Gate::MinorToHongKong);
    }
}

/// The exemption of small numbers is not for sensitive data, and a child's are (PIPL Art. 28), whoever consents. Which
/// exemption is claimed is not recorded, so none carries them.
fn exemption(transfer: &Transfer, age: AgeBand, shut: &mut Vec<Gate>) {
    let exempt = transfer.assessed.as_ref().is_some_and(|assessed| assessed.route == LegalRoute::Exempt);
    if exempt && age == AgeBand::Child {
        shut.push(Gate::SensitiveByExemption);
    }
}

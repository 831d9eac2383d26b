use cross_border::evidence::sniff;
use cross_border::exchange::{MessageKind, ReceiptStatus, ScanState, SessionForm, SessionResult, Step};
use cross_border::partner::Language;
use cross_border::referral::vocabulary::{
    LegalRoute, ProgressKind, Purpose, RecallReason, ReferralOutcome, ReturnCode,
};
use domain::money::Currency;

use super::*;

/// The definition of a type, its fields' descriptions included.
fn definition<'s>(sdl: &'s str, name: &str) -> &'s str {
    let from = ["input", "type", "enum", "scalar"]
        .iter()
        .find_map(|keyword| sdl.find(&format!("\n{keyword} {name} {{")))
        .unwrap_or_else(|| panic!("{name} is not defined"));
    let rest = &sdl[from..];
    &rest[..rest.find("\n}").unwrap()]
}

/// A definition names every code of a list between backquotes.
fn assert_names(sdl: &str, name: &str, codes: impl IntoIterator<Item = &'static str>) {
    let definition = definition(sdl, name);
    for code in codes {
        assert!(definition.contains(&format!("`{code}`")), "{name} does not name `{code}`");
    }
}

#[test]
fn every_code_list_stands_in_the_contract() {
    macro_rules! names {
        ($($input:literal: $vocabulary:ident,)+) => {
            let sdl = sdl();
            $(assert_names(&sdl, $input, $vocabulary::ALL.iter().map(|entry| entry.code()));)+
        };
    }
    names! {
        "SubmissionInput": Purpose,
        "SubmissionInput": LegalRoute,
        "LangTextInput": Language,
        "ReturnInput": ReturnCode,
        "OfferInput": SessionForm,
        "SessionReportInput": SessionResult,
        "OutcomeInput": ReferralOutcome,
        "RecallInput": RecallReason,
        "ReminderInput": Step,
        "ReceiptPayload": ReceiptStatus,
        "LaneEntry": MessageKind,
        "EvidenceInfo": ScanState,
    }
    let sdl = sdl();
    assert_names(&sdl, "ProgressInput", [ProgressKind::Handling.code(), ProgressKind::TraderReplied.code()]);
    assert_names(&sdl, "MoneyInput", [Currency::Cny.code(), Currency::Hkd.code(), Currency::Mop.code()]);
    let taken = sniff::taken();
    let item = definition(&sdl, "EvidenceItemInput");
    assert!(taken.split(", ").count() > 5, "{taken}");
    for media in taken.split(", ") {
        assert!(item.contains(&format!("`{media}`")), "{media}");
    }
}

#[test]
fn every_type_of_the_contract_says_what_it_is() {
    let sdl = sdl();
    let mut before = "";
    for line in sdl.lines() {
        let defines = ["type ", "input ", "enum ", "scalar "].iter().any(|keyword| line.starts_with(keyword));
        assert!(!defines || before.ends_with("\"\"\""), "{line} has no description");
        before = line;
    }
}

#[test]
fn the_contract_has_a_mutation_for_every_kind_of_message() {
    let sdl = sdl();
    let mutation = definition(&sdl, "Mutation");
    for kind in MessageKind::ALL {
        let document = cross_border::delivery::documents::of(*kind);
        assert!(mutation.contains(&format!("{}(", document.field)), "{kind}");
    }
}

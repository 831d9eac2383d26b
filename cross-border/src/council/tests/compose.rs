//! A submission holds what was asked for and nothing else, and a gate names what a partner does not take.

use domain::id::{ComplaintId, FilingId, SubjectId};

use crate::council::testing::dispute::{ADDRESS, FACTS, NAME, PHONE, REQUEST, ask};
use crate::council::testing::{GUANGDONG, MACAO, Pair, SECOND};
use crate::council::{Ask, CouncilError};
use crate::exchange::{Consumer, Trader};
use crate::partner::Language;
use crate::referral::vocabulary::DataField;
use crate::referral::{Gate, Rejection};

#[tokio::test]
async fn only_the_fields_that_were_asked_for_are_opened() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let complaint = origin.file_complaint().await;
    let to = pair.target.own();
    let whole = origin.council.compose(complaint, ask(origin.council.place(), to)).await.unwrap();
    assert_eq!(whole.consumer.name.as_deref(), Some(NAME));
    assert_eq!(whole.consumer.contact.as_deref(), Some(PHONE));
    assert_eq!(whole.facts.as_ref().map(|facts| facts.text.as_str()), Some(FACTS));
    assert_eq!(whole.request.as_ref().map(|request| request.text.as_str()), Some(REQUEST));
    assert_eq!(whole.purchase.amount.map(|amount| amount.minor()), Some(128_800));
    assert_eq!(whole.trader.address, None, "the filing has it, nobody asked for it");
    let rendered: Vec<_> = whole.renditions.iter().map(|rendition| (rendition.of.as_str(), rendition.lang)).collect();
    assert_eq!(rendered, [("facts", Language::TraditionalHongKong), ("request", Language::TraditionalHongKong)]);
    assert!(whole.renditions[0].text.contains("買"), "{}", whole.renditions[0].text);
    assert!(!serde_json::to_string(&whole).unwrap().contains(ADDRESS));

    let few = Ask { fields: vec![DataField::TraderName], ..ask(origin.council.place(), to) };
    let few = origin.council.compose(complaint, few).await.unwrap();
    assert_eq!(few.fields(), [DataField::TraderName]);
    assert_eq!(few.consumer, Consumer::default());
    assert_eq!(few.trader, Trader { name: whole.trader.name, ..Trader::default() });
    assert!(few.renditions.is_empty());
}

#[tokio::test]
async fn what_has_no_place_in_a_message_cannot_be_asked_for() {
    let pair = Pair::new();
    let complaint = pair.origin.file_complaint().await;
    for field in [DataField::ConsumerAddress, DataField::ConsumerIdNumber, DataField::ReportContent] {
        let ask = Ask { fields: vec![DataField::Facts, field], ..ask(pair.origin.council.place(), pair.target.own()) };
        let refused = pair.origin.council.compose(complaint, ask).await;
        assert!(matches!(refused, Err(CouncilError::NoPlace { field: named }) if named == field), "{refused:?}");
    }
}

#[tokio::test]
async fn what_the_partner_does_not_take_is_left_to_the_gate_that_names_it() {
    let pair = Pair::of(GUANGDONG, MACAO);
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    let mut ask = ask(origin.council.place(), pair.target.own());
    ask.fields.push(DataField::ConsumerLanguage);
    ask.language = Some(Language::Portuguese);
    let submission = origin.council.compose(origin.complaint(), ask.clone()).await.unwrap();
    assert!(submission.fields().contains(&DataField::ConsumerLanguage));
    origin.lay(here, ask).await.unwrap();
    let refused = origin.let_go(here, SECOND).await;
    let Err(CouncilError::Rejected(Rejection::Gates(gates))) = refused else { panic!("{refused:?}") };
    assert!(gates.contains(&Gate::FieldNotTakenByPartner), "{gates:?}");
    assert!(origin.outbox(here).is_empty());
}

#[tokio::test]
async fn what_was_left_out_is_recorded() {
    let pair = Pair::new();
    let here = pair.origin.submit(pair.target.own()).await;
    let sealed = pair.origin.transfer(here).await.sealed.unwrap();
    assert_eq!(sealed.removed, [DataField::TraderAddress, DataField::ConsumerAddress]);
    assert_eq!(sealed.renditions, [Language::TraditionalHongKong]);
}

#[tokio::test]
async fn nothing_is_composed_of_nobody_or_of_a_person_who_was_erased() {
    let pair = Pair::new();
    let council = &pair.origin.council;
    let ask = || ask(council.place(), pair.target.own());
    let unknown = ComplaintId::of_item(FilingId::derived("elsewhere", "1"), 1);
    let refused = council.compose(unknown, ask()).await;
    assert!(matches!(refused, Err(CouncilError::NotFound { what: "complaint" })), "{refused:?}");
    assert_eq!(council.held(unknown).await.unwrap(), []);

    let complaint = pair.origin.file_complaint().await;
    let filing = FilingId::derived(GUANGDONG, "1");
    council.vault.destroy(SubjectId::in_filing(filing, "complainant")).unwrap();
    let refused = council.compose(complaint, ask()).await;
    assert!(matches!(refused, Err(CouncilError::Erased)), "{refused:?}");
}

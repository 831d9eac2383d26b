//! What leaves is what a second person has read, word for word.

use domain::money::{Currency, Money};
use event_log::execute::Done;
use serde_json::{Value, json};

use crate::council::testing::dispute::{
    ADDRESS, FACTS, NAME, PHONE, REQUEST, ask, assessed, consent, fields, presentation,
};
use crate::council::testing::{FIRST, Node, Pair, SECOND, day, text};
use crate::council::{Ask, Beginning, CouncilError, FoundInText, Given, PRESENTED_PURPOSE, Presentation};
use crate::evidence::sniff::tests::PDF;
use crate::exchange::body::{Acknowledgement, Progress};
use crate::exchange::{AgeBand, Consumer, LangText, Purchase};
use crate::partner::Language;
use crate::referral::assess::Assess;
use crate::referral::capture_consent::CaptureConsent;
use crate::referral::vocabulary::{DataField, ProgressKind};
use crate::referral::{Act, Action, Gate, Referral, ReferralId, Rejection};

/// Whatever can leave without a file.
fn whole() -> Presentation {
    let given = Given {
        purchase: Purchase { item: Some("手机".to_owned()), ..Purchase::default() },
        request: Some(chinese(REQUEST)),
        ..Given::default()
    };
    let fields = fields().into_iter().filter(|field| *field != DataField::Evidence).collect();
    Presentation { fields, given, ..presentation(day("2027-05-18")) }
}

fn chinese(words: &str) -> LangText {
    text(Language::SimplifiedChinese, words)
}

fn saying(facts: &str) -> Presentation {
    let whole = whole();
    Presentation { given: Given { facts: Some(chinese(facts)), ..whole.given }, ..whole }
}

async fn present(node: &Node, id: ReferralId, presentation: Presentation) -> Result<Done<Referral>, CouncilError> {
    node.council.present(id, node.command(), node.caller(FIRST), None, None, presentation).await
}

/// What is presented now, as the second person reads it.
async fn read(node: &Node, id: ReferralId) -> String {
    let content = node.transfer(id).await.presented.unwrap().content.unwrap();
    node.council.open(PRESENTED_PURPOSE, &content.text).await.unwrap().unwrap()
}

/// How far its stream has come.
async fn length(node: &Node, id: ReferralId) -> usize {
    node.council.load(id).await.unwrap().events.len()
}

#[tokio::test]
async fn what_was_read_is_what_leaves_letter_by_letter() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    present(origin, here, whole()).await.unwrap();
    let shown = read(origin, here).await;
    for held in [NAME, PHONE, FACTS, REQUEST, "手机"] {
        assert!(shown.contains(held), "{held}");
    }
    assert!(!shown.contains(ADDRESS), "the case has it, and nobody asked for it");
    origin.let_go(here, SECOND).await.unwrap();
    let row = origin.outbox(here).remove(0);
    let message: Value = serde_json::from_str(&origin.message(&row).await.text).unwrap();
    assert_eq!(serde_json_canonicalizer::to_string(&message["body"]).unwrap(), shown);
}

#[tokio::test]
async fn only_the_content_that_was_read_is_approved() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    present(origin, here, whole()).await.unwrap();
    let digest = origin.shown(here).await;
    // The same once more is the same; other words or other terms are not.
    present(origin, here, whole()).await.unwrap();
    assert_eq!(origin.shown(here).await, digest);
    for other in [saying("另一种说法"), Presentation { age: AgeBand::Minor, ..whole() }] {
        present(origin, here, other).await.unwrap();
        let now = origin.shown(here).await;
        assert_ne!(now, digest);
        let approve = origin.council.submit(here, origin.command(), origin.caller(SECOND), None, digest.clone());
        let refused = approve.await;
        assert!(
            matches!(&refused, Err(CouncilError::Rejected(Rejection::OtherContent { presented })) if *presented == now),
            "{refused:?}"
        );
    }
    present(origin, here, whole()).await.unwrap();
    let (command, caller) = (origin.command(), origin.caller(SECOND));
    let approve = || origin.council.submit(here, command, caller.clone(), None, digest.clone());
    let first = approve().await.unwrap();
    let again = approve().await.unwrap();
    assert!(!first.repeated && again.repeated && again.revision == first.revision);
    assert_eq!(origin.outbox(here).len(), 1);
}

#[tokio::test]
async fn a_file_that_comes_later_is_presented_anew_and_only_once_it_is_here() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    let read_before = origin.shown(here).await;
    let digest = origin.announce(here, "receipt", "application/pdf", PDF).await.unwrap();
    assert_eq!(origin.transfer(here).await.presented, None);
    let refused = origin.council.submit(here, origin.command(), origin.caller(SECOND), None, read_before).await;
    let Err(CouncilError::Rejected(Rejection::Gates(gates))) = refused else { panic!("{refused:?}") };
    assert_eq!(gates, [Gate::NotPresented]);

    let listing = || Presentation { fields: fields(), ..whole() };
    let refused = present(origin, here, listing()).await;
    assert!(matches!(&refused, Err(CouncilError::FileMissing { digest: named }) if *named == digest), "{refused:?}");
    origin.put_in(here, &digest, PDF).await.unwrap();
    present(origin, here, listing()).await.unwrap();
    assert!(read(origin, here).await.contains(digest.as_str()));
    let content = origin.transfer(here).await.presented.unwrap().content.unwrap();
    assert_eq!(content.evidence, std::slice::from_ref(&digest));
    let refused = origin.let_go(here, FIRST).await;
    assert!(matches!(refused, Err(CouncilError::Rejected(Rejection::SameApprover))), "{refused:?}");
    origin.let_go(here, SECOND).await.unwrap();
    assert!(origin.transfer(here).await.evidence.contains_key(&digest));
}

#[tokio::test]
async fn what_is_asked_for_is_there_and_what_is_given_is_asked_for() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    let before = length(origin, here).await;
    let more = |field| Presentation { fields: [whole().fields, vec![field]].concat(), ..whole() };
    for field in [DataField::TraderLink, DataField::Evidence] {
        let refused = present(origin, here, more(field)).await;
        assert!(matches!(&refused, Err(CouncilError::Missing { fields }) if *fields == [field]), "{refused:?}");
    }
    let refused = present(origin, here, more(DataField::ConsumerIdNumber)).await;
    assert!(matches!(refused, Err(CouncilError::NoPlace { field: DataField::ConsumerIdNumber })), "{refused:?}");
    let silent = Presentation { fields: vec![DataField::ConsumerName], ..whole() };
    let refused = present(origin, here, silent).await;
    let beyond = [DataField::PurchaseItem, DataField::Request];
    assert!(matches!(&refused, Err(CouncilError::Beyond { fields }) if *fields == beyond), "{refused:?}");
    assert_eq!(length(origin, here).await, before, "nothing was changed");

    let consumer = Consumer { name: Some("陈大武".to_owned()), ..Consumer::default() };
    let amount = Some(Money::new(100, Currency::Hkd).unwrap());
    let purchase = Purchase { amount, ..whole().given.purchase };
    let given = Given { consumer, purchase, rights_contact: Some("12345".to_owned()), ..whole().given };
    present(origin, here, Presentation { given, ..whole() }).await.unwrap();
    let shown: Value = serde_json::from_str(&read(origin, here).await).unwrap();
    assert_eq!(shown["consumer"]["name"], "陈大武", "instead of what the case holds");
    assert_eq!((&shown["purchase"]["amount"]["minor"], &shown["rightsContact"]), (&json!(100), &json!("12345")));
}

#[tokio::test]
async fn lines_end_in_one_way_and_what_nobody_sees_is_refused() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    let whole = whole();
    let (facts, request) = (Some(chinese("一\r\n二\r三\t四")), Some(chinese("退\r\n款")));
    let given = Given { facts, request, ..whole.given.clone() };
    present(origin, here, Presentation { given, ..whole.clone() }).await.unwrap();
    let shown: Value = serde_json::from_str(&read(origin, here).await).unwrap();
    assert_eq!((&shown["facts"]["text"], &shown["request"]["text"]), (&json!("一\n二\n三 四"), &json!("退\n款")));
    for unseen in ['\u{ad}', '\u{2028}', '\u{2060}', '\u{e0041}', '\u{e001}'] {
        let refused = present(origin, here, saying(&format!("手{unseen}机"))).await;
        assert!(matches!(refused, Err(CouncilError::Message(_))), "{:x}: {refused:?}", u32::from(unseen));
    }
}

#[tokio::test]
async fn numbers_of_people_stay_here_and_only_their_places_are_told() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    let before = length(origin, here).await;
    let no_contact = |facts: &str| {
        let fields = whole().fields.into_iter().filter(|field| *field != DataField::ConsumerContact).collect();
        Presentation { fields, ..saying(facts) }
    };
    for (presentation, gate, number, offset) in [
        (saying("身份证11010519491231002X。"), Gate::IdNumberInText, "11010519491231002X", 3),
        (saying("持A123456(3)"), Gate::IdNumberInText, "A123456", 1),
        (saying("刷卡4111 1111 1111 1111"), Gate::BankCardInText, "4111", 2),
        (no_contact("商家手机13900139000"), Gate::PhoneInText, "13900139000", 4),
    ] {
        let refused = present(origin, here, presentation).await.unwrap_err();
        assert!(!refused.to_string().contains(number), "{refused}");
        let CouncilError::Numbers(found) = refused else { panic!("{refused:?}") };
        let texts: Vec<&str> = found.iter().map(|found| found.text).collect();
        assert_eq!(texts, ["facts", "renditions"], "the text and what was made of it");
        assert_eq!(found[0], FoundInText { gate, text: "facts", offset });
    }
    assert_eq!(length(origin, here).await, before);
    // The consumer's telephone is among what may leave, a masked number is none, and an order is not looked at.
    let whole = saying("来电13900139000，卡4111 **** **** 1111");
    let purchase = Purchase { order: Some("4111111111111111".to_owned()), ..whole.given.purchase.clone() };
    let fields = [whole.fields.clone(), vec![DataField::PurchaseOrder]].concat();
    present(origin, here, Presentation { fields, given: Given { purchase, ..whole.given.clone() }, ..whole })
        .await
        .unwrap();
}

#[tokio::test]
async fn numbers_of_people_stay_out_of_what_is_told_later() {
    let pair = Pair::new();
    let (here, there) = pair.delivered().await;
    let noted = |words: &str| Progress { progress: ProgressKind::Handling, note: Some(chinese(words)) };
    pair.target.tell(there, Acknowledgement { reference: "T-9".to_owned() }).await.unwrap();
    let refused = pair.target.tell(there, noted("卡4111111111111111")).await;
    assert!(
        matches!(&refused, Err(CouncilError::Numbers(found)) if found[0].text == "note" && found[0].offset == 1),
        "{refused:?}"
    );
    // Whoever sent the consumer here knows how the consumer is reached.
    pair.target.tell(there, noted("已致电13900139000")).await.unwrap();
    let refused = pair.origin.announce(here, "身份证11010519491231002X.pdf", "application/pdf", PDF).await;
    assert!(matches!(&refused, Err(CouncilError::Numbers(found)) if found[0].text == "evidence.name"), "{refused:?}");
    pair.settle(here).await;
    pair.assert_agreed(here).await;
}

#[tokio::test]
async fn a_referral_is_begun_as_a_whole_or_not_at_all() {
    let pair = Pair::new();
    let (origin, to) = (&pair.origin, pair.target.own());
    origin.file_complaint().await;
    let draft = origin.draft(to);
    let id = draft.drafted.referral;
    let then = vec![
        Act::CaptureConsent(Box::new(CaptureConsent { consent: consent(to) })),
        Act::Assess(Box::new(Assess { assessed: assessed(origin.council.place(), to) })),
    ];
    let beginning = |then: Vec<Act>, presentation| Beginning { draft: draft.clone(), then, presentation };
    let command = origin.command();
    let begin = |beginning| origin.council.begin(command, origin.caller(FIRST), None, beginning);
    for (refused, what) in [
        (begin(beginning(Vec::new(), Some(whole()))).await, "without consent and assessment"),
        (begin(beginning(then.clone(), Some(saying("卡4111111111111111")))).await, "with a number in a text"),
        (begin(beginning(vec![then[1].clone()], None)).await, "in another order"),
    ] {
        match refused {
            Err(
                CouncilError::Rejected(Rejection::InStep { step: Action::Present | Action::Assess, .. })
                | CouncilError::Numbers(_),
            ) => {}
            other => panic!("{what}: {other:?}"),
        }
        assert!(origin.council.load(id).await.unwrap().events.is_empty(), "{what}");
    }
    let first = begin(beginning(then.clone(), Some(whole()))).await.unwrap();
    let loaded = origin.council.load(id).await.unwrap();
    let kinds: Vec<&str> = loaded.events.iter().map(|event| &*event.kind).collect();
    let all = ["referral.drafted", "referral.consent-captured", "referral.assessed", "referral.presented"];
    assert_eq!(kinds, all);
    assert!(loaded.events.iter().all(|event| event.meta().unwrap().command == command.id), "one append");
    let again = begin(beginning(then, Some(whole()))).await.unwrap();
    assert!(again.repeated && again.revision == first.revision);
    origin.let_go(id, SECOND).await.unwrap();
}

#[tokio::test]
async fn a_content_is_erased_with_the_person() {
    let pair = Pair::new();
    let origin = &pair.origin;
    let here = origin.prepare(pair.target.own()).await;
    let subject = origin.transfer(here).await.subject().unwrap();
    origin.council.vault.destroy(subject).unwrap();
    let refused = origin.let_go(here, SECOND).await;
    assert!(matches!(refused, Err(CouncilError::Erased)), "{refused:?}");
    let ask = Ask { fields: vec![DataField::PurchaseItem], ..ask(origin.council.place(), pair.target.own()) };
    let refused = origin.lay(here, ask).await;
    assert!(matches!(refused, Err(CouncilError::Erased)), "{refused:?}");
}

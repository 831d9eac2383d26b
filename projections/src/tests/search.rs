//! Search: both scripts, words of two characters and of one, and no way to write the index's own language.

use std::sync::atomic::Ordering;

use domain::complaint::ComplaintEvent;
use domain::complaint::event::ReturnedToIntake;
use domain::complaint::vocabulary::ReturnReason;
use domain::envelope::Position;
use domain::privacy::Sealed;

use super::kit::{
    Asked, Kit, Log, closed, day, dispatched, first_page, hour, province, region, registered_with, subject, unit,
};
use crate::assembler::TextJob;
use crate::search::TextRow;
use crate::{ApplyError, AsOf, CaseFilter, Known, Measure, ReadModels, Scope, StageFilter, rebuild};

fn log() -> Log {
    let mut log = Log::with_units();
    log.case(1, hour(0, 9), &registered_with(1, "广州好又多超市有限公司", "购买的手机有质量问题，要求退款。"));
    log.case(2, hour(1, 9), &registered_with(2, "香港優質電器行", "電視機質量不好，商家拒絕退款"));
    log.case(3, hour(2, 9), &registered_with(3, "Lojas Coração Lda.", "Reclamação: iPhone15 não funciona; 要求换货"));
    log.case(2, hour(3, 9), &closed(false, None));
    log
}

fn found(models: &ReadModels, filter: &CaseFilter) -> Vec<u128> {
    let page = models.cases(filter, &first_page(100)).unwrap();
    assert_eq!(models.count_cases(filter).unwrap(), u64::try_from(page.rows.len()).unwrap());
    page.rows.iter().map(|(row, _)| row.id.as_uuid().as_u128() - 1_000).collect()
}

fn text(models: &ReadModels, text: &str) -> Vec<u128> {
    found(models, &CaseFilter { text: Some(text.to_owned()), ..CaseFilter::new(province()) })
}

fn business(models: &ReadModels, business: &str) -> Vec<u128> {
    found(models, &CaseFilter { business: Some(business.to_owned()), ..CaseFilter::new(province()) })
}

#[test]
fn both_scripts_find_both_scripts() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 2);
    assert_eq!(text(&models, "退款"), [2, 1]);
    assert_eq!(text(&models, "质量"), [2, 1]);
    assert_eq!(text(&models, "質量"), [2, 1]);
    assert_eq!(text(&models, "質量問題"), [1]);
    assert_eq!(text(&models, "电视"), [2]);
    // Two pairs that do not stand together are not the word.
    assert!(text(&models, "量题").is_empty());
}

#[test]
fn one_character_is_enough() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 2);
    assert_eq!(text(&models, "退"), [2, 1]);
    assert_eq!(text(&models, "换"), [3]);
    // The last of its run, and the only one.
    assert_eq!(text(&models, "题"), [1]);
    assert_eq!(text(&models, "款"), [2, 1]);
}

#[test]
fn words_and_numbers_are_found_by_their_beginning() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 2);
    assert_eq!(text(&models, "IPHONE"), [3]);
    assert_eq!(text(&models, "reclamacao"), [3]);
    assert_eq!(text(&models, "ｒｅｃｌａｍａ"), [3]);
    assert_eq!(text(&models, "44010002"), [2]);
    assert_eq!(text(&models, "4401"), [3, 2, 1]);
    assert_eq!(text(&models, "要求 退款"), [1]);
    assert!(text(&models, "phone").is_empty());
}

#[test]
fn a_business_is_found_by_part_of_its_name_or_by_its_code() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 2);
    assert_eq!(business(&models, "好又多"), [1]);
    assert_eq!(business(&models, "优质电器"), [2]);
    assert_eq!(business(&models, "coracao"), [3]);
    assert_eq!(business(&models, "91440101MA50000002"), [2]);
    assert_eq!(business(&models, "91440101ma50000002"), [2]);
    // What stands in the facts is not the business.
    assert!(business(&models, "退款").is_empty());
}

#[test]
fn the_language_of_the_index_cannot_be_written() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 2);
    for hostile in [
        "\"",
        "退款\"",
        "\" OR \"退款",
        "facts : 退款",
        "-退款",
        "^退款",
        "NEAR(退款 质量, 5)",
        "退款*",
        "{number respondent} : 退",
        "' OR 1=1 --",
        "退款) OR (质量",
        "\0",
    ] {
        // Nothing fails; only the letters and digits count.
        let _ = text(&models, hostile);
        let _ = business(&models, hostile);
    }
    assert_eq!(text(&models, "\"退款\""), [2, 1]);
    assert!(text(&models, "退款 OR 换货").is_empty());
    assert!(text(&models, "!!! ???").is_empty());
}

#[test]
fn a_search_goes_together_with_the_list_behind_a_number() {
    let kit = Kit::new();
    let models = kit.filled("m.sqlite", &log().events, 2);
    let filter = CaseFilter {
        text: Some("退款".into()),
        measure: Some((Measure::Open, AsOf { day: day(9), known: Known::Now })),
        ..CaseFilter::new(province())
    };
    assert_eq!(found(&models, &filter), [1]);
}

#[test]
fn a_case_that_has_left_is_counted_where_it_was_and_asked_about_no_more() {
    let kit = Kit::new();
    let mut log = log();
    let returned =
        ReturnedToIntake { from: unit("gz-th"), to: unit("gz"), reason: ReturnReason::NoTerritory, note: None };
    log.case(1, hour(4, 9), &ComplaintEvent::ReturnedToIntake(returned));
    log.case(1, hour(5, 9), &dispatched("sz-ft"));
    let models = kit.filled("m.sqlite", &log.events, 2);
    let received = |scope: Scope| CaseFilter {
        measure: Some((Measure::Received, AsOf { day: day(9), known: Known::Now })),
        ..CaseFilter::new(vec![scope])
    };
    let asked = |bare: &CaseFilter| {
        [
            CaseFilter { text: Some("手机".into()), ..bare.clone() },
            CaseFilter { stage: Some(StageFilter::Dispatched), ..bare.clone() },
            CaseFilter { number: Some("44010001".to_owned()), ..bare.clone() },
            CaseFilter { business: Some("好又多".to_owned()), ..bare.clone() },
            CaseFilter { business: Some("91440101MA50000001".to_owned()), ..bare.clone() },
        ]
    };
    for scope in [Scope::Unit(unit("gz-th")), Scope::Unit(unit("gz")), Scope::Region(region("440100"))] {
        let bare = received(scope);
        assert_eq!(found(&models, &bare), [3, 2, 1]);
        for filter in asked(&bare) {
            assert!(found(&models, &filter).is_empty(), "{filter:?}");
        }
        // What is still there can be asked about.
        let staying = CaseFilter { text: Some("换货".into()), ..bare };
        assert_eq!(found(&models, &staying), [3]);
    }
    // Whoever may see both places may ask, also about those that counted in one of them.
    let mut both = received(Scope::Unit(unit("gz-th")));
    both.scope.push(Scope::Unit(unit("sz-ft")));
    let narrowed = CaseFilter { unit: Some(unit("gz-th")), ..received(province().remove(0)) };
    for filter in [both, narrowed].iter().flat_map(asked) {
        assert_eq!(found(&models, &filter), [1], "{filter:?}");
    }
}

#[test]
fn the_erased_are_found_no_more() {
    let kit = Kit::new();
    let log = log();
    let models = kit.filled("m.sqlite", &log.events, 2);
    assert_eq!(models.forget(subject(1)).unwrap(), 1);
    assert_eq!(text(&models, "退款"), [2]);
    assert_eq!(business(&models, "好又多"), [1]);
    models.compact_search().unwrap();
    assert_eq!(text(&models, "44010001"), [1]);
    // A fresh build leaves them out by itself.
    kit.facts.erased.store(true, Ordering::SeqCst);
    let fresh = kit.filled("n.sqlite", &log.events, 2);
    assert!(text(&fresh, "退款").is_empty());
    assert_eq!(text(&fresh, "4401").len(), 3);
}

#[test]
fn whose_facts_a_page_holds_is_told_before_the_first_is_opened() {
    let kit = Kit::new();
    let log = log();
    let asked = || std::mem::take(&mut *kit.facts.asked.lock().unwrap());
    let page = |of: &[u128]| {
        let subjects: Vec<_> = of.iter().copied().map(subject).collect();
        let opened: Vec<_> = subjects.iter().copied().map(Asked::Open).collect();
        [vec![Asked::Prepare(subjects)], opened].concat()
    };
    drop(kit.filled("followed.sqlite", &log.events, 100));
    assert_eq!(asked(), page(&[1, 2, 3]));
    // The log gives seven events at a time, and six of them are the units.
    rebuild(log.clone(), &kit.options("built.sqlite"), &mut |_, _| {}).unwrap();
    assert_eq!(asked(), [page(&[1]), page(&[2, 3])].concat());
}

#[test]
fn a_page_whose_keys_nobody_answers_for_fails_before_any_value_is_opened() {
    let kit = Kit::new();
    let log = log();
    let models = kit.open("m.sqlite");
    kit.facts.silent.store(true, Ordering::SeqCst);
    let refused = models.apply(&log.events).unwrap_err();
    assert!(matches!(refused, ApplyError::Facts { .. }) && refused.is_retryable(), "{refused:?}");
    let rebuilt = rebuild(log.clone(), &kit.options("n.sqlite"), &mut |_, _| {});
    assert!(rebuilt.is_err(), "{rebuilt:?}");
    let asked = kit.facts.asked.lock().unwrap().clone();
    assert!(!asked.is_empty() && asked.iter().all(|asked| matches!(asked, Asked::Prepare(_))), "{asked:?}");
    assert_eq!(models.position(), None);
    kit.facts.silent.store(false, Ordering::SeqCst);
    models.apply(&log.events).unwrap();
    assert_eq!(text(&models, "4401").len(), 3);
}

#[test]
fn a_long_page_of_a_rebuild_is_told_part_by_part() {
    let kit = Kit::new();
    let job = |number: u32| TextJob {
        key: number,
        position: Position::new(u64::from(number)),
        number: "44010001".into(),
        respondent: None,
        uscc: None,
        facts: Some(Sealed::new(subject(u128::from(number)), String::new(), "要求退款".to_owned())),
    };
    let jobs: Vec<TextJob> = (1..=1_025).map(job).collect();
    assert_eq!(TextRow::prepare_all(&jobs, &*kit.facts).unwrap().len(), jobs.len());
    let asked = kit.facts.asked.lock().unwrap();
    assert!(matches!(&asked[0], Asked::Prepare(first) if first.len() == 1_024));
    assert!(matches!(&asked[1_025], Asked::Prepare(rest) if *rest == [subject(1_025)]));
    assert_eq!(asked.len(), 1_025 + 2);
}

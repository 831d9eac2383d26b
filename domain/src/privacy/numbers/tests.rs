use proptest::prelude::*;

use super::{FoundNumber, MAINLAND_WEIGHTS, NumberKind, find_numbers, luhn, weighed};

fn kinds(text: &str) -> Vec<NumberKind> {
    find_numbers(text).into_iter().map(|found| found.kind).collect()
}

#[test]
fn an_identity_number_of_the_mainland_is_known_by_its_check_character() {
    // The examples of the standard itself.
    for text in [
        "身份证11010519491231002X。",
        "身份证号：440524188001010014",
        "１１０１０５１９４９１２３１００２ｘ",
        "110105 19491231 002X",
        "440524-18800101-0014",
    ] {
        assert_eq!(kinds(text), [NumberKind::IdentityDocument], "{text}");
    }
    // Another check character, no date of birth, one digit more, fifteen digits, letters behind.
    for text in [
        "110105194912310021",
        "11010519491231002",
        "110105199913310025",
        "4405241880010100143",
        "110105491231002",
        "11010519491231002XY",
    ] {
        assert_eq!(find_numbers(text), [], "{text}");
    }
}

#[test]
fn an_identity_card_of_hong_kong_is_known_by_its_check_character() {
    for text in
        ["A123456(3)", "a123456（3）", "身份證A1234563", "持AB987654(3)投訴", "G123456(A)", "G123456A", "A123456 (3)"]
    {
        assert_eq!(kinds(text), [NumberKind::IdentityDocument], "{text}");
    }
    for text in ["A123456(4)", "A1234564", "型号BA1234563", "ABC123456(3)", "A123456", "A12345634", "1A123456(3)"] {
        assert_eq!(find_numbers(text), [], "{text}");
    }
}

#[test]
fn an_identity_card_of_macao_is_known_by_its_brackets() {
    for text in ["1234567(8)", "證件5012345（6）號", "7654321 (0)"] {
        assert_eq!(kinds(text), [NumberKind::IdentityDocument], "{text}");
    }
    for text in ["1234567", "12345678", "123456(7)", "12345678(9)", "1234567(89)", "X1234567(8)"] {
        assert_eq!(find_numbers(text), [], "{text}");
    }
}

#[test]
fn a_card_is_known_by_its_check_digit() {
    for text in [
        "卡号4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "3782 822463 10005",
        "378282246310005",
        "6222 0212 3456 7890 128",
        "4222222222222",
    ] {
        assert_eq!(kinds(text), [NumberKind::BankCard], "{text}");
    }
    for text in [
        "4111111111111112",
        "4111 1111-1111 1111",
        "411111 1111111111",
        "41111111111111111111",
        "411111111111",
        "2026-05-18 10:30",
        "12,345,678.90元",
    ] {
        assert_eq!(find_numbers(text), [], "{text}");
    }
}

#[test]
fn a_mobile_telephone_of_the_mainland_is_known_by_its_beginning() {
    for text in
        ["电话13800138000", "138-0013-8000", "138 0013 8000", "+8613800138000", "+86 13800138000", "0086 138 0013 8000"]
    {
        assert_eq!(kinds(text), [NumberKind::MobilePhone], "{text}");
    }
    // Other numbers of eleven digits, those of Hong Kong and Macao, fixed lines.
    for text in
        ["12800138000", "23800138000", "138001380001", "91234567", "+852 9123 4567", "6612 3456", "020-87654321"]
    {
        assert_eq!(find_numbers(text), [], "{text}");
    }
}

#[test]
fn each_is_named_with_the_characters_before_it() {
    let text = "顾客A123456(3)刷卡4111 1111 1111 1111，\n电话13800138000";
    let at = |kind, offset| FoundNumber { kind, offset };
    let found = [at(NumberKind::IdentityDocument, 2), at(NumberKind::BankCard, 14), at(NumberKind::MobilePhone, 37)];
    assert_eq!(find_numbers(text), found);
    for FoundNumber { offset, .. } in found {
        let tail: String = text.chars().skip(offset).collect();
        assert!(["A123", "4111", "1380"].iter().any(|start| tail.starts_with(start)), "{tail}");
    }
    assert_eq!(find_numbers("订单A-1，金额1288.00元，2026年5月18日"), []);
}

/// The last character that makes 17 digits a number of the mainland.
fn check_character(digits: &[u32]) -> char {
    let sum = weighed(digits.iter().copied(), &MAINLAND_WEIGHTS);
    match (12 - sum % 11) % 11 {
        10 => 'X',
        digit => char::from_digit(digit, 10).unwrap(),
    }
}

proptest! {
    #[test]
    fn every_number_of_the_mainland_is_found_and_none_with_another_check_character(
        region in 110_000_u32..660_000, year in 1900_u32..2026, month in 1_u32..13, day in 1_u32..29,
        order in 0_u32..1_000, wrong in 1_u32..11,
    ) {
        let body = format!("{region:06}{year:04}{month:02}{day:02}{order:03}");
        let digits: Vec<u32> = body.chars().filter_map(|digit| digit.to_digit(10)).collect();
        let right = check_character(&digits);
        prop_assert_eq!(kinds(&format!("持{body}{right}的")), [NumberKind::IdentityDocument]);
        let other = (right.to_digit(10).unwrap_or(10) + wrong) % 11;
        let other = char::from_digit(other, 10).unwrap_or('X');
        let found = kinds(&format!("持{body}{other}的"));
        prop_assert!(!found.contains(&NumberKind::IdentityDocument), "{:?}", found);
    }

    #[test]
    fn every_card_is_found_whole_and_in_fours(body in prop::collection::vec(0_u32..10, 12..19)) {
        let last = (0..10).find(|last| luhn(&[body.as_slice(), &[*last]].concat())).unwrap();
        let all = [body.as_slice(), &[last]].concat();
        let text: String = all.iter().filter_map(|digit| char::from_digit(*digit, 10)).collect();
        // A number may be of two sorts; that it is stopped is what counts.
        prop_assert_eq!(find_numbers(&format!("卡{text}，")).len(), 1);
        let fours: Vec<String> = all
            .chunks(4)
            .map(|four| four.iter().filter_map(|digit| char::from_digit(*digit, 10)).collect())
            .collect();
        let text = format!("卡{}，", fours.join(" "));
        prop_assert!(!find_numbers(&text).is_empty());
    }

    #[test]
    fn any_text_is_looked_through(text in any::<String>()) {
        let chars = text.chars().count();
        prop_assert!(find_numbers(&text).iter().all(|found| found.offset < chars));
    }
}

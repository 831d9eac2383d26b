//! What a filing says in clear: the business complained of, which may be a person who sells. Nothing of it can be
//! erased, and dashboards of others show it, so that no number of a person may stand there.
//!
//! The numbers that sources give to their matters are not looked at: one of a region, a day and a serial number is built
//! like an identity number.

use crate::complaint::event::Respondent;
use crate::privacy::numbers::{FoundNumber, NumberKind, find_numbers};

/// Where a number of a person stands in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InClear {
    /// The text, by its name in the filing.
    pub text: &'static str,
    /// Characters of that text before the number.
    pub offset: usize,
}

/// The characters of a unified social credit code (统一社会信用代码) in the order of their values (GB 32100-2015, 4.4).
const CODE_CHARACTERS: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Codes that a market regulator gave begin so.
const OF_MARKET_REGULATION: char = '9';

/// The first number of a person in what is said of a business.
pub(super) fn find(respondent: &Respondent) -> Option<InClear> {
    let first =
        |text: &'static str, found: Vec<FoundNumber>| found.first().map(|found| InClear { text, offset: found.offset });
    let name = first("respondent.name", find_numbers(&respondent.name));
    let address = || respondent.address.as_deref().and_then(|text| first("respondent.address", find_numbers(text)));
    let code = || respondent.uscc.as_deref().and_then(|code| first("respondent.creditCode", persons(code)));
    name.or_else(address).or_else(code)
}

/// Identity numbers in the place of a credit code. A code of digits alone may be built like one.
fn persons(code: &str) -> Vec<FoundNumber> {
    if code.starts_with(OF_MARKET_REGULATION) && has_right_check_character(code) {
        return Vec::new();
    }
    let mut found = find_numbers(code);
    found.retain(|found| found.kind == NumberKind::IdentityDocument);
    found
}

/// Whether the weighed values add up to 0 modulo 31; the weights are the powers of 3 (GB 32100-2015, annex A).
fn has_right_check_character(code: &str) -> bool {
    let values: Option<Vec<usize>> =
        code.chars().map(|character| CODE_CHARACTERS.chars().position(|one| one == character)).collect();
    let Some((check, values)) = values.as_deref().and_then(<[usize]>::split_last) else { return false };
    let (sum, _) = values.iter().fold((0, 1), |(sum, weight), value| ((sum + value * weight) % 31, weight * 3 % 31));
    (sum + check).is_multiple_of(31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Respondent {
        Respondent {
            name: "广州市天河区某某百货商店".to_owned(),
            uscc: Some("91440101MA5XXXXX0K".to_owned()),
            address: Some("天河路 8 号 2 楼，510000".to_owned()),
        }
    }

    #[test]
    fn a_business_is_named_by_name_address_and_code() {
        assert_eq!(find(&shop()), None);
    }

    #[test]
    fn a_number_of_a_person_is_found_in_each() {
        let found = |change: fn(&mut Respondent)| {
            let mut respondent = shop();
            change(&mut respondent);
            find(&respondent).map(|found| (found.text, found.offset))
        };
        let name = found(|shop| shop.name = "李某（手机 13812345678）".to_owned());
        assert_eq!(name, Some(("respondent.name", 6)));
        // The example of GB 11643.
        let address = found(|shop| shop.address = Some("李某 11010519491231002X".to_owned()));
        assert_eq!(address, Some(("respondent.address", 3)));
        let code = found(|shop| shop.uscc = Some("11010519491231002X".to_owned()));
        assert_eq!(code, Some(("respondent.creditCode", 0)));
    }

    #[test]
    fn a_code_that_is_built_like_an_identity_number_is_taken_for_a_code() {
        let code = "914401182403223919";
        assert_eq!(find_numbers(code).first().map(|found| found.kind), Some(NumberKind::IdentityDocument));
        assert!(has_right_check_character(code));
        assert_eq!(find(&Respondent { uscc: Some(code.to_owned()), ..shop() }), None);
    }

    #[test]
    fn the_check_character_of_a_code_is_the_one_of_the_standard() {
        // Of two companies that publish theirs.
        for right in ["91440300708461136T", "914403001922038216"] {
            assert!(has_right_check_character(right), "{right}");
            assert!(!has_right_check_character(&format!("{}0", &right[..17])), "{right}");
        }
        assert!(!has_right_check_character("") && !has_right_check_character("91440101ma5xxxxx0k"));
    }
}

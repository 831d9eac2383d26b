//! Numbers of people that stand in free texts: of identity documents, bank cards and mobile telephones.
//!
//! Only what can be told from other numbers with some certainty is found, so that a text with an amount or an order
//! number is rarely stopped:
//!
//! - the resident identity number of the mainland, 18 characters with a date of birth and the right check character
//!   (GB 11643, ISO 7064 MOD 11-2); the one of 15 digits, which has none, is not;
//! - the Hong Kong identity card, one or two letters and six digits with the right check character, in brackets or not;
//! - the Macao resident identity card as it is printed, seven digits and one in brackets: its check digit is not public;
//! - bank cards, 13 to 19 digits with the right check digit (ISO/IEC 7812-1, Luhn). One number in ten has it by chance,
//!   and the serial number of a mobile device (IMEI) has it by its own rule;
//! - mobile telephones of the mainland, 11 digits from 13 to 19 on. Those of Hong Kong and Macao have eight digits as so
//!   much else has, dates among it, and are left out.
//!
//! Digits count as together when they stand side by side or in the groups in which such a number is usually written,
//! with one space or hyphen between them; full-width digits are digits.

/// What a number is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NumberKind {
    IdentityDocument,
    BankCard,
    MobilePhone,
}

/// Where a number stands. The number itself is not repeated: whoever is told of it need not read it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundNumber {
    pub kind: NumberKind,
    /// Characters of the text before it.
    pub offset: usize,
}

/// Groups that the longest number is written in.
const GROUPS_MAX: usize = 5;
/// Letters before the digits of a Hong Kong identity card.
const LETTERS_MAX: usize = 2;
/// The characters of a mainland number are weighed with these and add up to 1 modulo 11.
const MAINLAND_WEIGHTS: [u32; 18] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1];
/// Those of a Hong Kong card with these, and add up to 0; a card with one letter has a blank before it.
const HONG_KONG_WEIGHTS: [u32; 9] = [9, 8, 7, 6, 5, 4, 3, 2, 1];
const BLANK: u32 = 36;

/// Digits that stand side by side.
#[derive(Debug)]
struct Run {
    start: usize,
    digits: Vec<u32>,
}

impl Run {
    fn end(&self) -> usize {
        self.start.saturating_add(self.digits.len())
    }
}

/// A number, and how many runs of digits it takes up.
struct Sighting {
    found: FoundNumber,
    runs: usize,
}

/// The numbers of people in a text, from its beginning on.
#[must_use]
pub fn find_numbers(text: &str) -> Vec<FoundNumber> {
    let chars: Vec<char> = text.chars().map(plain).collect();
    let runs = runs(&chars);
    let mut rest = runs.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let sighting = (1..=GROUPS_MAX).rev().find_map(|groups| sight(&chars, rest.get(..groups)?));
        let taken = sighting.as_ref().map_or(1, |sighting| sighting.runs);
        found.extend(sighting.map(|sighting| sighting.found));
        rest = rest.get(taken..).unwrap_or_default();
    }
    found
}

/// The character in half width, with one space and one hyphen for all that look like them.
fn plain(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character).saturating_sub(0xfee0)).unwrap_or(character).to_ascii_uppercase()
        }
        '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other.to_ascii_uppercase(),
    }
}

fn runs(chars: &[char]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (at, character) in chars.iter().enumerate() {
        let Some(digit) = character.to_digit(10) else { continue };
        match runs.last_mut() {
            Some(run) if run.end() == at => run.digits.push(digit),
            Some(_) | None => runs.push(Run { start: at, digits: vec![digit] }),
        }
    }
    runs
}

/// The number that these runs are together, all of them.
fn sight(chars: &[char], runs: &[Run]) -> Option<Sighting> {
    let (first, last) = (runs.first()?, runs.last()?);
    if !is_one(chars, runs) {
        return None;
    }
    let mut digits: Vec<u32> = runs.iter().flat_map(|run| run.digits.iter().copied()).collect();
    let lengths: Vec<usize> = runs.iter().map(|run| run.digits.len()).collect();
    let at = |kind, offset| Some(Sighting { found: FoundNumber { kind, offset }, runs: runs.len() });
    if let Some(offset) = hong_kong(chars, runs) {
        return at(NumberKind::IdentityDocument, offset);
    }
    if let [7] = lengths.as_slice()
        && bracketed(chars, first.end()).is_some_and(|digit| digit.is_ascii_digit())
        && !is_glued(chars, first.start)
    {
        return at(NumberKind::IdentityDocument, first.start);
    }
    if is_mobile(&lengths, &digits) {
        return at(NumberKind::MobilePhone, first.start);
    }
    let card = is_card(&lengths) && luhn(&digits);
    if let [17] | [6, 8, 3] = lengths.as_slice()
        && chars.get(last.end()) == Some(&'X')
        && !is_letter_or_digit(chars.get(last.end().saturating_add(1)))
    {
        digits.push(10);
    }
    if matches!(lengths.as_slice(), [17 | 18] | [6, 8, 3 | 4]) && is_mainland(&digits) {
        return at(NumberKind::IdentityDocument, first.start);
    }
    if card { at(NumberKind::BankCard, first.start) } else { None }
}

/// Whether nothing but the same space or hyphen stands between one run and the next.
fn is_one(chars: &[char], runs: &[Run]) -> bool {
    let separator = runs.first().and_then(|run| chars.get(run.end()));
    runs.windows(2).all(|pair| match pair {
        [one, next] => {
            let apart = next.start == one.end().saturating_add(1);
            apart && chars.get(one.end()) == separator && matches!(separator, Some(' ' | '-'))
        }
        _ => true,
    })
}

fn is_letter_or_digit(character: Option<&char>) -> bool {
    character.is_some_and(char::is_ascii_alphanumeric)
}

/// Whether a letter or digit stands right before this place.
fn is_glued(chars: &[char], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|before| is_letter_or_digit(chars.get(before)))
}

/// The one character in brackets behind this place, with or without a space between.
fn bracketed(chars: &[char], at: usize) -> Option<char> {
    let rest = chars.get(at..)?;
    match rest.strip_prefix(&[' ']).unwrap_or(rest) {
        ['(', inside, ')', ..] => Some(*inside),
        _ => None,
    }
}

/// Where the Hong Kong identity card begins that these digits are of.
fn hong_kong(chars: &[char], runs: &[Run]) -> Option<usize> {
    let [run] = runs else { return None };
    let (number, check) = match run.digits.as_slice() {
        [number @ .., check] if run.digits.len() == 7 && !is_letter_or_digit(chars.get(run.end())) => (number, *check),
        number if run.digits.len() == 6 => (number, check_behind(chars, run.end())?),
        _ => return None,
    };
    let before = chars.get(..run.start)?;
    let letters = before.iter().rev().take_while(|character| character.is_ascii_uppercase()).count();
    if letters == 0 || letters > LETTERS_MAX {
        return None;
    }
    let start = run.start.saturating_sub(letters);
    if is_glued(chars, start) {
        return None;
    }
    let blank = (letters == 1).then_some(BLANK);
    let values = before.get(start..)?.iter().filter_map(|letter| letter.to_digit(36));
    let all = blank.into_iter().chain(values).chain(number.iter().copied()).chain([check]);
    weighed(all, &HONG_KONG_WEIGHTS).is_multiple_of(11).then_some(start)
}

/// The check character behind six digits: in brackets, or the letter that stands for ten.
fn check_behind(chars: &[char], at: usize) -> Option<u32> {
    let alone = || {
        let letter = *chars.get(at)?;
        (letter == 'A' && !is_letter_or_digit(chars.get(at.saturating_add(1)))).then_some(letter)
    };
    let check = bracketed(chars, at).or_else(alone)?;
    check.to_digit(11)
}

fn weighed(values: impl Iterator<Item = u32>, weights: &[u32]) -> u32 {
    values.zip(weights).map(|(value, weight)| value.saturating_mul(*weight)).sum()
}

/// Whether these are the 18 characters of a resident of the mainland.
fn is_mainland(digits: &[u32]) -> bool {
    let [_, _, _, _, _, _, y1, y2, y3, y4, m1, m2, d1, d2, _, _, _, _] = digits else { return false };
    let number =
        |digits: &[&u32]| digits.iter().fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(**digit));
    let year = number(&[y1, y2, y3, y4]);
    let born =
        (1800..=2100).contains(&year) && (1..=12).contains(&number(&[m1, m2])) && (1..=31).contains(&number(&[d1, d2]));
    born && weighed(digits.iter().copied(), &MAINLAND_WEIGHTS) % 11 == 1
}

/// Whether the digits of a card are written so: whole, in fours, or as the cards of 14 and 15 digits are.
fn is_card(lengths: &[usize]) -> bool {
    matches!(lengths, [13..=19] | [4, 6, 4 | 5] | [4, 4, 4, 1..=4] | [4, 4, 4, 4, 1..=3])
}

/// From the right, every second digit is doubled, and the sum of all digits ends in nought.
fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits.iter().rev().zip([false, true].into_iter().cycle()).fold(0, |sum, (digit, second)| {
        let digit = if second { doubled(*digit) } else { *digit };
        sum.saturating_add(digit)
    });
    sum.is_multiple_of(10)
}

/// Eleven digits from 13 to 19 on, whole or as they are spoken, with or without the country's code before them.
fn is_mobile(lengths: &[usize], digits: &[u32]) -> bool {
    let own = match (lengths, digits) {
        ([11] | [3, 4, 4], own) => own,
        ([13] | [2, 11] | [2, 3, 4, 4], [8, 6, own @ ..]) | ([15], [0, 0, 8, 6, own @ ..]) => own,
        _ => return false,
    };
    matches!(own, [1, 3..=9, ..])
}

#[cfg(test)]
mod tests;

//! How text is made searchable: folded, so that both scripts and every width meet, then cut into pairs of characters.
//!
//! Chinese is not written with spaces, and an index of three-character pieces finds nothing for a word of two such as
//! 退款. So every run of ideographs becomes its overlapping pairs and its last character alone: each character begins a
//! token, and a query of one character is a query for tokens that begin with it. A longer query is the phrase of its
//! pairs. Words and numbers in other scripts are tokens of their own and found by their beginnings.

use std::collections::HashSet;
use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;
use unicode_normalization::UnicodeNormalization;

/// Longest query in characters.
pub(crate) const QUERY_CHARS_MAX: usize = 200;
/// The first block of ideographic scripts (CJK radicals); what lies before is written with spaces.
const IDEOGRAPHS_FROM: char = '\u{2e80}';

/// Traditional to Simplified. `None` could only be if the tables compiled into the crate were broken; a test reads
/// them.
static CONVERTER: LazyLock<Option<OpenCC>> = LazyLock::new(|| OpenCC::from_config(BuiltinConfig::T2s).ok());

/// Characters that tell that a text may be Traditional. Most texts have none, and converting costs more than all the
/// rest.
static TRADITIONAL: LazyLock<HashSet<char>> = LazyLock::new(|| {
    // These change only as part of certain words.
    let mut found: HashSet<char> = "著乾瞭藉徵餘覆夥薑麽".chars().collect();
    if let Some(converter) = &*CONVERTER {
        let blocks = ('\u{3400}'..='\u{4dbf}').chain('\u{4e00}'..='\u{9fff}');
        let mut buffer = [0; 4];
        found.extend(blocks.filter(|c| {
            let one: &str = c.encode_utf8(&mut buffer);
            converter.convert(one) != *one
        }));
    }
    found
});

/// Simplified, in one width, in lower case, without the accents of Latin letters.
pub(crate) fn fold(text: &str) -> String {
    let is_accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    // Compatible decomposition takes accents off; composing puts back what is no accent, such as Hangul.
    let plain: String = text.nfkd().filter(|c| !is_accent(c)).nfc().flat_map(char::to_lowercase).collect();
    match &*CONVERTER {
        Some(converter) if plain.chars().any(|c| TRADITIONAL.contains(&c)) => converter.convert(&plain),
        Some(_) | None => plain,
    }
}

/// A stretch of a folded text without spaces or punctuation, in one kind of script.
enum Run<'a> {
    Ideographs(&'a str),
    Word(&'a str),
}

/// The tokens of a text, with spaces between them.
pub(crate) fn index_form(text: &str) -> String {
    let folded = fold(text);
    let mut out = String::with_capacity(folded.len() * 2);
    for run in runs(&folded) {
        match run {
            Run::Word(word) => push(&mut out, word),
            Run::Ideographs(run) => {
                for pair in pairs(run) {
                    push(&mut out, pair);
                }
                push(&mut out, last_char(run));
            }
        }
    }
    out
}

/// The query for texts that hold every part of `raw`, in the language of the index; `None` if nothing is asked for.
///
/// Only letters and digits of `raw` ever reach the index, inside quotes: there is no way to write its syntax.
pub(crate) fn query_form(raw: &str) -> Option<String> {
    let folded = fold(raw);
    let parts: Vec<String> = runs(&folded)
        .into_iter()
        .map(|run| match run {
            Run::Word(word) => format!("\"{word}\" *"),
            Run::Ideographs(run) => {
                let phrase: Vec<&str> = pairs(run).collect();
                if phrase.is_empty() { format!("\"{run}\" *") } else { format!("\"{}\"", phrase.join(" ")) }
            }
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

fn push(out: &mut String, token: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(token);
}

fn is_ideograph(c: char) -> bool {
    c >= IDEOGRAPHS_FROM
}

/// Cuts a folded text at everything that is neither letter nor digit, and where the kind of script changes.
fn runs(folded: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    for piece in folded.split(|c: char| !c.is_alphanumeric()) {
        let mut rest = piece;
        while let Some(first) = rest.chars().next() {
            let kind = is_ideograph(first);
            let end = rest.find(|c: char| is_ideograph(c) != kind).unwrap_or(rest.len());
            let (run, behind) = rest.split_at(end);
            runs.push(if kind { Run::Ideographs(run) } else { Run::Word(run) });
            rest = behind;
        }
    }
    runs
}

/// The overlapping pairs of neighbouring characters.
fn pairs(run: &str) -> impl Iterator<Item = &str> {
    let ends = run.char_indices().skip(2).map(|(end, _)| end).chain([run.len()]);
    let starts = run.char_indices().map(|(start, _)| start);
    // One start fewer than characters: the last character begins no pair.
    let count = run.chars().count().saturating_sub(1);
    starts.zip(ends).take(count).filter_map(|(start, end)| run.get(start..end))
}

fn last_char(run: &str) -> &str {
    let start = run.char_indices().next_back().map_or(0, |(start, _)| start);
    run.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_scripts_fold_into_one() {
        assert!(CONVERTER.is_some());
        assert_eq!(fold("質量問題"), "质量问题");
        assert_eq!(fold("质量问题"), "质量问题");
        assert_eq!(fold("退款"), "退款");
        assert_eq!(fold("ＡＢＣ１２３"), "abc123");
        assert_eq!(fold("Reclamação"), "reclamacao");
        assert_eq!(fold("한국"), "한국");
    }

    #[test]
    fn ideographs_become_pairs_and_their_last_one() {
        assert_eq!(index_form("退款难"), "退款 款难 难");
        assert_eq!(index_form("退款"), "退款 款");
        assert_eq!(index_form("退"), "退");
        assert_eq!(index_form("买iPhone15，未发货。"), "买 iphone15 未发 发货 货");
        assert_eq!(index_form(" ,.! "), "");
    }

    #[test]
    fn queries_are_phrases_of_pairs() {
        assert_eq!(query_form("退款").unwrap(), "\"退款\"");
        assert_eq!(query_form("質量問題").unwrap(), "\"质量 量问 问题\"");
        assert_eq!(query_form("退").unwrap(), "\"退\" *");
        assert_eq!(query_form("退款 4401").unwrap(), "\"退款\" AND \"4401\" *");
        assert_eq!(query_form("\" OR * NEAR("), Some("\"or\" * AND \"near\" *".to_owned()));
        assert_eq!(query_form("--; '"), None);
    }

    proptest! {
        #[test]
        fn nothing_of_the_syntax_gets_through(raw in "\\PC{0,40}") {
            if let Some(query) = query_form(&raw) {
                for part in query.split(" AND ") {
                    let part = part.strip_suffix(" *").unwrap_or(part);
                    let inner = part.strip_prefix('"').and_then(|part| part.strip_suffix('"')).unwrap();
                    prop_assert!(inner.chars().all(|c| c == ' ' || c.is_alphanumeric()), "{}", query);
                }
            }
        }

        #[test]
        fn a_text_holds_each_of_its_own_parts(text in "[退款质量问题a-c ]{1,20}") {
            let index = format!(" {} ", index_form(&text));
            for run in runs(&fold(&text)) {
                let wanted = match run {
                    Run::Word(word) => format!(" {word} "),
                    Run::Ideographs(run) => format!(" {}", run.chars().take(2).collect::<String>()),
                };
                prop_assert!(index.contains(&wanted), "{:?} in {:?}", wanted, index);
            }
        }
    }
}

//! Whether two work ids are one person's. Tokens of one officer may spell the id in capitals, in full width or with a
//! space, and four eyes that see the same are two.

use domain::complaint::is_unseen;
use unicode_normalization::UnicodeNormalization;

/// Whether both name the same person: by their compatibility forms (Unicode Annex 15, NFKC) in lower case, without
/// what nobody sees and without space around them.
pub(super) fn is_same_person(one: &str, other: &str) -> bool {
    folded(one) == folded(other)
}

fn folded(id: &str) -> String {
    let seen = id.nfkc().filter(|character| !is_unseen(*character));
    // Lower case can leave the normal form, so it is taken once more.
    let lower: String = seen.flat_map(char::to_lowercase).nfkc().collect();
    lower.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::is_same_person;

    #[test]
    fn a_person_is_known_however_the_id_is_spelt() {
        for spelt in [
            "officer-1",
            "Officer-1",
            " OFFICER-1\n",
            "ｏｆｆｉｃｅｒ－１",
            "of\u{ad}ficer-1\u{200b}",
            "o\u{fb03}cer-1",
            "\u{3000}officer-1",
        ] {
            assert!(is_same_person("officer-1", spelt) && is_same_person(spelt, "officer-1"), "{spelt:?}");
        }
        assert!(is_same_person("Ä-1", "a\u{308}-1"));
        assert!(is_same_person("İ", "i\u{307}"));
        for another in ["officer-2", "officer-11", "officer 1", "", "оfficer-1"] {
            assert!(!is_same_person("officer-1", another), "{another:?}");
        }
    }
}

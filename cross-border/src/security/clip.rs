//! Words from outside, made safe to keep: short, and with nothing in them that nobody sees.

use domain::complaint::is_unseen;

/// The first `chars_max` characters on one line: controls and what turns the direction of writing become spaces.
pub(crate) fn clip(text: &str, chars_max: usize) -> String {
    let seen = |character: char| if character.is_control() || is_unseen(character) { ' ' } else { character };
    text.chars().take(chars_max).map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_what_is_unseen_is_a_space() {
        assert_eq!(clip("对方故障", 4), "对方故障");
        assert_eq!(clip("对方故障", 3), "对方故");
        assert_eq!(clip("a\nb\u{202e}c\u{7}", 10), "a b c ");
        assert_eq!(clip("a", 0), "");
    }
}

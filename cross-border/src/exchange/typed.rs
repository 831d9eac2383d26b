//! Texts as our own people type or paste them, brought into the form that a message has.

use super::content::LangText;
use crate::partner::Language;

impl LangText {
    /// A text of ours: every line ends in a line feed alone, and a tab is one space. Else the same words from another
    /// keyboard would be other words to sign, and a tab is as wide as whoever reads it pleases.
    ///
    /// What a partner wrote is signed as it is and stays so.
    #[must_use]
    pub fn typed(lang: Language, text: &str) -> Self {
        Self { lang, text: text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_a_line_feed_and_tabs_are_spaces() {
        let typed = |text: &str| LangText::typed(Language::English, text).text;
        assert_eq!(typed("one\r\ntwo\rthree\n\r\nfour\tfive"), "one\ntwo\nthree\n\nfour five");
        assert_eq!(typed(&typed("a\r\r\nb\t")), "a\n\nb ", "once is enough");
        assert_eq!(typed("手表\u{3000}坏了"), "手表\u{3000}坏了");
    }
}

//! Errors told in one line, with what led to them.

use std::error::Error;

/// An error with its causes: what happened, because of what. Some say what their cause says; that is told once.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the page was not read")]
    struct Unread(#[source] Folder);

    #[derive(Debug, thiserror::Error)]
    #[error("no folder: {0}")]
    struct Folder(#[source] io::Error);

    #[test]
    fn every_cause_is_told_and_each_once() {
        let folder = Folder(io::Error::other("the disk is full"));
        assert_eq!(with_causes(&Unread(folder)), "the page was not read: no folder: the disk is full");
    }
}

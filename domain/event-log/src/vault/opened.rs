//! What comes out of sealed values.

use std::fmt;

/// What a sealed value holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    Plain(String),
    /// The key was destroyed: nobody can read the value any more.
    Erased,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Erased => "Erased",
        })
    }
}

/// What sealed bytes hold.
#[derive(Clone, PartialEq, Eq)]
pub enum OpenedBytes {
    Plain(Vec<u8>),
    /// The key was destroyed: nobody can read the bytes any more.
    Erased,
}

impl fmt::Debug for OpenedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Erased => "Erased",
        })
    }
}

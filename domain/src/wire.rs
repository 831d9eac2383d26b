//! Stored names and shapes: the one place where an event becomes text and text becomes an event.
//!
//! A `(kind, schema)` pair once written is readable for ever: its golden file under `domain/events` is never edited,
//! and a changed shape is a new schema number with a pure upcast from the old one.

use thiserror::Error;

use crate::complaint::ComplaintEvent;
use crate::filing::FilingEvent;
use crate::org::UnitEvent;

/// Why a stored event cannot be read.
#[derive(Debug, Error)]
pub enum WireError {
    #[error("the event kind `{kind}` is not known to this version")]
    UnknownKind { kind: Box<str> },
    #[error("the event kind `{kind}` is known only up to schema {known}, this is {schema}")]
    UnknownSchema { kind: Box<str>, schema: u16, known: u16 },
    #[error("the payload of `{kind}` schema {schema} does not have its shape")]
    Shape {
        kind: Box<str>,
        schema: u16,
        #[source]
        source: serde_json::Error,
    },
}

impl WireError {
    /// Whether a newer program wrote the event: this one reads every kind and schema that was there before it, so what
    /// it does not know came later.
    #[must_use]
    pub const fn is_of_newer_program(&self) -> bool {
        match self {
            Self::UnknownKind { .. } | Self::UnknownSchema { .. } => true,
            Self::Shape { .. } => false,
        }
    }
}

/// An event that can be stored.
pub trait Stored: Sized {
    /// The stored name and the newest schema number.
    fn kind(&self) -> (&'static str, u16);

    /// The payload as JSON.
    ///
    /// # Errors
    /// Only if a value cannot be JSON at all, which no stored shape can.
    fn encode(&self) -> Result<String, serde_json::Error>;

    /// Reads a payload of any schema that was ever written.
    ///
    /// # Errors
    /// The kind or schema is not known, or the payload does not have its shape.
    fn decode(kind: &str, schema: u16, payload: &str) -> Result<Self, WireError>;

    /// Every stored name with its newest schema number.
    const KINDS: &'static [(&'static str, u16)];
}

/// Gives an event enum its stored names: it implements [`Stored`] for it.
///
/// The struct of a variant reads every schema number up to its own, so a raised number may only add members that can be
/// left out; any other change needs an upcast beside it. The golden files hold this.
///
/// The crate that uses it needs `serde_json`, whose errors the trait names.
#[macro_export]
macro_rules! event_kinds {
    ($name:ident { $($variant:ident = $kind:literal, $schema:literal;)+ }) => {
        impl $crate::wire::Stored for $name {
            const KINDS: &'static [(&'static str, u16)] = &[$(($kind, $schema)),+];

            fn kind(&self) -> (&'static str, u16) {
                match self { $(Self::$variant(_) => ($kind, $schema)),+ }
            }

            fn encode(&self) -> Result<String, ::serde_json::Error> {
                match self { $(Self::$variant(payload) => ::serde_json::to_string(payload)),+ }
            }

            fn decode(kind: &str, schema: u16, payload: &str) -> Result<Self, $crate::wire::WireError> {
                match (kind, schema) {
                    $(($kind, 1..=$schema) => match ::serde_json::from_str(payload) {
                        Ok(payload) => Ok(Self::$variant(payload)),
                        Err(source) => Err($crate::wire::WireError::Shape { kind: kind.into(), schema, source }),
                    },)+
                    (kind, schema) => match Self::KINDS.iter().find(|(known, _)| *known == kind) {
                        Some((_, known)) => {
                            Err($crate::wire::WireError::UnknownSchema { kind: kind.into(), schema, known: *known })
                        }
                        None => Err($crate::wire::WireError::UnknownKind { kind: kind.into() }),
                    },
                }
            }
        }
    };
}
pub use event_kinds;

/// Any event of any life, for readers of the whole log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyEvent {
    Filing(FilingEvent),
    Complaint(ComplaintEvent),
    Unit(UnitEvent),
}

/// Reads an event of whatever life its kind belongs to.
///
/// # Errors
/// The kind or schema is not known, or the payload does not have its shape.
pub fn decode(kind: &str, schema: u16, payload: &str) -> Result<AnyEvent, WireError> {
    match kind.split_once('.').map(|(life, _)| life) {
        Some("complaint") => ComplaintEvent::decode(kind, schema, payload).map(AnyEvent::Complaint),
        Some("filing") => FilingEvent::decode(kind, schema, payload).map(AnyEvent::Filing),
        Some("unit") => UnitEvent::decode(kind, schema, payload).map(AnyEvent::Unit),
        Some(_) | None => Err(WireError::UnknownKind { kind: kind.into() }),
    }
}

//! JSON as clients send it, read strictly: an object names each member once.
//!
//! Readers of JSON differ in which of two equal names counts (RFC 8259 section 4). What a proxy, a log or a partner has
//! read must be what is carried out here, so it is refused.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use thiserror::Error as ThisError;

/// Lists and objects inside each other. The reader is recursive, and nothing that is asked here comes near it.
pub(super) const LEVELS_MAX: usize = 64;

/// Characters of a member's name in an error.
const NAME_CHARS_MAX: usize = 64;

/// Why a text was not taken, as the rest of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub(super) enum JsonFault {
    #[error("is not JSON")]
    Malformed,
    #[error("names `{0}` twice in one object; name each member once")]
    Repeated(String),
    #[error("nests more than {max} lists and objects", max = LEVELS_MAX)]
    TooDeep,
}

/// Reads a text that is one JSON value and nothing more.
pub(super) fn parse(text: &[u8]) -> Result<Value, JsonFault> {
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Strict { fault: &fault, level: 0 }.deserialize(&mut reader);
    match read.and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(_error) => Err(fault.take().unwrap_or(JsonFault::Malformed)),
    }
}

/// Reads a value at this level. The reader's own errors carry text alone, so ours is told beside them.
#[derive(Clone, Copy)]
struct Strict<'f> {
    fault: &'f Cell<Option<JsonFault>>,
    level: usize,
}

impl Strict<'_> {
    /// What reads the members of a list or an object at this level.
    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.level >= LEVELS_MAX {
            return Err(self.refuse(JsonFault::TooDeep));
        }
        Ok(Self { level: self.level + 1, ..self })
    }

    fn refuse<E: Error>(self, fault: JsonFault) -> E {
        let error = E::custom(&fault);
        self.fault.set(Some(fault));
        error
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inside = self.inside::<A::Error>()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inside = self.inside::<A::Error>()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            match members.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(object.next_value_seed(inside)?);
                }
                Entry::Occupied(first) => {
                    let name = first.key().chars().take(NAME_CHARS_MAX).collect();
                    return Err(self.refuse(JsonFault::Repeated(name)));
                }
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(name: &str) -> Result<Value, JsonFault> {
        Err(JsonFault::Repeated(name.to_owned()))
    }

    #[test]
    fn what_names_each_member_once_is_read_as_the_library_reads_it() {
        for text in [
            "null",
            " true ",
            "[]",
            "{}",
            r#"{"a":{"a":[{"a":1},{"a":2}]},"b":"\u4e2d\n"}"#,
            "[-1,0,1.5,-0.0,1e300,18446744073709551615,18446744073709551616,-9223372036854775808]",
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(serde_json::from_str(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        assert_eq!(parse(br#"{"query":"{ a }","query":"{ b }"}"#), repeated("query"));
        assert_eq!(parse(br#"{"variables":{"id":1,"x":2,"id":1}}"#), repeated("id"));
        assert_eq!(parse(br#"{"variables":{"list":[{"a":1},{"b":{"c":null,"c":null}}]}}"#), repeated("c"));
        assert_eq!(parse(br#"{"a":1,"\u0061":2}"#), repeated("a"), "however it is written");
        let long = "n".repeat(100);
        assert_eq!(parse(format!(r#"{{"{long}":1,"{long}":1}}"#).as_bytes()), repeated(&"n".repeat(64)));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{} {}", r#"{"a"}"#, "{'a':1}", "NaN", r#"{"a":1,}"#, "\"\u{1}\"", r#"{1:2}"#] {
            assert_eq!(parse(text.as_bytes()), Err(JsonFault::Malformed), "{text}");
        }
        assert_eq!(parse(b"\"\xff\""), Err(JsonFault::Malformed));
    }

    #[test]
    fn levels_at_the_limit_are_read_and_one_past_it_is_not() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(LEVELS_MAX).as_bytes()).is_ok());
        assert_eq!(parse(nested(LEVELS_MAX + 1).as_bytes()), Err(JsonFault::TooDeep));
        assert_eq!(parse("[".repeat(1_000_000).as_bytes()), Err(JsonFault::TooDeep));
        assert_eq!(parse(r#"{"a":"#.repeat(1_000).as_bytes()), Err(JsonFault::TooDeep));
    }
}

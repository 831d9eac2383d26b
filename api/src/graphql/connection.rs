//! Relay connections: opaque cursors, bounded pages.

use async_graphql::SimpleObject;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::app::PageLimits;

/// Longest cursor in bytes.
pub const CURSOR_BYTES_MAX: usize = 512;

/// Relay's page information.
#[derive(Debug, Clone, Default, SimpleObject)]
pub struct PageInfo {
    pub has_next_page: bool,
    pub has_previous_page: bool,
    pub start_cursor: Option<String>,
    pub end_cursor: Option<String>,
}

impl PageInfo {
    /// The information of a page from its cursors.
    pub fn of<'c>(
        mut cursors: impl DoubleEndedIterator<Item = &'c String>,
        has_next_page: bool,
        has_previous_page: bool,
    ) -> Self {
        let start_cursor = cursors.next().cloned();
        let end_cursor = cursors.next_back().cloned().or_else(|| start_cursor.clone());
        Self { has_next_page, has_previous_page, start_cursor, end_cursor }
    }
}

/// Writes a place in a list as an opaque text that names its list.
#[must_use]
pub fn encode_cursor<T: Serialize>(list: &str, place: &T) -> String {
    // A tuple of a text and a plain value is always JSON.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(list, place)).unwrap_or_default())
}

/// Reads a cursor of the given list.
///
/// # Errors
/// `INVALID_INPUT` for a text that is no cursor, or one of another list.
pub fn decode_cursor<T: DeserializeOwned>(list: &str, cursor: &str) -> Result<T, ApiError> {
    let wrong = || ApiError::invalid("`after` is not a cursor of this list");
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(wrong());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_error| wrong())?;
    let (of, place): (String, T) = serde_json::from_slice(&bytes).map_err(|_error| wrong())?;
    if of == list { Ok(place) } else { Err(wrong()) }
}

/// The page size asked for, within the limits.
///
/// # Errors
/// `INVALID_INPUT` for 0 or more than the configured most.
pub fn page_size(first: Option<u32>, limits: PageLimits) -> Result<u32, ApiError> {
    match first {
        None => Ok(limits.default),
        Some(first) if first >= 1 && first <= limits.max => Ok(first),
        Some(_) => Err(ApiError::invalid(format!("`first` is 1 to {}", limits.max))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_belong_to_their_list() {
        let cursor = encode_cursor("cases", &7_u64);
        assert_eq!(decode_cursor::<u64>("cases", &cursor).unwrap(), 7);
        assert!(decode_cursor::<u64>("history", &cursor).is_err());
        assert!(decode_cursor::<u64>("cases", "~").is_err());
        assert!(decode_cursor::<u64>("cases", &"A".repeat(CURSOR_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn pages_hold_their_limits() {
        let limits = PageLimits { default: 50, max: 200 };
        assert_eq!(page_size(None, limits).unwrap(), 50);
        assert_eq!(page_size(Some(200), limits).unwrap(), 200);
        assert!(page_size(Some(201), limits).is_err());
        assert!(page_size(Some(0), limits).is_err());
    }
}

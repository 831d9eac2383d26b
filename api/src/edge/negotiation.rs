//! Which media type a request carries, and which ones its answer may have.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};

/// The weight of a range without `q`; weights are thousandths, so that no arithmetic is inexact.
const FULL_WEIGHT: u16 = 1_000;

/// A media type an answer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`: request errors come with status 200, as clients of old expect.
    Json,
    /// `application/graphql-response+json`: the status tells a refused request from an executed one.
    GraphqlResponse,
    /// `text/event-stream`, in graphql-sse's distinct connections mode.
    EventStream,
}

impl MediaType {
    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::EventStream => "text/event-stream; charset=utf-8",
        }
    }
}

/// What the client's `Accept` leaves to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptable {
    /// The better of the two JSON types, and its weight.
    single: Option<(MediaType, u16)>,
    /// The weight of `text/event-stream`, which counts only when it is named.
    stream: Option<u16>,
}

impl Acceptable {
    /// Whether no answer of ours would do.
    pub fn is_nothing(self) -> bool {
        self.single.is_none() && self.stream.is_none()
    }

    /// What is left where no event streams are sent.
    pub fn without_streams(self) -> Self {
        Self { stream: None, ..self }
    }

    /// The type for a query or a mutation: JSON unless an event stream is preferred.
    pub fn for_single(self) -> Option<MediaType> {
        match (self.single, self.stream) {
            (Some((_, single)), Some(stream)) if stream > single => Some(MediaType::EventStream),
            (Some((media, _)), _) => Some(media),
            (None, Some(_)) => Some(MediaType::EventStream),
            (None, None) => None,
        }
    }

    /// The type for a subscription.
    pub fn for_subscription(self) -> Option<MediaType> {
        self.stream.map(|_| MediaType::EventStream)
    }

    /// The type for a refusal, which has to be told even when nothing fits.
    pub fn for_refusal(self) -> MediaType {
        self.for_single().unwrap_or(MediaType::Json)
    }
}

/// Reads `Accept`. A request without it, and one that accepts anything, gets `application/json`.
pub fn acceptable(headers: &HeaderMap) -> Acceptable {
    let mut offers = Offers::default();
    let mut silent = true;
    for value in headers.get_all(ACCEPT) {
        let ranges = value.to_str().unwrap_or_default();
        for range in ranges.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            silent = false;
            offers.take(range);
        }
    }
    if silent {
        offers.anything = Some(FULL_WEIGHT);
    }
    offers.settle()
}

/// Whether the body is `application/json`, with no charset or with UTF-8. Said twice, it is said by nobody: whoever
/// stands before this server may have believed the other one.
pub fn is_json(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (said.next(), said.next()) else { return false };
    let Ok(raw) = only.to_str() else { return false };
    let mut parts = raw.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") && parts.all(is_utf8_or_no_charset)
}

fn is_utf8_or_no_charset(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return true;
    };
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || value.eq_ignore_ascii_case("utf-8")
        || value.eq_ignore_ascii_case("utf8")
}

/// The weights of the ranges that concern us; `None` when a range was not named.
#[derive(Debug, Default)]
struct Offers {
    json: Option<u16>,
    graphql_response: Option<u16>,
    event_stream: Option<u16>,
    application: Option<u16>,
    anything: Option<u16>,
}

impl Offers {
    fn take(&mut self, range: &str) {
        let mut parts = range.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let weight = weight(parts);
        match essence.as_str() {
            "application/json" => self.json = Some(weight),
            "application/graphql-response+json" => self.graphql_response = Some(weight),
            "text/event-stream" => self.event_stream = Some(weight),
            "application/*" => self.application = Some(weight),
            "*/*" => self.anything = Some(weight),
            _ => {}
        }
    }

    fn settle(self) -> Acceptable {
        let accepted = |weight: &u16| *weight > 0;
        let json = self.json.or(self.application).or(self.anything).filter(accepted);
        let graphql_response = self.graphql_response.filter(accepted);
        let single = match (graphql_response, json) {
            (Some(newer), Some(older)) if older > newer => Some((MediaType::Json, older)),
            (Some(newer), _) => Some((MediaType::GraphqlResponse, newer)),
            (None, Some(older)) => Some((MediaType::Json, older)),
            (None, None) => None,
        };
        Acceptable { single, stream: self.event_stream.filter(accepted) }
    }
}

/// The `q` among a range's parameters, in thousandths.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> u16 {
    for parameter in parameters {
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("q")
        {
            return thousandths(value.trim());
        }
    }
    FULL_WEIGHT
}

/// A weight between 0 and 1 with up to three digits; anything else weighs nothing.
fn thousandths(raw: &str) -> u16 {
    let (whole, fraction) = raw.split_once('.').unwrap_or((raw, ""));
    let mut total = match whole {
        "0" => 0,
        "1" => FULL_WEIGHT,
        _ => return 0,
    };
    let mut unit = 100;
    for byte in fraction.bytes().take(3) {
        if !byte.is_ascii_digit() {
            return 0;
        }
        total += u16::from(byte - b'0') * unit;
        unit /= 10;
    }
    total.min(FULL_WEIGHT)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(accept: &'static str) -> Acceptable {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        acceptable(&headers)
    }

    #[test]
    fn the_single_answer_follows_the_weights() {
        let cases = [
            ("", Some(MediaType::Json)),
            ("*/*", Some(MediaType::Json)),
            ("application/*", Some(MediaType::Json)),
            ("application/json", Some(MediaType::Json)),
            ("APPLICATION/JSON; charset=utf-8", Some(MediaType::Json)),
            ("application/graphql-response+json", Some(MediaType::GraphqlResponse)),
            ("application/json, application/graphql-response+json", Some(MediaType::GraphqlResponse)),
            ("application/graphql-response+json;q=0.5, application/json;q=0.9", Some(MediaType::Json)),
            ("application/graphql-response+json;q=0.5, */*;q=0.8", Some(MediaType::Json)),
            ("application/graphql-response+json, */*;q=0.1", Some(MediaType::GraphqlResponse)),
            ("application/json;q=0, */*", None),
            ("text/event-stream", Some(MediaType::EventStream)),
            ("text/event-stream, application/json", Some(MediaType::Json)),
            ("text/event-stream, application/json;q=0.999", Some(MediaType::EventStream)),
            ("text/html, application/xhtml+xml, */*;q=0.8", Some(MediaType::Json)),
            ("text/html", None),
            ("application/json;q=2", None),
        ];
        for (accept, expected) in cases {
            assert_eq!(of(accept).for_single(), expected, "{accept}");
        }
        assert_eq!(acceptable(&HeaderMap::new()).for_single(), Some(MediaType::Json));
    }

    #[test]
    fn a_subscription_needs_the_event_stream_by_name() {
        assert_eq!(of("*/*").for_subscription(), None);
        assert_eq!(of("text/*").for_subscription(), None);
        assert_eq!(of("text/event-stream;q=0").for_subscription(), None);
        assert_eq!(of("application/json, text/event-stream").for_subscription(), Some(MediaType::EventStream));
        assert!(of("text/html").is_nothing());
        assert_eq!(of("text/html").for_refusal(), MediaType::Json);
    }

    #[test]
    fn only_json_in_utf8_is_a_body() {
        let of = |content_type: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            is_json(&headers)
        };
        assert!(of("application/json"));
        assert!(of("Application/JSON; charset=\"UTF-8\""));
        assert!(of("application/json; profile=x"));
        assert!(!of("application/json; charset=iso-8859-1"));
        assert!(!of("application/jsonp"));
        assert!(!of("text/plain"));
        assert!(!of("application/x-www-form-urlencoded"));
        assert!(!is_json(&HeaderMap::new()));
        for second in ["application/json", "text/plain"] {
            let mut headers = HeaderMap::new();
            headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.append(CONTENT_TYPE, HeaderValue::from_static(second));
            assert!(!is_json(&headers), "said twice: {second}");
        }
    }

    #[test]
    fn weights_are_exact() {
        let cases =
            [("1", 1000), ("1.000", 1000), ("1.5", 1000), ("0.5", 500), ("0.999", 999), ("0", 0), ("x", 0), ("0.x", 0)];
        for (raw, expected) in cases {
            assert_eq!(thousandths(raw), expected, "{raw}");
        }
    }
}

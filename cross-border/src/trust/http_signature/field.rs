//! Reading the fields of a signature as strictly as they are written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use httpsig::prelude::{HttpSignatureHeaders, HttpSignatureParams};

use super::base::{Parts, is_target};
use super::{Claimed, LABEL, Presented, RequestRefused, TAG, has_lower_case, is_nonce};
use crate::trust::key::KeyId;

/// Longest `Signature` or `Signature-Input` in bytes, with the signatures of others in it; ours has some three hundred.
const FIELD_BYTES_MAX: usize = 8 * 1024;

/// The fields of a signature, and those it covers.
pub(super) struct Fields<'a> {
    pub(super) claimed: Claimed,
    /// The algorithm that the signature names.
    pub(super) algorithm: String,
    pub(super) content_digest: &'a str,
    pub(super) content_type: Option<&'a str>,
    /// The covered components and the parameters as they stand in the field.
    pub(super) params: String,
    pub(super) signature: Vec<u8>,
}

impl<'a> Fields<'a> {
    pub(super) fn read(presented: &Presented<'a>) -> Result<Self, RequestRefused> {
        let Presented { method, target, headers, body } = *presented;
        let input = joined(headers, "signature-input")?;
        let signatures = HttpSignatureHeaders::try_parse(&joined(headers, "signature")?, &input)
            .map_err(|_error| RequestRefused::Malformed("its fields are no structured fields"))?;
        let ours = signatures.get(LABEL).ok_or(RequestRefused::Missing)?;
        let params = member(&input, LABEL).ok_or(RequestRefused::Malformed("its label stands in the field twice"))?;

        if !is_target(target) || has_lower_case(method) {
            return Err(RequestRefused::Malformed("the method or target is not one of HTTP"));
        }
        let content_digest = single(headers, "content-digest")?;
        let content_type = if body.is_empty() { None } else { Some(single(headers, "content-type")?) };
        let parts = Parts { method, target, content_digest, content_type };
        if !params.starts_with(&parts.covered_text()) {
            return Err(RequestRefused::Components);
        }
        if !is_as_written(params, ours.signature_params()) {
            return Err(RequestRefused::Malformed("it has other parameters, one of them twice, or one not as usual"));
        }
        let (claimed, algorithm) = claims(ours.signature_params())?;
        // The library shows the signature's bytes only in base64.
        let signature = STANDARD
            .decode(ours.signature().to_string())
            .map_err(|_error| RequestRefused::Malformed("its fields are no structured fields"))?;
        Ok(Self { claimed, algorithm, content_digest, content_type, params: params.to_owned(), signature })
    }
}

/// What the parameters say, all of which must be there.
fn claims(params: &HttpSignatureParams) -> Result<(Claimed, String), RequestRefused> {
    let HttpSignatureParams { created, expires, nonce, alg, keyid, tag, covered_components: _ } = params;
    let (Some(created), Some(expires), Some(nonce), Some(algorithm), Some(key), Some(tag)) =
        (created, expires, nonce, alg, keyid, tag)
    else {
        return Err(RequestRefused::Malformed("a parameter is missing"));
    };
    if tag != TAG {
        return Err(RequestRefused::Malformed("its tag is another"));
    }
    if !is_nonce(nonce) {
        return Err(RequestRefused::Malformed("its nonce is too short, too long, or has other characters"));
    }
    // A text that is not the id of a key is the id of no key we know.
    let key = KeyId::parse(key).map_err(|_error| RequestRefused::UnknownKey)?;
    let claimed = Claimed { key, created: moment(*created)?, expires: moment(*expires)?, nonce: nonce.clone() };
    Ok((claimed, algorithm.clone()))
}

fn moment(seconds: u64) -> Result<DateTime<Utc>, RequestRefused> {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    moment.ok_or(RequestRefused::Malformed("its times are out of range"))
}

/// Whether the parameters are written as the library would write those it understood, in whatever order.
///
/// It takes what it does not know, what comes twice and what is loosely written, and tells nobody. Here that is found
/// by comparison: none of our values has a semicolon in it, so the pieces between them are the parameters.
fn is_as_written(text: &str, understood: &HttpSignatureParams) -> bool {
    let pieces = |text: &str| {
        let mut pieces: Vec<String> = text.split(';').map(str::to_owned).collect();
        pieces.sort_unstable();
        pieces
    };
    pieces(text) == pieces(&understood.to_string())
}

/// All lines of a field as one.
fn joined(headers: &HeaderMap, name: &str) -> Result<String, RequestRefused> {
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_error| RequestRefused::Malformed("its fields are not ASCII"))?;
        lines.push(line);
    }
    let joined = lines.join(", ");
    if joined.is_empty() {
        return Err(RequestRefused::Missing);
    }
    if joined.len() > FIELD_BYTES_MAX {
        return Err(RequestRefused::Malformed("its fields are too long"));
    }
    Ok(joined)
}

/// The one line of a field that is covered; a second would let two readers see two values.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, RequestRefused> {
    let mut lines = headers.get_all(name).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(RequestRefused::Components) };
    let line = line.to_str().map_err(|_error| RequestRefused::Malformed("its fields are not ASCII"))?;
    Ok(line.trim_matches([' ', '\t']))
}

/// The value of a member of a dictionary as it stands in the field; `None` when there is none, or more than one.
///
/// The field was parsed before: this only finds again, in a text known to be a dictionary, where the member begins and
/// ends.
fn member<'f>(field: &'f str, key: &str) -> Option<&'f str> {
    let (mut quoted, mut escaped) = (false, false);
    let between_members = |character: char| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' => return !quoted,
            _ => {}
        }
        false
    };
    let members = field.split(between_members).map(|member| member.trim_matches([' ', '\t']));
    let mut found = members.filter_map(|member| member.strip_prefix(key)?.strip_prefix('='));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_where_it_stands() {
        for (field, found) in [
            ("a=1", Some("1")),
            ("b=2, a=1", Some("1")),
            ("b=2,\ta=(\"x\" \"y\");z=1 , c=3", Some("(\"x\" \"y\");z=1")),
            ("b=(\"1, a=2\");c=\"a=3\", a=4", Some("4")),
            ("b=\"\\\", a=2\", a=4", Some("4")),
            ("b=\"\\\\\", a=4", Some("4")),
            ("a=\"1, 2\", b=3", Some("\"1, 2\"")),
            ("ba=1, aa=2", None),
            ("a, b=1", None),
            ("a=1, a=2", None),
            ("", None),
        ] {
            assert_eq!(member(field, "a"), found, "{field}");
        }
    }

    #[test]
    fn a_field_has_one_line_where_two_could_differ() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, "content-type"), Err(RequestRefused::Components));
        headers.append("content-type", " application/json\t".parse().unwrap());
        assert_eq!(single(&headers, "content-type"), Ok("application/json"));
        headers.append("content-type", "text/plain".parse().unwrap());
        assert_eq!(single(&headers, "content-type"), Err(RequestRefused::Components));
        // The fields of signatures are lists: a proxy may add a line of its own.
        assert_eq!(joined(&headers, "signature"), Err(RequestRefused::Missing));
        headers.append("signature", "a=:AA==:".parse().unwrap());
        headers.append("signature", "b=:AA==:".parse().unwrap());
        assert_eq!(joined(&headers, "signature").unwrap(), "a=:AA==:, b=:AA==:");
    }
}

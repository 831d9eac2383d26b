//! The text that is signed (RFC 9421 section 2.5).

use http::{Method, Uri};
use httpsig::prelude::HttpSigResult;
use httpsig::prelude::message_component::{HttpMessageComponent, HttpMessageComponentId};

/// Longest target in bytes.
const TARGET_BYTES_MAX: usize = 2048;

/// What the signature of a request covers.
pub(super) struct Parts<'a> {
    pub(super) method: &'a Method,
    pub(super) target: &'a str,
    /// The value of the header.
    pub(super) content_digest: &'a str,
    /// The value of the header; there is none without a body.
    pub(super) content_type: Option<&'a str>,
}

impl Parts<'_> {
    /// The names of what is covered, in the order of the profile.
    pub(super) fn covered(&self) -> Vec<HttpMessageComponentId> {
        self.named().map(|(id, _)| id).collect()
    }

    /// The list of those names as it stands in the field.
    pub(super) fn covered_text(&self) -> String {
        let names: Vec<String> = self.named().map(|(id, _)| id.to_string()).collect();
        format!("({})", names.join(" "))
    }

    /// What is signed, for parameters as they stand in the field.
    pub(super) fn signature_base(&self, params: &str) -> Vec<u8> {
        let components: Vec<_> = self.named().map(|(id, value)| (id, value.to_owned())).collect();
        signature_base(&components, params).expect("a component of the profile has one value and no parameters")
    }

    fn named(&self) -> impl Iterator<Item = (HttpMessageComponentId, &str)> {
        let always =
            [("@method", self.method.as_str()), ("@target-uri", self.target), ("content-digest", self.content_digest)];
        always.into_iter().chain(self.content_type.map(|value| ("content-type", value))).map(|(name, value)| {
            (HttpMessageComponentId::try_from(name).expect("a component of the profile is known"), value)
        })
    }
}

/// The text over the components, one a line, and the parameters as they stand in the field.
pub(super) fn signature_base(components: &[(HttpMessageComponentId, String)], params: &str) -> HttpSigResult<Vec<u8>> {
    let mut base = String::new();
    for (id, value) in components {
        let line = HttpMessageComponent::try_from((id, std::slice::from_ref(value)))?;
        base.push_str(&line.to_string());
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(params);
    Ok(base.into_bytes())
}

/// Whether a text is the whole URL of a request: nothing in it can begin a line of the text that is signed.
pub(super) fn is_target(text: &str) -> bool {
    text.len() <= TARGET_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && text
            .parse::<Uri>()
            .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some())
}

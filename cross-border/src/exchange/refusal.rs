//! Why a council does not take what it was sent: a closed list of codes, part of the contract between councils.

use domain::vocabulary::vocabulary;
use thiserror::Error;

vocabulary! {
    /// Why a council refuses a request. The code stands in the answer's `extensions.code` and is frozen.
    RefusalCode {
        SignatureMissing = "SIGNATURE_MISSING", "请求没有签名";
        BadSignature = "BAD_SIGNATURE", "请求签名无效";
        SignatureExpired = "SIGNATURE_EXPIRED", "请求签名已过期";
        NonceReplayed = "NONCE_REPLAYED", "请求重放";
        UnknownKey = "UNKNOWN_KEY", "密钥未登记";
        KeyNotValid = "KEY_NOT_VALID", "密钥不在有效期内";
        TamperedBody = "TAMPERED_BODY", "请求内容被改动";
        CertificateRefused = "CERTIFICATE_REFUSED", "证书未登记";
        WrongRecipient = "WRONG_RECIPIENT", "接收方不是本会";
        WrongSender = "WRONG_SENDER", "发送方与密钥不符";
        /// The author's signature over the message's text.
        BadStatement = "BAD_STATEMENT", "电子签名无效";
        VersionUnsupported = "VERSION_UNSUPPORTED", "版本不支持";
        Invalid = "INVALID", "内容不合规定";
        UnknownCode = "UNKNOWN_CODE", "代码未知";
        UnknownReferral = "UNKNOWN_REFERRAL", "转办件不存在";
        ForeignReferral = "FOREIGN_REFERRAL", "转办件不属于发送方";
        WrongSide = "WRONG_SIDE", "不应由该方发送";
        /// Two different messages for one place of a lane.
        Equivocation = "EQUIVOCATION", "同一序号前后不一";
        BrokenChain = "BROKEN_CHAIN", "与前一件不相接";
        TooFarAhead = "TOO_FAR_AHEAD", "序号超前过多";
        SeenUnknown = "SEEN_UNKNOWN", "所称已收的内容不符";
        EvidenceUnannounced = "EVIDENCE_UNANNOUNCED", "证据未经告知";
        EvidenceDigest = "EVIDENCE_DIGEST", "证据与摘要不符";
        EvidenceType = "EVIDENCE_TYPE", "证据文件类型不收";
        EvidenceTooLarge = "EVIDENCE_TOO_LARGE", "证据文件过大";
        EvidenceInfected = "EVIDENCE_INFECTED", "证据文件有恶意代码";
        EvidenceNotFound = "EVIDENCE_NOT_FOUND", "证据不存在";
        BodyTooLarge = "BODY_TOO_LARGE", "请求过大";
        Timeout = "TIMEOUT", "处理超时";
        RateLimited = "RATE_LIMITED", "请求过于频繁";
        NoAgreement = "NO_AGREEMENT", "没有有效的合作协议";
        ConsentMissing = "CONSENT_MISSING", "没有当事人同意";
        Erased = "ERASED", "内容已删除";
        Unavailable = "UNAVAILABLE", "暂时无法处理";
        Internal = "INTERNAL", "系统错误";
    }
}

impl RefusalCode {
    /// Reads a code of a partner's answer; an unknown one is `None`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::from_code(code)
    }

    /// Whether the same request may succeed later without anybody changing it.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::UnknownReferral
            | Self::TooFarAhead
            | Self::Timeout
            | Self::RateLimited
            | Self::Unavailable
            | Self::Internal => true,
            Self::SignatureMissing
            | Self::BadSignature
            | Self::SignatureExpired
            | Self::NonceReplayed
            | Self::UnknownKey
            | Self::KeyNotValid
            | Self::TamperedBody
            | Self::CertificateRefused
            | Self::WrongRecipient
            | Self::WrongSender
            | Self::BadStatement
            | Self::VersionUnsupported
            | Self::Invalid
            | Self::UnknownCode
            | Self::ForeignReferral
            | Self::WrongSide
            | Self::Equivocation
            | Self::BrokenChain
            | Self::SeenUnknown
            | Self::EvidenceUnannounced
            | Self::EvidenceDigest
            | Self::EvidenceType
            | Self::EvidenceTooLarge
            | Self::EvidenceInfected
            | Self::EvidenceNotFound
            | Self::BodyTooLarge
            | Self::NoAgreement
            | Self::ConsentMissing
            | Self::Erased => false,
        }
    }
}

/// A refusal as the partner reads it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} ({code})")]
pub struct Refusal {
    pub code: RefusalCode,
    /// For a person: what is wrong and what to do. Never content, never what went wrong inside.
    pub message: String,
}

impl Refusal {
    /// A refusal with its explanation.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for code in RefusalCode::ALL {
            assert_eq!(RefusalCode::parse(code.code()), Some(*code));
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
            assert!(code.code().chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{code}");
        }
        assert_eq!(RefusalCode::ALL.len(), 35);
        assert_eq!(RefusalCode::parse("LOST"), None);
        assert_eq!(RefusalCode::parse("internal"), None);
    }

    #[test]
    fn only_what_passes_by_itself_is_worth_another_attempt() {
        let retryable: Vec<&str> =
            RefusalCode::ALL.iter().filter(|code| code.is_retryable()).map(|code| code.code()).collect();
        assert_eq!(
            retryable,
            ["UNKNOWN_REFERRAL", "TOO_FAR_AHEAD", "TIMEOUT", "RATE_LIMITED", "UNAVAILABLE", "INTERNAL"]
        );
    }

    #[test]
    fn a_refusal_says_what_and_by_which_code() {
        let refusal = Refusal::new(RefusalCode::UnknownReferral, "send the submission first");
        assert_eq!(refusal.to_string(), "send the submission first (UNKNOWN_REFERRAL)");
    }
}

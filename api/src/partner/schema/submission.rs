//! The body of a submission: the dispute as it is handed over.

use async_graphql::{InputObject, InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// A dispute that is handed over.
///
/// What a referral does not need has no field here, and unknown fields are refused:
/// identity numbers, bank cards, dates of birth, home addresses, health and anything of a report (举报).
#[derive(Debug, Clone, InputObject)]
pub struct SubmissionInput {
    /// What the recipient may use the data for: `conciliation`, `arbitration` or `information`.
    pub purpose: String,
    pub consumer: ConsumerInput,
    pub trader: TraderInput,
    pub purchase: PurchaseInput,
    /// What happened, in the consumer's own words; at most 8,000 characters.
    pub facts: Option<LangTextInput>,
    /// What the consumer asks for; at most 8,000 characters.
    pub request: Option<LangTextInput>,
    /// The texts above in another script, made by a program; at most 8, none is `[]`. The original is what counts.
    pub renditions: Vec<RenditionInput>,
    /// The files that will follow; at most 50, none is `[]`. Each is sent with
    /// `PUT /partner/evidence/{referral}/{digest}`.
    pub evidence: Vec<EvidenceItemInput>,
    /// The id of the consumer's separate consent to this transfer (PIPL Art. 23 and 39).
    pub consent: String,
    /// The version of the text that the consumer consented to.
    pub consent_text_version: String,
    /// The way on which the data may leave: `GBA_SCC_HK`, `GBA_SCC_MO`, `CAC_SCC`, `CERT`, `SECURITY_ASSESSMENT`,
    /// `EXEMPT`, `PDPO_DPP3` (senders in Hong Kong) or `MO_8_2005_ART_20` (senders in Macao).
    pub route: String,
    /// The number of the contract, certificate or approval, where the route needs one.
    pub contract: Option<String>,
    /// The last day to which the recipient may keep the data, for example `2029-11-22`.
    pub retention_to: String,
    /// Always false: the data must not go beyond the recipient.
    pub onward_transfer: bool,
    /// Where the consumer turns to for access, correction and deletion at the sender.
    pub rights_contact: String,
}

/// The consumer. Each field is optional, and is sent only if the recipient takes it and the consumer consented. What is
/// not sent is absent: an empty text is refused, here and everywhere.
#[derive(Debug, Clone, InputObject)]
pub struct ConsumerInput {
    /// At most 100 characters.
    pub name: Option<String>,
    /// One way to reach the consumer, a telephone number or an electronic address; at most 100 characters.
    pub contact: Option<String>,
    /// The language to speak with the consumer, a code as in `lang`.
    pub language: Option<String>,
}

/// The business complained of.
#[derive(Debug, Clone, InputObject)]
pub struct TraderInput {
    /// At most 100 characters.
    pub name: Option<String>,
    /// At most 200 characters.
    pub address: Option<String>,
    /// The address of its shop on the web; at most 500 characters.
    pub link: Option<String>,
    /// Its registration number: a unified social credit code, a business registration number; at most 128 characters.
    pub licence: Option<String>,
}

/// What was bought.
#[derive(Debug, Clone, InputObject)]
pub struct PurchaseInput {
    /// The day in the place of the purchase, for example `2026-10-01`.
    pub date: Option<String>,
    /// The goods or the service; at most 200 characters.
    pub item: Option<String>,
    /// The price, in the currency that was paid; never converted.
    pub amount: Option<MoneyInput>,
    /// The number of the order or the receipt; at most 128 characters.
    pub order: Option<String>,
}

/// A text with its language.
#[derive(Debug, Clone, InputObject)]
pub struct LangTextInput {
    /// BCP 47: `zh-Hans-CN`, `zh-Hant-HK`, `zh-Hant-MO`, `en` or `pt`.
    pub lang: String,
    /// No control characters but line breaks, and no invisible ones.
    pub text: String,
}

/// A text in another script, made by a program from the original.
#[derive(Debug, Clone, InputObject)]
pub struct RenditionInput {
    /// Of which text: `facts` or `request`.
    pub of: String,
    /// The language and script of the rendition, a code as in `lang`.
    pub lang: String,
    pub text: String,
    /// What made it, for example `opencc s2hk`.
    pub derived_by: String,
}

/// A file, announced before it comes.
#[derive(Debug, Clone, InputObject)]
pub struct EvidenceItemInput {
    /// SHA-256 of the bytes, in 64 lower-case hex digits.
    pub digest: String,
    /// Its name, for people; at most 100 characters.
    pub name: String,
    /// Its length in bytes, from 1 to 10,485,760.
    pub bytes: u64,
    /// What it is: `application/pdf`, `image/jpeg`, `image/png`, `image/webp`, `image/heic`, `video/mp4`,
    /// `audio/mp4`, `audio/mpeg`, `text/plain`,
    /// `application/vnd.openxmlformats-officedocument.wordprocessingml.document` or
    /// `application/vnd.openxmlformats-officedocument.spreadsheetml.sheet`. The bytes must be of that kind.
    pub media: String,
}

/// An amount of money.
#[derive(Debug, Clone, InputObject)]
pub struct MoneyInput {
    /// Minor units: fen, cents, avos.
    pub minor: WholeNumber,
    /// `CNY`, `HKD` or `MOP`.
    pub currency: String,
}

/// Largest integer that every reader of JSON keeps exactly (RFC 7493, section 2.2).
const WHOLE_NUMBER_MAX: u64 = 9_007_199_254_740_991;

/// A whole number from 0 to 9007199254740991, as a JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeNumber(pub u64);

/// A whole number from 0 to 9007199254740991, written as a JSON number: 129900. It stands in the signed text as it
/// stands here, so it is neither text nor a fraction.
#[Scalar(name = "WholeNumber")]
impl ScalarType for WholeNumber {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number
                .as_u64()
                .filter(|number| *number <= WHOLE_NUMBER_MAX)
                .map(Self)
                .ok_or_else(|| InputValueError::custom("a whole number from 0 to 9007199254740991 is needed")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::InputType;

    use super::*;

    #[test]
    fn a_whole_number_is_a_number_and_whole() {
        let parse = |value: serde_json::Value| {
            <WholeNumber as InputType>::parse(Some(Value::from_json(value).unwrap())).ok().map(|number| number.0)
        };
        assert_eq!(parse(0.into()), Some(0));
        assert_eq!(parse(WHOLE_NUMBER_MAX.into()), Some(WHOLE_NUMBER_MAX));
        assert_eq!(parse((WHOLE_NUMBER_MAX + 1).into()), None);
        assert_eq!(parse((-1).into()), None);
        assert_eq!(parse(1.5.into()), None);
        assert_eq!(parse("1".into()), None);
        assert_eq!(InputType::to_value(&WholeNumber(129_900)), Value::from_json(129_900.into()).unwrap());
    }
}

//! Our lane of the test referral: its messages as they are written, and the history as we reckon it.

use chrono::{DateTime, NaiveDate, SubsecRound as _, TimeDelta, Utc};
use cross_border::exchange::body::Submission;
use cross_border::exchange::message::VERSION;
use cross_border::exchange::{
    Body, Consumer, DeliveryId, Digest, Entry, Header, LangText, Message, MessageKind, Next, Purchase, Segment,
    SharedId, Side, SignedMessage, Trader,
};
use cross_border::partner::{Language, Partner, PartnerId};
use cross_border::referral::vocabulary::{LegalRoute, Purpose};
use cross_border::trust::SigningKey;
use cross_border::trust::jws::sign_detached;

use super::draw::Draw;
use super::report::Miss;
use super::settings::Settings;

/// For how long the recipient may keep the test, should its recall go wrong.
const KEPT_DAYS: TimeDelta = TimeDelta::days(30);

/// Whoever opens the test by mistake must see what it is, so both texts and the trader's name say so.
const TRADER: &str = "TEST of the exchange between councils (测试，请勿处理)";
const SIMPLIFIED: &str =
    "这是两会系统之间的自动测试，由程序生成，所列人员和商家均为虚构。请勿处理，程序随后会自动撤回。";
const TRADITIONAL: &str =
    "這是兩會系統之間的自動測試，由程式產生，所列人員和商家均為虛構。請勿處理，程式隨後會自動撤回。";
const ENGLISH: &str = "This is an automatic test of the exchange between two councils, by `baycase partner check`. The \
                       person and the business do not exist. Do not handle it: the program recalls it by itself.";

/// What writes.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: SharedId,
    own: PartnerId,
    partner: PartnerId,
    key: SigningKey,
    pub(super) draw: Draw,
    /// What both sides hold, as far as we know.
    pub(super) segment: Segment,
}

/// A message with its place and our signature.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) signed: SignedMessage,
    pub(super) kind: MessageKind,
    pub(super) entry: Entry,
}

impl Writer {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut draw = Draw::new(settings.seed);
        let (own, partner, key) = (settings.own.id.clone(), settings.partner.id.clone(), settings.key.clone());
        Self { shared: draw.referral(), own, partner, key, draw, segment: Segment::default() }
    }

    /// Where our next message stands.
    pub(super) fn next(&self) -> Next {
        self.segment.next(Side::Origin)
    }

    /// Where a message stands behind one that was written and has not arrived.
    pub(super) fn behind(written: &Written) -> Next {
        let Entry { sequence, clock, digest, seen, .. } = &written.entry;
        Next {
            sequence: sequence.saturating_add(1),
            clock: clock.saturating_add(1),
            previous: Some(digest.clone()),
            seen: seen.clone(),
        }
    }

    /// A header of ours in this place of a referral.
    pub(super) fn header(&mut self, referral: SharedId, place: Next) -> Header {
        let Next { sequence, clock, previous, seen } = place;
        Header {
            version: VERSION,
            delivery: DeliveryId::derived(referral, &self.own, sequence),
            referral,
            origin: self.own.clone(),
            from: self.own.clone(),
            to: self.partner.clone(),
            sequence,
            clock,
            previous,
            seen,
            at: crate::clock::now().trunc_subsecs(6),
            salt: self.draw.digits(),
        }
    }

    /// Writes the message of this place of the test referral.
    pub(super) fn write(&mut self, place: Next, body: impl Into<Body>) -> Result<Written, Miss> {
        let header = self.header(self.shared, place);
        self.signed(&Message { header, body: body.into() })
    }

    /// Signs a message that is one, whatever it claims.
    pub(super) fn signed(&self, message: &Message) -> Result<Written, Miss> {
        message.check().map_err(Miss::here)?;
        let signed = sign(&self.key, message.canonical().map_err(Miss::here)?)?;
        let entry = Entry::of(message, signed.digest());
        Ok(Written { kind: message.body.kind(), signed, entry })
    }

    /// Enters a message of ours that the server has acknowledged.
    pub(super) fn acknowledged(&mut self, written: &Written) -> Result<(), Miss> {
        self.segment.insert(Side::Origin, written.entry.clone()).map(drop).map_err(Miss::here)
    }

    /// The digest of the history as we reckon it.
    pub(super) fn digest(&self) -> Digest {
        self.segment.digest(self.shared)
    }
}

/// Signs a text, whatever it is.
pub(super) fn sign(key: &SigningKey, text: String) -> Result<SignedMessage, Miss> {
    let jws = sign_detached(key, text.as_bytes()).map_err(Miss::here)?;
    Ok(SignedMessage { text, jws, key: key.id.clone() })
}

/// Where a submission stands: at the beginning.
pub(super) fn beginning() -> Next {
    Segment::default().next(Side::Origin)
}

/// A dispute that says everywhere that it is none.
pub(super) fn submission(settings: &Settings, now: DateTime<Utc>) -> Submission {
    let Settings { own, partner, .. } = settings;
    let route = route(own, partner);
    let lang = partner.languages.first().copied().unwrap_or(Language::English);
    let in_chinese = match lang {
        Language::SimplifiedChinese => Some(SIMPLIFIED),
        Language::TraditionalHongKong | Language::TraditionalMacao => Some(TRADITIONAL),
        Language::English | Language::Portuguese => None,
    };
    let text = in_chinese.map_or_else(|| ENGLISH.to_owned(), |text| format!("{text}\n{ENGLISH}"));
    let today: NaiveDate = now.date_naive();
    Submission {
        purpose: Purpose::Information,
        consumer: Consumer { name: Some("Test Person (虚构)".to_owned()), contact: None, language: None },
        trader: Trader { name: Some(TRADER.to_owned()), ..Trader::default() },
        purchase: Purchase { item: Some("TEST".to_owned()), date: Some(today), ..Purchase::default() },
        facts: Some(LangText { lang, text }),
        request: None,
        renditions: Vec::new(),
        evidence: Vec::new(),
        consent: "TEST".to_owned(),
        consent_text_version: "TEST".to_owned(),
        route,
        contract: route.needs_instrument().then(|| "TEST".to_owned()),
        retention_to: today.checked_add_signed(KEPT_DAYS).unwrap_or(today),
        onward_transfer: false,
        rights_contact: "TEST: there is no such person".to_owned(),
    }
}

/// A route on which data may go between the two. Nobody's data go; but a server may look.
fn route(own: &Partner, partner: &Partner) -> LegalRoute {
    let carries = |route: &&LegalRoute| route.carries(own.place, partner.place);
    LegalRoute::ALL.iter().find(carries).copied().unwrap_or(LegalRoute::Exempt)
}

#[cfg(test)]
mod tests {
    use cross_border::exchange::Inserted;
    use cross_border::exchange::body::Reminder;
    use cross_border::exchange::vocabulary::Step;
    use cross_border::partner::PartnerRegister;
    use cross_border::trust::jws::verify_detached;

    use super::super::testing::{settings, signing_key};
    use super::*;

    #[test]
    fn the_test_is_a_whole_submission_between_any_two_councils_and_says_what_it_is() {
        let peer = signing_key("hk-consumer-council:1");
        let councils = PartnerRegister::builtin().partners();
        for (own, partner) in councils.iter().flat_map(|own| councils.iter().map(move |partner| (own, partner))) {
            if own.id == partner.id {
                continue;
            }
            let settings = Settings { own, partner, ..settings(&peer) };
            let mut writer = Writer::new(&settings);
            let submission = submission(&settings, crate::clock::now());
            assert!(submission.route.carries(own.place, partner.place), "{} to {}", own.id, partner.id);
            assert!(submission.fields().iter().all(|field| partner.takes(*field)));
            let facts = submission.facts.as_ref().unwrap();
            assert!(facts.text.contains("test") && partner.languages.contains(&facts.lang));
            assert!(submission.trader.name.as_ref().unwrap().contains("TEST"));
            let written = writer.write(beginning(), submission).unwrap();
            let SignedMessage { text, jws, .. } = &written.signed;
            assert!(verify_detached(&settings.key.verifying(), text.as_bytes(), jws).is_ok());
            assert_eq!(Message::parse(text).unwrap().header.to, partner.id);
        }
    }

    #[test]
    fn a_message_stands_behind_one_that_has_not_arrived() {
        let settings = settings(&signing_key("hk-consumer-council:1"));
        let mut writer = Writer::new(&settings);
        let first = writer.write(beginning(), submission(&settings, crate::clock::now())).unwrap();
        writer.acknowledged(&first).unwrap();
        let second = writer.write(writer.next(), Reminder { step: Step::Acknowledgement }).unwrap();
        let third = writer.write(Writer::behind(&second), Reminder { step: Step::Outcome }).unwrap();
        let whole = writer.digest();
        let parked = writer.segment.insert(Side::Origin, third.entry.clone());
        assert_eq!(parked, Ok(Inserted::Parked));
        assert_ne!(writer.digest(), whole, "what waits is part of the history");
        let ready = writer.segment.insert(Side::Origin, second.entry);
        assert_eq!(ready, Ok(Inserted::Ready(vec![2, 3])));
    }

    #[test]
    fn a_seed_gives_the_same_referral_again() {
        let settings = settings(&signing_key("hk-consumer-council:1"));
        assert_eq!(Writer::new(&settings).shared, Writer::new(&settings).shared);
        let other = Settings { seed: 8, ..settings };
        let again = Settings { seed: 7, ..super::super::testing::settings(&signing_key("hk-consumer-council:1")) };
        assert_ne!(Writer::new(&other).shared, Writer::new(&again).shared);
    }
}

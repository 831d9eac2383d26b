//! A dispute with everything that a filing can hold, and its way up to the submission.

use chrono::NaiveDate;
use domain::complaint::event::Respondent;
use domain::complaint::register::Register;
use domain::complaint::{Act as ComplaintAct, Complaint, ComplaintCommand};
use domain::filing::{
    Complainant, Filing, FilingCommand, FilingItem, ItemKind, Received, RegisterFiling, registration,
};
use domain::id::{ComplaintId, FilingId, SubjectId};
use domain::money::{Currency, Money};
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};
use event_log::execute::{Done, Issue, execute, load};

use super::{FIRST, MACAO, Node, SECOND, day, text};
use crate::council::{Ask, CouncilError, Given, Presentation};
use crate::exchange::{AgeBand, Digest, Purchase};
use crate::partner::{Language, PartnerId, Place};
use crate::referral::assess::Assess;
use crate::referral::capture_consent::CaptureConsent;
use crate::referral::draft::Draft;
use crate::referral::event::{Assessed, ConsentCaptured, Drafted, Filed, ImpactAssessment, Instrument};
use crate::referral::vocabulary::{ConsentChannel, DataField, Direction, LegalRoute, Purpose};
use crate::referral::{Act, Referral, ReferralId};

/// What must never stand in a log in clear.
pub(crate) const NAME: &str = "陈大文";
pub(crate) const PHONE: &str = "13800138000";
pub(crate) const ADDRESS: &str = "越秀区某某路一号";
pub(crate) const FACTS: &str = "在旺角买的手机三天就坏了，商家拒绝退款";
pub(crate) const REQUEST: &str = "要求退还全部货款";
pub(crate) const NOTE: &str = "已致电陈大文先生说明情况";

impl Node {
    /// A complaint with everything that a filing can hold, of a filing with two matters; of the other one there is no
    /// complaint yet.
    pub(crate) async fn file_complaint(&self) -> ComplaintId {
        let filing = FilingId::derived(self.own().as_str(), "1");
        let subject = SubjectId::in_filing(filing, "complainant");
        let seal = |purpose: &str, text: &str| self.council.vault.seal(subject, purpose, text).unwrap();
        let received = Received {
            filing,
            source: self.own().as_str().to_owned(),
            external_number: "1".to_owned(),
            channel: Channel::Phone,
            region: seat(self.council.place()),
            unit: self.unit.clone(),
            complainant: Some(Complainant {
                name: seal("name", NAME),
                phone: seal("phone", PHONE),
                address: Some(seal("address", ADDRESS)),
                consents_to_disclosure: false,
                consents_to_delegation: false,
            }),
        };
        let item = FilingItem {
            item: 1,
            kind: ItemKind::Complaint,
            number: "1-C1".to_owned(),
            category: Category::Quality,
            respondent: Some(Respondent {
                name: "旺角电讯有限公司".to_owned(),
                uscc: None,
                address: Some("旺角西洋菜街1号".to_owned()),
            }),
            amount: Some(Money::new(128_800, Currency::Hkd).unwrap()),
            remedies: Vec::new(),
            facts: Some(seal("facts", FACTS)),
            source: None,
        };
        let other = FilingItem { item: 2, number: "1-C2".to_owned(), facts: None, ..item.clone() };
        let ctx = self.council.context(&self.unit, FIRST);
        let (log, issue) = (self.log.as_ref(), Issue::default());
        let body = RegisterFiling { at: None, received: received.clone(), items: vec![item.clone(), other] };
        let body = FilingCommand::Register(Box::new(body));
        execute::<Filing>(log, &filing.stream(), self.command(), &issue, None, &ctx, body).await.unwrap();
        self.register(&received, &item).await
    }

    /// The complaint of the filing's other matter: it is of the same person.
    pub(crate) async fn register_other(&self) -> ComplaintId {
        let filing = FilingId::derived(self.own().as_str(), "1");
        let loaded = load::<Filing>(self.log.as_ref(), &filing.stream(), None).await.unwrap();
        let Filing::Received(received, items, _) = loaded.state else { panic!("the complaint is filed first") };
        self.register(&received, &items[1]).await
    }

    async fn register(&self, received: &Received, item: &FilingItem) -> ComplaintId {
        let complaint = ComplaintId::of_item(received.filing, item.item);
        let ctx = self.council.context(&self.unit, FIRST);
        let (log, issue) = (self.log.as_ref(), Issue::default());
        let registered = registration(received, item);
        let act = ComplaintAct::Register(Box::new(Register { registered, handler: None }));
        let body = ComplaintCommand { at: None, act };
        execute::<Complaint>(log, &complaint.stream(), self.command(), &issue, None, &ctx, body).await.unwrap();
        complaint
    }

    /// Drafted, consented to, assessed and presented: only the second person is missing.
    pub(crate) async fn prepare(&self, to: &PartnerId) -> ReferralId {
        self.file_complaint().await;
        let draft = self.draft(to);
        let id = draft.drafted.referral;
        for act in [
            Act::Draft(Box::new(draft)),
            Act::CaptureConsent(Box::new(CaptureConsent { consent: consent(to) })),
            Act::Assess(Box::new(Assess { assessed: assessed(self.council.place(), to) })),
        ] {
            self.act(id, FIRST, act).await.unwrap();
        }
        self.lay(id, ask(self.council.place(), to)).await.unwrap();
        id
    }

    /// The referral of its complaint, before anything is known of it.
    pub(crate) fn draft(&self, to: &PartnerId) -> Draft {
        let drafted = Drafted {
            referral: ReferralId::outbound(self.complaint(), to, 1),
            direction: Direction::Outbound,
            complaint: Some(self.complaint()),
            council: self.unit.clone(),
            seat: seat(self.council.place()),
            partner: to.clone(),
            purpose: Purpose::Conciliation,
            partner_reference: None,
            retention_to: None,
        };
        Draft { drafted }
    }

    /// Prepared, and let go by the second person.
    pub(crate) async fn submit(&self, to: &PartnerId) -> ReferralId {
        let id = self.prepare(to).await;
        self.let_go(id, SECOND).await.unwrap();
        id
    }

    /// What is asked for is laid before the second person, who lets it go.
    pub(crate) async fn approve(&self, id: ReferralId, ask: Ask) {
        self.lay(id, ask).await.unwrap();
        self.let_go(id, SECOND).await.unwrap();
    }

    /// Lays what is asked for before the second person; it takes the place of what was laid there before.
    pub(crate) async fn lay(&self, id: ReferralId, ask: Ask) -> Result<Done<Referral>, CouncilError> {
        let presentation = presentation(ask.retention_to);
        let submission = self.council.compose(self.complaint(), ask).await?;
        let act = self.council.laid(&self.transfer(id).await, &presentation, submission).await?;
        self.act(id, FIRST, act).await
    }

    /// Somebody lets go what is presented now.
    pub(crate) async fn let_go(&self, id: ReferralId, actor: &str) -> Result<Done<Referral>, CouncilError> {
        let approved = self.shown(id).await;
        self.council.submit(id, self.command(), self.caller(actor), None, approved).await
    }

    /// The digest of what is presented now.
    pub(crate) async fn shown(&self, id: ReferralId) -> Digest {
        let presented = self.transfer(id).await.presented.unwrap();
        presented.content.unwrap().digest
    }

    pub(crate) fn complaint(&self) -> ComplaintId {
        ComplaintId::of_item(FilingId::derived(self.own().as_str(), "1"), 1)
    }
}

pub(crate) fn seat(place: Place) -> RegionCode {
    RegionCode::parse(match place {
        Place::Guangdong => "440104",
        Place::HongKong => "810000",
        Place::Macao => "820000",
    })
    .unwrap()
}

/// What every partner takes and the filing holds.
pub(crate) fn fields() -> Vec<DataField> {
    vec![
        DataField::ConsumerName,
        DataField::ConsumerContact,
        DataField::TraderName,
        DataField::PurchaseItem,
        DataField::PurchaseAmount,
        DataField::Facts,
        DataField::Request,
        DataField::Evidence,
    ]
}

/// The whole of it, with nothing given beside the case.
pub(crate) fn presentation(retention_to: NaiveDate) -> Presentation {
    Presentation { age: AgeBand::Adult, retention_to, fields: fields(), onward_to: None, given: Given::default() }
}

pub(crate) fn consent(to: &PartnerId) -> ConsentCaptured {
    ConsentCaptured {
        consent: "C-1".to_owned(),
        text_version: "2026-1".to_owned(),
        language: Language::SimplifiedChinese,
        channel: ConsentChannel::Online,
        recipient: to.clone(),
        purpose: Purpose::Conciliation,
        fields: fields(),
        evidence: "a".repeat(64),
        by_guardian: false,
    }
}

/// The way on which data leave this place for that council.
fn route(from: Place, to: &PartnerId) -> LegalRoute {
    match from {
        Place::Guangdong if to.as_str() == MACAO => LegalRoute::GbaMacao,
        Place::Guangdong => LegalRoute::GbaHongKong,
        Place::HongKong => LegalRoute::PdpoConsent,
        Place::Macao => LegalRoute::MacaoConsent,
    }
}

pub(crate) fn assessed(from: Place, to: &PartnerId) -> Assessed {
    let instrument = Instrument {
        number: "SCC-2026-1".to_owned(),
        valid_from: day("2026-01-01"),
        valid_to: day("2027-06-30"),
        filing: Some(Filed { number: "F-1".to_owned(), on: day("2026-01-09") }),
    };
    let impact = ImpactAssessment {
        number: "PIA-1".to_owned(),
        version: 2,
        assessed_on: day("2026-03-01"),
        valid_to: day("2027-06-30"),
    };
    Assessed {
        route: route(from, to),
        instrument: (from == Place::Guangdong).then_some(instrument),
        impact: (from == Place::Guangdong).then_some(impact),
        important_data: false,
    }
}

pub(crate) fn ask(from: Place, to: &PartnerId) -> Ask {
    Ask {
        fields: fields(),
        purpose: Purpose::Conciliation,
        language: None,
        facts_in: Language::SimplifiedChinese,
        trader_link: None,
        purchase: Purchase { item: Some("手机".to_owned()), ..Purchase::default() },
        request: Some(text(Language::SimplifiedChinese, REQUEST)),
        renditions: vec![Language::TraditionalHongKong],
        evidence: Vec::new(),
        consent: "C-1".to_owned(),
        consent_text_version: "2026-1".to_owned(),
        route: route(from, to),
        contract: (from == Place::Guangdong).then(|| "SCC-2026-1".to_owned()),
        retention_to: day("2027-05-18"),
        rights_contact: "12345".to_owned(),
    }
}

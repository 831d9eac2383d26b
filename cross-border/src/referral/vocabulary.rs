//! The closed lists of a referral's life.

use domain::vocabulary::vocabulary;

use crate::partner::Place;

vocabulary! {
    /// Which way a referral goes.
    Direction {
        Outbound = "outbound", "转出";
        Inbound = "inbound", "转入";
    }
}

vocabulary! {
    /// What the receiving council may use the data for (PIPL Art. 6 and 23).
    Purpose {
        Conciliation = "conciliation", "调解消费争议";
        Arbitration = "arbitration", "仲裁消费争议";
        Information = "information", "提供消费争议资料";
    }
}

/// How a field of the message may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldClass {
    /// On the list of what a referral needs.
    Listed,
    /// Personal data that a referral does not need: never sent by this way.
    Unlisted,
    /// Part of a report (举报), which never crosses the border (Order 121 Art. 37).
    Report,
}

vocabulary! {
    /// The fields that a message could hold. Only the listed ones may.
    DataField {
        ConsumerName = "consumer.name", "投诉人姓名";
        ConsumerContact = "consumer.contact", "投诉人联系方式";
        ConsumerLanguage = "consumer.language", "投诉人语言";
        TraderName = "trader.name", "被投诉人名称";
        TraderAddress = "trader.address", "被投诉人地址";
        TraderLink = "trader.link", "店铺链接";
        TraderLicence = "trader.licence", "被投诉人登记号";
        PurchaseDate = "purchase.date", "消费日期";
        PurchaseItem = "purchase.item", "商品或者服务";
        PurchaseAmount = "purchase.amount", "消费金额";
        PurchaseOrder = "purchase.order", "订单号";
        Facts = "facts", "争议事实";
        Request = "request", "投诉请求";
        Evidence = "evidence", "证据清单";
        ConsumerIdNumber = "consumer.id-number", "证件号码";
        ConsumerAddress = "consumer.address", "详细住址";
        ConsumerBirthDate = "consumer.birth-date", "出生日期";
        ConsumerBankCard = "consumer.bank-card", "银行卡号";
        ConsumerHealth = "consumer.health", "健康信息";
        ReporterIdentity = "report.identity", "举报人信息";
        ReportContent = "report.content", "举报内容";
    }
}

impl DataField {
    /// How the field may be used.
    #[must_use]
    pub const fn class(self) -> FieldClass {
        match self {
            Self::ConsumerName
            | Self::ConsumerContact
            | Self::ConsumerLanguage
            | Self::TraderName
            | Self::TraderAddress
            | Self::TraderLink
            | Self::TraderLicence
            | Self::PurchaseDate
            | Self::PurchaseItem
            | Self::PurchaseAmount
            | Self::PurchaseOrder
            | Self::Facts
            | Self::Request
            | Self::Evidence => FieldClass::Listed,
            Self::ConsumerIdNumber
            | Self::ConsumerAddress
            | Self::ConsumerBirthDate
            | Self::ConsumerBankCard
            | Self::ConsumerHealth => FieldClass::Unlisted,
            Self::ReporterIdentity | Self::ReportContent => FieldClass::Report,
        }
    }
}

vocabulary! {
    /// The way on which personal data may leave: under the law of its sender's place (PIPL Art. 38; Cap. 486, data
    /// protection principle 3; Law 8/2005 Art. 20), or under a standard contract of the Greater Bay Area.
    LegalRoute {
        GbaHongKong = "GBA_SCC_HK", "粤港澳大湾区（内地、香港）个人信息跨境流动标准合同";
        GbaMacao = "GBA_SCC_MO", "粤港澳大湾区（内地、澳门）个人信息跨境流动标准合同";
        StandardContract = "CAC_SCC", "个人信息出境标准合同";
        Certification = "CERT", "个人信息保护认证";
        SecurityAssessment = "SECURITY_ASSESSMENT", "数据出境安全评估";
        Exempt = "EXEMPT", "免予前述程序";
        PdpoConsent = "PDPO_DPP3", "當事人的訂明同意（香港）";
        MacaoConsent = "MO_8_2005_ART_20", "當事人明確同意（澳門）";
    }
}

impl LegalRoute {
    /// The place that a contract of the Greater Bay Area ties to the mainland; it also ties a mainland sender to the
    /// nine cities.
    #[must_use]
    pub const fn gba_place(self) -> Option<Place> {
        match self {
            Self::GbaHongKong => Some(Place::HongKong),
            Self::GbaMacao => Some(Place::Macao),
            Self::StandardContract
            | Self::Certification
            | Self::SecurityAssessment
            | Self::Exempt
            | Self::PdpoConsent
            | Self::MacaoConsent => None,
        }
    }

    /// Whether data may go on this way from a sender in `from` to a recipient in `to`. A contract of the Greater Bay
    /// Area runs both ways between the mainland and its place; every other way is of one sender's law.
    #[must_use]
    pub fn carries(self, from: Place, to: Place) -> bool {
        let between = |place: Place| [(Place::Guangdong, place), (place, Place::Guangdong)].contains(&(from, to));
        match self {
            Self::GbaHongKong => between(Place::HongKong),
            Self::GbaMacao => between(Place::Macao),
            Self::StandardContract | Self::Certification | Self::SecurityAssessment | Self::Exempt => {
                from == Place::Guangdong
            }
            Self::PdpoConsent => from == Place::HongKong,
            Self::MacaoConsent => from == Place::Macao,
        }
    }

    /// Whether there must be a contract, a certificate or an approval.
    #[must_use]
    pub const fn needs_instrument(self) -> bool {
        match self {
            Self::GbaHongKong
            | Self::GbaMacao
            | Self::StandardContract
            | Self::Certification
            | Self::SecurityAssessment => true,
            Self::Exempt | Self::PdpoConsent | Self::MacaoConsent => false,
        }
    }

    /// Whether it must be filed with an authority.
    #[must_use]
    pub const fn needs_filing(self) -> bool {
        match self {
            Self::GbaHongKong | Self::GbaMacao | Self::StandardContract => true,
            Self::Certification | Self::SecurityAssessment | Self::Exempt | Self::PdpoConsent | Self::MacaoConsent => {
                false
            }
        }
    }

    /// Whether the impact must have been assessed: PIPL Art. 55 and the contracts of the Greater Bay Area ask for it,
    /// the laws of Hong Kong and Macao on consent do not.
    #[must_use]
    pub const fn needs_impact(self) -> bool {
        !matches!(self, Self::PdpoConsent | Self::MacaoConsent)
    }
}

vocabulary! {
    /// How the consumer consented.
    ConsentChannel {
        Online = "online", "网上";
        Phone = "phone", "电话录音";
        Paper = "paper", "书面";
        InPerson = "in-person", "当面";
    }
}

vocabulary! {
    /// Why a council sends a referral back; closed.
    ReturnCode {
        NotConsumer = "NOT_CONSUMER", "不是消费者";
        BusinessToBusiness = "B2B", "经营者之间的交易";
        PrivateDeal = "PRIVATE_DEAL", "私人之间的交易";
        GovernmentService = "GOVERNMENT_SERVICE", "政府服务或者收费";
        Investment = "INVESTMENT", "投资表现";
        GamblingAuction = "GAMBLING_AUCTION", "博彩或者拍卖";
        TraderUntraceable = "TRADER_UNTRACEABLE", "无法联系经营者";
        InsufficientInfo = "INSUFFICIENT_INFO", "资料不足";
        OutOfWarranty = "OUT_OF_WARRANTY", "超出保修期";
        AlreadyHandled = "ALREADY_HANDLED", "已经处理过";
        Criminal = "CRIMINAL", "涉嫌犯罪";
        NotLocal = "NOT_LOCAL", "不在本地";
        NoConsent = "NO_CONSENT", "没有当事人同意";
    }
}

vocabulary! {
    /// What the receiving council reports on the way.
    ProgressKind {
        Handling = "handling", "正在处理";
        TraderReplied = "trader-replied", "经营者已答复";
        MediationOffered = "mediation-offered", "建议调解";
        VideoMediation = "video-mediation", "视频调解";
        ArbitrationOffered = "arbitration-offered", "建议仲裁";
    }
}

vocabulary! {
    /// What became of the dispute at the receiving council.
    ReferralOutcome {
        Settled = "settled", "达成和解";
        ConciliationFailed = "conciliation-failed", "调解不成";
        Award = "award", "仲裁裁决";
        OutOfScope = "out-of-scope", "不在受理范围";
        Withdrawn = "withdrawn", "当事人撤回";
    }
}

vocabulary! {
    /// Why a referral is called back.
    RecallReason {
        ConsentWithdrawn = "consent-withdrawn", "当事人撤回同意";
        WrongRecipient = "wrong-recipient", "发错接收方";
        WrongContent = "wrong-content", "内容有误";
        SettledHere = "settled-here", "争议已在本地解决";
    }
}

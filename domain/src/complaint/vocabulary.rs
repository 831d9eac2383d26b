//! The closed lists of a complaint's life, with the article each comes from.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// Grounds of refusing a complaint (不予受理情形), Order 121 Art. 16; closed.
    RefusalGround {
        NotOurPower = "16-1", "不属于市场监督管理部门职责或者本部门不具有处理权限";
        AlreadyHandled = "16-2", "已被受理或者处理过同一消费者权益争议";
        NotConsumption = "16-3", "不是为生活消费需要或者不能证明存在消费者权益争议";
        TooLate = "16-4", "知道或者应当知道权益受侵害之日起超过三年";
        MissingOrFalseMaterial = "16-5", "未提供规定材料或者提供虚假材料";
        Impersonation = "16-6", "冒用他人名义或者拒绝配合身份核验";
        OtherLaw = "16-7", "法律、法规、规章规定的其他情形";
    }
}

vocabulary! {
    /// The other routes a refusal must name (Order 121 Art. 15(2); Consumer Rights Law Art. 39).
    Route {
        SettleWithOperator = "39-1", "与经营者协商和解";
        ConsumerCouncil = "39-2", "请求消费者协会或者依法成立的其他调解组织调解";
        Administration = "39-3", "向有关行政部门投诉";
        Arbitration = "39-4", "根据与经营者达成的仲裁协议提请仲裁机构仲裁";
        Court = "39-5", "向人民法院提起诉讼";
    }
}

vocabulary! {
    /// Grounds of ending a mediation (终止调解情形), Order 121 Art. 23(1); closed.
    TerminationGround {
        WithdrawnOrSettled = "23-1", "投诉人撤回投诉或者双方自行和解";
        AbsentOrRefused = "23-2", "当事人无正当理由不参加调解或者明确拒绝调解";
        NoAgreementPossible = "23-3", "当事人明确表示无法达成调解协议";
        AppraisalCost = "23-4", "对鉴定、检测费用承担无法达成一致";
        SixtyDays = "23-5", "自受理之日起六十日内未能达成调解协议";
        RefusalGroundFound = "23-6", "受理后发现不予受理情形或者涉嫌敲诈勒索等情形";
        PartyGone = "23-7", "当事人死亡或者终止";
        OtherLaw = "23-8", "法律、法规、规章规定的其他情形";
    }
}

vocabulary! {
    /// Why a unit hands a complaint back (退回原因), Order 121 Art. 41(2): it may not pass it on itself.
    ReturnReason {
        NoTerritory = "no-territory", "不属于本辖区";
        NoPower = "no-power", "不属于本单位职责";
        Duplicate = "duplicate", "重复件";
        WrongData = "wrong-data", "登记信息有误";
    }
}

vocabulary! {
    /// What stops a clock. Only appraisal and testing do by law (Order 121 Art. 22); the others are recorded by sources.
    StopReason {
        Appraisal = "appraisal", "鉴定";
        Testing = "testing", "检测";
        RecordedBySource = "source", "来源系统记录";
    }
}

vocabulary! {
    /// How a mediation is held (Order 121 Art. 20).
    Mode {
        OnSite = "on-site", "现场";
        Phone = "phone", "电话";
        Audio = "audio", "音频";
        Video = "video", "视频";
        Internet = "internet", "互联网";
    }
}

vocabulary! {
    /// What came of a session.
    SessionResult {
        Continues = "continues", "继续调解";
        Agreed = "agreed", "达成一致";
        NotAgreed = "not-agreed", "未达成一致";
        PartyAbsent = "party-absent", "当事人缺席";
    }
}

vocabulary! {
    /// What a notice tells (告知事项).
    NoticeSubject {
        Acceptance = "acceptance", "受理告知";
        Refusal = "refusal", "不予受理告知";
        Termination = "termination", "终止调解告知";
        Result = "result", "办理结果告知";
    }
}

vocabulary! {
    /// Who is told.
    Party {
        Complainant = "complainant", "投诉人";
        Respondent = "respondent", "被投诉人";
    }
}

vocabulary! {
    /// How a notice is given (forms 5, 6 and 8 of April 2026).
    Manner {
        Internet = "internet", "互联网";
        Phone = "phone", "电话";
        Sms = "sms", "短信";
        Email = "email", "电子邮件";
        Letter = "letter", "信件";
        InPerson = "in-person", "当面";
    }
}

vocabulary! {
    /// What became of a complaint (办结结果).
    Outcome {
        Agreement = "agreement", "达成调解协议";
        Settled = "settled", "自行和解";
        Withdrawn = "withdrawn", "撤回投诉";
        Terminated = "terminated", "终止调解";
        NotAccepted = "not-accepted", "不予受理";
        RecordedBySource = "source", "来源系统办结";
    }
}

vocabulary! {
    /// Kinds of plain work (工作记录).
    NoteKind {
        Call = "call", "电话联系";
        Visit = "visit", "现场走访";
        Document = "document", "文书";
        Task = "task", "办理步骤";
        Other = "other", "其他";
    }
}

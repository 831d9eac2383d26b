//! The closed lists of an exchange between two councils. The codes stand in signed messages, so they are frozen.

use domain::vocabulary::vocabulary;

vocabulary! {
    /// The part a council plays in a referral.
    Side {
        Origin = "origin", "转出方";
        Target = "target", "接收方";
    }
}

impl Side {
    /// The side across.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Origin => Self::Target,
            Self::Target => Self::Origin,
        }
    }
}

vocabulary! {
    /// What a message says.
    MessageKind {
        Submission = "submission", "转办";
        Retrieved = "retrieved", "已提取";
        Acknowledgement = "acknowledgement", "签收";
        Return = "return", "退回";
        Progress = "progress", "进展";
        Offer = "offer", "建议调解或者仲裁";
        OfferAnswer = "offer-answer", "答复建议";
        SessionReport = "session-report", "调解或者仲裁情况";
        Outcome = "outcome", "结果通报";
        OutcomeAcknowledgement = "outcome-acknowledgement", "结果已转告";
        Recall = "recall", "撤回转办";
        RecallAnswer = "recall-answer", "撤回答复";
        Reminder = "reminder", "催办";
        Evidence = "evidence", "补充证据";
    }
}

impl MessageKind {
    /// The sides that may send it.
    #[must_use]
    pub const fn sides(self) -> &'static [Side] {
        match self {
            Self::Submission | Self::OfferAnswer | Self::OutcomeAcknowledgement | Self::Recall => &[Side::Origin],
            Self::Retrieved
            | Self::Acknowledgement
            | Self::Return
            | Self::Progress
            | Self::Offer
            | Self::SessionReport
            | Self::Outcome
            | Self::RecallAnswer => &[Side::Target],
            Self::Reminder | Self::Evidence => &[Side::Origin, Side::Target],
        }
    }
}

vocabulary! {
    /// How the parties are brought together.
    SessionForm {
        VideoMediation = "video-mediation", "视频调解";
        Arbitration = "arbitration", "仲裁";
    }
}

vocabulary! {
    /// What came of a session.
    SessionResult {
        Settled = "settled", "达成和解";
        Award = "award", "仲裁裁决";
        Failed = "failed", "未能达成和解";
        Adjourned = "adjourned", "改期";
    }
}

vocabulary! {
    /// The steps of a referral that have a limit of time, each with a clock of its own.
    Step {
        Delivery = "delivery", "送达";
        Retrieval = "retrieval", "提取";
        Acknowledgement = "acknowledgement", "签收";
        Feedback = "feedback", "反馈";
        OfferAnswer = "offer-answer", "答复建议";
        Arbitration = "arbitration", "移送仲裁";
        Outcome = "outcome", "通报结果";
        OutcomeAcknowledgement = "outcome-acknowledgement", "转告结果";
        RecallAnswer = "recall-answer", "答复撤回";
    }
}

vocabulary! {
    /// Whether a file was looked through for malicious content.
    ScanState {
        Unscanned = "unscanned", "未检查";
        Clean = "clean", "未发现问题";
        Infected = "infected", "发现恶意代码";
        Failed = "failed", "检查失败";
    }
}

vocabulary! {
    /// How old the consumer is, as far as the law asks.
    ///
    /// Below 14 the data is sensitive and a guardian consents (PIPL Art. 28 and 31); the Hong Kong council takes no
    /// data of minors without a parent.
    AgeBand {
        Adult = "adult", "成年人";
        /// 14 to 17 years.
        Minor = "minor", "已满十四周岁的未成年人";
        /// Below 14 years.
        Child = "child", "不满十四周岁的未成年人";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        macro_rules! read_back {
            ($($name:ident)+) => {$(
                for entry in $name::ALL {
                    assert_eq!($name::from_code(entry.code()), Some(*entry));
                    assert_eq!(serde_json::to_string(entry).unwrap(), format!("\"{entry}\""));
                    assert!(!entry.term().is_empty());
                }
                assert_eq!($name::from_code("lost"), None);
            )+};
        }
        read_back!(Side MessageKind SessionForm SessionResult Step ScanState AgeBand);
    }

    #[test]
    fn each_kind_belongs_to_its_sides() {
        for side in Side::ALL {
            assert_eq!(side.other().other(), *side);
            assert_ne!(side.other(), *side);
        }
        let of = |side: Side| -> Vec<&str> {
            MessageKind::ALL.iter().filter(|kind| kind.sides().contains(&side)).map(|kind| kind.code()).collect()
        };
        assert_eq!(
            of(Side::Origin),
            ["submission", "offer-answer", "outcome-acknowledgement", "recall", "reminder", "evidence"]
        );
        assert_eq!(of(Side::Target).len(), MessageKind::ALL.len() - 4);
    }
}

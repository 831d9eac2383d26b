//! 内容已删除: a message of the other council waited for another, and its text was erased with the person meanwhile.
//!
//! It stands in its lane all the same, or nothing behind it could ever take effect. What it said has none.

use serde::{Deserialize, Serialize};

/// Stands for what a message said whose text is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassOver {}

/// The message of the other council with this number had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PassedOver {
    pub sequence: u32,
}

#[cfg(test)]
mod tests {
    use super::{PassOver, PassedOver};
    use crate::exchange::{MessageKind, Side};
    use crate::referral::event::{ReferralEvent, Retrieved};
    use crate::referral::receive::{Effect, Receive};
    use crate::referral::retrieve::Retrieve;
    use crate::referral::testing::{given, next_message, sent};
    use crate::referral::{Act, Rejection, Stage};

    const NOW: &str = "2026-05-22T10:00:00+08:00";

    fn receive(effects: Vec<Effect>, kind: MessageKind) -> Act {
        let message = next_message(&sent().transfer(), Side::Target, kind, NOW);
        Act::Receive(Box::new(Receive { opening: None, message, evidence: Vec::new(), effects }))
    }

    #[test]
    fn a_message_without_a_text_keeps_its_place_and_changes_nothing() {
        let kind = MessageKind::Retrieved;
        let gone = Effect { sequence: 1, act: Act::PassOver(PassOver {}) };
        let message = next_message(&sent().transfer(), Side::Target, kind, NOW);
        let transfer = given(sent())
            .at(NOW)
            .when(receive(vec![gone], kind))
            .then([
                ReferralEvent::MessageReceived(Box::new(message)),
                ReferralEvent::PassedOver(PassedOver { sequence: 1 }),
            ])
            .transfer();
        assert_eq!((transfer.stage, transfer.segment.count(Side::Target)), (Stage::Sent, 1));
        // Where the text is there, it says what it says.
        let said = Effect { sequence: 1, act: Act::Retrieve(Retrieve {}) };
        let events = given(sent()).at(NOW).when(receive(vec![said], kind)).events();
        assert!(events.contains(&ReferralEvent::Retrieved(Retrieved {})));
    }

    #[test]
    fn nobody_passes_over_a_message_by_himself() {
        given(sent()).at(NOW).when(Act::PassOver(PassOver {})).then_err(|refused| *refused == Rejection::OnlyReceived);
        given(sent())
            .at(NOW)
            .when(receive(Vec::new(), MessageKind::Retrieved))
            .then_err(|refused| *refused == Rejection::EffectsMissing { expected: vec![1] });
    }
}

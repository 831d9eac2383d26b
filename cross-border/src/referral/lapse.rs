//! 依据失效: what a referral rests on may have ended between its approval and its leaving.
//!
//! Its partner could not be reached, was not entered yet, or fetches late. What leaves then leaves without a basis, so the
//! day on which it would is asked again (PIPL Art. 38 and 55, and what the recipient was told of its keeping).

use chrono::NaiveDate;
use domain::vocabulary::vocabulary;

use super::gate::{self, Gate};
use super::state::Transfer;
use super::submit;

vocabulary! {
    /// What no longer holds of a referral that was sent and has not left.
    Lapse {
        Instrument = "contract-not-in-force", "合同不在有效期内";
        Impact = "impact-expired", "个人信息保护影响评估已过期";
        Agreement = "agreement-ended", "与接收方的协议已失效";
        Retention = "retention-ended", "保存期限届满";
    }
}

impl Transfer {
    /// What time has ended of what the referral rests on, in the order of [`Lapse::ALL`]; none means that it may leave on
    /// the day.
    #[must_use]
    pub fn lapsed(&self, day: NaiveDate) -> Vec<Lapse> {
        let shut = gate::shut(self, day);
        let is_over = |lapse: &Lapse| match lapse {
            Lapse::Instrument => shut.contains(&Gate::InstrumentNotInForce),
            Lapse::Impact => shut.contains(&Gate::ImpactExpired),
            Lapse::Agreement => submit::under_agreement(self, day).is_err(),
            Lapse::Retention => self.retention_to().is_some_and(|last| day > last),
        };
        Lapse::ALL.iter().copied().filter(is_over).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referral::testing::{day, sent};

    #[test]
    fn what_a_referral_rests_on_holds_until_its_last_day() {
        let transfer = sent().transfer();
        assert_eq!(transfer.lapsed(day("2026-05-20")), []);
        let assessed = transfer.assessed.as_ref().unwrap();
        let contract = assessed.instrument.as_ref().unwrap().valid_to;
        let impact = assessed.impact.as_ref().unwrap().valid_to;
        let kept = transfer.retention_to().unwrap();
        for (last, lapse) in [(contract, Lapse::Instrument), (impact, Lapse::Impact), (kept, Lapse::Retention)] {
            assert!(!transfer.lapsed(last).contains(&lapse), "{lapse} on {last}");
            assert!(transfer.lapsed(last.succ_opt().unwrap()).contains(&lapse), "{lapse} after {last}");
        }
        assert!(transfer.lapsed(day("1999-01-01")).contains(&Lapse::Agreement));
    }
}

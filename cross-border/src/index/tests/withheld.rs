//! What ended before it left is nowhere on its way, and counts as nowhere sent.

use super::case::Case;
use super::kit::{HONG_KONG, Log, caught_up, dead, leased, minute, partner, row_of};
use crate::exchange::AgeBand;
use crate::index::{DeliveryFilter, Duty};
use crate::referral::ReferralEvent;
use crate::referral::event::{ConsentWithdrawn, Recalled};
use crate::referral::vocabulary::RecallReason;

#[test]
fn a_referral_that_ended_before_it_left_has_nothing_to_bring_and_nothing_was_sent() {
    let mut log = Log::new();
    let mut case = Case::outbound(&mut log, HONG_KONG, 1);
    case.consents(&mut log);
    let submission = case.send(&mut log, AgeBand::Adult);
    let fresh = caught_up(&log);
    let to = partner(HONG_KONG);
    assert_eq!(fresh.index.due_deliveries_to(&to, minute(50), 10).unwrap().len(), 1);
    assert_eq!(fresh.index.counters(2026).unwrap().len(), 1);

    case.record(&mut log, ReferralEvent::ConsentWithdrawn(ConsentWithdrawn {}));
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(fresh.index.duties(Duty::Recall, 10).unwrap().len(), 1);

    // A worker was faster than whoever ended it, and found that it may not be sent.
    log.append(&submission.stream(), [leased(1, 10), dead(1)]);
    let recalled = Recalled { reason: RecallReason::ConsentWithdrawn, after_sending: false };
    case.record(&mut log, ReferralEvent::Recalled(recalled));
    fresh.index.catch_up(&mut log.source()).unwrap();
    assert_eq!(row_of(&fresh.index, case.id).unwrap().stage, "recalled");
    assert_eq!(fresh.index.duties(Duty::Recall, 10).unwrap(), []);
    assert_eq!(fresh.index.deliveries(&DeliveryFilter::default(), None, 10).unwrap(), []);
    assert_eq!(fresh.index.outgoing_after(&to, None, 10).unwrap(), []);
    assert_eq!(fresh.index.dead_letters().unwrap(), 0);
    assert_eq!(fresh.index.alarms_due(minute(500), 10).unwrap(), []);
    assert_eq!(fresh.index.counters(2026).unwrap(), []);
}

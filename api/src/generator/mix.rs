//! The distributions that cases are drawn from.
//!
//! Published figures where there are any: the channels of a prefecture's yearly report for 2024, the problem classes of
//! the national report for 2024, goods, services and the online share of Guangzhou in 2022, the cities' shares of the
//! province in 2023. Everything else is an assumption and is called one.

use chrono::{Datelike as _, NaiveDate, Weekday};
use domain::calendar::WorkingCalendar;
use domain::complaint::vocabulary::{
    Manner, Mode, NoteKind, RefusalGround, ReturnReason, StopReason, TerminationGround,
};
use domain::vocabulary::{Category, Channel, Remedy};

/// Shares of the cities in thousandths: Guangzhou, Shenzhen, Dongguan and Foshan by their figures; the rest, 260, falls
/// on the others by population.
pub(super) const CITY_SHARES: [(u32, u32); 4] = [(440_100, 300), (440_300, 270), (441_900, 90), (440_600, 80)];

/// Inhabitants of the other cities in ten thousands, rounded (census of 2020); that complaints follow them is an
/// assumption.
pub(super) const INHABITANTS: [(u32, u32); 17] = [
    (440_200, 286),
    (440_400, 244),
    (440_500, 550),
    (440_700, 480),
    (440_800, 698),
    (440_900, 617),
    (441_200, 411),
    (441_300, 604),
    (441_400, 387),
    (441_500, 267),
    (441_600, 284),
    (441_700, 260),
    (441_800, 397),
    (442_000, 442),
    (445_100, 257),
    (445_200, 558),
    (445_300, 238),
];

/// Thousandths of a day's filings by hour. That the busiest hour has 12% is an assumption, and so is the shape.
pub(super) const HOURS: [(u32, u32); 24] = [
    (0, 8),
    (1, 5),
    (2, 3),
    (3, 2),
    (4, 2),
    (5, 4),
    (6, 8),
    (7, 18),
    (8, 45),
    (9, 95),
    (10, 120),
    (11, 90),
    (12, 50),
    (13, 45),
    (14, 85),
    (15, 100),
    (16, 90),
    (17, 60),
    (18, 40),
    (19, 35),
    (20, 35),
    (21, 30),
    (22, 20),
    (23, 10),
];

/// Ten-thousandths; the six entries of the national platform together have 52.93%.
pub(super) const CHANNELS: [(Channel, u32); 10] = [
    (Channel::WechatMini, 2_372),
    (Channel::Web, 1_846),
    (Channel::App, 894),
    (Channel::AlipayMini, 104),
    (Channel::WechatAccount, 53),
    (Channel::BaiduMini, 24),
    (Channel::Hotline12345, 3_622),
    (Channel::Letter, 595),
    (Channel::Phone, 471),
    (Channel::Visit, 19),
];

/// Hundredths; how the last 23 divide is an assumption.
pub(super) const CATEGORIES: [(Category, u32); 13] = [
    (Category::AfterSales, 24),
    (Category::Quality, 19),
    (Category::FoodSafety, 12),
    (Category::Contract, 10),
    (Category::Advertising, 5),
    (Category::UnfairCompetition, 4),
    (Category::Price, 3),
    (Category::Trademark, 2),
    (Category::Safety, 3),
    (Category::Counterfeit, 4),
    (Category::PersonalDignity, 2),
    (Category::Metering, 2),
    (Category::Other, 10),
];

/// In a thousand: complaints about goods; the others are about services.
pub(super) const GOODS: u32 = 700;
/// In a thousand: bought online.
pub(super) const ONLINE: u32 = 720;
/// In a thousand: a filing that reports a violation as well (Order 121 Art. 9). An assumption.
pub(super) const ALSO_REPORT: u32 = 40;
/// In a thousand: taken in by the province instead of the city. An assumption.
pub(super) const PROVINCE_INTAKE: u32 = 10;

/// Amounts in dispute, in yuan from and to. An assumption: the published sums recovered give about 165 yuan a case.
pub(super) const AMOUNTS: [((u32, u32), u32); 5] =
    [((5, 50), 25), ((50, 200), 40), ((200, 1_000), 25), ((1_000, 5_000), 8), ((5_000, 30_000), 2)];

/// What is asked for. An assumption.
pub(super) const REMEDIES: [(Remedy, u32); 7] = [
    (Remedy::Refund, 52),
    (Remedy::Compensation, 16),
    (Remedy::Return, 14),
    (Remedy::Replace, 7),
    (Remedy::Repair, 5),
    (Remedy::MakeUpQuantity, 2),
    (Remedy::Other, 4),
];

/// Working days from receipt to the decision whether to accept: seven are allowed, 0.2% need more. An assumption; so
/// are all the tables below.
pub(super) const DECIDED_AFTER: [(u32, u32); 8] =
    [(0, 80), (1, 260), (2, 260), (3, 190), (4, 130), (5, 78), (9, 1), (11, 1)];

/// Days from opening a mediation to its first session.
pub(super) const FIRST_SESSION: [((u32, u32), u32); 5] =
    [((1, 7), 500), ((8, 14), 280), ((15, 30), 160), ((31, 40), 59), ((62, 66), 1)];

/// Working days from the end of a mediation to the telling of both sides: seven are allowed.
pub(super) const TOLD_AFTER: [(u32, u32); 6] = [(0, 420), (1, 300), (2, 160), (3, 80), (5, 39), (9, 1)];

pub(super) const SESSIONS: [(u32, u32); 3] = [(1, 70), (2, 23), (3, 7)];

pub(super) const REFUSAL_GROUNDS: [(RefusalGround, u32); 7] = [
    (RefusalGround::NotOurPower, 22),
    (RefusalGround::AlreadyHandled, 12),
    (RefusalGround::NotConsumption, 38),
    (RefusalGround::TooLate, 1),
    (RefusalGround::MissingOrFalseMaterial, 22),
    (RefusalGround::Impersonation, 3),
    (RefusalGround::OtherLaw, 2),
];

pub(super) const TERMINATION_GROUNDS: [(TerminationGround, u32); 5] = [
    (TerminationGround::AbsentOrRefused, 44),
    (TerminationGround::NoAgreementPossible, 42),
    (TerminationGround::AppraisalCost, 3),
    (TerminationGround::RefusalGroundFound, 8),
    (TerminationGround::OtherLaw, 3),
];

pub(super) const RETURN_REASONS: [(ReturnReason, u32); 4] = [
    (ReturnReason::NoTerritory, 62),
    (ReturnReason::NoPower, 26),
    (ReturnReason::Duplicate, 4),
    (ReturnReason::WrongData, 8),
];

pub(super) const STOP_REASONS: [(StopReason, u32); 2] = [(StopReason::Testing, 60), (StopReason::Appraisal, 40)];

pub(super) const MODES: [(Mode, u32); 4] =
    [(Mode::Phone, 58), (Mode::OnSite, 24), (Mode::Internet, 14), (Mode::Video, 4)];

pub(super) const MANNERS: [(Manner, u32); 5] =
    [(Manner::Sms, 46), (Manner::Internet, 30), (Manner::Phone, 20), (Manner::InPerson, 2), (Manner::Letter, 2)];

pub(super) const NOTE_KINDS: [(NoteKind, u32); 4] =
    [(NoteKind::Call, 64), (NoteKind::Visit, 18), (NoteKind::Document, 14), (NoteKind::Other, 4)];

/// How a complaint ends, as it is drawn when it is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody decides: it is open and overdue.
    Forgotten,
    Refused,
    /// The consumer withdraws before it is accepted.
    WithdrawnEarly,
    Agreement,
    Settled,
    Withdrawn,
    Terminated,
}

/// Thousandths. Of those accepted 58% end well, within what cities publish (50 to 66%).
pub(super) const FATES: [(Fate, u32); 7] = [
    (Fate::Forgotten, 4),
    (Fate::Refused, 170),
    (Fate::WithdrawnEarly, 30),
    (Fate::Agreement, 366),
    (Fate::Settled, 96),
    (Fate::Withdrawn, 80),
    (Fate::Terminated, 254),
];

/// How many filings a day has beside others: a working day 1,000, a weekend day 450, a day of a holiday 420.
///
/// More around the two shopping festivals and Consumer Rights Day; by how much is an assumption.
pub(super) fn day_weight(day: NaiveDate, calendar: &WorkingCalendar) -> u64 {
    let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let usual = if calendar.is_holiday(day) {
        420
    } else if weekend && !calendar.is_working(day) {
        450
    } else {
        1_000
    };
    let tenths = match (day.month(), day.day()) {
        (3, 15) => 30,
        (3, 13..=18) => 20,
        (6, 18..=30) | (7, 1) | (11, 11..=24) => 15,
        _ => 10,
    };
    usual * tenths / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        assert_eq!(HOURS.iter().map(|(_, weight)| weight).sum::<u32>(), 1_000);
        assert_eq!(CHANNELS.iter().map(|(_, weight)| weight).sum::<u32>(), 10_000);
        assert_eq!(CATEGORIES.iter().map(|(_, weight)| weight).sum::<u32>(), 100);
        assert_eq!(FATES.iter().map(|(_, weight)| weight).sum::<u32>(), 1_000);
        assert_eq!(DECIDED_AFTER.iter().map(|(_, weight)| weight).sum::<u32>(), 1_000);
        assert_eq!(CITY_SHARES.iter().map(|(_, share)| share).sum::<u32>(), 740);
    }

    #[test]
    fn days_weigh_as_they_are_worked() {
        let weight = |day: &str| day_weight(day.parse().unwrap(), WorkingCalendar::mainland());
        assert_eq!(weight("2026-05-06"), 1_000);
        // A Saturday that is worked, one that is not, and a day of the May holiday.
        assert_eq!(weight("2026-05-09"), 1_000);
        assert_eq!(weight("2026-05-16"), 450);
        assert_eq!(weight("2026-05-02"), 420);
        assert_eq!(weight("2024-03-15"), 3_000);
    }
}

//! Which disputes cross, which way and to what end: drawn by a seed, so that the same seed plays the same.

use cross_border::partner::Place;

use super::deed::Deed;
use super::place::PLACES;
use crate::graphql::referral::enums::{CouncilSessionResult, ProgressKind, ReferralOutcome, SessionForm};

/// Disputes in which every way is gone twice and every kind of end is come to.
pub(super) const BLOCK: u32 = 12;

/// To what end the four disputes come that a place takes in a block: something is settled in every currency, and what is
/// arbitrated goes to Macao, which has a centre for it.
const ENDS: [(Place, [Kind; 4]); 3] = [
    (Place::Guangdong, [Kind::Settled, Kind::Returned, Kind::Mediated, Kind::Withdrawn]),
    (Place::HongKong, [Kind::Settled, Kind::Returned, Kind::Failed, Kind::Withdrawn]),
    (Place::Macao, [Kind::Settled, Kind::Mediated, Kind::Awarded, Kind::Failed]),
];

/// To what end a dispute comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The trader replies and pays.
    Settled,
    /// Sent back on a code of the closed list.
    Returned,
    /// Mediated by video, which is recorded, and agreed upon.
    Mediated,
    /// Arbitrated.
    Awarded,
    /// The trader replies and does not pay.
    Failed,
    /// The consumer withdraws the consent after the data has left.
    Withdrawn,
}

impl Kind {
    /// What the officers do once it has left, one after the other.
    pub(super) const fn script(self) -> &'static [Deed] {
        match self {
            Self::Settled => &[
                Deed::Retrieve,
                Deed::Acknowledge,
                Deed::Fetch,
                Deed::Report(ProgressKind::TraderReplied),
                Deed::Conclude(ReferralOutcome::Settled),
                Deed::Inform,
            ],
            Self::Returned => &[Deed::Retrieve, Deed::Return],
            Self::Mediated => &[
                Deed::Acknowledge,
                Deed::Offer(SessionForm::VideoMediation),
                Deed::Accept,
                Deed::Hold(CouncilSessionResult::Settled),
                Deed::Conclude(ReferralOutcome::Settled),
                Deed::Inform,
            ],
            Self::Awarded => &[
                Deed::Acknowledge,
                Deed::Fetch,
                Deed::Report(ProgressKind::TraderReplied),
                Deed::Offer(SessionForm::Arbitration),
                Deed::Accept,
                Deed::Hold(CouncilSessionResult::Award),
                Deed::Conclude(ReferralOutcome::Award),
                Deed::Inform,
            ],
            Self::Failed => &[
                Deed::Retrieve,
                Deed::Acknowledge,
                Deed::Report(ProgressKind::Handling),
                Deed::Fetch,
                Deed::Report(ProgressKind::TraderReplied),
                Deed::Conclude(ReferralOutcome::ConciliationFailed),
                Deed::Inform,
            ],
            // What follows from the withdrawal happens by itself.
            Self::Withdrawn => &[Deed::Acknowledge, Deed::Withdraw],
        }
    }

    /// Whether the consumer attaches a file.
    pub(super) fn has_file(self) -> bool {
        self.script().contains(&Deed::Fetch)
    }

    /// What will happen, for people.
    pub(super) const fn tells(self) -> &'static str {
        match self {
            Self::Settled => "达成和解: the trader replies and pays",
            Self::Returned => "退回: it is sent back on a code",
            Self::Mediated => "视频调解: mediated by video and agreed upon",
            Self::Awarded => "仲裁: arbitrated",
            Self::Failed => "调解不成: the trader does not pay",
            Self::Withdrawn => "撤回同意: the consent is withdrawn, the data called back and erased",
        }
    }
}

/// One dispute that crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plot {
    /// Which run over this data folder it belongs to: each has numbers of its own.
    pub(super) run: u32,
    /// From 1.
    pub(super) number: u32,
    /// Where the consumer lives.
    pub(super) from: Place,
    /// Where the trader is.
    pub(super) to: Place,
    pub(super) kind: Kind,
    /// What everything else about it is drawn with.
    pub(super) draw: u64,
}

impl Plot {
    /// The number of the dispute in every list it stands in.
    pub(super) fn key(&self) -> String {
        format!("D{}-{:03}", self.run, self.number)
    }

    /// What was paid, in minor units of the trader's place.
    pub(super) const fn paid(&self) -> u64 {
        (100 + self.draw % 4_900) * 100
    }

    /// What the consumer gets back of it: three fifths to all.
    pub(super) const fn recovered(&self) -> u64 {
        self.paid() / 100 * (60 + (self.draw >> 16) % 41)
    }
}

/// The disputes of a run.
pub(super) fn draw(run: u32, count: u32, seed: u64) -> Vec<Plot> {
    (0..count.div_ceil(BLOCK))
        .flat_map(|block| block_of(mix(seed ^ mix(u64::from(block)))))
        .zip(1..=count)
        .map(|((from, to, kind), number)| {
            let draw = mix(mix(seed) ^ u64::from(number));
            Plot { run, number, from, to, kind, draw }
        })
        .collect()
}

/// Twelve ways and ends; each half of them goes every way once.
fn block_of(seed: u64) -> Vec<(Place, Place, Kind)> {
    let mut halves = [Vec::new(), Vec::new()];
    for ((to, kinds), place) in ENDS.into_iter().zip(1_u64..) {
        let kinds = shuffled(kinds.to_vec(), mix(seed ^ place));
        for (half, pair) in halves.iter_mut().zip(kinds.chunks(2)) {
            let others = PLACES.into_iter().filter(|from| *from != to);
            half.extend(others.zip(pair).map(|(from, kind)| (from, to, *kind)));
        }
    }
    halves.into_iter().zip(11_u64..).flat_map(|(half, place)| shuffled(half, mix(seed ^ place))).collect()
}

fn shuffled<T>(things: Vec<T>, seed: u64) -> Vec<T> {
    let mut keyed: Vec<(u64, T)> =
        things.into_iter().zip(0_u64..).map(|(thing, place)| (mix(seed ^ mix(place)), thing)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, thing)| thing).collect()
}

/// One entry of a table.
///
/// # Panics
/// The table is empty; every table here has entries.
pub(super) fn pick<T>(table: &'static [T], draw: u64) -> &'static T {
    let drawn = table.iter().zip(0_u64..).min_by_key(|(_, place)| mix(draw ^ mix(*place)));
    drawn.expect("every table has entries").0
}

/// `SplitMix64`: small, and the same everywhere.
const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const KINDS: [Kind; 6] =
        [Kind::Settled, Kind::Returned, Kind::Mediated, Kind::Awarded, Kind::Failed, Kind::Withdrawn];

    #[test]
    fn twelve_disputes_go_every_way_and_come_to_every_end() {
        for seed in 0..200 {
            let plots = draw(1, BLOCK, seed);
            assert!(KINDS.iter().all(|kind| plots.iter().any(|plot| plot.kind == *kind)), "seed {seed}");
            for half in plots.chunks(6) {
                let ways: BTreeSet<_> = half.iter().map(|plot| (plot.from, plot.to)).collect();
                assert_eq!(ways.len(), 6, "seed {seed}");
            }
            assert!(plots.iter().all(|plot| plot.from != plot.to));
            assert!(plots.iter().all(|plot| plot.kind != Kind::Awarded || plot.to == Place::Macao), "seed {seed}");
            let settled: BTreeSet<_> =
                plots.iter().filter(|plot| plot.kind == Kind::Settled).map(|plot| plot.to).collect();
            assert_eq!(settled.len(), 3, "seed {seed}: not in every currency");
        }
    }

    #[test]
    fn a_seed_draws_the_same_and_another_seed_draws_otherwise() {
        assert_eq!(draw(1, 30, 7), draw(1, 30, 7));
        assert_eq!(draw(1, 30, 7)[..12], draw(1, 12, 7));
        let order = |seed| draw(1, 12, seed).iter().map(|plot| (plot.from, plot.kind)).collect::<Vec<_>>();
        assert!((1..20).any(|seed| order(seed) != order(0)));
        let keys: BTreeSet<String> = draw(1, 30, 7).iter().chain(&draw(2, 30, 7)).map(Plot::key).collect();
        assert_eq!(keys.len(), 60);
    }

    #[test]
    fn nobody_gets_back_more_than_was_paid() {
        for plot in draw(1, 200, 3) {
            assert!((plot.paid() * 3 / 5..=plot.paid()).contains(&plot.recovered()), "{plot:?}");
            assert!(plot.recovered() > 0);
        }
    }
}

//! A track as bytes, for the row of its case: small, because there are tens of millions, and quick to read.
//!
//! Integers are variable-length: seven bits a byte, least first, signed ones zig-zagged. The form is private to one
//! version of the read models: a change of it is a new [`crate::VERSION`].

use domain::clock::ClockKind;
use domain::money::{Currency, Money};

use super::{Clock, Fact, Handover, NEVER, Track, What};

/// Most facts or clocks that are believed when reading; far beyond any case, far below what fills a memory.
const ITEMS_MAX: u64 = 1 << 20;

const CURRENCIES: [Currency; 3] = [Currency::Cny, Currency::Hkd, Currency::Mop];

pub(crate) fn encode(track: &Track) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + track.facts.len() * 8 + track.clocks.len() * 8);
    signed(&mut out, track.registered);
    unsigned(&mut out, u64::from(track.intake));
    day_or_never(&mut out, track.deadline.unwrap_or(NEVER));
    day_or_never(&mut out, track.deadline_end.unwrap_or(NEVER));
    length(&mut out, track.facts.len());
    let mut before = track.registered;
    for fact in &track.facts {
        signed(&mut out, fact.at.wrapping_sub(before));
        before = fact.at;
        unsigned(&mut out, u64::from(fact.seq));
        what(&mut out, fact.what);
    }
    length(&mut out, track.clocks.len());
    for clock in &track.clocks {
        out.push(clock.kind as u8);
        signed(&mut out, i64::from(clock.due));
        out.push(u8::from(clock.provisional));
        day_or_never(&mut out, clock.end.unwrap_or(NEVER));
        day_or_never(&mut out, clock.stopped.unwrap_or(NEVER));
    }
    out
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(crate) fn decode(bytes: &[u8]) -> Option<Track> {
    let mut input = Input(bytes);
    let registered = input.signed()?;
    let intake = input.small()?;
    let deadline = some(input.until()?);
    let mut track = Track::new(registered, intake, deadline);
    track.deadline_end = some(input.until()?);
    let mut before = registered;
    for _ in 0..input.length()? {
        let at = before.wrapping_add(input.signed()?);
        before = at;
        let seq = input.small()?;
        track.facts.push(Fact { at, seq, what: input.what()? });
    }
    for _ in 0..input.length()? {
        let kind = ClockKind::ALL.get(usize::from(input.byte()?)).copied()?;
        let due = input.day()?;
        let provisional = input.flag()?;
        let end = some(input.until()?);
        let stopped = some(input.until()?);
        track.clocks.push(Clock { kind, due, provisional, stopped, end });
    }
    input.0.is_empty().then_some(track)
}

fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn signed(out: &mut Vec<u8>, number: i64) {
    unsigned(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn length(out: &mut Vec<u8>, items: usize) {
    unsigned(out, u64::try_from(items).unwrap_or(u64::MAX));
}

fn day_or_never(out: &mut Vec<u8>, day: i32) {
    if day == NEVER {
        out.push(0);
    } else {
        out.push(1);
        signed(out, i64::from(day));
    }
}

fn what(out: &mut Vec<u8>, what: What) {
    match what {
        What::Custody { unit, how } => {
            out.push(match how {
                Handover::Dispatched => 0,
                Handover::Returned => 1,
                Handover::Received => 2,
            });
            unsigned(out, u64::from(unit));
        }
        What::Handler(handler) => {
            out.push(3);
            unsigned(out, u64::from(handler));
        }
        What::Accepted => out.push(4),
        What::Refused => out.push(5),
        What::AcceptLate => out.push(6),
        What::MediationOpened => out.push(7),
        What::Succeeded => out.push(8),
        What::Closed { late, recovered } => {
            out.push(9);
            out.push(u8::from(late));
            match recovered {
                None => out.push(0),
                Some(money) => {
                    out.push(1 + money.currency() as u8);
                    signed(out, money.minor());
                }
            }
        }
        What::Reopened => out.push(10),
        What::Urged => out.push(11),
    }
}

fn some(day: i32) -> Option<i32> {
    (day != NEVER).then_some(day)
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.unsigned()?).ok()
    }

    fn length(&mut self) -> Option<u64> {
        self.unsigned().filter(|items| *items <= ITEMS_MAX)
    }

    fn day(&mut self) -> Option<i32> {
        i32::try_from(self.signed()?).ok()
    }

    /// A day, or [`NEVER`] where none was written.
    fn until(&mut self) -> Option<i32> {
        if self.flag()? { self.day() } else { Some(NEVER) }
    }

    fn what(&mut self) -> Option<What> {
        let custody = |unit, how| Some(What::Custody { unit, how });
        match self.byte()? {
            0 => custody(self.small()?, Handover::Dispatched),
            1 => custody(self.small()?, Handover::Returned),
            2 => custody(self.small()?, Handover::Received),
            3 => Some(What::Handler(self.small()?)),
            4 => Some(What::Accepted),
            5 => Some(What::Refused),
            6 => Some(What::AcceptLate),
            7 => Some(What::MediationOpened),
            8 => Some(What::Succeeded),
            9 => {
                let late = self.flag()?;
                let recovered = match self.byte()? {
                    0 => None,
                    code => {
                        let currency = CURRENCIES.get(usize::from(code) - 1).copied()?;
                        Some(Money::new(self.signed()?, currency).ok()?)
                    }
                };
                Some(What::Closed { late, recovered })
            }
            10 => Some(What::Reopened),
            11 => Some(What::Urged),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::money::MINOR_UNITS_MAX;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn whats() -> impl Strategy<Value = What> {
        let how = prop_oneof![Just(Handover::Dispatched), Just(Handover::Returned), Just(Handover::Received)];
        let money = (0..=MINOR_UNITS_MAX, 0_usize..3)
            .prop_map(|(minor, currency)| Money::new(minor, CURRENCIES[currency]).unwrap());
        prop_oneof![
            (any::<u32>(), how).prop_map(|(unit, how)| What::Custody { unit, how }),
            any::<u32>().prop_map(What::Handler),
            (any::<bool>(), option::of(money)).prop_map(|(late, recovered)| What::Closed { late, recovered }),
            prop_oneof![
                Just(What::Accepted),
                Just(What::Refused),
                Just(What::AcceptLate),
                Just(What::MediationOpened),
                Just(What::Succeeded),
                Just(What::Reopened),
                Just(What::Urged),
            ],
        ]
    }

    fn clocks() -> impl Strategy<Value = Clock> {
        let days = || option::of(-9_i32..40_000);
        (0_usize..10, any::<i32>(), any::<bool>(), days(), days()).prop_map(|(kind, due, provisional, stopped, end)| {
            Clock { kind: ClockKind::ALL[kind], due, provisional, stopped, end }
        })
    }

    fn tracks() -> impl Strategy<Value = Track> {
        let facts = vec((any::<i64>(), any::<u32>(), whats()), 0..12);
        let days = (option::of(-9_i32..40_000), option::of(-9_i32..40_000));
        (any::<i64>(), any::<u32>(), days, facts, vec(clocks(), 0..4)).prop_map(
            |(registered, intake, (deadline, deadline_end), facts, clocks)| Track {
                registered,
                intake,
                deadline,
                deadline_end,
                facts: facts.into_iter().map(|(at, seq, what)| Fact { at, seq, what }).collect(),
                clocks,
            },
        )
    }

    proptest! {
        #[test]
        fn a_track_reads_back(track in tracks()) {
            prop_assert_eq!(decode(&encode(&track)), Some(track));
        }

        #[test]
        fn damage_is_seen_and_does_not_panic(bytes in vec(any::<u8>(), 0..64)) {
            if let Some(track) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&track)), Some(track));
            }
        }
    }

    #[test]
    fn a_byte_too_many_or_too_few_is_damage() {
        let bytes = encode(&Track::new(1_767_225_600_000_000, 7, Some(20_454)));
        assert!(decode(&bytes).is_some());
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&[bytes, vec![0]].concat()), None);
    }
}

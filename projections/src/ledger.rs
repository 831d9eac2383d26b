//! The ledger: one line for each difference that an event made to what its case contributes.
//!
//! A line's key is 24 bytes, big-endian, so that the table's order is the order of the questions: measure, city,
//! case, then day. A list behind a number is a walk along one such stretch; a count by unit or handler is a sum over
//! it. The position stands in the key, so any question can be asked as known at any position.

use std::ops::ControlFlow;

use rusqlite::Connection;

use crate::measure::Measure;
use crate::register::Register;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 24;
/// Bytes of a line in a step: its key, channel, category and amount.
pub(crate) const LINE_BYTES: usize = KEY_BYTES + 10;

/// Days are kept as unsigned 24-bit numbers.
const DAY_OFFSET: i64 = 1 << 23;

const SCAN: &str = "SELECT key, kind, amount FROM delta WHERE key >= ?1 AND key < ?2";

/// One line of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) measure: Measure,
    /// The city of `unit`, see [`crate::register::city_of`].
    pub(crate) city: u8,
    pub(crate) case: u32,
    pub(crate) day: i32,
    pub(crate) position: u64,
    pub(crate) unit: u32,
    pub(crate) handler: u32,
    pub(crate) peer: u32,
    /// Places in the domain's lists.
    pub(crate) channel: u8,
    pub(crate) category: u8,
    pub(crate) amount: i64,
}

impl Line {
    pub(crate) fn key(&self) -> [u8; KEY_BYTES] {
        let case = self.case.to_be_bytes();
        let day = u32::try_from((i64::from(self.day) + DAY_OFFSET).clamp(0, (1 << 24) - 1)).unwrap_or(0).to_be_bytes();
        let at = self.position.to_be_bytes();
        let unit = self.unit.to_be_bytes();
        let handler = self.handler.to_be_bytes();
        let peer = self.peer.to_be_bytes();
        [
            self.measure.id(),
            self.city,
            case[0],
            case[1],
            case[2],
            case[3],
            day[1],
            day[2],
            day[3],
            at[2],
            at[3],
            at[4],
            at[5],
            at[6],
            at[7],
            unit[1],
            unit[2],
            unit[3],
            handler[1],
            handler[2],
            handler[3],
            peer[1],
            peer[2],
            peer[3],
        ]
    }

    /// Channel and category in one number.
    pub(crate) fn kind(&self) -> i64 {
        (i64::from(self.channel) << 8) | i64::from(self.category)
    }

    /// Reads a stored line; `None` for damage.
    pub(crate) fn parse(key: &[u8], kind: i64, amount: i64) -> Option<Self> {
        let k: &[u8; KEY_BYTES] = key.try_into().ok()?;
        let day = i64::from(u32::from_be_bytes([0, k[6], k[7], k[8]])) - DAY_OFFSET;
        Some(Self {
            measure: Measure::from_id(k[0])?,
            city: k[1],
            case: u32::from_be_bytes([k[2], k[3], k[4], k[5]]),
            day: i32::try_from(day).ok()?,
            position: u64::from_be_bytes([0, 0, k[9], k[10], k[11], k[12], k[13], k[14]]),
            unit: u32::from_be_bytes([0, k[15], k[16], k[17]]),
            handler: u32::from_be_bytes([0, k[18], k[19], k[20]]),
            peer: u32::from_be_bytes([0, k[21], k[22], k[23]]),
            channel: u8::try_from(kind >> 8).ok()?,
            category: u8::try_from(kind & 0xff).ok()?,
            amount,
        })
    }

    /// Appends the line to those of its event.
    pub(crate) fn append_to(&self, step: &mut Vec<u8>) {
        step.extend_from_slice(&self.key());
        step.push(self.channel);
        step.push(self.category);
        step.extend_from_slice(&self.amount.to_be_bytes());
    }

    /// Reads the lines of one event. The city is the unit's of today: a step keeps the one of its day.
    pub(crate) fn read_step<'a>(step: &'a [u8], register: &'a Register) -> impl Iterator<Item = Option<Self>> + 'a {
        step.chunks(LINE_BYTES).map(|bytes| {
            let (key, rest) = bytes.split_at_checked(KEY_BYTES)?;
            let rest: &[u8; LINE_BYTES - KEY_BYTES] = rest.try_into().ok()?;
            let [channel, category, amount @ ..] = *rest;
            let kind = (i64::from(channel) << 8) | i64::from(category);
            let line = Self::parse(key, kind, i64::from_be_bytes(amount))?;
            Some(Self { city: register.city(line.unit), ..line })
        })
    }
}

/// Hands the lines of one measure in one city to `each`, ordered by case and day, until it breaks off.
///
/// # Errors
/// The table cannot be read. A damaged line is an error too: [`rusqlite::Error::InvalidQuery`].
pub(crate) fn scan(
    conn: &Connection,
    measure: Measure,
    city: u8,
    mut each: impl FnMut(Line) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(SCAN)?;
    let mut rows = statement.query(([measure.id(), city], after_city(measure, city)))?;
    while let Some(row) = rows.next()? {
        if each(line_of(row)?).is_break() {
            break;
        }
    }
    Ok(())
}

/// The line of a row with key, kind and amount.
pub(crate) fn line_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Line> {
    let key = row.get_ref(0)?.as_blob()?;
    Line::parse(key, row.get(1)?, row.get(2)?).ok_or(rusqlite::Error::InvalidQuery)
}

/// The first key behind the stretch of a measure in a city. Cities have two digits, so one more is still a byte.
pub(crate) const fn after_city(measure: Measure, city: u8) -> [u8; 2] {
    [measure.id(), city.saturating_add(1)]
}

/// The first key of a case in the stretch of a measure in a city.
pub(crate) fn case_key(measure: Measure, city: u8, case: u32) -> [u8; 6] {
    let case = case.to_be_bytes();
    [measure.id(), city, case[0], case[1], case[2], case[3]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines() -> impl Strategy<Value = Line> {
        let place = (0_usize..Measure::COUNT, 0_u8..54, any::<u32>(), -1_000_i32..60_000, 0_u64..1 << 48);
        let who = (0_u32..1 << 24, 0_u32..1 << 24, 0_u32..1 << 24);
        (place, who, any::<u8>(), any::<u8>(), any::<i64>()).prop_map(
            |((measure, city, case, day, position), (unit, handler, peer), channel, category, amount)| Line {
                measure: Measure::ALL[measure],
                city,
                case,
                day,
                position,
                unit,
                handler,
                peer,
                channel,
                category,
                amount,
            },
        )
    }

    proptest! {
        #[test]
        fn a_line_reads_back(line in lines()) {
            prop_assert_eq!(Line::parse(&line.key(), line.kind(), line.amount), Some(line));
        }

        #[test]
        fn keys_stand_in_the_order_of_the_questions(one in lines(), other in lines()) {
            let order = |line: &Line| (line.measure, line.city, line.case, line.day, line.position, line.unit, line.handler);
            let expected = order(&one).cmp(&order(&other));
            if expected != std::cmp::Ordering::Equal {
                prop_assert_eq!(one.key().cmp(&other.key()), expected);
            }
        }

        #[test]
        fn a_step_reads_back(lines in proptest::collection::vec(lines(), 0..5)) {
            let mut step = Vec::new();
            for line in &lines {
                line.append_to(&mut step);
            }
            let register = Register::default();
            let read: Option<Vec<Line>> = Line::read_step(&step, &register).collect();
            let expected: Vec<Line> = lines.into_iter().map(|line| Line { city: 0, ..line }).collect();
            prop_assert_eq!(read, Some(expected));
            step.push(0);
            prop_assert!(Line::read_step(&step, &register).any(|line| line.is_none()));
        }
    }
}

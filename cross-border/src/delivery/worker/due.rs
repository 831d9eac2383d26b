//! What there is to be brought, as the index has it, to the partners that may be tried.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::Worker;
use super::errand::Errand;
use crate::index::{IndexError, OutboxRow, ReferralIndex};
use crate::partner::PartnerId;

/// What is to be brought to one partner: messages first, then files that came later than theirs.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) errands: Vec<Errand>,
    pub(super) next_at: Option<DateTime<Utc>>,
    /// The partner is left alone, but for what a person has set going again: that is tried at once, and once.
    pub(super) ordered: bool,
}

impl Due {
    fn all(index: &ReferralIndex, partner: &PartnerId, now: DateTime<Utc>, limit: u32) -> Result<Self, IndexError> {
        let messages = index.due_deliveries_to(partner, now, limit)?.into_iter().map(message);
        let files = index.evidence_owed_to(partner, limit)?.into_iter().map(Errand::File);
        let errands = messages.chain(files).collect();
        Ok(Self { errands, next_at: index.next_due_to(partner)?, ordered: false })
    }

    fn ordered(index: &ReferralIndex, partner: &PartnerId, now: DateTime<Utc>, limit: u32) -> Result<Self, IndexError> {
        let errands = index.redriven_to(partner, now, limit)?.into_iter().map(message).collect();
        Ok(Self { errands, next_at: None, ordered: true })
    }
}

fn message(row: OutboxRow) -> Errand {
    Errand::Message(Box::new(row))
}

impl Worker {
    /// What is due, without what is under way or rests.
    pub(super) async fn due(&mut self, now: DateTime<Utc>) -> Result<BTreeMap<PartnerId, Due>, IndexError> {
        let (position, instant) = (self.terms.council.index.position(), Instant::now());
        let mut asked = Vec::new();
        for (partner, lane) in &mut self.lanes {
            lane.forget_rests(position, instant);
            let left_alone = lane.waits_until(instant).is_some();
            asked.push((partner.clone(), lane.rows_asked(self.terms.options.concurrency), left_alone));
        }
        let index = self.terms.council.index.clone();
        let found = tokio::task::spawn_blocking(move || {
            asked
                .into_iter()
                .map(|(partner, limit, left_alone)| {
                    let ask = if left_alone { Due::ordered } else { Due::all };
                    let due = ask(&index, &partner, now, limit)?;
                    Ok((partner, due))
                })
                .collect::<Result<BTreeMap<_, _>, IndexError>>()
        });
        // Only a panic ends such a task, and that one is told where it happens.
        let mut found = found.await.unwrap_or_else(|_error| Ok(BTreeMap::new()))?;
        for (partner, due) in &mut found {
            due.errands.retain(|errand| self.lanes.get(partner).is_some_and(|lane| lane.is_free(&errand.id())));
        }
        Ok(found)
    }
}

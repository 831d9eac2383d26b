//! A case folded from its events, as it is or as it showed at another moment.

use std::sync::Arc;

use async_graphql::Context;
use chrono::{DateTime, NaiveDate, Utc};
use domain::complaint::{self, Complaint, ComplaintEvent};
use domain::day::day_end;
use domain::decider::{Decider, Happened};
use domain::envelope::RecordedEvent;
use domain::id::ComplaintId;
use domain::privacy::Sealed;
use event_log::execute;
use event_log::port::READ_EVENTS_MAX;

use crate::app::App;
use crate::graphql::authority::{Read, authority};
use crate::graphql::error::ApiError;

/// The moment a case is looked at from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Glance {
    /// Only what happened by the end of this local day.
    pub as_of: Option<NaiveDate>,
    /// Only what was recorded by the end of this local day.
    pub as_known_at: Option<NaiveDate>,
    /// Only what was recorded up to this position.
    pub as_known_at_position: Option<domain::envelope::Position>,
}

/// Every event of a case's stream.
async fn stream_of(app: &App, id: ComplaintId) -> Result<Vec<RecordedEvent>, ApiError> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = events.last().map(|event| event.revision);
        let page = app.log.read_stream(&id.stream(), after, READ_EVENTS_MAX).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

impl Glance {
    const fn is_now(&self) -> bool {
        self.as_of.is_none() && self.as_known_at.is_none() && self.as_known_at_position.is_none()
    }

    fn shows(&self, event: &RecordedEvent) -> bool {
        self.as_of.is_none_or(|day| event.occurred_at < day_end(day))
            && self.as_known_at.is_none_or(|day| event.recorded_at < day_end(day))
            && self.as_known_at_position.is_none_or(|position| event.position <= position)
    }
}

/// A case folded from its events.
#[derive(Debug, Clone)]
pub struct Folded {
    pub id: ComplaintId,
    pub case: complaint::Case,
    pub events: Arc<Vec<RecordedEvent>>,
    pub revision: domain::envelope::Revision,
    pub position: domain::envelope::Position,
    pub closed_at: Option<DateTime<Utc>>,
    pub facts: Option<Sealed>,
}

impl Folded {
    /// Reads a case from the log; `None` when nothing of it shows at that moment.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn read(app: &App, id: ComplaintId, glance: Glance) -> Result<Option<Self>, ApiError> {
        let events = stream_of(app, id).await?;
        Self::fold(id, events.into_iter().filter(|event| glance.shows(event)).collect())
    }

    /// Reads a case that the caller may see, straight from the log, so that nobody waits for a read model; `None` when
    /// nothing of it shows at that moment.
    ///
    /// # Errors
    /// `NOT_FOUND`, the same whether the case exists elsewhere or not at all; `FORBIDDEN` for a role that reads no cases.
    pub async fn visible(ctx: &Context<'_>, id: ComplaintId, glance: Glance) -> Result<Option<Self>, ApiError> {
        let app = ctx.data_unchecked::<App>();
        let authority = authority(ctx)?;
        authority.may_read(Read::Cases)?;
        let events = stream_of(app, id).await?;
        // Who has the case now decides who sees it, whatever moment is asked for.
        let now = Self::fold(id, events)?.ok_or_else(|| ApiError::not_found("case"))?;
        if !authority.sees_unit(&now.case.custody, &app.models)? {
            return Err(ApiError::not_found("case"));
        }
        if glance.is_now() {
            return Ok(Some(now));
        }
        Self::fold(id, now.events.iter().filter(|event| glance.shows(event)).cloned().collect())
    }

    fn fold(id: ComplaintId, events: Vec<RecordedEvent>) -> Result<Option<Self>, ApiError> {
        let mut state = Complaint::initial();
        let mut closed_at = None;
        let mut facts = None;
        for event in &events {
            let happened: Happened<ComplaintEvent> = execute::read(event)?;
            match &happened.event {
                ComplaintEvent::Closed(_) => closed_at = Some(happened.at),
                ComplaintEvent::Reopened(_) => closed_at = None,
                ComplaintEvent::Registered(registered) => facts.clone_from(&registered.facts),
                _ => {}
            }
            state = Complaint::evolve(state, &happened);
        }
        let (Complaint::Registered(case), Some(last)) = (state, events.last()) else { return Ok(None) };
        let (revision, position) = (last.revision, last.position);
        Ok(Some(Self { id, case: *case, events: Arc::new(events), revision, position, closed_at, facts }))
    }
}

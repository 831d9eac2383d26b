//! What a client is told as it happens. Every subscription resumes behind a position, without gap or repeat.

use std::collections::HashSet;
use std::time::Duration;

use async_graphql::{Context, Subscription};
use domain::envelope::{Position as LogPosition, RecordedEvent};
use domain::id::ComplaintId;
use futures_util::Stream;
use futures_util::stream;
use tokio::time::timeout;

use super::authority::{Authority, Read, authority, region_in_area};
use super::dashboard::{Dashboard, Moment};
use super::error::{ApiError, Field};
use super::history::{CaseEvent, opened};
use super::scalars::Position;
use crate::app::App;

/// Events read from the log at once for one subscriber.
const PAGE: u32 = 256;
/// Wait before the log is read again that did not show what the read models show already.
const AGAIN: Duration = Duration::from_millis(100);

/// What a client is told as it happens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subscription;

#[Subscription]
impl Subscription {
    /// Events of the cases in your area, behind `after`; from now on when it is left out. At least once is not the
    /// promise here: each event exactly once per position, and a client that keeps the last `position` resumes behind it.
    async fn case_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The `position` of the last event you have; `\"0\"` for everything.")] after: Option<Position>,
    ) -> async_graphql::Result<impl Stream<Item = Field<CaseEvent>> + use<>> {
        let app = ctx.data_unchecked::<App>().clone();
        let authority = authority(ctx)?;
        authority.may_read(Read::Cases)?;
        let after = match after {
            Some(Position(after)) => Some(check_after(&app, after).await?),
            None => app.models.position(),
        };
        let follow = Follow { seen: app.models.watch(), app, authority, after, page: Vec::new().into_iter() };
        Ok(stream::unfold(Some(follow), |follow| async move {
            let mut follow = follow?;
            match follow.next().await {
                Ok(Some(event)) => Some((Some(Ok(event)), Some(follow))),
                Ok(None) => None,
                Err(error) => Some((Some(Err(error.into())), None)),
            }
        }))
    }

    /// A region's dashboard whenever its numbers may have changed; several changes may come as one.
    async fn dashboard_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Code of a city or of the province.")] region: String,
    ) -> async_graphql::Result<impl Stream<Item = Field<Dashboard>> + use<>> {
        let app = ctx.data_unchecked::<App>().clone();
        let authority = authority(ctx)?;
        authority.may_read(Read::Counts)?;
        let region = region_in_area(&authority, &region)?;
        let mut seen = app.models.watch();
        seen.mark_changed();
        Ok(stream::unfold((app, seen), move |(app, mut seen)| async move {
            seen.changed().await.ok()?;
            let dashboard = Dashboard::of(&app, region, Moment::default()).await;
            Some((Some(dashboard.map_err(Into::into)), (app, seen)))
        }))
    }
}

/// Refuses a position that the log has not reached: whoever waits behind one would hear nothing and not know why. The
/// log decides and not the read models, because a position may have been told by another node of the same log.
async fn check_after(app: &App, after: LogPosition) -> Result<LogPosition, ApiError> {
    let head = app.log.head().await.map_err(|error| ApiError::internal(&error))?.map_or(0, LogPosition::get);
    if after.get() <= head {
        return Ok(after);
    }
    let what = format!(
        "`after` is {after}, and this log ends at {head}: resume behind the `position` of an event that you had from \
         it, or leave `after` out to hear what is new"
    );
    Err(ApiError::invalid(what).with("head", head.to_string().into()))
}

/// One subscriber's walk along the log, never ahead of the read models that decide what it may see.
struct Follow {
    app: App,
    authority: Authority,
    after: Option<LogPosition>,
    seen: tokio::sync::watch::Receiver<Option<LogPosition>>,
    page: std::vec::IntoIter<CaseEvent>,
}

impl Follow {
    /// The next event the caller may see; `None` when the server stops.
    async fn next(&mut self) -> Result<Option<CaseEvent>, ApiError> {
        loop {
            if let Some(event) = self.page.next() {
                return Ok(Some(event));
            }
            let until = *self.seen.borrow_and_update();
            if until <= self.after {
                if self.seen.changed().await.is_err() {
                    return Ok(None);
                }
                continue;
            }
            let page = self.app.log.read_all(self.after, PAGE).await?;
            let Some((events, last)) = up_to(until, page.events) else {
                if let Ok(Err(_stopped)) = timeout(AGAIN, self.seen.changed()).await {
                    return Ok(None);
                }
                continue;
            };
            self.after = Some(last);
            self.page = self.shown(events).await?.into_iter();
        }
    }

    /// The events of a page that the caller may see, by who has their cases now: asked once for the whole page.
    async fn shown(&self, events: Vec<RecordedEvent>) -> Result<Vec<CaseEvent>, ApiError> {
        let case = |event: &RecordedEvent| match event.stream.category() {
            "complaint" => ComplaintId::parse(event.stream.name()).ok(),
            _ => None,
        };
        let mut ids: Vec<ComplaintId> = events.iter().filter_map(case).collect();
        ids.sort_unstable();
        ids.dedup();
        let rows = self.app.query(move |models| models.cases_by_ids(&ids)).await?;
        let mut seen = HashSet::new();
        for row in rows {
            if self.authority.sees(&row, &self.app.models)? {
                seen.insert(row.id);
            }
        }
        let shown = events.iter().filter(|event| case(event).is_some_and(|id| seen.contains(&id)));
        opened(&self.app, shown.map(CaseEvent::new).collect::<Result<Vec<_>, _>>()?).await
    }
}

/// The events of a page up to `until`, where the read models are, and the place of the last one; `None` without any.
/// The log may be ahead of the read models: what they do not show yet waits for its turn.
///
/// A page behind which the read models are has an event of theirs. One without was read where the log is not known so
/// far, as by a leader that was deposed a moment ago: whoever went on behind `until` would pass over what stands there.
fn up_to(until: Option<LogPosition>, events: Vec<RecordedEvent>) -> Option<(Vec<RecordedEvent>, LogPosition)> {
    let events: Vec<_> = events.into_iter().filter(|event| Some(event.position) <= until).collect();
    let last = events.last()?.position;
    Some((events, last))
}

#[cfg(test)]
mod tests {
    use domain::envelope::Revision;
    use domain::id::{CommandId, StreamId};
    use event_log::contract::fixture::{SOME_MICROS, moment};

    use super::*;

    fn event(position: u64) -> RecordedEvent {
        let stream = StreamId::parse("filing-1").unwrap();
        RecordedEvent {
            position: LogPosition::new(position),
            id: CommandId::derived(&["follow"]).event(&stream, 0),
            stream,
            revision: Revision::new(position),
            kind: "filing.received".into(),
            schema: 1,
            occurred_at: moment(SOME_MICROS),
            recorded_at: moment(SOME_MICROS),
            metadata: "{}".into(),
            payload: "{}".into(),
        }
    }

    #[test]
    fn nobody_goes_on_behind_what_did_not_come() {
        let at = |position| Some(LogPosition::new(position));
        assert_eq!(up_to(at(9), Vec::new()), None, "a page of a leader that was deposed");
        assert_eq!(up_to(at(9), vec![event(10)]), None, "the read models are not there yet");
        assert_eq!(up_to(at(9), vec![event(8)]), Some((vec![event(8)], LogPosition::new(8))));
        let page = vec![event(8), event(9), event(10)];
        assert_eq!(up_to(at(9), page), Some((vec![event(8), event(9)], LogPosition::new(9))));
    }
}

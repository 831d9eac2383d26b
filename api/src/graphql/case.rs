//! A case as it is, or as it was on a day, or as it was known then.

use async_graphql::{Context, Object};
use chrono::{DateTime, NaiveDate, Utc};
use domain::clock::{Basis, trace};
use domain::complaint;
use domain::complaint::state::RunningClock;
use domain::day::local_day;
use domain::id::UnitId;
use domain::region::RegionTable;
use projections::CaseRow;
use uuid::Uuid;

pub use self::folded::{Folded, Glance};
pub use self::people::{Complainant, Respondent};
use super::authority::{Read, authority};
use super::clock::{Clock, TraceLine};
use super::enums::{Action, Category, Channel, Outcome, Stage};
use super::error::{ApiError, Field};
use super::history::{HistoryConnection, history};
use super::money::Money;
use super::scalars::{Date, Position, Revision};
use super::unit::Unit;
use crate::app::App;

mod folded;
mod people;

/// One complaint (投诉).
#[derive(Debug, Clone)]
pub struct Case {
    folded: Folded,
    glance: Glance,
}

impl Case {
    /// A case that the caller may see; the caller of this has asked.
    #[must_use]
    pub fn new(folded: Folded, glance: Glance) -> Self {
        Self { folded, glance }
    }

    /// Turns a row of a list into a case by reading its events.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn of_row(app: &App, row: &CaseRow, glance: Glance) -> Result<Option<Self>, ApiError> {
        Ok(Folded::read(app, row.id, glance).await?.map(|folded| Self::new(folded, glance)))
    }

    /// The unit that has the case at the moment shown.
    #[must_use]
    pub fn custody(&self) -> &UnitId {
        &self.folded.case.custody
    }

    fn day(&self, app: &App) -> NaiveDate {
        self.glance.as_of.unwrap_or_else(|| app.today())
    }

    fn governing(&self) -> Option<&RunningClock> {
        self.folded
            .case
            .clocks
            .iter()
            .filter(|clock| clock.is_running() && clock.stopped_on().is_none())
            .min_by_key(|clock| clock.terms.due_legal)
    }
}

/// One complaint (投诉), as it is or as it was at the moment asked for.
#[Object]
impl Case {
    async fn id(&self) -> Uuid {
        self.folded.id.as_uuid()
    }

    /// The number people use.
    async fn number(&self) -> &str {
        &self.folded.case.number
    }

    async fn filing_id(&self) -> Uuid {
        self.folded.case.filing.as_uuid()
    }

    async fn channel(&self) -> Channel {
        self.folded.case.channel.into()
    }

    async fn category(&self) -> Category {
        self.folded.case.category.into()
    }

    /// Code of the region it was registered for.
    async fn region(&self) -> String {
        self.folded.case.region.to_string()
    }

    /// Chinese name of the region.
    async fn region_name(&self) -> Option<&'static str> {
        RegionTable::builtin().get(self.folded.case.region).map(|region| region.name.as_str())
    }

    /// The unit that has the case.
    async fn unit(&self, ctx: &Context<'_>) -> Field<Unit> {
        Some(Unit::of_case(ctx, &self.folded.case.custody).await.map_err(Into::into))
    }

    /// The unit that took it in, to which it is returned.
    async fn intake_unit(&self, ctx: &Context<'_>) -> Field<Unit> {
        Some(Unit::of_case(ctx, &self.folded.case.intake).await.map_err(Into::into))
    }

    /// Work id of the handler.
    async fn handler(&self) -> Option<&str> {
        self.folded.case.handler.as_deref()
    }

    async fn stage(&self) -> Option<Stage> {
        Stage::from_code(self.folded.case.stage.code())
    }

    async fn outcome(&self) -> Option<Outcome> {
        self.folded.case.stage.outcome().map(Into::into)
    }

    /// 1 for the first handling, one more at each reopening.
    async fn round(&self) -> u16 {
        self.folded.case.round
    }

    async fn registered_at(&self) -> DateTime<Utc> {
        self.folded.case.registered_at
    }

    async fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.folded.closed_at
    }

    /// Closed after a deadline: a statutory period that was exceeded, or the source's own.
    async fn closed_late(&self) -> bool {
        self.folded.case.closed_late
    }

    async fn respondent(&self) -> Option<Respondent> {
        self.folded.case.respondent.as_ref().map(|respondent| Respondent {
            name: respondent.name.clone(),
            credit_code: respondent.uscc.clone(),
            address: respondent.address.clone(),
        })
    }

    /// The amount in dispute.
    async fn amount(&self) -> Option<Money> {
        self.folded.case.amount.map(Into::into)
    }

    /// Economic loss recovered for the consumer (挽回经济损失).
    async fn recovered_loss(&self) -> Option<Money> {
        self.folded.case.recovered.map(Into::into)
    }

    /// The next legal last day among the periods that run.
    async fn due_on(&self) -> Option<Date> {
        self.governing().map(|clock| Date(clock.terms.due_legal))
    }

    /// The deadline that a source system had set, as recorded by it.
    async fn source_deadline(&self) -> Option<DateTime<Utc>> {
        self.folded.case.source.as_ref().and_then(|source| source.deadline)
    }

    /// Whether a period is exceeded on the day looked at.
    async fn overdue(&self, ctx: &Context<'_>) -> bool {
        let app = ctx.data_unchecked::<App>();
        let day = self.day(app);
        let case = &self.folded.case;
        let open = !matches!(case.stage, complaint::Stage::Closed(_));
        // A source's deadline was for its own handling; a reopening begins ours.
        let source = case.source.as_ref().and_then(|source| source.deadline).filter(|_| case.round == 1);
        open && (source.is_some_and(|deadline| local_day(deadline) <= day)
            || case.clocks.iter().any(|clock| clock.is_exceeded_on(day)))
    }

    /// Every statutory period of the case.
    async fn clocks(&self, ctx: &Context<'_>) -> Vec<Clock> {
        let day = self.day(ctx.data_unchecked::<App>());
        self.folded.case.clocks.iter().map(|clock| Clock::new(clock, day)).collect()
    }

    /// How the last day of a period was counted, day by day.
    async fn clock_trace(&self, #[graphql(desc = "For example CLK-ACCEPT.")] clock: String) -> Field<Vec<TraceLine>> {
        Some(self.trace(&clock).map_err(Into::into))
    }

    /// What may be done now, by somebody with the right role in the right unit.
    async fn allowed_actions(&self) -> Vec<Action> {
        self.folded.case.allowed().into_iter().map(Into::into).collect()
    }

    /// How often it was urged (催办).
    async fn urged(&self) -> u32 {
        self.folded.case.urged
    }

    /// What the complaint says; null once the person was erased.
    async fn facts(&self, ctx: &Context<'_>) -> Field<String> {
        self.open_facts(ctx).await.map_err(Into::into).transpose()
    }

    /// The person who filed, for those who handle the case.
    async fn complainant(&self, ctx: &Context<'_>) -> Field<Complainant> {
        people::complainant(ctx, self.folded.case.filing).await.map_err(Into::into).transpose()
    }

    /// Every event of the case, oldest first.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 200 events.")] first: Option<u32>,
        #[graphql(desc = "A cursor of this list.")] after: Option<String>,
    ) -> Field<HistoryConnection> {
        let app = ctx.data_unchecked::<App>();
        Some(history(app, &self.folded.events, first, after).await.map_err(Into::into))
    }

    /// The revision of the last event shown.
    async fn revision(&self) -> Revision {
        Revision(self.folded.revision)
    }

    /// The position of the last event shown.
    async fn position(&self) -> Position {
        Position(self.folded.position)
    }
}

impl Case {
    fn trace(&self, clock: &str) -> Result<Vec<TraceLine>, ApiError> {
        let clock = self
            .folded
            .case
            .clocks
            .iter()
            .rev()
            .find(|running| running.terms.rule.as_str() == clock)
            .ok_or_else(|| ApiError::invalid("the case has no such clock"))?;
        let basis: Basis = clock.terms.basis().extended(clock.extended_by);
        let days = trace(basis, &clock.stops, domain::calendar::WorkingCalendar::mainland())
            .map_err(|error| ApiError::internal(&error))?;
        Ok(days.iter().map(TraceLine::new).collect())
    }

    async fn open_facts(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        // What a complaint says names people: it is for those who may read cases, not for dashboards.
        authority(ctx)?.may_read(Read::Cases)?;
        match &self.folded.facts {
            Some(sealed) => people::open(ctx, sealed, "facts").await,
            None => Ok(None),
        }
    }
}

/// Parses a unit id of an argument.
///
/// # Errors
/// `INVALID_INPUT`.
pub fn unit_id(raw: &str) -> Result<UnitId, ApiError> {
    UnitId::parse(raw).map_err(ApiError::invalid)
}

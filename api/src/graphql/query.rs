//! The questions one may ask.

use async_graphql::resolver_utils::EnumType as _;
use async_graphql::{Context, Object, SimpleObject};
use chrono::NaiveDate;
use domain::calendar::WorkingCalendar;
use domain::clock::{ClockKind, PeriodUnit, RuleTable, start, trace};
use domain::id::ComplaintId;
use domain::region::{RegionCode, RegionTable};
use projections::{CaseFilter, PageRequest};
use uuid::Uuid;

use super::authority::{Read, authority, region_in_area};
use super::case::{Case, Folded, Glance};
use super::clock::Deadline;
use super::dashboard::{Dashboard, Moment};
use super::enums::UnitKind;
use super::error::{ApiError, Code, Field};
use super::error_code::ErrorCode;
use super::lists::{self, CaseConnection, CaseFilterInput, UnitConnection, WorkloadConnection, check_search};
use super::scalars::{Date, Position};
use super::unregistered::{self, UnregisteredMatterConnection};
use super::workload::Workload;
use crate::app::App;

/// Most cases of one number that an answer names.
const SAME_NUMBER_SHOWN_MAX: u32 = 20;

/// A statutory rule as data.
#[derive(Debug, Clone, SimpleObject)]
pub struct Rule {
    /// For example CLK-ACCEPT.
    pub id: String,
    pub version: String,
    pub article: String,
    /// In `unit`.
    pub length: u16,
    /// `working-days` or `natural-days`.
    pub unit: String,
    pub effective_from: Date,
    pub effective_to: Option<Date>,
    /// Most that an approval may add, in `unit`; null where no article allows any.
    pub extension_max: Option<u16>,
}

/// What this server is and where it stands.
#[derive(Debug, Clone, SimpleObject)]
pub struct ServerInfo {
    pub version: String,
    /// The newest position of the log.
    pub log_position: Option<Position>,
    /// The position the read models show.
    pub read_position: Option<Position>,
    /// The mainland calendar in use.
    pub calendar: String,
    /// The local day of the province (UTC+8).
    pub today: Date,
    /// Events that the read models do not show yet.
    pub lag_events: u32,
    /// The age of the oldest event that they do not show yet.
    pub lag_seconds: u32,
    /// Every code that an error's `extensions.code` can carry.
    pub error_codes: Vec<ErrorCode>,
}

/// The questions one may ask about cases, units and rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct CaseQuery;

#[Object]
impl CaseQuery {
    /// One case by `id` or `number`, as it is or as it was.
    async fn case(
        &self,
        ctx: &Context<'_>,
        id: Option<Uuid>,
        number: Option<String>,
        #[graphql(desc = "Only what happened by the end of this local day.")] as_of: Option<Date>,
        #[graphql(desc = "Only what was recorded by the end of this local day.")] as_known_at: Option<Date>,
        #[graphql(desc = "Only what was recorded up to this position.")] as_known_at_position: Option<Position>,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<Case> {
        let glance = Glance {
            as_of: as_of.map(|day| day.0),
            as_known_at: as_known_at.map(|day| day.0),
            as_known_at_position: as_known_at_position.map(|position| position.0),
        };
        one_case(ctx, id, number, glance, at_least).await.map_err(Into::into).transpose()
    }

    /// A list of cases in your area.
    async fn cases(
        &self,
        ctx: &Context<'_>,
        #[graphql(default)] filter: CaseFilterInput,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<CaseConnection> {
        Some(lists::cases(ctx, filter, first, after, at_least).await.map_err(Into::into))
    }

    /// Every event of a case, as `case { history }`, for those who want nothing else.
    async fn case_history(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Only what was recorded by the end of this local day.")] as_known_at: Option<Date>,
    ) -> Field<super::history::HistoryConnection> {
        Some(case_history(ctx, id, first, after, as_known_at).await.map_err(Into::into))
    }

    /// The province's dashboard, for those whose area is the province.
    async fn province_dashboard(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The state at the end of this local day.")] as_of: Option<Date>,
        #[graphql(desc = "As it was known at the end of this local day.")] as_known_at: Option<Date>,
        #[graphql(desc = "As it was known at this position.")] as_known_at_position: Option<Position>,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<Dashboard> {
        let moment = Moment { as_of, as_known_at, as_known_at_position };
        Some(dashboard(ctx, &RegionCode::GUANGDONG.to_string(), moment, at_least).await.map_err(Into::into))
    }

    /// A city's dashboard.
    async fn city_dashboard(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Region code of the city, for example 440100.")] city: String,
        #[graphql(desc = "The state at the end of this local day.")] as_of: Option<Date>,
        #[graphql(desc = "As it was known at the end of this local day.")] as_known_at: Option<Date>,
        #[graphql(desc = "As it was known at this position.")] as_known_at_position: Option<Position>,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<Dashboard> {
        let moment = Moment { as_of, as_known_at, as_known_at_position };
        Some(city_dashboard(ctx, &city, moment, at_least).await.map_err(Into::into))
    }

    /// One unit's work.
    async fn station_workload(
        &self,
        ctx: &Context<'_>,
        unit_id: String,
        #[graphql(desc = "The state at the end of this local day.")] as_of: Option<Date>,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<Workload> {
        Some(lists::workload(ctx, &unit_id, as_of, at_least).await.map_err(Into::into))
    }

    /// The work of every unit of your area, or of a region in it.
    async fn station_workloads(
        &self,
        ctx: &Context<'_>,
        region: Option<String>,
        #[graphql(desc = "The state at the end of this local day.")] as_of: Option<Date>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Field<WorkloadConnection> {
        Some(lists::workloads(ctx, region, as_of, first, after).await.map_err(Into::into))
    }

    /// Open cases by their next legal last day, earliest first.
    async fn due_list(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The last day listed; 14 days ahead when left out.")] until: Option<Date>,
        region: Option<String>,
        unit_id: Option<String>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Field<CaseConnection> {
        Some(lists::due_list(ctx, until, region, unit_id, first, after).await.map_err(Into::into))
    }

    /// Units of the register in your area.
    async fn units(
        &self,
        ctx: &Context<'_>,
        kind: Option<UnitKind>,
        region: Option<String>,
        #[graphql(desc = "Part of the name.")] text: Option<String>,
        first: Option<u32>,
        after: Option<String>,
    ) -> Field<UnitConnection> {
        Some(lists::units(ctx, kind, region, text, first, after).await.map_err(Into::into))
    }

    /// 登记未成: matters of filings that led to no complaint, taken in by units of your area, the longest waiting first.
    ///
    /// The unit that took the filing in has to look at them: `retryRegistration` has one tried again,
    /// `settleRegistration` says that it needs no complaint.
    async fn unregistered_matters(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Read your writes: wait for this position.")] at_least: Option<Position>,
    ) -> Field<UnregisteredMatterConnection> {
        Some(unregistered::list(ctx, first, after, at_least).await.map_err(Into::into))
    }

    /// The statutory rules as data, with the days they are in force.
    async fn rulebook(&self, #[graphql(desc = "Only rules in force on this day.")] on: Option<Date>) -> Vec<Rule> {
        let rules = RuleTable::builtin().rules().iter();
        rules
            .filter(|rule| {
                on.is_none_or(|on| rule.effective_from <= on.0 && rule.effective_to.is_none_or(|to| on.0 <= to))
            })
            .map(|rule| Rule {
                id: rule.kind.as_str().to_owned(),
                version: rule.version.clone(),
                article: rule.article.clone(),
                length: rule.length,
                unit: match rule.unit {
                    PeriodUnit::WorkingDays => "working-days".to_owned(),
                    PeriodUnit::NaturalDays => "natural-days".to_owned(),
                },
                effective_from: Date(rule.effective_from),
                effective_to: rule.effective_to.map(Date),
                extension_max: rule.extension_max,
            })
            .collect()
    }

    /// Works out a statutory last day, with its trace, under the rule in force on the day it starts from.
    async fn deadline(
        &self,
        #[graphql(desc = "For example CLK-ACCEPT.")] rule: String,
        #[graphql(desc = "The day of the act that starts the period; it does not count itself.")] from: Date,
    ) -> Field<Deadline> {
        Some(deadline(&rule, from.0).map_err(Into::into))
    }

    /// What this server is and where it stands.
    async fn server_info(&self, ctx: &Context<'_>) -> Field<ServerInfo> {
        Some(server_info(ctx).await.map_err(Into::into))
    }
}

async fn one_case(
    ctx: &Context<'_>,
    id: Option<Uuid>,
    number: Option<String>,
    glance: Glance,
    at_least: Option<Position>,
) -> Result<Option<Case>, ApiError> {
    let app = ctx.data_unchecked::<App>();
    app.reach(at_least.map(|position| position.0)).await?;
    let id = match (id, number) {
        (Some(id), None) => ComplaintId::from_uuid(id),
        (None, Some(number)) => by_number(ctx, number).await?,
        _ => return Err(ApiError::invalid("give `id` or `number`, one of them")),
    };
    let folded = Folded::visible(ctx, id, glance).await?;
    Ok(folded.map(|folded| Case::new(folded, glance)))
}

/// The case with this number that the caller sees: two sources may use the same number.
async fn by_number(ctx: &Context<'_>, number: String) -> Result<ComplaintId, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Cases)?;
    check_search(&[Some(&number)])?;
    let filter = CaseFilter { number: Some(number), ..CaseFilter::new(vec![authority.scope.clone()]) };
    let page = app
        .query(move |models| models.cases(&filter, &PageRequest { after: None, limit: SAME_NUMBER_SHOWN_MAX }))
        .await?;
    match page.rows.as_slice() {
        [] => Err(ApiError::not_found("case")),
        [(row, _)] => Ok(row.id),
        several => Err(ApiError::invalid("several cases have this number; ask by `id`")
            .with("ids", several.iter().map(|(row, _)| row.id.to_string()).collect())),
    }
}

async fn case_history(
    ctx: &Context<'_>,
    id: Uuid,
    first: Option<u32>,
    after: Option<String>,
    as_known_at: Option<Date>,
) -> Result<super::history::HistoryConnection, ApiError> {
    let glance = Glance { as_known_at: as_known_at.map(|day| day.0), ..Glance::default() };
    let folded = Folded::visible(ctx, ComplaintId::from_uuid(id), glance).await?;
    let events = folded.map(|folded| folded.events).unwrap_or_default();
    super::history::history(ctx.data_unchecked::<App>(), &events, first, after).await
}

async fn dashboard(
    ctx: &Context<'_>,
    region: &str,
    moment: Moment,
    at_least: Option<Position>,
) -> Result<Dashboard, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Counts)?;
    let region = region_in_area(&authority, region)?;
    app.reach(at_least.map(|position| position.0)).await?;
    Dashboard::of(app, region, moment).await
}

async fn city_dashboard(
    ctx: &Context<'_>,
    city: &str,
    moment: Moment,
    at_least: Option<Position>,
) -> Result<Dashboard, ApiError> {
    let is_city =
        RegionCode::parse(city).is_ok_and(|code| RegionTable::builtin().cities().any(|city| city.code == code));
    if !is_city {
        return Err(ApiError::new(
            Code::UnknownRegion,
            "`city` is the code of one of the 21 cities, for example 440100",
        ));
    }
    dashboard(ctx, city, moment, at_least).await
}

fn deadline(rule: &str, from: NaiveDate) -> Result<Deadline, ApiError> {
    let unknown = |error: String| ApiError::new(Code::UnknownRule, error);
    let kind = ClockKind::parse(rule).map_err(|error| unknown(error.to_string()))?;
    let rule = RuleTable::builtin().rule(kind, from).map_err(|error| unknown(error.to_string()))?;
    let calendar = WorkingCalendar::mainland();
    let terms = start(rule, calendar, from).map_err(ApiError::invalid)?;
    let days = trace(terms.basis(), &[], calendar).map_err(ApiError::invalid)?;
    Ok(Deadline::new(&terms, &days))
}

async fn server_info(ctx: &Context<'_>) -> Result<ServerInfo, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let head = app.log.head().await?;
    Ok(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        log_position: head.map(Position),
        read_position: app.models.position().map(Position),
        calendar: WorkingCalendar::mainland().edition().to_string(),
        today: Date(app.today()),
        lag_events: u32::try_from(app.lag.events()).unwrap_or(u32::MAX),
        lag_seconds: u32::try_from(app.lag.seconds()).unwrap_or(u32::MAX),
        error_codes: ErrorCode::items().iter().map(|item| item.value).collect(),
    })
}

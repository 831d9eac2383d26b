//! Lists: cases, units, workloads; each within the caller's area, page by page.

use async_graphql::{Context, InputObject, SimpleObject};
use domain::calendar::WorkingCalendar;
use projections::{AsOf, CaseCursor, CaseFilter, CasePage, PageRequest, Scope, StageFilter, UnitFilter};

use super::authority::{Authority, Read, authority, region_in_area};
use super::case::{Case, Glance, unit_id};
use super::connection::{PageInfo, decode_cursor, encode_cursor, page_size};
use super::dashboard::{MeasureName, Moment};
use super::enums::{Category, Channel, Stage, UnitKind};
use super::error::{ApiError, Code};
use super::scalars::{Date, Position};
use super::unit::Unit;
use super::workload::Workload;
use crate::app::App;

/// Longest search text in characters.
pub const SEARCH_CHARS_MAX: usize = 100;
/// How far ahead a due list looks when no day is given.
const DUE_DAYS_DEFAULT: i64 = 14;

/// Which cases a list holds; conditions are joined by "and".
#[derive(Debug, Clone, Default, InputObject)]
pub struct CaseFilterInput {
    /// Region code; a county, a city or the province.
    pub region: Option<String>,
    pub unit_id: Option<String>,
    /// Work id.
    pub handler: Option<String>,
    pub channel: Option<Channel>,
    pub category: Option<Category>,
    pub stage: Option<Stage>,
    pub number: Option<String>,
    /// Part of the name of the business, or its credit code.
    pub business: Option<String>,
    /// Chinese text in either script, numbers, or names of businesses.
    pub text: Option<String>,
    /// The list behind a dashboard's number: as many rows as the number says.
    pub measure: Option<MeasureName>,
    /// The moment of the measure; of no use without one.
    #[graphql(default)]
    pub moment: Moment,
}

/// A case in a list.
#[derive(Debug, Clone, SimpleObject)]
pub struct CaseEdge {
    pub cursor: String,
    /// Null for a case that counted in your area and has left it since.
    pub node: Option<Case>,
}

/// Cases, in a stable order.
#[derive(Debug, Clone, SimpleObject)]
pub struct CaseConnection {
    pub edges: Vec<CaseEdge>,
    pub page_info: PageInfo,
    /// How many there are in all; null for a list that was not counted.
    pub total_count: Option<u32>,
}

/// A unit in a list.
#[derive(Debug, Clone, SimpleObject)]
pub struct UnitEdge {
    pub cursor: String,
    pub node: Unit,
}

/// Units, by id.
#[derive(Debug, Clone, SimpleObject)]
pub struct UnitConnection {
    pub edges: Vec<UnitEdge>,
    pub page_info: PageInfo,
}

/// A workload in a list.
#[derive(Debug, Clone, SimpleObject)]
pub struct WorkloadEdge {
    pub cursor: String,
    pub node: Workload,
}

/// Workloads, by unit id.
#[derive(Debug, Clone, SimpleObject)]
pub struct WorkloadConnection {
    pub edges: Vec<WorkloadEdge>,
    pub page_info: PageInfo,
}

/// Refuses a text that no search should have to walk.
pub(super) fn check_search(texts: &[Option<&String>]) -> Result<(), ApiError> {
    if texts.iter().flatten().any(|text| text.chars().count() > SEARCH_CHARS_MAX) {
        return Err(ApiError::invalid(format!("a search text has at most {SEARCH_CHARS_MAX} characters")));
    }
    Ok(())
}

pub(super) async fn workload(
    ctx: &Context<'_>,
    raw_unit: &str,
    as_of: Option<Date>,
    at_least: Option<Position>,
) -> Result<Workload, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Counts)?;
    app.reach(at_least.map(|position| position.0)).await?;
    let unit = unit_id(raw_unit)?;
    let known = app.models.unit(&unit)?;
    if known.is_none() || !authority.sees_unit(&unit, &app.models)? {
        return Err(ApiError::new(Code::UnknownUnit, "no such unit in your area"));
    }
    let today = app.today();
    let day = as_of.map(|day| day.0);
    let load = app.query(move |models| models.workload(&unit, day, today, WorkingCalendar::mainland())).await?;
    Ok(Workload::new(load, day.unwrap_or(today)))
}

pub(super) async fn workloads(
    ctx: &Context<'_>,
    region: Option<String>,
    as_of: Option<Date>,
    first: Option<u32>,
    after: Option<String>,
) -> Result<WorkloadConnection, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Counts)?;
    let scope = scope_within(&authority, region)?;
    let limit = page_size(first, app.pages)?;
    let after = after.map(|cursor| decode_cursor::<String>("workloads", &cursor)).transpose()?;
    let had_before = after.is_some();
    let after = after.map(|raw| unit_id(&raw)).transpose()?;
    let today = app.today();
    let day = as_of.map(|day| day.0);
    let (loads, has_more) = app
        .query(move |models| models.workloads(&scope, day, today, WorkingCalendar::mainland(), after.as_ref(), limit))
        .await?;
    let edges: Vec<_> = loads
        .into_iter()
        .map(|load| WorkloadEdge {
            cursor: encode_cursor("workloads", &load.unit.as_str()),
            node: Workload::new(load, day.unwrap_or(today)),
        })
        .collect();
    let page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), has_more, had_before);
    Ok(WorkloadConnection { edges, page_info })
}

/// The caller's area, or a region in it.
fn scope_within(authority: &Authority, region: Option<String>) -> Result<Scope, ApiError> {
    Ok(match region {
        Some(region) => Scope::Region(region_in_area(authority, &region)?),
        None => authority.scope.clone(),
    })
}

pub(super) async fn units(
    ctx: &Context<'_>,
    kind: Option<UnitKind>,
    region: Option<String>,
    text: Option<String>,
    first: Option<u32>,
    after: Option<String>,
) -> Result<UnitConnection, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    check_search(&[text.as_ref()])?;
    let filter = UnitFilter { scope: scope_within(&authority, region)?, kind: kind.map(Into::into), text };
    let limit = page_size(first, app.pages)?;
    let after = after.map(|cursor| decode_cursor::<String>("units", &cursor)).transpose()?;
    let had_before = after.is_some();
    let after = after.map(|raw| unit_id(&raw)).transpose()?;
    let (rows, has_more) = app.query(move |models| models.units(&filter, after.as_ref(), limit)).await?;
    let edges: Vec<_> = rows
        .into_iter()
        .map(|row| UnitEdge { cursor: encode_cursor("units", &row.id.as_str()), node: Unit(row) })
        .collect();
    let page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), has_more, had_before);
    Ok(UnitConnection { edges, page_info })
}

pub(super) async fn cases(
    ctx: &Context<'_>,
    input: CaseFilterInput,
    first: Option<u32>,
    after: Option<String>,
    at_least: Option<Position>,
) -> Result<CaseConnection, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Cases)?;
    app.reach(at_least.map(|position| position.0)).await?;
    let region = input.region.map(|region| region_in_area(&authority, &region)).transpose()?;
    check_search(&[input.text.as_ref(), input.business.as_ref(), input.number.as_ref(), input.handler.as_ref()])?;
    if input.measure.is_none() && !input.moment.is_now() {
        return Err(ApiError::invalid(
            "`moment` says when a `measure` is taken, and lists show cases as they stand now: add `measure`, or leave \
             `moment` out",
        ));
    }
    let known = input.moment.known()?;
    let day = input.moment.as_of.map_or_else(|| app.today(), |day| day.0);
    let filter = CaseFilter {
        scope: vec![authority.scope.clone()],
        region,
        unit: input.unit_id.map(|unit| unit_id(&unit)).transpose()?,
        handler: input.handler,
        channel: input.channel.map(Into::into),
        category: input.category.map(Into::into),
        stage: input.stage.and_then(|stage| StageFilter::from_code(stage.code())),
        number: input.number,
        business: input.business,
        text: input.text,
        measure: input.measure.map(|measure| (measure.into(), AsOf { day, known })),
    };
    let request = page_request(app, first, after, "cases")?;
    let had_before = request.after.is_some();
    let counted = ctx.look_ahead().field("totalCount").exists();
    let (page, total) = app
        .query(move |models| {
            let page = models.cases(&filter, &request)?;
            let total = if counted {
                page.total.map_or_else(|| models.count_cases(&filter).map(Some), |all| Ok(Some(all)))?
            } else {
                None
            };
            Ok((page, total))
        })
        .await?;
    connection(app, &authority, page, "cases", had_before, total).await
}

pub(super) async fn due_list(
    ctx: &Context<'_>,
    until: Option<Date>,
    region: Option<String>,
    raw_unit: Option<String>,
    first: Option<u32>,
    after: Option<String>,
) -> Result<CaseConnection, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Cases)?;
    let scope = match (region, raw_unit) {
        (None, None) => authority.scope.clone(),
        (Some(region), None) => Scope::Region(region_in_area(&authority, &region)?),
        (None, Some(unit)) => {
            let unit = unit_id(&unit)?;
            if !authority.sees_unit(&unit, &app.models)? {
                return Err(ApiError::new(Code::UnknownUnit, "no such unit in your area"));
            }
            Scope::Unit(unit)
        }
        (Some(_), Some(_)) => return Err(ApiError::invalid("give `region` or `unitId`, not both")),
    };
    let until = until.map_or_else(|| app.today() + chrono::Duration::days(DUE_DAYS_DEFAULT), |day| day.0);
    let request = page_request(app, first, after, "due")?;
    let had_before = request.after.is_some();
    let page = app.query(move |models| models.due_list(&scope, until, &request)).await?;
    connection(app, &authority, page, "due", had_before, None).await
}

fn page_request(app: &App, first: Option<u32>, after: Option<String>, list: &str) -> Result<PageRequest, ApiError> {
    let after = after.map(|cursor| decode_cursor::<CaseCursor>(list, &cursor)).transpose()?;
    Ok(PageRequest { after, limit: page_size(first, app.pages)? })
}

async fn connection(
    app: &App,
    authority: &Authority,
    page: CasePage,
    list: &str,
    had_before: bool,
    total: Option<u64>,
) -> Result<CaseConnection, ApiError> {
    let mut edges = Vec::with_capacity(page.rows.len());
    for (row, cursor) in page.rows {
        // The row may lag behind the log: who has the case in what would be shown decides.
        let node = match Case::of_row(app, &row, Glance::default()).await? {
            Some(case) if authority.sees_unit(case.custody(), &app.models)? => Some(case),
            Some(_) | None => None,
        };
        edges.push(CaseEdge { cursor: encode_cursor(list, &cursor), node });
    }
    let page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), page.has_more, had_before);
    Ok(CaseConnection { edges, page_info, total_count: total.map(|total| u32::try_from(total).unwrap_or(u32::MAX)) })
}

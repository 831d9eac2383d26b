//! Questions to the read models and their answers.

mod behind;
mod bound;
mod breakdown;
mod cases;
mod dashboard;
mod due;
mod sight;
mod units;
mod workload;

use chrono::{DateTime, NaiveDate, Utc};
use domain::clock::ClockKind;
use domain::complaint::Stage;
use domain::complaint::vocabulary::Outcome;
use domain::envelope::{Position, Revision};
use domain::id::{ComplaintId, FilingId, UnitId};
use domain::money::Money;
use domain::org::UnitKind;
use domain::region::RegionCode;
use domain::vocabulary::{Category, Channel};
use serde::{Deserialize, Serialize};

use crate::measure::{Counts, Measure};
use crate::scope::{AsOf, Known, Scope};

pub(crate) use self::cases::stored_rows;

/// Most rows of a page.
pub const PAGE_ROWS_MAX: u32 = 1_000;
/// Longest text of a filter in characters.
pub const FILTER_CHARS_MAX: usize = crate::text::QUERY_CHARS_MAX;
/// Most days of a series.
pub const SERIES_DAYS_MAX: i64 = 3_660;
/// Most days of a breakdown by day, the last ones.
pub const BREAKDOWN_DAYS_MAX: usize = 1_100;

/// Which numbers, at which moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardQuery {
    pub scope: Scope,
    /// The state at the end of this local day; `today` when absent.
    pub as_of: Option<NaiveDate>,
    pub today: NaiveDate,
    pub known: Known,
}

impl DashboardQuery {
    /// The day that is asked about.
    #[must_use]
    pub fn day(&self) -> NaiveDate {
        self.as_of.unwrap_or(self.today)
    }
}

/// The numbers of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dashboard {
    pub counts: Counts,
    /// The last position that the numbers include.
    pub position: Option<Position>,
}

/// Along what numbers are broken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakdown {
    City,
    Unit,
    /// Who had the case at the end of the day, or did the act.
    Handler,
    Channel,
    Category,
    /// What changed on each day.
    Day,
}

/// The numbers of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakdownRow {
    /// A region code, a unit id, a work id (empty where there is none), a code, or a day.
    pub key: String,
    pub counts: Counts,
}

/// Where a case must stand to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StageFilter {
    /// Any stage but closed.
    Open,
    AtIntake,
    Dispatched,
    Received,
    Accepted,
    Mediating,
    Ended,
    NotAccepted,
    Closed,
}

impl StageFilter {
    /// Every filter.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::AtIntake,
        Self::Dispatched,
        Self::Received,
        Self::Accepted,
        Self::Mediating,
        Self::Ended,
        Self::NotAccepted,
        Self::Closed,
    ];

    /// The code: those of the domain's stages, and `open`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::AtIntake => "at-intake",
            Self::Dispatched => "dispatched",
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Mediating => "mediating",
            Self::Ended => "ended",
            Self::NotAccepted => "not-accepted",
            Self::Closed => "closed",
        }
    }

    /// The filter with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.code() == code)
    }
}

/// Which cases a list holds; conditions are joined by "and". There is no filter without a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFilter {
    /// The caller's authority: a case must be inside at least one of them. Empty, nothing is visible.
    pub scope: Vec<Scope>,
    /// Narrows the scope to a region.
    pub region: Option<RegionCode>,
    /// Narrows the scope to one unit, without those below it.
    pub unit: Option<UnitId>,
    /// Who has the case; with a measure, who had it then.
    pub handler: Option<String>,
    pub channel: Option<Channel>,
    pub category: Option<Category>,
    pub stage: Option<StageFilter>,
    /// The whole number.
    pub number: Option<String>,
    /// Part of the name of the business, in either script, or its credit code.
    pub business: Option<String>,
    /// What number, business or facts must hold.
    pub text: Option<String>,
    /// The list behind a number of a dashboard: the cases that make it up. Then scope, region and unit mean where the
    /// case stood when it counted, not where it stands. Stage, number, business and text are about the case as it is
    /// today: with one of them, only cases that still stand inside the caller's authority are in the list.
    pub measure: Option<(Measure, AsOf)>,
}

impl CaseFilter {
    /// Everything in a scope.
    #[must_use]
    pub const fn new(scope: Vec<Scope>) -> Self {
        Self {
            scope,
            region: None,
            unit: None,
            handler: None,
            channel: None,
            category: None,
            stage: None,
            number: None,
            business: None,
            text: None,
            measure: None,
        }
    }
}

/// A place in a list of cases. Opaque; it belongs to the list and the filter it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseCursor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<i32>,
    key: u32,
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The place of the last row that the caller has.
    pub after: Option<CaseCursor>,
    /// 1 to [`PAGE_ROWS_MAX`].
    pub limit: u32,
}

/// A page of a list of cases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CasePage {
    pub rows: Vec<(CaseRow, CaseCursor)>,
    pub has_more: bool,
    /// How many rows there are in all, when the page is all of them; else ask
    /// [`count_cases`](crate::ReadModels::count_cases).
    pub total: Option<u64>,
}

/// The next legal last day of an open case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextDue {
    pub day: NaiveDate,
    /// The period that ends then; `None` for the deadline of a source system.
    pub clock: Option<ClockKind>,
    /// A calendar that mattered was not published.
    pub provisional: bool,
    /// The first day on which the case counts as overdue by it.
    pub overdue_from: NaiveDate,
}

/// A case as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRow {
    pub id: ComplaintId,
    pub number: String,
    pub filing: FilingId,
    pub channel: Channel,
    pub category: Category,
    /// The region it was registered for.
    pub region: RegionCode,
    /// The unit that took it in.
    pub intake_unit: UnitId,
    /// The unit that has it.
    pub unit: UnitId,
    /// Work id.
    pub handler: Option<String>,
    pub stage: Stage,
    pub outcome: Option<Outcome>,
    /// 1 for the first handling, one more at each reopening.
    pub round: u16,
    pub registered_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
    pub closed_late: bool,
    pub recovered: Option<Money>,
    pub respondent: Option<String>,
    pub respondent_uscc: Option<String>,
    pub due: Option<NextDue>,
    pub urged: u32,
    pub revision: Revision,
    /// The position of its last event.
    pub position: Position,
    pub last_event_at: DateTime<Utc>,
    /// What the case adds to the number that the list stands behind: 1, but 2 for one closed twice, or an amount of
    /// money. 1 in every other list.
    pub counted: i64,
}

/// Part of a unit's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerLoad {
    /// `None` for cases that no handler has.
    pub handler: Option<String>,
    pub open: i64,
    pub overdue: i64,
}

/// A unit's work at the end of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub unit: UnitId,
    pub open: i64,
    pub overdue: i64,
    /// Due on the day itself.
    pub due_today: i64,
    /// Due on the day or within the three working days behind it.
    pub due_in_3_working_days: i64,
    /// Since the beginning; the same numbers as the unit's dashboard.
    pub transferred_in: i64,
    pub transferred_out: i64,
    pub returned: i64,
    /// Most open first.
    pub by_handler: Vec<HandlerLoad>,
}

/// Which units a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFilter {
    pub scope: Scope,
    pub kind: Option<UnitKind>,
    /// Part of the name or of the id.
    pub text: Option<String>,
}

//! Dashboards: how a region is doing, now or at the end of any day, as known then or now.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use chrono::NaiveDate;
use domain::region::{RegionCode, RegionTable};
use projections::{Breakdown as By, Counts, DashboardQuery, Known, Measure, Scope};

use super::error::{ApiError, Field};
use super::scalars::{Date, MinorUnits, Position};
use crate::app::App;

/// Most days of one series.
pub const SERIES_DAYS_MAX: i64 = 1_100;
/// Most rows of one breakdown.
pub const BREAKDOWN_ROWS_MAX: u32 = 500;

/// A rate as its two numbers, so that nothing is lost in rounding.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub struct Rate {
    pub numerator: i32,
    pub denominator: i32,
    /// Hundredths of a percent; null when there is nothing to divide by.
    pub basis_points: Option<i32>,
}

impl Rate {
    fn new(numerator: i64, denominator: i64) -> Self {
        Self {
            numerator: count(numerator),
            denominator: count(denominator),
            basis_points: (denominator > 0).then(|| count(numerator.saturating_mul(10_000) / denominator)),
        }
    }
}

/// Counts fit `Int` for five hundred years of the province's matters; beyond that the bound shows.
fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

/// The numbers of a region, a unit or a part of them.
#[derive(Debug, Clone)]
pub struct Figures(pub Counts);

macro_rules! figures {
    ($ty:ident, |$this:ident| $counts:expr, { $($extra:tt)* }) => {
        #[Object]
        impl $ty {
            $($extra)*

            /// Registered (登记).
            async fn received(&self) -> i32 { let $this = self; count($counts.get(Measure::Received)) }
            /// Accepted (受理).
            async fn accepted(&self) -> i32 { let $this = self; count($counts.get(Measure::Accepted)) }
            /// Refused (不予受理).
            async fn refused(&self) -> i32 { let $this = self; count($counts.get(Measure::Refused)) }
            /// Mediations opened (开始调解).
            async fn mediated(&self) -> i32 { let $this = self; count($counts.get(Measure::MediationOpened)) }
            /// Agreements and settlements (调解成功).
            async fn succeeded(&self) -> i32 { let $this = self; count($counts.get(Measure::Succeeded)) }
            /// Closed (办结).
            async fn closed(&self) -> i32 { let $this = self; count($counts.get(Measure::Closed)) }
            /// Closed after a deadline.
            async fn closed_late(&self) -> i32 { let $this = self; count($counts.get(Measure::ClosedLate)) }
            /// Open at the end of the day.
            async fn open(&self) -> i32 { let $this = self; count($counts.get(Measure::Open)) }
            /// Open with a deadline before the end of the day.
            async fn overdue(&self) -> i32 { let $this = self; count($counts.get(Measure::Overdue)) }
            /// Handed back to intake (退回).
            async fn returned(&self) -> i32 { let $this = self; count($counts.get(Measure::Returned)) }
            /// Taken up again (重办).
            async fn reopened(&self) -> i32 { let $this = self; count($counts.get(Measure::Reopened)) }
            /// Urged (催办).
            async fn urged(&self) -> i32 { let $this = self; count($counts.get(Measure::Urged)) }
            /// Came in from another unit or region. received + reopened + transferredIn - closed - transferredOut = open.
            async fn transferred_in(&self) -> i32 { let $this = self; count($counts.get(Measure::TransferredIn)) }
            /// Went to another unit or region.
            async fn transferred_out(&self) -> i32 { let $this = self; count($counts.get(Measure::TransferredOut)) }
            /// Economic loss recovered, in fen of CNY as text (挽回经济损失).
            async fn recovered_loss(&self) -> MinorUnits { let $this = self; MinorUnits($counts.get(Measure::RecoveredFen)) }
            /// Decided on time whether to accept, of all so decided (按时初查率).
            async fn accept_on_time(&self) -> Rate {
                let $this = self;
                let decided = $counts.get(Measure::AcceptDecided);
                Rate::new(decided - $counts.get(Measure::AcceptDecidedLate), decided)
            }
            /// Closed on time, of all closed (按期办结率).
            async fn close_on_time(&self) -> Rate {
                let $this = self;
                let closed = $counts.get(Measure::Closed);
                Rate::new(closed - $counts.get(Measure::ClosedLate), closed)
            }
        }
    };
}

figures!(Figures, |this| this.0, {});

/// One row of a breakdown.
#[derive(Debug, Clone)]
pub struct BreakdownRow {
    key: String,
    counts: Counts,
}

figures!(BreakdownRow, |this| this.counts, {
    /// What the row is for: a region code, a unit id, a work id, a code; empty for cases without one.
    async fn key(&self) -> &str {
        &self.key
    }

    /// The Chinese name of the region or the term of the code, where there is one.
    async fn name(&self) -> Option<&'static str> {
        name_of(&self.key)
    }
});

fn name_of(key: &str) -> Option<&'static str> {
    if let Some(channel) = domain::vocabulary::Channel::from_code(key) {
        return Some(channel.term());
    }
    if let Some(category) = domain::vocabulary::Category::from_code(key) {
        return Some(category.term());
    }
    RegionCode::parse(key).ok().and_then(|code| RegionTable::builtin().get(code)).map(|region| region.name.as_str())
}

/// A measure that a list or a series can be asked for.
#[derive(Debug, Enum, Copy, Clone, Eq, PartialEq)]
pub enum MeasureName {
    Received,
    Accepted,
    Refused,
    Mediated,
    Succeeded,
    Closed,
    ClosedLate,
    Open,
    Overdue,
    Returned,
    Reopened,
    Urged,
    TransferredIn,
    TransferredOut,
}

impl From<MeasureName> for Measure {
    fn from(name: MeasureName) -> Self {
        match name {
            MeasureName::Received => Self::Received,
            MeasureName::Accepted => Self::Accepted,
            MeasureName::Refused => Self::Refused,
            MeasureName::Mediated => Self::MediationOpened,
            MeasureName::Succeeded => Self::Succeeded,
            MeasureName::Closed => Self::Closed,
            MeasureName::ClosedLate => Self::ClosedLate,
            MeasureName::Open => Self::Open,
            MeasureName::Overdue => Self::Overdue,
            MeasureName::Returned => Self::Returned,
            MeasureName::Reopened => Self::Reopened,
            MeasureName::Urged => Self::Urged,
            MeasureName::TransferredIn => Self::TransferredIn,
            MeasureName::TransferredOut => Self::TransferredOut,
        }
    }
}

/// The moment a dashboard is for; left out, everything known now.
#[derive(Debug, Clone, Copy, Default, InputObject)]
pub struct Moment {
    /// The state at the end of this local day.
    pub as_of: Option<Date>,
    /// As it was known at the end of this local day.
    pub as_known_at: Option<Date>,
    /// As it was known at this position of the log.
    pub as_known_at_position: Option<Position>,
}

impl Moment {
    /// Whether it was left out, or says no more than that.
    #[must_use]
    pub const fn is_now(&self) -> bool {
        self.as_of.is_none() && self.as_known_at.is_none() && self.as_known_at_position.is_none()
    }

    /// What was known, for the read models.
    ///
    /// # Errors
    /// `INVALID_INPUT` when both ways are given.
    pub fn known(&self) -> Result<Known, ApiError> {
        match (self.as_known_at, self.as_known_at_position) {
            (None, None) => Ok(Known::Now),
            (Some(day), None) => Ok(Known::Day(day.0)),
            (None, Some(position)) => Ok(Known::Position(position.0)),
            (Some(_), Some(_)) => Err(ApiError::invalid("give `asKnownAt` or `asKnownAtPosition`, not both")),
        }
    }
}

/// One day of a series.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub struct DayFigure {
    pub day: Date,
    /// What happened on the day; for OPEN and OVERDUE the change on the day.
    pub change: i32,
}

/// A region's dashboard.
#[derive(Debug, Clone)]
pub struct Dashboard {
    query: DashboardQuery,
    region: RegionCode,
    counts: Counts,
    position: Option<domain::envelope::Position>,
}

impl Dashboard {
    /// The dashboard of a region that the caller may see.
    ///
    /// # Errors
    /// The read models cannot be read.
    pub async fn of(app: &App, region: RegionCode, moment: Moment) -> Result<Self, ApiError> {
        let known = moment.known()?;
        let query = DashboardQuery {
            scope: Scope::Region(region),
            as_of: moment.as_of.map(|day| day.0),
            today: app.today(),
            known,
        };
        // What is known now is answered from memory; the past is summed from the ledger, off the async threads.
        let answer = if known == Known::Now {
            app.models.dashboard(&query)?
        } else {
            let query = query.clone();
            app.query(move |models| models.dashboard(&query)).await?
        };
        Ok(Self { query, region, counts: answer.counts, position: answer.position })
    }

    async fn breakdown(&self, ctx: &Context<'_>, by: By, first: Option<u32>) -> Result<Vec<BreakdownRow>, ApiError> {
        let first = first.unwrap_or(BREAKDOWN_ROWS_MAX);
        if first == 0 || first > BREAKDOWN_ROWS_MAX {
            return Err(ApiError::invalid(format!("`first` is 1 to {BREAKDOWN_ROWS_MAX}")));
        }
        let query = self.query.clone();
        let mut rows = ctx.data_unchecked::<App>().query(move |models| models.breakdown(&query, by)).await?;
        rows.sort_by(|a, b| {
            b.counts.get(Measure::Open).cmp(&a.counts.get(Measure::Open)).then_with(|| a.key.cmp(&b.key))
        });
        rows.truncate(usize::try_from(first).unwrap_or(usize::MAX));
        Ok(rows.into_iter().map(|row| BreakdownRow { key: row.key, counts: row.counts }).collect())
    }

    async fn series(
        &self,
        ctx: &Context<'_>,
        measure: MeasureName,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<DayFigure>, ApiError> {
        let days = to.signed_duration_since(from).num_days();
        if !(0..SERIES_DAYS_MAX).contains(&days) {
            return Err(ApiError::invalid(format!("a series has 1 to {SERIES_DAYS_MAX} days, `from` before `to`")));
        }
        let query = self.query.clone();
        let series =
            ctx.data_unchecked::<App>().query(move |models| models.series(&query, measure.into(), from, to)).await?;
        Ok(series.into_iter().map(|(day, change)| DayFigure { day: Date(day), change: count(change) }).collect())
    }
}

figures!(Dashboard, |this| this.counts, {
    /// Code of the region.
    async fn region(&self) -> String {
        self.region.to_string()
    }

    /// Chinese name of the region.
    async fn name(&self) -> Option<&'static str> {
        RegionTable::builtin().get(self.region).map(|region| region.name.as_str())
    }

    /// The day the figures are for.
    async fn as_of(&self) -> Date {
        Date(self.query.as_of.unwrap_or(self.query.today))
    }

    /// The position that the figures include.
    async fn position(&self) -> Option<Position> {
        self.position.map(Position)
    }

    /// By city, most open first.
    async fn by_city(&self, ctx: &Context<'_>, first: Option<u32>) -> Field<Vec<BreakdownRow>> {
        Some(self.breakdown(ctx, By::City, first).await.map_err(Into::into))
    }

    /// By unit, most open first.
    async fn by_station(&self, ctx: &Context<'_>, first: Option<u32>) -> Field<Vec<BreakdownRow>> {
        Some(self.breakdown(ctx, By::Unit, first).await.map_err(Into::into))
    }

    /// By handler, most open first.
    async fn by_handler(&self, ctx: &Context<'_>, first: Option<u32>) -> Field<Vec<BreakdownRow>> {
        Some(self.breakdown(ctx, By::Handler, first).await.map_err(Into::into))
    }

    /// By channel, most open first.
    async fn by_channel(&self, ctx: &Context<'_>) -> Field<Vec<BreakdownRow>> {
        Some(self.breakdown(ctx, By::Channel, None).await.map_err(Into::into))
    }

    /// By category, most open first.
    async fn by_category(&self, ctx: &Context<'_>) -> Field<Vec<BreakdownRow>> {
        Some(self.breakdown(ctx, By::Category, None).await.map_err(Into::into))
    }

    /// Day by day, both days included.
    async fn by_day(&self, ctx: &Context<'_>, measure: MeasureName, from: Date, to: Date) -> Field<Vec<DayFigure>> {
        Some(self.series(ctx, measure, from.0, to.0).await.map_err(Into::into))
    }
});

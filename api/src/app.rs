//! What every request works with: the log, the read models, the vault, and a clock.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use cross_border::council::Council;
use cross_border::index::{IndexError, ReferralIndex};
use domain::calendar::WorkingCalendar;
use domain::clock::RuleTable;
use domain::day::local_day;
use domain::decider::Context;
use domain::envelope::{CommandDigest, Position};
use domain::id::UnitId;
use domain::region::RegionCode;
use event_log::port::EventLog;
use event_log::vault::SubjectVault;
use projections::{Lag, ReadModels};

use crate::graphql::error::{ApiError, Code};

/// How long a query waits for the read models to reach the position it asks for.
pub const AT_LEAST_WAIT: Duration = Duration::from_secs(5);

/// A source of the present moment.
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Page sizes of lists.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    pub default: u32,
    pub max: u32,
}

/// The application behind the API; cheap to clone.
#[derive(Clone)]
pub struct App {
    pub log: Arc<dyn EventLog>,
    pub models: ReadModels,
    pub vault: Arc<SubjectVault>,
    pub now: Now,
    pub pages: PageLimits,
    /// How far the read models are behind the log.
    pub lag: Lag,
    /// The council that this node is: everything that crosses the border goes through it.
    pub council: Arc<Council>,
    /// Where that council is registered, which decides on its legal routes.
    pub seat: RegionCode,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("pages", &self.pages).finish_non_exhaustive()
    }
}

impl App {
    /// The local day (UTC+8) now.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        local_day((self.now)())
    }

    /// What a decision may know, for an actor of a unit.
    #[must_use]
    pub fn context<'a>(&self, unit: &'a UnitId, actor: &'a str) -> Context<'a> {
        Context { now: (self.now)(), unit, actor, calendar: WorkingCalendar::mainland(), rules: RuleTable::builtin() }
    }

    /// The digest that tells one body of a command from another.
    ///
    /// Keyed with a secret of the vault: the body holds personal data, and a plain hash of it in the log would let
    /// anybody test guesses after the person was erased.
    #[must_use]
    pub fn command_digest(&self, body: &[u8]) -> CommandDigest {
        CommandDigest(self.vault.fingerprint(body))
    }

    /// Waits until the read models show everything up to `position`.
    ///
    /// # Errors
    /// `NOT_YET` when they do not get there in time.
    pub async fn reach(&self, position: Option<Position>) -> Result<(), ApiError> {
        let Some(position) = position else { return Ok(()) };
        self.models.wait_for(position, AT_LEAST_WAIT).await.map_err(|_error| {
            ApiError::new(Code::NotYet, "the read models have not reached that position yet; try again in a moment")
                .with("position", self.models.position().map_or(serde_json::Value::Null, |at| at.to_string().into()))
        })
    }

    /// Waits until the index of referrals shows everything up to `position`.
    ///
    /// # Errors
    /// `NOT_YET` when it does not get there in time.
    pub async fn reach_index(&self, position: Option<Position>) -> Result<(), ApiError> {
        let Some(position) = position else { return Ok(()) };
        let index = &self.council.index;
        index.wait_for(position, AT_LEAST_WAIT).await.map_err(|_late| {
            ApiError::new(
                Code::NotYet,
                "the index of referrals has not reached that position yet; try again in a moment",
            )
            .with("position", index.position().map_or(serde_json::Value::Null, |at| at.to_string().into()))
        })
    }

    /// Waits until the read models and the index of referrals show everything up to `position`.
    ///
    /// # Errors
    /// `NOT_YET` when one of them does not get there in time.
    pub async fn reach_both(&self, position: Position) -> Result<(), ApiError> {
        let (models, index) = tokio::join!(self.reach(Some(position)), self.reach_index(Some(position)));
        models.and(index)
    }

    /// Asks the index of referrals off the async threads.
    ///
    /// # Errors
    /// `INTERNAL` when the index cannot be read, or the question panicked.
    pub async fn ask_index<T, F>(&self, question: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&ReferralIndex) -> Result<T, IndexError> + Send + 'static,
    {
        let index = self.council.index.clone();
        match tokio::task::spawn_blocking(move || question(&index)).await {
            Ok(answer) => answer.map_err(ApiError::from),
            Err(error) => Err(ApiError::internal(&error)),
        }
    }

    /// Runs a query of the read models off the async threads.
    ///
    /// # Errors
    /// What the query says, or `INTERNAL` when it panicked.
    pub async fn query<T, F>(&self, query: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&ReadModels) -> Result<T, projections::QueryError> + Send + 'static,
    {
        let models = self.models.clone();
        match tokio::task::spawn_blocking(move || query(&models)).await {
            Ok(answer) => answer.map_err(ApiError::from),
            Err(error) => Err(ApiError::internal(&error)),
        }
    }
}

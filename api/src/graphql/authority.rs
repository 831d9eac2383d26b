//! Who may do and see what: one typed function each, asked in resolvers on every node.

use cross_border::partner::PartnerId;
use domain::complaint::{Action, Case, Stage};
use domain::id::UnitId;
use domain::org::UnitKind;
use domain::region::{RegionCode, RegionLevel, RegionTable};
use projections::{CaseRow, ReadModels, Scope, UnitRow};

use super::error::{ApiError, Code};
use crate::app::App;
use crate::auth::{Principal, Role};

/// A caller with the part of the province it may see.
#[derive(Debug, Clone)]
pub struct Authority {
    pub principal: Principal,
    pub unit: UnitRow,
    pub scope: Scope,
}

/// What may be read beside acting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Counts and workloads.
    Counts,
    /// Cases, lists, histories.
    Cases,
    /// Names, telephone numbers, addresses.
    PersonalData,
}

impl Authority {
    /// Finds the unit that a token speaks for.
    ///
    /// # Errors
    /// `FORBIDDEN` when the unit is not registered or is retired.
    pub fn of(principal: &Principal, models: &ReadModels) -> Result<Self, ApiError> {
        let unknown = || ApiError::forbidden("the token's unit is not in the register of units");
        let id = UnitId::parse(&principal.unit).map_err(|_error| unknown())?;
        let unit = models.unit(&id)?.filter(|unit| unit.retired_to.is_none()).ok_or_else(unknown)?;
        let scope = scope_of(&unit);
        Ok(Self { principal: principal.clone(), unit, scope })
    }

    /// Whether the caller holds one of the roles.
    #[must_use]
    pub fn is(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.principal.roles.contains(role))
    }

    /// Whether the caller may read this kind of thing at all, in its own area.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn may_read(&self, what: Read) -> Result<(), ApiError> {
        let everyone_but = |out: &[Role]| self.principal.roles.iter().any(|role| !out.contains(role));
        let allowed = match what {
            Read::Counts => everyone_but(&[Role::Service]),
            Read::Cases => everyone_but(&[Role::Viewer, Role::Administrator, Role::Service]),
            Read::PersonalData => self.is(&[
                Role::IntakeClerk,
                Role::Dispatcher,
                Role::Handler,
                Role::Mediator,
                Role::Head,
                Role::CallbackAgent,
            ]),
        };
        if allowed { Ok(()) } else { Err(ApiError::forbidden("your role does not let you read this")) }
    }

    /// Whether the caller may do this to a case it sees.
    ///
    /// # Errors
    /// `FORBIDDEN` for a role without the act, or a unit that does not have the case.
    pub fn may_act(&self, action: Action, case: &Case) -> Result<(), ApiError> {
        if !self.is(roles_for(action)) {
            return Err(ApiError::forbidden(format!("your role does not let you `{action}`"))
                .with("roles", roles_for(action).iter().map(|role| role.as_str()).collect()));
        }
        let holds = self.unit.id == case.custody;
        let fits = match action {
            // A unit sends down what it has. The intake body may send on what nobody has received; after that the case
            // comes back to it by a return, which ends the wrong unit's period.
            Action::Dispatch => holds || (self.unit.id == case.intake && case.stage != Stage::Received),
            // From above, within sight.
            Action::Urge | Action::Note | Action::Reopen | Action::ExtendClock => true,
            // The consumer withdraws where the case is or where it was taken in.
            Action::Withdraw => holds || self.unit.id == case.intake,
            Action::ReturnToIntake
            | Action::Receive
            | Action::AssignHandler
            | Action::Accept
            | Action::Refuse
            | Action::OpenMediation
            | Action::RecordSession
            | Action::ReachAgreement
            | Action::Settle
            | Action::Terminate
            | Action::GiveNotice
            | Action::StopClock
            | Action::ResumeClock
            | Action::RecordClue
            | Action::DecideClue
            | Action::Close => holds,
        };
        if fits {
            Ok(())
        } else {
            Err(ApiError::forbidden(format!("your unit does not have this case; it is with `{}`", case.custody)))
        }
    }

    /// Whether the caller's area holds the region.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn covers(&self, region: RegionCode) -> Result<(), ApiError> {
        let covered = match self.scope {
            Scope::Region(own) => own == region || RegionTable::builtin().contains(own, region),
            Scope::Unit(_) => false,
        };
        if covered { Ok(()) } else { Err(ApiError::forbidden("that region is not in your area")) }
    }

    /// Whether a case row lies in the caller's area.
    ///
    /// # Errors
    /// The register of units cannot be read.
    pub fn sees(&self, row: &CaseRow, models: &ReadModels) -> Result<bool, ApiError> {
        self.sees_unit(&row.unit, models)
    }

    /// Whether a unit lies in the caller's area.
    ///
    /// # Errors
    /// The register of units cannot be read.
    pub fn sees_unit(&self, unit: &UnitId, models: &ReadModels) -> Result<bool, ApiError> {
        match &self.scope {
            Scope::Unit(own) => Ok(own == unit || models.is_within(unit, own)?),
            Scope::Region(own) => Ok(models
                .unit(unit)?
                .is_some_and(|unit| unit.region == *own || RegionTable::builtin().contains(*own, unit.region))),
        }
    }
}

/// The caller of the request under way.
///
/// # Errors
/// `FORBIDDEN` when the token's unit is not registered.
pub fn authority(ctx: &async_graphql::Context<'_>) -> Result<Authority, ApiError> {
    let principal = ctx.data_opt::<Principal>().ok_or_else(|| ApiError::forbidden("there is no caller"))?;
    Authority::of(principal, &ctx.data_unchecked::<App>().models)
}

/// The part of the province that a unit sees.
fn scope_of(unit: &UnitRow) -> Scope {
    let level = RegionTable::builtin().get(unit.region).map(|region| region.level);
    match (unit.kind, level) {
        (UnitKind::Province, Some(RegionLevel::Province))
        | (UnitKind::City, Some(RegionLevel::City))
        | (UnitKind::County, Some(RegionLevel::County)) => Scope::Region(unit.region),
        // Everybody else, the county-role branches of Dongguan and Zhongshan too, sees itself and what is below it.
        _ => Scope::Unit(unit.id.clone()),
    }
}

/// The roles that may do an act (DOMAIN 3.2: separate posts for taking in, handling and approving).
#[must_use]
pub fn roles_for(action: Action) -> &'static [Role] {
    match action {
        Action::Dispatch => &[Role::Dispatcher, Role::IntakeClerk, Role::Head],
        Action::AssignHandler => &[Role::Dispatcher, Role::Head],
        Action::ReturnToIntake | Action::Receive => &[Role::Handler, Role::Dispatcher, Role::Head],
        Action::Accept | Action::Refuse | Action::RecordClue | Action::DecideClue => &[Role::Handler, Role::Head],
        Action::OpenMediation
        | Action::RecordSession
        | Action::ReachAgreement
        | Action::Settle
        | Action::Terminate
        | Action::StopClock
        | Action::ResumeClock
        | Action::GiveNotice
        | Action::Close => &[Role::Handler, Role::Mediator, Role::Head],
        Action::Withdraw => &[Role::Handler, Role::Mediator, Role::IntakeClerk, Role::Head],
        Action::ExtendClock | Action::Reopen => &[Role::Head],
        Action::Note => {
            &[Role::Handler, Role::Mediator, Role::IntakeClerk, Role::Dispatcher, Role::CallbackAgent, Role::Head]
        }
        Action::Urge => &[Role::Dispatcher, Role::Head, Role::CallbackAgent, Role::IntakeClerk],
    }
}

/// Checks for whom somebody says to act. It stands in clear in every event, so it is the id of a unit or of a council,
/// as the registers hold them, and never a name.
///
/// One that is retired by now may be acted for: acts are recorded up to 30 days late.
///
/// # Errors
/// `INVALID_INPUT` for what is no id, `UNKNOWN_UNIT` for one that nobody knows.
pub fn check_on_behalf_of(app: &App, id: &str) -> Result<(), ApiError> {
    let form = "`onBehalfOf` is an id: lower-case letters, digits, `-` and `.`, at most 64";
    let unit = UnitId::parse(id).map_err(|_error| ApiError::invalid(form))?;
    let is_council = || PartnerId::parse(id).is_ok_and(|council| app.council.partner(&council).is_some());
    if app.models.unit(&unit)?.is_some() || is_council() {
        return Ok(());
    }
    let what = format!("`onBehalfOf`: there is no unit and no council `{unit}`; `units` and `partners` list them");
    Err(ApiError::new(Code::UnknownUnit, what))
}

/// Parses a region and checks that the caller's area holds it.
///
/// # Errors
/// `UNKNOWN_REGION` or `FORBIDDEN`.
pub fn region_in_area(authority: &Authority, raw: &str) -> Result<RegionCode, ApiError> {
    let unknown = || ApiError::new(Code::UnknownRegion, "no such region in the table of divisions");
    let region = RegionCode::parse(raw).map_err(|_error| unknown())?;
    RegionTable::builtin().get(region).ok_or_else(unknown)?;
    authority.covers(region)?;
    Ok(region)
}

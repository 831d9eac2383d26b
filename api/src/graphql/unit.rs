//! Units of the register.

use async_graphql::{Context, Object};
use domain::id::UnitId;
use domain::region::RegionTable;
use projections::UnitRow;

use super::enums::UnitKind;
use super::error::ApiError;
use crate::app::App;

/// A unit of the register (办理单位).
#[derive(Debug, Clone)]
pub struct Unit(pub UnitRow);

impl Unit {
    /// The unit that a visible case names; its name is no secret to those who see the case.
    ///
    /// # Errors
    /// The register of units cannot be read, or does not hold the unit.
    pub async fn of_case(ctx: &Context<'_>, id: &UnitId) -> Result<Self, ApiError> {
        let app = ctx.data_unchecked::<App>();
        app.models.unit(id)?.map(Self).ok_or_else(|| ApiError::not_found("unit"))
    }
}

/// A unit of the register (办理单位): a bureau, a station, a council, an ODR enterprise.
#[Object]
impl Unit {
    async fn id(&self) -> String {
        self.0.id.to_string()
    }

    async fn kind(&self) -> UnitKind {
        self.0.kind.into()
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Code of its region.
    async fn region(&self) -> String {
        self.0.region.to_string()
    }

    async fn region_name(&self) -> Option<&'static str> {
        RegionTable::builtin().get(self.0.region).map(|region| region.name.as_str())
    }

    async fn parent_id(&self) -> Option<String> {
        self.0.parent.as_ref().map(ToString::to_string)
    }

    /// The unit that took over its work, once it is retired.
    async fn retired_to(&self) -> Option<String> {
        self.0.retired_to.as_ref().map(ToString::to_string)
    }
}

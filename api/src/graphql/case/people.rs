//! The sides of a case: the business, and the person who filed, whose seal is opened for those who handle it.

use std::sync::Arc;

use async_graphql::{Context, SimpleObject};
use domain::filing::Filing;
use domain::id::FilingId;
use domain::privacy::Sealed;
use event_log::execute::load;
use event_log::vault::Opened;

use crate::app::App;
use crate::graphql::authority::{Read, authority};
use crate::graphql::error::ApiError;

/// The business complained of (被投诉人).
#[derive(Debug, Clone, SimpleObject)]
pub struct Respondent {
    pub name: String,
    /// Unified social credit code.
    pub credit_code: Option<String>,
    pub address: Option<String>,
}

/// The person who filed, opened from the seal; null fields were erased.
#[derive(Debug, Clone, SimpleObject)]
pub struct Complainant {
    pub name: Option<String>,
    pub phone: Option<String>,
    pub address: Option<String>,
    pub consents_to_disclosure: bool,
    pub consents_to_delegation: bool,
}

/// The person who filed; `None` where the filing names nobody, and for an imported case, which has no filing here.
///
/// # Errors
/// `FORBIDDEN` for a role that reads no personal data; the log or the vault cannot be read.
pub(super) async fn complainant(ctx: &Context<'_>, filing: FilingId) -> Result<Option<Complainant>, ApiError> {
    authority(ctx)?.may_read(Read::PersonalData)?;
    let app = ctx.data_unchecked::<App>();
    let loaded = load::<Filing>(app.log.as_ref(), &filing.stream(), None).await?;
    let Filing::Received(received, ..) = loaded.state else { return Ok(None) };
    let Some(person) = received.complainant else { return Ok(None) };
    let address = match &person.address {
        Some(sealed) => open(ctx, sealed, "address").await?,
        None => None,
    };
    Ok(Some(Complainant {
        name: open(ctx, &person.name, "name").await?,
        phone: open(ctx, &person.phone, "phone").await?,
        address,
        consents_to_disclosure: person.consents_to_disclosure,
        consents_to_delegation: person.consents_to_delegation,
    }))
}

/// A sealed text in clear; `None` once the person was erased.
///
/// # Errors
/// The vault cannot be read.
pub(super) async fn open(
    ctx: &Context<'_>,
    sealed: &Sealed,
    purpose: &'static str,
) -> Result<Option<String>, ApiError> {
    let vault = Arc::clone(&ctx.data_unchecked::<App>().vault);
    let sealed = sealed.clone();
    let opened = tokio::task::spawn_blocking(move || vault.open_sealed(sealed.subject, purpose, &sealed)).await;
    match opened.map_err(|error| ApiError::internal(&error))?? {
        Opened::Plain(text) => Ok(Some(text)),
        Opened::Erased => Ok(None),
    }
}

//! Messages to a partner that is not in our directory: nobody can bring them, and nobody can fetch them.
//!
//! They are given up like what a partner refuses, so that they are told of in the same way and stand in the same list.
//! Once the partner is entered they are set going again by themselves.

use event_log::causes::with_causes;

use super::alarm::{AlarmError, TOLD_MAX};
use super::{Terms, record};
use crate::delivery::vocabulary::FailureCode;
use crate::index::{IndexError, OutboxRow};
use crate::partner::{PartnerId, PartnerRegister};

/// Gives up what nobody can bring, and takes up again what somebody can by now.
pub(super) async fn strand(terms: &Terms) -> Result<(), AlarmError> {
    let council = &terms.council;
    let (entered, missing): (Vec<PartnerId>, Vec<PartnerId>) = PartnerRegister::builtin()
        .partners()
        .iter()
        .map(|partner| partner.id.clone())
        .filter(|id| *id != council.own)
        .partition(|id| council.directory.peer(id).is_some());
    let (index, now) = (council.index.clone(), council.moment());
    let found = tokio::task::spawn_blocking(move || {
        let (mut stranded, mut freed) = (Vec::new(), Vec::new());
        for partner in &missing {
            stranded.extend(index.due_deliveries_to(partner, now, TOLD_MAX)?);
        }
        for partner in &entered {
            freed.extend(index.given_up_for(FailureCode::NoPeer, partner, TOLD_MAX)?);
        }
        Ok::<_, IndexError>((stranded, freed))
    });
    let (stranded, freed) = found.await.map_err(AlarmError::Task)?.map_err(AlarmError::Index)?;
    for row in stranded {
        give_up(terms, &row).await;
    }
    for row in freed {
        take_up(terms, &row).await;
    }
    Ok(())
}

async fn give_up(terms: &Terms, row: &OutboxRow) {
    let (delivery, partner) = (row.delivery, &row.partner);
    match record::give_up(&terms.council, row, FailureCode::NoPeer).await {
        // The index does not show it yet, or another worker was faster.
        Ok(done) if done.repeated => {}
        Ok(_) => tracing::error!(
            delivery.id = %delivery,
            partner = %partner,
            "Delivery `{delivery}` cannot be brought: `{partner}` is not configured as a [[partner.peer]]",
        ),
        Err(error) => tell(row, &error),
    }
}

async fn take_up(terms: &Terms, row: &OutboxRow) {
    let (delivery, partner) = (row.delivery, &row.partner);
    match record::redrive(&terms.council, row).await {
        Ok(done) if done.repeated => {}
        Ok(_) => tracing::info!(
            delivery.id = %delivery,
            partner = %partner,
            "`{partner}` is configured now: delivery `{delivery}` is tried again",
        ),
        Err(error) => tell(row, &error),
    }
}

fn tell(row: &OutboxRow, error: &record::RecordError) {
    // What was delivered, given up or taken up meanwhile is no trouble.
    if !record::is_overtaken(error) {
        tracing::error!(delivery.id = %row.delivery, error = %with_causes(error), "A delivery could not be recorded");
    }
}

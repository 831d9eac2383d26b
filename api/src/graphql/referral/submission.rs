//! What leaves: the fields that were presented, from the case and from what the approver adds, and nothing else.

use cross_border::council::{Ask, EVIDENCE_NAME_PURPOSE};
use cross_border::exchange::body::Submission;
use cross_border::exchange::content::renditions;
use cross_border::exchange::{EvidenceItem, Purchase};
use cross_border::partner::{self, Partner, PartnerRegister};
use cross_border::referral::vocabulary::DataField;
use cross_border::referral::{Action, Rejection, Transfer, gate};
use domain::id::ComplaintId;
use serde_json::json;

use super::inputs::ReferralContentInput;
use super::plan::amount;
use crate::app::App;
use crate::graphql::error::{ApiError, Code};

/// Composes the message of a referral.
///
/// # Errors
/// `GATES_SHUT` when something before it is missing, `INVALID_INPUT` when the message would hold more or less than was
/// presented, `EVIDENCE_NOT_FOUND` when a file of it is not here yet.
pub(super) async fn submission(
    app: &App,
    transfer: &Transfer,
    content: ReferralContentInput,
) -> Result<Submission, ApiError> {
    if !transfer.is_outbound() || !transfer.stage.is_before_sending() {
        let (stage, allowed) = (transfer.stage, transfer.allowed());
        return Err(Rejection::NotAllowed { action: Action::Submit, stage, allowed }.into());
    }
    let (complaint, ask) = ask(app, transfer, &content).await?;
    check_presented(&ask.fields, &content)?;
    let (fields, wanted) = (ask.fields.clone(), ask.renditions.clone());
    let mut submission = app.council.compose(complaint, ask).await?;
    instead(&mut submission, content)?;
    submission.renditions = Vec::new();
    for (of, text) in [("facts", &submission.facts), ("request", &submission.request)] {
        let rendered = text.as_ref().map(|text| renditions(of, text, &wanted));
        submission.renditions.extend(rendered.into_iter().flatten());
    }
    let holds = submission.fields();
    let missing: Vec<&str> = fields.iter().filter(|field| !holds.contains(field)).map(|field| field.code()).collect();
    if missing.is_empty() {
        return Ok(submission);
    }
    Err(ApiError::invalid("what was presented is neither in the case nor in `content`").with("fields", json!(missing)))
}

/// What is asked of the case, on the basis that was decided.
async fn ask(app: &App, transfer: &Transfer, content: &ReferralContentInput) -> Result<(ComplaintId, Ask), ApiError> {
    let (Some(presented), Some(assessed), Some(consent), Some(complaint)) =
        (&transfer.presented, &transfer.assessed, &transfer.consent, transfer.drafted.complaint)
    else {
        return Err(Rejection::Gates(gate::ahead(transfer, app.today())).into());
    };
    let partner = register(transfer)?;
    let facts_in = content.facts.as_ref().map_or_else(|| own_language(app), |facts| facts.lang.into());
    let evidence =
        if presented.fields.contains(&DataField::Evidence) { files(app, transfer).await? } else { Vec::new() };
    let ask = Ask {
        fields: presented.fields.clone(),
        purpose: transfer.drafted.purpose,
        language: content.consumer_language.map(Into::into),
        facts_in,
        trader_link: content.trader_link.clone(),
        purchase: Purchase {
            date: content.purchase_date.map(|day| day.0),
            item: content.purchase_item.clone(),
            amount: amount(content.purchase_amount)?,
            order: content.purchase_order.clone(),
        },
        request: content.request.clone().map(Into::into),
        renditions: partner.languages.clone(),
        evidence,
        consent: consent.captured.consent.clone(),
        consent_text_version: consent.captured.text_version.clone(),
        route: assessed.route,
        contract: assessed.instrument.as_ref().map(|instrument| instrument.number.clone()),
        retention_to: presented.retention_to,
        rights_contact: content.rights_contact.clone().unwrap_or_else(|| partner.contact.clone()),
    };
    Ok((complaint, ask))
}

fn register(transfer: &Transfer) -> Result<&'static Partner, ApiError> {
    let partner = &transfer.drafted.partner;
    PartnerRegister::builtin().get(partner).ok_or_else(|| Rejection::UnknownPartner(partner.clone()).into())
}

/// The language that our own place writes in.
fn own_language(app: &App) -> partner::Language {
    let own = app.council.partner(&app.council.own).and_then(|own| own.languages.first().copied());
    own.unwrap_or(partner::Language::SimplifiedChinese)
}

/// The files of our own, each of which is here.
async fn files(app: &App, transfer: &Transfer) -> Result<Vec<EvidenceItem>, ApiError> {
    let mut files = Vec::new();
    for (digest, known) in transfer.evidence.iter().filter(|(_, known)| known.side == transfer.own_side()) {
        if !known.stored {
            return Err(ApiError::new(
                Code::EvidenceNotFound,
                "a file that was announced is not here yet; send it by `PUT /evidence/{referralId}/{digest}`",
            )
            .with("digest", json!(digest.as_str())));
        }
        let name = app.council.open(EVIDENCE_NAME_PURPOSE, &known.name).await?;
        let name = name.ok_or_else(|| ApiError::new(Code::Erased, "the person of this referral was erased"))?;
        files.push(EvidenceItem { digest: digest.clone(), name, bytes: known.bytes, media: known.media.clone() });
    }
    Ok(files)
}

/// Refuses what the approver adds to what was presented: the second person judges, and does not widen.
fn check_presented(fields: &[DataField], content: &ReferralContentInput) -> Result<(), ApiError> {
    let given = [
        (DataField::ConsumerName, content.consumer_name.is_some()),
        (DataField::ConsumerContact, content.consumer_contact.is_some()),
        (DataField::ConsumerLanguage, content.consumer_language.is_some()),
        (DataField::TraderName, content.trader_name.is_some()),
        (DataField::TraderAddress, content.trader_address.is_some()),
        (DataField::TraderLink, content.trader_link.is_some()),
        (DataField::TraderLicence, content.trader_licence.is_some()),
        (DataField::PurchaseDate, content.purchase_date.is_some()),
        (DataField::PurchaseItem, content.purchase_item.is_some()),
        (DataField::PurchaseAmount, content.purchase_amount.is_some()),
        (DataField::PurchaseOrder, content.purchase_order.is_some()),
        (DataField::Facts, content.facts.is_some()),
        (DataField::Request, content.request.is_some()),
    ];
    let wider: Vec<&str> = given
        .into_iter()
        .filter(|(field, given)| *given && !fields.contains(field))
        .map(|(field, _)| field.code())
        .collect();
    if wider.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid("`content` holds what was not presented").with("fields", json!(wider)))
}

/// Puts what the approver gives in the place of what the case holds.
fn instead(submission: &mut Submission, content: ReferralContentInput) -> Result<(), ApiError> {
    let put = |place: &mut Option<String>, given: Option<String>| {
        if given.is_some() {
            *place = given;
        }
    };
    put(&mut submission.consumer.name, content.consumer_name);
    put(&mut submission.consumer.contact, content.consumer_contact);
    put(&mut submission.trader.name, content.trader_name);
    put(&mut submission.trader.address, content.trader_address);
    put(&mut submission.trader.licence, content.trader_licence);
    if let Some(facts) = content.facts {
        submission.facts = Some(facts.into());
    }
    submission.check().map_err(ApiError::invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approver_gives_nothing_that_was_not_presented() {
        let content = ReferralContentInput {
            consumer_name: Some("陈小明".to_owned()),
            purchase_order: Some("A-1".to_owned()),
            ..ReferralContentInput::default()
        };
        let both = [DataField::ConsumerName, DataField::PurchaseOrder];
        assert!(check_presented(&both, &content).is_ok());
        let error = check_presented(&[DataField::ConsumerName], &content).unwrap_err();
        assert_eq!((error.code, error.details), (Code::InvalidInput, vec![("fields", json!(["purchase.order"]))]));
        assert!(check_presented(&[], &ReferralContentInput::default()).is_ok());
    }
}

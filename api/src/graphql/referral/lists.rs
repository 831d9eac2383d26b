//! Lists of referrals, of partners, and the yearly counters that the law asks for.

use async_graphql::{Context, SimpleObject};
use cross_border::index::{ReferralFilter, ReferralRow};
use cross_border::partner::{self, PartnerId, PartnerRegister};
use domain::id::{ComplaintId, UnitId};

use super::deliveries::{cut, place};
use super::enums::{DataField, Language, Place};
use super::folded::Folded;
use super::inputs::ReferralFilterInput;
use super::object::Referral;
use super::rights::{Look, councils_seen, may_look};
use crate::app::App;
use crate::graphql::authority::{Authority, Read, authority};
use crate::graphql::case::unit_id;
use crate::graphql::connection::{PageInfo, encode_cursor, page_size};
use crate::graphql::enums::Currency;
use crate::graphql::error::ApiError;
use crate::graphql::scalars::{Date, Position};

/// The first year that counters are asked for; before it there was no platform.
const YEAR_MIN: i32 = 2_018;
/// The last year that counters are asked for.
const YEAR_MAX: i32 = 2_200;

/// A referral in a list.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralEdge {
    pub cursor: String,
    pub node: Option<Referral>,
}

/// Referrals, the newest first.
#[derive(Debug, Clone, SimpleObject)]
pub struct ReferralConnection {
    pub edges: Vec<ReferralEdge>,
    pub page_info: PageInfo,
    /// How many there are in all.
    pub total_count: u32,
}

/// An agreement under which councils refer disputes to each other.
#[derive(Debug, Clone, SimpleObject)]
pub struct Agreement {
    pub title: String,
    /// The places whose councils it binds.
    pub between: Vec<Place>,
    pub valid_from: Date,
    pub valid_to: Option<Date>,
}

/// A key that a partner signs with.
#[derive(Debug, Clone, SimpleObject)]
pub struct PartnerKey {
    pub id: String,
    /// ed25519 or sm2.
    pub suite: String,
    pub not_before: chrono::DateTime<chrono::Utc>,
    pub not_after: chrono::DateTime<chrono::Utc>,
}

/// A consumer council of the register.
#[derive(Debug, Clone, SimpleObject)]
pub struct Partner {
    pub id: String,
    /// It is our own.
    pub is_ours: bool,
    pub place: Place,
    pub name_zh_hant: String,
    pub name_en: String,
    pub name_pt: String,
    /// Where a consumer reaches it.
    pub contact: String,
    pub languages: Vec<Language>,
    pub currencies: Vec<Currency>,
    /// What it takes of a message.
    pub fields: Vec<DataField>,
    /// Working days of its place until it says that it has the case.
    pub acknowledge_working_days: u16,
    /// Working days from then until its first answer.
    pub feedback_working_days: u16,
    /// Natural days after which we ask.
    pub closing_days: u16,
    pub agreements: Vec<Agreement>,
    /// Whether this server exchanges messages with it.
    pub connected: bool,
    /// `push` or `poll`; null where it is not connected.
    pub transport: Option<String>,
    /// Its keys that this server knows.
    pub keys: Vec<PartnerKey>,
}

/// Transfers to one partner in one year: the numbers that decide which legal routes are open (PIPL Art. 38).
#[derive(Debug, Clone, SimpleObject)]
pub struct CrossBorderCounter {
    /// Id of our council's unit.
    pub council: String,
    /// Id of the partner.
    pub partner: String,
    pub transfers: u32,
    /// Different people.
    pub persons: u32,
    /// Transfers of sensitive data.
    pub sensitive: u32,
}

/// The id of a council as a client writes it.
pub(super) fn partner_id(raw: &str) -> Result<PartnerId, ApiError> {
    PartnerId::parse(raw).map_err(ApiError::invalid)
}

async fn filter_of(app: &App, authority: &Authority, input: ReferralFilterInput) -> Result<ReferralFilter, ApiError> {
    let mut councils: Vec<UnitId> = councils_seen(app, authority).await?;
    if let Some(council) = input.council.as_deref().map(unit_id).transpose()? {
        councils.retain(|seen| *seen == council);
    }
    Ok(ReferralFilter {
        partner: input.partner.as_deref().map(partner_id).transpose()?,
        direction: input.direction.map(Into::into),
        councils: Some(councils),
        stage: input.stage.map(|stage| stage.code().to_owned()),
        complaint: input.case_id.map(ComplaintId::from_uuid),
        overdue_on: input.overdue.then(|| app.today()),
        ..ReferralFilter::default()
    })
}

/// A page of the referrals of councils in the caller's area.
///
/// # Errors
/// `FORBIDDEN`, or `INVALID_INPUT` for a page that is too large or a cursor of another list.
pub(super) async fn referrals(
    ctx: &Context<'_>,
    input: ReferralFilterInput,
    first: Option<u32>,
    after: Option<String>,
    at_least: Option<Position>,
) -> Result<ReferralConnection, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    may_look(&authority, Look::Referrals)?;
    app.reach_index(at_least.map(|position| position.0)).await?;
    let limit = page_size(first, app.pages)?;
    let after = after.map(|cursor| place("referrals", &cursor)).transpose()?;
    let had_before = after.is_some();
    let filter = filter_of(app, &authority, input).await?;
    let (mut rows, total): (Vec<ReferralRow>, u64) = app
        .ask_index(move |index| {
            Ok((index.referrals(&filter, after.as_ref(), limit.saturating_add(1))?, index.count(&filter)?))
        })
        .await?;
    let has_more = cut(&mut rows, limit);
    let mut edges = Vec::with_capacity(rows.len());
    for row in rows {
        // A referral never changes its council, so a row that was allowed in leads to nothing else.
        let node = Folded::read(app, row.id, None).await?.map(Referral::new);
        edges.push(ReferralEdge { cursor: encode_cursor("referrals", &row.cursor().to_string()), node });
    }
    let page_info = PageInfo::of(edges.iter().map(|edge| &edge.cursor), has_more, had_before);
    Ok(ReferralConnection { edges, page_info, total_count: u32::try_from(total).unwrap_or(u32::MAX) })
}

/// Every council of the register, with what this server knows of its system.
///
/// # Errors
/// `FORBIDDEN`.
pub(super) fn partners(ctx: &Context<'_>) -> Result<Vec<Partner>, ApiError> {
    authority(ctx)?.may_read(Read::Counts)?;
    let app = ctx.data_unchecked::<App>();
    Ok(PartnerRegister::builtin().partners().iter().map(|council| partner(app, council)).collect())
}

pub(super) fn partner(app: &App, council: &partner::Partner) -> Partner {
    let peer = app.council.directory.peer(&council.id);
    Partner {
        id: council.id.to_string(),
        is_ours: council.id == app.council.own,
        place: council.place.into(),
        name_zh_hant: council.name.zh_hant.clone(),
        name_en: council.name.en.clone(),
        name_pt: council.name.pt.clone(),
        contact: council.contact.clone(),
        languages: council.languages.iter().map(|language| (*language).into()).collect(),
        currencies: council.currencies.iter().map(|currency| (*currency).into()).collect(),
        fields: council.fields.iter().map(|field| (*field).into()).collect(),
        acknowledge_working_days: council.standards.acknowledge_working_days,
        feedback_working_days: council.standards.feedback_working_days,
        closing_days: council.standards.closing_days,
        agreements: council.agreements.iter().map(agreement).collect(),
        connected: peer.is_some(),
        transport: peer.map(|peer| peer.transport.code().to_owned()),
        keys: peer.map_or_else(Vec::new, |peer| {
            let key = |key: &cross_border::trust::VerifyingKey| PartnerKey {
                id: key.id.to_string(),
                suite: key.public.suite().code().to_owned(),
                not_before: key.not_before,
                not_after: key.not_after,
            };
            peer.keys.iter().map(key).collect()
        }),
    }
}

fn agreement(agreement: &partner::Agreement) -> Agreement {
    Agreement {
        title: agreement.title.clone(),
        between: agreement.between.iter().map(|place| (*place).into()).collect(),
        valid_from: Date(agreement.valid_from),
        valid_to: agreement.valid_to.map(Date),
    }
}

/// The counters of councils in the caller's area.
///
/// # Errors
/// `FORBIDDEN`, or `INVALID_INPUT` for a year that cannot be.
pub(super) async fn counters(ctx: &Context<'_>, year: i32) -> Result<Vec<CrossBorderCounter>, ApiError> {
    let app = ctx.data_unchecked::<App>();
    let authority = authority(ctx)?;
    authority.may_read(Read::Counts)?;
    if !(YEAR_MIN..=YEAR_MAX).contains(&year) {
        return Err(ApiError::invalid(format!("`year` is {YEAR_MIN} to {YEAR_MAX}")));
    }
    let councils = councils_seen(app, &authority).await?;
    let rows = app.ask_index(move |index| index.counters(year)).await?;
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(rows
        .into_iter()
        .filter(|row| councils.contains(&row.council))
        .map(|row| CrossBorderCounter {
            council: row.council.to_string(),
            partner: row.partner.to_string(),
            transfers: number(row.transfers),
            persons: number(row.persons),
            sensitive: number(row.sensitive),
        })
        .collect())
}

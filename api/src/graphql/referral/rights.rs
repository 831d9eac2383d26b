//! Who sees which referrals, and who may do what with them.
//!
//! A referral belongs to one of our consumer councils. Whoever sees that council's unit sees the referral; only the
//! council itself acts on it. Preparing and approving are two posts, and the decider sees to it that two people hold
//! them.

use cross_border::referral::{ReferralId, Transfer};
use domain::id::UnitId;
use domain::org::UnitKind;
use projections::{PAGE_ROWS_MAX, UnitFilter};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Role;
use crate::graphql::authority::Authority;
use crate::graphql::error::{ApiError, Code};

/// What may be read of referrals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// That they exist, where they stand, and which messages went to and fro.
    Referrals,
    /// What the messages and the evidence say.
    Content,
    /// The same, of what the other council called back and what is not erased here yet.
    Restricted,
    /// How the deliveries fare, without a word of what is delivered.
    Deliveries,
}

/// What may be done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Everything before sending, and evidence at any time.
    Prepare,
    /// The consumer withdraws; that must be as easy as consenting (PIPL Art. 15).
    WithdrawConsent,
    /// Sending: the second pair of eyes. And erasing what is due in spite of what holds it back.
    Approve,
    /// Whatever is told to the partner once it is sent.
    Tell,
    /// Setting a delivery going again that was given up.
    Redrive,
}

/// The roles that may read this.
#[must_use]
pub const fn roles_to_look(look: Look) -> &'static [Role] {
    match look {
        Look::Referrals => &[
            Role::CrossBorderOfficer,
            Role::Handler,
            Role::Mediator,
            Role::Head,
            Role::Reviewer,
            Role::Auditor,
            Role::IntakeClerk,
            Role::Dispatcher,
            Role::CallbackAgent,
        ],
        Look::Content => &[Role::CrossBorderOfficer, Role::Handler, Role::Mediator, Role::Head],
        // Whoever decides on what holds the erasure back.
        Look::Restricted => &[Role::Head],
        Look::Deliveries => {
            &[Role::CrossBorderOfficer, Role::Handler, Role::Mediator, Role::Head, Role::Auditor, Role::Administrator]
        }
    }
}

/// The roles that may do this.
#[must_use]
pub const fn roles_for(deed: Deed) -> &'static [Role] {
    match deed {
        Deed::Prepare => &[Role::CrossBorderOfficer, Role::Handler, Role::Mediator],
        Deed::WithdrawConsent => {
            &[Role::CrossBorderOfficer, Role::Handler, Role::Mediator, Role::IntakeClerk, Role::Head]
        }
        Deed::Approve => &[Role::Head],
        Deed::Tell => &[Role::CrossBorderOfficer, Role::Handler, Role::Mediator, Role::Head],
        Deed::Redrive => &[Role::CrossBorderOfficer, Role::Head, Role::Administrator],
    }
}

/// What somebody asks for who reads what the messages and the evidence of this referral say.
#[must_use]
pub fn content_of(transfer: &Transfer) -> Look {
    if transfer.is_restricted() { Look::Restricted } else { Look::Content }
}

/// Whether the caller may read this kind of thing at all.
///
/// # Errors
/// `FORBIDDEN`; `ERASED` for whoever could read it before it was called back.
pub fn may_look(authority: &Authority, look: Look) -> Result<(), ApiError> {
    if authority.is(roles_to_look(look)) {
        return Ok(());
    }
    if look == Look::Restricted && authority.is(roles_to_look(Look::Content)) {
        let message = "the other council called this back; until it is erased here, a head alone may read it";
        return Err(ApiError::new(Code::Erased, message));
    }
    Err(ApiError::forbidden("your role does not let you read this"))
}

/// Whether the caller's role lets it do this at all.
///
/// # Errors
/// `FORBIDDEN`, with the roles that may.
pub fn has_role_for(authority: &Authority, deed: Deed) -> Result<(), ApiError> {
    if authority.is(roles_for(deed)) {
        return Ok(());
    }
    Err(ApiError::forbidden("your role does not let you do this")
        .with("roles", roles_for(deed).iter().map(|role| role.as_str()).collect()))
}

/// Whether the caller may do this to a referral of the council.
///
/// # Errors
/// `FORBIDDEN` for a role without the deed, or another unit than the council.
pub fn may_do(authority: &Authority, deed: Deed, council: &UnitId) -> Result<(), ApiError> {
    has_role_for(authority, deed)?;
    // Nobody writes through an administrator, who only sees to it that what was written gets through.
    if deed == Deed::Redrive || authority.unit.id == *council {
        return Ok(());
    }
    Err(ApiError::forbidden(format!("this referral belongs to `{council}`, not to your unit")))
}

/// Whether the caller's unit may begin a referral: a state organ must not carry personal data out (PIPL Art. 36), a
/// consumer council may, under Art. 38 and 39.
///
/// # Errors
/// `FORBIDDEN`.
pub fn may_begin(authority: &Authority) -> Result<(), ApiError> {
    has_role_for(authority, Deed::Prepare)?;
    if authority.unit.kind == UnitKind::Council {
        return Ok(());
    }
    Err(ApiError::forbidden("only a consumer council hands disputes across the border (PIPL Art. 36)"))
}

/// Every council whose referrals the caller sees.
///
/// # Errors
/// The register of units cannot be read.
pub async fn councils_seen(app: &App, authority: &Authority) -> Result<Vec<UnitId>, ApiError> {
    let filter = UnitFilter { scope: authority.scope.clone(), kind: Some(UnitKind::Council), text: None };
    app.query(move |models| {
        let mut councils: Vec<UnitId> = Vec::new();
        loop {
            let (rows, has_more) = models.units(&filter, councils.last(), PAGE_ROWS_MAX)?;
            councils.extend(rows.into_iter().map(|row| row.id));
            if !has_more {
                return Ok(councils);
            }
        }
    })
    .await
}

/// The id of a referral as a client writes it.
///
/// # Errors
/// `INVALID_INPUT` for the nil UUID.
pub fn referral_id(raw: Uuid) -> Result<ReferralId, ApiError> {
    ReferralId::parse(&raw.to_string()).map_err(|_error| ApiError::invalid("the id of a referral is not the nil UUID"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The roles that a list holds, as a row of marks in the order of [`Role::ALL`].
    fn marks(roles: &[Role]) -> String {
        Role::ALL.iter().map(|role| if roles.contains(role) { 'x' } else { '.' }).collect()
    }

    #[test]
    fn each_role_reads_and_does_what_its_post_needs() {
        // intake, dispatcher, handler, mediator, reviewer, head, callback, disclosure, auditor, cross-border, viewer,
        // administrator, service
        assert_eq!(marks(roles_to_look(Look::Referrals)), "xxxxxxx.xx...");
        assert_eq!(marks(roles_to_look(Look::Content)), "..xx.x...x...");
        assert_eq!(marks(roles_to_look(Look::Restricted)), ".....x.......");
        assert_eq!(marks(roles_to_look(Look::Deliveries)), "..xx.x..xx.x.");
        assert_eq!(marks(roles_for(Deed::Prepare)), "..xx.....x...");
        assert_eq!(marks(roles_for(Deed::WithdrawConsent)), "x.xx.x...x...");
        assert_eq!(marks(roles_for(Deed::Approve)), ".....x.......");
        assert_eq!(marks(roles_for(Deed::Tell)), "..xx.x...x...");
        assert_eq!(marks(roles_for(Deed::Redrive)), ".....x...x.x.");
    }

    #[test]
    fn who_reads_content_reads_the_referral_and_who_acts_on_it_too() {
        let holds = |wide: &[Role], narrow: &[Role]| narrow.iter().all(|role| wide.contains(role));
        assert!(holds(roles_to_look(Look::Referrals), roles_to_look(Look::Content)));
        assert!(holds(roles_to_look(Look::Content), roles_to_look(Look::Restricted)));
        // Whoever orders the erasure sees what it is about.
        assert!(holds(roles_to_look(Look::Restricted), roles_for(Deed::Approve)));
        for deed in [Deed::Prepare, Deed::WithdrawConsent, Deed::Approve, Deed::Tell] {
            assert!(holds(roles_to_look(Look::Referrals), roles_for(deed)), "{deed:?}");
        }
        assert!(holds(roles_to_look(Look::Deliveries), roles_for(Deed::Redrive)));
        // Whoever approves does not prepare by the same post, and the program reads nobody's referrals.
        assert!(!roles_for(Deed::Prepare).contains(&Role::Head));
        for list in [Look::Referrals, Look::Content, Look::Restricted, Look::Deliveries].map(roles_to_look) {
            assert!(!list.contains(&Role::Service) && !list.contains(&Role::Viewer));
        }
    }

    #[test]
    fn the_nil_uuid_is_no_referral() {
        assert!(referral_id(Uuid::nil()).is_err());
        let id = Uuid::from_u128(7);
        assert_eq!(referral_id(id).unwrap().as_uuid(), id);
    }
}

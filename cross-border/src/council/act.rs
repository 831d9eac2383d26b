//! Acts of officers that stay in the house: drafting, consent, assessment, presenting, and what belongs to them.

use chrono::{DateTime, Utc};
use domain::envelope::Revision;
use domain::id::StreamId;
use event_log::execute::{DECIDE_ATTEMPTS_MAX, Done, execute, load};
use event_log::port::CommandRef;

use super::{Caller, Council, CouncilError};
use crate::referral::{Act, Referral, ReferralCommand, ReferralId, Transfer};

/// What makes an act that depends on how the referral stands: a message in its place, a content on its basis.
pub(super) trait Composes: Sync {
    /// The act on a referral that stands so. Asked again when another act came in between.
    fn compose(&self, council: &Council, transfer: &Transfer)
    -> impl Future<Output = Result<Act, CouncilError>> + Send;
}

impl Council {
    /// Carries out an act on a referral, once, however often it is asked. `read` is the revision that the caller had
    /// before its eyes, `at` the business moment when it is not now.
    ///
    /// What the other side must know is not done this way but told: see [`Council::tell`] and [`Council::submit`].
    ///
    /// # Errors
    /// [`CouncilError`]; nothing was changed.
    pub async fn act(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        at: Option<DateTime<Utc>>,
        act: Act,
    ) -> Result<Done<Referral>, CouncilError> {
        let ctx = self.context(caller.unit, caller.actor);
        let body = ReferralCommand { at, act };
        let stream = id.stream();
        let done = execute::<Referral>(self.log.as_ref(), &stream, command, &caller.issue, read, &ctx, body).await?;
        Ok(done)
    }

    /// Carries out what is composed on the very revision that is decided upon, so that nothing comes in between. When
    /// another act does and the caller had no revision before its eyes, it is composed anew.
    pub(super) async fn act_composed(
        &self,
        id: ReferralId,
        command: CommandRef,
        caller: Caller<'_>,
        read: Option<Revision>,
        at: Option<DateTime<Utc>>,
        composes: &impl Composes,
    ) -> Result<Done<Referral>, CouncilError> {
        let stream = id.stream();
        for _ in 0..DECIDE_ATTEMPTS_MAX {
            let loaded = self.load(id).await?;
            if let Some(done) = self.repeated(&stream, command).await? {
                return Ok(done);
            }
            let transfer = loaded.state.transfer().ok_or(CouncilError::NotFound { what: "referral" })?;
            let act = composes.compose(self, transfer).await?;
            // Boxed: deciding is a large future.
            match Box::pin(self.act(id, command, caller.clone(), read.or(loaded.revision), at, act)).await {
                Err(CouncilError::Stale { .. }) if read.is_none() => {}
                done => return done,
            }
        }
        Err(CouncilError::Busy)
    }

    /// The first answer of a command that was carried out before, so that nothing is built for it a second time.
    pub(super) async fn repeated(
        &self,
        stream: &StreamId,
        command: CommandRef,
    ) -> Result<Option<Done<Referral>>, CouncilError> {
        let found = self.log.find_command(command.id).await.map_err(CouncilError::Read)?;
        let Some((digest, appended)) = found else { return Ok(None) };
        if digest != command.digest || appended.stream != *stream {
            return Err(CouncilError::CommandReused { command: command.id });
        }
        let loaded = load::<Referral>(self.log.as_ref(), stream, Some(appended.last_revision)).await?;
        Ok(Some(Done {
            state: loaded.state,
            revision: appended.last_revision,
            position: appended.last_position,
            repeated: true,
        }))
    }
}

//! Acts of officers that stay in the house: drafting, consent, assessment, presenting, and what belongs to them.

use chrono::{DateTime, Utc};
use domain::envelope::Revision;
use domain::id::StreamId;
use event_log::execute::{Done, execute, load};
use event_log::port::CommandRef;

use super::{Caller, Council, CouncilError};
use crate::referral::{Act, Referral, ReferralCommand, ReferralId};

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

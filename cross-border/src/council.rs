//! One council's node: what its officers do, what the other councils' nodes say, and what falls due by itself.
//!
//! An act that the other side must know is *told*: one append holds what happened and the signed message that says
//! so. The log is the outbox, so nothing here talks to a partner; whoever brings the messages over reads them from the
//! log and gives the receipts back. What comes in is believed only when its text is signed, whole and in its place,
//! and is answered with a signed receipt: the same one, however often it comes.
//!
//! What leaves is what a second person has read: it is composed and kept when it is presented ([`present`]), approved by
//! its digest, and opened from what was kept ([`submit`]).
//!
//! Architecture invariant: no text of a message stands in the log in clear. It is sealed under the consumer's key
//! before anything is decided, and destroying that key erases it in both lanes while the chain of digests stays whole.

pub mod act_of;
pub mod compose;
pub mod content;
pub mod error;
pub mod evidence;
pub mod numbers;
pub mod present;
pub mod receipts;
pub mod refusals;
pub mod submit;
pub mod sweep;

mod act;
mod message;
mod receive;
mod tell;
mod verify;
mod withhold;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::clock::RuleTable;
use domain::complaint::Complaint;
use domain::decider::Context;
use domain::id::{CommandId, SubjectId, UnitId};
use event_log::digest::command_digest;
use event_log::execute::{Issue, Loaded, load};
use event_log::memory::whole_micros;
use event_log::port::{CommandRef, EventLog};
use event_log::vault::{SubjectVault, VaultError};

pub use self::act_of::act_of;
pub use self::compose::Ask;
pub use self::content::OpenedMessage;
pub use self::error::CouncilError;
pub use self::numbers::FoundInText;
pub use self::present::{Beginning, Given, Presentation};
pub use self::sweep::SweepReport;

use crate::evidence::EvidenceStore;
use crate::exchange::SharedId;
use crate::index::{IndexError, ReferralIndex};
use crate::partner::{Partner, PartnerId, PartnerRegister, Place};
use crate::peer::Directory;
use crate::referral::{Referral, ReferralId, Transfer};
use crate::security::SecurityJournal;
use crate::trust::KeyRing;

/// Who acts when no person does.
pub const SYSTEM_ACTOR: &str = "exchange";

/// What the texts of messages are sealed for.
pub const MESSAGE_PURPOSE: &str = "message";
/// What the contents are sealed for that are laid before a second person.
pub const PRESENTED_PURPOSE: &str = "presented";
/// What notes and reports of sessions are sealed for.
pub const NOTE_PURPOSE: &str = "note";
/// What the names of files are sealed for.
pub const EVIDENCE_NAME_PURPOSE: &str = "evidence-name";

/// The node of one council.
pub struct Council {
    /// Which council of the register this is.
    pub own: PartnerId,
    pub log: Arc<dyn EventLog>,
    pub vault: Arc<SubjectVault>,
    /// Our signing keys.
    pub keys: Arc<KeyRing>,
    /// The other councils' nodes and keys.
    pub directory: Arc<Directory>,
    pub index: ReferralIndex,
    pub evidence: EvidenceStore,
    pub journal: SecurityJournal,
    pub now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

/// Who carries out a command, and because of what.
#[derive(Debug, Clone)]
pub struct Caller<'a> {
    /// The unit in whose name the actor acts.
    pub unit: &'a UnitId,
    /// The acting person's work id.
    pub actor: &'a str,
    pub issue: Issue,
}

impl Council {
    /// Where this council is.
    #[must_use]
    pub fn place(&self) -> Place {
        self.partner(&self.own).expect("a node is a council of the register: its directory checks that").place
    }

    /// A council of the register.
    #[must_use]
    pub fn partner(&self, id: &PartnerId) -> Option<&'static Partner> {
        PartnerRegister::builtin().get(id)
    }

    /// The unit under which the council itself acts and takes in what comes.
    #[must_use]
    pub fn own_unit(&self) -> UnitId {
        UnitId::parse(self.own.as_str()).expect("a partner's id has the form of a unit's")
    }

    /// The moment, to the microsecond.
    #[must_use]
    pub fn moment(&self) -> DateTime<Utc> {
        whole_micros((self.now)())
    }

    fn context<'a>(&self, unit: &'a UnitId, actor: &'a str) -> Context<'a> {
        let calendar = self.place().calendar();
        Context { now: self.moment(), unit, actor, calendar, rules: RuleTable::builtin() }
    }

    async fn load(&self, id: ReferralId) -> Result<Loaded<Referral>, CouncilError> {
        Ok(load::<Referral>(self.log.as_ref(), &id.stream(), None).await?)
    }

    /// A referral between a partner and us by the id that both know it under; [`Referral::Unknown`] with the id that
    /// one from this partner would have when we do not hold it.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn find(
        &self,
        partner: &PartnerId,
        shared: SharedId,
    ) -> Result<(ReferralId, Loaded<Referral>), CouncilError> {
        if let Some(id) = outbound_id(shared) {
            let loaded = self.load(id).await?;
            if loaded.state.transfer().is_some_and(Transfer::is_outbound) {
                return Ok((id, loaded));
            }
        }
        let id = inbound_id(partner, shared);
        Ok((id, self.load(id).await?))
    }

    /// Whose data a referral holds: whoever was presented, before that whoever filed the complaint.
    async fn subject_of(&self, transfer: &Transfer) -> Result<SubjectId, CouncilError> {
        if let Some(presented) = &transfer.presented {
            return Ok(presented.subject);
        }
        if let Some(complaint) = transfer.drafted.complaint.filter(|_| transfer.is_outbound()) {
            let loaded = load::<Complaint>(self.log.as_ref(), &complaint.stream(), None).await?;
            if let Some(case) = loaded.state.case() {
                return Ok(SubjectId::in_filing(case.filing, "complainant"));
            }
        }
        Ok(SubjectId::of_referral(transfer.drafted.referral.as_uuid()))
    }

    /// Does something with the vault, which blocks, where it may block.
    async fn with_vault<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SubjectVault) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, CouncilError> {
        let vault = Arc::clone(&self.vault);
        let worked = tokio::task::spawn_blocking(move || work(&vault)).await.map_err(CouncilError::Task)?;
        Ok(worked?)
    }

    /// Asks the index, which blocks, where it may block.
    async fn ask_index<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&ReferralIndex) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, CouncilError> {
        let index = self.index.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&index)).await.map_err(CouncilError::Task)?;
        Ok(asked?)
    }
}

impl fmt::Debug for Council {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Council").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Under which id we hold a referral that we sent: both councils know it under ours.
fn outbound_id(shared: SharedId) -> Option<ReferralId> {
    ReferralId::parse(&shared.to_string()).ok()
}

/// Under which id we hold a referral that a partner sent.
fn inbound_id(partner: &PartnerId, shared: SharedId) -> ReferralId {
    ReferralId::inbound(partner, &shared.to_string())
}

/// A command of ours that is determined by its name: who repeats it after a crash repeats nothing.
fn own_command(parts: &[&str]) -> CommandRef {
    CommandRef { id: CommandId::derived(parts), digest: command_digest(parts.join("\n").as_bytes()) }
}

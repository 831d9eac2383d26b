//! Two councils in one process, wired to each other without a network: real vaults and indexes in folders that go away,
//! logs in memory, one clock that the test moves.

pub(crate) mod dispute;
pub(crate) mod source;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use domain::envelope::RecordedEvent;
use domain::id::{CommandId, UnitId};
use event_log::contract::fixture::read_behind;
use event_log::digest::command_digest;
use event_log::execute::{Done, Issue};
use event_log::memory::MemoryLog;
use event_log::port::{CommandRef, EventLog};
use event_log::vault::{MasterKey, SubjectVault, VaultOptions};
use tempfile::TempDir;

use self::source::MemorySource;
use super::act_of::evidence_of;
use super::{Caller, Council, CouncilError};
use crate::delivery::{DeliveredBy, DeliveryState};
use crate::evidence::{EvidenceLimits, EvidenceStore, NoScanner, Scanner};
use crate::exchange::body::Evidence;
use crate::exchange::{
    Body, Digest, EvidenceItem, LangText, Refusal, ScanState, SharedId, SignedMessage, SignedReceipt, Step,
};
use crate::index::{IndexOptions, OutboxRow, ReferralIndex};
use crate::partner::{Language, PartnerId};
use crate::peer::{Directory, Peer, Transport};
use crate::referral::{Act, Referral, ReferralId, Stage, Transfer};
use crate::security::{PER_MINUTE, SecurityJournal};
use crate::trust::{KeyId, KeyRing, PrivateKey, SigningKey, SuiteName};

pub(crate) const GUANGDONG: &str = "gd-consumer-council";
pub(crate) const HONG_KONG: &str = "hk-consumer-council";
pub(crate) const MACAO: &str = "mo-consumer-council";

/// Who drafts and who approves.
pub(crate) const FIRST: &str = "officer-1";
pub(crate) const SECOND: &str = "officer-2";

/// Monday morning.
pub(crate) const START: &str = "2026-05-18T09:00:00+08:00";

const MASTER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) fn council_id(id: &str) -> PartnerId {
    PartnerId::parse(id).unwrap()
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn text(lang: Language, text: &str) -> LangText {
    LangText { lang, text: text.to_owned() }
}

/// The clock of both nodes and of their logs.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<Mutex<DateTime<Utc>>>);

impl Clock {
    pub(crate) fn at(moment: &str) -> Self {
        Self(Arc::new(Mutex::new(moment.parse().unwrap())))
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    pub(crate) fn set(&self, moment: &str) {
        *self.0.lock().unwrap() = moment.parse().unwrap();
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    fn reader(&self) -> Arc<dyn Fn() -> DateTime<Utc> + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// A key of a council, the same in every test.
pub(crate) fn signing_key(owner: &str, name: &str) -> SigningKey {
    let mut seed = [0; 32];
    for (byte, source) in seed.iter_mut().zip(owner.bytes().chain(name.bytes()).cycle()) {
        *byte = source;
    }
    SigningKey {
        id: KeyId::parse(&format!("{owner}:{name}")).unwrap(),
        private: PrivateKey::from_seed(SuiteName::Ed25519Sha256, &seed).unwrap(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-12-31T16:00:00Z".parse().unwrap(),
    }
}

pub(crate) fn peer(id: &str, keys: &[SigningKey]) -> Peer {
    Peer {
        id: council_id(id),
        endpoint: Some(format!("https://{id}.example/partner/graphql")),
        transport: Transport::Push,
        pull: false,
        keys: keys.iter().map(SigningKey::verifying).collect(),
        certificates: Vec::new(),
        server_ca_file: None,
        allow_private_address: false,
        allow_plain_http: false,
    }
}

/// One council's node.
pub(crate) struct Node {
    pub(crate) council: Arc<Council>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) unit: UnitId,
    /// The clock that it shares with the others.
    pub(crate) clock: Clock,
    commands: AtomicU64,
    /// Where its files lie.
    pub(crate) folder: TempDir,
}

impl Node {
    pub(crate) fn new(own: &str, peers: Vec<Peer>, clock: &Clock) -> Self {
        Self::with(own, vec![signing_key(own, "2026a")], peers, clock, Arc::new(NoScanner))
    }

    pub(crate) fn with(
        own: &str,
        keys: Vec<SigningKey>,
        peers: Vec<Peer>,
        clock: &Clock,
        scanner: Arc<dyn Scanner>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = clock.reader();
        let log = Arc::new(MemoryLog::new(Arc::clone(&now)));
        let options = VaultOptions { create: true, ..VaultOptions::new(Arc::clone(&now)) };
        let master = MasterKey::from_env_value(MASTER).unwrap();
        let vault = Arc::new(SubjectVault::open(&folder.path().join("vault.sqlite"), master, options).unwrap());
        let limits = EvidenceLimits::default();
        let root = folder.path().join("evidence");
        let own_id = council_id(own);
        let shared: Arc<dyn EventLog> = Arc::<MemoryLog>::clone(&log);
        let council = Council {
            own: own_id.clone(),
            log: Arc::clone(&shared),
            vault: Arc::clone(&vault),
            keys: Arc::new(KeyRing::new(keys)),
            directory: Arc::new(Directory::new(own_id, peers).unwrap()),
            index: ReferralIndex::open(IndexOptions::new(folder.path().join("referrals.sqlite"))).unwrap(),
            evidence: EvidenceStore::with_scanner(root, vault, limits, scanner),
            journal: SecurityJournal::new(shared, Arc::clone(&now), PER_MINUTE),
            now,
        };
        Self {
            council: Arc::new(council),
            log,
            unit: UnitId::parse(own).unwrap(),
            clock: clock.clone(),
            commands: AtomicU64::new(0),
            folder,
        }
    }

    pub(crate) fn own(&self) -> &PartnerId {
        &self.council.own
    }

    pub(crate) fn caller<'a>(&'a self, actor: &'a str) -> Caller<'a> {
        Caller { unit: &self.unit, actor, issue: Issue::default() }
    }

    /// A command that was never used before.
    pub(crate) fn command(&self) -> CommandRef {
        let name = self.commands.fetch_add(1, Ordering::Relaxed).to_string();
        CommandRef { id: CommandId::derived(&[self.own().as_str(), &name]), digest: command_digest(name.as_bytes()) }
    }

    pub(crate) async fn act(&self, id: ReferralId, actor: &str, act: Act) -> Result<Done<Referral>, CouncilError> {
        self.council.act(id, self.command(), self.caller(actor), None, None, act).await
    }

    pub(crate) async fn tell(&self, id: ReferralId, body: impl Into<Body>) -> Result<Done<Referral>, CouncilError> {
        self.council.tell(id, self.command(), self.caller(FIRST), None, None, body.into()).await
    }

    pub(crate) async fn transfer(&self, id: ReferralId) -> Transfer {
        self.council.load(id).await.unwrap().state.transfer().unwrap().clone()
    }

    pub(crate) async fn stage(&self, id: ReferralId) -> Stage {
        self.transfer(id).await.stage
    }

    /// Tells of a file, or attaches it to a draft, and does not put it in.
    pub(crate) async fn announce(
        &self,
        id: ReferralId,
        name: &str,
        media: &str,
        bytes: &[u8],
    ) -> Result<Digest, CouncilError> {
        let (digest, length) = (Digest::of(bytes), u64::try_from(bytes.len()).unwrap());
        let (name, media) = (name.to_owned(), media.to_owned());
        let item = EvidenceItem { digest: digest.clone(), name, bytes: length, media };
        let transfer = self.transfer(id).await;
        if transfer.stage.has_left() {
            self.tell(id, Evidence { item }).await?;
        } else {
            let subject = self.council.subject_of(&transfer).await?;
            let seal = |purpose: &'static str, text: &str| self.council.vault.seal(subject, purpose, text);
            let added = evidence_of(&item, &seal)?;
            self.act(id, FIRST, Act::AddEvidence(added)).await?;
        }
        Ok(digest)
    }

    /// Puts in a file that was announced.
    pub(crate) async fn put_in(
        &self,
        id: ReferralId,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<ScanState, CouncilError> {
        let put_in = self.council.put_in(id, digest, &self.caller(FIRST), bytes.to_vec()).await;
        put_in.map(|(_, scan)| scan)
    }

    /// Announces a file and puts it in.
    pub(crate) async fn attach(&self, id: ReferralId, media: &str, bytes: &[u8]) -> Result<Digest, CouncilError> {
        let digest = self.announce(id, "receipt", media, bytes).await?;
        self.put_in(id, &digest, bytes).await?;
        Ok(digest)
    }

    /// Every event of the node's log.
    pub(crate) async fn events(&self) -> Vec<RecordedEvent> {
        read_behind(self.log.as_ref(), None, 1_000).await
    }

    /// Brings the index up to the end of the log.
    pub(crate) fn catch_up(&self) {
        self.council.index.catch_up(&mut MemorySource(Arc::clone(&self.log))).unwrap();
    }

    /// What was issued and not delivered, by sequence.
    pub(crate) fn outbox(&self, id: ReferralId) -> Vec<OutboxRow> {
        self.every_message(id).into_iter().filter(|row| row.state != DeliveryState::Delivered).collect()
    }

    /// Our messages, those that were delivered too.
    pub(crate) fn every_message(&self, id: ReferralId) -> Vec<OutboxRow> {
        self.catch_up();
        self.council.index.deliveries_of(id).unwrap()
    }

    pub(crate) async fn message(&self, row: &OutboxRow) -> SignedMessage {
        self.council.issued(row).await.unwrap().unwrap()
    }

    pub(crate) async fn receive(&self, from: &Self, message: &SignedMessage) -> Result<SignedReceipt, Refusal> {
        self.council.receive(from.own(), message.clone()).await
    }

    /// Brings over one message and the receipt back.
    pub(crate) async fn bring(&self, row: &OutboxRow, to: &Self) -> SignedReceipt {
        let receipt = to.receive(self, &self.message(row).await).await.unwrap();
        self.council.receipt_from(to.own(), &receipt, DeliveredBy::Push).await.unwrap();
        receipt
    }

    /// Brings over everything that is outstanding, in order.
    pub(crate) async fn deliver(&self, id: ReferralId, to: &Self) -> usize {
        let rows = self.outbox(id);
        for row in &rows {
            self.bring(row, to).await;
        }
        rows.len()
    }
}

/// Guangdong and another council, each in the other's directory.
pub(crate) struct Pair {
    pub(crate) origin: Node,
    pub(crate) target: Node,
    pub(crate) clock: Clock,
}

impl Pair {
    pub(crate) fn of(origin: &str, target: &str) -> Self {
        let clock = Clock::at(START);
        let to = |id: &str| vec![peer(id, &[signing_key(id, "2026a")])];
        Self { origin: Node::new(origin, to(target), &clock), target: Node::new(target, to(origin), &clock), clock }
    }

    /// From Guangdong to Hong Kong.
    pub(crate) fn new() -> Self {
        Self::of(GUANGDONG, HONG_KONG)
    }

    /// Submitted and delivered: the referral's id here and there.
    pub(crate) async fn delivered(&self) -> (ReferralId, ReferralId) {
        let here = self.origin.submit(self.target.own()).await;
        assert_eq!(self.origin.deliver(here, &self.target).await, 1);
        (here, self.there(here))
    }

    /// Under which id the target holds it.
    pub(crate) fn there(&self, here: ReferralId) -> ReferralId {
        ReferralId::inbound(self.origin.own(), &here.to_string())
    }

    /// Brings over everything that is outstanding in both directions, until nothing is.
    pub(crate) async fn settle(&self, here: ReferralId) {
        let there = self.there(here);
        while self.origin.deliver(here, &self.target).await + self.target.deliver(there, &self.origin).await > 0 {}
    }

    /// Both hold the same messages and stand at the same stage.
    pub(crate) async fn assert_agreed(&self, here: ReferralId) -> Stage {
        let (ours, theirs) = (self.origin.transfer(here).await, self.target.transfer(self.there(here)).await);
        assert_eq!(ours.segment.digest(ours.shared()), theirs.segment.digest(theirs.shared()));
        assert_eq!(ours.segment, theirs.segment);
        assert_eq!(ours.stage, theirs.stage);
        ours.stage
    }
}

pub(crate) fn shared(here: ReferralId) -> SharedId {
    SharedId::parse(&here.to_string()).unwrap()
}

/// How often the step was reminded of, and whether it was escalated.
pub(crate) fn nudges(transfer: &Transfer, step: Step) -> (u16, bool) {
    transfer.clocks.get(&step).map_or((0, false), |clock| (clock.reminders, clock.escalated))
}

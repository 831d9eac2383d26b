//! What stands in the log in the end, read apart from all nodes, against what the witness knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::leases::{EXCHANGE_DELIVERY, EXCHANGE_SWEEP, PROCESS_MANAGER};
use cross_border::referral::ReferralId;
use domain::decider::Decider as _;
use domain::envelope::{Metadata, RecordedEvent};
use domain::filing::{Filing, FilingEvent, ItemKind};
use domain::id::{CommandId, ComplaintId};
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::execute::read;
use event_log::port::EventLog as _;
use serde_json::Value;
use tests::double::DoubleProcess;
use tokio::task::block_in_place;

use super::witness::Witness;

/// Categories in which the nodes act by themselves.
const OF_THE_SYSTEM: [&str; 4] = ["unit", "referral", "delivery", "security"];
/// What the actors of the test are called.
const OF_THE_TEST: &str = "storm-";
/// Events that happen at most once in a stream.
const ONCE: [&str; 9] = [
    "unit.registered",
    "filing.received",
    "filing.split",
    "complaint.registered",
    "referral.drafted",
    "referral.sent",
    "referral.delivered",
    "referral.recalled",
    "delivery.delivered",
];

/// The whole log, and what every event says of who caused it.
pub(super) struct Ledger {
    events: Vec<RecordedEvent>,
    metas: Vec<Metadata>,
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) events: usize,
    pub(super) streams: usize,
    pub(super) commands: usize,
    pub(super) complaints: usize,
    /// Commands that nobody was answered and that were carried out all the same.
    pub(super) unanswered: usize,
}

impl Ledger {
    /// Reads the log over a connection of its own; the store checks every digest and every revision.
    pub(super) async fn read(double: &DoubleProcess) -> Self {
        let options = EventStoreOptions::new(double.connection(), Arc::new(api::clock::now));
        let log = Box::pin(EventStoreLog::open(options)).await.unwrap();
        let mut events: Vec<RecordedEvent> = Vec::new();
        loop {
            let page = log.read_all(events.last().map(|event| event.position), 4_096).await.unwrap();
            events.extend(page.events);
            if page.at_end {
                break;
            }
        }
        log.close().await;
        let metas = events.iter().map(|event| event.meta().unwrap()).collect();
        Self { events, metas }
    }

    /// Nothing acknowledged is missing, nothing stands twice, and nothing stands there that nobody asked for.
    pub(super) fn check(&self, witness: &Witness) -> Tally {
        let streams = self.check_order();
        let commands = self.check_commands();
        self.check_roots(witness);
        self.check_acknowledged(witness, &commands);
        let complaints = self.check_chains(&streams);
        self.check_referrals(witness, &streams);
        let told = witness.told();
        let unanswered =
            witness.tried().into_iter().filter(|command| commands.contains(command) && !told.contains_key(command));
        Tally {
            events: self.events.len(),
            streams: streams.len(),
            commands: commands.len(),
            complaints,
            unanswered: unanswered.count(),
        }
    }

    /// Positions ascend, ids are unique, revisions are contiguous from 0; the kinds of every stream.
    fn check_order(&self) -> BTreeMap<&str, Vec<&RecordedEvent>> {
        let mut ids = BTreeSet::new();
        let mut streams: BTreeMap<&str, Vec<&RecordedEvent>> = BTreeMap::new();
        let mut last = None;
        for event in &self.events {
            assert!(last < Some(event.position), "positions do not ascend at {}", event.position);
            last = Some(event.position);
            assert!(ids.insert(event.id.as_uuid()), "event {} of `{}` stands twice", event.id, event.stream);
            let stream = streams.entry(event.stream.as_str()).or_default();
            assert_eq!(event.revision.get(), stream.len() as u64, "a gap or a repetition in `{}`", event.stream);
            stream.push(event);
        }
        for (stream, events) in &streams {
            for kind in ONCE {
                let times = events.iter().filter(|event| &*event.kind == kind).count();
                assert!(times <= 1, "{kind} happened {times} times in `{stream}`");
            }
        }
        streams
    }

    /// Every command had its effect once: its events stand together on one stream, each with the id derived for it.
    fn check_commands(&self) -> BTreeSet<CommandId> {
        let mut by_command: HashMap<CommandId, Vec<&RecordedEvent>> = HashMap::new();
        for (event, meta) in self.events.iter().zip(&self.metas) {
            by_command.entry(meta.command).or_default().push(event);
        }
        for (command, events) in &by_command {
            let first = events[0];
            for (index, event) in events.iter().enumerate() {
                assert_eq!(event.stream, first.stream, "{command} had an effect on two streams");
                let revision = first.revision.get() + index as u64;
                assert_eq!(event.revision.get(), revision, "{command} had its effect twice on `{}`", event.stream);
                assert_eq!(event.id, command.event(&event.stream, index), "{command} on `{}`", event.stream);
            }
        }
        by_command.into_keys().collect()
    }

    /// Every event goes back to a command that the test sent, or to what the nodes do by themselves.
    fn check_roots(&self, witness: &Witness) {
        let tried = witness.tried();
        for (event, meta) in self.events.iter().zip(&self.metas) {
            let known = match meta.correlation {
                Some(root) => tried.contains(&root),
                None => OF_THE_SYSTEM.contains(&event.stream.category()) && !meta.actor.starts_with(OF_THE_TEST),
            };
            assert!(known, "nobody asked for {} in `{}`: {meta:?}", event.kind, event.stream);
        }
    }

    /// What was acknowledged stands where the answer said, and goes back to the command that it answered.
    fn check_acknowledged(&self, witness: &Witness, commands: &BTreeSet<CommandId>) {
        let places: HashMap<u64, usize> =
            self.events.iter().enumerate().map(|(index, event)| (event.position.get(), index)).collect();
        for (command, told) in witness.told() {
            assert!(commands.contains(&command), "acknowledged command {command} has no event: {told:?}");
            let Some(index) = places.get(&told.position) else { panic!("{command}: nothing stands at {told:?}") };
            let (event, meta) = (&self.events[*index], &self.metas[*index]);
            assert_eq!(meta.correlation, Some(command), "another's event stands at {told:?}: {}", event.kind);
            let revision = told.revision.unwrap_or_else(|| event.revision.get());
            assert_eq!(event.revision.get(), revision, "{command} was told another revision");
        }
    }

    /// Every complaint of every filing was registered, also those whose filing nobody was answered for.
    fn check_chains(&self, streams: &BTreeMap<&str, Vec<&RecordedEvent>>) -> usize {
        let mut complaints = BTreeSet::new();
        for (stream, events) in streams.iter().filter(|(stream, _)| stream.starts_with("filing-")) {
            let happened = events.iter().map(|event| read::<FilingEvent>(event).unwrap());
            let state = happened.fold(Filing::initial(), |state, event| Filing::evolve(state, &event));
            let Filing::Received(received, items, _) = state else { panic!("`{stream}` holds no filing") };
            for item in items.iter().filter(|item| item.kind == ItemKind::Complaint) {
                let complaint = ComplaintId::of_item(received.filing, item.item).stream();
                let begins = streams.get(complaint.as_str()).map(|events| &*events[0].kind);
                assert_eq!(begins, Some("complaint.registered"), "`{stream}` led to no `{complaint}`");
                complaints.insert(complaint);
            }
        }
        let registered = streams.keys().filter(|stream| stream.starts_with("complaint-")).count();
        assert_eq!(complaints.len(), registered, "a complaint has no filing");
        registered
    }

    /// A consent that was withdrawn led to one recall, and no other referral was called back.
    fn check_referrals(&self, witness: &Witness, streams: &BTreeMap<&str, Vec<&RecordedEvent>>) {
        for (id, referral) in witness.referred() {
            let stream = ReferralId::parse(&id).unwrap().stream();
            let times = |kind: &str| streams[stream.as_str()].iter().filter(|event| &*event.kind == kind).count();
            let withdrawn = times("referral.consent-withdrawn");
            assert_eq!(times("referral.recalled"), withdrawn, "`{stream}`");
            assert!(referral.uncertain || withdrawn == usize::from(referral.withdrawn), "`{stream}`");
            assert!(!referral.approved || times("referral.sent") == 1, "`{stream}`");
        }
    }
}

/// How often work that one node does for all went to another, as the records of its leases tell. Terms only grow, and
/// no two holders have the same.
pub(super) fn lease_changes(double: &DoubleProcess) -> u64 {
    let mut changes = 0;
    for name in [PROCESS_MANAGER, EXCHANGE_SWEEP, EXCHANGE_DELIVERY] {
        let records = block_in_place(|| double.read(&format!("baycase.lease-{name}")));
        assert!(!records.is_empty(), "nobody ever held the lease `{name}`");
        let mut before: Option<(String, u64)> = None;
        for record in records {
            let record: Value = serde_json::from_str(&record.data).unwrap();
            let (holder, term) = (record["holder"].as_str().unwrap().to_owned(), record["term"].as_u64().unwrap());
            if let Some((last_holder, last_term)) = &before {
                assert!(term >= *last_term, "the terms of `{name}` go back");
                assert!(term > *last_term || holder == *last_holder, "two holders of `{name}` in term {term}");
                changes += u64::from(holder != *last_holder);
            }
            before = Some((holder, term));
        }
    }
    changes
}

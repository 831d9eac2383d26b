//! The log on the servers of EventStoreDB, for several nodes at once.
//!
//! What holds it together:
//! - Every append names the exact revision that its writer had read, and events have derived ids. So it can be repeated
//!   whatever became of an answer: the servers know it again, and where they do not, its events are looked for.
//! - A command is claimed before it is carried out (`claims`), which is how it is found again on whatever stream.
//! - The servers' whole log holds more than ours. Readers skip what is technical and refuse what another program wrote;
//!   each stream must go on without a gap (`scan`), each event must be as its digest says (`wire`).
//! - The client (4.0) is closed for ever once it could not connect, and stays on a node that is dead. It is replaced by
//!   a new one whenever that may have happened (`connection`); every attempt has an end.
//! - Everything is asked of the leader: another node may not know yet what was appended a moment ago.
//! - The subscription only says that there is something to read. What was read is decided by reading alone.
//!
//! This is the only file that names the client; what lies in `eventstore/` is written against [`Link`].

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::eventstore::{
    AppendToStreamOptions, Client, ClientSettings, ClientSettingsParseError, Credentials, CurrentRevision,
    Error as ClientError, EventData, ExpectedRevision, GrpcConnectionError, Position as ClientPosition, ReadAllOptions,
    ReadStream, ReadStreamOptions, ResolvedEvent, StreamPosition, SubscribeToAllOptions, SubscriptionEvent,
    SubscriptionFilter,
};
use aws_lc_rs::rand;
use domain::envelope::Position;
use domain::id::CommandId;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::{Builder, Uuid};

use self::connection::{Connection, Spare, Tries, draw};
use self::ended::Polling;
use self::problem::{Problem, brief, of_status, of_text, pause};
use self::scan::Cursor;
use self::store::{Notice, Store};
use self::trust::{Trust, TrustFiles};
use self::wire::{Incoming, Outgoing, SERVER_MIN};
use crate::fault::LogFault;
use crate::port::Expected;

pub use self::claims::{CopiedCommand, copied_bucket};
pub use self::home::{CopyState, CopyTotals};
pub use self::log::EventStoreLog;
pub use self::options::{EventStoreOptions, EventStoreStats, LogHealth};
pub use self::settings::PARAMETERS;

mod append;
mod claims;
mod connection;
mod copy;
mod ended;
mod filter;
mod home;
mod log;
mod opening;
mod options;
mod problem;
mod read;
mod records;
mod scan;
mod settings;
mod store;
mod trust;
mod turns;
mod wire;

/// How often a new connection is asked whose log it leads to, while its nodes look for their leader.
const RECOGNISE_ATTEMPTS: u32 = 10;
/// Wait between two of those.
const RECOGNISE_WAIT: Duration = Duration::from_millis(100);
/// Wait between two looks at a log that cannot be used.
const MEND_WAIT: Duration = Duration::from_millis(500);
/// And where the servers were reached and refused us: a person must mend that, and each question leaves a connection.
const REFUSED_WAIT: Duration = Duration::from_secs(15);
/// What an attempt at an append gets more for each of its events, which have to be sent and written.
const EVENT_TIME: Duration = Duration::from_millis(1);
/// The oldest servers in the client's numbers; see [`SERVER_MIN`].
const SERVER_NUMBERS_MIN: (usize, usize) = (22, 10);

/// Adds the user to the options of one operation; they have no type in common.
macro_rules! for_user {
    ($options:expr, $user:expr) => {
        match &$user {
            Some(user) => $options.authenticated(user.clone()),
            None => $options,
        }
    };
}

/// The way to the servers.
struct Link {
    connection: Connection<Client>,
    spare: Spare<Client>,
    settings: ClientSettings,
    user: Option<Credentials>,
    files: TrustFiles,
    attempt_timeout: Duration,
    total_timeout: Duration,
    /// Once known, every new connection must lead to the log of this installation.
    installation: OnceLock<Uuid>,
    /// Drawn for this process: ids of technical events are derived from it.
    incarnation: String,
    calls: AtomicU64,
}

/// One operation: when it must be over, and a number that no other of this process has.
#[derive(Debug)]
struct Call {
    deadline: Instant,
    number: u64,
}

/// An append that was given up or refused.
#[derive(Debug)]
struct Refused {
    problem: Problem,
    /// An attempt before may have gone through.
    open: bool,
}

/// What is read, and from where.
#[derive(Debug, Clone, Copy)]
enum Query<'a> {
    /// The whole log behind a place, forwards.
    Behind(Option<Cursor>),
    /// The whole log before a place or from its end, backwards.
    Before(Option<Cursor>),
    /// A stream from a revision on, forwards.
    Stream(&'a str, u64),
    /// A stream from its end, backwards.
    StreamEnd(&'a str),
}

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// There is nothing more.
    Ended,
    /// As many as were asked for came; there may be more.
    Counted,
    /// Whoever took the events wanted no more.
    Stopped,
}

/// Takes the events of a read, until it breaks off.
type Taker<'a> = &'a mut (dyn FnMut(Incoming) -> ControlFlow<()> + Send);

impl Link {
    fn new(options: &EventStoreOptions) -> Result<Self, LogFault> {
        let settings = settings::complete(options)?.parse::<ClientSettings>().map_err(|error| unreadable(&error))?;
        let files = TrustFiles {
            verifies: settings.is_secure_mode_enabled() && settings.is_tls_certificate_verification_enabled(),
            ca: settings.tls_ca_file().map(Into::into),
            identity: settings.user_certificate().map(|(certificate, key)| (certificate.into(), key.into())),
        };
        let mut bytes = [0; 16];
        rand::fill(&mut bytes)
            .map_err(|_error| LogFault::Settings { what: "the system gives no random bytes".to_owned() })?;
        Ok(Self {
            connection: Connection::new(),
            spare: Spare::new(),
            settings,
            user: options.user.clone().map(|(name, password)| Credentials::new(name, password)),
            files,
            attempt_timeout: options.attempt_timeout,
            total_timeout: options.total_timeout,
            installation: OnceLock::new(),
            incarnation: Builder::from_random_bytes(bytes).into_uuid().simple().to_string(),
            calls: AtomicU64::new(0),
        })
    }

    fn call(&self) -> Call {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        Call { deadline: Instant::now() + self.total_timeout, number }
    }

    /// An id for a technical event that this call writes: the same on every attempt, and nobody else's.
    ///
    /// The servers tell events by their ids alone, so two writers must never have the same id for what differs.
    fn technical_id(&self, call: &Call, what: &str) -> Uuid {
        CommandId::derived(&["technical", &self.incarnation, &call.number.to_string(), what]).as_uuid()
    }

    async fn connected(&self, deadline: Instant) -> Result<(Client, u64), Problem> {
        self.connection.connected(deadline, self.connect(deadline)).await
    }

    async fn connect(&self, deadline: Instant) -> Result<Client, Problem> {
        let files = self.files.clone();
        let trust = match tokio::task::spawn_blocking(move || files.read()).await {
            Ok(read) => read.map_err(Problem::Final)?,
            Err(error) => return Err(Problem::Lost(brief(&error.to_string()))),
        };
        if let Some((client, served)) = self.spare.take() {
            return self.admit(client, served, deadline).await;
        }
        // A client that had connected leaves its task and its connection behind when it is replaced, for as long as the
        // process lives: one for each time a leader was lost, and see `Spare` for the time without one. Servers that
        // refuse us are asked at a distance, see `mend`.
        let client = Client::new(self.settings.clone()).map_err(|error| problem_of(&error))?;
        let problem = match timeout_at(deadline, Box::pin(client.server_info())).await {
            Ok(Ok(info)) => {
                let version = info.version();
                // 0.0 stands for servers that do not tell; they are known by their answers.
                if version.major() > 0 && (version.major(), version.minor()) < SERVER_NUMBERS_MIN {
                    let fault = LogFault::TooOld { found: version.to_string(), needed: SERVER_MIN };
                    return Err(Problem::Final(fault));
                }
                return self.admit(client, 0, deadline).await;
            }
            // It answers its first question in one way or another, unless it has panicked before.
            Ok(Err(ClientError::ConnectionClosed)) => {
                let what = "the client ended at once; either a certificate of this system cannot be read, or another \
                    part of the program has installed a provider of cryptography for the whole process"
                    .to_owned();
                return Err(Problem::Final(LogFault::Settings { what }));
            }
            Ok(Err(error)) => problem_of(&error),
            Err(_elapsed) => Problem::TimedOut,
        };
        Err(self.diagnose(problem, &trust).await)
    }

    /// What is the matter with servers that do not answer, as far as it can be seen from outside.
    async fn diagnose(&self, problem: Problem, trust: &Trust) -> Problem {
        if !matches!(problem, Problem::Unconnected(_) | Problem::Lost(_) | Problem::TimedOut) {
            return problem;
        }
        let port = |port: u32| u16::try_from(port).unwrap_or_default();
        let hosts = self.settings.hosts();
        let hosts: Vec<(String, u16)> = hosts.iter().map(|host| (host.host.clone(), port(host.port))).collect();
        match (trust.look(&hosts).await, problem) {
            (Some(found), _) => found,
            // Nothing was asked of the log yet, so nothing is open.
            (None, Problem::Lost(last)) => Problem::Unconnected(last),
            (None, problem) => problem,
        }
    }

    /// Lets a client pass that leads to our log. It has served so many attempts to connect before.
    async fn admit(&self, client: Client, served: u32, deadline: Instant) -> Result<Client, Problem> {
        match self.recognise(&client, deadline).await {
            Ok(()) => Ok(client),
            Err(problem) => {
                self.spare.keep(client, served, &problem);
                Err(problem)
            }
        }
    }

    /// Lets only servers pass that have the log of this installation.
    async fn recognise(&self, client: &Client, deadline: Instant) -> Result<(), Problem> {
        let Some(expected) = self.installation.get().copied() else { return Ok(()) };
        let mut last = Problem::TimedOut;
        for _ in 0..RECOGNISE_ATTEMPTS {
            let mut first = None;
            let mut take = |incoming: Incoming| {
                first = Some(incoming);
                ControlFlow::Break(())
            };
            let (query, mut progress) = (Query::Stream(home::STREAM, 0), Progress::default());
            let asked = Box::pin(self.read_once(client, query, 1, &mut progress, &mut take));
            match timeout_at(deadline, asked).await {
                Ok(Ok(_)) => {
                    let Some(first) = first else { return Err(Problem::Final(LogFault::NotInstalled)) };
                    let found = home::read_first(&first).map_err(Problem::Final)?.installation;
                    if found == expected {
                        return Ok(());
                    }
                    return Err(Problem::Final(LogFault::ForeignInstallation { expected, found }));
                }
                Ok(Err(Problem::NotFound)) => return Err(Problem::Final(LogFault::NotInstalled)),
                Ok(Err(problem)) if problem.passes() => last = problem,
                Ok(Err(problem)) => return Err(problem),
                // What its node has said until then tells more than that the time is over.
                Err(_elapsed) => return Err(last),
            }
            sleep(RECOGNISE_WAIT).await;
        }
        Err(last)
    }

    /// Appends events to a stream, with as many attempts as the call's time allows.
    async fn append(&self, call: &Call, stream: &str, expected: Expected, events: &[Outgoing]) -> Result<(), Refused> {
        let counters = &self.connection.counters;
        counters.appends.fetch_add(1, Ordering::Relaxed);
        let mut tries = Tries::default();
        loop {
            let (problem, generation) = match self.append_once(call.deadline, stream, expected, events).await {
                Ok(generation) => {
                    self.connection.went_well(generation, true);
                    return Ok(());
                }
                // A node that does not know its leader says it like this.
                Err((Problem::NotFound, on)) => (Problem::NoLeader("a node knows of no leader".to_owned()), on),
                Err(failed) => failed,
            };
            if generation.is_some() && problem.leaves_open() {
                tries.open = true;
                counters.unknown_outcomes.fetch_add(1, Ordering::Relaxed);
            }
            if let Err(problem) = self.connection.again(call.deadline, problem, generation, &mut tries).await {
                match (&problem, generation) {
                    (Problem::WrongRevision { .. } | Problem::Deleted, Some(on)) => {
                        self.connection.went_well(on, true);
                    }
                    _ => self.connection.gave_up(&problem, true),
                }
                return Err(Refused { problem, open: tries.open });
            }
            counters.append_retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One attempt at an append; also says on which connection it was made, if on any.
    async fn append_once(
        &self,
        deadline: Instant,
        stream: &str,
        expected: Expected,
        events: &[Outgoing],
    ) -> Result<u64, (Problem, Option<u64>)> {
        let (client, generation) = self.connected(deadline).await.map_err(|problem| (problem, None))?;
        let revision = match expected {
            Expected::NoStream => ExpectedRevision::NoStream,
            Expected::At(revision) => ExpectedRevision::Exact(revision.get()),
        };
        let sent: Vec<EventData> = events.iter().map(event_data).collect();
        let more = EVENT_TIME.saturating_mul(u32::try_from(sent.len()).unwrap_or(u32::MAX));
        let time = self.attempt_timeout.saturating_add(more);
        let options = AppendToStreamOptions::default().expected_revision(revision).requires_leader(true);
        let options = for_user!(options.deadline(time), self.user);
        let end = deadline.min(Instant::now() + time);
        match timeout_at(end, Box::pin(client.append_to_stream(stream, &options, sent))).await {
            // The position in the answer is not used: it is missing when the events stood there before.
            Ok(Ok(_written)) => Ok(generation),
            Ok(Err(error)) => Err((problem_of(&error), Some(generation))),
            Err(_elapsed) => Err((Problem::TimedOut, Some(generation))),
        }
    }

    /// Reads up to `count` events and hands them to `take`. Forwards it goes on where it was cut off, so that each
    /// comes once; backwards it begins anew, and `take` may see events again, or those of a log that ends elsewhere.
    async fn read(&self, call: &Call, query: Query<'_>, count: usize, take: Taker<'_>) -> Result<Read, Problem> {
        self.connection.counters.reads.fetch_add(1, Ordering::Relaxed);
        let (mut query, mut count, mut deadline) = (query, count, call.deadline);
        let mut tries = Tries::default();
        loop {
            let mut progress = Progress::default();
            let (problem, generation) = match self.connected(deadline).await {
                Ok((client, generation)) => {
                    match Box::pin(self.read_once(&client, query, count, &mut progress, take)).await {
                        Ok(read) => {
                            self.connection.went_well(generation, false);
                            return Ok(read);
                        }
                        Err(problem) => (problem, Some(generation)),
                    }
                }
                Err(problem) => (problem, None),
            };
            if let Some(rest) = progress.rest(query) {
                query = rest;
                count = count.saturating_sub(progress.taken);
                // Time counts from the last event that came, however many there are.
                deadline = Instant::now() + self.total_timeout;
                tries = Tries::default();
            }
            if let Err(problem) = self.connection.again(deadline, problem, generation, &mut tries).await {
                match (&problem, generation) {
                    (Problem::NotFound | Problem::Deleted, Some(on)) => self.connection.went_well(on, false),
                    _ => self.connection.gave_up(&problem, false),
                }
                return Err(problem);
            }
        }
    }

    /// One attempt at a read. It may take long, but each event must come in the time of an attempt.
    async fn read_once(
        &self,
        client: &Client,
        query: Query<'_>,
        count: usize,
        progress: &mut Progress,
        take: Taker<'_>,
    ) -> Result<Read, Problem> {
        let asking = timeout(self.attempt_timeout, Box::pin(self.ask(client, query, count))).await;
        let (mut answers, asked) = asking.map_err(|_elapsed| Problem::TimedOut)??;
        let mut came = 0_usize;
        loop {
            let next = timeout(self.attempt_timeout, Box::pin(answers.next())).await;
            let next = next.map_err(|_elapsed| Problem::TimedOut)?.map_err(|error| problem_of(&error))?;
            let Some(next) = next else {
                return Ok(if came < asked { Read::Ended } else { Read::Counted });
            };
            came = came.saturating_add(1);
            let mut incoming = incoming(next)?;
            if query.begins_with(&incoming) {
                continue;
            }
            incoming.begins = progress.taken == 0;
            progress.taken = progress.taken.saturating_add(1);
            progress.last = Some((incoming.place(), incoming.revision));
            if take(incoming).is_break() {
                return Ok(Read::Stopped);
            }
        }
    }

    /// Begins a read; also says how many events the servers were asked for.
    async fn ask(&self, client: &Client, query: Query<'_>, count: usize) -> Result<(ReadStream, usize), Problem> {
        // One more where the place that it begins at comes with it.
        let asked = count.saturating_add(usize::from(matches!(query, Query::Behind(Some(_)) | Query::Before(Some(_)))));
        let all = || ReadAllOptions::default().requires_leader(true).max_count(asked);
        let one = || ReadStreamOptions::default().requires_leader(true).max_count(asked);
        let at =
            |place: Cursor| StreamPosition::Position(ClientPosition { commit: place.commit, prepare: place.prepare });
        let answers = match query {
            Query::Behind(place) => {
                let options = all().position(place.map_or(StreamPosition::Start, at)).forwards();
                client.read_all(&for_user!(options, self.user)).await
            }
            Query::Before(place) => {
                let options = all().position(place.map_or(StreamPosition::End, at)).backwards();
                client.read_all(&for_user!(options, self.user)).await
            }
            Query::Stream(stream, from) => {
                let options = one().position(StreamPosition::Position(from)).forwards();
                client.read_stream(stream, &for_user!(options, self.user)).await
            }
            Query::StreamEnd(stream) => {
                let options = one().position(StreamPosition::End).backwards();
                client.read_stream(stream, &for_user!(options, self.user)).await
            }
        };
        answers.map(|answers| (answers, asked)).map_err(|error| problem_of(&error))
    }
}

impl Query<'_> {
    /// Whether the event is the place that the read begins at, which comes with it and is not wanted.
    fn begins_with(&self, incoming: &Incoming) -> bool {
        match *self {
            Self::Behind(place) => place.is_some_and(|place| incoming.commit <= place.commit),
            Self::Before(place) => place.is_some_and(|place| incoming.commit >= place.commit),
            Self::Stream(_, from) => incoming.revision < from,
            Self::StreamEnd(_) => false,
        }
    }
}

/// How far one attempt at a read has come.
#[derive(Debug, Default)]
struct Progress {
    taken: usize,
    last: Option<(Cursor, u64)>,
}

impl Progress {
    /// The query for what did not come, when the read need not begin anew.
    fn rest<'a>(&self, query: Query<'a>) -> Option<Query<'a>> {
        let (place, revision) = self.last?;
        match query {
            Query::Behind(_) => Some(Query::Behind(Some(place))),
            Query::Stream(stream, _) => Some(Query::Stream(stream, revision.saturating_add(1))),
            Query::Before(_) | Query::StreamEnd(_) => None,
        }
    }
}

/// Keeps a subscription open, and moves the hint by it. While none stands, the log is looked at instead.
///
/// No append goes unannounced: what came before the servers confirm is seen by the look that follows, and what comes
/// later they send. Should they ever be silent about one all the same, readers find it when they poll.
async fn follow(store: Arc<Store>) {
    let (link, polling) = (&store.link, Polling::new());
    let mut failures = 0_u32;
    loop {
        if let Ok((client, on)) = link.connected(Instant::now() + link.total_timeout).await {
            let filter = SubscriptionFilter::on_stream_name().regex(filter::OURS_REGEX);
            let options = SubscribeToAllOptions::default().position(StreamPosition::End).filter(filter);
            let mut subscription = client.subscribe_to_all(&for_user!(options, link.user)).await;
            loop {
                let told = tokio::select! {
                    told = polling.output(Box::pin(subscription.next_subscription_event())) => told,
                    // Another connection has taken over; this one may hang on a node that is gone.
                    () = link.connection.replaced(on) => None,
                };
                let notice = match told {
                    Some(Ok(SubscriptionEvent::Confirmed(_))) => Notice::Stands,
                    Some(Ok(SubscriptionEvent::EventAppeared(ResolvedEvent { event: Some(event), .. }))) => {
                        Notice::Appended(Position::new(event.position.commit))
                    }
                    // How far the servers have looked says nothing about what was read.
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => break,
                };
                if store.heed(notice).await.is_break() {
                    break;
                }
                if notice == Notice::Stands {
                    failures = 0;
                }
            }
            link.connection.counters.subscription_drops.fetch_add(1, Ordering::Relaxed);
        }
        sleep(pause(failures, draw())).await;
        failures = failures.saturating_add(1);
        store.refresh_hint().await;
    }
}

/// Looks after a log that cannot be used, until it can. That the servers take an append is found out by one that they
/// have taken before: the record of the installation, with its own id.
async fn mend(store: Arc<Store>) {
    let mut health = store.link.connection.health.subscribe();
    while health.wait_for(|health| *health != LogHealth::Ready).await.is_ok() {
        let Some(record) = store.record() else { return };
        let call = store.link.call();
        // What came of it stands in the health.
        let _ = store.link.append(&call, home::STREAM, Expected::NoStream, &[record]).await;
        let refused = matches!(&*health.borrow(), LogHealth::Unready(fault) if !leaves_alone(fault));
        sleep(if refused { REFUSED_WAIT } else { MEND_WAIT }).await;
    }
}

/// Whether a fault leaves nothing behind on our side: nobody was connected to.
const fn leaves_alone(fault: &LogFault) -> bool {
    matches!(fault, LogFault::Unreachable { .. } | LogFault::NoLeader { .. } | LogFault::TimedOut)
}

/// The client's error may hold the whole connection string, with its password: only the kind of it is told.
fn unreadable(error: &ClientSettingsParseError) -> LogFault {
    let why = error.error().map_or_else(String::new, |error| format!(" ({error})"));
    let what = format!(
        "the connection string cannot be read{why}; it looks like `esdb://host:2113?tls=true`, with commas between several hosts"
    );
    LogFault::Settings { what }
}

fn problem_of(error: &ClientError) -> Problem {
    match error {
        ClientError::WrongExpectedVersion { current: CurrentRevision::Current(actual), .. } => {
            Problem::WrongRevision { actual: Some(*actual) }
        }
        ClientError::WrongExpectedVersion { current: CurrentRevision::NoStream, .. } => {
            Problem::WrongRevision { actual: None }
        }
        ClientError::ServerError(text) => of_text(text),
        ClientError::Grpc { code, message } => of_status(i32::from(*code), message),
        ClientError::NotLeaderException(_) => Problem::NotLeader,
        ClientError::ConnectionClosed => Problem::Unconnected("the connection was closed".to_owned()),
        ClientError::GrpcConnectionError(GrpcConnectionError::Grpc(text)) => match of_text(text) {
            Problem::Lost(text) => Problem::Unconnected(text),
            told => told,
        },
        ClientError::GrpcConnectionError(GrpcConnectionError::MaxDiscoveryAttemptReached(rounds)) => {
            Problem::Unconnected(format!("no node answered in {rounds} rounds"))
        }
        ClientError::AccessDenied => Problem::Denied,
        ClientError::ResourceNotFound => Problem::NotFound,
        ClientError::ResourceDeleted => Problem::Deleted,
        ClientError::DeadlineExceeded => Problem::TimedOut,
        ClientError::InitializationError(_)
        | ClientError::InternalParsingError(_)
        | ClientError::IllegalStateError(_)
        | ClientError::ResourceAlreadyExists
        | ClientError::UnsupportedFeature
        | ClientError::InternalClientError => Problem::Final(LogFault::Protocol { what: brief(&error.to_string()) }),
    }
}

/// Data that is JSON is called that, so that the servers' own pages show it; it is the same bytes either way.
fn event_data(event: &Outgoing) -> EventData {
    let as_json = wire::verbatim(&event.data).and_then(|raw| EventData::json(&event.kind, &raw).ok());
    let data = as_json.unwrap_or_else(|| EventData::binary(&event.kind, event.data.clone().into()));
    let data = data.id(event.id);
    if event.metadata.is_empty() { data } else { data.metadata(event.metadata.clone().into()) }
}

fn incoming(resolved: ResolvedEvent) -> Result<Incoming, Problem> {
    let Some(event) = resolved.event.or(resolved.link) else {
        let what = "an answer without an event".to_owned();
        return Err(Problem::Final(LogFault::Protocol { what }));
    };
    Ok(Incoming {
        stream: event.stream_id,
        revision: event.revision,
        id: event.id,
        kind: event.event_type,
        data: event.data.to_vec(),
        metadata: event.custom_metadata.to_vec(),
        commit: event.position.commit,
        prepare: event.position.prepare,
        begins: false,
    })
}

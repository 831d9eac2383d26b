//! The keys on a vault node, as a node of the API has them: a blocking store over one thread that does the talking.
//!
//! The thread has a runtime of its own, so a call may come from any thread: from one of another runtime, from a
//! projection, or from a command line that has none. Every call ends in bounded time.
//!
//! Reading falls over to the standby, under three conditions: the last word of the vault node was that the standby
//! holds everything, the standby itself was told so, and it has what is asked for. That a key does not exist only the
//! vault node can say. Writing needs the vault node; a write is never repeated by itself.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::id::SubjectId;
use event_log::vault::keys::{Answer, Cursor, KEYS_PER_CALL_MAX, KeyStore, KeyStoreError, NewKey, News, StoredKey};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::link::{CallError, Link, LinkError, client};
use super::wire::{
    Bytes, CHECK_VALUE, CheckRequest, DESTROY, DESTROYED_SINCE, DestroyRequest, FIND, FindRequest, Gone,
    INSERT_MISSING, InsertRequest, Made, Micros, Reply, SinceRequest, Stored,
};
use crate::partner::tls::TlsFiles;

/// Calls that wait for the thread; the next one is refused.
const QUEUE_MAX: usize = 1_024;
/// For how long reading asks the standby first after the vault node did not answer.
const AVOID: Duration = Duration::from_secs(5);
/// A call that has not ended after all its attempts and this is given up.
const SLACK: Duration = Duration::from_secs(1);
/// Attempts that one read may make: two at the vault node and two at its standby.
const ATTEMPTS_MAX: u32 = 4;

/// Where the keys are.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// The vault node.
    pub url: String,
    /// Its standby.
    pub standby: Option<String>,
    /// Our certificate and the authority of the vault nodes; without them plain HTTP is spoken.
    pub files: Option<TlsFiles>,
    /// Longest time of one attempt.
    pub timeout: Duration,
}

/// The keys on a vault node.
pub struct RemoteKeys {
    place: String,
    calls: mpsc::Sender<Call>,
    patience: Duration,
}

type Call = Box<dyn FnOnce(Arc<Nodes>) -> BoxFuture<'static, ()> + Send>;

impl RemoteKeys {
    /// Starts the thread. Nothing is asked yet.
    ///
    /// # Errors
    /// An address or a certificate cannot be used.
    pub fn start(options: &RemoteOptions) -> Result<Self, LinkError> {
        let http = client(options.files.as_ref(), options.timeout)?;
        let primary = Link::new(http.clone(), &options.url)?;
        let standby = options.standby.as_deref().map(|url| Link::new(http, url)).transpose()?;
        let place = primary.place().to_owned();
        let nodes = Arc::new(Nodes { primary, standby, trusted: AtomicBool::new(false), failed: Mutex::new(None) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LinkError::Thread)?;
        let (calls, waiting) = mpsc::channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name("vault-keys".to_owned())
            .spawn(move || serve(&runtime, &nodes, waiting))
            .map_err(LinkError::Thread)?;
        Ok(Self { place, calls, patience: options.timeout * ATTEMPTS_MAX + SLACK })
    }

    /// Lets the thread do some work, and waits for it.
    fn ask<T, W, F>(&self, work: W) -> Result<T, KeyStoreError>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Nodes>) -> F + Send + 'static,
        F: Future<Output = Result<T, KeyStoreError>> + Send + 'static,
    {
        let unavailable = |reason: &str| KeyStoreError::Unavailable { reason: reason.to_owned() };
        let (reply, answer) = sync_channel(1);
        let call: Call = Box::new(move |nodes| {
            Box::pin(async move {
                // Whoever asked may have given up meanwhile.
                let _ = reply.send(work(nodes).await);
            })
        });
        self.calls.try_send(call).map_err(|error| match error {
            TrySendError::Full(_) => unavailable("too many calls wait for the vault node"),
            TrySendError::Closed(_) => unavailable("the thread that speaks with the vault node has ended"),
        })?;
        answer.recv_timeout(self.patience).unwrap_or_else(|_| Err(unavailable("no answer came in time")))
    }

    fn write_some(&self, keys: &[NewKey], at: DateTime<Utc>) -> Result<Answer<Vec<StoredKey>>, KeyStoreError> {
        let made = |key: &NewKey| Made { subject: key.subject, wrapped: Bytes(key.wrapped.clone()) };
        let ask = InsertRequest { at: Micros(at), keys: keys.iter().map(made).collect() };
        let reply: Reply<Vec<Stored>> =
            self.ask(move |nodes| async move { nodes.write(INSERT_MISSING, &ask).await })?;
        check_length(keys.len(), reply.given.len())?;
        Ok(Answer { given: reply.given.into_iter().map(StoredKey::from).collect(), as_of: reply.as_of.into() })
    }

    fn find_some(&self, subjects: &[SubjectId]) -> Result<Answer<Vec<Option<StoredKey>>>, KeyStoreError> {
        let ask = FindRequest { subjects: subjects.to_vec() };
        let all = |given: &Vec<Option<Stored>>| given.iter().all(Option::is_some);
        let reply: Reply<Vec<Option<Stored>>> =
            self.ask(move |nodes| async move { nodes.read(FIND, &ask, all).await })?;
        check_length(subjects.len(), reply.given.len())?;
        let given = reply.given.into_iter().map(|key| key.map(StoredKey::from)).collect();
        Ok(Answer { given, as_of: reply.as_of.into() })
    }
}

impl KeyStore for RemoteKeys {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn check_value(&self) -> Result<Option<Vec<u8>>, KeyStoreError> {
        let ask = CheckRequest { value: None };
        let known = |given: &Option<Bytes>| given.is_some();
        let reply: Reply<Option<Bytes>> =
            self.ask(move |nodes| async move { nodes.read(CHECK_VALUE, &ask, known).await })?;
        Ok(reply.given.map(|Bytes(value)| value))
    }

    fn register_check_value(&self, value: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        let ask = CheckRequest { value: Some(Bytes(value.to_vec())) };
        let reply: Reply<Option<Bytes>> = self.ask(move |nodes| async move { nodes.write(CHECK_VALUE, &ask).await })?;
        let nothing = || KeyStoreError::Protocol { what: "no check value for one that was given".to_owned() };
        reply.given.map(|Bytes(value)| value).ok_or_else(nothing)
    }

    fn find(&self, subjects: &[SubjectId]) -> Result<Answer<Vec<Option<StoredKey>>>, KeyStoreError> {
        in_parts(subjects, |part| self.find_some(part))
    }

    fn insert_missing(&self, keys: &[NewKey], at: DateTime<Utc>) -> Result<Answer<Vec<StoredKey>>, KeyStoreError> {
        in_parts(keys, |part| self.write_some(part, at))
    }

    fn destroy(&self, subject: SubjectId, at: DateTime<Utc>) -> Result<Answer<DateTime<Utc>>, KeyStoreError> {
        let ask = DestroyRequest { subject, at: Micros(at) };
        let reply: Reply<Micros> = self.ask(move |nodes| async move { nodes.write(DESTROY, &ask).await })?;
        Ok(Answer { given: reply.given.0, as_of: reply.as_of.into() })
    }

    fn destroyed_since(&self, since: Option<Cursor>) -> Result<News, KeyStoreError> {
        let ask = SinceRequest { since: since.map(Into::into) };
        let any = |_given: &Gone| true;
        let reply: Reply<Gone> = self.ask(move |nodes| async move { nodes.read(DESTROYED_SINCE, &ask, any).await })?;
        let upto = reply.as_of.into();
        Ok(match reply.given {
            Some(subjects) => News::Destroyed { subjects, upto },
            None => News::Lost { upto },
        })
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The thread: ends when nobody can ask any more.
fn serve(runtime: &Runtime, nodes: &Arc<Nodes>, mut waiting: mpsc::Receiver<Call>) {
    runtime.block_on(async {
        while let Some(call) = waiting.recv().await {
            // It ends by itself: each of its attempts has a timeout.
            drop(tokio::spawn(call(Arc::clone(nodes))));
        }
    });
}

/// Asks for a long list part by part, and puts the answers together.
fn in_parts<A, T>(
    list: &[A],
    ask: impl Fn(&[A]) -> Result<Answer<Vec<T>>, KeyStoreError>,
) -> Result<Answer<Vec<T>>, KeyStoreError> {
    let (first, rest) = list.split_at(list.len().min(KEYS_PER_CALL_MAX));
    let mut whole = ask(first)?;
    for part in rest.chunks(KEYS_PER_CALL_MAX) {
        let Answer { given, as_of } = ask(part)?;
        whole.given.extend(given);
        // The whole is known as of its oldest part; parts of two openings as of none, and no opening is the run 0.
        whole.as_of = if whole.as_of.run == as_of.run {
            Cursor { number: whole.as_of.number.min(as_of.number), ..as_of }
        } else {
            Cursor { run: 0, number: 0 }
        };
    }
    Ok(whole)
}

fn check_length(asked: usize, given: usize) -> Result<(), KeyStoreError> {
    if asked == given {
        return Ok(());
    }
    Err(KeyStoreError::Protocol { what: format!("{given} answers to {asked} questions") })
}

/// The vault node and its standby.
struct Nodes {
    primary: Link,
    standby: Option<Link>,
    /// The last word of the vault node on its standby: it holds everything.
    trusted: AtomicBool,
    /// When the vault node last did not answer.
    failed: Mutex<Option<Instant>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Primary,
    Standby,
}

impl Nodes {
    /// Asks one of the two that may be read from. `sure` says of an answer of the standby whether it may be believed.
    async fn read<A, B>(&self, path: &str, ask: &A, sure: impl Fn(&B) -> bool + Send) -> Result<Reply<B>, KeyStoreError>
    where
        A: Serialize + Sync,
        B: DeserializeOwned + Send,
    {
        let mut of_primary = None;
        let mut of_standby = None;
        for which in self.order() {
            match self.twice(which, path, ask).await {
                Ok(reply) if which == Which::Primary || sure(&reply.given) => return Ok(reply),
                Ok(_) => of_standby = Some("its standby does not hold what is asked for".to_owned()),
                Err(error @ CallError::Protocol { .. }) => return Err(error.into()),
                Err(error) if which == Which::Primary => of_primary = Some(error),
                Err(error) => of_standby = Some(format!("nor does its standby ({})", error.reason())),
            }
        }
        Err(match (of_primary, of_standby) {
            (Some(error @ CallError::Unreached { .. }), Some(standby)) => {
                KeyStoreError::Unavailable { reason: format!("{}; {standby}", error.reason()) }
            }
            (Some(error), _) => error.into(),
            (None, standby) => KeyStoreError::Unavailable { reason: standby.unwrap_or_default() },
        })
    }

    /// Asks the vault node to do something, once.
    async fn write<A, B>(&self, path: &str, ask: &A) -> Result<Reply<B>, KeyStoreError>
    where
        A: Serialize + Sync,
        B: DeserializeOwned + Send,
    {
        Ok(self.once(Which::Primary, path, ask).await?)
    }

    /// Whom to read from, in this order.
    fn order(&self) -> Vec<Which> {
        if self.standby.is_none() || !self.trusted.load(Ordering::Relaxed) {
            return vec![Which::Primary];
        }
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_some_and(|at| at.elapsed() < AVOID) {
            vec![Which::Standby, Which::Primary]
        } else {
            vec![Which::Primary, Which::Standby]
        }
    }

    /// One request, and one more when the connection failed at once: it may have been an old one.
    async fn twice<A, B>(&self, which: Which, path: &str, ask: &A) -> Result<Reply<B>, CallError>
    where
        A: Serialize + Sync,
        B: DeserializeOwned + Send,
    {
        match self.once(which, path, ask).await {
            Err(CallError::Unreached { timed_out: false, .. }) => self.once(which, path, ask).await,
            done => done,
        }
    }

    async fn once<A, B>(&self, which: Which, path: &str, ask: &A) -> Result<Reply<B>, CallError>
    where
        A: Serialize + Sync,
        B: DeserializeOwned + Send,
    {
        let link = match (which, &self.standby) {
            (Which::Standby, Some(standby)) => standby,
            (Which::Standby | Which::Primary, _) => &self.primary,
        };
        let done: Result<Reply<B>, CallError> = link.call(path, ask).await;
        if which == Which::Primary {
            let failed = matches!(done, Err(CallError::Unreached { .. })).then(Instant::now);
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
            if let Ok(reply) = &done {
                self.trusted.store(reply.standby_in_step, Ordering::Relaxed);
            }
        }
        done
    }
}

//! Stopping: on a signal everybody is told, and gets a while to finish.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

/// The one signal to stop, and the tasks that wait for it.
///
/// Handles are cheap to clone and stand for the same process.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    asked: CancellationToken,
    hurried: CancellationToken,
    tasks: TaskTracker,
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    last_id: u64,
    names: BTreeMap<u64, String>,
}

/// Tasks that had not ended when the grace was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StillRunning {
    /// Their names.
    pub tasks: Vec<String>,
}

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "still running: {}", self.tasks.join(", "))
    }
}

impl std::error::Error for StillRunning {}

impl Shutdown {
    /// A signal that only [`Shutdown::begin`] gives.
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that SIGINT and SIGTERM give as well. A second one ends the wait in [`Shutdown::drain`].
    pub fn listen() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut signals = Signals::new()?;
        let (asked, hurried) = (shutdown.asked.clone(), shutdown.hurried.clone());
        // Not one of the tasks that are waited for: it lives as long as the process.
        drop(tokio::spawn(async move {
            let first = signals.next().await;
            info!(signal = first, "Stopping on {first}");
            asked.cancel();
            let second = signals.next().await;
            warn!(signal = second, "Stopping at once on {second}");
            hurried.cancel();
        }));
        Ok(shutdown)
    }

    /// Tells everybody to stop.
    pub fn begin(&self) {
        self.asked.cancel();
    }

    /// Whether everybody has been told to stop.
    pub fn is_begun(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Waits until everybody is told to stop.
    pub async fn begun(&self) {
        self.asked.cancelled().await;
    }

    /// A token that is cancelled when everybody is told to stop. Cancelling it cancels nothing else.
    pub fn token(&self) -> CancellationToken {
        self.asked.child_token()
    }

    /// Runs a task that [`Shutdown::drain`] waits for. It should end soon after [`Shutdown::begun`]; a panic is logged.
    pub fn spawn_named<F>(&self, name: impl Into<String>, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = self.note(name.into());
        self.tasks.spawn(async move {
            running.run(task).await;
        })
    }

    /// Like [`Shutdown::spawn_named`], for a task without which the process is of no use: if it ends by itself or
    /// panics, everybody is told to stop.
    pub fn spawn_vital<F>(&self, name: impl Into<String>, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = self.note(name.into());
        let asked = self.asked.clone();
        self.tasks.spawn(async move {
            running.run(task).await;
            if !asked.is_cancelled() {
                error!(task = running.name, "Stopping, because task `{}` has ended", running.name);
                asked.cancel();
            }
        })
    }

    /// Tells everybody to stop and waits for the tasks: no longer than `grace`, nor than until a second signal.
    pub async fn drain(&self, grace: Duration) -> Result<(), StillRunning> {
        self.begin();
        self.tasks.close();
        tokio::select! {
            biased;
            () = self.tasks.wait() => return Ok(()),
            () = self.hurried.cancelled() => {}
            () = tokio::time::sleep(grace) => {}
        }
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        Err(StillRunning { tasks: running.names.values().cloned().collect() })
    }

    fn note(&self, name: String) -> RunningTask {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.last_id += 1;
        let id = running.last_id;
        running.names.insert(id, name.clone());
        RunningTask { id, name, running: Arc::clone(&self.running) }
    }
}

/// The name of a task in the list, for as long as the task exists.
struct RunningTask {
    id: u64,
    name: String,
    running: Arc<Mutex<Running>>,
}

impl RunningTask {
    async fn run(&self, task: impl Future<Output = ()>) {
        debug!(task = self.name, "Task `{}` begins", self.name);
        // What the task held is dropped with it; nobody looks at it after a panic.
        match AssertUnwindSafe(task).catch_unwind().await {
            Ok(()) => debug!(task = self.name, "Task `{}` has ended", self.name),
            Err(_) => error!(task = self.name, "Task `{}` has panicked", self.name),
        }
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.names.remove(&self.id);
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            // There is no way to be told, so nobody ever is.
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn tasks_are_told_and_waited_for() {
        let shutdown = Shutdown::new();
        let told = shutdown.clone();
        let (done, finished) = tokio::sync::oneshot::channel();
        shutdown.spawn_named("worker", async move {
            told.begun().await;
            done.send(()).unwrap();
        });
        assert!(!shutdown.is_begun());

        assert_eq!(shutdown.drain(SOON).await, Ok(()));

        assert!(shutdown.is_begun());
        finished.await.unwrap();
    }

    #[tokio::test]
    async fn tasks_that_outlast_the_grace_are_named() {
        let shutdown = Shutdown::new();
        shutdown.spawn_named("stuck", pending());
        shutdown.spawn_named("quick", async {});
        tokio::task::yield_now().await;

        let left = shutdown.drain(Duration::from_millis(20)).await.unwrap_err();

        assert_eq!(left.tasks, ["stuck"]);
        assert_eq!(left.to_string(), "still running: stuck");
    }

    #[tokio::test]
    async fn a_second_signal_ends_the_wait() {
        let shutdown = Shutdown::new();
        shutdown.spawn_named("stuck", pending());
        shutdown.hurried.cancel();

        assert!(shutdown.drain(Duration::from_secs(3_600)).await.is_err());
    }

    async fn faulty() {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_and_nothing_else() {
        let shutdown = Shutdown::new();

        let task = shutdown.spawn_named("faulty", faulty());

        task.await.unwrap();
        assert!(!shutdown.is_begun());
        assert_eq!(shutdown.drain(SOON).await, Ok(()));
    }

    #[tokio::test]
    async fn the_end_of_a_vital_task_stops_everybody() {
        for panics in [false, true] {
            let shutdown = Shutdown::new();
            let task = shutdown.spawn_vital("projections", async move {
                assert!(!panics, "on purpose");
            });
            task.await.unwrap();
            assert!(shutdown.is_begun());
        }
    }

    #[tokio::test]
    async fn a_token_follows_and_does_not_lead() {
        let shutdown = Shutdown::new();
        shutdown.token().cancel();
        assert!(!shutdown.is_begun());

        let token = shutdown.token();
        shutdown.begin();
        token.cancelled().await;
    }
}

//! A process of ours over a folder of its own: killed, frozen, stopped and started again, as machines and people do it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How often a condition is looked at that nothing announces.
const AGAIN: Duration = Duration::from_millis(20);
/// Wait before a process that ended by itself is started again.
const RESTART: Duration = Duration::from_millis(200);
/// What its standard error is kept in.
const STDERR: &str = "stderr.txt";
/// Lines of it that are shown when a test fails.
const LINES_SHOWN: usize = 30;

/// The program built beside the tests, or another build of it that the environment names.
pub(super) fn program() -> String {
    named("BAYCASE_TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_baycase-under-test").to_owned())
}

/// Another version of the program, when the environment names one.
pub(super) fn other_program() -> Option<String> {
    named("BAYCASE_TEST_OTHER_PROGRAM")
}

fn named(variable: &str) -> Option<String> {
    std::env::vars().find(|(key, _)| key == variable).map(|(_, value)| value)
}

/// A process, while it runs and while it does not. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Program(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: String,
    folder: PathBuf,
    args: Vec<OsString>,
    /// What the line begins with in which it says where it listens.
    says: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    program: String,
    /// Every order to end begins another turn; what belongs to an earlier one gives up.
    turn: u64,
    child: Option<Child>,
    /// Where it listens, once it does.
    addr: Option<SocketAddr>,
}

impl Program {
    /// A process that does not run yet.
    pub(super) fn new(name: &str, folder: &Path, args: Vec<OsString>, says: &'static str) -> Self {
        let state = State { program: program(), turn: 0, child: None, addr: None };
        let (name, folder) = (name.to_owned(), folder.to_owned());
        Self(Arc::new(Shared { name, folder, args, says, state: Mutex::new(state) }))
    }

    /// What people call it.
    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    /// The folder it works on.
    pub(super) fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Where it listens; nothing while it does not.
    pub(super) fn addr(&self) -> Option<SocketAddr> {
        self.0.state().addr
    }

    /// Starts as another build from the next start on.
    pub(super) fn become_build(&self, program: &str) {
        program.clone_into(&mut self.0.state().program);
    }

    /// Has it run anew; does not wait until it listens. One that ends by itself before it listens is started again, for
    /// what it needs may not be there yet.
    pub(super) fn start(&self) {
        self.kill();
        let shared = Arc::clone(&self.0);
        let turn = shared.state().turn;
        tokio::spawn(async move {
            loop {
                let of_task = Arc::clone(&shared);
                if spawn_blocking(move || of_task.attempt(turn)).await.unwrap() {
                    return;
                }
                sleep(RESTART).await;
            }
        });
    }

    /// Kills it as it stands.
    pub(super) fn kill(&self) {
        let mut state = self.0.state();
        state.begin();
        if let Some(mut child) = state.child.take() {
            // It may have ended by itself; then there is nothing to kill.
            let _ended = child.kill();
            child.wait().unwrap();
        }
    }

    /// Asks it to stop and waits until it has; nothing when it did not in time and was killed, or did not run.
    pub(super) async fn stop(&self, patience: Duration) -> Option<ExitStatus> {
        let taken = {
            let mut state = self.0.state();
            state.begin();
            state.child.take()
        };
        let mut child = taken?;
        signal(&child, "-TERM");
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(status);
            }
            sleep(AGAIN).await;
        }
        let _ended = child.kill();
        child.wait().unwrap();
        None
    }

    /// Stops the whole process where it stands, its connections open.
    pub(super) fn freeze(&self) {
        self.0.tell("-STOP");
    }

    /// Lets it go on.
    pub(super) fn thaw(&self) {
        self.0.tell("-CONT");
    }

    /// Waits until it listens.
    pub(super) async fn listening(&self, patience: Duration) -> SocketAddr {
        let until = Instant::now() + patience;
        loop {
            if let Some(addr) = self.addr() {
                return addr;
            }
            assert!(Instant::now() < until, "{} does not listen after {patience:?}", self.name());
            sleep(AGAIN).await;
        }
    }

    /// The end of what it has written to its standard error.
    pub(super) fn last_words(&self) -> String {
        let bytes = std::fs::read(self.folder().join(STDERR)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        format!("-- {}\n{}", self.name(), lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, what: &str) {
        if let Some(child) = &self.state().child {
            signal(child, what);
        }
    }

    /// Starts it once; true when it listens, or when nobody wants that of this turn any more.
    fn attempt(&self, turn: u64) -> bool {
        let mut lines = {
            let mut state = self.state();
            if state.turn != turn {
                return true;
            }
            let mut child = self.spawn(&state.program);
            let stdout = child.stdout.take().unwrap();
            state.child = Some(child);
            BufReader::new(stdout).lines()
        };
        let said = |line: String| line.strip_prefix(self.says).map(|addr| addr.trim().parse::<SocketAddr>().unwrap());
        let addr = lines.by_ref().map_while(Result::ok).find_map(said);
        let mut state = self.state();
        if state.turn != turn {
            return true;
        }
        if addr.is_some() {
            state.addr = addr;
            // The rest of what it prints is read, so that it never waits for us.
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return true;
        }
        if let Some(mut child) = state.child.take() {
            child.wait().unwrap();
        }
        false
    }

    fn spawn(&self, program: &str) -> Child {
        let log = self.folder.join(STDERR);
        Command::new(program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap())
            .spawn()
            .unwrap()
    }
}

impl State {
    /// Begins another turn, in which it does not listen yet.
    fn begin(&mut self) {
        self.turn += 1;
        self.addr = None;
    }
}

/// Tells a process of ours something; one that has ended meanwhile hears nothing.
fn signal(child: &Child, what: &str) {
    let _told = Command::new("kill").args([what, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
}

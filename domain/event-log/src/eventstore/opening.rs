//! Opening: whose log lies on the servers, and whether it may be used.

use std::ops::ControlFlow;

use aws_lc_rs::rand;
use domain::envelope::Revision;
use uuid::{Builder, Uuid};

use super::filter::is_technical;
use super::home::{self, CopyState, CopyTotals, Copying, Home};
use super::options::EventStoreOptions;
use super::problem::Problem;
use super::store::Store;
use super::wire::{Incoming, Outgoing, foreign};
use super::{Call, Query, Read, Refused};
use crate::fault::LogFault;
use crate::port::Expected;

/// Events that the record of an installation has at most.
const RECORD_EVENTS_MAX: usize = 64;
/// Events of the log that are looked at in one read for one that is not technical.
const LOOK_EVENTS: usize = 1_024;

impl Store {
    /// Finds the record of the installation, or makes it where that was asked for; the installation.
    pub(super) async fn settle(&self, options: &EventStoreOptions) -> Result<Uuid, LogFault> {
        let call = self.link.call();
        let home = match self.read_home(&call).await? {
            Some(home) => home,
            None if options.create => self.install(&call, options.installation).await?,
            None => return Err(LogFault::NotInstalled),
        };
        let found = home.installation;
        if let Some(expected) = options.installation.filter(|expected| *expected != found) {
            return Err(LogFault::ForeignInstallation { expected, found });
        }
        if matches!(home.copying, Copying::Under { .. }) && !options.for_copy {
            return Err(LogFault::UnfinishedCopy);
        }
        self.keep_home(home);
        // From now on every connection must lead here; it is set once.
        let _ = self.link.installation.set(found);
        self.refresh_hint().await;
        Ok(found)
    }

    /// Makes the record. When another process makes it at the same time, that one's counts for both.
    async fn install(&self, call: &Call, wanted: Option<Uuid>) -> Result<Home, LogFault> {
        if let Some(strange) = self.any_event(call).await? {
            return Err(strange);
        }
        let installation = match wanted {
            Some(wanted) => wanted,
            None => draw_installation()?,
        };
        let id = self.link.technical_id(call, "installed");
        let event = home::installed(id, installation, self.stamp()).map_err(unwritable)?;
        self.note(call, Expected::NoStream, event).await?;
        self.read_home(call).await?.ok_or(LogFault::NotInstalled)
    }

    /// The first event that is not technical, as what it is where there is no record: another program's.
    async fn any_event(&self, call: &Call) -> Result<Option<LogFault>, Problem> {
        let (mut found, mut after) = (None, None);
        loop {
            let query = Query::Behind(after);
            let mut take = |incoming: Incoming| {
                after = Some(incoming.place());
                if is_technical(&incoming.stream) {
                    return ControlFlow::Continue(());
                }
                found = Some(foreign(&incoming));
                ControlFlow::Break(())
            };
            match self.link.read(call, query, LOOK_EVENTS, &mut take).await? {
                Read::Counted => {}
                Read::Ended | Read::Stopped => return Ok(found),
            }
        }
    }

    pub(super) async fn begin_copy(&self, from: &str, source: Uuid) -> Result<CopyState, LogFault> {
        let call = self.link.call();
        let Some(home) = self.read_home(&call).await? else { return Err(LogFault::NotInstalled) };
        let same = |other_from: &str, other: Uuid| other_from == from && other == source;
        let state = match &home.copying {
            Copying::Under { from, source } if same(from, *source) => CopyState::Resumed,
            Copying::Done { from, source } if same(from, *source) => CopyState::Finished,
            Copying::Under { from, source } | Copying::Done { from, source } => {
                let what = format!("this log is a copy of installation {source} in `{from}`; copy into an empty log");
                return Err(LogFault::Settings { what });
            }
            Copying::Never => {
                if let Some(LogFault::ForeignEvent { stream, .. }) = self.any_event(&call).await? {
                    let what = format!("this log has events already, on stream `{stream}`; copy into an empty log");
                    return Err(LogFault::Settings { what });
                }
                let id = self.link.technical_id(&call, "copy begun");
                let event = home::copy_begun(id, from, source).map_err(unwritable)?;
                self.note(&call, Expected::At(Revision::new(home.newest)), event).await?;
                CopyState::Begun
            }
        };
        self.look_again(&call).await?;
        Ok(state)
    }

    pub(super) async fn finish_copy(&self, totals: &CopyTotals) -> Result<(), LogFault> {
        let call = self.link.call();
        let Some(home) = self.read_home(&call).await? else { return Err(LogFault::NotInstalled) };
        match home.copying {
            Copying::Done { .. } => {}
            Copying::Never => {
                let what = "no copy into this log is under way; begin one first".to_owned();
                return Err(LogFault::Settings { what });
            }
            Copying::Under { .. } => {
                let id = self.link.technical_id(&call, "copied");
                let event = home::copied(id, totals).map_err(unwritable)?;
                self.note(&call, Expected::At(Revision::new(home.newest)), event).await?;
            }
        }
        self.look_again(&call).await
    }

    /// Adds to the record. What another process has added at the same time is read afterwards.
    async fn note(&self, call: &Call, expected: Expected, event: Outgoing) -> Result<(), LogFault> {
        match self.link.append(call, home::STREAM, expected, &[event]).await {
            Ok(()) | Err(Refused { problem: Problem::WrongRevision { .. }, .. }) => Ok(()),
            Err(Refused { problem, .. }) => Err(problem.into()),
        }
    }

    /// Reads on the standing connection whose log the servers have: why not that of `expected`, in the inner result.
    pub(super) async fn confirm(&self, expected: Uuid) -> Result<Result<(), LogFault>, LogFault> {
        let (call, mut first) = (self.link.call(), None);
        let mut take = |incoming: Incoming| {
            first = Some(incoming);
            ControlFlow::Break(())
        };
        match self.link.read(&call, Query::Stream(home::STREAM, 0), 1, &mut take).await {
            Ok(_) | Err(Problem::NotFound) => {}
            Err(problem) => return Err(problem.into()),
        }
        let Some(first) = first else { return Ok(Err(LogFault::NotInstalled)) };
        let found = home::read_first(&first)?.installation;
        Ok(if found == expected { Ok(()) } else { Err(LogFault::ForeignInstallation { expected, found }) })
    }

    async fn look_again(&self, call: &Call) -> Result<(), LogFault> {
        let Some(home) = self.read_home(call).await? else { return Err(LogFault::NotInstalled) };
        self.keep_home(home);
        Ok(())
    }

    async fn read_home(&self, call: &Call) -> Result<Option<Home>, LogFault> {
        let mut events = Vec::new();
        let mut take = |incoming: Incoming| {
            events.push(incoming);
            ControlFlow::Continue(())
        };
        match self.link.read(call, Query::Stream(home::STREAM, 0), RECORD_EVENTS_MAX, &mut take).await {
            Ok(_) | Err(Problem::NotFound) => home::read(&events),
            Err(problem) => Err(problem.into()),
        }
    }
}

/// An installation is the one thing nobody chooses beforehand, so its id is drawn at random.
fn draw_installation() -> Result<Uuid, LogFault> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes)
        .map_err(|_error| LogFault::Settings { what: "the system gives no random bytes".to_owned() })?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}

fn unwritable(error: serde_json::Error) -> LogFault {
    LogFault::Protocol { what: error.to_string() }
}

//! Reading the log: all of it, one case at a time, and into new read models; and how long opening takes.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::complaint::Complaint;
use domain::id::StreamId;
use event_log::execute::load;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use serde::Serialize;

use super::figures::{Spread, micros, millis, per_second};
use crate::commands::path_error::at;
use crate::commands::{Failure, rebuild};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::log::OpenedLog;

/// Cases that are replayed, drawn from all.
const REPLAYED: usize = 20_000;

/// What a scan of the whole log reached.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScanFigures {
    pub(super) events: u64,
    pub(super) events_per_second: u64,
    /// Texts of the events, without the rest of the rows.
    pub(super) mib_per_second: u64,
}

/// What replaying single cases reached.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplayFigures {
    pub(super) replays_per_second: u64,
    pub(super) events: u64,
    pub(super) latency: Spread,
}

/// What building all read models reached.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RebuildFigures {
    pub(super) events: u64,
    pub(super) took_millis: u64,
    pub(super) events_per_second: u64,
    /// Of their main file.
    pub(super) file_mib: u64,
}

/// How long opening takes.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenFigures {
    pub(super) log_millis: u64,
    pub(super) vault_millis: u64,
    pub(super) read_models_millis: u64,
}

/// Reads the whole log; also draws cases to replay.
pub(super) fn scan(dir: &DataDir, seed: u64) -> Result<(ScanFigures, Vec<StreamId>), Failure> {
    let mut reader = dir.reader()?;
    let mut sample = Sample::new(seed);
    let mut bytes = 0_usize;
    let began = Instant::now();
    let events = reader.scan(None, u64::MAX, &mut |event| {
        bytes += event.metadata.len() + event.payload.len();
        if &*event.kind == "complaint.registered" {
            sample.offer(event.stream);
        }
        ControlFlow::Continue(())
    })?;
    let took = began.elapsed();
    let mib = u64::try_from(bytes / (1_024 * 1_024)).unwrap_or(u64::MAX);
    let figures =
        ScanFigures { events, events_per_second: per_second(events, took), mib_per_second: per_second(mib, took) };
    Ok((figures, sample.drawn))
}

/// Loads and folds each of the cases as the API does, one after the other.
pub(super) async fn replay(dir: &DataDir, config: &Config, cases: &[StreamId]) -> Result<ReplayFigures, Failure> {
    let log = dir.open_log(config, false)?;
    let mut times = Vec::with_capacity(cases.len());
    let (mut events, mut took) = (0_u64, Duration::ZERO);
    for stream in cases {
        let began = Instant::now();
        let loaded = load::<Complaint>(&*log, stream, None).await?;
        let of_one = began.elapsed();
        took += of_one;
        times.push(micros(of_one));
        events += u64::try_from(loaded.events.len()).unwrap_or(0);
    }
    tokio::task::spawn_blocking(move || log.close()).await?;
    let replays = u64::try_from(cases.len()).unwrap_or(u64::MAX);
    Ok(ReplayFigures { replays_per_second: per_second(replays, took), events, latency: Spread::of(times) })
}

/// Builds every read model anew, facts in the search index included.
pub(super) fn rebuild(dir: &DataDir, config: &Config) -> Result<RebuildFigures, Failure> {
    let options = dir.model_options(config, Some(dir.open_vault(config)?));
    let began = Instant::now();
    let events = rebuild::build_and_swap(dir, &options, dir.reader()?)?.events;
    let took = began.elapsed();
    let path = dir.models_path();
    let file_bytes = std::fs::metadata(&path).map_err(at(&path, "cannot be looked at"))?.len();
    Ok(RebuildFigures {
        events,
        took_millis: millis(took),
        events_per_second: per_second(events, took),
        file_mib: file_bytes / (1_024 * 1_024),
    })
}

/// Opens everything that a server opens.
pub(super) fn open(dir: &DataDir, config: &Config) -> Result<OpenFigures, Failure> {
    let began = Instant::now();
    let log = dir.open_log(config, false)?;
    let log_millis = millis(began.elapsed());
    let began = Instant::now();
    let vault = dir.open_vault(config)?;
    let vault_millis = millis(began.elapsed());
    let began = Instant::now();
    let opened = OpenedLog::Sqlite(Arc::clone(&log));
    let models = dir.open_models(config, Some(vault), &opened)?;
    let read_models_millis = millis(began.elapsed());
    drop(models);
    log.close();
    Ok(OpenFigures { log_millis, vault_millis, read_models_millis })
}

/// Draws so many of what is offered that each has the same chance, however many come (reservoir sampling).
struct Sample {
    rng: ChaCha8Rng,
    offered: u64,
    drawn: Vec<StreamId>,
}

impl Sample {
    fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), offered: 0, drawn: Vec::with_capacity(REPLAYED) }
    }

    fn offer(&mut self, stream: StreamId) {
        self.offered += 1;
        if self.drawn.len() < REPLAYED {
            self.drawn.push(stream);
            return;
        }
        let place = self.rng.next_u64().checked_rem(self.offered).unwrap_or(0);
        if let Some(drawn) = usize::try_from(place).ok().and_then(|place| self.drawn.get_mut(place)) {
            *drawn = stream;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_full_and_comes_from_everywhere() {
        let mut sample = Sample::new(1);
        for number in 0..10 * u128::try_from(REPLAYED).unwrap() {
            sample.offer(StreamId::parse(&format!("complaint-{number}")).unwrap());
        }
        assert_eq!(sample.drawn.len(), REPLAYED);
        let late = sample.drawn.iter().filter(|stream| stream.name().len() == 6).count();
        // Half of the numbers from 0 to 199,999 have six digits.
        assert!((9_000..11_000).contains(&late), "{late}");
    }
}

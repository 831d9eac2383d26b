//! What the figures were measured on. Outside of Linux some of it is not known.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::figures::{Spread, micros};

/// Writes whose durability is timed.
const SYNCS: usize = 200;
/// As much as a commit of a few events.
const SYNC_BYTES: usize = 8_192;

/// The machine, the file system and the SQLite that were measured on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    cores: usize,
    processor: Option<String>,
    memory_kib: Option<u64>,
    kernel: Option<String>,
    file_system: Option<String>,
    sqlite: &'static str,
    optimised: bool,
    /// A write of 8 KiB and the wait until it is on the disk, which bounds every durable commit.
    pub(super) sync: Spread,
}

impl Machine {
    /// Looks around, from a folder on the disk that is measured.
    pub(super) fn look(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: field("/proc/cpuinfo", "model name"),
            memory_kib: field("/proc/meminfo", "MemTotal").and_then(|text| kib(&text)),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
            file_system: file_system(folder),
            sqlite: rusqlite::version(),
            optimised: !cfg!(debug_assertions),
            sync: time_syncs(folder)?,
        })
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let unknown = || "unknown".to_owned();
        format!(
            "{} cores ({}), {} MiB, {}, SQLite {}{}",
            self.cores,
            self.processor.clone().unwrap_or_else(unknown),
            self.memory_kib.map_or_else(unknown, |kib| (kib / 1_024).to_string()),
            self.file_system.clone().unwrap_or_else(unknown),
            self.sqlite,
            if self.optimised { "" } else { "; NOT OPTIMISED: build with --release for figures that count" }
        )
    }
}

/// Resident memory of a process.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resident {
    pub(super) now_kib: u64,
    /// The most it ever was.
    pub(super) peak_kib: u64,
}

/// What a process has in memory; `None` where the system does not say.
pub(super) fn resident(pid: u32) -> Option<Resident> {
    let status = format!("/proc/{pid}/status");
    let number = |name: &str| field(&status, name).and_then(|text| kib(&text));
    Some(Resident { now_kib: number("VmRSS")?, peak_kib: number("VmHWM")? })
}

/// The value behind `name` in a file of lines `name : value`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// `16304 kB` as a number.
fn kib(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The type of the file system that the folder lies on: the longest mount point above it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

fn time_syncs(folder: &Path) -> io::Result<Spread> {
    let path = folder.join("sync.probe");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    let page = vec![0x5a_u8; SYNC_BYTES];
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(micros(began.elapsed()));
    }
    drop(file);
    fs::remove_file(&path)?;
    Ok(Spread::of(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_the_kernel_writes_them() {
        assert_eq!(kib("16304 kB"), Some(16_304));
        assert_eq!(kib(""), None);
    }

    #[test]
    fn a_machine_is_described_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::look(folder.path()).unwrap();
        assert!(machine.cores > 0 && machine.line().contains("SQLite 3."));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_resident() {
        let resident = resident(std::process::id()).unwrap();
        assert!(resident.now_kib > 0 && resident.now_kib <= resident.peak_kib);
    }
}

//! `kill -9` while events are appended: nothing acknowledged is lost, nothing is invented.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use event_log::sqlite::{LogReader, ReaderSettings, SqliteLog, SqliteOptions};

const CYCLES: u64 = 200;
const SEED: u64 = 0x00ba_9ca5;

/// A small generator with a seed that is printed: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The appender prints `try ID` before and `ack ID POSITION` after each append; this process is the witness.
#[test]
fn two_hundred_kills_lose_and_invent_nothing() {
    if !tests::engine::on_sqlite("kills of a process that appends; the cluster's storm does it there") {
        return;
    }
    println!("seed {SEED:#x}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.sqlite");
    let mut dice = Dice(SEED);
    let mut tried = HashSet::new();
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    for cycle in 0..CYCLES {
        let mut child = Command::new(env!("CARGO_BIN_EXE_appender-under-test"))
            .arg(&path)
            .arg(cycle.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wanted = dice.roll() % 40;
        let mut killed = false;
        // Lines that the dead process had already written are still read: an acknowledgement counts once it was said.
        while let Some(Ok(line)) = lines.next() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["try", id] => {
                    tried.insert(id.to_owned());
                }
                ["ack", id, position] => acknowledged.push((id.to_owned(), position.parse().unwrap())),
                _ => panic!("{line}"),
            }
            if wanted == 0 && !killed {
                child.kill().unwrap();
                killed = true;
            }
            wanted = wanted.saturating_sub(1);
        }
        child.wait().unwrap();
    }
    let log = SqliteLog::open(&path, SqliteOptions::new(Arc::new(api::clock::now))).unwrap();
    log.close();
    let mut reader = LogReader::open(&path, ReaderSettings::default()).unwrap();
    let mut stored = std::collections::HashMap::new();
    let mut after = None;
    loop {
        let page = reader.read_all_blocking(after, 4_096).unwrap();
        let Some(last) = page.events.last() else { break };
        after = Some(last.position);
        for event in &page.events {
            assert!(stored.insert(event.id.to_string(), event.position.get()).is_none(), "twice: {}", event.id);
        }
    }
    for (id, position) in &acknowledged {
        assert_eq!(stored.get(id), Some(position), "an acknowledged event is lost or moved");
    }
    for id in stored.keys() {
        assert!(tried.contains(id), "nobody tried to append {id}");
    }
    assert!(acknowledged.len() > usize::try_from(CYCLES).unwrap(), "{} acknowledged", acknowledged.len());
    println!("{CYCLES} kills, {} tried, {} acknowledged, {} stored", tried.len(), acknowledged.len(), stored.len());
}

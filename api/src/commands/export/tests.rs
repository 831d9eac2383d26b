//! An export has every event, once, as it is stored.

use std::io;

use domain::id::UnitId;
use domain::org::{UnitKind, UnitRegistered};
use domain::region::RegionCode;
use event_log::digest::{event_digest, hex};

use super::*;

const UNITS: usize = 5;

/// A data folder with a few units.
async fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = DataDir::new(folder.path()).open_log(&Config::default(), true).unwrap();
    let units: Vec<UnitRegistered> = (0..UNITS)
        .map(|number| UnitRegistered {
            unit: UnitId::parse(&format!("unit-{number}")).unwrap(),
            kind: UnitKind::Council,
            name: format!("第{number}消费者委员会"),
            region: RegionCode::GUANGDONG,
            parent: None,
        })
        .collect();
    crate::units::register(&log, &units, "2026-04-28T02:00:00Z".parse().unwrap()).await.unwrap();
    log.close();
    folder
}

fn exported(folder: &Path, after: Option<u64>) -> Vec<serde_json::Value> {
    let mut reader: AnyReader = DataDir::new(folder).reader().unwrap().into();
    let mut out = Vec::new();
    let count = events::write(&mut reader, after.map(Position::new), &mut out, true).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(u64::try_from(lines.len()).unwrap(), count);
    lines
}

#[tokio::test]
async fn every_event_is_a_line_with_its_digest() {
    let folder = folder().await;
    let lines = exported(folder.path(), None);
    assert_eq!(lines.len(), UNITS);
    let mut reader = DataDir::new(folder.path()).reader().unwrap();
    let stored = reader.read_all_blocking(None, 1).unwrap().events.remove(0);
    let first = &lines[0];
    assert_eq!(first["digest"], hex(&event_digest(&stored)));
    assert_eq!(first["kind"], "unit.registered");
    assert_eq!(first["stream"], stored.stream.as_str());
    assert_eq!(first["data"]["name"], "第0消费者委员会");
    assert_eq!(first["metadata"]["actor"], "system");
}

#[tokio::test]
async fn an_export_goes_on_behind_a_position() {
    let folder = folder().await;
    let lines = exported(folder.path(), Some(3));
    let positions: Vec<u64> = lines.iter().map(|line| line["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [4, 5]);
    assert!(exported(folder.path(), Some(5)).is_empty());
}

/// An output whose reader has gone away.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_export_quietly() {
    let folder = folder().await;
    let args = ExportArgs { events: true, cases: false, out: None, after: None, quiet: true };
    let source = Source::Events(DataDir::new(folder.path()).reader().unwrap().into());
    assert_eq!(write(source, &args, &mut Gone).unwrap(), None);
}

#[test]
fn a_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    drop(create(&path).unwrap());
    assert!(matches!(create(&path), Err(ExportError::Exists(_))));
}

//! The whole import, over a log on disk.

use std::fs;
use std::path::Path;

use domain::complaint::Complaint;
use domain::envelope::RecordedEvent;
use event_log::execute::load;
use event_log::port::{EventLog as _, READ_EVENTS_MAX};

use super::testing::{MAPPING, ROWS, mapping};
use super::*;

/// A folder with a mapping, and a data folder beside it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("map.toml"), MAPPING).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn dir(&self) -> DataDir {
        DataDir::new(&self.path("data"))
    }

    async fn import(&self, rows: &str, rejects: bool) -> Result<ExitCode, Failure> {
        fs::write(self.path("rows.csv"), rows).unwrap();
        self.import_file(&self.path("rows.csv"), rejects).await
    }

    async fn import_file(&self, file: &Path, rejects: bool) -> Result<ExitCode, Failure> {
        let args = ImportArgs {
            mapping: self.path("map.toml"),
            rejects: rejects.then(|| self.path("rejects.ndjson")),
            quiet: true,
            file: file.to_owned(),
        };
        let global = Global { data: self.path("data"), config: None };
        run(&global, &Config::default(), args).await
    }

    /// Every event of the log.
    async fn events(&self) -> Vec<RecordedEvent> {
        let log = self.dir().open_log(&Config::default(), false).unwrap();
        let page = log.read_all(None, READ_EVENTS_MAX).await.unwrap();
        log.close();
        page.events
    }

    async fn refused(&self, rows: &str) -> String {
        self.import(rows, false).await.unwrap_err().to_string()
    }
}

fn of_cases(events: &[RecordedEvent]) -> usize {
    events.iter().filter(|event| event.stream.category() == "complaint").count()
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

#[tokio::test]
async fn a_second_import_changes_nothing() {
    let desk = Desk::new();
    desk.import(ROWS, false).await.unwrap();
    let first = desk.events().await;
    assert_eq!(of_cases(&first), 46);
    assert_eq!(first.len() - of_cases(&first), 4, "the intake unit and three others are registered");
    desk.import(ROWS, false).await.unwrap();
    assert_eq!(desk.events().await, first);
}

#[tokio::test]
async fn a_longer_file_adds_only_what_is_new() {
    let desk = Desk::new();
    let part: String = ROWS.split_inclusive('\n').take(9).collect();
    desk.import(&part, false).await.unwrap();
    let first = desk.events().await;
    desk.import(ROWS, false).await.unwrap();
    let both = desk.events().await;
    assert_eq!(both[..first.len()], first);
    assert_eq!(of_cases(&both), 46);
}

#[tokio::test]
async fn a_history_that_differs_is_refused() {
    let desk = Desk::new();
    desk.import(ROWS, false).await.unwrap();
    let first = desk.events().await;
    let error = desk.refused(&ROWS.replacen("签收并联系商家", "签收", 1)).await;
    assert!(error.contains("differs at event 4") && error.contains("`complaint.noted`"), "{error}");
    assert_eq!(desk.events().await, first);
}

#[tokio::test]
async fn adopted_cases_fold_to_what_the_source_says() {
    let desk = Desk::new();
    desk.import(ROWS, false).await.unwrap();
    let log = desk.dir().open_log(&Config::default(), false).unwrap();
    let stream = history::complaint(&mapping(), "2026-004").stream();
    let loaded = load::<Complaint>(log.as_ref(), &stream, None).await.unwrap();
    let case = loaded.state.case().unwrap();
    assert_eq!((case.stage.code(), case.round, case.closed_late), ("closed", 2, true));
    assert_eq!(case.custody.as_str(), "old-yuexiu");
    assert_eq!(case.handler.as_deref(), Some("w-22"));
    log.close();
}

#[tokio::test]
async fn a_bad_file_changes_nothing() {
    let bad = [
        ("import-bad-time.csv", "line 10, column `时间`"),
        ("import-bad-disagree.csv", "line 18, column `渠道`"),
        ("import-bad-length.csv", "line 3"),
        ("import-bad-status.csv", "line 18, column `状态`"),
        ("import-bad-unit.csv", "line 4, column `单位`"),
        ("import-bad-row-id.csv", "line 9"),
        ("import-bad-number.csv", "line 16, column `编号`"),
        ("import-bad-encoding.csv", "iconv"),
    ];
    let desk = Desk::new();
    for (name, place) in bad {
        let error = desk.import_file(&fixture(name), false).await.unwrap_err().to_string();
        assert!(error.contains(place), "{name}: {error}");
        assert!(!desk.dir().log_path().exists(), "{name}");
    }
}

#[tokio::test]
async fn with_a_reject_file_the_other_cases_go_on() {
    let desk = Desk::new();
    let rows = ROWS.replacen("2026-03-05 09:00,", "soon,", 1).replacen("办结,8", "办结,7", 1);
    desk.import(&rows, true).await.unwrap();
    let text = fs::read_to_string(desk.path("rejects.ndjson")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0]["case"].as_str(), lines[0]["line"].as_u64()), (Some("2026-002"), Some(10)));
    assert_eq!(lines[0]["row"]["时间"], "soon");
    assert_eq!((lines[1]["case"].as_str(), lines[1]["line"].as_u64()), (Some("2026-003"), Some(9)));
    let registered = desk.events().await.iter().filter(|event| &*event.kind == "complaint.registered").count();
    assert_eq!(registered, 4);
    // The mended file brings in the rest and nothing twice.
    desk.import(ROWS, true).await.unwrap();
    assert_eq!(of_cases(&desk.events().await), 46);
}

#[tokio::test]
async fn a_row_that_names_no_case_keeps_the_whole_file_out() {
    let desk = Desk::new();
    // One field too many in the second row of case 2026-001, and a bad cell of another case behind it.
    let rows = ROWS.replacen("办理中,2\n", "办理中,2,\n", 1).replacen("2026-03-05 09:00,", "soon,", 1);
    let error = desk.import(&rows, true).await.unwrap_err().to_string();
    for part in ["rows.csv: ", "case number: 1, the first in line 3.", "nothing was imported", "rejects.ndjson` lists"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!desk.dir().log_path().exists());
    let text = fs::read_to_string(desk.path("rejects.ndjson")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| (line["case"].as_str(), line["line"].as_u64())).collect();
    assert_eq!(told, [(None, Some(3)), (Some("2026-002"), Some(10))]);
    // The mended file is taken as a whole, as if the other had never been there.
    desk.import(ROWS, true).await.unwrap();
    assert_eq!(of_cases(&desk.events().await), 46);
}

#[tokio::test]
async fn no_case_is_imported_beside_a_broken_line_or_a_missing_number() {
    let desk = Desk::new();
    fs::write(desk.path("rows.ndjson"), "{\"编号\": \"2026-001\", \"时间\": \n").unwrap();
    for file in [desk.path("rows.ndjson"), fixture("import-bad-length.csv"), fixture("import-bad-number.csv")] {
        let error = desk.import_file(&file, true).await.unwrap_err();
        assert!(error.to_string().contains("case number: 1, the first in line "), "{error}");
        assert!(!desk.dir().log_path().exists(), "{}", file.display());
    }
}

#[tokio::test]
async fn a_unit_that_is_registered_as_something_else_stops_the_import() {
    let desk = Desk::new();
    desk.import(ROWS, false).await.unwrap();
    let first = desk.events().await;
    fs::write(desk.path("map.toml"), MAPPING.replacen("北一所", "北二所", 1)).unwrap();
    let error = desk.refused(ROWS).await;
    assert!(error.contains("old-north-1"), "{error}");
    assert_eq!(desk.events().await, first);
}

#[test]
fn the_summary_begins_with_what_is_promised() {
    let found = super::testing::cases(&mapping(), ROWS);
    let plans = [
        Plan::Unchanged,
        Plan::Append { stored: 0 },
        Plan::Rejected,
        Plan::Unchanged,
        Plan::Unchanged,
        Plan::Unchanged,
    ];
    let text = serde_json::to_string(&summary(&found, &plans, 7, 0, 1)).unwrap();
    assert_eq!(text, r#"{"cases":5,"events":7,"rejected":1,"unchanged":4,"units":0,"rows":17,"rejectedRows":1}"#);
}

#[test]
fn the_mapping_of_the_real_log_is_valid() {
    let mapping = Mapping::load(&fixture("receipt-mapping.toml")).unwrap();
    assert_eq!(mapping.system, "receipt");
}

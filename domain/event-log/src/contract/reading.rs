//! What reading gives.

use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{Position, Revision};

use crate::contract::fixture::{Scene, read_behind};
use crate::port::{EventLog, Expected, READ_EVENTS_MAX};

/// A hint that does not come within this time does not come.
const HINT_WAIT: Duration = Duration::from_secs(30);

pub async fn a_stream_is_read_in_windows(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "windows").await;
    let payloads: Vec<String> = (0..9).map(|number| format!("{{\"n\":{number}}}")).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    log.append(scene.append("other", Expected::NoStream, "0", &["{}", "{}"])).await.unwrap();
    log.append(scene.append("a", Expected::NoStream, "1", &payloads)).await.unwrap();
    let stream = scene.stream("a");
    let all = log.read_stream(&stream, None, READ_EVENTS_MAX).await.unwrap();
    assert_eq!(all.iter().map(|event| &*event.payload).collect::<Vec<_>>(), payloads);
    for limit in [0_u32, 1, 2, 8, 9, 10, u32::MAX] {
        for after in [None, Some(0_u64), Some(1), Some(7), Some(8), Some(9), Some(u64::MAX)] {
            let read = log.read_stream(&stream, after.map(Revision::new), limit).await.unwrap();
            let expected: Vec<_> = all
                .iter()
                .filter(|event| after.is_none_or(|after| event.revision.get() > after))
                .take(usize::try_from(limit).unwrap())
                .cloned()
                .collect();
            assert_eq!(read, expected, "after {after:?}, at most {limit}");
        }
    }
}

pub async fn the_log_is_read_in_windows_of_any_size(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "pages").await;
    for number in 0..25_u8 {
        let name = number.to_string();
        let payloads = vec!["{}"; 1 + usize::from(number % 3)];
        log.append(scene.append(&name, Expected::NoStream, &name, &payloads)).await.unwrap();
    }
    let all = read_behind(&*log, scene.before, READ_EVENTS_MAX).await;
    assert_eq!(all.len(), 49);
    assert!(all.is_sorted_by(|one, next| one.position < next.position));
    for page_size in [1, 2, 7, 48, 49, 50, 1_000] {
        assert_eq!(read_behind(&*log, scene.before, page_size).await, all, "pages of {page_size}");
    }
    for (index, event) in all.iter().enumerate() {
        let rest = read_behind(&*log, Some(event.position), 10).await;
        assert!(all.iter().skip(index + 1).eq(&rest), "behind {}", event.position);
    }
}

pub async fn an_unknown_stream_is_empty(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "unknown").await;
    assert!(log.read_stream(&scene.stream("a"), None, 10).await.unwrap().is_empty());
    assert!(log.read_stream(&scene.stream("a"), Some(Revision::FIRST), 10).await.unwrap().is_empty());
}

pub async fn behind_the_end_there_is_nothing(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "end").await;
    let appended = log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    for after in [appended.last_position.get(), appended.last_position.get() + 1_000_000, u64::MAX] {
        let page = log.read_all(Some(Position::new(after)), 10).await.unwrap();
        assert!(page.events.is_empty() && page.at_end, "{page:?}");
    }
    let page = log.read_all(scene.before, 0).await.unwrap();
    assert!(page.events.is_empty() && !page.at_end, "a window of nothing is not the end: {page:?}");
}

pub async fn the_head_is_the_newest_position(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "head").await;
    let mut expected = Expected::NoStream;
    for number in 0..5_u8 {
        let appended = log.append(scene.append("a", expected, &number.to_string(), &["{}", "{}"])).await.unwrap();
        assert_eq!(log.head().await.unwrap(), Some(appended.last_position));
        expected = Expected::At(appended.last_revision);
    }
    let before = log.head().await.unwrap();
    log.append(scene.append("a", Expected::NoStream, "refused", &["{}"])).await.unwrap_err();
    assert_eq!(log.head().await.unwrap(), before);
}

pub async fn the_hint_moves(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "hint").await;
    let mut early = log.appended();
    let appended = log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let arrives = early.wait_for(|head| *head >= Some(appended.last_position));
    assert!(tokio::time::timeout(HINT_WAIT, arrives).await.unwrap().is_ok(), "the hint comes");
    let mut late = log.appended();
    let knows = late.wait_for(|head| *head >= Some(appended.last_position));
    assert!(tokio::time::timeout(HINT_WAIT, knows).await.unwrap().is_ok(), "a late receiver knows the head");
}

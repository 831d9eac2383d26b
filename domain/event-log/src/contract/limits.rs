//! Every limit, at it and one past it.

use std::sync::Arc;

use domain::envelope::{PAYLOAD_BYTES_MAX, Revision};

use crate::contract::fixture::Scene;
use crate::port::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, AppendError, EventLog, Expected, append_bytes};

pub async fn an_append_holds_from_one_to_the_most_events(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "batch").await;
    let refused = log.append(scene.append("a", Expected::NoStream, "none", &[])).await;
    assert!(matches!(refused, Err(AppendError::BatchSize { events: 0 })), "{refused:?}");

    let over = vec!["{}"; APPEND_EVENTS_MAX + 1];
    let refused = log.append(scene.append("a", Expected::NoStream, "over", &over)).await;
    let Err(AppendError::BatchSize { events }) = refused else { panic!("{refused:?}") };
    assert_eq!(events, APPEND_EVENTS_MAX + 1);
    assert!(scene.events(&*log, &["a"]).await.is_empty(), "a refused append has written nothing");

    let most = vec!["{}"; APPEND_EVENTS_MAX];
    let appended = log.append(scene.append("a", Expected::NoStream, "most", &most)).await.unwrap();
    assert_eq!(appended.last_revision, Revision::new(u64::try_from(APPEND_EVENTS_MAX).unwrap() - 1));
    assert_eq!(scene.events(&*log, &["a"]).await.len(), APPEND_EVENTS_MAX);
    log.append(scene.append("b", Expected::NoStream, "one", &["{}"])).await.unwrap();
}

pub async fn a_payload_holds_its_limit(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "payload").await;
    let quoted = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let (most, over) = (quoted(PAYLOAD_BYTES_MAX), quoted(PAYLOAD_BYTES_MAX + 1));

    let refused = log.append(scene.append("a", Expected::NoStream, "over", &["{}", &over])).await;
    let Err(AppendError::PayloadTooLarge { index, bytes, max }) = refused else { panic!("{refused:?}") };
    assert_eq!((index, bytes, max), (1, PAYLOAD_BYTES_MAX + 1, PAYLOAD_BYTES_MAX));
    assert!(scene.events(&*log, &["a"]).await.is_empty(), "a refused append has written nothing");

    log.append(scene.append("a", Expected::NoStream, "most", &["{}", &most])).await.unwrap();
    let events = log.read_stream(&scene.stream("a"), Some(Revision::FIRST), 10).await.unwrap();
    assert_eq!(events.iter().map(|event| &*event.payload).collect::<Vec<_>>(), [most]);
}

pub async fn an_append_holds_its_bytes(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "bytes in all").await;
    let quoted = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let large = quoted(PAYLOAD_BYTES_MAX - 10_000);
    let of = |last: usize| scene.append("a", Expected::NoStream, "1", &[&large, &large, &large, &quoted(last)]);
    let last = 2 + APPEND_BYTES_MAX - append_bytes(&of(2).events);
    assert!(last <= PAYLOAD_BYTES_MAX, "it is the whole that is too large, and no payload of it");
    let (most, over) = (of(last), of(last + 1));

    let refused = log.append(over).await;
    let Err(AppendError::TooLarge { bytes, max }) = refused else { panic!("{refused:?}") };
    assert_eq!((bytes, max), (APPEND_BYTES_MAX + 1, APPEND_BYTES_MAX));
    assert!(scene.events(&*log, &["a"]).await.is_empty(), "a refused append has written nothing");

    assert_eq!(log.append(most).await.unwrap().last_revision, Revision::new(3));
    let events = log.read_stream(&scene.stream("a"), None, 10).await.unwrap();
    let sizes: Vec<usize> = events.iter().map(|event| event.payload.len()).collect();
    assert_eq!(sizes, [large.len(), large.len(), large.len(), last]);
}

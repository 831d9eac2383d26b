//! What an append does, and when it is refused.

use std::sync::Arc;

use domain::envelope::{RecordedEvent, Revision};

use crate::contract::fixture::{KIND, SOME_MICROS, Scene, moment};
use crate::port::{AppendError, Appended, EventLog, Expected};

pub async fn the_first_append_creates_the_stream(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "first").await;
    let batch = scene.append("a", Expected::NoStream, "1", &["{\"n\":1}", "{\"n\":2}"]);
    let appended = log.append(batch.clone()).await.unwrap();
    let expected = Appended {
        stream: scene.stream("a"),
        first_revision: Revision::FIRST,
        last_revision: Revision::new(1),
        last_position: appended.last_position,
        repeated: false,
    };
    assert_eq!(appended, expected);
    assert!(Some(appended.last_position) > scene.before);

    let events = log.read_stream(&scene.stream("a"), None, 10).await.unwrap();
    assert_eq!(events.len(), 2);
    for (event, new) in events.iter().zip(&batch.events) {
        assert_eq!(event.stream, scene.stream("a"));
        assert_eq!(event.id, new.id);
        assert_eq!(&*event.kind, KIND);
        assert_eq!(event.schema, 1);
        assert_eq!(event.occurred_at, new.occurred_at);
        assert_eq!(*event.metadata, *new.metadata);
        assert_eq!(event.payload, new.payload);
    }
    assert_eq!(events.last().unwrap().position, appended.last_position);
    assert_eq!(scene.events(&*log, &["a"]).await, events, "both ways of reading give the same events");
}

pub async fn no_stream_is_refused_when_there_is_one(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "no-stream").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let refused = log.append(scene.append("a", Expected::NoStream, "2", &["{}"])).await.unwrap_err();
    let AppendError::Conflict { stream, expected, actual } = refused else { panic!("{refused:?}") };
    assert_eq!((stream, expected, actual), (scene.stream("a"), Expected::NoStream, Some(Revision::FIRST)));
    assert_eq!(scene.events(&*log, &["a"]).await.len(), 1);
}

pub async fn a_stale_revision_is_refused_and_changes_nothing(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "stale").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}", "{}", "{}"])).await.unwrap();
    let before = scene.events(&*log, &["a"]).await;
    for wrong in [0, 1, 3, u64::MAX] {
        let expected = Expected::At(Revision::new(wrong));
        let refused = log.append(scene.append("a", expected, &format!("wrong {wrong}"), &["{}"])).await;
        let Err(AppendError::Conflict { expected: told, actual, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((told, actual), (expected, Some(Revision::new(2))), "a conflict tells where the stream stands");
    }
    assert_eq!(scene.events(&*log, &["a"]).await, before);
    let right = scene.append("a", Expected::At(Revision::new(2)), "2", &["{}"]);
    assert_eq!(log.append(right).await.unwrap().first_revision, Revision::new(3));
}

pub async fn a_revision_of_no_stream_is_refused(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "absent").await;
    let refused = log.append(scene.append("a", Expected::At(Revision::FIRST), "1", &["{}"])).await;
    let Err(AppendError::Conflict { actual, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(actual, None);
    assert!(scene.events(&*log, &["a"]).await.is_empty());
    log.append(scene.append("a", Expected::NoStream, "2", &["{}"])).await.unwrap();
}

pub async fn revisions_are_contiguous_and_positions_ascend(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "order").await;
    let mut newest: [Option<Appended>; 3] = [None, None, None];
    for round in 0..10 {
        for (which, newest) in ["a", "b", "c"].into_iter().zip(&mut newest) {
            let expected = newest.as_ref().map_or(Expected::NoStream, |last| Expected::At(last.last_revision));
            let payloads = vec!["{}"; 1 + round % 3];
            let batch = scene.append(which, expected, &format!("{which} {round}"), &payloads);
            let appended = log.append(batch).await.unwrap();
            let first = newest.as_ref().map_or(Revision::FIRST, |last| last.last_revision.next());
            assert_eq!(appended.first_revision, first);
            assert!(newest.as_ref().is_none_or(|last| last.last_position < appended.last_position));
            *newest = Some(appended);
        }
    }
    let events = scene.events(&*log, &["a", "b", "c"]).await;
    assert!(events.is_sorted_by(|one, next| one.position < next.position));
    for which in ["a", "b", "c"] {
        let stream = scene.stream(which);
        let of_stream: Vec<_> = events.iter().filter(|event| event.stream == stream).cloned().collect();
        let revisions: Vec<u64> = of_stream.iter().map(|event| event.revision.get()).collect();
        assert!(revisions.iter().copied().eq(0..19), "revisions of `{which}`: {revisions:?}");
        assert_eq!(log.read_stream(&stream, None, 100).await.unwrap(), of_stream);
    }
}

pub async fn bytes_come_back_as_they_were(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "bytes").await;
    let payloads = [
        r#"{"text":"投訴：退款 ‒ \"七天\" \\ 🐉"}"#,
        r#"{ "spaces" :  [ 1 , 2 ] ,"twice":1,"twice":2}"#,
        r#"{"big":123456789012345678901234567890,"small":1e-400,"minus":-0}"#,
        "{\"escapes\":\"\\u0000\\u001f\\ud83d\\ude00\\/\",\"line\":\"\\n\"}\n",
        "\"a \u{0} byte and \u{feff} marks\"",
        "null",
    ];
    log.append(scene.append("a", Expected::NoStream, "1", &payloads)).await.unwrap();
    let events = log.read_stream(&scene.stream("a"), None, 100).await.unwrap();
    let read: Vec<&str> = events.iter().map(|event| &*event.payload).collect();
    assert_eq!(read, payloads);
}

pub async fn business_times_are_kept_to_the_microsecond(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "times").await;
    let times = [SOME_MICROS, SOME_MICROS + 1, 0, 999_999, -1, -62_135_596_800_000_000, 253_402_300_799_999_999];
    let mut batch = scene.append("a", Expected::NoStream, "1", &["{}"; 7]);
    for (event, micros) in batch.events.iter_mut().zip(times) {
        event.occurred_at = moment(micros);
    }
    let finer = chrono::TimeDelta::nanoseconds(999);
    batch.events.first_mut().unwrap().occurred_at += finer;
    log.append(batch).await.unwrap();
    let events = log.read_stream(&scene.stream("a"), None, 10).await.unwrap();
    let read: Vec<_> = events.iter().map(|event| event.occurred_at).collect();
    assert_eq!(read, times.map(moment), "what is finer than a microsecond is cut off");
}

pub async fn recording_times_never_go_back(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "recorded").await;
    for number in 0..10_u8 {
        let name = number.to_string();
        log.append(scene.append(&name, Expected::NoStream, &name, &["{}", "{}"])).await.unwrap();
    }
    let names: Vec<String> = (0..10_u8).map(|number| number.to_string()).collect();
    let events = scene.events(&*log, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(events.len(), 20);
    assert!(events.is_sorted_by_key(|event| event.recorded_at));
    assert!(events.iter().all(|event| event.recorded_at.timestamp_subsec_nanos() % 1_000 == 0));
    let one_append = |pair: &[RecordedEvent]| match pair {
        [one, two] => one.recorded_at == two.recorded_at,
        _ => false,
    };
    assert!(events.chunks(2).all(one_append), "the events of one append are recorded at one moment");
}

use proptest::prelude::*;

use super::*;
use crate::contract::fixture::{SOME_MICROS, moment};
use crate::digest::command_digest;

const METADATA: &str = r#"{"actor":"clerk-1","unit":"gz-tianhe"}"#;

fn command() -> CommandRef {
    CommandRef { id: CommandId::derived(&["wire"]), digest: command_digest(b"body") }
}

fn recorded(metadata: &str, payload: &str) -> RecordedEvent {
    let stream = StreamId::parse("filing-1").unwrap();
    RecordedEvent {
        position: Position::new(77),
        revision: Revision::new(3),
        id: command().id.event(&stream, 0),
        stream,
        kind: "filing.received".into(),
        schema: 2,
        occurred_at: moment(SOME_MICROS),
        recorded_at: moment(SOME_MICROS + 1),
        metadata: metadata.into(),
        payload: payload.into(),
    }
}

fn written(event: &RecordedEvent) -> Outgoing {
    let form = Canonical {
        stream: event.stream.as_str(),
        revision: event.revision,
        id: event.id,
        kind: &event.kind,
        schema: event.schema,
        occurred_at: event.occurred_at,
        recorded_at: event.recorded_at,
        metadata: &event.metadata,
        payload: &event.payload,
    };
    outgoing(&form, &command()).unwrap()
}

/// The event as the servers give it back.
fn returned(event: &RecordedEvent) -> Incoming {
    let Outgoing { id, kind, data, metadata } = written(event);
    Incoming {
        stream: event.stream.as_str().to_owned(),
        revision: event.revision.get(),
        id,
        kind,
        data: data.into_bytes(),
        metadata: metadata.into_bytes(),
        commit: event.position.get(),
        prepare: event.position.get(),
        begins: true,
    }
}

fn fault_of(incoming: Incoming) -> LogFault {
    match decode(incoming) {
        Err(ReadError::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_wrapper_has_its_keys_in_their_order() {
    let event = recorded(METADATA, "{}");
    let expected = format!(
        concat!(
            r#"{{"v":1,"schema":2,"occurredAt":1777000000123456,"recordedAt":1777000000123457,"#,
            r#""command":"{}","commandDigest":"{}","digest":"{}","metadata":{}}}"#
        ),
        command().id,
        hex(&command().digest.0),
        hex(&event_digest(&event)),
        METADATA
    );
    assert_eq!(written(&event).metadata, expected);
}

#[test]
fn what_is_written_is_read() {
    let event = recorded(METADATA, r#"{ "spaces" : 1, "twice":1,"twice":2 }"#);
    assert_eq!(decode(returned(&event)).unwrap(), Decoded { event, command: command() });
}

#[test]
fn what_was_not_written_by_us_is_foreign() {
    let event = recorded(METADATA, "{}");
    let change = |change: &dyn Fn(&mut Incoming)| {
        let mut incoming = returned(&event);
        change(&mut incoming);
        fault_of(incoming)
    };
    let foreign = LogFault::ForeignEvent { stream: "filing-1".into(), revision: 3, kind: "filing.received".into() };
    for metadata in ["", "{}", "null", "[1]", "{\"v\":1}", "\u{0}", r#"{"v":"1"}"#] {
        assert_eq!(change(&|incoming| incoming.metadata = metadata.as_bytes().to_vec()), foreign, "{metadata}");
    }
    assert_eq!(change(&|incoming| incoming.metadata = vec![0xff, 0xfe]), foreign);
    let nameless = change(&|incoming| incoming.stream = "orders".to_owned());
    assert!(matches!(nameless, LogFault::ForeignEvent { stream, .. } if stream == "orders"));
    let newer = change(&|incoming| {
        let text = String::from_utf8(incoming.metadata.clone()).unwrap();
        incoming.metadata = text.replace("\"v\":1", "\"v\":2").into_bytes();
    });
    assert!(matches!(newer, LogFault::Protocol { .. }), "{newer:?}");
    let deleted = change(&|incoming| TOMBSTONE.clone_into(&mut incoming.kind));
    assert_eq!(deleted, LogFault::Deleted { stream: event.stream.clone() });
    let split = change(&|incoming| incoming.commit = 78);
    assert!(matches!(split, LogFault::SplitPosition { commit: 78, prepare: 77, .. }), "{split:?}");
    for nowhere in [0, u64::MAX] {
        let old = change(&|incoming| (incoming.commit, incoming.prepare) = (nowhere, nowhere));
        assert!(matches!(old, LogFault::TooOld { .. }), "{old:?}");
    }
}

#[test]
fn every_change_of_an_event_is_seen() {
    let event = recorded(METADATA, r#"{"n":1}"#);
    let changes: [&dyn Fn(&mut Incoming); 6] = [
        &|incoming| incoming.data = br#"{"n":2}"#.to_vec(),
        &|incoming| incoming.data = vec![0xff],
        &|incoming| incoming.revision = 4,
        &|incoming| incoming.stream = "filing-2".to_owned(),
        &|incoming| incoming.kind = "filing.withdrawn".to_owned(),
        &|incoming| {
            let text = String::from_utf8(incoming.metadata.clone()).unwrap();
            incoming.metadata = text.replace("clerk-1", "clerk-2").into_bytes();
        },
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut incoming = returned(&event);
        change(&mut incoming);
        let read = decode(incoming);
        assert!(matches!(read, Err(ReadError::Damaged { position: 77, .. })), "change {index}: {read:?}");
    }
}

#[test]
fn digits_are_read_or_refused() {
    assert_eq!(unhex(&hex(&[0xa5; 32])), Some([0xa5; 32]));
    for wrong in ["", "a", &"a".repeat(63), &"a".repeat(65), &"a".repeat(66), &"g".repeat(64)] {
        assert_eq!(unhex(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back_as_it_was(
        metadata in ".*",
        payload in ".*",
        micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999,
    ) {
        let mut event = recorded(&metadata, &payload);
        event.occurred_at = moment(micros);
        prop_assert_eq!(decode(returned(&event)).unwrap().event, event);
    }

    #[test]
    fn odd_json_comes_back_as_it_was(
        metadata in prop_oneof![
            Just("null".to_owned()),
            Just(" {\"a\":1}".to_owned()),
            Just("{\"a\":1}\n".to_owned()),
            Just("{\"a\":1e400,\"a\":\"\\ud800\"}".to_owned()),
            "[0-9]{1,40}",
            "\"(\\\\u[0-9a-f]{4}|[a-z根])*\"",
            r#"\[( |1|,2){0,6}\]"#,
        ]
    ) {
        let event = recorded(&metadata, &metadata);
        prop_assert_eq!(decode(returned(&event)).unwrap().event, event);
    }
}

use chrono::TimeDelta;
use proptest::prelude::*;

use super::super::body::{Acknowledgement, NOTE_CHARS_MAX, Return, Submission};
use super::super::content::LangText;
use super::super::segment::Segment;
use super::super::testing::{
    GUANGDONG, HONG_KONG, author, council, message, moment, next_message, note, sample, submission, submitted,
};
use super::*;
use crate::partner::Language;
use crate::referral::vocabulary::ReturnCode;

fn text(kind: MessageKind) -> String {
    message(kind).canonical().unwrap()
}

fn malformed(text: &str) -> (&'static str, String) {
    match Message::parse(text) {
        Err(MessageError::Malformed { part, reason }) => (part, reason),
        other => panic!("{text}: {other:?}"),
    }
}

/// A change of the header alone, and what the check says of it.
fn checked(change: impl FnOnce(&mut Header)) -> Result<(), MessageError> {
    let mut message = message(MessageKind::Acknowledgement);
    change(&mut message.header);
    message.check()
}

fn refused_field(change: impl FnOnce(&mut Header)) -> &'static str {
    match checked(change) {
        Err(MessageError::Header { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_is_its_canonical_text() {
    for kind in MessageKind::ALL {
        let message = message(*kind);
        assert_eq!(message.check(), Ok(()), "{kind}");
        let text = message.canonical().unwrap();
        assert_eq!(Message::parse(&text), Ok(message), "{kind}");
        assert!(!text.contains("null"), "{kind}: what is absent is left out");
    }
}

#[test]
fn the_text_is_frozen() {
    // Written by another program from the description of the form alone, so a change here is a new version.
    let golden: Vec<&str> = include_str!("golden-v1.txt").lines().collect();
    assert_eq!([text(MessageKind::Submission), text(MessageKind::Acknowledgement)], golden[..]);
    for line in golden {
        assert_eq!(Message::parse(line).unwrap().check(), Ok(()));
    }
}

#[test]
fn a_message_knows_its_side() {
    assert_eq!(message(MessageKind::Submission).side(), Side::Origin);
    assert_eq!(message(MessageKind::Acknowledgement).side(), Side::Target);
}

#[test]
fn another_text_of_the_same_message_is_refused() {
    let whole = text(MessageKind::Return);
    for (what, replacement) in [
        (r#""version":1"#, r#""version": 1"#),
        (r#""kind":"return""#, r#""kind":"\u0072eturn""#),
        (r#""sequence":1,"to""#, r#""sequence":1,"sequence":1,"to""#),
        ("2026-05-18T01:00:00.000001Z", "2026-05-18T09:00:00.000001+08:00"),
        ("2026-05-18T01:00:00.000001Z", "2026-05-18T01:00:00.000001000Z"),
        ("7c9e6679-7425-50de-944b-e07fc1f90ae7", "7c9e6679742550de944be07fc1f90ae7"),
        (r#""sequence":1,"to""#, r#""previous":null,"sequence":1,"to""#),
    ] {
        let other = whole.replacen(what, replacement, 1);
        assert_ne!(other, whole, "{what} stands in it");
        assert_eq!(Message::parse(&other), Err(MessageError::NotCanonical), "{other}");
    }
    assert_eq!(Message::parse(&format!("{whole}\n")), Err(MessageError::NotCanonical));
    let kind_twice = whole.replace(r#""kind":"return""#, r#""kind":"return","kind":"return""#);
    assert_eq!(malformed(&kind_twice).0, "message");
}

#[test]
fn what_is_no_message_is_malformed() {
    for (what, replacement, part) in [
        (r#""version":1"#, r#""version":1.0"#, "header"),
        (r#""sequence":1,"to""#, r#""sequence":1e0,"to""#, "header"),
        (r#""sequence":1,"to""#, r#""sequence":-1,"to""#, "header"),
        (r#""sequence":1,"to""#, r#""sequence":4294967296,"to""#, "header"),
        (r#""sequence":1,"to""#, r#""sequence":"1","to""#, "header"),
        (r#""salt""#, r#""pepper""#, "header"),
        (r#""to":"gd-consumer-council""#, r#""to":"GD""#, "header"),
        (r#"{"code":"INSUFFICIENT_INFO""#, r#"{"code":7"#, "body"),
        (r#"{"code""#, r#"{"also":"this","code""#, "body"),
        (r#""kind":"return""#, r#""kind":7"#, "message"),
        (r#""kind":"return""#, r#""kind":"return","more":1"#, "message"),
        (r#"{"body""#, r#"["body""#, "message"),
    ] {
        let whole = text(MessageKind::Return);
        let other = whole.replacen(what, replacement, 1);
        assert_ne!(other, whole, "{what} stands in it");
        assert_eq!(malformed(&other).0, part, "{other}");
    }
    for other in ["", "{}", "null", "[]", "{\"body\":{},\"header\":{},\"kind\":\"submission\""] {
        assert_eq!(malformed(other).0, "message", "{other}");
    }
    let deep = "[".repeat(1_000);
    assert_eq!(malformed(&deep).0, "message", "depth is bounded");
}

#[test]
fn a_reason_repeats_no_value() {
    let spoilt = text(MessageKind::Submission).replace(r#""minor":1234500"#, r#""minor":"陈大\"文""#);
    let (part, reason) = malformed(&spoilt);
    assert_eq!(part, "body");
    assert!(reason.contains("invalid type"), "{reason}");
    assert!(!reason.contains('陈') && !reason.contains('文'), "{reason}");
    let name = "é\u{202e}\n".repeat(200);
    let more = Value::from(name).to_string();
    let long = text(MessageKind::Recall).replace(r#"{"reason""#, &format!("{{{more}:1,\"reason\""));
    let (part, reason) = malformed(&long);
    assert_eq!((part, reason.chars().count()), ("body", REASON_CHARS_MAX));
    assert!(!reason.contains('\u{202e}') && !reason.contains('\n'), "{reason}");
}

#[test]
fn a_code_that_is_not_known_is_named_with_those_that_are() {
    let other = text(MessageKind::Return).replace("INSUFFICIENT_INFO", "OUT_OF_STOCK");
    let known: Vec<&str> = ReturnCode::ALL.iter().map(|code| code.code()).collect();
    let refused = Message::parse(&other).unwrap_err();
    let expected = MessageError::UnknownCode { field: "code".to_owned(), value: "OUT_OF_STOCK".to_owned(), known };
    assert_eq!(refused, expected);
    assert!(refused.to_string().contains("NOT_CONSUMER, B2B"), "{refused}");
    let other = text(MessageKind::Return).replace(r#""kind":"return""#, r#""kind":"refund""#);
    assert!(matches!(Message::parse(&other), Err(MessageError::UnknownCode { field, .. }) if field == "kind"));
    for chars in [CODE_SHOWN_CHARS_MAX, CODE_SHOWN_CHARS_MAX + 1] {
        let other = text(MessageKind::Return).replace("INSUFFICIENT_INFO", &"码".repeat(chars));
        let Err(MessageError::UnknownCode { value, .. }) = Message::parse(&other) else { panic!("{chars}") };
        assert_eq!(value.chars().count(), CODE_SHOWN_CHARS_MAX);
    }
}

#[test]
fn another_version_is_told_before_anything_else() {
    let newer = text(MessageKind::Return)
        .replace(r#""version":1"#, r#""priority":1,"version":2"#)
        .replace(r#""kind":"return""#, r#""kind":"refund""#);
    assert_eq!(Message::parse(&newer), Err(MessageError::VersionUnsupported { version: 2 }));
    let older = checked(|header| header.version = 0);
    assert_eq!(older, Err(MessageError::VersionUnsupported { version: 0 }));
}

#[test]
fn each_side_says_only_what_is_for_it() {
    let history = submitted();
    for kind in MessageKind::ALL.iter().copied().filter(|kind| *kind != MessageKind::Submission) {
        for side in Side::ALL {
            let checked = next_message(&history, *side, sample(kind)).check();
            let expected =
                if kind.sides().contains(side) { Ok(()) } else { Err(MessageError::WrongSide { kind, side: *side }) };
            assert_eq!(checked, expected);
        }
    }
}

#[test]
fn a_history_begins_with_the_submission_and_has_one() {
    let nothing = Segment::default();
    let recall = next_message(&nothing, Side::Origin, sample(MessageKind::Recall));
    assert!(matches!(recall.check(), Err(MessageError::Header { field: "sequence", .. })));
    let again = next_message(&submitted(), Side::Origin, submission().into());
    assert!(matches!(again.check(), Err(MessageError::Header { field: "sequence", .. })));
    let unread = next_message(&nothing, Side::Target, sample(MessageKind::Retrieved));
    assert!(matches!(unread.check(), Err(MessageError::Header { field: "seen", .. })));
}

#[test]
fn a_header_fits_together() {
    let digest = || Some(Digest::of(b"before"));
    assert_eq!(checked(|_| ()), Ok(()));
    assert_eq!(refused_field(|header| header.referral = SharedId::from_uuid(uuid::Uuid::nil())), "referral");
    assert_eq!(refused_field(|header| header.to = council(HONG_KONG)), "to");
    assert_eq!(refused_field(|header| header.origin = council("mo-consumer-council")), "origin");
    assert_eq!(refused_field(|header| header.delivery = DeliveryId::from_uuid(uuid::Uuid::nil())), "delivery");
    assert_eq!(refused_field(|header| header.sequence = 2), "delivery");
    assert_eq!(refused_field(|header| header.from = council("mo-consumer-council")), "delivery");
    assert_eq!(refused_field(|header| header.previous = digest()), "previous");
    assert_eq!(refused_field(|header| header.seen.as_mut().unwrap().sequence = 0), "seen");
    assert_eq!(refused_field(|header| header.seen.as_mut().unwrap().sequence = SEQUENCE_MAX + 1), "seen");
    assert_eq!(refused_field(|header| header.at = moment() + TimeDelta::nanoseconds(1)), "at");
    for salt in ["", "00112233445566778899aabbccddeef", "00112233445566778899AABBCCDDEEFF"] {
        assert_eq!(refused_field(|header| header.salt = salt.to_owned()), "salt", "{salt}");
    }
}

#[test]
fn sequences_and_clocks_hold_their_limits() {
    let placed = |sequence: u32, clock: u32| {
        checked(|header| {
            header.sequence = sequence;
            header.clock = clock;
            header.delivery = DeliveryId::derived(header.referral, &council(HONG_KONG), sequence);
            header.previous = (sequence > 1).then(|| Digest::of(b"before"));
        })
    };
    let field = |result: Result<(), MessageError>| match result {
        Err(MessageError::Header { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(placed(SEQUENCE_MAX, SEQUENCE_MAX), Ok(()));
    assert_eq!(field(placed(SEQUENCE_MAX + 1, SEQUENCE_MAX + 1)), "sequence");
    assert_eq!(field(placed(0, 1)), "sequence");
    // The author had seen one message: its own third has clock 3, or 4 if that one came in between.
    assert_eq!((placed(3, 3), placed(3, 4)), (Ok(()), Ok(())));
    assert_eq!((field(placed(3, 2)), field(placed(3, 5))), ("clock", "clock"));
    assert_eq!((field(placed(1, 1)), placed(1, 2)), ("clock", Ok(())));
    assert_eq!(field(placed(1, u32::MAX)), "clock");
}

#[test]
fn a_body_holds_its_limits() {
    let with = |chars: usize| {
        let body = Return { code: ReturnCode::NotLocal, note: Some(note(&"注".repeat(chars))) };
        next_message(&submitted(), Side::Target, body.into()).check()
    };
    assert_eq!(with(NOTE_CHARS_MAX), Ok(()));
    let refused = BodyError::TooLong { field: "note", chars: NOTE_CHARS_MAX + 1, max: NOTE_CHARS_MAX };
    assert_eq!(with(NOTE_CHARS_MAX + 1), Err(MessageError::Body(refused)));
}

#[test]
fn a_message_holds_its_limit_of_bytes() {
    let sized = |bytes: usize| {
        // Three bytes to a character while they last, then one.
        let fill = |chars: usize| Some(note(&"事".repeat(chars)));
        let bare = Submission { facts: fill(8_000), request: fill(1), renditions: Vec::new(), ..submission() };
        let message = |body: Submission| next_message(&Segment::default(), Side::Origin, body.into());
        let left = bytes - message(bare.clone()).canonical().unwrap().len();
        let mut request = "事".repeat(1 + left / 3);
        request.push_str(&"a".repeat(left % 3));
        let whole = message(Submission { request: Some(note(&request)), ..bare });
        let text = whole.canonical().unwrap();
        assert_eq!(text.len(), bytes);
        (whole.check(), Message::parse(&text).map(|_| ()))
    };
    assert_eq!(sized(MESSAGE_BYTES_MAX), (Ok(()), Ok(())));
    let bytes = MESSAGE_BYTES_MAX + 1;
    let refused = || Err(MessageError::TooLarge { bytes });
    assert_eq!(sized(bytes), (refused(), refused()));
}

#[test]
fn parts_are_put_together_without_what_is_null() {
    for kind in MessageKind::ALL {
        let text = text(*kind);
        let mut whole: Value = serde_json::from_str(&text).unwrap();
        let (mut header, mut body) = (whole["header"].take(), whole["body"].take());
        header["later"] = Value::Null;
        body["later"] = Value::Null;
        assert_eq!(Message::assemble(header, kind.code(), body), Ok(text), "{kind}");
    }
}

#[test]
fn refusals_have_their_codes() {
    let newer = text(MessageKind::Return).replace(r#""version":1"#, r#""version":2"#);
    let unknown = text(MessageKind::Return).replace("INSUFFICIENT_INFO", "OUT_OF_STOCK");
    let large = " ".repeat(MESSAGE_BYTES_MAX + 1);
    for (text, code) in [
        (newer, RefusalCode::VersionUnsupported),
        (unknown, RefusalCode::UnknownCode),
        (large, RefusalCode::BodyTooLarge),
        (" {}".to_owned(), RefusalCode::Invalid),
    ] {
        assert_eq!(Message::parse(&text).unwrap_err().refusal(), code);
    }
    let wrong_side = next_message(&submitted(), Side::Origin, sample(MessageKind::Retrieved));
    assert_eq!(wrong_side.check().unwrap_err().refusal(), RefusalCode::WrongSide);
}

#[test]
fn debug_output_says_nothing_of_the_content() {
    let message = message(MessageKind::Submission);
    let text = message.canonical().unwrap();
    let key = KeyId::parse("gd-consumer-council:2026a").unwrap();
    let signed = SignedMessage { text: text.clone(), jws: "a..b".to_owned(), key };
    assert_eq!(signed.digest(), Digest::of(text.as_bytes()));
    let shown = format!("{message:?} {signed:?}");
    assert!(shown.contains(GUANGDONG) && shown.contains(signed.digest().as_str()));
    for secret in ["陈大文", "chan@", "退款", "相机"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_text_survives(reference in any::<String>(), words in any::<String>()) {
        let history = submitted();
        let note = LangText { lang: Language::Portuguese, text: words };
        let returned = Return { code: ReturnCode::Criminal, note: Some(note) };
        for body in [Body::from(Acknowledgement { reference: reference.clone() }), Body::from(returned)] {
            let message = next_message(&history, Side::Target, body);
            prop_assert_eq!(&message.header.from, &author(Side::Target));
            let text = message.canonical().unwrap();
            prop_assert_eq!(Message::parse(&text), Ok(message));
        }
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in any::<String>(), at in any::<prop::sample::Index>()) {
        let _ = Message::parse(&text);
        let mut whole: Vec<char> = self::text(MessageKind::SessionReport).chars().collect();
        let at = at.index(whole.len());
        drop(whole.splice(at..at, text.chars()));
        let spoilt: String = whole.into_iter().collect();
        if let Ok(message) = Message::parse(&spoilt) {
            prop_assert_eq!(message.canonical(), Ok(spoilt));
        }
    }
}

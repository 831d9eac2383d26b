//! A command happens once.

use std::sync::Arc;

use domain::envelope::Revision;
use domain::id::CommandId;

use crate::contract::fixture::Scene;
use crate::digest::command_digest;
use crate::port::{AppendError, Appended, EventLog, Expected};

pub async fn a_repeated_command_gets_its_first_answer(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "repeated").await;
    let batch = scene.append("a", Expected::NoStream, "1", &["{}", "{}"]);
    let first = log.append(batch.clone()).await.unwrap();
    log.append(scene.append("a", Expected::At(first.last_revision), "2", &["{}"])).await.unwrap();
    let before = scene.events(&*log, &["a"]).await;

    let answer = Appended { repeated: true, ..first };
    assert_eq!(log.append(batch.clone()).await.unwrap(), answer, "although the stream has moved on");
    for expected in [Expected::NoStream, Expected::At(Revision::FIRST), Expected::At(Revision::new(77))] {
        let mut again = batch.clone();
        again.expected = expected;
        assert_eq!(log.append(again).await.unwrap(), answer, "whatever it expects");
    }
    assert_eq!(scene.events(&*log, &["a"]).await, before);
}

pub async fn a_repeated_command_is_known_on_any_stream(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "elsewhere").await;
    let first = log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let answer = log.append(scene.append("b", Expected::NoStream, "1", &["{}"])).await.unwrap();
    assert_eq!(answer, Appended { repeated: true, ..first });
    assert!(scene.events(&*log, &["b"]).await.is_empty());
}

pub async fn another_body_is_refused_and_changes_nothing(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "reused").await;
    let batch = scene.append("a", Expected::NoStream, "1", &["{}"]);
    let first = log.append(batch.clone()).await.unwrap();
    let right = Expected::At(first.last_revision);
    for (stream, expected) in [("a", right), ("a", Expected::NoStream), ("b", Expected::NoStream)] {
        let mut other = scene.append(stream, expected, "1", &["{}"]);
        other.command.digest = command_digest(b"another body");
        let refused = log.append(other).await;
        let Err(AppendError::CommandReused { command, stream }) = refused else { panic!("{refused:?}") };
        assert_eq!((command, stream), (batch.command.id, scene.stream("a")), "it tells where it was used before");
    }
    assert_eq!(scene.events(&*log, &["a", "b"]).await.len(), 1);
    assert!(log.append(batch).await.unwrap().repeated, "the first body still has its answer");
}

pub async fn a_refused_append_leaves_its_command_free(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "free").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let refused = log.append(scene.append("a", Expected::NoStream, "2", &["{}"])).await;
    assert!(matches!(refused, Err(AppendError::Conflict { .. })), "{refused:?}");
    assert_eq!(log.find_command(scene.command("2").id).await.unwrap(), None);
    let again = scene.append("a", Expected::At(Revision::FIRST), "2", &["{}"]);
    let appended = log.append(again).await.unwrap();
    assert!(!appended.repeated);
    assert_eq!(appended.first_revision, Revision::new(1));
}

pub async fn a_command_is_found(log: Arc<dyn EventLog>) {
    let scene = Scene::new(&*log, "find").await;
    log.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let batch = scene.append("a", Expected::At(Revision::FIRST), "2", &["{}", "{}", "{}"]);
    let appended = log.append(batch.clone()).await.unwrap();
    let found = log.find_command(batch.command.id).await.unwrap();
    assert_eq!(found, Some((batch.command.digest, Appended { repeated: true, ..appended })));
    let unknown = CommandId::derived(&["no such command", &batch.command.id.to_string()]);
    assert_eq!(log.find_command(unknown).await.unwrap(), None);
}

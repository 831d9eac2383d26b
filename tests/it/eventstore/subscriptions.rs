//! The subscription only says that there is something to read. Whatever becomes of it, everything is read.

use domain::envelope::Revision;
use event_log::contract::fixture::Scene;
use event_log::port::{EventLog as _, Expected};
use tests::double::{DoubleOptions, DoubleProcess, Fault, Kind};

use super::kit::{eventually, open, options, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hint_crosses_from_node_to_node() {
    let double = DoubleProcess::start();
    let (writer, reader) = (open(options(&double)).await, open(options(&double)).await);
    eventually("both have subscribed", || double.stats().subscriptions == 2).await;
    let scene = Scene::new(&*writer, "hint").await;
    let mut hint = reader.appended();
    let appended = writer.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let told = within(hint.wait_for(|head| *head >= Some(appended.last_position))).await.is_ok();
    assert!(told, "a node hears of what another has appended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_go_on_by_polling_while_there_is_no_subscription() {
    let double = DoubleProcess::start();
    let (writer, reader) = (open(options(&double)).await, open(options(&double)).await);
    eventually("both have subscribed", || double.stats().subscriptions == 2).await;
    double.fault(Fault::always(Kind::NoSubscriptions));
    double.fault(Fault::always(Kind::DropSubscriptions));
    let scene = Scene::new(&*reader, "polling").await;
    let mut expected = Expected::NoStream;
    for number in 0..10_u8 {
        let batch = scene.append("a", expected, &number.to_string(), &["{}"]);
        expected = Expected::At(writer.append(batch).await.unwrap().last_revision);
    }
    assert_eq!(scene.events(&*reader, &["a"]).await.len(), 10, "everything is read all the same");
    eventually("nobody is subscribed any more", || double.stats().subscriptions == 0).await;

    double.clear_all();
    eventually("both have subscribed again", || double.stats().subscriptions == 2).await;
    let mut hint = reader.appended();
    let last = writer.append(scene.append("a", Expected::At(Revision::new(9)), "last", &["{}"])).await.unwrap();
    let told = within(hint.wait_for(|head| *head >= Some(last.last_position))).await.is_ok();
    assert!(told, "and then the hint comes again");
    assert!(reader.stats().subscription_drops > 0, "{:?}", reader.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_appended_between_two_subscriptions_is_announced() {
    let double = DoubleProcess::start();
    let (writer, reader) = (open(options(&double)).await, open(options(&double)).await);
    let scene = Scene::new(&*writer, "between").await;
    let mut expected = Expected::NoStream;
    for round in 0..8_u8 {
        eventually("both have subscribed", || double.stats().subscriptions == 2).await;
        let mut hint = reader.appended();
        // The first event ends the subscriptions; the next one comes while there are none, and nothing comes behind it.
        double.fault(Fault::times(Kind::DropSubscriptions, 2));
        for part in ["one", "other"] {
            let batch = scene.append("a", expected, &format!("{round} {part}"), &["{}"]);
            expected = Expected::At(writer.append(batch).await.unwrap().last_revision);
        }
        let newest = writer.head().await.unwrap();
        let told = within(hint.wait_for(|head| *head >= newest)).await.is_ok();
        assert!(told, "round {round}: the reader is woken");
        double.clear(Kind::DropSubscriptions);
    }
    assert!(reader.stats().subscription_drops > 0, "{:?}", reader.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_is_subscribed_the_hint_comes_from_looking() {
    let faults = vec![Fault::always(Kind::NoSubscriptions)];
    let double = DoubleProcess::start_with(DoubleOptions { faults, ..DoubleOptions::default() });
    let (writer, reader) = (open(options(&double)).await, open(options(&double)).await);
    let scene = Scene::new(&*writer, "looking").await;
    let mut hint = reader.appended();
    let appended = writer.append(scene.append("a", Expected::NoStream, "1", &["{}"])).await.unwrap();
    let told = within(hint.wait_for(|head| *head >= Some(appended.last_position))).await.is_ok();
    assert!(told, "a node that cannot subscribe looks");
    assert_eq!(double.stats().subscriptions, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_never_counts_as_read() {
    let faults = vec![Fault::always(Kind::LossyCheckpoints)];
    let double = DoubleProcess::start_with(DoubleOptions { faults, ..DoubleOptions::default() });
    let (writer, reader) = (open(options(&double)).await, open(options(&double)).await);
    let scene = Scene::new(&*reader, "checkpoints").await;
    for number in 0..100_u8 {
        let name = number.to_string();
        writer.append(scene.append(&name, Expected::NoStream, &name, &["{}"])).await.unwrap();
    }
    let page = reader.read_all(scene.before, 1_000).await.unwrap();
    assert_eq!(page.events.len(), 100, "the events that the servers skipped are read");
    assert_eq!(reader.head().await.unwrap(), page.events.last().map(|event| event.position));
}

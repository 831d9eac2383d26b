use std::time::Duration;

use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(15);

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

async fn connected(connection: &Connection<&'static str>) -> u64 {
    connection.connected(soon(), async { Ok("client") }).await.unwrap().1
}

async fn not_to_be_made() -> Result<&'static str, Problem> {
    panic!("nobody may connect now")
}

fn lost() -> Problem {
    Problem::Lost("gone".to_owned())
}

#[tokio::test(start_paused = true)]
async fn one_connection_is_made_and_shared() {
    let connection = Connection::new();
    assert!(!connection.stats().connected);
    assert_eq!(connected(&connection).await, 1);
    assert_eq!(connection.connected(soon(), not_to_be_made()).await, Ok(("client", 1)));
    assert!(connection.stats().connected);
    connection.close();
    assert_eq!(connection.connected(soon(), async { Ok("client") }).await, Err(Problem::Closed));
}

#[tokio::test(start_paused = true)]
async fn attempts_to_connect_keep_their_distance_and_tell_the_reason() {
    let connection: Connection<&str> = Connection::new();
    let began = Instant::now();
    for _ in 0..8 {
        let refused = async { Err(Problem::Unconnected("refused".to_owned())) };
        assert!(connection.connected(soon(), refused).await.is_err());
    }
    assert!(began.elapsed() >= Duration::from_millis(25 + 50 + 100 + 200 + 400 + 800 + 1_000), "{began:?}");
    let LogHealth::Unready(fault) = connection.health.borrow().clone() else { panic!("it is unready") };
    assert_eq!(fault.code(), "LOG_UNREACHABLE");
    // Somebody without the time to wait is told what stood in the way.
    let told = connection.connected(Instant::now() + Duration::from_millis(1), not_to_be_made()).await;
    assert_eq!(told, Err(Problem::Unconnected("refused".to_owned())));
    connected(&connection).await;
    assert_eq!(*connection.health.borrow(), LogHealth::Ready);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_replace_the_connection() {
    let connection = Connection::new();
    let first = connected(&connection).await;
    let mut tries = Tries::default();
    for problem in [lost(), lost(), Problem::TimedOut] {
        connection.again(soon(), problem, Some(first), &mut tries).await.unwrap();
    }
    connection.went_well(first, false);
    for problem in [lost(), Problem::TimedOut, lost()] {
        connection.again(soon(), problem, Some(first), &mut tries).await.unwrap();
    }
    assert_eq!(connection.stats().reconnects, 0, "an answer between them begins the row anew");
    connection.again(soon(), Problem::TimedOut, Some(first), &mut tries).await.unwrap();
    assert_eq!((connection.stats().reconnects, connection.stats().connected), (1, false));
    // What failed on the old connection says nothing about the new one.
    let second = connected(&connection).await;
    for _ in 0..5 {
        connection.again(soon(), lost(), Some(first), &mut tries).await.unwrap();
    }
    assert_eq!((second, connection.stats().reconnects), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_replaced_before_anybody_asked_is_known_to_be() {
    let connection = Connection::new();
    let first = connected(&connection).await;
    assert!(timeout(PATIENCE, connection.replaced(first)).await.is_err(), "nothing has taken over");
    let gone = Problem::Unconnected("gone".to_owned());
    connection.again(soon(), gone, Some(first), &mut Tries::default()).await.unwrap();
    let second = connected(&connection).await;
    // Whoever got the first one and looks only now must not take the second one for its own.
    assert!(timeout(PATIENCE, connection.replaced(first)).await.is_ok());
    assert!(timeout(PATIENCE, connection.replaced(second)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_lead_is_left_at_the_second_time() {
    let connection = Connection::new();
    let first = connected(&connection).await;
    let (mut one, mut other) = (Tries::default(), Tries::default());
    for tries in [&mut one, &mut other] {
        connection.again(soon(), Problem::NotLeader, Some(first), tries).await.unwrap();
    }
    assert!(connection.stats().connected, "two callers who asked at once were told once each");
    connection.again(soon(), Problem::NotLeader, Some(first), &mut one).await.unwrap();
    assert!(!connection.stats().connected);
}

#[test]
fn a_client_is_kept_while_nobody_leads_and_not_for_ever() {
    let spare = Spare::new();
    let nobody = Problem::NoLeader("nobody leads".to_owned());
    let mut attempts = 1;
    spare.keep("client", 0, &nobody);
    while let Some((client, served)) = spare.take() {
        attempts += 1;
        spare.keep(client, served, &nobody);
    }
    assert_eq!(attempts, SPARE_MAX);
    // It stays on a node that is dead.
    for problem in [lost(), Problem::TimedOut, Problem::Unconnected("gone".to_owned()), Problem::Denied] {
        spare.keep("client", 0, &problem);
        assert_eq!(spare.take(), None, "{problem:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_given_back_at_once_and_all_else_in_the_end() {
    let connection: Connection<&str> = Connection::new();
    let mut tries = Tries::default();
    let began = Instant::now();
    assert_eq!(connection.again(soon(), Problem::Denied, None, &mut tries).await, Err(Problem::Denied));
    assert_eq!(began.elapsed(), Duration::ZERO);
    let deadline = soon();
    let mut attempts = 0;
    while connection.again(deadline, Problem::TimedOut, None, &mut tries).await.is_ok() {
        attempts += 1;
    }
    assert!((10..40).contains(&attempts), "{attempts}");
    assert!(Instant::now() < deadline);
}

#[tokio::test(start_paused = true)]
async fn after_an_append_was_given_up_reading_does_not_make_the_log_ready() {
    let connection = Connection::new();
    let generation = connected(&connection).await;
    connection.gave_up(&Problem::Unconfirmed("no majority".to_owned()), true);
    connection.went_well(generation, false);
    assert!(matches!(&*connection.health.borrow(), LogHealth::Unready(LogFault::NoLeader { .. })));
    connection.went_well(generation, true);
    assert_eq!(*connection.health.borrow(), LogHealth::Ready);
    connection.gave_up(&Problem::NotFound, false);
    assert_eq!(*connection.health.borrow(), LogHealth::Ready, "it is no matter of the way");
    connection.gave_up(&Problem::Denied, false);
    assert_eq!(*connection.health.borrow(), LogHealth::Unready(LogFault::Credentials));
}

//! What the program's log says of an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_log::fault::LogFault;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;

type Lines = Arc<Mutex<Vec<(Level, String)>>>;

/// Takes what this module tells.
struct Told(Lines);

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "projections::following"
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        self.0.lock().unwrap().push((*event.metadata().level(), message.0));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// An empty log that cannot be read while it is down.
struct Weather {
    down: Arc<AtomicBool>,
}

impl Follows for Weather {
    const THREAD: &'static str = "weather";
    const WHAT: &'static str = "The weather";

    fn page(&mut self) -> Result<Page, ReadError> {
        if self.down.load(Ordering::SeqCst) { Err(LogFault::TimedOut.into()) } else { Ok(Page::default()) }
    }

    fn apply(&mut self, _events: &[RecordedEvent]) -> Result<(), Stuck> {
        Ok(())
    }
}

fn worker(down: &Arc<AtomicBool>, clock: &Arc<Mutex<Instant>>) -> Worker<Weather> {
    let (clock, (_announce, appended), (_stop, stopped)) =
        (Arc::clone(clock), watch::channel(None), watch::channel(false));
    Worker {
        follows: Weather { down: Arc::clone(down) },
        appended,
        listening: true,
        stopped,
        poll: RETRY_AFTER,
        announce: watch::Sender::new(FollowerState::Running),
        outage: Outage::default(),
        now: Box::new(move || *clock.lock().unwrap()),
    }
}

#[test]
fn an_outage_is_told_when_it_begins_now_and_then_while_it_lasts_and_once_when_it_is_over() {
    let (down, clock) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Instant::now())));
    let mut worker = worker(&down, &clock);
    let lines = Lines::default();
    tracing::subscriber::with_default(Told(Arc::clone(&lines)), || {
        for _ in 0..100 {
            assert!(matches!(worker.look(), Then::Wait(pause) if pause == RETRY_AFTER), "it is tried again");
            *clock.lock().unwrap() += RETRY_AFTER;
        }
        down.store(false, Ordering::SeqCst);
        for _ in 0..3 {
            worker.look();
        }
    });
    let lines = lines.lock().unwrap().clone();
    let levels: Vec<Level> = lines.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::WARN, Level::WARN, Level::WARN, Level::WARN, Level::INFO], "{lines:?}");
    assert!(lines[0].1.starts_with("The weather could not be brought up to date, trying again: "), "{lines:?}");
    assert!(lines[3].1.contains("for 60 s in 61 tries: "), "{lines:?}");
    assert_eq!(lines[4].1, "The weather can be brought up to date again, after 100 s and 100 tries that failed");
}

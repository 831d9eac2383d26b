//! What tells how a node fares among others: the leases it holds, and its way to the log that they share.

use std::sync::Arc;

use event_log::eventstore::EventStoreStats;
use opentelemetry::KeyValue;

use super::Metrics;

/// A number of the store that only grows: its name, what it counts, and where it stands.
type Count = (&'static str, &'static str, fn(&EventStoreStats) -> u64);

/// `_total` is appended to counters as they are printed.
const COUNTS: [Count; 6] = [
    ("eventstore_appends", "Appends that the log's servers were asked for", |stats| stats.appends),
    ("eventstore_append_retries", "Appends that were made again", |stats| stats.append_retries),
    ("eventstore_unknown_outcomes", "Attempts to append whose outcome had to be looked up", |stats| {
        stats.unknown_outcomes
    }),
    ("eventstore_reads", "Reads that the log's servers were asked for", |stats| stats.reads),
    ("eventstore_reconnects", "Connections made anew to the log's servers", |stats| stats.reconnects),
    ("eventstore_subscription_drops", "Times that the log's servers ended the announcing of news", |stats| {
        stats.subscription_drops
    }),
];

impl Metrics {
    /// Asks `look` which leases this node tries for, and which of them it holds, whenever metrics are read. It must
    /// answer at once.
    pub fn observe_leases(&self, look: impl Fn() -> Vec<(&'static str, bool)> + Send + Sync + 'static) {
        self.meter
            .u64_observable_gauge("baycase_lease_held")
            .with_description("Whether this node does the work that one node at a time does for all")
            .with_callback(move |gauge| {
                for (name, held) in look() {
                    gauge.observe(u64::from(held), &[KeyValue::new("name", name)]);
                }
            })
            .build();
    }

    /// Asks `look` for the code of the reason why this node serves nothing, `None` while it serves, whenever metrics
    /// are read. It must answer at once. There is a line while there is a reason, and none otherwise.
    pub fn observe_barred(&self, look: impl Fn() -> Option<&'static str> + Send + Sync + 'static) {
        self.meter
            .u64_observable_gauge("baycase_barred")
            .with_description("A node that serves nothing because of its log; the code says why")
            .with_callback(move |gauge| {
                if let Some(code) = look() {
                    gauge.observe(1, &[KeyValue::new("code", code)]);
                }
            })
            .build();
    }

    /// Asks `look` how the log on a cluster fares, whenever metrics are read. It must answer at once.
    pub fn observe_eventstore(&self, look: impl Fn() -> EventStoreStats + Send + Sync + 'static) {
        let look = Arc::new(look);
        for (name, description, count) in COUNTS {
            let look = Arc::clone(&look);
            self.meter
                .u64_observable_counter(name)
                .with_description(description)
                .with_callback(move |counter| counter.observe(count(&look()), &[]))
                .build();
        }
        self.observe_number("eventstore_connected", "Whether a connection to the log's servers stands", move || {
            u64::from(look().connected)
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use opentelemetry_sdk::Resource;

    use super::*;

    fn stats() -> EventStoreStats {
        EventStoreStats {
            appends: 1,
            append_retries: 2,
            unknown_outcomes: 3,
            reads: 4,
            reconnects: 5,
            subscription_drops: 6,
            connected: true,
        }
    }

    #[test]
    fn a_bar_is_shown_with_its_code_while_it_is_down() {
        let metrics = Metrics::new(Resource::builder_empty().with_service_name("test").build()).unwrap();
        let code = Arc::new(Mutex::new(None));
        let shown = Arc::clone(&code);
        metrics.observe_barred(move || *shown.lock().unwrap());
        let lines = || -> Vec<String> {
            let text = metrics.encode();
            text.lines().filter(|line| line.starts_with("baycase_barred")).map(str::to_owned).collect()
        };
        assert!(lines().is_empty());
        *code.lock().unwrap() = Some("LOG_NOT_INSTALLED");
        assert_eq!(lines(), [r#"baycase_barred{code="LOG_NOT_INSTALLED"} 1"#]);
        *code.lock().unwrap() = Some("CHECKPOINT_BEYOND_LOG");
        assert_eq!(lines(), [r#"baycase_barred{code="CHECKPOINT_BEYOND_LOG"} 1"#]);
        *code.lock().unwrap() = None;
        assert!(lines().is_empty());
    }

    #[test]
    fn leases_and_the_way_to_the_log_are_shown() {
        let metrics = Metrics::new(Resource::builder_empty().with_service_name("test").build()).unwrap();
        metrics.observe_leases(|| vec![("process-manager", true), ("exchange-sweep", false)]);
        metrics.observe_eventstore(stats);
        let text = metrics.encode();
        for line in [
            r#"baycase_lease_held{name="process-manager"} 1"#,
            r#"baycase_lease_held{name="exchange-sweep"} 0"#,
            "eventstore_appends_total 1",
            "eventstore_append_retries_total 2",
            "eventstore_unknown_outcomes_total 3",
            "eventstore_reads_total 4",
            "eventstore_reconnects_total 5",
            "eventstore_subscription_drops_total 6",
            "eventstore_connected 1",
        ] {
            assert!(text.lines().any(|candidate| candidate == line), "{line}\n{text}");
        }
    }
}

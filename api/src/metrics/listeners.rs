//! The connections of each listener.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::Look;

/// The connections of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open now.
    pub open: u64,
    /// Closed as soon as they came, since the start: their address had as many as it may.
    pub refused: u64,
    /// Closed because no request came in time, since the start: neither a first one nor another.
    pub timed_out: u64,
}

type Looks = RwLock<Vec<(&'static str, Look<Connections>)>>;

/// Whom to ask when metrics are read, by the name of the listener.
#[derive(Clone, Default)]
pub(super) struct Listeners(Arc<Looks>);

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}

impl Listeners {
    /// None yet; those that are added are shown.
    pub(super) fn shown_by(meter: &Meter) -> Self {
        let listeners = Self::default();
        let of_open = listeners.clone();
        meter
            .u64_observable_gauge("listener_connections")
            .with_description("Connections open at a listener")
            .with_callback(move |gauge| of_open.each(|labels, connections| gauge.observe(connections.open, labels)))
            .build();
        let of_refused = listeners.clone();
        // `_total` is appended to counters as they are printed.
        meter
            .u64_observable_counter("listener_refused_connections")
            .with_description("Connections closed because their address had too many")
            .with_callback(move |sum| of_refused.each(|labels, connections| sum.observe(connections.refused, labels)))
            .build();
        let of_late = listeners.clone();
        meter
            .u64_observable_counter("listener_timed_out_connections")
            .with_description("Connections closed because no request came in time")
            .with_callback(move |sum| of_late.each(|labels, connections| sum.observe(connections.timed_out, labels)))
            .build();
        listeners
    }

    /// Adds a listener, or takes the place of one of that name.
    pub(super) fn add(&self, name: &'static str, look: Look<Connections>) {
        let mut listeners = self.0.write().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|(known, _)| *known != name);
        listeners.push((name, look));
    }

    fn each(&self, visit: impl Fn(&[KeyValue], Connections)) {
        let listeners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (name, look) in listeners.iter() {
            visit(&[KeyValue::new("listener", *name)], look());
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::Resource;

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn connections_are_shown_by_listener() {
        let metrics = Metrics::new(Resource::builder_empty().with_service_name("test").build()).unwrap();
        metrics.observe_connections("api", || Connections { open: 9, refused: 9, timed_out: 9 });
        metrics.observe_connections("api", || Connections { open: 3, refused: 1, timed_out: 2 });
        metrics.observe_connections("admin", Connections::default);

        let text = metrics.encode();
        for line in [
            r#"listener_connections{listener="api"} 3"#,
            r#"listener_connections{listener="admin"} 0"#,
            r#"listener_refused_connections_total{listener="api"} 1"#,
            r#"listener_timed_out_connections_total{listener="api"} 2"#,
        ] {
            assert!(text.lines().any(|candidate| candidate == line), "{line}\n{text}");
        }
    }
}

//! Which process this is, among those that serve the same log.

use std::fs;

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

use crate::config::{NodeConfig, is_node_name};

/// Where the system tells the name of the host.
const HOST_NAME_FILES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];

/// This process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What people call it: the configured name, the host's, or a random one.
    pub name: Box<str>,
    /// Who it is in leases: its name and an id of this start, so that no start takes another's lease for its own.
    pub holder: Box<str>,
}

impl Node {
    /// The process that starts now.
    #[must_use]
    pub fn of(config: &NodeConfig, now: DateTime<Utc>) -> Self {
        Self::named(config.name.clone().or_else(host_name), now)
    }

    fn named(name: Option<String>, now: DateTime<Utc>) -> Self {
        let start = start_id(now);
        let name = name.unwrap_or_else(|| {
            // Of the random half: starts of one moment differ in it.
            let (_, random) = start.rsplit_once('-').unwrap_or_default();
            format!("node-{random}")
        });
        Self { holder: format!("{name}/{start}").into(), name: name.into() }
    }
}

/// A fresh id that sorts by time.
fn start_id(now: DateTime<Utc>) -> String {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())).to_string()
}

/// The host's name, where the system tells one that can be a node's.
fn host_name() -> Option<String> {
    HOST_NAME_FILES.iter().find_map(|file| {
        let name = fs::read_to_string(file).ok()?.trim().to_owned();
        is_node_name(&name).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use cross_border::delivery::HOLDER_CHARS_MAX;

    use super::*;
    use crate::config::NODE_NAME_CHARS_MAX;

    #[test]
    fn two_starts_of_a_node_are_two_holders() {
        let now = crate::clock::now();
        let config = NodeConfig { name: Some("baycase-1".to_owned()), ..NodeConfig::default() };
        let (one, two) = (Node::of(&config, now), Node::of(&config, now));
        assert_eq!((&*one.name, &one.name), ("baycase-1", &two.name));
        assert!(one.holder.starts_with("baycase-1/"));
        assert_ne!(one.holder, two.holder);
    }

    #[test]
    fn a_node_without_a_name_gets_one() {
        let now = crate::clock::now();
        let (one, two) = (Node::named(None, now), Node::named(None, now));
        assert!(is_node_name(&one.name) && one.name.starts_with("node-"), "{one:?}");
        assert_ne!(one.name, two.name);
        assert!(is_node_name(&Node::of(&NodeConfig::default(), now).name));
    }

    #[test]
    fn the_longest_name_fits_where_a_delivery_names_who_holds_it() {
        let name = Some("n".repeat(NODE_NAME_CHARS_MAX));
        assert!(Node::named(name, crate::clock::now()).holder.chars().count() <= HOLDER_CHARS_MAX);
    }
}

//! The cluster as one end of a copy.

use std::sync::Arc;

use domain::envelope::Position;
use event_log::copy::Copied;
use event_log::eventstore::{EventStoreLog, EventStoreOptions};
use event_log::port::EventLog as _;
use indicatif::ProgressBar;
use tokio::sync::mpsc;

use super::error::CopyError;
use super::{Manner, READ_EVENTS};
use crate::commands::Failure;
use crate::config::Config;
use crate::log::eventstore_options;

/// What a reader of the cluster hands on.
pub(super) enum Fed {
    Events(Vec<Copied>),
    /// Everything was read. Without it the reading broke off.
    End,
}

/// Where the cluster is: its connection string without the options.
pub(super) fn place(config: &Config) -> String {
    let connection = config.log.eventstore.connection.as_deref().unwrap_or_default();
    connection.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// Opens the cluster of the configuration.
///
/// # Errors
/// None is configured, or it is not to be had; nothing is waited for yet, because the user is still there.
pub(super) async fn open(
    config: &Config,
    adapt: impl FnOnce(EventStoreOptions) -> EventStoreOptions,
) -> Result<Arc<EventStoreLog>, Failure> {
    let options = adapt(eventstore_options(config, Arc::new(crate::clock::now))?);
    // Boxed: a large future.
    let log = Box::pin(EventStoreLog::open(options)).await.map_err(CopyError::Open)?;
    Ok(Arc::new(log))
}

/// The newest position.
pub(super) async fn head(log: &EventStoreLog, manner: &Manner) -> Result<Option<Position>, CopyError> {
    manner.patience.with(async || log.head().await).await?.map_err(CopyError::ReadCluster)
}

/// Reads the log behind `after` up to `head`, where it ended when the copy began, for as long as somebody takes it.
///
/// # Errors
/// The log cannot be read, or goes on behind `head`.
pub(super) async fn feed(
    log: &EventStoreLog,
    after: Option<Position>,
    head: Option<Position>,
    out: mpsc::Sender<Fed>,
    manner: &Manner,
    bar: &ProgressBar,
) -> Result<(), CopyError> {
    let mut after = after;
    loop {
        let read = manner.patience.with(async || log.read_all_with_commands(after, READ_EVENTS).await).await?;
        let (events, at_end) = read.map_err(CopyError::ReadCluster)?;
        if let Some((last, ..)) = events.last() {
            if Some(last.position) > head {
                return Err(CopyError::StillWritten);
            }
            after = Some(last.position);
            bar.set_position(last.position.get());
        }
        if !events.is_empty() && out.send(Fed::Events(events)).await.is_err() {
            // Whoever took them has failed, and says why.
            return Ok(());
        }
        if at_end {
            // As above.
            let _told = out.send(Fed::End).await;
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_named_without_its_options() {
        let mut config = Config::default();
        assert_eq!(place(&config), "");
        for (connection, named) in [
            ("esdb://one:2113?tls=true", "esdb://one:2113"),
            ("esdb://one:2113,two:2113/?tls=true", "esdb://one:2113,two:2113"),
            ("esdb+discover://name", "esdb+discover://name"),
        ] {
            config.log.eventstore.connection = Some(connection.to_owned());
            assert_eq!(place(&config), named);
        }
    }

    #[tokio::test]
    async fn a_configuration_without_a_cluster_is_told() {
        let refused = open(&Config::default(), |options| options).await.unwrap_err();
        assert!(refused.to_string().contains("log.eventstore.connection"), "{refused}");
    }
}

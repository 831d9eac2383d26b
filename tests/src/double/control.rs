//! The control port: what a test tells a double while it runs, one JSON object a line each way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::faults::{Fault, Kind};
use super::record::Stored;
use super::serve::Shared;
use super::store::{Expected, Outcome, Proposal};

/// What a double can be told, as `{"do":"fault","fault":"cut-after:every=7"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Order {
    /// Sets a fault, written as on the command line.
    Fault {
        fault: String,
    },
    /// Takes the faults of a kind away, or all of them.
    Clear {
        kind: Option<String>,
    },
    /// A node dies: its port is closed and its connections are cut.
    KillNode {
        node: usize,
    },
    /// A node comes back.
    ReviveNode {
        node: usize,
    },
    /// A node takes the lead.
    Lead {
        node: usize,
    },
    /// Appends an event that no client of ours has written.
    Append {
        stream: String,
        kind: String,
        metadata: String,
        data: String,
        /// With a commit position that is not its prepare position.
        #[serde(default)]
        split: bool,
    },
    /// Sets the metadata of a stream: `$tb`, `$maxCount`.
    StreamMetadata {
        stream: String,
        metadata: String,
    },
    /// Deletes a stream so that it can come back.
    Delete {
        stream: String,
    },
    /// Deletes a stream for ever.
    Tombstone {
        stream: String,
    },
    /// Removes what streams do not show any more.
    Scavenge,
    /// Lets another user in from now on, or everybody.
    User {
        user: Option<String>,
    },
    /// Every event of a stream that stands in the file.
    Read {
        stream: String,
    },
    Stats,
}

/// Answers whoever connects.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        if let Ok((socket, _from)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                // A test that goes away in the middle of a line has nothing more to say.
                let _gone = answer(&shared, socket).await;
            });
        }
    }
}

async fn answer(shared: &Shared, socket: TcpStream) -> io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let done = serde_json::from_str(&line).map_err(|error| error.to_string()).and_then(|order| obey(shared, order));
        let answer = match done {
            Ok(value) => json!({"ok": value}),
            Err(error) => json!({"error": error}),
        };
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

fn obey(shared: &Shared, order: Order) -> Result<Value, String> {
    let broken = |error: io::Error| error.to_string();
    match order {
        Order::Fault { fault } => shared.faults.set(fault.parse::<Fault>()?),
        Order::Clear { kind } => shared.faults.clear(kind.as_deref().map(str::parse::<Kind>).transpose()?),
        Order::KillNode { node } => shared.cluster.kill(known(shared, node)?),
        Order::ReviveNode { node } => shared.cluster.revive(known(shared, node)?),
        Order::Lead { node } => shared.cluster.lead(known(shared, node)?),
        Order::Append { stream, kind, metadata, data, split } => {
            let unique = format!("{stream} {}", shared.store.kept().index.events());
            let proposal = Proposal {
                id: Uuid::new_v5(&Uuid::NAMESPACE_OID, unique.as_bytes()),
                kind,
                json: serde_json::from_str::<Value>(&data).is_ok(),
                split,
                metadata: metadata.into_bytes().into(),
                data: data.into_bytes().into(),
            };
            let outcome = shared.store.append(&stream, Expected::Any, &[proposal]).map_err(broken)?;
            let Outcome::Appended { last, position } = outcome else { return Err(format!("{outcome:?}")) };
            return Ok(json!({"revision": last, "position": position}));
        }
        Order::StreamMetadata { stream, metadata } => {
            shared.store.set_metadata(&stream, &metadata).map_err(broken)?;
        }
        Order::Delete { stream } => {
            shared.store.set_metadata(&stream, "{\"$tb\":9223372036854775807}").map_err(broken)?;
        }
        Order::Tombstone { stream } => {
            shared.store.tombstone(&stream).map_err(broken)?;
        }
        Order::Scavenge => shared.store.scavenge().map_err(broken)?,
        Order::User { user } => shared.set_user(user.as_deref()),
        Order::Read { stream } => {
            let events = shared.store.everything_of(&stream).map_err(broken)?;
            return Ok(events.iter().map(shown).collect());
        }
        Order::Stats => return Ok(stats(shared)),
    }
    Ok(Value::Null)
}

fn known(shared: &Shared, node: usize) -> Result<usize, String> {
    if node < shared.cluster.ports.len() { Ok(node) } else { Err(format!("there is no node {node}")) }
}

fn shown(event: &Stored) -> Value {
    json!({
        "revision": event.revision,
        "position": event.position,
        "id": event.id.to_string(),
        "kind": event.kind(),
        "json": event.json,
        "metadata": String::from_utf8_lossy(&event.metadata),
        "data": String::from_utf8_lossy(&event.data),
    })
}

fn stats(shared: &Shared) -> Value {
    let kept = shared.store.kept();
    json!({
        "events": kept.index.events(),
        "streams": kept.index.streams(),
        "appends": kept.appends,
        "connections": shared.connections.load(Ordering::Relaxed),
        "subscriptions": shared.subscriptions.load(Ordering::Relaxed),
        "strikes": shared.faults.struck(),
        "leader": shared.cluster.leader().filter(|_| shared.has_quorum()),
    })
}

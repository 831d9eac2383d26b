//! The protocol double of EventStoreDB as a process of its own.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use serde_json::json;
use tests::double::serve::{Options, start};
use tests::double::{Fault, Kind};

/// A protocol double of EventStoreDB, for tests only.
///
/// It speaks the protocol that the real client speaks, over one append-only file, and does on purpose what servers and
/// networks do by accident. It is no server of anybody's data. Where it listens it says in one line of JSON on standard
/// output: {"nodes":[PORT,...],"control":PORT}.
#[derive(Debug, Parser)]
#[command(name = "eventstore-double-under-test")]
struct Args {
    /// The file of the log; it is made when there is none.
    #[arg(long)]
    data: PathBuf,
    /// The port of a node, once for each node; 0 for any.
    #[arg(long = "port", default_values_t = [0_u16])]
    ports: Vec<u16>,
    /// The port where it takes orders; 0 for any.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// The name that nodes are told by.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The only user that is let in, as NAME:PASSWORD.
    #[arg(long)]
    user: Option<String>,
    /// The certificate of every node, as PEM.
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// The key of the certificate, as PEM.
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// Largest append in bytes.
    #[arg(long, default_value_t = 1_048_576)]
    max_append_bytes: u32,
    /// What it says its version is.
    #[arg(long, default_value = "24.10.4")]
    server_version: String,
    /// Writes an event of the server's own before every so many appends; 0 for none.
    #[arg(long, default_value_t = 5)]
    noise: u32,
    /// Forces every append to the disk before it is answered.
    #[arg(long)]
    fsync: bool,
    /// Leaves acknowledgements of what was read to the system, which delays them by some 40 ms.
    #[arg(long)]
    delayed_acks: bool,
    /// Sets a fault from the start: NAME[:every=N,times=N,ms=N].
    #[arg(long = "fault")]
    faults: Vec<Fault>,
    /// Ends when standard input does.
    #[arg(long)]
    with_parent: bool,
}

/// What stands below the options: the faults, and the orders of the control port.
fn more() -> String {
    let mut text = String::from("Faults, as NAME or NAME:every=N,times=N,ms=N (always, unless it says otherwise):\n");
    for (_, name, what) in Kind::ALL {
        writeln!(text, "  {name:20} {what}").unwrap();
    }
    text.push_str(
        r#"
The control port takes one JSON object a line and answers {"ok":...} or {"error":"..."}:
  {"do":"fault","fault":"cut-after:every=7"}   {"do":"clear","kind":"cut-after"}   {"do":"clear"}
  {"do":"kill-node","node":0}   {"do":"revive-node","node":0}   {"do":"lead","node":1}
  {"do":"append","stream":"s","kind":"k","metadata":"{}","data":"{}","split":false}
  {"do":"stream-metadata","stream":"s","metadata":"{\"$tb\":2}"}   {"do":"delete","stream":"s"}
  {"do":"tombstone","stream":"s"}   {"do":"scavenge"}   {"do":"user","user":"admin:changeit"}
  {"do":"read","stream":"s"}   {"do":"stats"}"#,
    );
    text
}

#[tokio::main]
async fn main() {
    let matches = Args::command().after_help(more()).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let options = Options {
        data: args.data,
        ports: args.ports,
        control_port: args.control_port,
        host: args.host,
        user: args.user,
        tls: args.cert.zip(args.key),
        max_append_bytes: args.max_append_bytes,
        version: args.server_version,
        noise: args.noise,
        fsync: args.fsync,
        delayed_acks: args.delayed_acks,
        faults: args.faults,
    };
    let listening = start(options).await.unwrap();
    let line = json!({"nodes": listening.nodes, "control": listening.control});
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
    drop(out);
    if args.with_parent {
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        // However the standard input ends, whoever held it is gone.
        let _gone = ended.await;
    } else {
        std::future::pending::<()>().await;
    }
}

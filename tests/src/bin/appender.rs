//! Appends events until it is killed, telling a witness on standard output what it tries and what was acknowledged.
#![expect(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use domain::envelope::NewEvent;
use domain::id::{CommandId, StreamId};
use event_log::digest::command_digest;
use event_log::port::{Append, CommandRef, EventLog as _, Expected};
use event_log::sqlite::{SqliteLog, SqliteOptions};

const WRITERS: u64 = 4;

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let path = PathBuf::from(args.next().unwrap());
    let cycle = args.next().unwrap();
    let options = SqliteOptions { create: true, ..SqliteOptions::new(Arc::new(api::clock::now)) };
    let log = Arc::new(SqliteLog::open(&path, options).unwrap());
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (log, cycle) = (Arc::clone(&log), cycle.clone());
        writers.push(async move {
            for number in 0_u64.. {
                let name = format!("{cycle}-{writer}-{number}");
                let command = CommandId::derived(&["crash", &name]);
                let stream = StreamId::parse(&format!("complaint-{name}")).unwrap();
                let id = command.event(&stream, 0);
                say(&format!("try {id}"));
                let event = NewEvent {
                    id,
                    kind: "complaint.noted",
                    schema: 1,
                    occurred_at: api::clock::now(),
                    metadata: "{}".into(),
                    payload: format!("{{\"kind\":\"call\",\"text\":\"{name}\"}}").into(),
                };
                let append = Append {
                    stream,
                    expected: Expected::NoStream,
                    command: CommandRef { id: command, digest: command_digest(name.as_bytes()) },
                    events: vec![event],
                };
                let appended = log.append(append).await.unwrap();
                say(&format!("ack {id} {}", appended.last_position));
            }
        });
    }
    futures_util::future::join_all(writers).await;
}

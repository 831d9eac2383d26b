//! What a vault node answers. Nothing of a key is in its log, and no key is ever opened here.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use event_log::vault::file::FileKeys;
use event_log::vault::keys::{Answer, Cursor, KEYS_PER_CALL_MAX, KeyRow, KeyStore as _, News, StoredKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::gate::{self, Gate, NamedPeers, VaultPeer};
use super::link::{Link, client};
use super::mirror::{Mirror, local};
use super::node::VaultNode;
use super::wire::{
    BODY_BYTES_MAX, Bytes, CHECK_VALUE, CheckRequest, DESTROY, DESTROYED_SINCE, DestroyRequest, FIND, Fault, FaultBody,
    FaultCode, FindRequest, Gone, INSERT_MISSING, InsertRequest, MIRROR_CHECK_VALUE, MIRROR_MERGE, MIRROR_ROWS,
    MergeRequest, Micros, Reply, Row, RowsRequest, SinceRequest, Stored, check_count,
};
use crate::commands::Failure;
use crate::commands::serve::{bind, serve_until};
use crate::config::VaultNodeConfig;
use crate::edge::body::{self, Unread};
use crate::listen::Limits;
use crate::metrics::Metrics;
use crate::partner::tls::{TlsFiles, TlsListener, server_config};
use crate::shutdown::Shutdown;

/// What the listener takes: the API nodes keep a few connections each, quiet ones among them.
const LIMITS: Limits =
    Limits { header_timeout: Duration::from_secs(120), connections_max: 1_024, connections_per_address_max: 256 };
/// Time for the body of a request to come in.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the file at `path` for a vault node, or makes one where there is none and `create` says so. `shutdown` waits
/// for what the node is asked to write.
///
/// # Errors
/// The file cannot be used, or the certificates towards the standby cannot.
pub fn open(
    shutdown: &Shutdown,
    path: &Path,
    config: &VaultNodeConfig,
    create: bool,
) -> Result<Arc<VaultNode>, Failure> {
    let keys = Arc::new(FileKeys::open(path, create)?);
    let mirror = match &config.standby {
        Some(url) => {
            let http = client(files(config).as_ref(), config.standby_timeout())?;
            Some(Mirror::new(Link::new(http, url)?, config.standby_required))
        }
        None => None,
    };
    Ok(Arc::new(VaultNode::new(keys, config.role, mirror, shutdown.clone())))
}

/// Binds the listener and begins to serve; answers where, and whether over TLS. A primary hears first from its standby
/// what is destroyed there.
///
/// # Errors
/// The address is taken, or the certificates or the names of `vault_node.mirror_clients` cannot be used.
pub async fn serve(
    shutdown: &Shutdown,
    config: &VaultNodeConfig,
    node: Arc<VaultNode>,
    metrics: &Metrics,
) -> Result<(SocketAddr, bool), Failure> {
    let tls = files(config).as_ref().map(server_config).transpose()?;
    let names = gate::names(&config.mirror_clients)?;
    // Before anybody can come in, so that nodes are turned away at once and read from the standby meanwhile.
    tokio::select! {
        () = shutdown.begun() => {}
        () = node.hear_of_destroyed() => {}
    }
    let listener = bind(metrics, "vault", config.listen, LIMITS).await?;
    let addr = listener.addr()?;
    if tls.is_none() && !addr.ip().is_loopback() {
        return Err(
            "without certificates a vault node serves this machine alone: set vault_node.listen to a loopback \
                    address, or vault_node.cert_file, key_file and client_ca_file"
                .into(),
        );
    }
    let is_tls = tls.is_some();
    match tls {
        Some(tls) => {
            let gate = if names.is_empty() { Gate::Closed } else { Gate::Named };
            let listener = TlsListener::new(listener, tls).for_clients("the vault's nodes");
            serve_until(shutdown, NamedPeers::new(listener, names), router(node, gate));
        }
        None => serve_until(shutdown, listener, router(node, Gate::ThisMachine)),
    }
    Ok((addr, is_tls))
}

/// The certificates, where all three are named; the configuration refuses to name some of them.
fn files(config: &VaultNodeConfig) -> Option<TlsFiles> {
    let (certificate, key) = (config.cert_file.clone()?, config.key_file.clone()?);
    Some(TlsFiles { certificate, key, client_ca: config.client_ca_file.clone()? })
}

/// The routes of a vault node; `gate` says who may speak to those of its mirror.
pub(super) fn router(node: Arc<VaultNode>, gate: Gate) -> Router {
    let mirror = Router::new()
        .route(MIRROR_MERGE, post(mirror_merge))
        .route(MIRROR_ROWS, post(mirror_rows))
        .route(MIRROR_CHECK_VALUE, post(mirror_check_value))
        .route_layer(from_fn_with_state((Arc::clone(&node), gate), let_in));
    Router::new()
        .route(FIND, post(find))
        .route(INSERT_MISSING, post(insert_missing))
        .route(DESTROY, post(destroy))
        .route(DESTROYED_SINCE, post(destroyed_since))
        .route(CHECK_VALUE, post(check_value))
        .merge(mirror)
        .with_state(node)
}

/// Lets nobody to the mirror but whom the gate knows.
async fn let_in(State((node, gate)): State<(Arc<VaultNode>, Gate)>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<VaultPeer>>().map(|ConnectInfo(peer)| *peer);
    match gate.check(peer) {
        Ok(()) => next.run(request).await,
        Err(fault) => respond::<()>(&node, Err(fault)),
    }
}

type Node = State<Arc<VaultNode>>;

async fn find(State(node): Node, body: Body) -> Response {
    respond(&node, found(&node, body).await)
}

async fn found(node: &VaultNode, body: Body) -> Result<Reply<Vec<Option<Stored>>>, Fault> {
    let ask: FindRequest = read(body).await?;
    check_count(ask.subjects.len())?;
    node.must_know_everything()?;
    let Answer { given, as_of } = node.find(ask.subjects).await?;
    let given = given.into_iter().map(|key| key.map(Stored::from)).collect();
    Ok(node.reply(Answer { given, as_of }))
}

async fn insert_missing(State(node): Node, body: Body) -> Response {
    respond(&node, inserted(&node, body).await)
}

async fn inserted(node: &Arc<VaultNode>, body: Body) -> Result<Reply<Vec<Stored>>, Fault> {
    let ask: InsertRequest = read(body).await?;
    check_count(ask.keys.len())?;
    node.must_be_primary()?;
    let Micros(created_at) = ask.at;
    let rows = ask.keys.into_iter().map(|made| {
        let key = StoredKey::Wrapped(made.wrapped.0);
        KeyRow { subject: made.subject, created_at, key }
    });
    let standing = node.insert(rows.collect()).await?;
    Ok(node.reply(stored(standing)))
}

async fn destroy(State(node): Node, body: Body) -> Response {
    respond(&node, destroyed(&node, body).await)
}

async fn destroyed(node: &Arc<VaultNode>, body: Body) -> Result<Reply<Micros>, Fault> {
    let ask: DestroyRequest = read(body).await?;
    node.must_be_primary()?;
    let Answer { given, as_of } = node.destroy(ask.subject, ask.at.0).await?;
    Ok(node.reply(Answer { given: Micros(given), as_of }))
}

async fn destroyed_since(State(node): Node, body: Body) -> Response {
    respond(&node, news(&node, body).await)
}

async fn news(node: &VaultNode, body: Body) -> Result<Reply<Gone>, Fault> {
    let ask: SinceRequest = read(body).await?;
    node.must_know_everything()?;
    let since: Option<Cursor> = ask.since.map(Cursor::from);
    let news = local(node.keys(), move |keys| keys.destroyed_since(since)).await?;
    let as_of = news.upto();
    let given = match news {
        News::Destroyed { subjects, .. } => Some(subjects),
        News::Lost { .. } => None,
    };
    Ok(node.reply(Answer { given, as_of }))
}

async fn check_value(State(node): Node, body: Body) -> Response {
    respond(&node, checked(&node, body).await)
}

async fn checked(node: &Arc<VaultNode>, body: Body) -> Result<Reply<Option<Bytes>>, Fault> {
    let ask: CheckRequest = read(body).await?;
    let given = match ask.value {
        Some(Bytes(value)) => {
            node.must_be_primary()?;
            let stands = node.register(value).await?;
            local(node.keys(), move |keys| Ok(Answer { given: Some(stands), as_of: keys.head() })).await?
        }
        None => {
            node.must_know_everything()?;
            local(node.keys(), |keys| Ok(Answer { as_of: keys.head(), given: keys.check_value()? })).await?
        }
    };
    Ok(node.reply(in_bytes(given)))
}

async fn mirror_check_value(State(node): Node, body: Body) -> Response {
    respond(&node, mirror_checked(&node, body).await)
}

async fn mirror_checked(node: &VaultNode, body: Body) -> Result<Reply<Option<Bytes>>, Fault> {
    let ask: CheckRequest = read(body).await?;
    node.must_be_standby()?;
    let given = local(node.keys(), move |keys| {
        let as_of = keys.head();
        let given = match ask.value {
            Some(Bytes(value)) => Some(keys.register_check_value(&value)?),
            None => keys.check_value()?,
        };
        Ok(Answer { given, as_of })
    })
    .await?;
    Ok(node.reply(in_bytes(given)))
}

fn in_bytes(answer: Answer<Option<Vec<u8>>>) -> Answer<Option<Bytes>> {
    Answer { given: answer.given.map(Bytes), as_of: answer.as_of }
}

async fn mirror_merge(State(node): Node, body: Body) -> Response {
    respond(&node, merged(&node, body).await)
}

async fn merged(node: &VaultNode, body: Body) -> Result<Reply<Vec<Stored>>, Fault> {
    let ask: MergeRequest = read(body).await?;
    check_count(ask.rows.len())?;
    node.must_be_standby()?;
    let rows = ask.rows.into_iter().map(KeyRow::from).collect();
    let merged = node.merge(rows, ask.in_step_with).await?;
    Ok(node.reply(stored(merged)))
}

async fn mirror_rows(State(node): Node, body: Body) -> Response {
    respond(&node, rows(&node, body).await)
}

async fn rows(node: &VaultNode, body: Body) -> Result<Reply<Vec<Row>>, Fault> {
    let ask: RowsRequest = read(body).await?;
    node.must_be_standby()?;
    let limit = u32::try_from(KEYS_PER_CALL_MAX).unwrap_or(u32::MAX);
    let Answer { given, as_of } = local(node.keys(), move |keys| {
        // What is destroyed while the rows are read is not in what they are known as of.
        let as_of = keys.head();
        let given = if ask.destroyed_only {
            keys.destroyed_after(ask.after, limit)?
        } else {
            keys.rows_after(ask.after, limit)?
        };
        Ok(Answer { given, as_of })
    })
    .await?;
    Ok(node.reply(Answer { given: given.into_iter().map(Row::from).collect(), as_of }))
}

fn stored(answer: Answer<Vec<StoredKey>>) -> Answer<Vec<Stored>> {
    Answer { given: answer.given.into_iter().map(Stored::from).collect(), as_of: answer.as_of }
}

fn respond<T: Serialize>(node: &VaultNode, done: Result<Reply<T>, Fault>) -> Response {
    match done {
        Ok(reply) => Json(reply).into_response(),
        Err(fault) => {
            node.refused();
            let (code, status) = fault.code.as_sent();
            tracing::warn!(vault.code = code, "Refused a request ({code}): {fault}");
            (status, Json(FaultBody { code: code.to_owned(), message: fault.message })).into_response()
        }
    }
}

async fn read<A: DeserializeOwned>(body: Body) -> Result<A, Fault> {
    let invalid = |message: String| Fault::new(FaultCode::Invalid, message);
    let text = body::read(body, BODY_BYTES_MAX, BODY_TIMEOUT).await.map_err(|unread| {
        invalid(match unread {
            Unread::TooLong => format!("a request has at most {BODY_BYTES_MAX} bytes"),
            Unread::TooSlow => "the request did not come in time".to_owned(),
            Unread::Broken => "the request broke off".to_owned(),
        })
    })?;
    // What came may hold keys: the parser's words could quote them.
    serde_json::from_slice(&text).map_err(|error| {
        invalid(format!("the request cannot be read, at line {} column {}", error.line(), error.column()))
    })
}

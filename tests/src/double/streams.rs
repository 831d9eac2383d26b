//! The service of streams: what comes over the wire, which faults befall it, and what goes back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::faults::Kind;
use super::index::NEVER;
use super::link::Cutter;
use super::reads::{self, Frames};
use super::serve::Shared;
use super::status;
use super::store::{Expected, Outcome, Proposal};
use super::wire::streams::append_req::options::ExpectedStreamRevision;
use super::wire::streams::append_req::{Content, ProposedMessage};
use super::wire::streams::append_resp::{self, WrongExpectedVersion, success, wrong_expected_version};
use super::wire::streams::streams_server::Streams;
use super::wire::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, TombstoneReq,
    TombstoneResp, delete_req, delete_resp, tombstone_req, tombstone_resp,
};
use super::wire::{self, Empty, StreamIdentifier};

/// How long a server waits for others to agree.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer is delayed unless the fault says otherwise.
const DELAY: Duration = Duration::from_millis(20);
/// What a revision beyond what a server can count is read as.
const REVISION_MAX: u64 = NEVER;

/// One node of the double.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) shared: Arc<Shared>,
    pub(super) number: usize,
}

/// An append as it was asked for.
struct Asked {
    stream: String,
    expected: Expected,
    proposals: Vec<Proposal>,
}

#[tonic::async_trait]
impl Streams for Node {
    type ReadStream = Frames;
    type BatchAppendStream = stream::Empty<Result<BatchAppendResp, Status>>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Frames>, Status> {
        self.shared.admit(request.metadata()).await?;
        self.must_lead(request.metadata())?;
        self.delay().await;
        reads::read(Arc::clone(&self.shared), request.into_inner()).map(Response::new)
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        self.shared.admit(request.metadata()).await?;
        let cutter = request.extensions().get::<Cutter>().cloned();
        let leads = self.must_lead(request.metadata());
        let asked = self.receive(request.into_inner()).await?;
        leads?;
        self.befall_before(cutter.as_ref()).await?;
        let outcome = self.carry_out(&asked)?;
        self.befall_after(cutter.as_ref()).await?;
        self.delay().await;
        self.answer(&asked, outcome).map(Response::new)
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        self.shared.admit(request.metadata()).await?;
        self.must_lead(request.metadata())?;
        let options = request.into_inner().options.ok_or_else(status::exception)?;
        let stream = name(options.stream_identifier)?;
        let expected = match options.expected_stream_revision.ok_or_else(status::exception)? {
            delete_req::options::ExpectedStreamRevision::Revision(revision) => exact(revision)?,
            delete_req::options::ExpectedStreamRevision::NoStream(_) => Expected::NoStream,
            delete_req::options::ExpectedStreamRevision::Any(_) => Expected::Any,
            delete_req::options::ExpectedStreamRevision::StreamExists(_) => Expected::Exists,
        };
        self.check(&stream, expected)?;
        let metadata = format!("{{\"$tb\":{NEVER}}}");
        let position = self.shared.store.set_metadata(&stream, &metadata).map_err(broken)?;
        let position = delete_resp::Position { commit_position: position, prepare_position: position };
        Ok(Response::new(DeleteResp { position_option: Some(delete_resp::PositionOption::Position(position)) }))
    }

    async fn tombstone(&self, request: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        self.shared.admit(request.metadata()).await?;
        self.must_lead(request.metadata())?;
        let options = request.into_inner().options.ok_or_else(status::exception)?;
        let stream = name(options.stream_identifier)?;
        let expected = match options.expected_stream_revision.ok_or_else(status::exception)? {
            tombstone_req::options::ExpectedStreamRevision::Revision(revision) => exact(revision)?,
            tombstone_req::options::ExpectedStreamRevision::NoStream(_) => Expected::NoStream,
            tombstone_req::options::ExpectedStreamRevision::Any(_) => Expected::Any,
            tombstone_req::options::ExpectedStreamRevision::StreamExists(_) => Expected::Exists,
        };
        self.check(&stream, expected)?;
        let tombstone = self.shared.store.tombstone(&stream).map_err(broken)?;
        let position = tombstone.ok_or_else(|| status::stream_deleted(&stream))?;
        let position = tombstone_resp::Position { commit_position: position, prepare_position: position };
        Ok(Response::new(TombstoneResp { position_option: Some(tombstone_resp::PositionOption::Position(position)) }))
    }

    async fn batch_append(
        &self,
        _request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        Err(Status::unimplemented("the protocol double does not play batches"))
    }
}

impl Node {
    /// A caller that wants the leader is sent there; a server passes others' appends on by itself.
    fn must_lead(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let wanted = metadata.get("requires-leader").is_some_and(|value| value.as_bytes() == b"true");
        match self.shared.cluster.leader() {
            Some(leader) if wanted && leader != self.number => Err(self.not_leader(leader)),
            None if wanted => Err(status::no_leader()),
            _ => Ok(()),
        }
    }

    fn not_leader(&self, leader: usize) -> Status {
        let cluster = &self.shared.cluster;
        status::not_leader(&cluster.host, cluster.ports[leader])
    }

    async fn receive(&self, mut messages: Streaming<AppendReq>) -> Result<Asked, Status> {
        let options = match messages.message().await?.and_then(|message| message.content) {
            Some(Content::Options(options)) => options,
            _ => return Err(status::exception()),
        };
        let stream = name(options.stream_identifier)?;
        let expected = match options.expected_stream_revision.ok_or_else(status::exception)? {
            ExpectedStreamRevision::Revision(revision) => exact(revision)?,
            ExpectedStreamRevision::NoStream(_) => Expected::NoStream,
            ExpectedStreamRevision::Any(_) => Expected::Any,
            ExpectedStreamRevision::StreamExists(_) => Expected::Exists,
        };
        let most = usize::try_from(self.shared.max_append_bytes).unwrap();
        let (mut proposals, mut bytes) = (Vec::new(), 0);
        while let Some(message) = messages.message().await? {
            let Some(Content::ProposedMessage(proposed)) = message.content else { return Err(status::exception()) };
            let proposal = proposal(proposed)?;
            bytes += proposal.data.len() + proposal.metadata.len() + proposal.kind.len() * 2;
            if bytes > most {
                return Err(status::append_too_large(self.shared.max_append_bytes));
            }
            proposals.push(proposal);
        }
        Ok(Asked { stream, expected, proposals })
    }

    /// The faults that keep an append from being carried out.
    async fn befall_before(&self, cutter: Option<&Cutter>) -> Result<(), Status> {
        let faults = &self.shared.faults;
        if faults.strike(Kind::NotLeader) {
            return Err(self.not_leader(self.shared.cluster.leader().unwrap_or(self.number)));
        }
        if faults.strike(Kind::Unavailable) {
            return Err(status::too_busy());
        }
        if faults.strike(Kind::LeaderDies) {
            self.shared.cluster.turn_over();
            return std::future::pending().await;
        }
        if faults.strike(Kind::CutBefore) {
            return cut(cutter).await;
        }
        if faults.strike(Kind::HangBefore) {
            return std::future::pending().await;
        }
        if let Some(length) = faults.strikes(Kind::NoQuorum, PREPARE_TIMEOUT)
            && !faults.cleared(Kind::NoQuorum, length).await
        {
            return Err(status::timed_out("Prepare phase timeout."));
        }
        Ok(())
    }

    /// The faults that keep the answer of an append that was carried out from arriving.
    async fn befall_after(&self, cutter: Option<&Cutter>) -> Result<(), Status> {
        let faults = &self.shared.faults;
        if faults.strike(Kind::CutAfter) {
            return cut(cutter).await;
        }
        if faults.strike(Kind::HangAfter) {
            return std::future::pending().await;
        }
        if faults.strike(Kind::TimeOutAfter) {
            return Err(status::timed_out("Commit phase timeout."));
        }
        Ok(())
    }

    fn carry_out(&self, asked: &Asked) -> Result<Outcome, Status> {
        let store = &self.shared.store;
        let first = store.append(&asked.stream, asked.expected, &asked.proposals).map_err(broken)?;
        if self.shared.faults.strike(Kind::Twice) {
            return store.append(&asked.stream, asked.expected, &asked.proposals).map_err(broken);
        }
        Ok(first)
    }

    fn answer(&self, asked: &Asked, outcome: Outcome) -> Result<AppendResp, Status> {
        let result = match outcome {
            Outcome::Appended { last, position } => succeeded(Some(last), Some(position)),
            Outcome::Repeated { last, position } => {
                let position = position.filter(|_| !self.shared.faults.strike(Kind::NoPosition));
                succeeded(Some(last), position)
            }
            Outcome::Nothing { current } => succeeded(current, None),
            Outcome::Wrong { current } => {
                append_resp::Result::WrongExpectedVersion(wrong_version(asked.expected, current))
            }
            Outcome::Deleted => return Err(status::stream_deleted(&asked.stream)),
            Outcome::Corrupted => return Err(status::invalid_transaction()),
        };
        Ok(AppendResp { result: Some(result) })
    }

    fn check(&self, stream: &str, expected: Expected) -> Result<(), Status> {
        let kept = self.shared.store.kept();
        let current = match kept.index.view(stream) {
            Some(view) if view.tombstoned => return Err(status::stream_deleted(stream)),
            Some(view) => view.length().checked_sub(1),
            None => None,
        };
        let agrees = match expected {
            Expected::Any => true,
            Expected::NoStream => current.is_none(),
            Expected::Exists => current.is_some(),
            Expected::At(revision) => current == Some(revision),
        };
        if agrees { Ok(()) } else { Err(status::wrong_expected_version(stream)) }
    }

    async fn delay(&self) {
        if let Some(length) = self.shared.faults.strikes(Kind::Delay, DELAY) {
            tokio::time::sleep(length).await;
        }
    }
}

/// Cuts the caller's connection; nothing is answered any more.
async fn cut(cutter: Option<&Cutter>) -> Result<(), Status> {
    if let Some(cutter) = cutter {
        cutter.cut();
    }
    std::future::pending().await
}

fn broken(error: std::io::Error) -> Status {
    Status::unknown(format!("the double's file: {error}"))
}

/// The name of a stream; servers take none that is empty.
pub(super) fn name(identifier: Option<StreamIdentifier>) -> Result<String, Status> {
    let name = identifier.and_then(|identifier| String::from_utf8(identifier.stream_name.into()).ok());
    name.filter(|name| !name.is_empty()).ok_or_else(status::exception)
}

/// An exact revision as servers read it: the largest number is "no stream", and beyond half of it they cannot count.
fn exact(revision: u64) -> Result<Expected, Status> {
    match revision {
        u64::MAX => Ok(Expected::NoStream),
        revision if revision > REVISION_MAX => Err(status::exception()),
        revision => Ok(Expected::At(revision)),
    }
}

fn proposal(message: ProposedMessage) -> Result<Proposal, Status> {
    let property = |name: &str| message.metadata.get(name).ok_or_else(|| status::missing_property(name));
    let kind = property("type")?.clone();
    let json = property("content-type")? == "application/json";
    let id = match message.id.as_ref().and_then(|id| id.value.as_ref()) {
        Some(wire::uuid::Value::String(text)) => Uuid::parse_str(text).map_err(|_error| status::exception())?,
        Some(wire::uuid::Value::Structured(parts)) => {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&parts.most_significant_bits.to_be_bytes());
            bytes[8..].copy_from_slice(&parts.least_significant_bits.to_be_bytes());
            Uuid::from_bytes(bytes)
        }
        None => return Err(status::exception()),
    };
    Ok(Proposal { id, kind, json, split: false, metadata: message.custom_metadata, data: message.data })
}

fn succeeded(current: Option<u64>, position: Option<u64>) -> append_resp::Result {
    let no_stream = success::CurrentRevisionOption::NoStream(Empty {});
    let current = current.map_or(no_stream, success::CurrentRevisionOption::CurrentRevision);
    let position = position.map_or(success::PositionOption::NoPosition(Empty {}), |position| {
        let position = append_resp::Position { commit_position: position, prepare_position: position };
        success::PositionOption::Position(position)
    });
    append_resp::Result::Success(append_resp::Success {
        current_revision_option: Some(current),
        position_option: Some(position),
    })
}

/// As servers from 20.6 on answer: in the new fields and, for old clients, in the old ones.
fn wrong_version(expected: Expected, current: Option<u64>) -> WrongExpectedVersion {
    use wrong_expected_version::{
        CurrentRevisionOption, CurrentRevisionOption2060, ExpectedRevisionOption, ExpectedRevisionOption2060,
    };
    let (current, old_current) = match current {
        Some(revision) => {
            (CurrentRevisionOption::CurrentRevision(revision), CurrentRevisionOption2060::CurrentRevision2060(revision))
        }
        None => (CurrentRevisionOption::CurrentNoStream(Empty {}), CurrentRevisionOption2060::NoStream2060(Empty {})),
    };
    let (expected, old_expected) = match expected {
        Expected::Any => (ExpectedRevisionOption::ExpectedAny(Empty {}), ExpectedRevisionOption2060::Any2060(Empty {})),
        Expected::Exists => (
            ExpectedRevisionOption::ExpectedStreamExists(Empty {}),
            ExpectedRevisionOption2060::StreamExists2060(Empty {}),
        ),
        Expected::NoStream => (
            ExpectedRevisionOption::ExpectedNoStream(Empty {}),
            ExpectedRevisionOption2060::ExpectedRevision2060(u64::MAX),
        ),
        Expected::At(revision) => (
            ExpectedRevisionOption::ExpectedRevision(revision),
            ExpectedRevisionOption2060::ExpectedRevision2060(revision),
        ),
    };
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(old_current),
        expected_revision_option_20_6_0: Some(old_expected),
        current_revision_option: Some(current),
        expected_revision_option: Some(expected),
    }
}

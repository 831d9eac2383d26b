//! What a partner council may ask: who answers, the referrals between it and us, and our messages to it.

use async_graphql::{Context, ID, Object, Result};
use cross_border::council::CouncilError;
use cross_border::exchange::MessageKind;
use cross_border::exchange::message::VERSION;
use cross_border::index::OutboxRow;
use cross_border::referral::{Referral, Transfer};
use domain::envelope::Position;

use super::answers::{
    EvidenceInfo, IssuedMessage, MessagePage, PartnerReferral, RefusalRule, ServerInfo, SharedSegment, evidence_of,
    moment,
};
use super::desk::Desk;

/// Messages of a page when nothing else is asked for.
const FIRST_DEFAULT: u32 = 50;
/// Most messages of a page.
const FIRST_MAX: u32 = 200;
/// Bytes of texts after which a page ends, so that an answer stays small whatever is asked for.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// The root of questions.
pub struct Query;

/// A council sees the referrals between itself and the council that answers, and nothing of others.
#[Object]
impl Query {
    /// Who answers here, what time it is there, and the codes of this contract.
    async fn server_info(&self, ctx: &Context<'_>) -> Result<ServerInfo> {
        let desk = Desk::of(ctx)?;
        Ok(ServerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            message_version: u32::from(VERSION),
            council: desk.council.own.to_string(),
            time: moment(desk.council.moment()),
            refusals: RefusalRule::all(),
        })
    }

    /// A referral by the id that both councils know it under. `UNKNOWN_REFERRAL` if there is none between the two
    /// councils, whether or not there is one between others.
    async fn referral(&self, ctx: &Context<'_>, id: ID) -> Option<Result<PartnerReferral>> {
        Some(seen(ctx, "referral", &id, |transfer, desk| PartnerReferral::of(transfer, &desk.council.own)).await)
    }

    /// The history of a referral as it is held here. Compare `digest`: where it differs, `entries` show which messages
    /// are missing.
    async fn segment(&self, ctx: &Context<'_>, referral: ID) -> Option<Result<SharedSegment>> {
        Some(
            seen(ctx, "segment", &referral, |transfer, _| SharedSegment::of(&transfer.segment, transfer.shared()))
                .await,
        )
    }

    /// The files of a referral, those that you announced and ours. Fetch the bytes of those that are stored here, of both
    /// councils alike, with `GET /partner/evidence/{referral}/{digest}`.
    async fn evidence(&self, ctx: &Context<'_>, referral: ID) -> Option<Result<Vec<EvidenceInfo>>> {
        Some(seen(ctx, "evidence", &referral, |transfer, _| evidence_of(transfer)).await)
    }

    /// Our messages to your council in the order in which they were issued, delivered or not: the way to fetch them
    /// (polling), and to catch up after a loss. Take each in, then answer with `recordReceipts`. A message whose text
    /// was erased is left out. An answer may lag behind the newest message for a moment; a cursor never skips one.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The `next` of the page before, or the `cursor` of a message; from the beginning without it."
        )]
        after: Option<String>,
        #[graphql(default_with = "Some(FIRST_DEFAULT)", desc = "From 1 to 200.")] first: Option<u32>,
    ) -> Result<MessagePage> {
        const WHAT: &str = "messages";
        let desk = Desk::of(ctx)?;
        let first = first.unwrap_or(FIRST_DEFAULT);
        if !(1..=FIRST_MAX).contains(&first) {
            return Err(desk.invalid(WHAT, format!("`first` is from 1 to {FIRST_MAX}")).await);
        }
        let position = match after.as_deref().map(cursor) {
            Some(None) => return Err(desk.invalid(WHAT, "`after` is not a cursor of ours").await),
            Some(Some(position)) => Some(position),
            None => None,
        };
        Box::pin(page(&desk, position, first)).await.map_err(|error| desk.failed(&error))
    }
}

/// Answers about a referral that the caller takes part in.
async fn seen<T>(ctx: &Context<'_>, what: &str, id: &str, answer: impl FnOnce(&Transfer, &Desk<'_>) -> T) -> Result<T> {
    let desk = Desk::of(ctx)?;
    let shared = desk.shared(what, id).await?;
    let found = desk.council.find(&desk.caller.partner, shared).await;
    let (_, loaded) = found.map_err(|error| desk.failed(&error))?;
    match visible(&loaded.state, &desk) {
        Some(transfer) => Ok(answer(transfer, &desk)),
        None => Err(desk.unknown(what).await),
    }
}

/// The referral, if it is with the caller and has left the house: what is only drafted is nobody's business yet.
fn visible<'s>(state: &'s Referral, desk: &Desk<'_>) -> Option<&'s Transfer> {
    let transfer = state.transfer()?;
    let theirs = transfer.drafted.partner == desk.caller.partner;
    (theirs && (!transfer.is_outbound() || transfer.stage.has_left())).then_some(transfer)
}

/// A place in the feed: a position of the log, which is text to everybody else.
fn cursor(text: &str) -> Option<Position> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok().map(Position::new)).flatten()
}

async fn page(desk: &Desk<'_>, after: Option<Position>, first: u32) -> Result<MessagePage, CouncilError> {
    let rows = outgoing(desk, after, first).await?;
    let mut at_end = u32::try_from(rows.len()).is_ok_and(|rows| rows < first);
    let mut next = after;
    let mut messages = Vec::new();
    let mut bytes: usize = 0;
    for row in rows {
        // Any page holds one message, so that a reader always gets on.
        if bytes >= PAGE_BYTES_MAX {
            at_end = false;
            break;
        }
        next = Some(row.position);
        if let Some(message) = issued(desk, &row).await? {
            bytes = bytes.saturating_add(message.text.len());
            messages.push(message);
        }
    }
    Ok(MessagePage { messages, next: next.map(|position| position.to_string()), at_end })
}

/// Asks the index off the async threads: it reads a file.
async fn outgoing(desk: &Desk<'_>, after: Option<Position>, first: u32) -> Result<Vec<OutboxRow>, CouncilError> {
    let (index, partner) = (desk.council.index.clone(), desk.caller.partner.clone());
    let asked = tokio::task::spawn_blocking(move || index.outgoing_after(&partner, after, first));
    Ok(asked.await.map_err(CouncilError::Task)??)
}

async fn issued(desk: &Desk<'_>, row: &OutboxRow) -> Result<Option<IssuedMessage>, CouncilError> {
    let kind: MessageKind = row.kind;
    let signed = match desk.council.issued(row).await {
        // It stays here, and what is behind it goes on; its step falls due, and somebody is told.
        Err(error @ CouncilError::Lapsed { .. }) => {
            tracing::error!(delivery.id = %row.delivery, "`{}` is not given out: {error}", row.delivery);
            None
        }
        issued => issued?,
    };
    Ok(signed.map(|signed| IssuedMessage {
        cursor: row.position.to_string(),
        delivery: row.delivery.to_string().into(),
        kind: kind.code().to_owned(),
        text: signed.text,
        jws: signed.jws,
        key: signed.key.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_digits_and_nothing_else() {
        assert_eq!(cursor("0"), Some(Position::new(0)));
        assert_eq!(cursor("17"), Some(Position::new(17)));
        for text in ["", "-1", "+1", "1.0", "x", " 1", "99999999999999999999"] {
            assert_eq!(cursor(text), None, "{text:?}");
        }
    }
}

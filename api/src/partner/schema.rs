//! The contract between councils as a GraphQL schema: `cross-border/partner.graphql` holds its text.
//!
//! Whoever changes something here changes it for other councils. Adding fields that may be absent is safe; anything
//! else is a new version of the contract.

pub mod answers;
pub mod bodies;
pub mod codes;
mod deliver;
mod desk;
pub mod header;
pub mod mutation;
pub mod query;
pub mod submission;

use std::sync::Arc;

use async_graphql::{EmptySubscription, SDLExportOptions};
use cross_border::council::Council;

use self::mutation::Mutation;
use self::query::Query;

/// The schema of `/partner/graphql`.
pub type PartnerSchema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// What stands above the contract's text.
const HEAD: &str = "\
# The exchange of disputes between consumer councils. Every council of the exchange serves this contract at
# /partner/graphql, and files at /partner/evidence/{referral}/{digest}.
#
# Requests are POST, JSON, at most 256 KiB (files: 10 MiB), and signed (RFC 9421); GUIDE.md shows how, byte by byte.
# Errors carry `extensions.code`, see RefusalCode, and `extensions.retryable`. A code list is closed for its writer and
# open for its reader: a newer version may add to it, and what is not known is answered UNKNOWN_CODE.
#
# Retry: after a connection that broke, a time-out, HTTP 5xx or 429, and codes that are retryable, send the same message
# again with the same `delivery`, a new nonce and new signature times, after growing pauses with jitter and not before
# `Retry-After`. A message that was taken before is answered with the receipt it got then. Any other code does not pass
# by itself.

";

/// Builds the schema over a council.
#[must_use]
pub fn schema(council: Arc<Council>) -> PartnerSchema {
    async_graphql::Schema::build(Query, Mutation, EmptySubscription).data(council).finish()
}

/// The contract as text.
#[must_use]
pub fn sdl() -> String {
    let schema = async_graphql::Schema::build(Query, Mutation, EmptySubscription).finish();
    // In the order of the sources: this text is read by people.
    HEAD.to_owned() + &schema.sdl_with_options(SDLExportOptions::new())
}

#[cfg(test)]
mod tests;

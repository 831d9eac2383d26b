//! The GraphQL schema: questions, acts and subscriptions over the log and its read models.

pub mod authority;
pub mod case;
pub mod clock;
pub mod connection;
pub mod dashboard;
pub mod enums;
pub mod error;
pub mod error_code;
pub mod history;
pub mod inputs;
pub mod lists;
pub mod money;
pub mod mutation;
pub mod observe;
pub mod query;
pub mod referral;
pub mod scalars;
pub mod subscription;
pub mod unit;
pub mod unregistered;
pub mod vault;
pub mod workload;

use std::sync::Arc;

use async_graphql::{MergedObject, SDLExportOptions};

use crate::app::App;
use crate::metrics::Metrics;

/// The questions one may ask.
#[derive(Debug, Clone, Copy, Default, MergedObject)]
pub struct Query(query::CaseQuery, referral::ReferralQuery);

/// The acts one may do.
#[derive(Debug, Clone, Copy, Default, MergedObject)]
pub struct Mutation(mutation::CaseMutation, referral::ReferralMutation);

/// The schema of `/graphql`.
pub type Schema = async_graphql::Schema<Query, Mutation, subscription::Subscription>;

/// Builds the schema over an application.
#[must_use]
pub fn schema(app: App, metrics: Arc<Metrics>, introspection: bool) -> Schema {
    let builder = async_graphql::Schema::build(Query::default(), Mutation::default(), subscription::Subscription)
        .data(app)
        .extension(observe::Observe::new(metrics));
    // The edge counts depth and fields on the parsed document before execution; nothing is counted twice here.
    if introspection { builder.finish() } else { builder.disable_introspection().finish() }
}

/// The schema as text: the contract that `api/schema.graphql` holds.
#[must_use]
pub fn sdl() -> String {
    let schema =
        async_graphql::Schema::build(Query::default(), Mutation::default(), subscription::Subscription).finish();
    let head = "# Baycase: cases of consumer protection in Guangdong. Errors carry `extensions.code`, see ErrorCode.\n\
                # Over HTTP the header `baycase-min-position` makes a query wait for a position, as `atLeast` does\n\n";
    head.to_owned()
        + &schema.sdl_with_options(SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items())
}

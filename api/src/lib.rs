//! The program: GraphQL, authentication, telemetry and the command line, over the log and its read models.

pub mod admin;
pub mod app;
pub mod auth;
pub mod clock;
pub mod commands;
pub mod config;
pub mod data_dir;
#[cfg(test)]
mod deploy;
pub mod edge;
pub mod evidence_routes;
pub mod gatekeeper;
pub mod generator;
pub mod graphql;
mod intake;
pub mod leases;
pub mod limiter;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod node;
pub mod origin;
pub mod partner;
pub mod process;
pub mod shutdown;
pub mod telemetry;
pub mod units;
pub mod vault_node;
pub mod version;

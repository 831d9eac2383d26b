//! The program: GraphQL, authentication, telemetry and the command line, over the log and its read models.

pub mod admin;
pub mod app;
pub mod auth;
pub mod clock;
pub mod commands;
pub mod config;
pub mod data_dir;
pub mod edge;
pub mod evidence_routes;
pub mod gatekeeper;
pub mod generator;
pub mod graphql;
pub mod limiter;
pub mod listen;
pub mod metrics;
pub mod partner;
pub mod process;
pub mod shutdown;
pub mod telemetry;
pub mod units;

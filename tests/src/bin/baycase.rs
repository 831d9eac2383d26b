//! `baycase` as the tests start it: the same entry as the real binary.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    api::commands::run(api::commands::Cli::parse())
}

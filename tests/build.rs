//! Generates the server side of EventStoreDB's protocol for the protocol double.
//!
//! The files are the ones that the real client's package publishes: what the double speaks is what the client reads.
#![allow(clippy::print_stdout, reason = "cargo is told on standard output what the result depends on")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The services that the double plays; what they import comes with them.
const SERVICES: [&str; 3] = ["streams.proto", "gossip.proto", "serverfeatures.proto"];

fn main() {
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let folder = protocol_folder();
    let mut compiler = protox::Compiler::new([&folder]).expect("the client's protocol files are in a folder");
    // Without their comments: those are written for another documentation tool.
    compiler.include_source_info(false).include_imports(true);
    compiler.open_files(SERVICES).expect("the client's protocol files are well formed");
    tonic_build::configure()
        .build_client(false)
        .bytes(["."])
        .compile_fds(compiler.file_descriptor_set())
        .expect("the output folder can be written");
}

/// Where cargo keeps the client's protocol files.
fn protocol_folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let manifest = Path::new(&variable("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let output = Command::new(variable("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform"])
        .arg(variable("TARGET"))
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata.get("packages").and_then(Value::as_array).expect("cargo metadata lists packages");
    let client = packages
        .iter()
        .find(|package| package.get("name").and_then(Value::as_str) == Some("eventstore"))
        .and_then(|package| package.get("manifest_path"))
        .and_then(Value::as_str)
        .expect("the workspace uses the EventStoreDB client");
    Path::new(client).with_file_name("protos")
}

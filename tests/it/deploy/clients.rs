//! The clients' conformance suite, played with the Rust client. `.ci/clients` plays the others'.

use std::process::Command;

use crate::protocol::restart::programs;
use crate::rules::docs::there_is;

/// Cases whose names match the first pattern, and not the second one: parts of the suite that take
/// about as long as each other.
fn play(only: &str) {
    if !there_is("python3") {
        return;
    }
    let programs = programs();
    let mut suite = Command::new("python3");
    suite.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/conformance/run.py"));
    suite.arg("--local").arg(programs.join("local")).args(["--only", only, "--"]);
    let played = suite.arg(programs.join("examples/conformance")).output().expect("python3");
    let printed = String::from_utf8_lossy(&played.stdout);
    let complaints = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{printed}\n{complaints}");
    assert!(printed.lines().count() > 5, "{printed}");
}

#[test]
fn the_rust_client_passes_the_suite_for_debits_and_reads() {
    play("^(?!(work|a_stream|a_charge|a_hold|in_a_batch|a_batch|coalesced))");
}

#[test]
fn the_rust_client_passes_the_suite_for_charges() {
    play("^(work|a_stream|a_charge|a_hold)");
}

#[test]
fn the_rust_client_passes_the_suite_for_batches() {
    play("^(in_a_batch|a_batch|coalesced)");
}

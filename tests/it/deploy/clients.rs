//! The clients' conformance suite, played with the Rust client. `.ci/clients` plays the others'.

use std::process::Command;
use std::time::SystemTime;

use aws_credential_types::Credentials;

use super::signatures::{KEY, REGION, SECRET, verified};
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

/// The recipe that the client's README names.
#[path = "../../../clients/rust/examples/sigv4.rs"]
#[allow(dead_code)]
mod sigv4;

#[test]
fn the_recipe_for_signatures_signs_as_aws_checks() {
    let credentials = Credentials::new(KEY, SECRET, None, None, "test");
    let body = r#"{"credits":"1"}"#;
    let request = http::Request::post("https://credits.example.com/v1/accounts/auth0%7C64/debits")
        .header("content-type", "application/json")
        .header("idempotency-key", "job 1842")
        .body(body.to_owned())
        .expect("a request");
    let signed = sigv4::signed(request, SystemTime::now(), &credentials, REGION).expect("signed");
    let (method, uri) = (signed.method().as_str(), signed.uri().to_string());
    let service = verified(method, &uri, signed.headers(), signed.body().as_bytes());
    assert_eq!(service.as_deref(), Ok("execute-api"));
    let other = verified(method, &uri, signed.headers(), b"{}");
    assert_eq!(other, Err("another signature".to_owned()));
}

//! Mistakes in failures and names.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "failures go somewhere",
        "Relay, Pages: what fails is lost",
        "Relay/Properties/Events/Pages/Properties/DestinationConfig",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "records are given up long before their stream forgets them, or not before",
        "Relay/Properties/Events/Pages/Properties/MaximumRetryAttempts",
        || json!(20),
    ),
    (
        "failures go somewhere",
        "takes its batch along",
        "Relay/Properties/Events/Entries/Properties/FunctionResponseTypes",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "Recharge, Monday",
        "Recharge/Properties/Events/Monday/Properties/DeadLetterConfig",
        NOTHING,
    ),
    ("failures go somewhere", "Recharge, Part", "Sweep/Properties/RedrivePolicy", NOTHING),
    ("failures go somewhere", "comes again while", "Sweep/Properties/VisibilityTimeout", || {
        json!(300)
    }),
    (
        "failures go somewhere",
        "Reconcile, Daily",
        "Reconcile/Properties/EventInvokeConfig",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "Debit: nothing is known",
        "Debit/Properties/EventInvokeConfig",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "Audit, Part: RechargeDeadLetters is another function's",
        "Audits/Properties/RedrivePolicy/deadLetterTargetArn",
        || json!("RechargeDeadLetters.Arn"),
    ),
    (
        "failures go somewhere",
        "forgets sooner",
        "RelayDeadLetters/Properties/MessageRetentionPeriod",
        NOTHING,
    ),
    (
        "failures go somewhere",
        "nothing is known of events of S3",
        "Relay/Properties/Events/Pages/Type",
        || json!("S3"),
    ),
    (
        "what goes on may go on",
        "Audit is ended after 16 parts",
        "Audit/Properties/RecursiveLoop",
        NOTHING,
    ),
    ("stages share an account", "Bus: Name", "Bus/Properties/Name", || json!("scrip")),
    (
        "stages share an account",
        "Monday is the same name",
        "Recharge/Properties/Events/Monday/Properties/OmitName",
        NOTHING,
    ),
];

//! Mistakes in change.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};

pub(super) const MISTAKES: &[Mistake] = &[
    ("new versions are tried", "Page: a new", "Page/Properties/AutoPublishAlias", NOTHING),
    (
        "new versions are tried",
        "Debit: a new version gets all",
        "Debit/Properties/DeploymentPreference/Type",
        || json!("AllAtOnce"),
    ),
    (
        "new versions are tried",
        "Debit: Failures of a new version",
        "DebitVersionFails/Properties/Metrics/2/MetricStat/Metric/Dimensions",
        || json!([]),
    ),
    (
        "new versions are tried",
        "Balance: Errors of a new version",
        "Balance/Properties/DeploymentPreference/Alarms/0",
        || json!("DebitVersionFails"),
    ),
    ("new versions are tried", "Debit is called past", "/Outputs/DebitFunction/Value", || {
        json!("Debit.Arn")
    }),
    (
        "parameters reach the alias",
        "Page: a changed AllowedOrigins",
        "SettingsVersion/Properties/Content",
        || json!("${TopUpUrl}"),
    ),
    ("parameters reach the alias", "no number", "SettingsVersion", NOTHING),
    (
        "parameters reach the alias",
        "is the same one",
        "/Globals/Function/Environment/Variables/SETTINGS_VERSION",
        NOTHING,
    ),
    (
        "parameters reach the alias",
        "Webhook: other settings make",
        "Webhook/Properties/VersionDescription",
        NOTHING,
    ),
    (
        "a pause stops what writes",
        "Relay writes",
        "Relay/Properties/ReservedConcurrentExecutions",
        NOTHING,
    ),
    (
        "a pause stops what writes",
        "Relay, Pages goes on",
        "Relay/Properties/Events/Pages/Properties/Enabled",
        NOTHING,
    ),
    (
        "a pause stops what writes",
        "Recharge, Monday goes on",
        "Recharge/Properties/Events/Monday/Properties/State",
        || json!("ENABLED"),
    ),
    (
        "tables can be restored",
        "Accounts: a restored table does not",
        "AccountsTableArn/Properties/Value",
        || json!("Accounts.Arn"),
    ),
    (
        "tables can be restored",
        "Ledger: Ledger.Arn is not",
        "Debit/Properties/Policies/0/Statement/1/Resource",
        || json!("Ledger.Arn"),
    ),
    (
        "tables can be restored",
        "Ledger: Ledger.StreamArn is not",
        "Relay/Properties/Events/Pages/Properties/Stream",
        || json!("Ledger.StreamArn"),
    ),
    (
        "tables can be restored",
        "Accounts: Accounts is not",
        "/Globals/Function/Environment/Variables/ACCOUNTS_TABLE",
        || json!("Accounts"),
    ),
];

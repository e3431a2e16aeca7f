//! Mistakes in alarms and the dashboard.

use serde_json::json;

use super::mistake::{Mistake, NOTHING};

pub(super) const MISTAKES: &[Mistake] = &[
    (
        "alarms are heard",
        "StreamLags is heard by nobody",
        "StreamLags/Properties/AlarmActions",
        NOTHING,
    ),
    ("alarms are heard", "does not say", "StreamLags/Properties/AlarmDescription", || {
        json!("Lag.")
    }),
    ("alarms are heard", "MessagesVisible AuditDeadLetters", "DeadLettersThere", NOTHING),
    ("alarms are heard", "OldestMessage AuditDeadLetters", "DeadLettersExpire", NOTHING),
    ("alarms are heard", "PaymentParked", "PaymentParkedAlarm", NOTHING),
    ("alarms are heard", "PaymentsParked", "PaymentParkedAlarm/Properties/Metrics/2", || json!({})),
    ("alarms are heard", "of WebhookMissed", "WebhookMissedAlarm", NOTHING),
    ("alarms are heard", "of KeysOver", "KeysOverAlarm", NOTHING),
    ("alarms are heard", "when it is over", "StreamLags/Properties/OKActions", NOTHING),
    ("alarms are heard", "AlarmEmail gets", "AlarmSubscription", NOTHING),
    (
        "late metrics are seen",
        "DebitVersionFails: a late metric",
        "DebitVersionFails/Properties/DatapointsToAlarm",
        NOTHING,
    ),
    (
        "absence is heard",
        "misses SweepsFinished",
        "SweepMissed/Properties/TreatMissingData",
        || json!("notBreaching"),
    ),
    (
        "absence is heard",
        "misses AuditsFinished",
        "AuditMissed/Properties/EvaluationPeriods",
        || json!(100),
    ),
    ("absence is heard", "misses ReconcilesFinished", "ReconcileMissed", NOTHING),
    ("absence is heard", "misses RelayBatches", "RelayStopped", NOTHING),
    ("alarms are heard", "IteratorAge Relay", "StreamLags", NOTHING),
    (
        "every function is watched",
        "Errors of Debit are no alarm",
        "FunctionsFail/Properties/Metrics/1",
        NOTHING,
    ),
    ("every function is watched", "Throttles of Debit are no alarm", "FunctionsThrottled", NOTHING),
    ("every function is watched", "Debit are not on the dashboard", "Dashboard", NOTHING),
    ("every function is watched", "AuditDifference is not", "Dashboard", NOTHING),
    (
        "metrics are known",
        "nobody counts \"Debitss\"",
        "Refused/Properties/Metrics/3/MetricStat/Metric/MetricName",
        || json!("Debitss"),
    ),
    ("metrics are known", "nobody counts in Scrip", "OutcomesUnknown/Properties/Namespace", || {
        json!("Scrip")
    }),
    (
        "metrics are known",
        "functions count where no alarm looks",
        "/Globals/Function/Environment/Variables/METRICS_NAMESPACE",
        NOTHING,
    ),
    ("metrics are known", "not a dashboard", "Dashboard/Properties/DashboardBody", || json!("{")),
];

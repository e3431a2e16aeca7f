//! Metrics of functions, in the embedded metric format, which CloudWatch reads from logs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::config::{self, ConfigError};
use crate::domain::instant::Span;
use crate::domain::usage::Used;
use crate::domain::{Credits, Instant};
use crate::telemetry::{self, VERSION, correlation};

/// The variable with the namespace of a deployed function's metrics. Each stack has its own, so
/// that the alarms of one stage do not count another's.
const NAMESPACE: &str = "METRICS_NAMESPACE";
/// The variables in which Lambda says which function runs, and which version of it.
const FUNCTION: &str = "AWS_LAMBDA_FUNCTION_NAME";
const FUNCTION_VERSION: &str = "AWS_LAMBDA_FUNCTION_VERSION";

/// The metrics. The name of each in CloudWatch is its name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Debits and captures that were done. A replay is not one of them.
    Debits,
    /// The credits that they spent.
    Credits,
    /// Operations that had happened before and were answered with their first receipt again.
    Replays,
    /// Requests of services and operators that were refused; by `code` as well.
    Refusals,
    /// Requests on routes that need no signature and that were refused. Anyone can make them, so no
    /// alarm counts them.
    StrangersRefused,
    /// Tokens of sessions that were not accepted: forged, expired, of another audience, left, or a
    /// link that was used. A request without a token is none of them.
    SessionsRefused,
    /// Service keys that were not accepted: forged, expired, revoked, or of another kind. A request
    /// without a key is none of them.
    KeysRefused,
    /// Those of them that were ours and have expired or are revoked. Nobody but the holder of such a
    /// key can raise it, and one who still uses it should hear of it.
    KeysOver,
    /// Requests that were refused because of the page that sent them.
    OriginsRefused,
    /// Webhooks that Stripe did not sign, or not recently.
    SignaturesRefused,
    /// Requests that were answered `outcome_unknown`; by the function's version as well.
    Unknowns,
    /// Requests that failed through our fault: every other answer of 500 and above; by the
    /// function's version as well.
    Failures,
    /// Segments that were written.
    Segments,
    /// Tries that were repeated: another write came in between, or DynamoDB throttled the request.
    Conflicts,
    /// Keys dated more than 5 s ahead: waited for, answered `outcome_unknown`, or refused.
    KeysAhead,
    /// How long a request took, in ms.
    Latency,
    /// Accounts that Monday's recharge looked at: each was advanced, skipped or broken.
    AccountsSeen,
    AccountsAdvanced,
    /// Accounts that were not due, or not used since they were advanced.
    AccountsSkipped,
    /// Accounts that could not be read or advanced: each is in the log.
    AccountsBroken,
    /// Segments of the table that a sweep came to the end of, on Monday or daily.
    SweepsFinished,
    /// Comparisons of payments with Stripe that came to their end.
    ReconcilesFinished,
    /// Payments that such a comparison corrected: their webhook was missed.
    WebhooksMissed,
    /// Payments and events that waited for an operator then: at most [`MAX_PARKED_COUNTED`].
    PaymentsParked,
    /// Audits that came to their end.
    AuditsFinished,
    /// The differences that such an audit found.
    DifferencesFound,
    /// Batches of stream records that were processed.
    RelayBatches,
    /// Events that the bus took.
    EventsAnnounced,
    /// Records that can never be processed and went to the dead-letter queue.
    RecordsSetAside,
}

/// [`Metric::PaymentsParked`] counts no further: what it says from here on is "many".
pub const MAX_PARKED_COUNTED: i32 = 100;

impl Metric {
    pub const ALL: [Metric; 29] = [
        Metric::Debits,
        Metric::Credits,
        Metric::Replays,
        Metric::Refusals,
        Metric::StrangersRefused,
        Metric::SessionsRefused,
        Metric::KeysRefused,
        Metric::KeysOver,
        Metric::OriginsRefused,
        Metric::SignaturesRefused,
        Metric::Unknowns,
        Metric::Failures,
        Metric::Segments,
        Metric::Conflicts,
        Metric::KeysAhead,
        Metric::Latency,
        Metric::AccountsSeen,
        Metric::AccountsAdvanced,
        Metric::AccountsSkipped,
        Metric::AccountsBroken,
        Metric::SweepsFinished,
        Metric::ReconcilesFinished,
        Metric::WebhooksMissed,
        Metric::PaymentsParked,
        Metric::AuditsFinished,
        Metric::DifferencesFound,
        Metric::RelayBatches,
        Metric::EventsAnnounced,
        Metric::RecordsSetAside,
    ];

    fn unit(self) -> &'static str {
        match self {
            Metric::Latency => "Milliseconds",
            Metric::Credits => "None",
            _ => "Count",
        }
    }

    /// The sets of dimensions by which CloudWatch sums the metric. Each value of a dimension is one
    /// more metric to pay for.
    fn dimensions(self) -> &'static str {
        match self {
            Metric::Refusals => r#"[],["code"]"#,
            // The alarm of a version that is on trial looks at it alone. The version is Lambda's,
            // which the template knows: two deploys may be of the same version of the package.
            Metric::Unknowns | Metric::Failures => r#"[],["FunctionName","ExecutedVersion"]"#,
            _ => "[]",
        }
    }
}

/// The sender of a request, as far as an alarm has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A service or an operator, whom AWS let through.
    Known,
    /// Anyone: a customer's browser, Stripe, or a visitor of the address.
    Stranger,
}

/// The subject of a document of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A request, how long it took, and how it was answered. The status, and the code of a refusal
    /// or an error, are properties, not dimensions.
    Request { latency: Span, status: u16, code: Option<&'static str> },
    /// One segment of the sweep. It is a property, not a dimension: 32 segments would be 32 metrics
    /// to pay for, and nobody needs an alarm for one segment.
    ScanSegment(i32),
    /// Work that no caller waits for.
    Run,
}

/// Counts, and emits the sums as lines. A clone counts into the same sums.
///
/// A function that serves one request at a time emits the sums of each. If several are served at
/// once, the first that is done emits the counts of all so far: the totals are the same.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Counting>>);

struct Counting {
    namespace: String,
    /// The properties that say which version of which function counts.
    running: String,
    emit: Box<dyn Fn(&str) + Send + Sync>,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    counts: BTreeMap<Metric, u64>,
    credits: Credits,
    refusals: BTreeMap<(Metric, &'static str), u64>,
}

impl Metrics {
    /// Metrics of a `version` of a `function`, in `namespace`, whose lines go to `emit`. The default
    /// emits none.
    ///
    /// # Errors
    /// [`ConfigError`] if CloudWatch has no such namespaces: 1 to 255 of a-z, A-Z, 0-9 and `. - _
    /// # :` (the reference of PutMetricData, November 2026).
    pub fn new(
        namespace: String,
        [function, version]: [&str; 2],
        emit: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Metrics, ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#:".contains(&byte);
        if !(1..=255).contains(&namespace.len()) || !namespace.bytes().all(plain) {
            return Err(ConfigError { name: NAMESPACE, problem: "is not a CloudWatch namespace" });
        }
        // Lambda's names of both need no escapes.
        let running = format!(",\"FunctionName\":\"{function}\",\"ExecutedVersion\":\"{version}\"");
        let (emit, sums) = (Box::new(emit), Mutex::default());
        Ok(Metrics(Some(Arc::new(Counting { namespace, running, emit, sums }))))
    }

    /// The metrics of a deployed function: in the namespace `METRICS_NAMESPACE`, printed.
    ///
    /// # Errors
    /// [`ConfigError`] if that is not set, or is no namespace, or Lambda does not say which version
    /// of which function runs.
    pub fn from_env() -> Result<Metrics, ConfigError> {
        let running = [config::required(FUNCTION)?, config::required(FUNCTION_VERSION)?];
        let [function, version] = &running;
        Metrics::new(config::required(NAMESPACE)?, [function, version], telemetry::print)
    }

    pub fn add(&self, metric: Metric, count: u64) {
        self.with(|sums| *sums.counts.entry(metric).or_default() += count);
    }

    /// Counts the spending of an operation, if it spent.
    pub fn spent(&self, used: Used) {
        self.with(|sums| {
            *sums.counts.entry(Metric::Debits).or_default() += used.count;
            sums.credits += used.credits;
        });
    }

    pub fn refused(&self, caller: Caller, code: &'static str) {
        let metric = match caller {
            Caller::Known => Metric::Refusals,
            Caller::Stranger => Metric::StrangersRefused,
        };
        self.with(|sums| *sums.refusals.entry((metric, code)).or_default() += 1);
    }

    /// Emits the counts since the last time, and starts again from zero. A count of 0 is emitted
    /// too: that there was nothing to find is news as well.
    pub fn emit(&self, now: Instant, of: Of) {
        let Some(counting) = &self.0 else { return };
        let sums = std::mem::take(&mut *counting.sums.lock().expect("no one panics with the lock"));
        for ((metric, code), count) in &sums.refusals {
            let values = [(*metric, count.to_string())];
            (counting.emit)(&counting.document(now, &values, &format!(",\"code\":\"{code}\"")));
        }
        let (values, property) = sums.values(of);
        if !values.is_empty() {
            (counting.emit)(&counting.document(now, &values, &property));
        }
    }

    fn with(&self, count: impl FnOnce(&mut Sums)) {
        if let Some(counting) = &self.0 {
            count(&mut counting.sums.lock().expect("no one panics with the lock"));
        }
    }
}

impl Counting {
    /// A document of the embedded metric format, in one line, with the version that counted and the
    /// request at work: its fields are properties, which cost no metric.
    ///
    /// Built by hand, not by a serializer: names, codes and versions are words of ours, they and
    /// namespaces need no escapes, and a serializer would write credits, which are decimals, as
    /// floats.
    fn document(&self, now: Instant, values: &[(Metric, String)], property: &str) -> String {
        let Counting { namespace, running, .. } = self;
        let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (metric, _) in values {
            let name = format!("{{\"Name\":\"{metric:?}\",\"Unit\":\"{}\"}}", metric.unit());
            names.entry(metric.dimensions()).or_default().push(name);
        }
        let directives = names.into_iter().map(|(dimensions, names)| {
            format!(
                "{{\"Namespace\":\"{namespace}\",\"Dimensions\":[{dimensions}],\"Metrics\":[{}]}}",
                names.join(",")
            )
        });
        let directives = directives.collect::<Vec<_>>().join(",");
        let values: String =
            values.iter().map(|(metric, value)| format!(",\"{metric:?}\":{value}")).collect();
        format!(
            "{{\"_aws\":{{\"Timestamp\":{},\"CloudWatchMetrics\":[{directives}]}},\
             \"version\":\"{VERSION}\"{running}{}{property}{values}}}",
            now.ms(),
            correlation::fields()
        )
    }
}

impl Sums {
    /// The value of each metric, none if nothing was counted, and the property of the subject.
    fn values(self, of: Of) -> (Vec<(Metric, String)>, String) {
        let counted = self.counts.into_iter();
        let mut values: Vec<(Metric, String)> =
            counted.map(|(metric, count)| (metric, count.to_string())).collect();
        if !self.credits.is_zero() {
            values.push((Metric::Credits, self.credits.to_string()));
        }
        let property = match of {
            Of::Request { latency, status, code } => {
                // A clock can be set back.
                values.push((Metric::Latency, latency.ms().max(0).to_string()));
                let code = code.map(|code| format!(",\"code\":\"{code}\"")).unwrap_or_default();
                format!(",\"status\":{status}{code}")
            }
            Of::ScanSegment(segment) => format!(",\"segment\":{segment}"),
            Of::Run => String::new(),
        };
        (values, property)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

//! `status`: when the scheduled work ran last and what it found, and what waits for a person.

use serde_json::{Value, json};
use shared::domain::Instant;
use shared::domain::instant::Span;

use crate::aws::{Aws, AwsError, Deployed, Service, unreadable, xml};
use crate::dead::letter::age;
use crate::dead::{function_of, queues};
use crate::local;
use crate::place::{At, Place};

/// How far back a run is looked for: the sweep runs once a week.
const BACK: Span = Span::from_s(9 * 86_400);
/// The resolution of a metric, in seconds. CloudWatch keeps it for 63 days.
const PERIOD_S: i64 = 300;
/// The span before the end of a run in which its findings are summed.
const RUN: Span = Span::from_s(3_600);

/// Scheduled work: its name, the metric that says that it ran, and those that say what it found.
type Work = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const WORK: [Work; 4] = [
    (
        "sweep",
        "SweepsFinished",
        &[("AccountsSeen", "seen"), ("AccountsAdvanced", "advanced"), ("AccountsBroken", "broken")],
    ),
    ("reconcile", "ReconcilesFinished", &[("WebhookMissed", "missed webhooks")]),
    ("audit", "AuditsFinished", &[("AuditDifference", "differences")]),
    ("relay", "RelayBatches", &[]),
];

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The lines of the report.
///
/// # Errors
/// If the place does not answer, or only its tables are named.
pub async fn status(place: &Place) -> Result<Vec<String>, Error> {
    let now = place.context.clock.now();
    let mut lines = match &place.at {
        At::Local { origin, .. } => local_lines(origin, now).await?,
        At::Stack { .. } | At::Tables { .. } => {
            let (aws, stack) = place.described()?;
            deployed_lines(aws, stack, now).await?
        }
    };
    let (parked, more) = place.context.store.parked(None).await?;
    lines.push(match parked.first() {
        None => "parked payments: none".to_owned(),
        Some(oldest) => {
            let (count, since) = (parked.len(), age(now - oldest.at));
            let more = if more.is_some() { " or more" } else { "" };
            format!("parked payments: {count}{more}, the oldest for {since}")
        }
    });
    Ok(lines)
}

async fn deployed_lines(
    aws: &Aws,
    stack: &Deployed,
    now: Instant,
) -> Result<Vec<String>, AwsError> {
    let mut lines = vec![format!("stack {} in {}: {}", stack.name, aws.region, stack.status)];
    let namespace = format!("Scrip/{}", stack.name);
    for (work, ran, found) in WORK {
        let runs = metric(aws, &namespace, ran, now).await?;
        let Some((last, _)) = runs.first() else {
            lines.push(format!("{work}: no run in {}", age(BACK)));
            continue;
        };
        let mut line = format!("{work}: {last}, {} ago", age(now - *last));
        for (name, what) in found {
            let values = metric(aws, &namespace, name, now).await?.into_iter();
            let values = values.filter(|(at, _)| *at <= *last && *last - *at < RUN);
            let sum: u64 = values.map(|(_, value)| value).sum();
            line.push_str(&format!(", {sum} {what}"));
        }
        lines.push(line);
    }
    for (queue, url) in queues(stack) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let body = json!({ "QueueUrl": url, "AttributeNames": names });
        let answer = aws.json(Service::Sqs, "GetQueueAttributes", &body).await?;
        let count = names.iter().map(|name| count(&answer["Attributes"][*name])).sum();
        lines.push(dead(function_of(queue), count));
    }
    for (function, name) in stack.of_type("AWS::Lambda::Function") {
        lines.push(version(aws, function, name).await?);
    }
    Ok(lines)
}

/// The version of a function that its aliases name, and when its code or configuration changed.
async fn version(aws: &Aws, function: &str, name: &str) -> Result<String, AwsError> {
    let path = format!("/2015-03-31/functions/{name}");
    let is = aws.lambda("GetFunctionConfiguration", &format!("{path}/configuration")).await?;
    let aliases = aws.lambda("ListAliases", &format!("{path}/aliases")).await?;
    let changed = is["LastModified"].as_str().unwrap_or("at an unknown time");
    let mut line = format!("function {function}: changed {changed}");
    for alias in aliases["Aliases"].as_array().into_iter().flatten() {
        let text = |field: &str| alias[field].as_str().unwrap_or("?");
        line.push_str(&format!(", {} is version {}", text("Name"), text("FunctionVersion")));
        let others = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object();
        for (version, weight) in others.into_iter().flatten() {
            line.push_str(&format!(" with {weight} of requests on version {version}"));
        }
    }
    Ok(line)
}

/// The sums of a metric by period, the latest first. The Query protocol, as CloudWatch's reference
/// of GetMetricData has it (November 2026).
async fn metric(
    aws: &Aws,
    namespace: &str,
    name: &str,
    now: Instant,
) -> Result<Vec<(Instant, u64)>, AwsError> {
    let query = |field: &str| format!("MetricDataQueries.member.1.{field}");
    let parameters = [
        (query("Id"), "m".to_owned()),
        (query("MetricStat.Metric.Namespace"), namespace.to_owned()),
        (query("MetricStat.Metric.MetricName"), name.to_owned()),
        (query("MetricStat.Period"), PERIOD_S.to_string()),
        (query("MetricStat.Stat"), "Sum".to_owned()),
        ("StartTime".to_owned(), (now - BACK).to_string()),
        ("EndTime".to_owned(), now.to_string()),
        ("ScanBy".to_owned(), "TimestampDescending".to_owned()),
    ];
    let (service, action) = (Service::CloudWatch, "GetMetricData");
    let answer = aws.query(service, action, &parameters).await?;
    let list = |name: &str| {
        let members = xml::list(&answer, name);
        let members = members.map_err(|error| unreadable(service, action, error))?;
        let texts = members.into_iter().filter_map(|mut member| member.remove(""));
        Ok::<Vec<String>, AwsError>(texts.collect())
    };
    let (times, values) = (list("Timestamps")?, list("Values")?);
    // A sum of counts is whole: "3.0".
    let whole = |value: String| value.split('.').next().and_then(|whole| whole.parse().ok());
    let points = times.into_iter().zip(values);
    let points = points.filter_map(|(at, value)| Some((Instant::parse(&at)?, whole(value)?)));
    Ok(points.filter(|(_, value)| *value > 0).collect())
}

async fn local_lines(origin: &str, now: Instant) -> Result<Vec<String>, Error> {
    let mut lines = vec![format!("local stack at {origin}")];
    let answer = local::get(format!("{origin}/_local/runs")).await?;
    let runs = answer["runs"].as_object().ok_or("another program answers there")?;
    if runs.is_empty() {
        lines.push("no scheduled work has run since the stack started".to_owned());
    }
    for (task, run) in runs {
        let at = run["at"].as_str().and_then(Instant::parse).ok_or("a run without a time")?;
        lines.push(format!("{task}: {at}, {} ago, {}", age(now - at), run["answer"]));
    }
    let answer = local::get(format!("{origin}/_local/dead")).await?;
    let letters = answer["letters"].as_array().ok_or("another program answers there")?;
    let mut queues: Vec<&str> =
        letters.iter().filter_map(|letter| letter["queue"].as_str()).collect();
    queues.sort_unstable();
    for group in queues.chunk_by(|one, next| one == next) {
        lines.push(dead(function_of(group[0]), group.len()));
    }
    if queues.is_empty() {
        lines.push("dead letters: none".to_owned());
    }
    Ok(lines)
}

fn dead(function: &str, count: usize) -> String {
    match count {
        0 => format!("dead letters of {function}: none"),
        count => format!("dead letters of {function}: {count}; see scrip dead list"),
    }
}

/// A count that SQS writes as a text.
fn count(text: &Value) -> usize {
    text.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

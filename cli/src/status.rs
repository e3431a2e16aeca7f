//! `status`: when the scheduled work ran last and what it found, and what waits for a person.

mod report;

use serde_json::{Map, Value, json};
use shared::domain::Instant;
use shared::domain::instant::Span;

use crate::aws::{Aws, AwsError, Deployed, Service, unreadable, xml};
use crate::dead::{function_of, queues};
use crate::local;
use crate::place::{At, Place};
pub use report::Status;
use report::{Alias, BACK, Dead, Function, Parked, Stack, Work};

/// The resolution of a metric, in seconds. CloudWatch keeps it for 63 days.
const PERIOD_S: i64 = 300;
/// The span before the end of a run in which its findings are summed.
const RUN: Span = Span::from_s(3_600);

/// Scheduled work: its name, the metric that says that it ran, and those that say what it found.
type Measured = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const WORK: [Measured; 4] = [
    (
        "sweep",
        "SweepsFinished",
        &[("AccountsSeen", "seen"), ("AccountsAdvanced", "advanced"), ("AccountsBroken", "broken")],
    ),
    ("reconcile", "ReconcilesFinished", &[("WebhookMissed", "missed_webhooks")]),
    ("audit", "AuditsFinished", &[("AuditDifference", "differences")]),
    ("relay", "RelayBatches", &[]),
];

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a place says about itself.
///
/// # Errors
/// If the place does not answer, or only its tables are named.
pub async fn status(place: &Place) -> Result<Status, Error> {
    let at = place.context.clock.now();
    let (stack, work, dead_letters, functions) = match &place.at {
        At::Local { origin, .. } => {
            let (work, dead_letters) = (runs(origin).await?, local_dead(origin).await?);
            (Stack::Local { origin: origin.clone() }, work, dead_letters, Vec::new())
        }
        At::Stack { .. } | At::Tables { .. } => {
            let (aws, stack) = place.described()?;
            let name = stack.name.clone();
            let is =
                Stack::Deployed { name, region: aws.region.clone(), status: stack.status.clone() };
            let work = deployed_work(aws, &stack.name, at).await?;
            let dead_letters = deployed_dead(aws, stack).await?;
            let mut functions = Vec::new();
            for (function, name) in stack.of_type("AWS::Lambda::Function") {
                functions.push(self::function(aws, function, name).await?);
            }
            (is, work, dead_letters, functions)
        }
    };
    let (parked, more) = place.context.store.parked(None).await?;
    let (count, oldest) = (parked.len(), parked.first().map(|oldest| oldest.at));
    let parked_payments = Parked { count, or_more: more.is_some(), oldest };
    Ok(Status { at, stack, work, dead_letters, functions, parked_payments })
}

async fn deployed_work(aws: &Aws, stack: &str, now: Instant) -> Result<Vec<Work>, AwsError> {
    let namespace = format!("Scrip/{stack}");
    let mut work = Vec::new();
    for (name, ran, found) in WORK {
        let runs = metric(aws, &namespace, ran, now).await?;
        let last = runs.first().map(|(last, _)| *last);
        let mut counts = Map::new();
        for (metric_name, word) in found {
            let Some(last) = last else { break };
            let values = metric(aws, &namespace, metric_name, now).await?.into_iter();
            let values = values.filter(|(at, _)| *at <= last && last - *at < RUN);
            counts.insert((*word).to_owned(), values.map(|(_, value)| value).sum::<u64>().into());
        }
        work.push(Work { name: name.to_owned(), last, found: counts.into() });
    }
    Ok(work)
}

async fn deployed_dead(aws: &Aws, stack: &Deployed) -> Result<Vec<Dead>, AwsError> {
    let mut dead = Vec::new();
    for (queue, url) in queues(stack) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let body = json!({ "QueueUrl": url, "AttributeNames": names });
        let answer = aws.json(Service::Sqs, "GetQueueAttributes", &body).await?;
        let count = names.iter().map(|name| count(&answer["Attributes"][*name])).sum();
        dead.push(Dead { function: function_of(queue).to_owned(), count });
    }
    Ok(dead)
}

/// The version of a function that its aliases name, and when its code or configuration changed.
async fn function(aws: &Aws, function: &str, name: &str) -> Result<Function, AwsError> {
    let path = format!("/2015-03-31/functions/{name}");
    let is = aws.lambda("GetFunctionConfiguration", &format!("{path}/configuration")).await?;
    let aliases = aws.lambda("ListAliases", &format!("{path}/aliases")).await?;
    let aliases = aliases["Aliases"].as_array().into_iter().flatten().map(|alias| {
        let text = |field: &str| alias[field].as_str().unwrap_or("?").to_owned();
        let others = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object();
        let (name, version) = (text("Name"), text("FunctionVersion"));
        Alias { name, version, others: others.cloned().unwrap_or_default() }
    });
    let changed = is["LastModified"].as_str().map(str::to_owned);
    Ok(Function { name: function.to_owned(), changed, aliases: aliases.collect() })
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

/// The last runs of a local stack's scheduled work.
async fn runs(origin: &str) -> Result<Vec<Work>, Error> {
    let answer = local::get(format!("{origin}/_local/runs")).await?;
    let runs = answer["runs"].as_object().ok_or("another program answers there")?;
    let runs = runs.iter().map(|(name, run)| {
        let at = run["at"].as_str().and_then(Instant::parse).ok_or("a run without a time")?;
        let (name, found) = (name.clone(), run["answer"].clone());
        Ok(Work { name, last: Some(at), found })
    });
    runs.collect()
}

/// The functions of a local stack that have dead letters.
async fn local_dead(origin: &str) -> Result<Vec<Dead>, Error> {
    let answer = local::get(format!("{origin}/_local/dead")).await?;
    let letters = answer["letters"].as_array().ok_or("another program answers there")?;
    let mut queues: Vec<&str> =
        letters.iter().filter_map(|letter| letter["queue"].as_str()).collect();
    queues.sort_unstable();
    let groups = queues.chunk_by(|one, next| one == next);
    let dead =
        |group: &[&str]| Dead { function: function_of(group[0]).to_owned(), count: group.len() };
    Ok(groups.map(dead).collect())
}

/// A count that SQS writes as a text.
fn count(text: &Value) -> usize {
    text.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

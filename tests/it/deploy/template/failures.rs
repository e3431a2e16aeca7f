//! Checks of asynchronous work: each failure has a destination.

use serde_json::Value;

use super::reading::{Complaints, events, functions, list, of_type, resources};

/// Every event without a waiting caller is tried a bounded
/// number of times, and then kept in a queue.
pub(super) fn failures_go_somewhere(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (function, properties) in functions(template) {
        for (name, event) in events(&properties) {
            if let Err(complaint) = goes_somewhere(template, function, &properties, event) {
                complaints.push(format!("{function}, {name}: {complaint}"));
            }
        }
    }
    // The debit function has asynchronous callers too, which need not wait.
    for (function, properties) in functions(template) {
        let invoked = properties.get("EventInvokeConfig").is_some();
        if function == "Debit" && !invoked {
            complaints.push("Debit: nothing is known of an invocation that fails".to_owned());
        }
        if invoked
            && let Err(complaint) = invocation_goes_somewhere(template, function, &properties)
        {
            complaints.push(format!("{function}: {complaint}"));
        }
    }
    complaints
}

/// A function that sends its remaining work to the queue that invokes it declares that: otherwise
/// Lambda ends such a chain after 16 invocations.
pub(super) fn what_goes_on_may_go_on(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, function) in functions(template) {
        let Some(queue) = function["Environment"]["Variables"]["QUEUE_URL"].as_str() else {
            continue;
        };
        let own = events(&function).iter().any(|(_, event)| {
            event["Properties"]["Queue"].as_str() == Some(&format!("{queue}.Arn"))
        });
        if own && function["RecursiveLoop"] != "Allow" {
            complaints.push(format!("{name} is ended after 16 parts"));
        }
    }
    complaints
}

fn goes_somewhere(
    template: &Value,
    name: &str,
    function: &Value,
    event: &Value,
) -> Result<(), String> {
    let properties = &event["Properties"];
    match event["Type"].as_str().unwrap_or_default() {
        // Its caller waits for the answer.
        "HttpApi" => Ok(()),
        "DynamoDB" => {
            let (tries, age_s) =
                (&properties["MaximumRetryAttempts"], &properties["MaximumRecordAgeInSeconds"]);
            if *tries != -1
                || !age_s.as_u64().is_some_and(|age_s| (72_000..86_400).contains(&age_s))
            {
                return Err(
                    "records are given up long before their stream forgets them, or not before"
                        .to_owned(),
                );
            }
            let partly = properties["FunctionResponseTypes"]
                .as_array()
                .is_some_and(|types| types.iter().any(|kind| kind == "ReportBatchItemFailures"));
            if !partly || properties["BisectBatchOnFunctionError"] != true {
                return Err("one record that fails takes its batch along".to_owned());
            }
            queue(template, name, &properties["DestinationConfig"]["OnFailure"]["Destination"])
        }
        "SQS" => {
            let arn = properties["Queue"].as_str().unwrap_or_default();
            let source = arn.strip_suffix(".Arn").and_then(|name| resources(template).get(name));
            let source = source.ok_or("a queue that is not here")?;
            let redrive = &source["Properties"]["RedrivePolicy"];
            bounded(&redrive["maxReceiveCount"])?;
            let wait = source["Properties"]["VisibilityTimeout"].as_u64().unwrap_or(30);
            if wait < 6 * function["Timeout"].as_u64().unwrap_or(3) {
                return Err("a message comes again while it is worked on".to_owned());
            }
            if !may_retry_soon(function, arn) {
                return Err("what fails fast waits as long as what never ends".to_owned());
            }
            queue(template, name, &redrive["deadLetterTargetArn"])
        }
        "ScheduleV2" => {
            bounded(&properties["RetryPolicy"]["MaximumRetryAttempts"])?;
            queue(template, name, &properties["DeadLetterConfig"]["Arn"])?;
            // The schedule only hands over: the invocation decides about failures.
            invocation_goes_somewhere(template, name, function)
        }
        other => Err(format!("nothing is known of events of {other}")),
    }
}

/// Whether the function may make a message of the queue come again sooner.
fn may_retry_soon(function: &Value, queue: &str) -> bool {
    let policies = function["Policies"].as_array().into_iter().flatten();
    let statements = policies.flat_map(|policy| policy["Statement"].as_array());
    statements.flatten().any(|statement| {
        statement["Resource"] == queue
            && list(&statement["Action"]).contains(&"sqs:ChangeMessageVisibility")
    })
}

fn invocation_goes_somewhere(template: &Value, name: &str, function: &Value) -> Result<(), String> {
    let invoke = &function["EventInvokeConfig"];
    bounded(&invoke["MaximumRetryAttempts"])?;
    queue(template, name, &invoke["DestinationConfig"]["OnFailure"]["Destination"])
}

fn bounded(tries: &Value) -> Result<(), String> {
    match tries.as_u64() {
        Some(1..=100) => Ok(()),
        _ => Err("no number of tries".to_owned()),
    }
}

/// The function's own queue, so that a message says who failed. It keeps its messages for 14 days,
/// the maximum.
fn queue(template: &Value, function: &str, arn: &Value) -> Result<(), String> {
    let arn = arn.as_str().ok_or("what fails is lost")?;
    let name = arn.strip_suffix(".Arn").unwrap_or(arn);
    let queues = of_type(template, "AWS::SQS::Queue");
    let (_, queue) = queues.iter().find(|(queue, _)| *queue == name).ok_or("not a queue here")?;
    if name != format!("{function}DeadLetters") {
        return Err(format!("{name} is another function's"));
    }
    match queue["Properties"]["MessageRetentionPeriod"].as_u64() {
        Some(1_209_600) => Ok(()),
        _ => Err(format!("{name} forgets sooner than in 14 days")),
    }
}

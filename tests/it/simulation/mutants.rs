//! Mutants: the protocol with one of its conditions taken out, on the wire. The simulation must
//! catch every one of them, or it proves nothing.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// What is broken, and how a request looks then.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    pub name: &'static str,
    /// Changes the body of a request of this operation.
    change: fn(&str, &mut Value),
}

/// Each rule that is a condition, taken out.
pub const MUTANTS: [Mutant; 12] = [
    Mutant { name: "an id is not looked for among the recent entries", change: no_contains },
    Mutant { name: "no floor: what left for a page is not looked up", change: no_floor },
    Mutant {
        name: "after a look-up, what left meanwhile is not looked for",
        change: no_paged_guard,
    },
    Mutant { name: "the line is spent after it has lapsed", change: no_validity },
    Mutant { name: "the balance is not compared", change: no_balance },
    Mutant { name: "the gate is not looked at", change: no_gate },
    Mutant { name: "settle is not compared and set", change: no_sequence },
    Mutant { name: "a page is trimmed whatever left before", change: no_trim_guard },
    Mutant { name: "a name is given again", change: no_name_guard },
    Mutant { name: "a receipt is written again", change: no_receipt_guard },
    Mutant { name: "a look-up finds nothing", change: blind_look_up },
    Mutant { name: "a page lacks its last entry's change", change: page_balance_off },
];

impl Mutant {
    /// The request as this mutant sends it.
    pub fn apply(&self, request: &mut HttpRequest) {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        if let Ok(mut body) = serde_json::from_slice(body) {
            (self.change)(operation, &mut body);
            *request.body_mut() = SdkBody::from(body.to_string());
        }
    }
}

/// Takes the condition that begins with `start` out of an update.
fn without(operation: &str, body: &mut Value, start: &str) {
    let Some(condition) = body["ConditionExpression"].as_str().map(str::to_owned) else { return };
    if operation != "UpdateItem" || !condition.contains(start) {
        return;
    }
    let parts: Vec<&str> = condition.split(" AND ").collect();
    let (dropped, kept): (Vec<&str>, Vec<&str>) =
        parts.into_iter().partition(|part| part.starts_with(start));
    let condition = match kept.is_empty() {
        true => "attribute_exists(a)".to_owned(),
        false => kept.join(" AND "),
    };
    // DynamoDB refuses values that no expression uses.
    let update = body["UpdateExpression"].as_str().unwrap_or_default().to_owned();
    let values = body["ExpressionAttributeValues"].as_object_mut().expect("an update has values");
    for word in dropped.iter().flat_map(|part| part.split([' ', ',', ')'])) {
        let used = |text: &str| text.split([' ', ',', ')']).any(|other| other == word);
        if word.starts_with(':') && !used(&update) && !used(&condition) {
            values.remove(word);
        }
    }
    body["ConditionExpression"] = Value::from(condition);
}

fn no_contains(operation: &str, body: &mut Value) {
    without(operation, body, "NOT contains(");
}

fn no_floor(operation: &str, body: &mut Value) {
    without(operation, body, "fl <");
}

fn no_paged_guard(operation: &str, body: &mut Value) {
    without(operation, body, "f <=");
}

fn no_validity(operation: &str, body: &mut Value) {
    without(operation, body, "x >");
}

fn no_balance(operation: &str, body: &mut Value) {
    without(operation, body, "v >=");
}

fn no_gate(operation: &str, body: &mut Value) {
    without(operation, body, "attribute_not_exists(z)");
}

fn no_sequence(operation: &str, body: &mut Value) {
    without(operation, body, "n =");
}

fn no_trim_guard(operation: &str, body: &mut Value) {
    without(operation, body, "f =");
}

fn no_name_guard(operation: &str, body: &mut Value) {
    let is_name = body["Item"]["s"]["S"].as_str().is_some_and(|key| key.starts_with("K#"));
    if operation == "PutItem" && is_name {
        let fields = body.as_object_mut().expect("a request");
        fields.retain(|name, _| !name.starts_with("Condition") && !name.starts_with("Expression"));
        fields.shift_remove("ReturnValuesOnConditionCheckFailure");
    }
}

fn no_receipt_guard(operation: &str, body: &mut Value) {
    if operation == "TransactWriteItems" {
        // The receipt is the first part of the transactions of operators.
        let put = body["TransactItems"][0]["Put"].as_object_mut().expect("a receipt");
        put.shift_remove("ConditionExpression");
        put.shift_remove("ReturnValuesOnConditionCheckFailure");
    }
    // Nor is it read before.
    if operation == "GetItem" && body["Key"]["s"]["S"].as_str().is_some_and(|k| k.starts_with("G#"))
    {
        body["Key"]["s"]["S"] = Value::from("G#none");
    }
}

fn blind_look_up(operation: &str, body: &mut Value) {
    // The listing of the ledger reads eight pages; a look-up sixteen.
    if operation == "Query" && body["Limit"] == 16 {
        body["ExpressionAttributeValues"][":last"]["S"] = Value::from("P#0");
    }
}

fn page_balance_off(operation: &str, body: &mut Value) {
    let is_page = body["Item"]["s"]["S"].as_str().is_some_and(|key| key.starts_with("P#"));
    if operation == "PutItem" && is_page {
        let micro: i64 = body["Item"]["v"]["N"].as_str().map_or(0, |n| n.parse().unwrap_or(0));
        body["Item"]["v"]["N"] = Value::from((micro + 1).to_string());
    }
}

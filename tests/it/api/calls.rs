//! Calls of models in the books: each line, sum and event names the model and its meters.

use serde_json::{Value, json};

use crate::api::announcements::check;
use crate::support::{Answer, Stack, of};

const DAY: &str = "/v1/accounts/acme/usage?from=2026-11-18&to=2026-11-19";

async fn made(stack: &Stack, path: &str, key: &str, body: Value) -> Answer {
    let answer = stack.post(&of("acme", path), key, &body.to_string()).await;
    assert_eq!(answer.status, 201, "{key}: {answer:?}");
    answer
}

/// A call of each way to charge for one, by its price: 0.156, 0.195 and 0.0325, of which 0.1 and
/// 0.0325 come back.
async fn calls(stack: &Stack) {
    stack.open("acme", "pro").await;
    let meters = json!({ "input": 1200, "cached_input": 8000, "output": 350 });
    let call = json!({ "action": "chat", "model": "gpt-5-mini-2026-08-07", "meters": meters });
    let debit = made(stack, "/debits", "a call", call).await;
    let call =
        json!({ "action": "chat", "model": "claude-sonnet-4-5", "meters": { "input": 500 } });
    made(stack, "/debits", "another", call).await;
    let most = json!({ "action": "chat", "model": "gpt-5-mini", "meters": { "input": 5000 } });
    let hold = made(stack, "/holds", "a hold", most).await;
    let path = format!("/holds/{}/capture", hold.text("/id"));
    let used = json!({ "meters": { "input": 1000 }, "user": "ann" });
    let capture = made(stack, &path, "a capture", used).await;
    for (charge, credits) in [(&debit, "0.1"), (&capture, "0.0325")] {
        let path = format!("/debits/{}/refund", charge.text("/id"));
        let body = json!({ "credits": credits, "reason": "cut short" });
        made(stack, &path, &format!("back {credits}"), body).await;
    }
    // Neither is of a model.
    let video = json!({ "action": "dynamic_video", "quantity": 1 });
    made(stack, "/debits", "a video", video).await;
    made(stack, "/debits", "by amount", json!({ "credits": "1" })).await;
}

/// The kind of each entry with its model and meters.
async fn listed(stack: &Stack, query: &str) -> Vec<(String, Value, Value)> {
    let listing = stack.get(&of("acme", &format!("/ledger?{query}"))).await;
    assert_eq!(listing.status, 200, "{listing:?}");
    let entries = listing.body["entries"].as_array().expect("entries");
    let told = entries.iter().map(|entry| {
        let kind = entry["kind"].as_str().expect("a kind").to_owned();
        (kind, entry["model"].clone(), entry["meters"].clone())
    });
    told.collect()
}

#[tokio::test]
async fn each_entry_of_a_call_names_its_model_and_meters() {
    let stack = Stack::noon().await;
    calls(&stack).await;
    let (mini, sonnet) = (json!("gpt-5-mini"), json!("claude-sonnet-4-5"));
    let all = json!({ "input": 1200, "cached_input": 8000, "output": 350 });
    let told = listed(&stack, "action=chat").await;
    let kinds: Vec<_> = told.iter().map(|(kind, model, meters)| (&**kind, model, meters)).collect();
    let none = Value::Null;
    let expected = [
        ("refunded", &mini, &none),
        ("refunded", &mini, &none),
        ("captured", &mini, &json!({ "input": 1000 })),
        ("held", &mini, &json!({ "input": 5000 })),
        ("debit", &sonnet, &json!({ "input": 500 })),
        ("debit", &mini, &all),
    ];
    assert_eq!(kinds, expected);
    let csv = stack.get(&of("acme", "/ledger?format=csv&action=chat")).await;
    let csv = csv.body.as_str().expect("CSV");
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].ends_with(",uncharged,model,meters,subjects,limits"), "{csv}");
    assert!(rows[1].ends_with(",gpt-5-mini,,,"), "{csv}");
    let counts = ",gpt-5-mini,input=1200 cached_input=8000 output=350,,";
    assert!(rows.last().is_some_and(|row| row.ends_with(counts)), "{csv}");
}

#[tokio::test]
async fn a_listing_by_model_has_its_calls_by_any_of_its_names() {
    let stack = Stack::noon().await;
    calls(&stack).await;
    let kinds = async |query: &str| -> Vec<String> {
        listed(&stack, query).await.into_iter().map(|(kind, _, _)| kind).collect()
    };
    let expected = ["refunded", "refunded", "captured", "held", "debit"];
    assert_eq!(kinds("model=gpt-5-mini").await, expected);
    assert_eq!(kinds("model=gpt-5-mini-2026-08-07").await, expected);
    assert_eq!(kinds("model=claude-sonnet-4-5&kind=debit").await, ["debit"]);
    assert_eq!(kinds("model=gpt-5-mini&action=dynamic_video").await, [""; 0]);
    let unknown = stack.get(&of("acme", "/ledger?model=gpt-6")).await;
    assert_eq!((unknown.status, unknown.code()), (400, "invalid_request"));
    assert_eq!(unknown.text("/fields/0/field"), "model");
}

#[tokio::test]
async fn usage_has_the_calls_of_each_model_less_their_refunds_counted_or_not() {
    let stack = Stack::streamed().await;
    calls(&stack).await;
    let models = json!([
        { "action": "chat", "model": "gpt-5-mini", "credits": "0.056", "count": 2 },
        { "action": "chat", "model": "claude-sonnet-4-5", "credits": "0.195", "count": 1 },
    ]);
    let usage = stack.get(DAY).await.body["days"][0].clone();
    assert_eq!(usage["models"], models);
    let chat = json!({ "action": "chat", "credits": "0.251", "count": 3 });
    assert!(usage["actions"].as_array().expect("actions").contains(&chat), "{usage}");
    for n in 0..60 {
        stack.debit("acme", &format!("later {n}"), "0.000001").await;
    }
    // What is a minute old is rolled up.
    stack.set_clock("2026-11-18T12:10:00Z");
    stack.debit("acme", "the last", "0.000001").await;
    stack.relay().await;
    let days = stack.context().store.latest_day(&"acme".parse().expect("an id")).await;
    let rolled = days.expect("an answer").expect("a day").usage;
    assert_eq!(rolled.models.len(), 2, "{rolled:?}");
    assert_eq!(stack.get(DAY).await.body["days"][0]["models"], models);
    let audited = ::audit::report(stack.context(), None, None, |_| ()).await;
    assert_eq!(audited.expect("an audit").differences, []);
}

#[tokio::test]
async fn the_events_of_a_call_name_its_model_and_meters() {
    let stack = Stack::streamed().await;
    calls(&stack).await;
    stack.relay().await;
    let events = stack.announced();
    events.iter().for_each(check);
    let held = events.iter().find(|event| event["detail-type"] == "CreditsHeld");
    let held = &held.expect("an event")["detail"];
    assert_eq!((&held["action"], &held["model"]), (&json!("chat"), &json!("gpt-5-mini")));
    assert_eq!(held["meters"], json!({ "input": 5000 }));
}

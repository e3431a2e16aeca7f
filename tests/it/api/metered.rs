//! Debits, quotes and batches by meters, and by providers' usage objects.

use serde_json::{Value, json};

use crate::support::{Answer, Stack};

const MODEL: &str = "claude-sonnet-4-5";

async fn stack() -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack
}

/// A debit of a call by its meters.
fn call(model: &str, meters: Value) -> Value {
    json!({ "action": "chat", "model": model, "meters": meters })
}

async fn debit(stack: &Stack, key: &str, body: &Value) -> Answer {
    stack.post("/v1/accounts/acme/debits", key, &body.to_string()).await
}

async fn quote(stack: &Stack, body: &Value) -> Answer {
    stack.post("/v1/accounts/acme/quotes", "none", &body.to_string()).await
}

/// The fields that a 400 names.
fn wrong(answer: &Answer) -> Vec<&str> {
    assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{answer:?}");
    let fields = answer.body["fields"].as_array().expect("fields");
    fields.iter().map(|field| field["field"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn a_call_costs_the_sum_of_its_meters_rounded_up_once_and_a_quote_says_the_same() {
    let stack = stack().await;
    let meters =
        |input, cached, output| json!({ "input": input, "cached_input": cached, "output": output });
    let cases = [
        (MODEL, meters(1200, 8000, 350), "1.4625"),
        // The tier begins above 200 000 of context, cached input included, and is of the whole call.
        (MODEL, meters(200_000, 0, 1000), "79.95"),
        (MODEL, meters(200_001, 0, 1000), "158.92578"),
        (MODEL, meters(1, 200_000, 1000), "18.52578"),
        // 32.5 + 3.25 + 260 micro-credits: by the meter they would be 33, 4 and 260.
        ("gpt-5-mini", meters(1, 1, 1), "0.000296"),
        ("gpt-5-mini", meters(1, 0, 0), "0.000033"),
        ("gpt-5-mini", json!({ "input": 0 }), "0"),
    ];
    for (n, (model, meters, credits)) in cases.into_iter().enumerate() {
        let body = call(model, meters);
        let quoted = quote(&stack, &body).await;
        assert_eq!((quoted.status, &quoted.body["credits"]), (200, &credits.into()), "{quoted:?}");
        let receipt = debit(&stack, &format!("call-{n}"), &body).await;
        assert_eq!(
            (receipt.status, &receipt.body["credits"]),
            (201, &credits.into()),
            "{receipt:?}"
        );
        for answer in [quoted, receipt] {
            assert_eq!(answer.body["model"], model);
            assert!(answer.body["meters"].is_object() && answer.body.get("quantity").is_none());
        }
    }
}

#[tokio::test]
async fn a_receipt_shows_the_meters_that_count_something() {
    let stack = stack().await;
    let shown = |answer: Answer| answer.body["meters"].clone();
    let some = call(MODEL, json!({ "output": 2, "input": 1, "cached_input": 0, "input_audio": 0 }));
    assert_eq!(shown(debit(&stack, "some", &some).await), json!({ "input": 1, "output": 2 }));
    let none = call(MODEL, json!({ "output": 0, "cached_input": 0.0 }));
    assert_eq!(shown(debit(&stack, "none", &none).await), json!({ "input": 0 }));
}

#[tokio::test]
async fn a_retry_may_change_from_a_usage_object_to_its_meters_and_to_another_name_of_the_model() {
    let stack = stack().await;
    let usage = json!({
        "action": "chat", "model": "claude-sonnet-4-5-20250929", "usage_format": "anthropic",
        "usage": { "input_tokens": 1200, "cache_read_input_tokens": 8000, "output_tokens": 350,
                   "service_tier": "standard", "of_the_future": { "n": [1] } },
    });
    let first = debit(&stack, "call", &usage).await;
    assert_eq!((first.status, &first.body["credits"]), (201, &"1.4625".into()), "{first:?}");
    assert_eq!(first.body["model"], MODEL);
    let meters = json!({ "input": 1200, "cached_input": 8000, "output": 350, "cache_write": 0 });
    for name in [MODEL, "claude-sonnet-4-5-2025-09-29"] {
        let again = debit(&stack, "call", &call(name, meters.clone())).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
    }
    let less = json!({ "input": 1199, "cached_input": 8000, "output": 350 });
    let others =
        [call("gpt-5-mini", meters.clone()), call(MODEL, less), json!({ "credits": "1.4625" })];
    for other in others {
        let reused = debit(&stack, "call", &other).await;
        assert_eq!((reused.status, reused.code()), (422, "operation_reused"), "{other}");
    }
    assert_eq!(stack.balance("acme").await.body["available"], "2498.5375");
}

#[tokio::test]
async fn what_the_table_does_not_sell_is_refused_with_the_nearest_word() {
    let stack = stack().await;
    let cases = [
        (call("gpt-5-mimi", json!({ "input": 1 })), "unknown_model", "gpt-5-mini"),
        (call(MODEL, json!({ "inputs": 1 })), "unknown_meter", "input"),
        (call(MODEL, json!({ "inputs": 0 })), "unknown_meter", "input"),
        (call("gpt-5-mini", json!({ "input_audio": 1 })), "unknown_meter", "input"),
    ];
    for (body, code, meant) in cases {
        for refused in [debit(&stack, "k", &body).await, quote(&stack, &body).await] {
            assert_eq!((refused.status, refused.code()), (422, code), "{refused:?}");
            assert_eq!(refused.body["model"], body["model"]);
            if code == "unknown_model" || body["meters"].get("inputs").is_some() {
                assert_eq!(refused.body["did_you_mean"], meant);
            }
        }
    }
    // Another model has other rates: it is not what was meant.
    for other in ["claude-opus-4-5", "claude-sonnet-4-6", "gpt-5-nano"] {
        let refused = debit(&stack, "k", &call(other, json!({ "input": 1 }))).await;
        assert_eq!(
            (refused.code(), &refused.body["did_you_mean"]),
            ("unknown_model", &Value::Null)
        );
    }
    // Gemini-2.5-flash is not dated.
    let dated = debit(&stack, "k", &call("gemini-2.5-flash-20260101", json!({ "input": 1 }))).await;
    assert_eq!(dated.code(), "unknown_model");
}

#[tokio::test]
async fn each_wrong_field_of_a_call_is_named() {
    let stack = stack().await;
    let of = |more: Value| {
        let mut body = json!({ "action": "chat", "model": MODEL });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        body
    };
    let meters = json!({ "input": 1 });
    let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
    let cases: Vec<(Value, &[&str])> = vec![
        (of(json!({})), &["meters"]),
        (of(json!({ "meters": {} })), &["meters"]),
        (of(json!({ "meters": [1] })), &["meters"]),
        (
            of(json!({ "meters": { "input": -1, "output": 1.5, "cached_input": "1" } })),
            &["meters.input", "meters.output", "meters.cached_input"],
        ),
        (of(json!({ "meters": { "input": 1_000_000_000_001_u64 } })), &["meters.input"]),
        (of(json!({ "usage": usage })), &["usage_format"]),
        (of(json!({ "usage_format": "openai" })), &["usage"]),
        (of(json!({ "usage": usage, "usage_format": "openal" })), &["usage_format"]),
        (of(json!({ "usage": usage, "usage_format": "openai" })), &["usage.total_tokens"]),
        (of(json!({ "usage": null, "usage_format": "openai" })), &["usage"]),
        (of(json!({ "meters": meters, "usage": usage, "usage_format": "anthropic" })), &["usage"]),
        (of(json!({ "meters": meters, "quantity": 1 })), &["quantity"]),
        (of(json!({ "meters": meters, "credits": "1", "quantity": 1 })), &["quantity", "credits"]),
        (json!({ "model": MODEL, "meters": meters }), &["action"]),
        (json!({ "action": "chat", "meters": meters }), &["model"]),
        (json!({ "action": "chat", "quantity": 1 }), &["quantity"]),
        (json!({ "action": "rich_text", "model": MODEL, "meters": meters }), &["model"]),
        (of(json!({ "meters": { "output": 1_000_000_000_000_u64 } })), &["meters"]),
    ];
    for (body, fields) in cases {
        let refused = debit(&stack, "k", &body).await;
        assert_eq!(wrong(&refused), fields, "{body}");
        assert_eq!(refused.body["fields"], quote(&stack, &body).await.body["fields"], "{body}");
    }
}

#[tokio::test]
async fn calls_are_debits_of_a_batch_in_both_modes() {
    let stack = stack().await;
    let member = |id: &str, body: &Value| {
        let mut body = body.clone();
        body["id"] = id.into();
        body
    };
    let send = async |mode: &str, debits: Value| {
        let body = json!({ "mode": mode, "debits": debits }).to_string();
        stack.post("/v1/accounts/acme/debits/batch", "none", &body).await
    };
    let good = call("gpt-5-mini", json!({ "input": 1_000_000 }));
    let unknown = call("gpt-6", json!({ "input": 1 }));
    let no_rate = call("gpt-5-mini", json!({ "input": 1, "output_audio": 1 }));
    let all = send("all_or_nothing", json!([member("a", &good), member("b", &no_rate)])).await;
    assert_eq!((all.status, all.code(), &all.body["index"]), (422, "unknown_meter", &1.into()));
    assert_eq!(stack.balance("acme").await.body["available"], "2500");
    let debits = json!([member("a", &good), member("b", &unknown), member("c", &no_rate)]);
    let each = send("each", debits).await;
    let result = |n: usize| &each.body["results"][n];
    assert_eq!(result(0)["receipt"]["credits"], "32.5", "{each:?}");
    assert_eq!(result(1)["problem"]["code"], "unknown_model");
    assert_eq!(result(2)["problem"]["code"], "unknown_meter");
    let usage = json!({ "action": "chat", "model": MODEL, "usage_format": "google",
                        "usage": { "promptTokenCount": -1 } });
    let wrong_usage = send("each", json!([member("d", &good), member("e", &usage)])).await;
    assert_eq!(wrong(&wrong_usage), ["debits[1].usage.promptTokenCount"]);
}

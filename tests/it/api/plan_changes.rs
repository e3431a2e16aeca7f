//! Plan changes that are due to come, seats and trials: a service requests them with `PUT`.

use serde_json::{Value, json};

use super::announcements::check;
use crate::support::{Answer, Stack, request};

const CHANGED: &str = "plan_changed";

async fn put(stack: &Stack, key: &str, body: &str) -> Answer {
    stack.send(request("PUT", "/v1/accounts/acme", Some(key), body)).await
}

/// Available credits, plan and what is due to come, at `at`.
async fn seen(stack: &Stack, at: &str) -> (String, String, Value) {
    stack.set_clock(at);
    let balance = stack.balance("acme").await;
    let text = |path| balance.text(path).to_owned();
    (text("/available"), text("/plan"), balance.body["next"].clone())
}

#[tokio::test]
async fn a_change_at_the_end_of_the_period_is_shown_and_happens_though_nobody_asks() {
    let stack = Stack::at("2026-11-10T09:00:00Z").await;
    stack.open("acme", "pro").await;
    let body = r#"{"plan":"free","at":"period_end"}"#;
    let first = put(&stack, "later", body).await;
    let next = json!({ "plan": "free", "status": "active", "at": "2026-12-10T00:00:00.000Z" });
    assert_eq!((first.status, &first.body["next"]), (201, &next));
    assert_eq!((first.text("/plan"), first.text("/anchor")), ("pro", "2026-11-10"));
    let pro = ("2500".to_owned(), "pro".to_owned(), next.clone());
    assert_eq!(seen(&stack, "2026-12-09T23:59:50Z").await, pro);
    let listed = stack.get("/v1/accounts/acme/ledger").await;
    let entries = listed.body["entries"].as_array().expect("entries");
    let changed = entries.iter().find(|entry| entry["kind"] == CHANGED).expect("its entry");
    assert_eq!((&changed["plan"], &changed["next"]), (&json!("pro"), &next));
    // The week of the free plan arrives with it.
    let free = ("25".to_owned(), "free".to_owned(), Value::Null);
    assert_eq!(seen(&stack, "2026-12-10T00:00:00Z").await, free);
    assert_eq!(seen(&stack, "2027-02-01T00:00:00Z").await, free);
    assert!(put(&stack, "later", body).await.replayed);
    assert_eq!(seen(&stack, "2027-02-01T00:00:01Z").await, free, "a retry is no second change");
}

#[tokio::test]
async fn another_change_undoes_the_one_that_is_due_to_come() {
    let stack = Stack::at("2026-11-10T09:00:00Z").await;
    stack.open("acme", "pro").await;
    assert_eq!(put(&stack, "1", r#"{"plan":"free","at":"period_end"}"#).await.status, 201);
    assert_eq!(put(&stack, "2", r#"{"plan":"standard","at":"period_end"}"#).await.status, 201);
    assert_eq!(stack.balance("acme").await.text("/next/plan"), "standard");
    assert_eq!(put(&stack, "3", r#"{"plan":"pro"}"#).await.body["next"], Value::Null);
    let pro = ("2500".to_owned(), "pro".to_owned(), Value::Null);
    assert_eq!(seen(&stack, "2026-12-10T00:00:00Z").await, pro);
}

#[tokio::test]
async fn a_change_that_was_due_is_announced_once_when_it_happened() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    stack.set_clock("2026-11-18T12:00:01Z");
    assert_eq!(put(&stack, "1", r#"{"plan":"standard","at":"period_end"}"#).await.status, 201);
    stack.set_clock("2027-01-02T09:00:00Z");
    stack.grant("acme", "advances", "10").await;
    stack.grant("acme", "again", "10").await;
    stack.relay().await;
    let events = stack.announced();
    let changes = events.iter().filter(|event| event["detail-type"] == "PlanChanged");
    let told: Vec<_> = changes
        .map(|event| {
            check(event);
            let of = |name: &str| event["detail"][name].clone();
            (of("id"), of("plan"), of("next")["plan"].clone(), of("at"))
        })
        .collect();
    let [asked, happened] = &told[..] else { panic!("two events: {told:?}") };
    assert_eq!((&asked.1, &asked.2), (&json!("pro"), &json!("standard")));
    assert_eq!((&happened.1, &happened.2), (&json!("standard"), &Value::Null));
    assert!(happened.0.as_str().is_some_and(|id| id.ends_with(".plan")), "{happened:?}");
    assert!(happened.3.as_str().is_some_and(|at| at.starts_with("2027-01-02T09:00:00")));
}

#[tokio::test]
async fn more_seats_fill_the_running_period_and_fewer_count_from_the_next() {
    let stack = Stack::at("2026-11-10T09:00:00Z").await;
    let opened = put(&stack, "open", r#"{"plan":"team","seats":2}"#).await;
    assert_eq!((opened.status, &opened.body["seats"]), (201, &json!(2)));
    let available = async |at: &str| seen(&stack, at).await.0;
    assert_eq!(available("2026-11-10T09:00:01Z").await, "2000");
    assert_eq!(stack.debit("acme", "spent", "1500").await.status, 201);
    assert_eq!(put(&stack, "up", r#"{"plan":"team","seats":5}"#).await.status, 201);
    assert_eq!(available("2026-11-10T09:00:02Z").await, "3500");
    assert_eq!(put(&stack, "down", r#"{"plan":"team","seats":3}"#).await.status, 201);
    assert_eq!(put(&stack, "up again", r#"{"plan":"team","seats":5}"#).await.status, 201);
    assert_eq!(available("2026-11-10T09:00:03Z").await, "3500", "filled up once");
    assert_eq!(put(&stack, "down", r#"{"plan":"team","seats":3}"#).await.status, 201);
    let later = r#"{"plan":"team","seats":3,"at":"period_end"}"#;
    assert_eq!(put(&stack, "later", later).await.status, 201);
    assert_eq!(available("2026-12-09T23:59:59Z").await, "3500");
    assert_eq!(available("2026-12-10T00:00:00Z").await, "3000");
    // Who stays on the plan keeps the seats.
    assert_eq!(
        put(&stack, "late", r#"{"plan":"team","status":"past_due"}"#).await.body["seats"],
        3
    );
    let one = put(&stack, "one", r#"{"plan":"pro","status":"active"}"#).await;
    assert_eq!(one.body["seats"], Value::Null);
}

#[tokio::test]
async fn a_trial_grants_its_size_and_then_a_whole_period() {
    let stack = Stack::at("2026-11-10T09:00:00Z").await;
    let opened = put(&stack, "open", r#"{"plan":"team","seats":2,"status":"trialing"}"#).await;
    assert_eq!((opened.status, opened.text("/status")), (201, "trialing"));
    assert_eq!(seen(&stack, "2026-11-10T09:00:01Z").await.0, "200");
    assert_eq!(stack.debit("acme", "tried", "150").await.status, 201);
    stack.set_clock("2026-11-24T09:00:00Z");
    let paid = put(&stack, "paid", r#"{"plan":"team","status":"active","restart":true}"#).await;
    assert_eq!((paid.status, paid.text("/anchor")), (201, "2026-11-24"));
    assert_eq!(seen(&stack, "2026-12-23T23:59:59Z").await.0, "2000");
}

#[tokio::test]
async fn a_wrong_field_of_a_change_is_named_and_changes_nothing() {
    let stack = Stack::at("2026-11-10T09:00:00Z").await;
    let unknown = put(&stack, "1", r#"{"plan":"pro","at":"period_end"}"#).await;
    assert_eq!((unknown.status, unknown.text("/fields/0/field")), (400, "at"));
    stack.open("acme", "pro").await;
    let before = stack.balance("acme").await.body;
    for (body, fields) in [
        (r#"{"plan":"pro","seats":0,"at":"tomorrow"}"#, &["seats", "at"][..]),
        (r#"{"plan":"pro","seats":1000001}"#, &["seats"]),
        (r#"{"plan":"pro","seats":2}"#, &["seats"]),
        (r#"{"plan":"free","restart":true,"at":"period_end"}"#, &["restart"]),
        (r#"{"plan":"free","anchor":"2026-11-01","at":"period_end"}"#, &["anchor"]),
        (r#"{"name":"Acme","seats":2}"#, &["plan"]),
        (r#"{"name":"Acme","at":"period_end"}"#, &["plan"]),
    ] {
        let refused = put(&stack, body, body).await;
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
        let named = refused.body["fields"].as_array().expect("fields").iter();
        let named: Vec<_> = named.filter_map(|field| field["field"].as_str()).collect();
        assert_eq!(named, fields, "{body}");
    }
    assert_eq!(stack.balance("acme").await.body, before);
}

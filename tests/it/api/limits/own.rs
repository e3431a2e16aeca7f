//! Limits of an account's own: who sets them, when they are in force, and what is too many.

use serde_json::{Value, json};
use shared::domain::limit::{MAX_BROUGHT, MAX_LIMITS};

use super::{USERS, charge, debit, limit_plan, listed, reached, set, shown, team};
use crate::support::shop::Shop;
use crate::support::{ledger, of, request};

const NOON: &str = "2026-11-18T12:00:00Z";

#[tokio::test]
async fn a_change_is_made_once_and_its_receipt_is_told_again() {
    let stack = team(NOON, "").await;
    let body = json!({ "at_most": "150", "per": "month" });
    let first = set(&stack, "key", "user%3Aada", body.clone()).await;
    let expected = json!({
        "id": first.text("/id"), "key": "key", "account": "acme", "of": "user:ada", "per": "month",
        "at_most": "150", "seq": 2, "at": first.text("/at"),
        "balance": { "available": "2500", "held": "0" },
    });
    assert_eq!((first.status, &first.body), (201, &expected));
    set(&stack, "other", "user:ada", json!({ "at_most": "1", "per": "month" })).await;
    let again = set(&stack, "key", "user:ada", body).await;
    assert_eq!((again.replayed, &again.body), (true, &first.body));
    assert_eq!(shown(&stack, "user:ada", "month").await[0], "1");
    for (subject, body) in [
        ("user:bob", json!({ "at_most": "150", "per": "month" })),
        ("user:ada", json!({ "at_most": "151", "per": "month" })),
        ("user:ada", json!({ "at_most": null, "per": "month" })),
        ("user:ada", json!({ "at_most": "150" })),
    ] {
        let reused = set(&stack, "key", subject, body.clone()).await;
        assert_eq!((reused.status, reused.code()), (422, "operation_reused"), "{subject} {body}");
    }
}

#[tokio::test]
async fn a_wrong_change_names_what_is_wrong_and_changes_nothing() {
    let stack = team(NOON, "").await;
    for (subject, body, expected) in [
        ("ada", "{}", vec!["subject", "at_most"]),
        ("user:", r#"{"at_most":"1"}"#, vec!["subject"]),
        ("user:ada%0A", r#"{"at_most":5,"per":"hour"}"#, vec!["subject", "at_most", "per"]),
        ("user:ada", r#"{"at_most":"-1"}"#, vec!["at_most"]),
        ("user:ada", r#"{"at_most":"1","per":null}"#, vec!["per"]),
        ("user:ada", r#"{"at_most":"1","most":1}"#, vec!["most"]),
        ("user:ada", r#"{"at_most":"1000000001"}"#, vec!["at_most"]),
    ] {
        let path = of("acme", &format!("/limits/{subject}"));
        let answer = stack.send(request("PUT", &path, Some("key"), body)).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{answer:?}");
        let fields = answer.body["fields"].as_array().expect("fields");
        let named: Vec<_> = fields.iter().map(|field| field["field"].as_str()).collect();
        assert_eq!(named, expected.into_iter().map(Some).collect::<Vec<_>>(), "{answer:?}");
    }
    let path = of("acme", "/limits/user:ada");
    let keyless = stack.send(request("PUT", &path, None, r#"{"at_most":"1"}"#)).await;
    assert_eq!(keyless.text("/fields/0/field"), "Idempotency-Key");
    let path = of("none", "/limits/user:ada");
    let missing = stack.send(request("PUT", &path, Some("key"), r#"{"at_most":"1"}"#)).await;
    assert_eq!((missing.status, missing.code()), (404, "account_not_found"));
    assert_eq!(listed(&stack).await, [0; 0]);
}

#[tokio::test]
async fn a_dry_run_of_a_change_changes_nothing() {
    let stack = team(NOON, "").await;
    let dry = json!({ "at_most": "1", "dry_run": true });
    let answer = set(&stack, "key", "user:ada", dry).await;
    assert_eq!((answer.status, &answer.body["dry_run"]), (200, &json!(true)), "{answer:?}");
    assert_eq!(answer.text("/after/available"), "2500");
    assert_eq!(listed(&stack).await, [0; 0]);
    assert_eq!(charge(&stack, "debit", "ada", "5").await.status, 201);
    let done = set(&stack, "key", "user:ada", json!({ "at_most": "1" })).await;
    assert_eq!((done.status, done.replayed), (201, false));
}

#[tokio::test]
async fn a_function_that_knows_an_earlier_limit_learns_a_change_at_its_next_debit() {
    let stack = team(NOON, "").await;
    let other = stack.beside(stack.context().clock.clone()).await;
    let change = async |key: &str, at_most: Value| {
        let set = set(&stack, key, "user:ada", json!({ "at_most": at_most, "per": "day" })).await;
        assert_eq!(set.status, 201, "{set:?}");
    };
    // It has seen the account without any limit, and then with each one.
    assert_eq!(charge(&other, "free", "ada", "50").await.status, 201);
    change("ten", json!("10")).await;
    let refused = charge(&other, "eleven", "ada", "11").await;
    assert_eq!(reached(&refused), ("user:ada", "day", "10", "10", "11", 1));
    change("eleven", json!("11")).await;
    assert_eq!(charge(&other, "eleven", "ada", "11").await.status, 201);
    change("stop", json!("0")).await;
    assert_eq!(charge(&other, "stopped", "ada", "1").await.code(), "limit_reached");
    change("gone", Value::Null).await;
    assert_eq!(charge(&other, "stopped", "ada", "1").await.status, 201);
}

#[tokio::test]
async fn a_removed_limit_for_ever_forgets_its_count_unless_the_plan_has_one() {
    let stack = team(NOON, "").await;
    let run = |credits: &str| {
        let limits = json!([{ "of": "run:7f", "at_most": "50" }]);
        json!({ "credits": credits, "limits": limits })
    };
    debit(&stack, "one", run("50")).await;
    assert_eq!(debit(&stack, "two", run("1")).await.code(), "limit_reached");
    let gone = set(&stack, "over", "run:7f", json!({ "at_most": null })).await;
    assert_eq!((gone.status, &gone.body["at_most"]), (201, &Value::Null), "{gone:?}");
    assert_eq!(listed(&stack).await, [0; 0]);
    assert_eq!(debit(&stack, "two", run("50")).await.status, 201);
    limit_plan(&stack, r#"{ of = "run", per = "ever", at_most = "50" }"#).await;
    set(&stack, "again", "run:7f", json!({ "at_most": null })).await;
    assert_eq!(shown(&stack, "run:7f", "ever").await, ["50", "50", "0", "plan"]);
}

#[tokio::test]
async fn only_a_session_with_the_scope_changes_limits_and_the_ledger_says_who() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    stack.open("rival", "pro").await;
    let path = "/v1/me/limits/user:bob";
    let body = r#"{"at_most":"5","per":"day"}"#;
    for scopes in [r#""view""#, r#""buy""#] {
        let token = shop.token("acme", scopes).await;
        let refused = shop.ask(&token, "PUT", path, Some("key"), body).await;
        let told = (refused.status, refused.code(), refused.text("/scope"));
        assert_eq!(told, (403, "scope_required", "limits"));
    }
    let token = shop.token_of("ada", "acme", r#""limits""#).await;
    let set = shop.ask(&token, "PUT", path, Some("key"), body).await;
    assert_eq!((set.status, set.text("/of")), (201, "user:bob"), "{set:?}");
    let again = shop.ask(&token, "PUT", path, Some("key"), body).await;
    assert_eq!((again.replayed, &again.body), (true, &set.body));
    let dry = r#"{"at_most":"6","per":"day","dry_run":true}"#;
    let refused = shop.ask(&token, "PUT", path, Some("dry"), dry).await;
    assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "dry_run"));
    assert_eq!(charge(stack, "debit", "bob", "6").await.code(), "limit_reached");
    let mine = shop.ask(&token, "GET", "/v1/me/limits", None, "").await;
    assert_eq!(mine.body, stack.get(&of("acme", "/limits")).await.body);
    assert_eq!(mine.text("/limits/0/of"), "user:bob");
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let entry = entries.last().expect("an entry");
    let told = [&entry["kind"], &entry["by"], &entry["user"]];
    assert_eq!(told, [&json!("limit_set"), &json!("user"), &json!("ada")]);
    assert_eq!(stack.get(&of("rival", "/limits")).await.body["limits"], json!([]));
    // What a service limits by its requests, no customer begins anew.
    let run = json!({ "credits": "5", "limits": [{ "of": "run:7f", "at_most": "5" }] });
    assert_eq!(debit(stack, "run", run.clone()).await.status, 201);
    let gone = r#"{"at_most":null}"#;
    let gone = shop.ask(&token, "PUT", "/v1/me/limits/run:7f", Some("gone"), gone).await;
    assert_eq!(gone.status, 201, "{gone:?}");
    assert_eq!(debit(stack, "again", run).await.code(), "limit_reached");
}

#[tokio::test]
async fn a_limit_more_than_an_account_may_have_is_refused_and_one_can_be_replaced() {
    let stack = team(NOON, "").await;
    for n in 0..MAX_LIMITS {
        let (key, subject) = (format!("key {n}"), format!("key:{n}"));
        let done = set(&stack, &key, &subject, json!({ "at_most": "1" })).await;
        assert_eq!(done.status, 201, "{done:?}");
    }
    let more = set(&stack, "more", "key:more", json!({ "at_most": "1" })).await;
    assert_eq!((more.status, more.code()), (409, "too_many_limits"), "{more:?}");
    assert_eq!(set(&stack, "other", "key:0", json!({ "at_most": "2" })).await.status, 201);
    assert_eq!(set(&stack, "gone", "key:0", json!({ "at_most": null })).await.status, 201);
    assert_eq!(set(&stack, "more", "key:more", json!({ "at_most": "1" })).await.status, 201);
    assert_eq!(listed(&stack).await.len(), MAX_LIMITS);
}

#[tokio::test]
async fn a_count_more_than_an_account_may_have_is_refused_and_those_there_go_on() {
    let stack = team(NOON, USERS).await;
    let run = |n: usize| json!({ "of": format!("run:{n}"), "at_most": "5" });
    let body = |limits: &[Value]| json!({ "credits": "1", "limits": limits });
    for n in 0..MAX_BROUGHT / 4 {
        let limits = [0, 1, 2, 3].map(|part| run(4 * n + part));
        assert_eq!(debit(&stack, &format!("debit {n}"), body(&limits)).await.status, 201);
    }
    let more = debit(&stack, "more", body(&[run(MAX_BROUGHT)])).await;
    assert_eq!((more.status, more.code()), (409, "too_many_limits"), "{more:?}");
    // No loop of runs keeps a user from being counted.
    assert_eq!(charge(&stack, "user", "ada", "1").await.status, 201);
    let text = body(&[run(MAX_BROUGHT)]).to_string();
    let quote = stack.post(&of("acme", "/quotes"), "unused", &text).await;
    assert_eq!(quote.text("/refusal"), "too_many_limits");
    // What is counted already goes on, and so does a charge that counts for nothing.
    assert_eq!(debit(&stack, "known", body(&[run(0)])).await.status, 201);
    assert_eq!(stack.debit("acme", "plain", "1").await.status, 201);
    set(&stack, "gone", "run:1", json!({ "at_most": null })).await;
    set(&stack, "gone too", "run:2", json!({ "at_most": null })).await;
    assert_eq!(debit(&stack, "more", body(&[run(MAX_BROUGHT)])).await.status, 201);
    assert_eq!(listed(&stack).await.len(), MAX_BROUGHT);
}

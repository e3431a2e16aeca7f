//! Limits: how much may be charged for a user, a team, a key or a run in a window of time.

mod answers;
mod holds;
mod own;
mod requests;

use cli::publish;
use serde_json::{Value, json};
use shared::domain::Catalog;
use shared::domain::instant::Span;

use crate::support::catalogs::in_folder;
use crate::support::{Answer, Stack, of, request};

/// A stack with the account acme on the plan `pro`, which has these limits; none if it is empty.
async fn team(now: &str, limits: &str) -> Stack {
    let stack = Stack::at(now).await;
    stack.open("acme", "pro").await;
    if !limits.is_empty() {
        limit_plan(&stack, limits).await;
    }
    stack
}

/// Publishes a catalog whose plan `pro` has these limits.
async fn limit_plan(stack: &Stack, limits: &str) {
    let plan = "[plans.pro]\nai = true\n";
    let text = Catalog::DEFAULT.replace("version = 1", "version = 2");
    let text = text.replace(plan, &format!("{plan}limits = [{limits}]\n"));
    let name = format!("limits-{}", stack.id(0));
    let file = in_folder(&name, text);
    publish::publish(stack.context(), file.path()).await.expect("published");
    // Later than a function uses a catalog that it has read.
    stack.clock.set(stack.clock.now() + Span::from_s(61));
}

const USERS: &str = r#"{ of = "user", per = "month", at_most = "100" }"#;

async fn debit(stack: &Stack, key: &str, body: Value) -> Answer {
    stack.post(&of("acme", "/debits"), key, &body.to_string()).await
}

/// Charges a user for an amount.
async fn charge(stack: &Stack, key: &str, user: &str, credits: &str) -> Answer {
    debit(stack, key, json!({ "credits": credits, "user": user })).await
}

async fn set(stack: &Stack, key: &str, subject: &str, body: Value) -> Answer {
    let path = of("acme", &format!("/limits/{subject}"));
    stack.send(request("PUT", &path, Some(key), &body.to_string())).await
}

async fn listed(stack: &Stack) -> Vec<Value> {
    let answer = stack.get(&of("acme", "/limits")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["limits"].as_array().expect("limits").clone()
}

/// What the listing says of a limit: its number, what was used, what is left, and whose it is.
async fn shown(stack: &Stack, subject: &str, per: &str) -> [String; 4] {
    let limits = listed(stack).await;
    let found = limits.iter().find(|limit| limit["of"] == subject && limit["per"] == per);
    let found = found.unwrap_or_else(|| panic!("no {subject} per {per}: {limits:?}"));
    ["at_most", "used", "left", "source"].map(|name| match &found[name] {
        Value::Null => "-".to_owned(),
        value => value.as_str().expect("a text").to_owned(),
    })
}

/// What a refusal says of its first limit, and how many there are.
fn reached(answer: &Answer) -> (&str, &str, &str, &str, &str, usize) {
    assert_eq!((answer.status, answer.code()), (402, "limit_reached"), "{answer:?}");
    let [of, per, at_most, left, required] =
        ["/of", "/per", "/at_most", "/left", "/required"].map(|name| answer.text(name));
    (of, per, at_most, left, required, answer.body["limits"].as_array().map_or(0, Vec::len))
}

#[tokio::test]
async fn the_least_of_the_requests_number_and_the_accounts_or_else_the_plans_is_in_force() {
    let stack = team("2026-11-18T12:00:00Z", USERS).await;
    let own = set(&stack, "ada", "user:ada", json!({ "at_most": "150", "per": "month" })).await;
    assert_eq!(own.status, 201, "{own:?}");
    let asked = json!({ "credits": "41", "user": "ada",
        "limits": [{ "of": "user:ada", "per": "month", "at_most": "40" }] });
    let refused = debit(&stack, "asked", asked).await;
    assert_eq!(reached(&refused), ("user:ada", "month", "40", "40", "41", 1));
    // A request cannot raise a limit.
    let raised = json!({ "credits": "101", "user": "bob",
        "limits": [{ "of": "user:bob", "per": "month", "at_most": "1000" }] });
    let refused = debit(&stack, "raised", raised).await;
    assert_eq!(reached(&refused), ("user:bob", "month", "100", "100", "101", 1));
    for (user, most) in [("ada", "150"), ("bob", "100")] {
        assert_eq!(charge(&stack, &format!("{user} all"), user, most).await.status, 201);
        let refused = charge(&stack, &format!("{user} more"), user, "0.000001").await;
        let of = format!("user:{user}");
        assert_eq!(reached(&refused), (&*of, "month", most, "0", "0.000001", 1));
        assert_eq!(refused.text("/resets_at"), "2026-12-01T00:00:00.000Z");
    }
    assert_eq!(debit(&stack, "nobody", json!({ "credits": "500" })).await.status, 201);
    // Without a number of the account's own, the plan's is in force again.
    let gone = set(&stack, "gone", "user:ada", json!({ "at_most": null, "per": "month" })).await;
    assert_eq!(gone.status, 201, "{gone:?}");
    assert_eq!(shown(&stack, "user:ada", "month").await, ["100", "150", "0", "plan"]);
}

#[tokio::test]
async fn a_lowered_limit_takes_nothing_back_and_a_raised_one_leaves_the_rest() {
    let stack = team("2026-11-18T12:00:00Z", "").await;
    let change = async |key: &str, at_most: &str| {
        set(&stack, key, "user:ada", json!({ "at_most": at_most, "per": "month" })).await
    };
    change("first", "150").await;
    assert_eq!(charge(&stack, "used", "ada", "120").await.status, 201);
    assert_eq!(change("lower", "100").await.status, 201);
    assert_eq!(shown(&stack, "user:ada", "month").await, ["100", "120", "0", "account"]);
    let refused = charge(&stack, "more", "ada", "1").await;
    assert_eq!(reached(&refused), ("user:ada", "month", "100", "0", "1", 1));
    assert_eq!(change("raise", "200").await.status, 201);
    assert_eq!(shown(&stack, "user:ada", "month").await, ["200", "120", "80", "account"]);
    assert_eq!(charge(&stack, "rest", "ada", "80").await.status, 201);
    assert_eq!(charge(&stack, "over", "ada", "0.000001").await.status, 402);
}

#[tokio::test]
async fn a_limit_of_0_stops_at_once_and_a_charge_of_nothing_passes() {
    let stack = team("2026-11-18T12:00:00Z", "").await;
    assert_eq!(charge(&stack, "before", "ada", "1").await.status, 201);
    assert_eq!(set(&stack, "stop", "user:ada", json!({ "at_most": "0" })).await.status, 201);
    let refused = charge(&stack, "after", "ada", "0.000001").await;
    assert_eq!(reached(&refused), ("user:ada", "ever", "0", "0", "0.000001", 1));
    assert_eq!(refused.body["resets_at"], Value::Null);
    let call = json!({ "action": "chat", "model": "gpt-5-mini", "meters": { "input": 0 },
        "user": "ada" });
    assert_eq!(debit(&stack, "nothing", call).await.status, 201);
    assert_eq!(charge(&stack, "bob", "bob", "1").await.status, 201);
}

#[tokio::test]
async fn each_window_begins_at_its_own_millisecond() {
    for (per, last, next) in [
        ("day", "2026-11-18T23:59:59.000Z", "2026-11-19T00:00:00.000Z"),
        ("week", "2026-11-22T23:59:59.000Z", "2026-11-23T00:00:00.000Z"),
        ("month", "2026-11-30T23:59:59.000Z", "2026-12-01T00:00:00.000Z"),
        // The plan began on a 18th.
        ("period", "2026-12-17T23:59:59.000Z", "2026-12-18T00:00:00.000Z"),
    ] {
        let stack = team("2026-11-18T12:00:00Z", "").await;
        set(&stack, "set", "user:ada", json!({ "at_most": "10", "per": per })).await;
        stack.set_clock(last);
        assert_eq!(charge(&stack, "all", "ada", "10").await.status, 201, "{per}");
        let refused = charge(&stack, "again", "ada", "10").await;
        assert_eq!(reached(&refused), ("user:ada", per, "10", "0", "10", 1));
        assert_eq!(refused.text("/resets_at"), next);
        stack.set_clock(next);
        assert_eq!(shown(&stack, "user:ada", per).await, ["10", "0", "10", "account"]);
        assert_eq!(charge(&stack, "again", "ada", "10").await.status, 201, "{per}");
    }
}

#[tokio::test]
async fn a_run_is_limited_by_its_requests_alone() {
    let stack = team("2026-11-18T12:00:00Z", "").await;
    let step = |credits: &str| {
        let limits = json!([{ "of": "run:7f", "at_most": "50" }]);
        json!({ "credits": credits, "limits": limits })
    };
    assert_eq!(debit(&stack, "one", step("30")).await.status, 201);
    let refused = debit(&stack, "two", step("30")).await;
    assert_eq!(reached(&refused), ("run:7f", "ever", "50", "20", "30", 1));
    assert_eq!(debit(&stack, "three", step("20")).await.status, 201);
    assert_eq!(shown(&stack, "run:7f", "ever").await, ["-", "50", "-", "request"]);
    // To name it without a number counts nothing: no limit is in force for it.
    let named = json!({ "credits": "5", "subjects": ["run:7f"] });
    assert_eq!(debit(&stack, "named", named).await.status, 201);
    assert_eq!(shown(&stack, "run:7f", "ever").await[1], "50");
}

//! Requests with subjects and limits: what is wrong, what is a retry, batches and quotes.

use serde_json::{Value, json};

use super::{USERS, charge, debit, reached, set, shown, team};
use crate::support::{Answer, Stack, of};

const NOON: &str = "2026-11-18T12:00:00Z";

fn fields(answer: &Answer) -> Vec<&str> {
    assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{answer:?}");
    let fields = answer.body["fields"].as_array().expect("fields");
    fields.iter().map(|field| field["field"].as_str().expect("a name")).collect()
}

async fn batch(stack: &Stack, mode: &str, debits: Value) -> Answer {
    let body = json!({ "mode": mode, "debits": debits }).to_string();
    stack.post(&of("acme", "/debits/batch"), "unused", &body).await
}

#[tokio::test]
async fn every_wrong_subject_and_limit_is_named_and_nothing_is_charged() {
    let stack = team(NOON, "").await;
    let long = format!("team:{}", "x".repeat(65));
    for (body, expected) in [
        (json!({ "subjects": "team:ops" }), vec!["subjects"]),
        (
            json!({ "subjects": ["ops", "Team:ops", "team:", ":ops", "team:o\n"] }),
            vec!["subjects", "subjects[0]", "subjects[1]", "subjects[2]"],
        ),
        (json!({ "subjects": [long, "team:a", "team:a"] }), vec!["subjects[0]", "subjects[2]"]),
        (
            json!({ "subjects": ["1st:ops", 7, "abcdefghijklmnopq:ops"] }),
            vec!["subjects[0]", "subjects[1]", "subjects[2]"],
        ),
        (json!({ "limits": [] }), vec!["limits"]),
        (json!({ "limits": [7, {}] }), vec!["limits[0]", "limits[1].at_most", "limits[1].of"]),
        (
            json!({ "limits": [{ "of": "run", "at_most": 5, "per": "hour" }] }),
            vec!["limits[0].at_most", "limits[0].of", "limits[0].per"],
        ),
        (
            json!({ "limits": [{ "of": "run:7", "at_most": "-1", "most": "1" }] }),
            vec!["limits[0].at_most", "limits[0].most"],
        ),
        (json!({ "limits": vec![json!({ "of": "run:7", "at_most": "1" }); 5] }), vec!["limits"]),
    ] {
        let mut body = body;
        body["credits"] = json!("1");
        let answer = debit(&stack, "wrong", body.clone()).await;
        let mut named = fields(&answer);
        named.sort_unstable();
        assert_eq!(named, expected, "{body}: {answer:?}");
        for route in ["/holds", "/quotes"] {
            let answer = stack.post(&of("acme", route), "wrong", &body.to_string()).await;
            assert_eq!(fields(&answer).len(), expected.len(), "{route} {body}");
        }
        body["id"] = json!("wrong");
        let answer = batch(&stack, "each", json!([body])).await;
        let named = fields(&answer);
        assert!(named.iter().all(|name| name.starts_with("debits[0].")), "{named:?}");
    }
    assert_eq!(stack.balance("acme").await.text("/available"), "2500");
    assert_eq!(debit(&stack, "wrong", json!({ "credits": "1" })).await.status, 201);
}

#[tokio::test]
async fn steps_of_a_hold_take_neither_subjects_nor_limits() {
    let stack = team(NOON, "").await;
    let held = stack.post(&of("acme", "/holds"), "hold", r#"{"credits":"5"}"#).await;
    for (word, mut body) in [
        ("capture", json!({ "credits": "1" })),
        ("release", json!({})),
        ("extend", json!({ "expires_in_s": 60 })),
    ] {
        body["subjects"] = json!(["team:ops"]);
        body["limits"] = json!([{ "of": "run:7", "at_most": "5" }]);
        let path = of("acme", &format!("/holds/{}/{word}", held.text("/id")));
        let answer = stack.post(&path, word, &body.to_string()).await;
        let mut named = fields(&answer);
        named.sort_unstable();
        assert_eq!(named, ["limits", "subjects"], "{word}");
    }
}

#[tokio::test]
async fn a_retry_may_bring_other_numbers_but_no_other_subjects() {
    let stack = team(NOON, "").await;
    let body = |subjects: Value, limits: Value| {
        let user = "ada";
        json!({ "credits": "5", "user": user, "subjects": subjects, "limits": limits })
    };
    let run = |at_most: &str, per: &str| json!({ "of": "run:7f", "at_most": at_most, "per": per });
    let team = || json!(["team:ops"]);
    let first = debit(&stack, "key", body(team(), json!([run("50", "ever")]))).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    for same in [
        body(team(), json!([run("0", "ever")])),
        body(team(), json!([run("50", "day"), run("1", "week")])),
        body(json!(["run:7f", "team:ops"]), json!([run("1", "ever")])),
        body(json!(["team:ops", "run:7f", "user:ada"]), json!([run("50", "ever")])),
    ] {
        let again = debit(&stack, "key", same.clone()).await;
        assert_eq!((again.replayed, &again.body), (true, &first.body), "{same}");
    }
    for other in [
        body(json!(["team:web"]), json!([run("50", "ever")])),
        body(json!([]), json!([run("50", "ever")])),
        json!({ "credits": "5", "user": "ada", "subjects": ["team:ops"] }),
        body(team(), json!([{ "of": "run:80", "at_most": "50" }])),
    ] {
        let again = debit(&stack, "key", other.clone()).await;
        assert_eq!((again.status, again.code()), (422, "operation_reused"), "{other}");
    }
    assert_eq!(shown(&stack, "run:7f", "ever").await[1], "5");
}

#[tokio::test]
async fn a_batch_adds_up_for_each_limit_and_none_or_each_that_fits_happens() {
    for (mode, expected) in [("all_or_nothing", "0"), ("each", "90")] {
        let stack = team(NOON, USERS).await;
        let debits = json!([
            { "id": "one", "credits": "60", "user": "ada" },
            { "id": "two", "credits": "60", "user": "ada" },
            { "id": "three", "credits": "30", "user": "ada" },
            { "id": "four", "credits": "90", "user": "bob" },
        ]);
        let answer = batch(&stack, mode, debits).await;
        if mode == "each" {
            let results = answer.body["results"].as_array().expect("results");
            let statuses: Vec<_> = results.iter().map(|result| &result["status"]).collect();
            assert_eq!(statuses, [201, 402, 201, 201], "{answer:?}");
            let problem = &results[1]["problem"];
            assert_eq!(
                (&problem["code"], &problem["left"]),
                (&json!("limit_reached"), &json!("40"))
            );
        } else {
            assert_eq!(reached(&answer), ("user:ada", "month", "100", "100", "150", 1));
            let sum = charge(&stack, "none", "ada", "0.000001").await;
            assert_eq!(sum.status, 201);
            continue;
        }
        assert_eq!(shown(&stack, "user:ada", "month").await[1], expected, "{mode}");
        assert_eq!(shown(&stack, "user:bob", "month").await[1], "90", "{mode}");
    }
}

#[tokio::test]
async fn more_than_16_limits_of_a_batch_are_refused_or_written_in_turn() {
    let debits: Vec<Value> = (0..18)
        .map(|n| {
            let limits = json!([{ "of": format!("run:{n}"), "at_most": "5" }]);
            json!({ "id": format!("debit {n}"), "credits": "1", "limits": limits })
        })
        .collect();
    let stack = team(NOON, "").await;
    let all = batch(&stack, "all_or_nothing", json!(debits)).await;
    assert_eq!(fields(&all), ["debits"]);
    assert_eq!(stack.balance("acme").await.text("/available"), "2500");
    let each = batch(&stack, "each", json!(debits)).await;
    let results = each.body["results"].as_array().expect("results");
    assert!(results.iter().all(|result| result["status"] == 201), "{each:?}");
    assert_eq!(super::listed(&stack).await.len(), 18);
}

#[tokio::test]
async fn a_quote_says_whether_a_limit_lets_the_debit_pass() {
    let stack = team(NOON, USERS).await;
    let quote = async |body: Value| {
        let answer = stack.post(&of("acme", "/quotes"), "unused", &body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["refusal"].clone()
    };
    let ada = |credits: &str| json!({ "credits": credits, "user": "ada" });
    assert_eq!(quote(ada("100")).await, Value::Null);
    assert_eq!(quote(ada("100.000001")).await, "limit_reached");
    let run = json!({ "credits": "6", "limits": [{ "of": "run:7", "at_most": "5" }] });
    assert_eq!(quote(run).await, "limit_reached");
    set(&stack, "ada", "user:ada", json!({ "at_most": "150", "per": "month" })).await;
    assert_eq!(quote(ada("150")).await, Value::Null);
    assert_eq!(quote(json!({ "credits": "2501" })).await, "insufficient_credits");
    assert!(super::listed(&stack).await.iter().all(|limit| limit["used"] == "0"));
}

//! Limits under load: none is exceeded by a micro-credit, and every refusal says why.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::domain::Credits;

use crate::support::{Answer, Stack, at_once, request};

const CALLERS: usize = 64;
const EACH: usize = 4;

/// The numbers: of a user, of two teams, and of a run that each of its requests brings.
const NUMBERS: [(&str, &str, &str); 4] = [
    ("user:ada", "day", "40"),
    ("team:dev", "month", "35.5"),
    ("team:ops", "month", "60.000003"),
    ("run:7f", "ever", "15"),
];

async fn limited() -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    stack.debit("acme", "the bundle", "25").await;
    assert_eq!(stack.grant("acme", "grant", "100").await.status, 201);
    for (of, per, at_most) in &NUMBERS[..3] {
        let path = format!("/v1/accounts/acme/limits/{of}");
        let body = json!({ "at_most": at_most, "per": per }).to_string();
        let set = stack.send(request("PUT", &path, Some(of), &body)).await;
        assert_eq!(set.status, 201, "{set:?}");
    }
    stack
}

/// A debit of one of eight kinds: by whom, for which team, in the run or not.
fn body(n: usize) -> Value {
    let user = ["ada", "bob"][n % 2];
    let team = ["team:dev", "team:ops"][n / 2 % 2];
    let mut body = json!({ "credits": "1.000001", "user": user, "subjects": [team] });
    if (n / 4).is_multiple_of(2) {
        body["limits"] = json!([{ "of": "run:7f", "at_most": "15" }]);
    }
    body
}

/// The subjects that a debit counts for.
fn counts_for(body: &Value) -> Vec<String> {
    let user = format!("user:{}", body["user"].as_str().expect("a user"));
    let team = body["subjects"][0].as_str().expect("a team").to_owned();
    let run = body.get("limits").map(|_| "run:7f".to_owned());
    [user, team].into_iter().chain(run).collect()
}

fn credits(value: &Value) -> Credits {
    let text = value.as_str().expect("credits");
    if text == "0" { Credits::ZERO } else { text.parse().expect("credits") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_limit_is_exceeded_by_64_callers_at_once_and_each_refusal_is_right() {
    let stack = limited().await;
    let answers: Vec<(Value, Answer)> = at_once(CALLERS, |caller| {
        let stack = stack.clone();
        async move {
            let mut answers = Vec::new();
            for nth in 0..EACH {
                let body = body(caller + nth * 3);
                let id = stack.id(0).to_string();
                let path = "/v1/accounts/acme/debits";
                let answer = stack.post(path, &id, &body.to_string()).await;
                answers.push((body, answer));
            }
            answers
        }
    })
    .await
    .into_iter()
    .flatten()
    .collect();
    let required = "1.000001".parse::<Credits>().expect("credits");
    let mut used: BTreeMap<String, Credits> = BTreeMap::new();
    let mut spent = Credits::ZERO;
    for (body, _) in answers.iter().filter(|(_, answer)| answer.status == 201) {
        spent += required;
        for of in counts_for(body) {
            *used.entry(of).or_default() += required;
        }
    }
    assert!(spent <= Credits::whole(100));
    let at_most = |of: &str| {
        let number = NUMBERS.iter().find(|(known, ..)| *known == of);
        number.map(|(.., at_most)| at_most.parse::<Credits>().expect("credits"))
    };
    for (of, used) in &used {
        assert!(at_most(of).is_none_or(|at_most| *used <= at_most), "{of} used {used}");
    }
    for (body, answer) in answers.iter().filter(|(_, answer)| answer.status != 201) {
        let its = counts_for(body);
        // What was used only grows, so what did not fit then does not fit at the end.
        let full = |of: &String| at_most(of).is_some_and(|most| used[of] + required > most);
        let empty = spent + required > Credits::whole(100);
        match answer.code() {
            "insufficient_credits" => assert!(empty, "{answer:?}"),
            "limit_reached" => {
                let limits = answer.body["limits"].as_array().expect("limits");
                assert!(!limits.is_empty());
                for limit in limits {
                    let of = limit["of"].as_str().expect("a subject").to_owned();
                    assert!(its.contains(&of) && full(&of), "{limit} {body}");
                    assert!(credits(&limit["left"]) < required);
                    assert_eq!(credits(&limit["required"]), required);
                }
                assert_eq!(answer.body["of"], limits[0]["of"]);
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    // Each limit and the pool were under pressure, and the counts are those of the receipts.
    let refused = answers.iter().filter(|(_, answer)| answer.status != 201).count();
    assert!(refused > 64, "{refused}");
    let limits = stack.get("/v1/accounts/acme/limits").await;
    for limit in limits.body["limits"].as_array().expect("limits") {
        let of = limit["of"].as_str().expect("a subject");
        assert_eq!(credits(&limit["used"]), used[of], "{limit}");
    }
    assert_eq!(limits.body["limits"].as_array().map(Vec::len), Some(NUMBERS.len()));
}

#[tokio::test]
async fn a_debit_that_three_limits_and_the_pool_stop_lists_all_of_them_the_last_to_reset_first() {
    let stack = limited().await;
    for n in 0..3 {
        let spent = json!({ "credits": "13.3", "user": "ada", "subjects": ["team:dev"],
            "limits": [{ "of": "run:7f", "at_most": "100" }] });
        let (key, spent) = (n.to_string(), spent.to_string());
        let debit = stack.post("/v1/accounts/acme/debits", &key, &spent).await;
        assert_eq!(debit.status, if n < 2 { 201 } else { 402 });
    }
    let asked = json!({ "credits": "80", "user": "ada", "subjects": ["team:dev"],
        "limits": [{ "of": "run:7f", "at_most": "50" }] });
    let refused = stack.post("/v1/accounts/acme/debits", "last", &asked.to_string()).await;
    assert_eq!((refused.status, refused.code()), (402, "limit_reached"));
    let line = |limit: &Value| {
        let of = limit["of"].as_str().expect("a subject").to_owned();
        (of, limit["left"].clone(), limit["resets_at"].clone())
    };
    let listed: Vec<_> =
        refused.body["limits"].as_array().expect("limits").iter().map(line).collect();
    assert_eq!(
        listed,
        [
            ("run:7f".to_owned(), json!("23.4"), Value::Null),
            ("team:dev".to_owned(), json!("8.9"), json!("2026-12-01T00:00:00.000Z")),
            ("user:ada".to_owned(), json!("13.4"), json!("2026-11-19T00:00:00.000Z")),
        ]
    );
    assert_eq!(refused.body["of"], "run:7f");
    assert_eq!((refused.text("/available"), refused.text("/required")), ("73.4", "80"));
    assert!(refused.text("/detail").contains("only 73.4 credits"), "{refused:?}");
    assert!(refused.body["recharges_at"].is_string(), "the pool is short as well");
    println!("{}", serde_json::to_string_pretty(&refused.body).expect("JSON"));
}

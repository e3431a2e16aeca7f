//! The stories that a newcomer sees: the demo and the README's commands.

use local::clock::LocalClock;
use local::demo;

use crate::support::shop::Shop;
use crate::support::{Stack, instant, request};

#[tokio::test]
async fn the_demo_plays_to_its_end() {
    let Shop { stack, stripe } = Shop::at(demo::BEGINS).await;
    let played = demo::play(&stack.functions, &stack.clock, &stripe).await;
    let text = played.expect("the story ends well");
    assert!(text.contains("201 Created (replayed)"), "{text}");
    assert!(text.contains("insufficient_credits"));
    let entries = text.lines().filter(|line| line.contains("  available ")).count();
    // Opened, two debits, a grant, two settles and the plan with its own, four of holds, two of a
    // batch, a debit and its refund, froze, thawed, a debit. Of the other: opened, a debit, topped up
    // and settled, a debit, reversed and settled, topped up and settled.
    assert_eq!(entries, 19 + 9, "{text}");
}

/// The curls of the README, sent as they are, to a stack that was seeded as `cargo run` does.
#[tokio::test]
async fn the_curls_of_the_readme_work() {
    let Shop { stack, .. } = Shop::noon().await;
    local::seed::seed(&stack.functions).await.expect("accounts");
    let readme = include_str!("../../README.md").replace("\\\n", " ");
    let mut statuses = Vec::new();
    // The ids in the answers to curls that are kept in shell variables.
    let mut kept: Vec<(String, String)> = Vec::new();
    for line in readme.lines().filter(|line| line.starts_with("curl ") || line.contains("=$(curl "))
    {
        let mut url = line.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        let mut url = url.find(|word| word.starts_with("http://")).expect("a URL").to_owned();
        for (name, id) in &kept {
            url = url.replace(name, id);
        }
        let path = url.strip_prefix("http://127.0.0.1:3000").expect("the default address");
        if path.starts_with("/_local/") {
            continue;
        }
        let quoted: Vec<&str> = line.split('\'').collect();
        let after = |flag: &str| {
            let place = quoted.iter().position(|part| part.trim_end().ends_with(flag));
            place.map(|place| quoted[place + 1])
        };
        let accept = after("-H").and_then(|header| header.strip_prefix("Accept: "));
        let key = after("-H").and_then(|header| header.strip_prefix("Idempotency-Key: "));
        let body = after("-d");
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = request(method, path, key, body.unwrap_or_default());
        if let Some(accept) = accept {
            request.headers_mut().insert("accept", accept.parse().expect("a header"));
        }
        let token = kept.iter().find(|(name, _)| line.contains(&format!("Bearer {name}")));
        if let Some((_, token)) = token {
            let bearer = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", bearer);
        }
        let answer = stack.send(request).await;
        if let Some((name, _)) = line.split_once("=$(curl ") {
            let field = if name == "TOKEN" { "/token" } else { "/id" };
            kept.push((format!("${name}"), answer.text(field).to_owned()));
        }
        statuses.push(answer.status);
    }
    statuses.sort();
    assert!(statuses.starts_with(&[200]) && statuses.ends_with(&[402]), "{statuses:?}");
    assert!(statuses.contains(&201) && statuses.len() >= 5, "{statuses:?}");
}

#[test]
fn the_clock_is_moved_by_json_only() {
    let clock = LocalClock::starting_at(instant("2026-11-20T10:00:00Z"));
    let post = |kind: &str, body: &str| {
        let request = http::Request::post("/_local/clock").header("content-type", kind);
        let request = request.body(lambda_http::Body::from(body)).expect("a request");
        local::control::answer(&clock, &request).status().as_u16()
    };
    let json = "application/json";
    assert_eq!(post("text/plain", r#"{"advance_s":60}"#), 415);
    for body in ["", "{}", "[]", r#"{"advance_s":-1}"#, r#"{"advance_s":1.5}"#, r#"{"now":"x"}"#] {
        assert_eq!(post(json, body), 400, "{body}");
    }
    assert_eq!(post(json, r#"{"now":"2027-01-01T00:00:00Z"}"#), 200);
    assert!(clock.now() >= instant("2027-01-01T00:00:00Z"));
    assert_eq!(post(json, r#"{"advance_s":86400}"#), 200);
    assert!(clock.now() >= instant("2027-01-02T00:00:00Z"));
}

#[tokio::test]
async fn inspect_shows_an_account_and_its_pages() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for n in 0..40 {
        stack.action("acme", &format!("job {n}"), "rich_text", 1).await;
    }
    let id = "acme".parse().expect("an account");
    let text = local::inspect::inspect(stack.world(), &id).await.expect("readable").expect("there");
    for part in ["available   2460", "plan        pro, active", "page of entries 1 to", "\"job 0\""]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let nobody = "nobody".parse().expect("an account");
    assert_eq!(local::inspect::inspect(stack.world(), &nobody).await.expect("readable"), None);
}

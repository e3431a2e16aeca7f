//! The stories that a newcomer sees: the demo, the clock that can be moved, an account printed.

use local::clock::LocalClock;
use local::demo;

use crate::support::shop::Shop;
use crate::support::{Stack, instant};

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

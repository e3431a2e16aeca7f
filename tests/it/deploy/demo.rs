//! The demo, the local clock, and the printout of an account.

use local::clock::LocalClock;
use local::demo::{self, Screen};
use regex::Regex;
use serde_json::Value;
use shared::command;
use shared::command::limit::Changer;
use shared::decide::own_limit::LimitRequest;
use shared::domain::limit::Per;
use shared::domain::{Credits, KeySpace};

use crate::support::shop::Shop;
use crate::support::{Stack, canary, instant, ledger, of, request};

/// Plays the demo on a shop. Returns the result and the text.
async fn play(shop: &Shop) -> (Result<(), String>, String) {
    let mut text = Vec::new();
    let mut screen = Screen::plain(&mut text);
    let Shop { stack, stripe } = shop;
    let played = demo::play(&stack.functions, &stack.clock, stripe, &mut screen).await;
    drop(screen);
    let text = String::from_utf8(text).expect("text");
    canary::look("the demo", &text);
    (played.map_err(|error| error.to_string()), text)
}

fn credits(entry: &Value) -> i64 {
    let text = entry["available"].as_str().expect("credits");
    let micro = |text: &str| text.parse().map_or(0, Credits::micro);
    text.strip_prefix('-').map_or_else(|| micro(text), |positive| -micro(positive))
}

#[tokio::test]
async fn the_demo_plays_seven_scenes_and_matches_the_ledger() {
    let shop = Shop::at(demo::BEGINS).await;
    let (played, text) = play(&shop).await;
    assert_eq!(played, Ok(()), "{text}");
    let titles = Regex::new(r"(?m)^(\d)/7  ").expect("a pattern");
    let numbers: String = titles.captures_iter(&text).map(|found| found[1].to_owned()).collect();
    assert_eq!(numbers, "1234567", "{text}");
    let found = |pattern: &str| -> Vec<String> {
        let pattern = Regex::new(pattern).expect("a pattern");
        let found = pattern.captures(&text).unwrap_or_else(|| panic!("{pattern}: {text}"));
        found.iter().skip(1).flatten().map(|part| part.as_str().to_owned()).collect()
    };
    let ledger = ledger(&shop.stack.functions, "studio").await.expect("a ledger");
    // Each accepted one of 200 concurrent debits has its entry, and the others have none.
    let rush = found(r"=> (\d+) passed, (\d+) refused, 0 credits off");
    let [passed, refused] = [0, 1].map(|n| rush[n].parse::<usize>().expect("a count"));
    let entries = |of: &str| {
        let named = |entry: &&Value| entry["key"].as_str().is_some_and(|key| key.starts_with(of));
        ledger.iter().filter(named).count()
    };
    assert_eq!((passed, passed + refused), (entries("rush-"), 200));
    assert!(passed > 0 && refused > 0, "{text}");
    // A retry has no entry of its own, and neither has a repeated event.
    assert_eq!(entries("video-1"), 1);
    let topped_up = ledger.iter().filter(|entry| entry["kind"] == "topped_up").count();
    assert_eq!(topped_up, 2, "bought, and won back");
    let sums = found(r"=> (\d+) entries sum to (\S+); the balance is (\S+)");
    let (balance, _) = shop.balance("studio").await;
    assert_eq!(sums, [ledger.len().to_string(), balance.clone(), balance.clone()]);
    let sum: i64 = ledger.iter().map(credits).sum();
    assert_eq!(Credits::from_micro(sum).to_string(), balance);
    assert!(text.contains("=> audit: 1 account, 0 differences\n"), "{text}");
}

#[tokio::test]
async fn a_demo_fails_when_a_scene_ends_differently() {
    let shop = Shop::at(demo::BEGINS).await;
    // So many credits that the debit before Monday is not refused.
    shop.stack.open("studio", "free").await;
    assert_eq!(shop.stack.grant("studio", "gift", "1000").await.status, 201);
    let (played, text) = play(&shop).await;
    assert!(played.is_err(), "{text}");
    assert!(!text.contains("7/7"), "{text}");
}

#[test]
fn the_clock_is_moved_by_json_and_only_forward() {
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
    // Not back, where accounts have later entries, nor to the end of calendars.
    for body in [r#"{"now":"2026-11-20T09:00:00Z"}"#, r#"{"now":"9999-12-31T23:59:59Z"}"#] {
        assert_eq!(post(json, body), 400, "{body}");
    }
    assert_eq!(post(json, r#"{"now":"2027-01-01T00:00:00Z"}"#), 200);
    assert!(clock.now() >= instant("2027-01-01T00:00:00Z"));
    assert_eq!(post(json, r#"{"advance_s":86400}"#), 200);
    assert!(clock.now() >= instant("2027-01-02T00:00:00Z"));
}

#[tokio::test]
async fn inspect_shows_an_account_and_its_segments() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for n in 0..40 {
        stack.action("acme", &format!("job {n}"), "rich_text", 1).await;
    }
    let id = "acme".parse().expect("an account");
    let text = cli::inspect::inspect(stack.context(), &id).await.expect("readable").expect("there");
    for part in
        ["available   2460", "plan        pro, active", "segment of entries 1 to", "\"job 0\""]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let nobody = "nobody".parse().expect("an account");
    assert_eq!(cli::inspect::inspect(stack.context(), &nobody).await.expect("readable"), None);
}

#[tokio::test]
async fn inspect_shows_limits_and_what_was_used_of_them_by_name() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (context, id) = (stack.context(), "acme".parse().expect("an account"));
    let (subject, at_most) =
        ("user:ada".parse().expect("a subject"), "150".parse().expect("credits"));
    let change = LimitRequest { of: subject, per: Per::Month, at_most: Some(at_most) };
    let (catalog, key) = (context.catalog().await, "limit".parse().expect("a key"));
    let key = (KeySpace::Operators, &key);
    let set = command::limit::set(context, &catalog, &id, key, &change, Changer::default()).await;
    set.expect("the limit is set");
    let body = r#"{"credits":"5","user":"ada","subjects":["team:ops"],
        "limits":[{"of":"run:7f","at_most":"40"}]}"#;
    let charged = request("POST", &of("acme", "/debits"), Some("first"), body);
    assert_eq!(stack.functions.answer(charged).await.status(), 201);
    // Entries that count for no limit, until the one that does is archived.
    for n in 0..70 {
        stack.debit("acme", &format!("debit {n}"), "1").await;
    }
    let text = cli::inspect::inspect(context, &id).await.expect("readable").expect("there");
    for part in [
        "limits      of its own, version 1; the account names version 1:\n",
        "\n  user:ada per month: at most 150\n",
        "user:ada per month from 20",
        "run:7f per ever: 5\n",
        "for run:7f for team:ops counts for user:ada per month",
        "at most 150 counts for run:7f per ever: at most 40",
        "limit_set user:ada per month: at most 150",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

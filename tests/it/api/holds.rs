//! Holds: credits held before the work, captured for delivered work, and released for the rest.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tests::proof::ROUNDS;

use crate::protocol::capacity::tick;
use crate::support::{Answer, Stack, at_once, ledger};

async fn hold(stack: &Stack, key: &str, body: &str) -> Answer {
    stack.post("/v1/accounts/acme/holds", key, body).await
}

/// Captures, releases or extends.
async fn then(stack: &Stack, id: &str, word: &str, key: &str, body: &str) -> Answer {
    stack.post(&format!("/v1/accounts/acme/holds/{id}/{word}"), key, body).await
}

async fn with_hold(credits: &str) -> (Stack, String) {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let held = hold(&stack, "hold", &format!(r#"{{"credits":"{credits}"}}"#)).await;
    assert_eq!(held.status, 201, "{held:?}");
    let id = held.text("/id").to_owned();
    (stack, id)
}

fn balance(answer: &Answer) -> (&str, &str) {
    (answer.text("/balance/available"), answer.text("/balance/held"))
}

#[tokio::test]
async fn a_capture_charges_its_amount_and_returns_the_rest() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let body = r#"{"action":"custom_image","quantity":4,"user":"ada"}"#;
    let held = hold(&stack, "job", body).await;
    assert_eq!((held.status, balance(&held)), (201, ("23", "2")));
    assert_eq!(held.text("/expires_at"), later(&held, 300));
    let again = hold(&stack, "job", body).await;
    assert_eq!((again.replayed, &again.body), (true, &held.body));
    let id = held.text("/id");
    let part = then(&stack, id, "capture", "part", r#"{"quantity":1,"final":false}"#).await;
    assert_eq!((part.status, balance(&part)), (201, ("23", "1.5")));
    assert_eq!((part.text("/credits"), &part.body["final"]), ("0.5", &Value::from(false)));
    let rest = then(&stack, id, "capture", "rest", r#"{"quantity":2}"#).await;
    assert_eq!((rest.status, balance(&rest)), (201, ("23.5", "0")));
    assert_eq!((rest.text("/credits"), &rest.body["final"]), ("1", &Value::from(true)));
    let again = then(&stack, id, "capture", "part", r#"{"quantity":1,"final":false}"#).await;
    assert_eq!((again.replayed, &again.body), (true, &part.body));
    let more = then(&stack, id, "capture", "more", r#"{"quantity":1}"#).await;
    assert_eq!((more.status, more.code(), more.text("/ended")), (409, "hold_ended", "captured"));
    assert_eq!(more.text("/ended_at"), rest.text("/at"));
    let balance = stack.balance("acme").await;
    assert_eq!(balance.text("/consumed/actions/0/action"), "custom_image");
    assert_eq!(balance.text("/consumed/credits"), "1.5");
}

fn later(answer: &Answer, seconds: i64) -> String {
    let at = crate::support::instant(answer.text("/at"));
    shared::domain::Instant::from_ms(at.ms() + seconds * 1000).to_string()
}

#[tokio::test]
async fn a_released_hold_costs_nothing() {
    let (stack, id) = with_hold("5").await;
    let released = then(&stack, &id, "release", "release", "{}").await;
    assert_eq!((released.status, balance(&released)), (201, ("25", "0")));
    let late = then(&stack, &id, "capture", "late", r#"{"credits":"1"}"#).await;
    assert_eq!((late.code(), late.text("/ended")), ("hold_ended", "released"));
    assert_eq!(late.text("/ended_at"), released.text("/at"));
}

#[tokio::test]
async fn a_lapsed_holds_credits_can_be_spent_at_once() {
    let (stack, id) = with_hold("20").await;
    let short = stack.debit("acme", "short", "6").await;
    assert_eq!((short.status, short.text("/shortfall")), (402, "1"));
    stack.set_clock("2026-11-18T12:06:00Z");
    let balance = stack.balance("acme").await;
    assert_eq!((balance.text("/available"), balance.text("/held")), ("25", "0"));
    let late = then(&stack, &id, "capture", "late", r#"{"credits":"1"}"#).await;
    assert_eq!((late.code(), late.text("/ended")), ("hold_ended", "lapsed"));
    assert_eq!(stack.debit("acme", "all of it", "25").await.available(), "0");
    let later = then(&stack, &id, "release", "later", "{}").await;
    assert_eq!((later.code(), later.text("/ended")), ("hold_ended", "lapsed"));
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let advanced = entries.iter().find(|entry| entry["kind"] == "time_passed").expect("an advance");
    assert_eq!(advanced["lapsed"][0], Value::from(id));
}

#[tokio::test]
async fn an_extended_hold_lasts_from_the_extension_on() {
    let (stack, id) = with_hold("5").await;
    stack.set_clock("2026-11-18T12:04:00Z");
    let extended = then(&stack, &id, "extend", "extend", r#"{"expires_in_s":600}"#).await;
    assert_eq!((extended.status, balance(&extended)), (201, ("20", "5")));
    assert_eq!(extended.text("/expires_at"), later(&extended, 600));
    let shorter = then(&stack, &id, "extend", "shorter", r#"{"expires_in_s":1}"#).await;
    assert_eq!(shorter.text("/expires_at"), extended.text("/expires_at"));
    stack.set_clock("2026-11-18T12:13:00Z");
    let captured = then(&stack, &id, "capture", "capture", r#"{"credits":"5"}"#).await;
    assert_eq!((captured.status, balance(&captured)), (201, ("20", "0")));
}

#[tokio::test]
async fn a_capture_beyond_the_hold_is_refused_with_the_numbers() {
    let (stack, id) = with_hold("2").await;
    let over = then(&stack, &id, "capture", "over", r#"{"credits":"2.5"}"#).await;
    assert_eq!((over.status, over.code()), (422, "hold_exceeded"));
    assert_eq!((over.text("/required"), over.text("/held")), ("2.5", "2"));
    let quantity = then(&stack, &id, "capture", "quantity", r#"{"quantity":1}"#).await;
    assert_eq!((quantity.status, quantity.text("/fields/0/field")), (400, "quantity"));
    // The hold is unchanged.
    let all = then(&stack, &id, "capture", "all", r#"{"credits":"2","final":false}"#).await;
    assert_eq!((all.status, &all.body["final"]), (201, &Value::from(true)));
}

#[tokio::test]
async fn a_hold_of_another_account_does_not_exist() {
    let (stack, id) = with_hold("2").await;
    stack.open("other", "free").await;
    for (word, body) in
        [("capture", r#"{"credits":"1"}"#), ("release", "{}"), ("extend", r#"{"expires_in_s":9}"#)]
    {
        let path = format!("/v1/accounts/other/holds/{id}/{word}");
        let answer = stack.post(&path, word, body).await;
        assert_eq!((answer.status, answer.code()), (404, "hold_not_found"));
    }
    let debit = stack.debit("acme", "debit", "1").await;
    let answer = then(&stack, debit.text("/id"), "release", "no hold", "{}").await;
    assert_eq!(answer.code(), "hold_not_found");
}

#[tokio::test]
async fn bad_holds_are_refused_field_by_field() {
    let (stack, id) = with_hold("2").await;
    let cases = [
        (r#"{"credits":"1","expires_in_s":0}"#, "expires_in_s"),
        (r#"{"credits":"1","expires_in_s":-5}"#, "expires_in_s"),
        (r#"{"credits":"1","expires_in_s":86401}"#, "expires_in_s"),
        (r#"{"credits":"1","expires_in_s":"60"}"#, "expires_in_s"),
        (r#"{"credits":"1","quantity":2}"#, "credits"),
        (r#"{"expires_in_s":60}"#, "action"),
        (r#"{"credits":"1","final":true}"#, "final"),
    ];
    for (body, field) in cases {
        let answer = hold(&stack, "bad", body).await;
        assert_eq!((answer.status, answer.text("/fields/0/field")), (400, field), "{body}");
    }
    for (body, field) in [
        ("{}", "quantity"),
        (r#"{"credits":"1","quantity":1}"#, "credits"),
        (r#"{"credits":"-1"}"#, "credits"),
        (r#"{"credits":"1","final":"yes"}"#, "final"),
    ] {
        let answer = then(&stack, &id, "capture", "bad", body).await;
        assert_eq!((answer.status, answer.text("/fields/0/field")), (400, field), "{body}");
    }
    assert_eq!(then(&stack, &id, "extend", "bad", "{}").await.status, 400);
    assert_eq!(then(&stack, "not-an-id", "release", "bad", "{}").await.status, 400);
}

#[tokio::test]
async fn the_sixty_fifth_hold_is_refused_until_the_first_lapses() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let mut first = String::new();
    for n in (0..64).rev() {
        let body = format!(r#"{{"credits":"0.1","expires_in_s":{}}}"#, 60 + n);
        let held = hold(&stack, &format!("hold {n}"), &body).await;
        assert_eq!(held.status, 201);
        first = held.text("/expires_at").to_owned();
    }
    let more = hold(&stack, "one more", r#"{"credits":"0.1"}"#).await;
    assert_eq!((more.status, more.code()), (409, "too_many_holds"));
    assert_eq!((more.text("/retry_at"), &more.body["holds"]), (&*first, &Value::from(64)));
    stack.set_clock("2026-11-18T12:01:05Z");
    assert_eq!(hold(&stack, "one more", r#"{"credits":"0.1"}"#).await.status, 201);
}

#[tokio::test]
async fn a_frozen_account_takes_no_hold_and_its_holds_still_end() {
    let (stack, id) = with_hold("2").await;
    stack.post("/v1/accounts/acme/freeze", "freeze", r#"{"reason":"test"}"#).await;
    assert_eq!(hold(&stack, "no", r#"{"credits":"1"}"#).await.code(), "account_frozen");
    let captured = then(&stack, &id, "capture", "capture", r#"{"credits":"1.5"}"#).await;
    assert_eq!((captured.status, balance(&captured)), (201, ("23.5", "0")));
}

/// A capture after Monday uses the old week's credits. A release after Monday returns purchased
/// credits; those of the old week are gone.
#[tokio::test]
async fn a_hold_across_monday_ends_in_the_week_it_was_taken_from() {
    for (word, body, available) in [
        ("capture", r#"{"credits":"4"}"#, "25"),
        ("capture", r#"{"credits":"10"}"#, "25"),
        ("release", "{}", "25"),
    ] {
        let stack = Stack::at("2026-11-22T23:59:00Z").await;
        stack.open("acme", "free").await;
        let held = hold(&stack, "hold", r#"{"credits":"10"}"#).await;
        assert_eq!(balance(&held), ("15", "10"));
        stack.set_clock("2026-11-23T00:00:30Z");
        assert_eq!(stack.balance("acme").await.text("/available"), "25");
        assert_eq!(stack.balance("acme").await.text("/held"), "10");
        let ended = then(&stack, held.text("/id"), word, "end", body).await;
        assert_eq!((ended.status, balance(&ended)), (201, (available, "0")), "{word} {body}");
    }
    // 30 of 25 weekly and 10 lasting credits are held: 5 of them lasting ones, which come back.
    let stack = Stack::at("2026-11-22T23:59:00Z").await;
    stack.open("acme", "free").await;
    stack.grant("acme", "grant", "10").await;
    let held = hold(&stack, "hold", r#"{"credits":"30"}"#).await;
    stack.set_clock("2026-11-23T00:00:30Z");
    let balance_now = stack.balance("acme").await;
    assert_eq!((balance_now.text("/available"), balance_now.text("/held")), ("30", "30"));
    let ended = then(&stack, held.text("/id"), "release", "end", "{}").await;
    assert_eq!(balance(&ended), ("35", "0"));
}

/// A hold and its capture cost two writes, a share of the segments, and one read.
#[tokio::test]
async fn a_hold_and_its_capture_cost_at_most_2_3_write_units() {
    let (writes, reads) = a_hold_and_its_capture(0).await;
    assert!(writes <= 2.3, "{writes}");
    assert!(reads <= 1.2, "{reads}");
}

/// Every open hold is a part of the account, which is paid for with every write.
#[tokio::test]
async fn a_hold_and_its_capture_beside_63_holds_cost_at_most_12_write_units() {
    let (writes, reads) = a_hold_and_its_capture(63).await;
    assert!(writes <= 12.0, "{writes}");
    assert!(reads <= 2.2, "{reads}");
}

/// The write and read units of a hold and its capture, beside so many other holds.
async fn a_hold_and_its_capture(beside: usize) -> (f64, f64) {
    const PAIRS: usize = 240;
    let stack = Stack::ticking().await;
    stack.open("acme", "pro").await;
    for n in 0..beside {
        tick(&stack);
        let body = r#"{"action":"custom_image","quantity":4,"expires_in_s":86400}"#;
        assert_eq!(hold(&stack, &format!("beside {n}"), body).await.status, 201);
    }
    stack.wire.take_costs();
    for _ in 0..PAIRS {
        tick(&stack);
        let held = hold(&stack, &stack.id(0).to_string(), r#"{"credits":"1"}"#).await;
        tick(&stack);
        let key = stack.id(0).to_string();
        let body = r#"{"credits":"0.5"}"#;
        assert_eq!(then(&stack, held.text("/id"), "capture", &key, body).await.status, 201);
    }
    let costs = stack.wire.take_costs();
    let (writes, reads) = (costs.write_units / PAIRS as f64, costs.read_units / PAIRS as f64);
    println!(
        "hold and capture beside {beside} holds: {writes:.4} write units, {reads:.4} read units: \
         {costs:?}"
    );
    (writes, reads)
}

/// Parts run side by side, and still no more is captured than was held: all of it, and not by one
/// micro-credit more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_parts_take_what_is_held_and_no_more() {
    // 7 of 20 fit twice, and 6 are left.
    for (held, part, fit, charged, refused) in [
        (r#"{"credits":"20"}"#, r#"{"credits":"1","final":false}"#, 20, "20", "hold_ended"),
        (r#"{"credits":"20"}"#, r#"{"credits":"7","final":false}"#, 2, "14", "hold_exceeded"),
        (
            r#"{"action":"custom_image","quantity":7}"#,
            r#"{"quantity":1,"final":false}"#,
            7,
            "3.5",
            "hold_ended",
        ),
    ] {
        let stack = Stack::noon().await;
        stack.open("acme", "free").await;
        let id = hold(&stack, "hold", held).await.text("/id").to_owned();
        let answers = at_once(32, |n| {
            let (stack, id) = (stack.clone(), id.clone());
            async move { then(&stack, &id, "capture", &format!("part {n}"), part).await }
        })
        .await;
        let (passed, others): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
        assert_eq!(passed.len(), fit, "{part}: {answers:?}");
        assert!(others.iter().all(|answer| answer.code() == refused), "{others:?}");
        let ends = passed.iter().filter(|answer| answer.body["final"] == true).count();
        assert_eq!(ends, usize::from(refused == "hold_ended"), "{part}");
        let usage = stack.get("/v1/accounts/acme/usage").await;
        assert_eq!(usage.text("/credits"), charged, "{part}");
        let audited = audit::account(stack.context(), &"acme".parse().expect("an account")).await;
        assert_eq!(audited.expect("an audit"), [], "{part}");
    }
}

/// Eight callers end one hold at the same time, each in another way. It ends once, and the ledger
/// accounts for every credit.
#[tokio::test(start_paused = true)]
async fn concurrent_callers_end_a_hold_once() {
    const CALLERS: usize = 8;
    let rounds = ROUNDS.get();
    let mut random = StdRng::seed_from_u64(20_261_122);
    let stack = Stack::at("2026-11-18T12:00:00Z").await;
    stack.open("acme", "free").await;
    stack.grant("acme", "grant", "100000").await;
    let mut expected: i64 = 100_025;
    for round in 0..rounds {
        let body = r#"{"credits":"4","expires_in_s":1}"#;
        let held = hold(&stack, &stack.id(0).to_string(), body).await;
        let id = held.text("/id").to_owned();
        // In one round of four the hold is at its end when the callers arrive.
        if random.random_ratio(1, 4) {
            let now = stack.clock.now().ms() + 1_000 - random.random_range(0..3);
            stack.clock.set(shared::domain::Instant::from_ms(now));
        }
        let words: Vec<u64> = (0..CALLERS).map(|_| random.random_range(0..4)).collect();
        let answers = at_once(CALLERS, |n| {
            let (stack, id, word) = (stack.clone(), id.clone(), words[n]);
            async move {
                let key = format!("{round} {n}");
                match word {
                    0 => then(&stack, &id, "capture", &key, r#"{"credits":"1"}"#).await,
                    1 => {
                        let body = r#"{"credits":"1","final":false}"#;
                        then(&stack, &id, "capture", &key, body).await
                    }
                    2 => then(&stack, &id, "release", &key, "{}").await,
                    _ => then(&stack, &id, "extend", &key, r#"{"expires_in_s":1}"#).await,
                }
            }
        })
        .await;
        let mut ends = 0;
        for (answer, word) in answers.iter().zip(words) {
            match answer.status {
                201 => {
                    expected -= i64::from(word < 2);
                    ends += u32::from(word == 2 || answer.body["final"] == true);
                }
                409 | 422 => {}
                _ => panic!("{answer:?}"),
            }
        }
        assert!(ends <= 1, "round {round}: ended {ends} times");
        let now = stack.clock.now().ms() + 3_000;
        stack.clock.set(shared::domain::Instant::from_ms(now));
        let balance = stack.balance("acme").await;
        let left = (balance.text("/available"), balance.text("/held"));
        assert_eq!(left, (&*expected.to_string(), "0"), "round {round}");
    }
    ROUNDS.say(format_args!("{rounds} rounds of {CALLERS} callers: each hold ended once"));
}

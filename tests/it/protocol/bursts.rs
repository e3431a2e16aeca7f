//! The cost of a debit under many callers, in simulated time with calls of 5 ms, so each run is the
//! same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::protocol::capacity::{LABELS, Labels, labelled, plain};
use crate::support::Stack;

const CALL_TIMEOUT: Duration = Duration::from_millis(5);
/// The number of counted debits.
const DEBITS: usize = 960;
const PATH: &str = "/v1/accounts/acme/debits";

async fn stack() -> Stack {
    let stack = Stack::paced("2026-11-18T12:00:00Z").await;
    plain(&stack).await;
    stack.wire.set_call(CALL_TIMEOUT);
    stack.wire.take_costs();
    stack
}

/// Sends a debit until its outcome is known. Returns how often it was unknown.
async fn insist(stack: &Stack, labels: Labels) -> usize {
    let (id, body) = (stack.id(0).to_string(), labelled(labels).to_string());
    let mut unknown = 0;
    loop {
        match stack.post(PATH, &id, &body).await.status {
            201 => return unknown,
            503 => unknown += 1,
            status => panic!("{status}"),
        }
    }
}

/// Write units per debit, including refused writes.
fn each(stack: &Stack) -> f64 {
    stack.wire.take_costs().write_units / DEBITS as f64
}

#[tokio::test(start_paused = true)]
async fn two_hundred_debits_a_second_pay_by_label_size() {
    for (labels, most) in LABELS.into_iter().zip([1.2, 1.6, 2.5]) {
        let stack = stack().await;
        let mut random = StdRng::seed_from_u64(21);
        let mut tasks = JoinSet::new();
        for _ in 0..DEBITS {
            let part: f64 = random.random_range(f64::EPSILON..1.0);
            tokio::time::sleep(Duration::from_secs_f64(-part.ln() / 200.0)).await;
            let stack = stack.clone();
            tasks.spawn(async move { insist(&stack, labels).await });
        }
        let unknown: usize = tasks.join_all().await.into_iter().sum();
        let each = each(&stack);
        println!("200/s, labels of {labels:?} bytes: {each:.3} write units a debit");
        assert!(each <= most && unknown == 0, "{labels:?}: {each}, {unknown} unknown");
    }
}

async fn callers(count: usize, labels: Labels) -> (f64, usize) {
    let stack = stack().await;
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let stack = stack.clone();
        tasks.spawn(async move {
            let mut unknown = 0;
            for _ in 0..DEBITS / count {
                unknown += insist(&stack, labels).await;
            }
            unknown
        });
    }
    let unknown = tasks.join_all().await.into_iter().sum();
    let each = each(&stack);
    let available = stack.balance("acme").await;
    println!("{count} callers, labels of {labels:?} bytes: {each:.3} write units a debit");
    let spent = stack.get("/v1/accounts/acme/usage").await;
    assert_eq!(spent.body["days"][0]["actions"][0]["count"], DEBITS, "{available:?}");
    (each, unknown)
}

#[tokio::test(start_paused = true)]
async fn eight_callers_pay_by_label_size() {
    for (labels, most) in LABELS.into_iter().zip([1.4, 3.0, 4.5]) {
        let (each, unknown) = callers(8, labels).await;
        assert!(each <= most && unknown == 0, "{labels:?}: {each}, {unknown} unknown");
    }
}

/// Callers pay for entries that 48 requests append before a segment leaves the account; joined
/// requests cost less.
#[tokio::test(start_paused = true)]
async fn forty_eight_callers_are_all_answered() {
    for labels in LABELS {
        let (_, unknown) = callers(48, labels).await;
        assert_eq!(unknown, 0, "{labels:?}");
    }
}

/// The time and the write units of 960 requests of 16 callers without pause.
async fn sixteen_callers(stack: &Stack, path: &str, body: &'static str) -> (Duration, f64) {
    stack.wire.take_costs();
    let (began, mut tasks) = (tokio::time::Instant::now(), JoinSet::new());
    let sent = Arc::<AtomicUsize>::default();
    for _ in 0..16 {
        let (stack, path, sent) = (stack.clone(), path.to_owned(), sent.clone());
        tasks.spawn(async move {
            // A caller that writes a segment meanwhile sends fewer than the others.
            while sent.fetch_add(1, Ordering::Relaxed) < DEBITS {
                let answer = stack.post(&path, &stack.id(0).to_string(), body).await;
                assert_eq!(answer.status, 201, "{answer:?}");
            }
        });
    }
    tasks.join_all().await;
    (began.elapsed(), each(stack))
}

const HELD: &str = r#"{"credits":"20"}"#;

/// A part reads the account for the price that its hold has, and is then one write, like a debit:
/// no part waits for another.
#[tokio::test(start_paused = true)]
async fn sixteen_callers_capture_parts_of_one_hold_at_half_the_rate_of_debits() {
    let stack = stack().await;
    let (debits, units) = sixteen_callers(&stack, PATH, r#"{"credits":"0.01"}"#).await;
    println!("16 callers, {DEBITS} debits: {debits:?}, {units:.3} write units each");
    for (held, part) in [
        (HELD, r#"{"credits":"0.01","final":false}"#),
        (r#"{"action":"feed_field","quantity":1000}"#, r#"{"quantity":1,"final":false}"#),
    ] {
        let held = stack.post("/v1/accounts/acme/holds", held, held).await;
        assert_eq!(held.status, 201, "{held:?}");
        let path = format!("/v1/accounts/acme/holds/{}/capture", held.text("/id"));
        let (parts, units) = sixteen_callers(&stack, &path, part).await;
        let ratio = debits.as_secs_f64() / parts.as_secs_f64();
        println!("as many parts of one hold: {parts:?}, {units:.3} write units: {ratio:.3}");
        assert!(ratio >= 0.5, "{ratio}");
    }
}

/// Parts compare nothing that other parts change, and what ends their hold does. It needs a gap of
/// one call between two parts, and must find it: here 160 parts come in a second.
#[tokio::test(start_paused = true)]
async fn a_hold_ends_while_sixteen_callers_capture_parts_of_it() {
    let stack = stack().await;
    for number in 0..8 {
        let held = stack.post("/v1/accounts/acme/holds", &format!("held {number}"), HELD).await;
        assert_eq!(held.status, 201, "{held:?}");
        let path = format!("/v1/accounts/acme/holds/{}/capture", held.text("/id"));
        let mut callers = JoinSet::new();
        for _ in 0..16 {
            let (stack, path) = (stack.clone(), path.clone());
            callers.spawn(async move {
                loop {
                    let part = r#"{"credits":"0.0001","final":false}"#;
                    let answer = stack.post(&path, &stack.id(0).to_string(), part).await;
                    if answer.status != 201 {
                        return answer;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let ended = stack.post(&path, &format!("end {number}"), r#"{"credits":"0"}"#).await;
        assert_eq!(ended.status, 201, "{ended:?}");
        for late in callers.join_all().await {
            assert_eq!(late.text("/code"), "hold_ended", "{late:?}");
        }
    }
}

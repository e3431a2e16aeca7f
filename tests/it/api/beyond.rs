//! Captures beyond a hold: what is held is charged, and all of the rest or nothing of it.

use serde_json::Value;
use shared::decide::debit::Price;
use shared::decide::hold::CapturePart;
use shared::decide::limit::NO_LIMITS;
use shared::decide::operation::{self, Ask, Attempt, Request, Route};
use shared::decide::{AccountWrite, Guard, Write};
use shared::domain::hold::HeldFor;
use shared::domain::instant::Span;
use shared::domain::{Account, Credits, Gate, Held, Instant, OperationId};
use shared::store::Outcome;

use crate::support::{Answer, Stack, at_once, instant, ledger};

const ACME: &str = "/v1/accounts/acme";

/// A free account, with 25 credits, of which the hold that is returned holds some.
async fn with_hold(body: &str) -> (Stack, String) {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let id = hold(&stack, "hold", body).await;
    (stack, id)
}

async fn hold(stack: &Stack, key: &str, body: &str) -> String {
    let held = stack.post(&format!("{ACME}/holds"), key, body).await;
    assert_eq!(held.status, 201, "{held:?}");
    held.text("/id").to_owned()
}

async fn capture(stack: &Stack, id: &str, key: &str, body: &str) -> Answer {
    stack.post(&format!("{ACME}/holds/{id}/capture"), key, body).await
}

/// The credits charged, beyond the hold, and not charged; available and held afterwards.
fn told(answer: &Answer) -> [&str; 5] {
    assert_eq!(answer.status, 201, "{answer:?}");
    let or_none = |field: &str| answer.body[field].as_str().unwrap_or("-");
    let (available, held) = (answer.text("/balance/available"), answer.text("/balance/held"));
    [answer.text("/credits"), or_none("beyond"), or_none("uncharged"), available, held]
}

async fn assert_sound(stack: &Stack) {
    let account = "acme".parse().expect("an account");
    assert_eq!(audit::account(stack.context(), &account).await.expect("an audit"), []);
}

#[tokio::test]
async fn a_capture_beyond_its_hold_takes_all_of_the_rest_from_what_is_available() {
    let (stack, id) = with_hold(r#"{"credits":"2"}"#).await;
    let body = r#"{"credits":"5","beyond":true,"final":false,"user":"ada"}"#;
    let done = capture(&stack, &id, "done", body).await;
    assert_eq!(told(&done), ["5", "3", "-", "20", "0"]);
    assert_eq!(done.body["final"], true, "it asked for all of the hold");
    let again = capture(&stack, &id, "done", body).await;
    assert_eq!((again.replayed, &again.body), (true, &done.body));
    // The same key without `beyond`, or for other credits, is another request.
    for other in [r#"{"credits":"5","user":"ada"}"#, r#"{"credits":"2","beyond":true}"#] {
        assert_eq!(capture(&stack, &id, "done", other).await.code(), "operation_reused");
    }
    let late = capture(&stack, &id, "late", body).await;
    assert_eq!((late.status, late.code(), late.text("/ended")), (409, "hold_ended", "captured"));
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let entry = entries.last().expect("an entry");
    assert_eq!((&entry["available"], &entry["held"]), (&Value::from("-3"), &Value::from("-2")));
    assert_eq!((&entry["credits"], &entry["beyond"]), (&Value::from("5"), &Value::from("3")));
    assert_eq!(entry.get("uncharged"), None);
    assert_eq!(stack.get(&format!("{ACME}/usage")).await.text("/credits"), "5");
    assert_eq!(stack.balance("acme").await.text("/consumed/credits"), "5");
    assert_sound(&stack).await;
}

#[tokio::test]
async fn what_the_account_cannot_pay_beyond_the_hold_stays_uncharged() {
    let (stack, id) = with_hold(r#"{"credits":"20"}"#).await;
    let body = r#"{"credits":"26","beyond":true}"#;
    let done = capture(&stack, &id, "done", body).await;
    // 5 are available and 6 are missing: nothing of the 6 is taken.
    assert_eq!(told(&done), ["20", "-", "6", "5", "0"]);
    // A retry gets the same receipt, though they could be paid by now.
    stack.grant("acme", "late", "100").await;
    let again = capture(&stack, &id, "done", body).await;
    assert_eq!((again.replayed, &again.body), (true, &done.body));
    let other = capture(&stack, &id, "done", r#"{"credits":"20","beyond":true}"#).await;
    assert_eq!(other.code(), "operation_reused");
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let entry = entries.iter().find(|entry| entry["kind"] == "captured").expect("an entry");
    assert_eq!((&entry["credits"], &entry["uncharged"]), (&Value::from("20"), &Value::from("6")));
    let table = stack.get(&format!("{ACME}/ledger?kind=captured&format=csv")).await;
    let (header, row) = table.text("").trim().split_once("\r\n").expect("two lines");
    assert!(
        header.ends_with(",beyond,uncharged,model,meters,subjects,limits")
            && row.ends_with(",,6,,,,"),
        "{header} {row}"
    );
    assert_eq!(stack.get(&format!("{ACME}/usage")).await.text("/credits"), "20");
    // A refund gives back what was charged, and no more.
    let refund = format!("{ACME}/debits/{}/refund", done.text("/id"));
    let over = stack.post(&refund, "over", r#"{"credits":"21","reason":"bad"}"#).await;
    assert_eq!((over.code(), over.text("/charged")), ("refund_exceeded", "20"));
    let all = stack.post(&refund, "all", r#"{"credits":"20","reason":"bad"}"#).await;
    assert_eq!((all.status, all.text("/returned")), (201, "20"));
    assert_sound(&stack).await;
}

#[tokio::test]
async fn a_quantity_beyond_the_hold_costs_what_it_cost_when_it_was_held() {
    let (stack, id) = with_hold(r#"{"action":"custom_image","quantity":4}"#).await;
    let part = capture(&stack, &id, "part", r#"{"quantity":1,"final":false,"beyond":true}"#).await;
    assert_eq!(told(&part), ["0.5", "-", "-", "23", "1.5"]);
    let done = capture(&stack, &id, "done", r#"{"quantity":5,"beyond":true}"#).await;
    assert_eq!(told(&done), ["2.5", "1", "-", "22", "0"]);
    assert_eq!(done.body["quantity"], 5);
    let usage = stack.get(&format!("{ACME}/usage")).await;
    assert_eq!(usage.text("/days/0/actions/0/credits"), "3");
    assert_sound(&stack).await;
    let id = hold(&stack, "another", r#"{"action":"custom_image","quantity":4}"#).await;
    let body = r#"{"quantity":9000000000000000,"beyond":true}"#;
    let much = capture(&stack, &id, "much", body).await;
    assert_eq!((much.status, much.text("/fields/0/field")), (400, "quantity"));
}

#[tokio::test]
async fn a_capture_that_may_go_beyond_and_does_not_is_like_any_other() {
    for (body, expected) in [
        (r#"{"credits":"3","beyond":true,"final":false}"#, ["3", "-", "-", "15", "7"]),
        (r#"{"credits":"3","beyond":true}"#, ["3", "-", "-", "22", "0"]),
        (r#"{"credits":"10","beyond":true}"#, ["10", "-", "-", "15", "0"]),
    ] {
        let (stack, id) = with_hold(r#"{"credits":"10"}"#).await;
        assert_eq!(told(&capture(&stack, &id, "done", body).await), expected, "{body}");
        // Whether it might have gone beyond leaves no trace.
        let plain = body.replace(r#","beyond":true"#, "");
        assert!(capture(&stack, &id, "done", &plain).await.replayed, "{body}");
    }
    let (stack, id) = with_hold(r#"{"credits":"10"}"#).await;
    let over = capture(&stack, &id, "over", r#"{"credits":"11","beyond":false}"#).await;
    assert_eq!(over.code(), "hold_exceeded");
    let odd = capture(&stack, &id, "odd", r#"{"credits":"11","beyond":"yes"}"#).await;
    assert_eq!((odd.status, odd.text("/fields/0/field")), (400, "beyond"));
}

#[tokio::test]
async fn nothing_is_charged_beyond_the_hold_of_a_frozen_account() {
    let (stack, id) = with_hold(r#"{"credits":"2"}"#).await;
    stack.post(&format!("{ACME}/freeze"), "freeze", r#"{"reason":"abuse"}"#).await;
    let done = capture(&stack, &id, "done", r#"{"credits":"5","beyond":true}"#).await;
    assert_eq!(told(&done), ["2", "-", "3", "23", "0"]);
    assert_sound(&stack).await;
}

#[tokio::test]
async fn a_lapsed_hold_gives_back_before_anything_stays_uncharged() {
    let (stack, id) = with_hold(r#"{"credits":"2","expires_in_s":600}"#).await;
    hold(&stack, "lapses", r#"{"credits":"20","expires_in_s":60}"#).await;
    stack.set_clock("2026-11-18T12:02:00Z");
    let done = capture(&stack, &id, "done", r#"{"credits":"12","beyond":true}"#).await;
    assert_eq!(told(&done), ["12", "10", "-", "13", "0"]);
    assert_sound(&stack).await;
}

/// A hold over Monday still pays with the old week's credits; what is beyond it, with the new
/// week's.
#[tokio::test]
async fn what_is_beyond_a_hold_over_monday_is_of_the_new_week() {
    let stack = Stack::at("2026-11-22T23:59:00Z").await;
    stack.open("acme", "free").await;
    let id = hold(&stack, "hold", r#"{"credits":"10"}"#).await;
    stack.set_clock("2026-11-23T00:00:30Z");
    let part = capture(&stack, &id, "part", r#"{"credits":"4","final":false}"#).await;
    assert_eq!(told(&part), ["4", "-", "-", "25", "6"]);
    let done = capture(&stack, &id, "done", r#"{"credits":"8","beyond":true}"#).await;
    assert_eq!(told(&done), ["8", "2", "-", "23", "0"]);
    assert_sound(&stack).await;
}

/// Each of sixteen captures asks for 1 beyond its hold, and 9 are available: nine get it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_captures_beyond_their_holds_spend_no_credit_twice() {
    const CALLERS: usize = 16;
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let mut holds = Vec::new();
    for n in 0..CALLERS {
        holds.push(hold(&stack, &format!("hold {n}"), r#"{"credits":"1"}"#).await);
    }
    let answers = at_once(CALLERS, |n| {
        let (stack, id) = (stack.clone(), holds[n].clone());
        let body = r#"{"credits":"2","beyond":true}"#;
        async move { capture(&stack, &id, &format!("done {n}"), body).await }
    })
    .await;
    let beyond = answers.iter().filter(|answer| answer.body["beyond"] == "1").count();
    let uncharged = answers.iter().filter(|answer| answer.body["uncharged"] == "1").count();
    assert_eq!((beyond, uncharged), (9, CALLERS - 9), "{answers:?}");
    let balance = stack.balance("acme").await;
    assert_eq!((balance.text("/available"), balance.text("/held")), ("0", "0"));
    assert_sound(&stack).await;
}

#[tokio::test]
async fn a_capture_beyond_its_hold_is_announced_as_charged_and_releases_nothing() {
    let stack = Stack::streamed().await;
    stack.open("acme", "free").await;
    let id = hold(&stack, "hold", r#"{"credits":"2"}"#).await;
    stack.relay().await;
    let known = stack.announced().len();
    // 25 less 23 are a twentieth, and less than a fifth.
    capture(&stack, &id, "done", r#"{"credits":"24","beyond":true}"#).await;
    stack.relay().await;
    let events = stack.announced().split_off(known);
    let types: Vec<&str> =
        events.iter().filter_map(|event| event["detail-type"].as_str()).collect();
    assert_eq!(types, ["CreditsLow", "CreditsLow"], "{events:?}");
}

/// The write that leaves credits uncharged holds only while its reason does: credits that arrive
/// before it make the handler look again.
#[test]
fn each_outcome_beyond_a_hold_has_its_reason_as_a_guard() {
    let over = Credits::whole(8);
    let guards = |change: &dyn Fn(&mut Account)| {
        let mut account = super::refusal_order::account();
        let id = OperationId::from_bytes([9; 16]);
        let now = instant("2026-11-18T12:00:00Z");
        let expires_at = now + Span::from_s(60);
        let held = Held {
            amount: Credits::whole(2),
            lapsed: Credits::ZERO,
            expires_at,
            purpose: HeldFor::Amount,
            counts: Vec::new(),
        };
        account.holds.insert(id, held);
        change(&mut account);
        written(&account, id, now).map(|write| write.when)
    };
    let has = |guards: Option<Vec<Guard>>, guard: Guard| guards.is_some_and(|g| g.contains(&guard));
    assert!(has(guards(&|a| a.available = over), Guard::Covers(over)));
    assert!(has(guards(&|a| a.available = over), Guard::GateIs(Gate::OPEN)));
    let less = over - Credits::from_micro(1);
    assert!(has(guards(&|a| a.available = less), Guard::LacksFor(over)));
    let frozen = Gate { frozen: true, ..Gate::OPEN };
    assert!(has(guards(&|a| a.gate = frozen), Guard::GateIs(frozen)));
    let lapsed = guards(&|account| {
        account.available = less;
        let held = account.holds.values().next().expect("a hold").clone();
        let over = Held { expires_at: Instant::EPOCH, ..held };
        account.holds.insert(OperationId::from_bytes([8; 16]), over);
    });
    assert_eq!(lapsed, None, "the account advances first");
}

/// A release between the reading and the write brings the credits that were missing: the write
/// that would leave them uncharged is refused.
#[tokio::test]
async fn credits_that_arrive_before_its_write_are_not_left_uncharged() {
    let (stack, id) = with_hold(r#"{"credits":"2"}"#).await;
    let other = hold(&stack, "other", r#"{"credits":"20"}"#).await;
    let context = stack.context();
    let acme = "acme".parse().expect("an account");
    let read = context.store.account(&acme).await.expect("readable").expect("there");
    let id = OperationId::parse(&id).expect("an id");
    let write = written(&read.account, id, context.clock.now()).expect("a write");
    assert!(write.when.contains(&Guard::LacksFor(Credits::whole(8))), "3 are available");
    let released = stack.post(&format!("{ACME}/holds/{other}/release"), "release", "{}").await;
    assert_eq!(released.status, 201);
    let outcome = context.store.commit(&Write::account(write)).await.expect("an answer");
    assert!(matches!(outcome, Outcome::AccountRefused(_)), "{outcome:?}");
    let done = capture(&stack, &id.to_string(), "done", r#"{"credits":"10","beyond":true}"#).await;
    assert_eq!(told(&done), ["10", "8", "-", "15", "0"]);
}

/// The write of a capture of ten credits beyond a hold.
fn written(account: &Account, hold: OperationId, now: Instant) -> Option<AccountWrite> {
    let part = CapturePart::Credits(Credits::whole(10));
    let ask = Ask::Capture { hold, part, ends: true, beyond: true };
    let request = Request::new(account.id.clone(), ask);
    let price = Price::none(1);
    let id = OperationId::mint(now, [7; 10]);
    let attempt =
        Attempt { request: &request, price, id, key: None, no_price: None, limits: &NO_LIMITS };
    operation::change(&[attempt], Some(account), now, Route::Fast)
}

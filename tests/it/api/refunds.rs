//! Refunds and batches: refunded credits return to where they would be without the debit.

use shared::domain::OperationId;

use crate::protocol::capacity::tick;
use crate::support::{Answer, Stack, at_once};

async fn refund(stack: &Stack, debit: &str, key: &str, credits: &str) -> Answer {
    let body = format!(r#"{{"credits":"{credits}","reason":"it failed"}}"#);
    stack.post(&format!("/v1/accounts/acme/debits/{debit}/refund"), key, &body).await
}

async fn with_debit(plan: &str, credits: &str) -> (Stack, String) {
    let stack = Stack::noon().await;
    stack.open("acme", plan).await;
    let debit = stack.debit("acme", "debit", credits).await;
    let id = debit.text("/id").to_owned();
    (stack, id)
}

#[tokio::test]
async fn a_debit_is_refunded_in_parts_and_never_beyond_its_charge() {
    let (stack, id) = with_debit("free", "5").await;
    let part = refund(&stack, &id, "part", "2").await;
    assert_eq!((part.status, part.available()), (201, "22"));
    assert_eq!((part.text("/debit"), part.text("/credits")), (&*id, "2"));
    assert_eq!(part.text("/returned"), "2");
    let again = refund(&stack, &id, "part", "2").await;
    assert_eq!((again.replayed, &again.body), (true, &part.body));
    assert_eq!(refund(&stack, &id, "part", "3").await.code(), "operation_reused");
    let over = refund(&stack, &id, "over", "3.5").await;
    assert_eq!((over.status, over.code()), (422, "refund_exceeded"));
    assert_eq!((over.text("/charged"), over.text("/refunded")), ("5", "2"));
    assert_eq!(refund(&stack, &id, "rest", "3").await.available(), "25");
    assert_eq!(refund(&stack, &id, "more", "0.000001").await.code(), "refund_exceeded");
    assert_eq!(stack.balance("acme").await.text("/consumed/credits"), "0");
    let listing = stack.get("/v1/accounts/acme/ledger?limit=1").await;
    assert_eq!(listing.text("/entries/0/debit"), id);
    assert_eq!(listing.text("/entries/0/reason"), "it failed");
}

#[tokio::test]
async fn an_entry_that_is_not_a_debit_is_not_refunded() {
    let (stack, id) = with_debit("free", "5").await;
    let grant = stack.grant("acme", "grant", "5").await;
    let never = "01a20132-08af-7fb3-8350-6bdcd05e3b83";
    for id in [grant.text("/id"), never] {
        let answer = refund(&stack, id, "refund", "1").await;
        assert_eq!((answer.status, answer.code()), (404, "debit_not_found"));
    }
    stack.open("other", "free").await;
    let path = format!("/v1/accounts/other/debits/{id}/refund");
    let body = r#"{"credits":"1","reason":"not mine"}"#;
    assert_eq!(stack.post(&path, "refund", body).await.code(), "debit_not_found");
    let path = format!("/v1/accounts/nobody/debits/{id}/refund");
    assert_eq!(stack.post(&path, "refund", body).await.code(), "account_not_found");
    let path = format!("/v1/accounts/acme/debits/{id}/refund");
    let bare = stack.post(&path, "refund", r#"{"credits":"1"}"#).await;
    assert_eq!((bare.status, bare.text("/fields/0/field")), (400, "reason"));
}

/// An expired weekly bundle stays expired. Credits that last longer are never lost.
#[tokio::test]
async fn refunded_credits_return_to_the_grants_they_left() {
    let stack = Stack::at("2026-11-22T12:00:00Z").await;
    stack.open("acme", "free").await;
    stack.grant("acme", "grant", "10").await;
    // 25 of the week, and 3 of the lasting grant.
    let debit = stack.debit("acme", "debit", "28").await;
    let id = debit.text("/id");
    stack.set_clock("2026-11-23T12:00:00Z");
    assert_eq!(stack.balance("acme").await.text("/available"), "32");
    let part = refund(&stack, id, "part", "2").await;
    assert_eq!((part.available(), part.text("/returned")), ("34", "2"));
    let rest = refund(&stack, id, "rest", "26").await;
    // One credit of the lasting grant is left; 25 were of a week that has ended.
    assert_eq!((rest.available(), rest.text("/returned")), ("35", "1"));
    let balance = stack.balance("acme").await;
    let manual = balance.body["grants"].as_array().expect("grants");
    let manual = manual.iter().find(|grant| grant["kind"] == "manual").expect("the grant");
    assert_eq!((&manual["remaining"], &manual["amount"]), (&"10".into(), &"10".into()));
}

/// Two debits used the same grants. When both are refunded after an advance, each returns its own
/// credits.
#[tokio::test]
async fn two_refunds_after_an_advance_do_not_return_the_same_credits() {
    let stack = Stack::at("2026-11-22T12:00:00Z").await;
    stack.open("acme", "free").await;
    stack.grant("acme", "grant", "10").await;
    let one = stack.debit("acme", "one", "27").await;
    let two = stack.debit("acme", "two", "4").await;
    stack.set_clock("2026-11-23T12:00:00Z");
    let (one, two) = (one.text("/id"), two.text("/id"));
    let refunds = [(one, "a", "27"), (two, "b", "4")];
    let answers = at_once(2, |n| {
        let (stack, (id, key, credits)) = (stack.clone(), refunds[n]);
        let (id, key, credits) = (id.to_owned(), key.to_owned(), credits.to_owned());
        async move { refund(&stack, &id, &key, &credits).await }
    })
    .await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    // 6 of the 10 lasting credits had been spent: they are all back, once.
    assert_eq!(stack.balance("acme").await.text("/available"), "35");
}

async fn batch(stack: &Stack, debits: &[(&str, &str)]) -> Answer {
    let debits: Vec<String> = debits
        .iter()
        .map(|(id, credits)| format!(r#"{{"id":"{id}","credits":"{credits}"}}"#))
        .collect();
    let body = format!(r#"{{"mode":"all_or_nothing","debits":[{}]}}"#, debits.join(","));
    let path = "/v1/accounts/acme/debits/batch";
    stack.send(crate::support::request("POST", path, None, &body)).await
}

#[tokio::test]
async fn a_batch_happens_whole_or_not_at_all() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let over = batch(&stack, &[("a", "20"), ("b", "6")]).await;
    assert_eq!((over.status, over.code()), (402, "insufficient_credits"));
    assert_eq!((over.text("/required"), over.text("/shortfall")), ("26", "1"));
    assert_eq!(stack.balance("acme").await.text("/available"), "25");
    let done = batch(&stack, &[("a", "20"), ("b", "5")]).await;
    assert_eq!((done.status, done.replayed), (201, false));
    assert_eq!(done.text("/receipts/0/balance/available"), "5");
    assert_eq!(done.text("/receipts/1/balance/available"), "0");
    assert_eq!(done.text("/receipts/1/key"), "b");
    let again = batch(&stack, &[("a", "20"), ("b", "5")]).await;
    assert_eq!((again.replayed, &again.body), (true, &done.body));
    // One debit of the batch alone is the same operation.
    let alone = stack.debit("acme", "b", "5").await;
    assert_eq!((alone.replayed, &alone.body), (true, &done.body["receipts"][1]));
}

#[tokio::test]
async fn a_batch_counts_debits_already_made_as_done() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let first = stack.debit("acme", "b", "5").await;
    let done = batch(&stack, &[("a", "10"), ("b", "5"), ("c", "10")]).await;
    assert_eq!((done.status, done.replayed), (201, false));
    assert_eq!(done.body["receipts"][1], first.body);
    assert_eq!(stack.balance("acme").await.text("/available"), "0");
    let other = batch(&stack, &[("a", "10"), ("b", "6")]).await;
    assert_eq!((other.code(), &other.body["index"]), ("operation_reused", &1.into()));
    // Also after they have been archived.
    stack.grant("acme", "grant", "100").await;
    for n in 0..40 {
        assert_eq!(stack.debit("acme", &format!("filler {n}"), "0.1").await.status, 201);
    }
    let later = batch(&stack, &[("a", "10"), ("b", "5"), ("c", "10"), ("d", "1")]).await;
    assert_eq!(later.status, 201);
    let receipts = |answer: &Answer| answer.body["receipts"].as_array().expect("receipts").clone();
    assert_eq!(receipts(&later)[..3], receipts(&done)[..]);
    assert_eq!(later.text("/receipts/3/balance/available"), "95");
}

#[tokio::test]
async fn bad_batches_are_refused_debit_by_debit() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let repeated = batch(&stack, &[("a", "1"), ("b", "1"), ("a", "1")]).await;
    assert_eq!((repeated.status, repeated.text("/fields/0/field")), (400, "debits[2].id"));
    let many: Vec<String> = (0..25).map(|n| format!("key {n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (&**key, "0.1")).collect();
    assert_eq!(batch(&stack, &many).await.text("/fields/0/field"), "debits");
    assert_eq!(batch(&stack, &[]).await.text("/fields/0/field"), "debits");
    assert_eq!(batch(&stack, &many[..24]).await.status, 201);
    let wrong = batch(&stack, &[("a", "1"), ("b", "-1")]).await;
    assert_eq!(wrong.text("/fields/0/field"), "debits[1].credits");
    let path = "/v1/accounts/acme/debits/batch";
    for (body, field) in [
        (r#"{"debits":[{"id":"x","credits":"1"}]}"#, "mode"),
        (r#"{"mode":"some","debits":[{"id":"x","credits":"1"}]}"#, "mode"),
        (r#"{"mode":"all_or_nothing"}"#, "debits"),
        (r#"{"mode":"all_or_nothing","debits":[7]}"#, "debits[0]"),
        (r#"{"mode":"all_or_nothing","debits":[{"credits":"1"}]}"#, "debits[0].id"),
    ] {
        let answer = stack.send(crate::support::request("POST", path, None, body)).await;
        assert_eq!((answer.status, answer.text("/fields/0/field")), (400, field), "{body}");
    }
    // A UUID and the ULID of the same bits are one id.
    let uuid = stack.id(0).to_string();
    let ulid = ulid::Ulid::from_bytes(*OperationId::parse(&uuid).expect("an id").bytes());
    let twice = batch(&stack, &[(&uuid, "1"), (&ulid.to_string(), "1")]).await;
    assert_eq!(twice.text("/fields/0/field"), "debits[1].id");
    let body = r#"{"mode":"all_or_nothing","debits":[{"id":"x","credits":"1"},
        {"id":"y","action":"no_such","quantity":1}]}"#;
    let unknown = stack.send(crate::support::request("POST", path, None, body)).await;
    assert_eq!((unknown.code(), &unknown.body["index"]), ("unknown_action", &1.into()));
    assert_eq!(stack.balance("acme").await.text("/available"), "22.6");
}

#[tokio::test]
async fn a_batch_of_16_costs_at_most_0_2_write_units_a_debit() {
    const BATCHES: usize = 40;
    let stack = Stack::ticking().await;
    stack.open("acme", "pro").await;
    stack.wire.take_costs();
    for _ in 0..BATCHES {
        tick(&stack);
        let ids: Vec<String> = (0..16).map(|_| stack.id(0).to_string()).collect();
        let debits: Vec<(&str, &str)> = ids.iter().map(|id| (&**id, "0.5")).collect();
        assert_eq!(batch(&stack, &debits).await.status, 201);
    }
    let costs = stack.wire.take_costs();
    let writes = costs.write_units / (16 * BATCHES) as f64;
    println!("a debit in a batch of 16: {writes:.4} write units: {costs:?}");
    assert!(writes <= 0.2, "{writes}");
}

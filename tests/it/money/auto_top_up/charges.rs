//! When a card is charged, and when it is not.

use local::stripe::{Card, Effect};

use super::{available, card, charged, debit, event, on, orders, set, setting, state, told};
use crate::support::at_once;

#[tokio::test]
async fn a_pack_is_bought_once_when_few_credits_are_left() {
    let shop = on(20_000).await;
    debit(&shop, "above", "50").await;
    shop.stack.relay().await;
    assert_eq!((charged(&shop), available(&shop).await.as_str()), (0, "50"));
    debit(&shop, "below", "1").await;
    shop.stack.relay().await;
    assert_eq!((charged(&shop), available(&shop).await.as_str()), (1, "549"));
    // The webhook says it again.
    shop.stripe.deliver(&shop.stack.functions).await;
    shop.stack.relay().await;
    assert_eq!((charged(&shop), available(&shop).await.as_str()), (1, "549"));
    assert_eq!(told(&shop), [event("AutoTopUpDone", "4900")]);
    let state = state(&shop).await;
    assert_eq!(state.body["charged"]["minor"], 4900, "{state:?}");
    assert_eq!(state.body["order"], serde_json::Value::Null, "{state:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_debits_at_once_buy_one_pack() {
    let shop = on(100_000).await;
    debit(&shop, "near", "49").await;
    let debits = at_once(64, |n| {
        let stack = shop.stack.clone();
        async move { stack.debit("acme", &format!("debit {n}"), "0.5").await.status }
    })
    .await;
    assert_eq!(debits.iter().filter(|status| **status == 201).count(), 64);
    shop.stack.relay().await;
    assert_eq!((charged(&shop), orders(&shop).await), (1, 1));
    assert_eq!(available(&shop).await, "519");
}

#[tokio::test]
async fn a_record_that_comes_again_buys_nothing() {
    let shop = on(100_000).await;
    debit(&shop, "below", "60").await;
    let records = shop.stack.streams.oldest("Accounts", 100);
    shop.stack.relay().await;
    assert_eq!(charged(&shop), 1);
    for _ in 0..2 {
        let batch = serde_json::json!({ "Records": records });
        let answer = shop.stack.mappings.invoke("relay", &batch).await.expect("an answer");
        assert_eq!(answer["batchItemFailures"], serde_json::json!([]));
    }
    assert_eq!((charged(&shop), orders(&shop).await), (1, 1));
}

#[tokio::test]
async fn an_answer_that_is_lost_charges_the_card_once() {
    let shop = on(100_000).await;
    shop.stripe.lose_next_reply();
    debit(&shop, "below", "60").await;
    shop.stack.relay().await;
    // Charged, and nobody knows it.
    assert_eq!((charged(&shop), available(&shop).await.as_str()), (1, "40"));
    let refused = shop.stack.debit("acme", "too much", "41").await;
    assert_eq!(refused.text("/auto_top_up"), "processing", "{refused:?}");
    debit(&shop, "more", "1").await;
    shop.stack.relay().await;
    assert_eq!(charged(&shop), 1);
    // The webhook is lost, too: reconcile asks with the same key.
    shop.stripe.take_events();
    shop.stack.set_clock("2026-11-18T12:11:00Z");
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    assert_eq!((charged(&shop), available(&shop).await.as_str()), (1, "539"));
    assert_eq!(state(&shop).await.body["charged"]["minor"], 4900);
    let refused = shop.stack.debit("acme", "far too much", "1000").await;
    assert_eq!(refused.body.get("auto_top_up"), None, "{refused:?}");
}

#[tokio::test]
async fn an_answer_that_is_lost_for_a_day_is_looked_for_at_stripe() {
    let shop = on(100_000).await;
    shop.stripe.lose_next_reply();
    debit(&shop, "below", "60").await;
    shop.stack.relay().await;
    shop.stripe.take_events();
    shop.stack.set_clock("2026-11-19T12:11:00Z");
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    assert_eq!((charged(&shop), available(&shop).await.as_str()), (1, "540"));
}

#[tokio::test]
async fn a_month_charges_at_most_what_the_customer_allows() {
    let shop = on(9_800).await;
    debit(&shop, "first", "60").await;
    shop.stack.relay().await;
    debit(&shop, "second", "500").await;
    shop.stack.relay().await;
    assert_eq!((charged(&shop), available(&shop).await.as_str()), (2, "540"));
    for n in 0..3 {
        debit(&shop, &format!("third {n}"), "170").await;
        shop.stack.relay().await;
    }
    // Two Mondays bring 25 each, of which one is left by then.
    debit(&shop, "fourth", "21").await;
    shop.stack.relay().await;
    assert_eq!((charged(&shop), available(&shop).await.as_str()), (2, "9"));
    let done = event("AutoTopUpDone", "4900");
    let capped = event("AutoTopUpFailed", "cap_reached");
    assert_eq!(told(&shop), [done.clone(), done.clone(), capped.clone()]);
    assert_eq!(state(&shop).await.text("/failed"), "cap_reached");
    // The next month begins, and nobody spends.
    shop.stack.set_clock("2026-12-01T00:01:00Z");
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    shop.stack.relay().await;
    assert_eq!(charged(&shop), 3);
    assert_eq!(state(&shop).await.body["charged"]["minor"], 4900);
    assert_eq!(told(&shop), [done.clone(), done.clone(), capped, done]);
}

#[tokio::test]
async fn a_refund_gives_nothing_back_to_the_month() {
    let shop = on(4_900).await;
    debit(&shop, "first", "60").await;
    shop.stack.relay().await;
    let intents = shop.stripe.objects("payment_intents");
    let intent = intents.last().expect("a payment")["id"].as_str().expect("an id").to_owned();
    shop.act(&intent, Effect::Refund { minor: None }).await;
    debit(&shop, "second", "1").await;
    shop.stack.relay().await;
    assert_eq!(charged(&shop), 1);
    assert_eq!(state(&shop).await.body["charged"]["minor"], 4900);
}

#[tokio::test]
async fn three_declines_switch_it_off_and_each_takes_a_crossing() {
    let shop = on(100_000).await;
    card(&shop, Card::Declines);
    for n in 1..=3 {
        debit(&shop, &format!("below {n}"), "60").await;
        shop.stack.relay().await;
        // Another charge below the threshold tries no card again.
        debit(&shop, &format!("more {n}"), "1").await;
        shop.stack.relay().await;
        assert_eq!(shop.stripe.objects("payment_intents").len(), n);
        assert_eq!(shop.stack.grant("acme", &format!("again {n}"), "61").await.status, 201);
        shop.stack.relay().await;
    }
    let declined = event("AutoTopUpFailed", "declined");
    let off = event("AutoTopUpOff", "declined");
    assert_eq!(told(&shop), [declined.clone(), declined.clone(), declined, off]);
    let now = state(&shop).await;
    assert_eq!((now.text("/state"), now.text("/off_reason")), ("off", "declined"));
    assert_eq!(now.body["charged"]["minor"], 0, "{now:?}");
    debit(&shop, "off", "60").await;
    shop.stack.relay().await;
    assert_eq!(shop.stripe.objects("payment_intents").len(), 3);
    // Nothing of them can be charged any more.
    let intents = shop.stripe.objects("payment_intents");
    assert!(intents.iter().all(|intent| intent["status"] == "canceled"), "{intents:?}");
    // It takes another card.
    let again = set(&shop, &setting("50", 100_000)).await;
    assert_eq!(again.text("/state"), "needs_card", "{again:?}");
}

#[tokio::test]
async fn a_bank_that_asks_the_customer_is_told_and_charges_nothing() {
    let shop = on(100_000).await;
    card(&shop, Card::AsksCustomer);
    debit(&shop, "below", "60").await;
    shop.stack.relay().await;
    assert_eq!(told(&shop), [event("AutoTopUpFailed", "authentication_required")]);
    assert_eq!((charged(&shop), state(&shop).await.text("/state")), (0, "on"));
}

#[tokio::test]
async fn a_dispute_of_any_payment_switches_it_off() {
    let shop = on(100_000).await;
    let (_, session) = shop.buy("acme", "by hand", "starter").await;
    shop.act(&session, Effect::Dispute).await;
    shop.stack.relay().await;
    assert_eq!(state(&shop).await.text("/off_reason"), "dispute");
    assert_eq!(told(&shop), [event("AutoTopUpOff", "dispute")]);
    let again = super::set(&shop, &setting("50", 100_000)).await;
    assert_eq!((again.status, again.text("/code")), (409, "dispute_open"));
    shop.act(&session, Effect::Win).await;
    let again = super::set(&shop, &setting("50", 100_000)).await;
    assert_eq!(again.text("/state"), "needs_card", "{again:?}");
}

#[tokio::test]
async fn money_that_takes_days_counts_from_the_order_and_stops_others() {
    let shop = on(9_800).await;
    card(&shop, Card::TakesDays);
    debit(&shop, "below", "60").await;
    shop.stack.relay().await;
    debit(&shop, "more", "1").await;
    shop.stack.relay().await;
    assert_eq!(shop.stripe.objects("payment_intents").len(), 1);
    assert_eq!(state(&shop).await.body["charged"]["minor"], 4900);
    let intent = shop.stripe.objects("payment_intents")[0]["id"].clone();
    shop.act(intent.as_str().expect("an id"), Effect::Arrive).await;
    shop.stack.relay().await;
    assert_eq!(available(&shop).await, "539");
    assert_eq!(told(&shop), [event("AutoTopUpDone", "4900")]);
}

#[tokio::test]
async fn switched_off_while_an_order_is_under_way_its_credits_arrive() {
    let shop = on(9_800).await;
    card(&shop, Card::TakesDays);
    debit(&shop, "below", "60").await;
    shop.stack.relay().await;
    let token = super::token(&shop).await;
    let off = shop.ask(&token, "DELETE", super::PATH, None, "").await;
    assert_eq!(off.text("/off_reason"), "customer", "{off:?}");
    assert!(off.body["order"].is_string(), "{off:?}");
    let intent = shop.stripe.objects("payment_intents")[0]["id"].clone();
    shop.act(intent.as_str().expect("an id"), Effect::Arrive).await;
    assert_eq!(available(&shop).await, "540");
    debit(&shop, "below again", "500").await;
    shop.stack.relay().await;
    assert_eq!(shop.stripe.objects("payment_intents").len(), 1);
    assert_eq!(state(&shop).await.body["order"], serde_json::Value::Null);
}

#[tokio::test]
async fn money_that_does_not_arrive_frees_the_month_once_reconcile_looks() {
    let shop = on(4_900).await;
    card(&shop, Card::TakesDays);
    debit(&shop, "below", "60").await;
    shop.stack.relay().await;
    let intent = shop.stripe.objects("payment_intents")[0]["id"].clone();
    shop.act(intent.as_str().expect("an id"), Effect::Fail).await;
    assert_eq!(state(&shop).await.body["charged"]["minor"], 4900);
    shop.stack.set_clock("2026-11-20T12:00:00Z");
    shop.stack.mappings.fire("reconcile").await.expect("reconciled");
    shop.stack.relay().await;
    assert_eq!(state(&shop).await.body["charged"]["minor"], 0);
    assert_eq!(told(&shop), [event("AutoTopUpFailed", "declined")]);
}

//! Reconcile: changes of payments that the webhook missed are found, alarmed and applied once.

use std::collections::BTreeSet;

use local::stripe::Effect;
use reconcile::ReconcileReport;
use shared::decide::reconcile::save;
use shared::domain::instant::Span;
use shared::domain::reconcile::{Listing, ReconcileState, StripeList};
use shared::secrets::Secret;
use shared::store::Outcome;

use crate::support::log::Log;
use crate::support::shop::Shop;
use crate::support::{Stack, instant};

/// A shop at noon with the account acme, and all of Stripe read up to ten minutes before.
async fn read_up_to_now() -> Shop {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    run(&shop).await;
    shop
}

/// Runs reconcile to its end.
async fn run(shop: &Shop) -> ReconcileReport {
    let functions = &shop.stack.functions;
    let run = reconcile::run(functions.context(), functions.stripe(), |_| true);
    run.await.expect("reconciled")
}

/// Orders a pack and pays it, and no event is delivered. Returns the session's id.
async fn pay_unheard(shop: &Shop, key: &str) -> String {
    let (_, session) = shop.begin("acme", key, "starter").await;
    act_unheard(shop, &session, Effect::Pay);
    session
}

fn act_unheard(shop: &Shop, session: &str, effect: Effect) {
    shop.stripe.act(session, effect).expect("it can be done");
    shop.stripe.take_events();
}

fn pass(shop: &Shop, minutes: i64) {
    shop.stack.clock.set(shop.stack.context().clock.now() + Span::from_s(minutes * 60));
}

async fn available(shop: &Shop) -> String {
    shop.balance("acme").await.0
}

async fn state(shop: &Shop) -> ReconcileState {
    shop.stack.context().store.reconcile_state().await.expect("a state")
}

fn alarms(log: &Log) -> usize {
    log.text().matches(r#""alarm":"webhook_missed""#).count()
}

#[tokio::test]
async fn a_missed_event_is_found_when_the_webhook_has_had_ten_minutes() {
    let shop = read_up_to_now().await;
    pay_unheard(&shop, "buy").await;
    let log = Log::default();
    let _listening = log.listen();
    shop.stack.set_clock("2026-11-18T12:09:30Z");
    let early = run(&shop).await;
    assert_eq!((early.read, early.found.len(), alarms(&log)), (0, 0, 0), "{early:?}");
    shop.stack.set_clock("2026-11-18T12:10:59Z");
    let report = run(&shop).await;
    let [found] = &report.found[..] else { panic!("{report:?}") };
    assert!(found.event.as_ref().is_some_and(|id| id.starts_with("evt_")), "{found:?}");
    assert_eq!(found.account.as_ref().map(|account| account.as_str()), Some("acme"));
    assert_eq!((found.before.to_string(), found.after.to_string()), ("0".into(), "500".into()));
    assert_eq!(available(&shop).await, "525");
    assert_eq!(alarms(&log), 1, "{}", log.text());
    let again = run(&shop).await;
    assert_eq!((again.found.len(), alarms(&log)), (0, 1), "{again:?}");
}

#[tokio::test]
async fn an_event_that_the_webhook_has_applied_raises_nothing() {
    let shop = read_up_to_now().await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    shop.act(&session, Effect::Refund { minor: Some(1000) }).await;
    shop.act(&session, Effect::Dispute).await;
    shop.act(&session, Effect::Win).await;
    let log = Log::default();
    let _listening = log.listen();
    pass(&shop, 15);
    let report = run(&shop).await;
    assert!(report.read >= 7 && report.found.is_empty(), "{report:?}");
    assert_eq!(alarms(&log), 0);
}

/// The events are listed from the latest, and a refund does not name its order.
#[tokio::test]
async fn a_missed_payment_and_its_missed_refund_and_dispute_are_applied_in_one_run() {
    let shop = read_up_to_now().await;
    let session = pay_unheard(&shop, "buy").await;
    act_unheard(&shop, &session, Effect::Refund { minor: Some(2450) });
    pass(&shop, 15);
    run(&shop).await;
    assert_eq!(available(&shop).await, "275");
    act_unheard(&shop, &session, Effect::Dispute);
    pass(&shop, 15);
    assert_eq!(run(&shop).await.found.len(), 1);
    assert_eq!(available(&shop).await, "25");
}

#[tokio::test]
async fn a_run_that_ends_after_each_page_is_continued_and_reads_each_page_once() {
    for (days, lists) in [(0, 3), (40, 4)] {
        let shop = read_up_to_now().await;
        let session = pay_unheard(&shop, "buy").await;
        for _ in 0..110 {
            act_unheard(&shop, &session, Effect::Refund { minor: Some(10) });
        }
        shop.stack.clock.set(shop.stack.context().clock.now() + Span::from_s(days * 86_400 + 900));
        let functions = &shop.stack.functions;
        let (mut runs, mut read) = (0, 0);
        loop {
            let run = reconcile::run(functions.context(), functions.stripe(), |_| false);
            let report = run.await.expect("reconciled");
            (runs, read) = (runs + 1, read + report.read);
            // The clock runs: a window of its seconds may follow.
            if state(&shop).await.listing.is_none() {
                break;
            }
            assert!(runs < 10, "{report:?}");
        }
        // 110 refunds are two pages. Of events there are as many of the charge, too, and three of
        // the payment; those of subscriptions are a list without any.
        match lists {
            3 => assert_eq!((runs, read), (5, 110 + 113)),
            _ => assert_eq!((runs, read), (5, 110 + 2)),
        }
        // 3800 of 4900 cents are left.
        if days == 0 {
            assert_eq!(available(&shop).await, "412.755102");
        }
        pass(&shop, 15);
        assert!(run(&shop).await.found.is_empty());
    }
}

#[tokio::test]
async fn after_more_than_thirty_days_without_a_run_the_objects_since_then_are_compared() {
    let shop = read_up_to_now().await;
    pass(&shop, 5 * 24 * 60);
    pay_unheard(&shop, "buy").await;
    pass(&shop, 38 * 24 * 60);
    let report = run(&shop).await;
    let [found] = &report.found[..] else { panic!("{report:?}") };
    assert!(found.event.as_ref().is_some_and(|id| id.starts_with("ch_")), "{found:?}");
    // From here on it reads events again.
    let through = state(&shop).await.through.expect("an end");
    let behind = shop.stack.context().clock.now() - through;
    assert!((Span::from_s(600)..Span::from_s(660)).contains(&behind), "{behind:?}");
    act_unheard(&shop, &pay_unheard(&shop, "again").await, Effect::Dispute);
    pass(&shop, 15);
    let report = run(&shop).await;
    assert!(report.found.iter().all(|found| found.event.iter().all(|id| id.starts_with("evt_"))));
    assert!(!report.found.is_empty());
}

#[tokio::test]
async fn days_without_a_run_are_read_day_by_day() {
    let shop = read_up_to_now().await;
    for day in 0..10 {
        pay_unheard(&shop, &format!("day {day}")).await;
        pass(&shop, 24 * 60);
    }
    let report = run(&shop).await;
    assert_eq!((report.read, report.found.len()), (30, 10), "{report:?}");
}

#[tokio::test]
async fn a_position_that_stripe_has_forgotten_begins_its_list_anew() {
    let shop = read_up_to_now().await;
    pay_unheard(&shop, "buy").await;
    pass(&shop, 15);
    let (list, after) = (StripeList::PaymentEvents, Some("evt_forgotten".to_owned()));
    let until = instant("2026-11-18T12:05:00Z");
    let listing = Some(Listing { list, until, after });
    let write = save(ReconcileState { listing, ..state(&shop).await });
    shop.stack.context().store.commit(&write).await.expect("written");
    assert_eq!(run(&shop).await.found.len(), 1);
}

#[tokio::test]
async fn a_position_is_saved_only_over_the_one_that_was_read() {
    let shop = read_up_to_now().await;
    let before = state(&shop).await;
    pass(&shop, 15);
    run(&shop).await;
    let after = state(&shop).await;
    assert!(after.version > before.version && after.through > before.through, "{after:?}");
    let store = &shop.stack.context().store;
    for stale in [before, ReconcileState::default()] {
        let refused = store.commit(&save(stale)).await.expect("an answer");
        assert!(!matches!(refused, Outcome::Done(_)), "{refused:?}");
    }
    assert_eq!(state(&shop).await, after);
}

#[tokio::test]
async fn two_runs_at_once_have_the_effect_of_one() {
    let shop = read_up_to_now().await;
    let session = pay_unheard(&shop, "buy").await;
    act_unheard(&shop, &session, Effect::Refund { minor: Some(2450) });
    pass(&shop, 15);
    let (one, other) = tokio::join!(run(&shop), run(&shop));
    assert!(one.overtaken || other.overtaken, "{one:?} {other:?}");
    run(&shop).await;
    assert_eq!(available(&shop).await, "275");
    assert!(state(&shop).await.through >= Some(instant("2026-11-18T12:05:00Z")));
}

#[tokio::test]
async fn with_a_wrong_signing_secret_a_purchase_is_credited_within_25_minutes() {
    let shop = Shop::noon().await;
    let functions = &shop.stack.functions;
    let wrong = functions.clone().with_stripe(functions.stripe().clone(), Secret::fixed("whsec_x"));
    let shop = Shop { stack: Stack { functions: wrong, ..shop.stack }, stripe: shop.stripe };
    shop.stack.open("acme", "free").await;
    shop.stack
        .mappings
        .pass(instant("2026-11-18T11:59:59Z"), instant("2026-11-18T12:00:00Z"))
        .await;
    let log = Log::default();
    let _listening = log.listen();
    shop.buy("acme", "buy", "starter").await;
    assert_eq!(available(&shop).await, "25");
    for _ in 0..25 {
        let before = shop.stack.context().clock.now();
        pass(&shop, 1);
        shop.stripe.deliver(&shop.stack.functions).await;
        shop.stack.mappings.pass(before, before + Span::from_s(60)).await;
    }
    assert_eq!(available(&shop).await, "525");
    assert_eq!(alarms(&log), 1, "{}", log.text());
}

#[test]
fn the_runbook_lists_exactly_the_events_that_are_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating/deploy.md");
    let text = std::fs::read_to_string(path).expect("the runbook");
    let (_, table) = text.split_once("| about | events |").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let listed: BTreeSet<&str> = table.split('`').skip(1).step_by(2).collect();
    assert_eq!(listed, shared::stripe::kinds().collect());
}

//! Every point at which the webhook can crash before Stripe's next try: credited once, never lost.

use std::rc::Rc;

use local::stripe::WEBHOOK_SECRET;
use serde_json::{Value, json};
use shared::command::order;
use shared::domain::{CheckoutRequest, Key};
use shared::stripe::signature;
use tests::support::{Answer, answer, request};

use super::bench::{ACCOUNT, Bench};
use super::on_one_thread;

/// The handler that gets the event. The randomness of the first one draws the ids of advances.
const HANDLER: usize = 1;

/// The state before the event arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Ordered,
    Paid,
    /// Paid, and all credits spent.
    Spent,
    /// A refund is known, but not yet its order.
    Refunded,
    /// A Monday has passed since.
    Monday,
}

/// The state, the event, and the available credits and debt after the event.
const SCENARIOS: [(Before, &str, &str, &str); 8] = [
    (Before::Ordered, "completed", "525", "0"),
    (Before::Ordered, "expired", "25", "0"),
    (Before::Ordered, "refunded", "25", "0"),
    (Before::Refunded, "completed", "275", "0"),
    (Before::Paid, "refunded", "275", "0"),
    (Before::Paid, "disputed", "25", "0"),
    (Before::Spent, "disputed", "0", "500"),
    (Before::Monday, "refunded", "275", "0"),
];

fn event(kind: &str, order: &str) -> String {
    let metadata = json!({ "scrip_order": order, "scrip_account": ACCOUNT });
    let (name, object) = match kind {
        "completed" => (
            "checkout.session.completed",
            json!({ "object": "checkout.session", "status": "complete", "metadata": metadata,
                "payment_status": "paid", "payment_intent": "pi_1", "amount_total": 4900,
                "currency": "usd" }),
        ),
        "expired" => (
            "checkout.session.expired",
            json!({ "object": "checkout.session", "status": "expired", "metadata": metadata,
                "payment_status": "unpaid" }),
        ),
        "refunded" => (
            "refund.created",
            json!({ "object": "refund", "id": "re_1", "status": "succeeded", "amount": 2450,
                "currency": "usd", "payment_intent": "pi_1" }),
        ),
        _ => (
            "charge.dispute.created",
            json!({ "object": "dispute", "id": "du_1", "status": "needs_response",
                "amount": 4900, "currency": "usd", "payment_intent": "pi_1" }),
        ),
    };
    json!({ "id": format!("evt_{kind}"), "object": "event", "type": name, "livemode": false,
        "data": { "object": object } })
    .to_string()
}

async fn bring(bench: &Bench, event: &str) -> Answer {
    let now = bench.handlers[HANDLER].context().clock.now();
    let mut request = request("POST", "/v1/stripe/webhook", None, event);
    let signature = signature::sign(event.as_bytes(), WEBHOOK_SECRET, now);
    request.headers_mut().insert("stripe-signature", signature.parse().expect("a header"));
    answer(bench.handlers[HANDLER].answer(request).await)
}

async fn send(bench: &Bench, method: &str, path: &str, key: &str, body: &str) -> Answer {
    answer(bench.handlers[HANDLER].answer(request(method, path, Some(key), body)).await)
}

/// Brings the account into the state before the event. Returns the order.
async fn set_up(bench: &Bench, before: Before) -> String {
    let path = format!("/v1/accounts/{ACCOUNT}");
    send(bench, "PUT", &path, "open", r#"{"plan":"free"}"#).await;
    let context = bench.handlers[HANDLER].context();
    let key: Key = "an order".parse().expect("a key");
    let account = ACCOUNT.parse().expect("an account");
    let request = CheckoutRequest {
        pack: "starter".to_owned(),
        user: Some("ada".to_owned()),
        currency: None,
        preferred: None,
        return_url: "https://app.example.com/credits".to_owned(),
        live: false,
    };
    let catalog = context.catalog().await;
    let ordered = order::place(context, &catalog, &account, &key, &request).await;
    let order = ordered.expect("ordered").id.to_string();
    match before {
        Before::Ordered => {}
        Before::Refunded => assert_eq!(bring(bench, &event("refunded", "")).await.status, 200),
        Before::Paid | Before::Spent | Before::Monday => {
            assert_eq!(bring(bench, &event("completed", &order)).await.status, 200);
        }
    }
    match before {
        Before::Spent => {
            let body = r#"{"credits":"525"}"#;
            let debit = send(bench, "POST", &format!("{path}/debits"), "spend", body).await;
            assert_eq!(debit.status, 201, "{debit:?}");
        }
        Before::Monday => bench.set_clock("2026-11-23T00:00:01Z"),
        _ => {}
    }
    order
}

#[test]
fn a_webhook_crash_at_any_point_is_repaired_by_stripes_next_try() {
    let mut points = 0;
    for scenario in SCENARIOS {
        points += 2 * on_one_thread(crash_everywhere(scenario)) + 1;
    }
    println!("{} scenarios: 100 % of {points} crash points", SCENARIOS.len());
}

async fn crash_everywhere((before, kind, available, debt): (Before, &str, &str, &str)) -> usize {
    let bench = Rc::new(Bench::new().await);
    let order = set_up(&bench, before).await;
    let event = event(kind, &order);
    let items = bench.items();
    let (calls, answered) = play(&bench, &event, usize::MAX).await;
    assert_eq!(answered.expect("nothing crashed").status, 200);
    for point in 0..=2 * calls {
        bench.restore(&items);
        play(&bench, &event, point).await;
        // Stripe retries until the answer is 200; one more delivery is a duplicate.
        for _ in 0..2 {
            let again = bring(&bench, &event).await;
            assert_eq!(again.status, 200, "{before:?} {kind}, point {point}: {again:?}");
        }
        let path = format!("/v1/accounts/{ACCOUNT}/balance");
        let balance = send(&bench, "GET", &path, "", "").await.body;
        let both = (&balance["available"], &balance["debt"]);
        let expected: (Value, Value) = (available.into(), debt.into());
        assert_eq!(both, (&expected.0, &expected.1), "{before:?} {kind}, point {point}");
    }
    calls
}

/// Delivers the event up to a point, and lets the handler crash there. Returns its calls, and its
/// answer if there was one.
async fn play(bench: &Rc<Bench>, event: &str, point: usize) -> (usize, Option<Answer>) {
    let (sender, event) = (bench.clone(), event.to_owned());
    bench.gate.play(HANDLER, point, async move { bring(&sender, &event).await }).await
}

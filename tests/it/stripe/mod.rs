//! The local Stripe alone: it answers requests and plays lives of subscriptions as Stripe does.

mod lives;
mod pages;
mod renewals;
mod requests;
mod taxes;
mod types;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lambda_http::Body;
use local::stripe::{self, Effect, KEY, LocalStripe};
use serde_json::Value;
use shared::clock::Clock;
use shared::domain::Instant;

/// The metadata with which a subscription names its account.
const ACME: &str = "subscription_data[metadata][scrip_account]=acme";

/// A local Stripe, and the clock that it reads.
struct Local {
    stripe: LocalStripe,
    now_ms: Arc<AtomicI64>,
}

impl Local {
    fn at(time: &str) -> Local {
        let now_ms = Arc::new(AtomicI64::new(instant(time).ms()));
        let stripe = LocalStripe::new(clock(&now_ms), "http://127.0.0.1:3000");
        Local { stripe, now_ms }
    }

    fn set_clock(&self, time: &str) {
        self.now_ms.store(instant(time).ms(), Ordering::Relaxed);
    }

    fn send(&self, method: &str, path: &str, key: Option<&str>, form: &str) -> (u16, Value) {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("/_local/stripe/v1/{path}"))
            .header("authorization", format!("Bearer {KEY}"));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Body::from(form)).expect("a request");
        let answer = stripe::answer(&self.stripe, &request);
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).expect("JSON"))
    }

    fn post(&self, path: &str, form: &str) -> Value {
        let (status, made) = self.send("POST", path, None, form);
        assert_eq!(status, 200, "{made}");
        made
    }

    fn get(&self, path: &str) -> Value {
        let (status, object) = self.send("GET", path, None, "");
        assert_eq!(status, 200, "{object}");
        object
    }

    /// Begins a session. Returns its id.
    fn session(&self, form: &str) -> String {
        text(&self.post("checkout/sessions", form), "id")
    }

    fn act(&self, id: &str, effect: Effect) {
        self.stripe.act(id, effect).unwrap_or_else(|why| panic!("{effect:?}: {why}"));
    }

    /// Acme's subscription to a price, with more fields of its session. Its events are taken.
    fn subscribe(&self, price: &str, more: &str) -> String {
        let form = format!("mode=subscription&line_items[0][price]={price}&{ACME}&{more}");
        self.act(&self.session(&form), Effect::Pay);
        self.told();
        self.stripe.subscription_of("acme").expect("a subscription")
    }

    fn subscription(&self, id: &str) -> Value {
        self.get(&format!("subscriptions/{id}"))
    }

    /// The status of a subscription.
    fn status(&self, id: &str) -> String {
        text(&self.subscription(id), "status")
    }

    /// Takes the waiting events.
    fn events(&self) -> Vec<Value> {
        let events = self.stripe.take_events();
        events.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect()
    }

    /// Takes the waiting events. Returns the type of each, and the status of its object.
    fn told(&self) -> Vec<String> {
        let told = |event: &Value| {
            let status = event["data"]["object"]["status"].as_str();
            format!("{} {}", text(event, "type"), status.unwrap_or("-"))
        };
        self.events().iter().map(told).collect()
    }
}

fn instant(time: &str) -> Instant {
    Instant::parse(time).expect("a time")
}

fn clock(now_ms: &Arc<AtomicI64>) -> Clock {
    let now_ms = now_ms.clone();
    Clock::new(move || Instant::from_ms(now_ms.load(Ordering::Relaxed)))
}

/// A time as Stripe writes it.
fn second(time: &str) -> i64 {
    instant(time).ms() / 1000
}

fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("{field}: {object}")).to_owned()
}

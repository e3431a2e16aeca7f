//! Two tenants at once: the answers, items and events of one are the same bytes with and without
//! the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared::clock::Entropy;
use tests::proof::INTERLEAVINGS;

use super::callers::{Reply, TENANTS};
use crate::support::{PRODUCT, Stack, instant, request};

/// A tenant's requests: `{}` in a path is its account, `{hold}`, `{debit}` and `{grant}` are its
/// earlier ids.
const SCRIPT: [(&str, &str, &str); 33] = [
    ("PUT", "/v1/accounts/{}", r#"{"plan":"pro"}"#),
    ("POST", "/v1/accounts/{}/grants", r#"{"credits":"40","reason":"welcome"}"#),
    ("POST", "/v1/accounts/{}/quotes", r#"{"action":"custom_image","quantity":3}"#),
    ("POST", "/v1/accounts/{}/debits", r#"{"action":"custom_image","quantity":3,"user":"ada"}"#),
    ("POST", "/v1/accounts/{}/debits", r#"{"credits":"7.25"}"#),
    ("GET", "/v1/accounts/{}/balance", ""),
    ("POST", "/v1/accounts/{}/debits/{debit}/refund", r#"{"credits":"1","reason":"black"}"#),
    ("POST", "/v1/accounts/{}/grants/{grant}/revoke", r#"{"reason":"a typo"}"#),
    ("POST", "/v1/accounts/{}/holds", r#"{"action":"dynamic_video","quantity":4}"#),
    ("POST", "/v1/accounts/{}/holds/{hold}/extend", r#"{"expires_in_s":600}"#),
    ("POST", "/v1/accounts/{}/holds/{hold}/capture", r#"{"quantity":1,"final":false}"#),
    ("GET", "/v1/accounts/{}/balance", ""),
    ("POST", "/v1/accounts/{}/holds/{hold}/release", "{}"),
    ("POST", "/v1/accounts/{}/holds/{hold}/capture", r#"{"quantity":1}"#),
    ("POST", "/v1/accounts/{}/debits/batch", BATCH),
    ("POST", "/v1/accounts/{}/debits/batch", BATCH),
    ("POST", "/v1/accounts/{}/freeze", r#"{"reason":"abuse"}"#),
    ("POST", "/v1/accounts/{}/debits", r#"{"credits":"1"}"#),
    ("POST", "/v1/accounts/{}/unfreeze", r#"{"reason":"no abuse"}"#),
    ("POST", "/v1/accounts/{}/debits", r#"{"credits":"999999"}"#),
    ("GET", "/v1/accounts/{}/usage", ""),
    ("GET", "/v1/accounts/{}/ledger?limit=3", ""),
    ("POST", "/v1/accounts/{}/sessions", SESSION),
    ("GET", "/v1/me/balance", ""),
    ("GET", "/v1/me/ledger", ""),
    ("GET", "/v1/me/usage", ""),
    ("GET", "/v1/me/catalog", ""),
    ("GET", "/v1/me/packs", ""),
    ("PUT", "/v1/accounts/{}", r#"{"plan":"standard"}"#),
    ("POST", "/v1/accounts/{}/debits", r#"{"credits":"1"}"#),
    ("PUT", "/v1/accounts/{}", r#"{"plan":"free"}"#),
    ("POST", "/v1/accounts/{}/debits", r#"{"credits":"1"}"#),
    ("GET", "/v1/accounts/{}/ledger", ""),
];
const BATCH: &str = r#"{"mode":"all_or_nothing","debits":[{"id":"x","credits":"1"},
    {"id":"y","action":"rich_text","quantity":2},{"id":"z","credits":"0.000001"}]}"#;
const SESSION: &str = r#"{"subject":"ada","return_url":"https://app.example.com/credits"}"#;

/// All data of one tenant.
#[derive(Debug, PartialEq)]
struct Seen {
    replies: Vec<Reply>,
    rows: Vec<Value>,
    events: Vec<Value>,
}

/// A tenant in the middle of its script.
#[derive(Default)]
struct Tenant {
    replies: Vec<Reply>,
    debit: String,
    grant: String,
    hold: String,
    token: String,
}

/// Two tenants on one stack. Each has its own randomness: its ids do not depend on how many the
/// other tenant got.
struct Pair {
    stack: Stack,
    asks: Arc<AtomicUsize>,
    tenants: [Tenant; 2],
}

impl Pair {
    async fn new() -> Pair {
        let asks = Arc::new(AtomicUsize::new(0));
        let drawn: [AtomicU64; 2] = std::array::from_fn(|_| AtomicU64::new(0));
        let who = asks.clone();
        let entropy = Entropy::new(move || {
            let who = who.load(Ordering::Relaxed);
            let mut bytes = [who as u8; 10];
            bytes[2..].copy_from_slice(&drawn[who].fetch_add(1, Ordering::Relaxed).to_be_bytes());
            bytes
        });
        let stack = Stack::drawing(instant("2026-11-18T12:00:00Z"), entropy).await;
        Pair { stack, asks, tenants: Default::default() }
    }

    /// The next step of one tenant.
    async fn step(&mut self, who: usize) {
        self.asks.store(who, Ordering::Relaxed);
        let tenant = &mut self.tenants[who];
        let place = tenant.replies.len();
        let (method, path, body) = SCRIPT[place];
        let path = path.replace("{}", TENANTS[who]);
        let path = path.replace("{debit}", &tenant.debit).replace("{hold}", &tenant.hold);
        let path = path.replace("{grant}", &tenant.grant);
        // Both tenants use the same keys, and the batch is sent twice.
        let key = format!("step {place}");
        let key = (method != "GET").then_some(key.as_str());
        let mut request = request(method, &path, key, body);
        if path.starts_with("/v1/me/") {
            let bearer = format!("Bearer {}", tenant.token).parse().expect("a header");
            request.headers_mut().insert("authorization", bearer);
            request.headers_mut().insert("origin", PRODUCT.parse().expect("a header"));
        }
        let (mut parts, body) = self.stack.functions.answer(request).await.into_parts();
        // Each request has another.
        parts.headers.remove("x-scrip-request");
        let body: &[u8] = &body;
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        match path.rsplit('/').next() {
            Some("debits") if tenant.debit.is_empty() => tenant.debit = text("id"),
            Some("grants") => tenant.grant = text("id"),
            Some("holds") => tenant.hold = text("id"),
            Some("sessions") => tenant.token = text("token"),
            _ => {}
        }
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        tenant.replies.push(Reply { status, headers, body: body.to_vec() });
        self.stack.relay().await;
    }

    /// All data of a tenant at this point.
    async fn seen(mut self, who: usize) -> Seen {
        let account = TENANTS[who];
        let events = self.stack.announced().into_iter();
        let events = events.filter(|event| event["detail"]["account"] == account).collect();
        let mut rows = Vec::new();
        let names = local::tables::names();
        for table in [names.accounts, names.ledger] {
            let scan = json!({ "TableName": table, "ConsistentRead": true });
            let scanned = self.stack.wire.past(&scan, "Scan");
            let items = scanned["Items"].as_array().cloned().unwrap_or_default();
            // Any item that names it: in a key, or inside a shared item.
            rows.extend(items.into_iter().filter(|item| item.to_string().contains(account)));
        }
        let replies = std::mem::take(&mut self.tenants[who].replies);
        Seen { replies, rows, events }
    }
}

#[tokio::test]
async fn a_tenant_sees_the_same_with_and_without_another() {
    let mut alone = Vec::new();
    for who in [0, 1] {
        let mut pair = Pair::new().await;
        for _ in SCRIPT {
            pair.step(who).await;
        }
        let seen = pair.seen(who).await;
        let done = seen.replies.iter().filter(|reply| reply.status < 300).count();
        assert!(done >= 26, "{:?}", seen.replies.iter().map(Reply::text).collect::<Vec<_>>());
        assert!(seen.rows.len() >= 10 && seen.events.len() >= 8, "{seen:?}");
        alone.push(seen);
    }
    let mut compared = 0;
    let orders = INTERLEAVINGS.get();
    for seed in 0..orders {
        let mut random = StdRng::seed_from_u64(seed);
        let who = usize::from(seed % 2 == 1);
        let mut pair = Pair::new().await;
        let mut left = [SCRIPT.len(); 2];
        while left.iter().any(|left| *left > 0) {
            let next = usize::from(left[0] == 0 || (left[1] > 0 && random.random_bool(0.5)));
            pair.step(next).await;
            left[next] -= 1;
        }
        let seen = pair.seen(who).await;
        let alone = &alone[who];
        for ((one, other), step) in seen.replies.iter().zip(&alone.replies).zip(SCRIPT) {
            assert_eq!(one, other, "SEED={seed}, {step:?}: {} {}", one.text(), other.text());
        }
        assert_eq!(seen.rows, alone.rows, "SEED={seed}");
        assert_eq!(seen.events, alone.events, "SEED={seed}");
        compared += seen.replies.len() + seen.rows.len() + seen.events.len();
    }
    INTERLEAVINGS.say(format_args!(
        "{orders} orders of two tenants: {compared} replies, rows and events, the same bytes"
    ));
}

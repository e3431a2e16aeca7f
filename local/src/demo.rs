//! `demo`: the story so far, played through the front door and printed.

use client::{ChargeError, Charged, Client, Transport, TransportError, Uuid, Work};
use lambda_http::{Body, Request, Response};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::clock::LocalClock;
use crate::routes::Functions;
use crate::stripe::{Deed, LocalStripe};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What one chapter of the story does.
enum Do {
    /// Method, path below `/v1/accounts/`, key, body, and the status it must have.
    Send(&'static str, &'static str, &'static str, &'static str, u16),
    /// Moves the clock to this instant.
    Move(&'static str),
    /// Charges work through the client: action, quantity, and how much is delivered. None: it fails.
    Work(&'static str, u64, Option<u64>),
    /// A customer of the account orders the pack.
    Order(&'static str, &'static str),
    /// Something happens to the latest order at Stripe, and the webhook hears of it, twice.
    Stripe(Deed),
}

/// When the story begins: a Friday.
pub const BEGINS: &str = "2026-11-20T09:00:00Z";

const TWO_DEBITS: &str = r#"{"mode":"all_or_nothing",
    "debits":[{"id":"a","credits":"1"},{"id":"b","credits":"2"}]}"#;

const STORY: &[(&str, Do)] = &[
    (
        "An operator opens an account on the free plan: 25 credits at once.",
        Do::Send("PUT", "studio", "open-studio", r#"{"plan":"free"}"#, 201),
    ),
    (
        "What would three images cost?",
        Do::Send("POST", "studio/quotes", "", r#"{"action":"custom_image","quantity":3}"#, 200),
    ),
    (
        "An AI endpoint debits them.",
        Do::Send(
            "POST",
            "studio/debits",
            "job-1",
            r#"{"action":"custom_image","quantity":3,"user":"ada"}"#,
            201,
        ),
    ),
    (
        "Its reply was lost; it tries again. The first receipt, nothing charged.",
        Do::Send(
            "POST",
            "studio/debits",
            "job-1",
            r#"{"action":"custom_image","quantity":3,"user":"ada"}"#,
            201,
        ),
    ),
    (
        "The same key for another job is refused.",
        Do::Send("POST", "studio/debits", "job-1", r#"{"action":"rich_text","quantity":1}"#, 422),
    ),
    (
        "Thirty videos are more than there is; the refusal says when credits come back.",
        Do::Send(
            "POST",
            "studio/debits",
            "job-2",
            r#"{"action":"dynamic_video","quantity":30}"#,
            402,
        ),
    ),
    (
        "The account executive helps.",
        Do::Send(
            "POST",
            "studio/grants",
            "gift-1",
            r#"{"credits":"10","reason":"a good customer","expires_at":"2026-12-31T00:00:00Z"}"#,
            201,
        ),
    ),
    (
        "The same key passes now: a refusal is not remembered.",
        Do::Send(
            "POST",
            "studio/debits",
            "job-2",
            r#"{"action":"dynamic_video","quantity":30}"#,
            201,
        ),
    ),
    ("It is Monday, 00:00 UTC. No job has run.", Do::Move("2026-11-23T00:00:00Z")),
    (
        "The bundle is back, and what was left of the gift is still there.",
        Do::Send("GET", "studio/balance", "", "", 200),
    ),
    (
        "The customer upgrades: 2500 credits at once.",
        Do::Send("PUT", "studio", "upgrade", r#"{"plan":"pro"}"#, 201),
    ),
    ("They can be spent already.", Do::Send("GET", "studio/balance", "", "", 200)),
    (
        "An endpoint is to paint four images, and three come out: three are charged.",
        Do::Work("custom_image", 4, Some(3)),
    ),
    ("Its next work, a video, fails: it is free.", Do::Work("dynamic_video", 1, None)),
    (
        "Two debits in one write, both or none.",
        Do::Send("POST", "studio/debits/batch", "", TWO_DEBITS, 201),
    ),
    (
        "A text is written,",
        Do::Send("POST", "studio/debits", "text", r#"{"action":"rich_text","quantity":2}"#, 201),
    ),
    (
        "and was no good: it is refunded, to where its credits came from.",
        Do::Send(
            "POST",
            "studio/debits/@/refund",
            "text-refund",
            r#"{"credits":"2","reason":"not what was asked for"}"#,
            201,
        ),
    ),
    (
        "Abuse is reported: the account is frozen, its credits are kept.",
        Do::Send("POST", "studio/freeze", "freeze-1", r#"{"reason":"abuse report 7"}"#, 201),
    ),
    (
        "Nothing can be spent.",
        Do::Send("POST", "studio/debits", "job-3", r#"{"credits":"1"}"#, 403),
    ),
    (
        "It was a mistake.",
        Do::Send("POST", "studio/unfreeze", "thaw-1", r#"{"reason":"false alarm"}"#, 201),
    ),
    (
        "And spending goes on.",
        Do::Send("POST", "studio/debits", "job-3", r#"{"credits":"1"}"#, 201),
    ),
    ("What was used, by day, action and user.", Do::Send("GET", "studio/usage", "", "", 200)),
    (
        "The whole ledger: numbered without a gap, and it sums to the balance.",
        Do::Send("GET", "studio/ledger", "", "", 200),
    ),
    (
        "Another account, on the free plan,",
        Do::Send("PUT", "cafe", "open-cafe", r#"{"plan":"free"}"#, 201),
    ),
    (
        "has spent its credits of the week.",
        Do::Send("POST", "cafe/debits", "week", r#"{"credits":"25"}"#, 201),
    ),
    (
        "Out of credits: the refusal says where to buy more.",
        Do::Send("POST", "cafe/debits", "menu", r#"{"action":"custom_image","quantity":40}"#, 402),
    ),
    ("Its customer orders a pack; Stripe says where to pay.", Do::Order("cafe", "starter")),
    ("The card is declined: nothing happens.", Do::Stripe(Deed::Decline)),
    ("Another card is not. Stripe tells it twice, and it counts once.", Do::Stripe(Deed::Pay)),
    (
        "The same key passes now.",
        Do::Send("POST", "cafe/debits", "menu", r#"{"action":"custom_image","quantity":40}"#, 201),
    ),
    ("The bank of the cardholder disputes the payment.", Do::Stripe(Deed::Dispute)),
    (
        "What is left of the pack is gone, what was spent of it is debt.",
        Do::Send("GET", "cafe/balance", "", "", 200),
    ),
    ("The dispute is won: all is as it was.", Do::Stripe(Deed::Win)),
    ("And its ledger says so.", Do::Send("GET", "cafe/ledger", "", "", 200)),
];

/// Plays the story on an empty stack and returns it as text.
///
/// # Errors
/// If a chapter does not end as it must.
pub async fn play(
    functions: &Functions,
    clock: &LocalClock,
    stripe: &LocalStripe,
) -> Result<String, Error> {
    let mut text = String::new();
    let mut session = String::new();
    // `@` in a path is the id of the receipt before.
    let mut last = String::new();
    let (says, mut said) = mpsc::unbounded_channel();
    let world = functions.world().clone();
    let ids = move || Uuid::from_bytes(*world.entropy.mint(world.clock.now()).bytes());
    let client = Client::with_ids(InProcess { functions: functions.clone(), says }, ids);
    for (chapter, (says, does)) in STORY.iter().enumerate() {
        text.push_str(&format!("\n{}. {says}\n", chapter + 1));
        match does {
            Do::Move(now) => {
                clock.set(shared::domain::Instant::parse(now).ok_or("not a time")?);
                text.push_str(&format!("   clock: {now}\n"));
            }
            Do::Order(account, pack) => {
                let ordered = order(functions, account, pack).await?;
                let id = ordered["id"].as_str().ok_or_else(|| ordered.to_string())?;
                session = stripe.session_of(id).ok_or("Stripe has no session of it")?;
                text.push_str(&format!("   POST /v1/me/checkouts {{\"pack\":\"{pack}\"}}\n"));
                text.push_str(&shown(&ordered));
            }
            Do::Stripe(deed) => {
                stripe.act(&session, *deed)?;
                for event in stripe.take_events() {
                    let kind: Value = serde_json::from_str(&event)?;
                    text.push_str(&format!("   event {}\n", kind["type"].as_str().unwrap_or("")));
                    stripe.resend(&event);
                    stripe.resend(&event);
                }
                stripe.deliver(functions).await;
            }
            Do::Send(method, path, key, body, status) => {
                let path = path.replace('@', &last);
                let request = request(method, &format!("/v1/accounts/{path}"), key, body)?;
                let (exchange, answer) = exchanged(functions, request).await;
                text.push_str(&exchange);
                if answer.status().as_u16() != *status {
                    return Err(format!("{text}\nexpected {status}").into());
                }
                let body: Value = serde_json::from_slice(answer.body())?;
                if let Some(id) = body["id"].as_str() {
                    id.clone_into(&mut last);
                }
            }
            Do::Work(action, quantity, delivered) => {
                let work = Work {
                    account: "studio".to_owned(),
                    action: (*action).to_owned(),
                    quantity: *quantity,
                    user: Some("ada".to_owned()),
                };
                // Where a real endpoint calls its model.
                let model = async { delivered.map(|delivered| ((), delivered)).ok_or("no answer") };
                match client.charge(work, model).await {
                    Ok(Charged { receipt: Err(error), .. }) => return Err(error.into()),
                    Err(ChargeError::Held(error)) => return Err(error.into()),
                    Ok(_) | Err(ChargeError::Work(_)) => {}
                }
                // A hold, and what ended it.
                for _ in 0..2 {
                    text.push_str(&said.recv().await.ok_or("the client is gone")?);
                }
            }
        }
    }
    Ok(text)
}

/// The functions, as a client in the same process reaches them. It says what went to and fro.
#[derive(Clone)]
struct InProcess {
    functions: Functions,
    says: mpsc::UnboundedSender<String>,
}

impl Transport for InProcess {
    async fn send(
        &self,
        request: http::Request<String>,
    ) -> Result<http::Response<String>, TransportError> {
        let (exchange, answer) = exchanged(&self.functions, request.map(Body::Text)).await;
        let (parts, body) = answer.into_parts();
        let body = String::from_utf8(body.to_vec())?;
        self.says.send(exchange)?;
        Ok(http::Response::from_parts(parts, body))
    }
}

/// Sends a request; with its answer, both as text.
async fn exchanged(functions: &Functions, request: Request) -> (String, Response<Body>) {
    let mut text = format!("   {} {}", request.method(), request.uri());
    if let Some(key) = request.headers().get("idempotency-key") {
        text.push_str(&format!(" key={}", key.to_str().unwrap_or_default()));
    }
    text.push_str(&format!(" {}\n", String::from_utf8_lossy(request.body())));
    let answer = functions.answer(request).await;
    let replayed = answer.headers().contains_key("idempotent-replayed");
    let replayed = if replayed { " (replayed)" } else { "" };
    text.push_str(&format!("   {}{replayed}\n", answer.status()));
    text.push_str(&shown(&serde_json::from_slice(answer.body()).unwrap_or_default()));
    (text, answer)
}

/// Orders a pack as a customer of the account does: by a session that a service made.
async fn order(functions: &Functions, account: &str, pack: &str) -> Result<Value, Error> {
    let origin = functions.world().config.origins.first().ok_or("no origin is allowed")?;
    let session =
        format!(r#"{{"subject":"ada","scopes":["buy"],"return_url":"{origin}/credits"}}"#);
    let made = request("POST", &format!("/v1/accounts/{account}/sessions"), "", &session)?;
    let made: Value = serde_json::from_slice(functions.answer(made).await.body())?;
    let token = made["token"].as_str().ok_or_else(|| made.to_string())?;
    let order = http::Request::post("/v1/me/checkouts")
        .header("authorization", format!("Bearer {token}"))
        .header("idempotency-key", format!("order-{pack}"))
        .body(Body::Text(format!(r#"{{"pack":"{pack}"}}"#)))?;
    Ok(serde_json::from_slice(functions.answer(order).await.body())?)
}

fn request(method: &str, path: &str, key: &str, body: &str) -> Result<Request, Error> {
    let request = http::Request::builder().method(method).uri(path);
    let request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
    Ok(request.body(Body::from(body))?)
}

/// A body for reading: one line, or for a list one line an entry.
fn shown(body: &Value) -> String {
    match body["entries"].as_array() {
        Some(entries) => entries.iter().map(line).collect(),
        None => format!("   {body}\n"),
    }
}

fn line(entry: &Value) -> String {
    let text = |path: &str| match entry.pointer(path) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    format!(
        "   {:>3}  {}  {:<13} {:>8}  available {:>8}  {} {}\n",
        text("/seq"),
        text("/at"),
        text("/kind"),
        text("/available"),
        text("/balance/available"),
        text("/action"),
        text("/key"),
    )
}

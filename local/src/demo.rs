//! `demo`: the story so far, played through the front door and printed.

use lambda_http::{Body, Request};
use serde_json::Value;

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
        "Four images are begun: what they may cost is set aside.",
        Do::Send(
            "POST",
            "studio/holds",
            "images",
            r#"{"action":"custom_image","quantity":4,"user":"ada"}"#,
            201,
        ),
    ),
    (
        "Three came out: three are charged, the rest comes back.",
        Do::Send(
            "POST",
            "studio/holds/@/capture",
            "images-done",
            r#"{"quantity":3,"user":"ada"}"#,
            201,
        ),
    ),
    (
        "A video is begun,",
        Do::Send(
            "POST",
            "studio/holds",
            "video",
            r#"{"action":"dynamic_video","quantity":1}"#,
            201,
        ),
    ),
    (
        "and fails: it is free.",
        Do::Send("POST", "studio/holds/@/release", "video-failed", "{}", 201),
    ),
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
                text.push_str(&format!("   {method} /v1/accounts/{path}"));
                text.push_str(&if key.is_empty() { String::new() } else { format!(" key={key}") });
                text.push_str(&format!(" {body}\n"));
                let answer = functions.answer(request(method, &path, key, body)?).await;
                let replayed = answer.headers().contains_key("idempotent-replayed");
                let replayed = if replayed { " (replayed)" } else { "" };
                text.push_str(&format!("   {}{replayed}\n", answer.status()));
                if answer.status().as_u16() != *status {
                    return Err(format!("{text}\nexpected {status}").into());
                }
                let body: Value = serde_json::from_slice(answer.body())?;
                text.push_str(&shown(&body));
                if let Some(id) = body["id"].as_str() {
                    id.clone_into(&mut last);
                }
            }
        }
    }
    Ok(text)
}

/// Orders a pack as a customer of the account does: by a session that a service made.
async fn order(functions: &Functions, account: &str, pack: &str) -> Result<Value, Error> {
    let origin = functions.world().config.origins.first().ok_or("no origin is allowed")?;
    let session =
        format!(r#"{{"subject":"ada","scopes":["buy"],"return_url":"{origin}/credits"}}"#);
    let made = request("POST", &format!("{account}/sessions"), "", &session)?;
    let made: Value = serde_json::from_slice(functions.answer(made).await.body())?;
    let token = made["token"].as_str().ok_or_else(|| made.to_string())?;
    let order = http::Request::post("/v1/me/checkouts")
        .header("authorization", format!("Bearer {token}"))
        .header("idempotency-key", format!("order-{pack}"))
        .body(Body::Text(format!(r#"{{"pack":"{pack}"}}"#)))?;
    Ok(serde_json::from_slice(functions.answer(order).await.body())?)
}

fn request(method: &str, path: &str, key: &str, body: &str) -> Result<Request, Error> {
    let request = http::Request::builder().method(method).uri(format!("/v1/accounts/{path}"));
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

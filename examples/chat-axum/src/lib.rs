//! A chat endpoint: `POST /chat` streams an answer, and charges a credit for each word of it.

pub mod model;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_core::Stream;
use scrip_client::{Error, Problem, Scrip, Spend, Work};
use serde_json::{Value, json};

use model::{Model, ModelError, Words};

/// The longest answer; a chat may ask for less. So many credits are held while it is made.
const MAX_WORDS: u64 = 200;

/// What the endpoint needs.
#[derive(Clone)]
struct App {
    scrip: Scrip,
    model: Arc<dyn Model>,
}

/// The endpoint, with a client that has the option `on_unpaid`.
pub fn chat(scrip: Scrip, model: impl Model) -> Router {
    let app = App { scrip, model: Arc::new(model) };
    Router::new().route("/chat", post(answer)).with_state(app)
}

/// The customer's account, and the person in it.
struct Customer {
    account: String,
    user: String,
}

/// Stands for your sign-in: the header `X-Customer: ada@acme` is believed.
fn signed_in(headers: &HeaderMap) -> Option<Customer> {
    let (user, account) = headers.get("x-customer")?.to_str().ok()?.split_once('@')?;
    Some(Customer { account: account.to_owned(), user: user.to_owned() })
}

async fn answer(State(app): State<App>, headers: HeaderMap, body: String) -> Response {
    let Some(customer) = signed_in(&headers) else {
        return told(StatusCode::UNAUTHORIZED, "Please sign in.");
    };
    let (prompt, words) = match question(&body) {
        Ok(question) => question,
        Err(wrong) => return told(StatusCode::BAD_REQUEST, &wrong),
    };
    let most = Spend::action("rich_text", words).user(customer.user);
    let charge = app.scrip.charge(&customer.account, most);
    let length = usize::try_from(words).unwrap_or(usize::MAX);
    let made = |work| Counted { work, words: app.model.words(&prompt, length), count: 0 };
    match charge.stream(made).await {
        // When the customer closes the page, the server drops this stream: the words until then
        // are charged, and the model stops.
        Ok(answer) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (kind, Body::from_stream(answer)).into_response()
        }
        Err(Error::Refused(no)) => refused(&no),
        Err(_) => {
            let text = "The chat is not available. Try again in a minute.";
            told(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

/// The words of an answer, each of which is reported before it is yielded.
struct Counted {
    work: Work,
    words: Words,
    count: u64,
}

impl Stream for Counted {
    type Item = Result<String, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let word = ready!(Pin::new(&mut self.words).poll_next(context));
        if let Some(Ok(_)) = word {
            self.count += 1;
            self.work.delivered(self.count);
        }
        Poll::Ready(word)
    }
}

/// The prompt and the most words, or what is wrong with them.
fn question(body: &str) -> Result<(String, u64), String> {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    let prompt = asked["prompt"].as_str().filter(|prompt| !prompt.trim().is_empty());
    let words = asked.get("words").map_or(Some(MAX_WORDS), Value::as_u64);
    match (prompt, words) {
        (None, _) => Err("Write a prompt.".to_owned()),
        (Some(prompt), Some(words @ 1..=MAX_WORDS)) => Ok((prompt.to_owned(), words)),
        _ => Err(format!("Ask for 1 to {MAX_WORDS} words.")),
    }
}

/// The customer's answer to a refusal.
fn refused(no: &Problem) -> Response {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    match no.code.as_str() {
        "insufficient_credits" => {
            let more = no.recharges_at.as_deref().and_then(|at| at.get(..10));
            let more = more.map_or_else(String::new, |day| format!(" New ones come on {day}."));
            let (required, available) = (text(&no.required), text(&no.available));
            let message =
                format!("This needs up to {required} credits, and you have {available}.{more}");
            let body = json!({ "message": message, "top_up_url": no.top_up_url });
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::PAYMENT_REQUIRED, kind, body.to_string()).into_response()
        }
        "limit_reached" => {
            let more = no.resets_at.as_deref().and_then(|at| at.get(..10));
            let more = more.map_or_else(String::new, |day| format!(" They come back on {day}."));
            let [required, left, at_most] = [&no.required, &no.left, &no.at_most].map(text);
            let credits = format!("{required} credits, and {left} of your {at_most} are left");
            told(StatusCode::PAYMENT_REQUIRED, &format!("This needs up to {credits}.{more}"))
        }
        "debt_outstanding" => told(StatusCode::PAYMENT_REQUIRED, "Your account owes credits."),
        "plan_required" => told(StatusCode::PAYMENT_REQUIRED, "Your plan has no AI."),
        "account_frozen" => {
            told(StatusCode::PAYMENT_REQUIRED, "Your account is frozen. Please ask us.")
        }
        "too_many_holds" => {
            let text = "Your team has too many chats at once. Try again in a moment.";
            told(StatusCode::TOO_MANY_REQUESTS, text)
        }
        // The rest is a mistake of this program: it must not look like the customer's.
        _ => {
            eprintln!("refused: {no}");
            told(StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong. We look into it.")
        }
    }
}

fn told(status: StatusCode, message: &str) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, json!({ "message": message }).to_string()).into_response()
}

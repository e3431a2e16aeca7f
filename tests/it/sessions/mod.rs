//! Sessions: a link works once, a token is of one account and one audience, and pages elsewhere are
//! refused.

mod origins;

use local::clock::LocalClock;
use shared::domain::instant::Span;
use shared::session::{Audience, Keys, Scope, Session, TokenError};

use crate::support::wire::Fault;
use crate::support::{Answer, KEYS, PUBLIC_URL, Stack, instant, request};

const BODY: &str = r#"{"subject":"ada","return_url":"https://app.example.com/settings"}"#;

/// A session for an account: the token of its link, and that of its widget.
async fn session(stack: &Stack, account: &str) -> (String, String) {
    let path = format!("/v1/accounts/{account}/sessions");
    let made = stack.send(request("POST", &path, None, BODY)).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.text("/account"), account);
    let link = made.text("/url").strip_prefix(&format!("{PUBLIC_URL}/enter?t="));
    (link.expect("a link").to_owned(), made.text("/token").to_owned())
}

async fn enter(stack: &Stack, link: &str) -> Answer {
    stack.get(&format!("/enter?t={link}")).await
}

/// The cookie that an entrance sets: `name=value`.
fn cookie(entered: &Answer) -> String {
    assert_eq!(entered.status, 303, "{entered:?}");
    let cookie = entered.headers["set-cookie"].to_str().expect("text");
    cookie.split(';').next().expect("a part").to_owned()
}

async fn ask(stack: &Stack, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = request(method, path, None, "");
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().expect("a name");
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    stack.send(request).await
}

async fn with_token(stack: &Stack, token: &str) -> Answer {
    ask(stack, "GET", "/v1/me/balance", &[("authorization", &format!("Bearer {token}"))]).await
}

fn assert_no_session(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (401, "session_required"), "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_link_works_once_and_leads_to_the_page() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, _) = session(&stack, "acme").await;
    let entered = enter(&stack, &link).await;
    assert_eq!(entered.headers["location"], "/");
    assert_eq!(entered.headers["referrer-policy"], "no-referrer");
    assert_eq!(entered.headers["cache-control"], "no-store");
    let set = entered.headers["set-cookie"].to_str().expect("text");
    assert!(set.starts_with("__Host-scrip="), "{set}");
    assert!(set.ends_with("; HttpOnly; Secure; SameSite=Lax"), "{set}");
    let life = set.split("Max-Age=").nth(1).and_then(|rest| rest.split(';').next());
    let life: i64 = life.expect("a life").parse().expect("a number");
    assert!(set.contains("; Path=/; Max-Age=") && (3590..=3600).contains(&life), "{set}");
    let cookie = cookie(&entered);
    let balance = ask(&stack, "GET", "/v1/me/balance", &[("cookie", &cookie)]).await;
    assert_eq!((balance.status, balance.text("/account")), (200, "acme"));
    let others = format!("theme=dark; {cookie}; __Host-scripted=no");
    let balance = ask(&stack, "GET", "/v1/me/balance", &[("cookie", &others)]).await;
    assert_eq!(balance.status, 200);
    assert_eq!(enter(&stack, &link).await.status, 401, "the second time");
}

/// The reply to the write is lost, and the SDK writes again: that is not a second use.
#[tokio::test]
async fn a_link_whose_reply_was_lost_still_leads_to_the_page() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, _) = session(&stack, "acme").await;
    let mut left = 1;
    stack.wire.set_policy(move |operation, _| match operation {
        "PutItem" if left > 0 => {
            left -= 1;
            Fault::LoseReply
        }
        _ => Fault::None,
    });
    assert_eq!(enter(&stack, &link).await.status, 303);
    assert_eq!(enter(&stack, &link).await.status, 401);
}

#[tokio::test]
async fn of_many_who_come_by_one_link_one_comes_in() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, _) = session(&stack, "acme").await;
    let entered = crate::support::at_once(16, |_| {
        let (stack, link) = (stack.clone(), link.clone());
        async move { enter(&stack, &link).await.status }
    });
    let entered = entered.await;
    assert_eq!(entered.iter().filter(|status| **status == 303).count(), 1, "{entered:?}");
    assert_eq!(entered.iter().filter(|status| **status == 401).count(), 15, "{entered:?}");
}

#[tokio::test]
async fn a_session_ends_when_it_says() {
    let stack = Stack::at("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    let (link, token) = session(&stack, "acme").await;
    let cookie = cookie(&enter(&stack, &session(&stack, "acme").await.0).await);
    assert_eq!(with_token(&stack, &token).await.status, 200);
    stack.set_clock("2026-11-18T12:59:50Z");
    assert_eq!(with_token(&stack, &token).await.status, 200);
    assert_eq!(ask(&stack, "GET", "/v1/me/ledger", &[("cookie", &cookie)]).await.status, 200);
    stack.set_clock("2026-11-18T13:00:10Z");
    assert_no_session(&with_token(&stack, &token).await);
    assert_no_session(&ask(&stack, "GET", "/v1/me/ledger", &[("cookie", &cookie)]).await);
    assert_eq!(enter(&stack, &link).await.status, 401);
    let short = r#"{"subject":"ada","return_url":"https://app.example.com/","expires_in_s":60}"#;
    let made = stack.send(request("POST", "/v1/accounts/acme/sessions", None, short)).await;
    let ends = instant(made.text("/expires_at"));
    assert!((instant("2026-11-18T13:01:09Z")..instant("2026-11-18T13:01:30Z")).contains(&ends));
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_refused_in_one_way() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, token) = session(&stack, "acme").await;
    // Each letter in turn becomes another one.
    for place in (0..token.len()).step_by(7) {
        let mut changed = token.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("letters");
        assert_no_session(&with_token(&stack, &changed).await);
    }
    let (payload, mac) = token.split_once('.').expect("two parts");
    for wrong in [
        "",
        ".",
        "..",
        payload,
        &format!("{payload}."),
        &format!(".{mac}"),
        &format!("{token}.{mac}"),
        &format!("{token}="),
        &"A".repeat(5000),
        "eyJhbGciOiJub25lIn0.e30.",
        // The link is not a session: it works once, in its own place.
        &link,
    ] {
        assert_no_session(&with_token(&stack, wrong).await);
    }
    // And a session is not a link.
    assert_eq!(enter(&stack, &token).await.status, 401);
    assert_no_session(&ask(&stack, "GET", "/v1/me/balance", &[]).await);
    let basic = [("authorization", "Basic YWRhOmFkYQ==")];
    assert_no_session(&ask(&stack, "GET", "/v1/me/balance", &basic).await);
}

#[tokio::test]
async fn a_key_is_rotated_and_a_removed_one_is_refused() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (_, token) = session(&stack, "acme").await;
    let other = |secret: &str| stack.with_keys(secret);
    let (new, old) = ("b".repeat(32), "a key of a test, as long as it has to be");
    let both = format!(r#"{{"id":"next","key":"{new}","previous":{{"id":"test","key":"{old}"}}}}"#);
    let rotating = other(&both);
    assert_eq!(with_token(&rotating, &token).await.status, 200);
    let (_, newer) = session(&rotating, "acme").await;
    let after = other(&format!(r#"{{"id":"next","key":"{new}"}}"#));
    assert_eq!(with_token(&after, &newer).await.status, 200);
    assert_no_session(&with_token(&after, &token).await);
    // The name of a key without its bytes is worth nothing.
    let impostor = other(&format!(r#"{{"id":"test","key":"{}"}}"#, "c".repeat(32)));
    assert_no_session(&with_token(&impostor, &token).await);
    let (_, forged) = session(&impostor, "acme").await;
    assert_no_session(&with_token(&stack, &forged).await);
}

#[tokio::test]
async fn a_function_without_usable_keys_opens_nothing() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (_, token) = session(&stack, "acme").await;
    for secret in ["", "{}", r#"{"id":"test","key":"short"}"#] {
        let broken = stack.with_keys(secret);
        let answer = with_token(&broken, &token).await;
        assert_eq!((answer.status, answer.code()), (500, "internal_error"), "{secret}");
    }
}

#[tokio::test]
async fn the_account_is_the_sessions_and_no_other() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.open("rival", "free").await;
    stack.debit("rival", "theirs", "7").await;
    let (_, token) = session(&stack, "acme").await;
    let bearer = format!("Bearer {token}");
    for path in ["/v1/me/balance?account=rival", "/v1/me/balance", "/v1/me/ledger"] {
        let headers = [("authorization", bearer.as_str()), ("x-account", "rival")];
        let answer = ask(&stack, "GET", path, &headers).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.to_string().contains("rival"), "{path}: {answer:?}");
    }
    // A place in another account's ledger is not one in this.
    let theirs = stack.get("/v1/accounts/rival/ledger?limit=1").await;
    let path = format!("/v1/me/ledger?cursor={}", theirs.text("/next_cursor"));
    let refused = ask(&stack, "GET", &path, &[("authorization", &bearer)]).await;
    assert_eq!((refused.status, refused.code()), (400, "invalid_request"));
    // An account that is not there has no session.
    let path = "/v1/accounts/nobody/sessions";
    let refused = stack.send(request("POST", path, None, BODY)).await;
    assert_eq!((refused.status, refused.code()), (404, "account_not_found"));
}

#[test]
fn a_token_says_what_it_was_signed_for_and_nothing_longer_than_an_hour() {
    let keys = Keys::parse(KEYS).expect("keys");
    let clock = LocalClock::starting_at(instant("2026-11-18T12:00:00Z"));
    let now = instant("2026-11-18T12:00:00Z");
    let mut session = Session {
        id: shared::clock::Entropy::system().mint(clock.now()),
        account: "acme".parse().expect("an account"),
        subject: "ada \u{202e}<b>".to_owned(),
        scopes: vec![Scope::View, Scope::Buy],
        return_url: "https://app.example.com/".to_owned(),
        issued_at: now,
        expires_at: now + Span::from_s(60),
    };
    let token = keys.sign(&session, Audience::Customer);
    assert_eq!(keys.verify(&token, Audience::Customer, now), Ok(session.clone()));
    let at = |s| keys.verify(&token, Audience::Customer, now + Span::from_s(s)).err();
    assert_eq!((at(59), at(60), at(-5)), (None, Some(TokenError::Expired), None));
    assert_eq!(at(-6), Some(TokenError::Early));
    let link = keys.verify(&token, Audience::Link, now);
    assert_eq!(link, Err(TokenError::OtherAudience));
    session.expires_at = now + Span::from_s(3601);
    let long = keys.sign(&session, Audience::Customer);
    assert_eq!(keys.verify(&long, Audience::Customer, now), Err(TokenError::Early));
    assert!(!format!("{keys:?}").contains("as long as"), "a key is shown");
}

/// Everything that is logged while sessions are made, used and refused, at the finest level.
#[tokio::test]
async fn no_token_is_logged() {
    let log = crate::support::log::Log::default();
    let _guard = log.listen();
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, token) = session(&stack, "acme").await;
    let cookie = cookie(&enter(&stack, &link).await);
    enter(&stack, &link).await;
    with_token(&stack, &token).await;
    with_token(&stack, &format!("{token}x")).await;
    ask(&stack, "GET", "/v1/me/balance", &[("cookie", &cookie)]).await;
    let text = log.text();
    assert!(text.contains("a token is not accepted"), "nothing was logged: {text}");
    for secret in [&link, &token, &cookie["__Host-scrip=".len()..].to_owned()] {
        let (payload, mac) = secret.split_once('.').expect("two parts");
        assert!(!text.contains(payload) && !text.contains(mac), "a token is in the log");
    }
}

//! Sessions: a link works once, a token belongs to one account and one audience, and foreign pages
//! are refused.

mod link_redemption;
mod origins;

use local::clock::LocalClock;
use shared::domain::instant::Span;
use shared::session::{Scope, Session, TokenError};
use shared::token::{Audience, Keys, SealError};

use crate::support::door::cookie;
use crate::support::{Answer, KEYS, PUBLIC_URL, Stack, instant, request};

const BODY: &str = r#"{"subject":"ada","return_url":"https://app.example.com/settings"}"#;

/// Creates a session for an account. Returns the token of its link, and that of its widget.
async fn session(stack: &Stack, account: &str) -> (String, String) {
    let made = stack.session(account, BODY).await;
    assert_eq!(made.text("/account"), account);
    let link = made.text("/url").strip_prefix(&format!("{PUBLIC_URL}/enter?t="));
    (link.expect("a link").to_owned(), made.text("/token").to_owned())
}

async fn with_token(stack: &Stack, token: &str) -> Answer {
    stack.ask("GET", "/v1/me/balance", &[("authorization", &format!("Bearer {token}"))]).await
}

fn assert_no_session(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (401, "session_required"), "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_session_ends_at_its_stated_time() {
    let stack = Stack::at("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    let (link, token) = session(&stack, "acme").await;
    let visitor = stack.visitor("acme").await;
    assert_eq!(with_token(&stack, &token).await.status, 200);
    stack.set_clock("2026-11-18T12:59:50Z");
    assert_eq!(with_token(&stack, &token).await.status, 200);
    assert_eq!(stack.ask("GET", "/v1/me/ledger", &visitor.headers()).await.status, 200);
    stack.set_clock("2026-11-18T13:00:10Z");
    assert_no_session(&with_token(&stack, &token).await);
    assert_no_session(&stack.ask("GET", "/v1/me/ledger", &visitor.headers()).await);
    assert_eq!(stack.press(&link).await.status, 401);
    let short = r#"{"subject":"ada","return_url":"https://app.example.com/","expires_in_s":60}"#;
    let made = stack.send(request("POST", "/v1/accounts/acme/sessions", None, short)).await;
    let ends = instant(made.text("/expires_at"));
    assert!((instant("2026-11-18T13:01:09Z")..instant("2026-11-18T13:01:30Z")).contains(&ends));
}

#[tokio::test]
async fn every_invalid_token_is_refused_in_one_way() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, token) = session(&stack, "acme").await;
    // Letters change one by one; the last letter has two unused bits.
    for place in (0..token.len() - 1).step_by(7) {
        let mut changed = token.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("letters");
        assert_no_session(&with_token(&stack, &changed).await);
    }
    let (key, sealed) = token.split_once('.').expect("two parts");
    let cookie = stack.visitor("acme").await.cookie;
    for wrong in [
        "",
        ".",
        "..",
        key,
        &format!("{key}."),
        &format!("{key}.AAAA"),
        &format!(".{sealed}"),
        &format!("{token}.{sealed}"),
        &format!("{token}="),
        &"A".repeat(5000),
        "eyJhbGciOiJub25lIn0.e30.",
        // The link is no session, and the page's token is not the widget's: each has its own place.
        &link,
        cookie.split_once('=').expect("a value").1,
    ] {
        assert_no_session(&with_token(&stack, wrong).await);
    }
    for (place, token) in [("link", &token), ("cookie", &token), ("cookie", &link)] {
        let answer = match place {
            "link" => stack.press(token).await,
            _ => stack.ask("GET", "/", &[("cookie", &format!("__Host-scrip={token}"))]).await,
        };
        assert_eq!(answer.status, 401, "{place}");
    }
    assert_no_session(&stack.ask("GET", "/v1/me/balance", &[]).await);
    let basic = [("authorization", "Basic YWRhOmFkYQ==")];
    assert_no_session(&stack.ask("GET", "/v1/me/balance", &basic).await);
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
    // A key's id without its bytes gives no access.
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
async fn a_session_reaches_only_its_own_account() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.open("rival", "free").await;
    stack.debit("rival", "theirs", "7").await;
    let (_, token) = session(&stack, "acme").await;
    let bearer = format!("Bearer {token}");
    for path in ["/v1/me/balance?account=rival", "/v1/me/balance", "/v1/me/ledger"] {
        let headers = [("authorization", bearer.as_str()), ("x-account", "rival")];
        let answer = stack.ask("GET", path, &headers).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.to_string().contains("rival"), "{path}: {answer:?}");
    }
    // A cursor of another account's ledger is not valid here.
    let theirs = stack.get("/v1/accounts/rival/ledger?limit=1").await;
    let path = format!("/v1/me/ledger?cursor={}", theirs.text("/next_cursor"));
    let refused = stack.ask("GET", &path, &[("authorization", &bearer)]).await;
    assert_eq!((refused.status, refused.code()), (400, "invalid_request"));
    // An account that does not exist has no session.
    let path = "/v1/accounts/nobody/sessions";
    let refused = stack.send(request("POST", path, None, BODY)).await;
    assert_eq!((refused.status, refused.code()), (404, "account_not_found"));
}

#[test]
fn a_token_is_valid_for_its_audience_and_an_hour_at_most() {
    let keys = Keys::parse(KEYS).expect("keys");
    let clock = LocalClock::starting_at(instant("2026-11-18T12:00:00Z"));
    let now = instant("2026-11-18T12:00:00Z");
    let mut session = Session {
        id: shared::clock::Entropy::system().mint(clock.now()),
        account: "acme".parse().expect("an account"),
        subject: "a customer \u{202e}<b>".to_owned(),
        scopes: vec![Scope::View, Scope::Buy],
        return_url: "https://app.example.com/".to_owned(),
        currency: None,
        locale: None,
        issued_at: now,
        expires_at: now + Span::from_s(60),
    };
    let token = keys.seal(&session, Audience::Widget);
    assert_eq!(keys.open(&token, Audience::Widget, now), Ok(session.clone()));
    let at = |s| keys.open(&token, Audience::Widget, now + Span::from_s(s)).err();
    assert_eq!(
        (at(59), at(60), at(-5)),
        (None, Some(TokenError::Expired(Box::new(session.clone()))), None)
    );
    assert_eq!(at(-6), Some(TokenError::Early));
    let link = keys.open(&token, Audience::Link, now);
    assert_eq!(link, Err(TokenError::Sealed(SealError::Forged)));
    session.expires_at = now + Span::from_s(3601);
    let long = keys.seal(&session, Audience::Widget);
    assert_eq!(keys.open(&long, Audience::Widget, now), Err(TokenError::Early));
    assert!(!format!("{keys:?}").contains("as long as"), "a key is shown");
    // The sealed token reveals nothing of its content.
    for audience in [Audience::Link, Audience::Page, Audience::Widget] {
        let token = keys.seal(&session, audience);
        let (_, sealed) = token.split_once('.').expect("two parts");
        // All but the last few letters, which belong to the
        // seal. A shorter word may be there by chance.
        let whole = &sealed.replace('-', "+").replace('_', "/")[..sealed.len() / 4 * 4];
        let bytes = aws_smithy_types::base64::decode(whole).expect("base64");
        let read = String::from_utf8_lossy(&bytes);
        for word in ["a customer", "app.example.com"] {
            assert!(!read.contains(word) && !token.contains(word), "{word} is in {token}");
        }
    }
}

/// Sessions are created, used and refused at the finest log level.
#[tokio::test]
async fn no_token_is_logged() {
    let log = crate::support::log::Log::default();
    let _guard = log.listen();
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, token) = session(&stack, "acme").await;
    let cookie = cookie(&stack.press(&link).await);
    stack.get(&format!("/enter?t={link}")).await;
    stack.press(&link).await;
    with_token(&stack, &token).await;
    with_token(&stack, &format!("{token}x")).await;
    stack.ask("GET", "/v1/me/balance", &[("cookie", &cookie)]).await;
    let text = log.text();
    assert!(text.contains("a token is not accepted"), "nothing was logged: {text}");
    for secret in [&link, &token, &cookie["__Host-scrip=".len()..].to_owned()] {
        let (_, sealed) = secret.split_once('.').expect("two parts");
        assert!(!text.contains(sealed), "a token is in the log");
    }
}

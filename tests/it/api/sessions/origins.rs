//! A list of origins decides which pages may send requests and where a customer returns to.

use http::Method;
use lambda_http::Body;
use shared::session::Scope;

use super::{BODY, assert_no_session, session};
use crate::support::door::Visitor;
use crate::support::{PRODUCT, PUBLIC_URL, Stack, request};

#[tokio::test]
async fn a_foreign_page_is_answered_only_from_a_listed_origin() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (_, token) = session(&stack, "acme").await;
    let (bearer, cookie) = (format!("Bearer {token}"), stack.visitor("acme").await.cookie);
    let paths = ["/v1/me/balance", "/v1/me/ledger", "/v1/me/usage", "/v1/me/catalog"];
    for path in paths {
        let asked = [("origin", PRODUCT), ("access-control-request-method", "GET")];
        let may = stack.ask("OPTIONS", path, &asked).await;
        assert_eq!(may.status, 204);
        assert_eq!(may.headers["access-control-allow-origin"], PRODUCT);
        assert!(!may.headers.contains_key("access-control-allow-credentials"));
        assert_eq!(may.headers["access-control-max-age"], "7200", "asked once, not each time");
        let headers = [("origin", PRODUCT), ("authorization", bearer.as_str())];
        let answer = stack.ask("GET", path, &headers).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], PRODUCT);
        assert_eq!(answer.headers["vary"], "Origin");
        if path == "/v1/me/balance" {
            // The browser keeps it and asks whether it has changed; no cache in between keeps it.
            assert_eq!(answer.headers["cache-control"], "private, no-cache");
        }
        let own = [("origin", PUBLIC_URL), ("authorization", bearer.as_str())];
        assert_eq!(stack.ask("GET", path, &own).await.status, 200);
        for foreign in [
            "https://evil.example",
            "null",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://APP.example.com",
        ] {
            let headers = [("origin", foreign), ("authorization", bearer.as_str())];
            let refused = stack.ask("GET", path, &headers).await;
            assert_eq!((refused.status, refused.code()), (403, "origin_refused"), "{foreign}");
            assert!(!refused.headers.contains_key("access-control-allow-origin"));
            let refused = stack.ask("OPTIONS", path, &[("origin", foreign)]).await;
            assert_eq!(refused.status, 403, "{foreign}");
            // A cookie is only for our own page, even if the list allows the origin.
            for origin in [foreign, PRODUCT] {
                let headers = [("origin", origin), ("cookie", cookie.as_str())];
                let refused = stack.ask("GET", path, &headers).await;
                assert_eq!((refused.status, refused.code()), (403, "origin_refused"));
            }
        }
    }
    // A page may read problems, too: the widget shows that its session has ended.
    let over = [("origin", PRODUCT), ("authorization", "Bearer over")];
    let refused = stack.ask("GET", "/v1/me/balance", &over).await;
    assert_no_session(&refused);
    assert_eq!(refused.headers["access-control-allow-origin"], PRODUCT);
}

/// `Call::customer` checks each request that changes something.
#[tokio::test]
async fn a_change_by_cookie_is_accepted_only_from_our_own_page() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let Visitor { cookie, session: id } = stack.visitor("acme").await;
    let (_, viewer) = session(&stack, "acme").await;
    let viewer = format!("Bearer {viewer}");
    let json = ("content-type", "application/json; charset=utf-8");
    let own = ("origin", PUBLIC_URL);
    let (by_cookie, named) = (("cookie", cookie.as_str()), ("scrip-session", id.as_str()));
    type Case<'a> = (&'a [(&'a str, &'a str)], Result<(), &'a str>);
    let cases: [Case<'_>; 11] = [
        (&[by_cookie, named, own, json], Ok(())),
        (&[by_cookie, own, json], Err("session_header_required")),
        (&[by_cookie, ("scrip-session", "another"), own, json], Err("session_changed")),
        (&[by_cookie, json], Err("origin_refused")),
        (&[by_cookie, ("origin", "null"), json], Err("origin_refused")),
        (&[by_cookie, ("origin", PRODUCT), json], Err("origin_refused")),
        (&[by_cookie, own], Err("invalid_request")),
        (&[by_cookie, own, ("content-type", "text/plain")], Err("invalid_request")),
        (&[own, json], Err("session_required")),
        (&[("authorization", &viewer), json], Err("scope_required")),
        (&[("authorization", &viewer), ("scrip-session", "another"), json], Err("session_changed")),
    ];
    for (headers, expected) in cases {
        let mut request = http::Request::builder().method(Method::POST).uri("/v1/me/checkouts");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from("{}")).expect("a request");
        let call = shared::http::Call::new(&request, &stack.context().config);
        match (call.customer(stack.context(), Scope::Buy).await, expected) {
            (Ok(session), Ok(())) => {
                assert_eq!((session.account.as_str(), session.subject.as_str()), ("acme", "ada"));
                assert_eq!(session.return_url, "https://app.example.com/");
            }
            (Err(problem), Err(code)) => {
                let refused = crate::support::answer(problem.into_response());
                assert_eq!(refused.code(), code, "{headers:?}");
            }
            (got, expected) => panic!("{headers:?}: {got:?}, not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_customer_returns_only_to_a_listed_origin() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for (url, passes) in [
        ("https://app.example.com", true),
        ("https://app.example.com/a?b=c#d", true),
        ("https://app.example.com:443/", true),
        ("https://APP.example.com/", true),
        ("http://app.example.com/", false),
        ("https://app.example.com:8443/", false),
        ("https://app.example.com.evil.example/", false),
        ("https://app.example.com@evil.example/", false),
        ("https://evil.example/https://app.example.com/", false),
        ("https://evil.example\\\\@app.example.com/", false),
        ("//app.example.com/", false),
        ("/settings", false),
        ("javascript:alert(1)//https://app.example.com", false),
        ("data:text/html,x", false),
        ("", false),
    ] {
        let body = format!(r#"{{"subject":"ada","return_url":"{url}"}}"#);
        let made = stack.send(request("POST", "/v1/accounts/acme/sessions", None, &body)).await;
        assert_eq!(made.status, if passes { 201 } else { 400 }, "{url}: {made:?}");
        if !passes {
            assert_eq!(made.text("/fields/0/field"), "return_url", "{url}");
        }
    }
    let long = format!("https://app.example.com/{}", "a".repeat(500));
    for (body, field) in [
        (r#"{"return_url":"https://app.example.com/"}"#.to_owned(), "subject"),
        (format!(r#"{{"subject":"ada","return_url":"{long}"}}"#), "return_url"),
        (BODY.replace('}', r#","scopes":["view","admin"]}"#), "scopes[1]"),
        (BODY.replace('}', r#","scopes":"buy"}"#), "scopes"),
        (BODY.replace('}', r#","expires_in_s":3601}"#), "expires_in_s"),
        (BODY.replace('}', r#","account":"open"}"#), "account"),
    ] {
        let made = stack.send(request("POST", "/v1/accounts/acme/sessions", None, &body)).await;
        assert_eq!((made.status, made.text("/fields/0/field")), (400, field), "{body}");
    }
}

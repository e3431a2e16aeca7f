//! Link redemption: anyone may preview a link, one person opens it once, and can leave. A page acts
//! only for the session that it was rendered for.

use super::session;
use crate::support::door::{cookie, value_of};
use crate::support::wire::Fault;
use crate::support::{Answer, PRODUCT, PUBLIC_URL, Stack};

async fn looked_at(stack: &Stack, link: &str, headers: &[(&str, &str)]) -> Answer {
    stack.ask("GET", &format!("/enter?t={link}"), headers).await
}

fn html(answer: &Answer) -> &str {
    answer.body.as_str().expect("a page")
}

#[tokio::test]
async fn a_link_that_was_previewed_still_works_once() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, _) = session(&stack, "acme").await;
    // A mail scanner, a preview, and a person who hesitates.
    stack.wire.take_costs();
    for _ in 0..3 {
        let shown = looked_at(&stack, &link, &[]).await;
        assert_eq!(shown.status, 200);
        assert!(html(&shown).contains("Credits of acme") && html(&shown).contains("ada"));
        assert!(!shown.headers.contains_key("set-cookie"));
        assert_eq!(shown.headers["referrer-policy"], "same-origin");
        assert_eq!(shown.headers["cache-control"], "no-store");
        assert!(!html(&shown).contains("<script"), "a scanner runs scripts");
    }
    let looks = stack.wire.take_costs();
    // Each reads whether the link was used, and the account's name.
    assert_eq!((looks.write_units, looks.calls("GetItem")), (0.0, 6), "a look changes nothing");
    for ahead in [("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender")] {
        let refused = looked_at(&stack, &link, &[ahead]).await;
        assert_eq!((refused.status, refused.code()), (403, "prefetch_refused"));
    }
    let entered = stack.press(&link).await;
    assert_eq!(entered.headers["location"], "/");
    assert_eq!(entered.headers["cache-control"], "no-store");
    let set = entered.headers["set-cookie"].to_str().expect("text");
    assert!(set.starts_with("__Host-scrip=") && set.contains("; Path=/; Max-Age=86400;"), "{set}");
    assert!(set.ends_with("; HttpOnly; Secure; SameSite=Lax"), "{set}");
    // For anyone else it has ended, with the signed return address.
    for ended in [stack.press(&link).await, looked_at(&stack, &link, &[]).await] {
        assert_eq!(ended.status, 401);
        assert!(
            html(&ended).contains("https:&#x2f;&#x2f;app.example.com&#x2f;settings"),
            "{ended:?}"
        );
    }
    // For its own customer it leads to the page.
    let cookie = cookie(&entered);
    let again = looked_at(&stack, &link, &[("cookie", &cookie)]).await;
    assert_eq!((again.status, &again.headers["location"]), (303, &"/".parse().expect("a value")));
}

#[tokio::test]
async fn pressing_the_button_twice_opens_one_session() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, _) = session(&stack, "acme").await;
    let form = |page: &Answer| {
        let by = value_of(html(page), r#"name="by" value="([^"]+)""#);
        format!("t={link}&by={by}")
    };
    let (mine, theirs) = (looked_at(&stack, &link, &[]).await, looked_at(&stack, &link, &[]).await);
    let first = stack.form("/enter", &[], &form(&mine)).await;
    let second = stack.form("/enter", &[], &form(&mine)).await;
    assert_eq!(cookie(&first), cookie(&second));
    assert_eq!(stack.form("/enter", &[], &form(&theirs)).await.status, 401);
    let cookie = cookie(&first);
    assert_eq!(stack.form("/leave", &[("cookie", &cookie)], "").await.status, 200);
    assert_eq!(stack.form("/enter", &[], &form(&mine)).await.status, 401, "it was left");
}

/// The reply to the write is lost and the SDK writes again. That is not a second use.
#[tokio::test]
async fn a_link_whose_reply_is_lost_still_leads_to_the_page() {
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
    assert_eq!(stack.press(&link).await.status, 303);
    assert_eq!(stack.press(&link).await.status, 401);
}

#[tokio::test]
async fn a_link_used_concurrently_redeems_once() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, _) = session(&stack, "acme").await;
    let entered = crate::support::at_once(16, |_| {
        let (stack, link) = (stack.clone(), link.clone());
        async move { stack.press(&link).await.status }
    });
    let entered = entered.await;
    assert_eq!(entered.iter().filter(|status| **status == 303).count(), 1, "{entered:?}");
    assert_eq!(entered.iter().filter(|status| **status == 401).count(), 15, "{entered:?}");
}

#[tokio::test]
async fn a_foreign_form_opens_and_closes_nothing() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (link, _) = session(&stack, "acme").await;
    let visitor = stack.visitor("acme").await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let by_cookie = ("cookie", visitor.cookie.as_str());
    let cases: [(&[(&str, &str)], u16); 8] = [
        (&[form], 403),
        (&[form, ("origin", PRODUCT)], 403),
        (&[form, ("origin", "https://evil.example")], 403),
        (&[form, ("origin", "null")], 403),
        (&[form, ("origin", "null"), ("sec-fetch-site", "cross-site")], 403),
        (&[form, ("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], 403),
        (&[("content-type", "text/plain"), ("origin", PUBLIC_URL)], 400),
        (&[("origin", PUBLIC_URL)], 400),
    ];
    for (headers, status) in cases {
        for path in ["/enter", "/leave"] {
            let headers = [headers, &[by_cookie]].concat();
            let refused = stack.told("POST", path, &headers, &format!("t={link}")).await;
            assert_eq!(refused.status, status, "{path} {headers:?}");
        }
    }
    let balance = stack.ask("GET", "/v1/me/balance", &visitor.headers()).await;
    assert_eq!(balance.status, 200, "nobody left");
    let large = stack.form("/leave", &[by_cookie], &"a&".repeat(40_000)).await;
    assert_eq!((large.status, large.code()), (413, "body_too_large"));
    // A browser that may not name a referrer says so itself.
    let own = [form, ("origin", "null"), ("sec-fetch-site", "same-origin")];
    let entered = stack.told("POST", "/enter", &own, &format!("t={link}")).await;
    assert_eq!(entered.status, 303);
}

/// Two tabs share one cookie: the second account is opened while the page of the first is still
/// there.
#[tokio::test]
async fn a_page_of_another_session_reads_and_buys_nothing() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.open("rival", "pro").await;
    let (first, second) = (stack.visitor("acme").await, stack.visitor("rival").await);
    let headers = [("cookie", &*second.cookie), ("scrip-session", &*first.session)];
    let reads = ["balance", "ledger", "usage", "catalog", "packs", "checkouts/0"];
    for path in reads.map(|name| format!("/v1/me/{name}")) {
        let changed = stack.ask("GET", &path, &headers).await;
        assert_eq!((changed.status, changed.code()), (409, "session_changed"), "{path}");
        let unnamed = stack.ask("GET", &path, &headers[..1]).await;
        assert_eq!((unnamed.status, unnamed.code()), (428, "session_header_required"), "{path}");
    }
    let changes = [("origin", PUBLIC_URL), ("content-type", "application/json")];
    let ordered = async |headers: &[(&str, &str)]| {
        let headers = [headers, &changes, &[("idempotency-key", "one")]].concat();
        stack.told("POST", "/v1/me/checkouts", &headers, r#"{"pack":"starter"}"#).await
    };
    assert_eq!(ordered(&headers).await.code(), "session_changed");
    assert_eq!(ordered(&headers[..1]).await.code(), "session_header_required");
    // A reload of the page itself is refused as well.
    let page = stack.ask("GET", "/", &headers).await;
    assert_eq!((page.status, page.code()), (409, "session_changed"));
    let page = stack.ask("GET", "/", &headers[..1]).await;
    assert!(html(&page).contains(">rival</bdi>"), "opened anew it is the other one's");
    assert_eq!(
        stack.ask("GET", "/v1/me/balance", &second.headers()).await.text("/account"),
        "rival"
    );
}

#[tokio::test]
async fn a_link_to_another_account_asks_before_it_closes_the_open_one() {
    let stack = Stack::noon().await;
    for account in ["acme", "rival", "third"] {
        stack.open(account, "pro").await;
    }
    let acme = stack.visitor("acme").await;
    let (link, _) = session(&stack, "rival").await;
    let headers = [("cookie", acme.cookie.as_str())];
    let asks = looked_at(&stack, &link, &headers).await;
    assert!(html(&asks).contains("The credits of acme are open"), "{asks:?}");
    assert!(html(&asks).contains("Open rival instead") && html(&asks).contains("Stay with acme"));
    // A button that was rendered before acme was opened, or while a third account was open.
    let third = stack.visitor("third").await;
    for instead_of in ["", &third.session] {
        let form = format!("t={link}&instead_of={instead_of}");
        let asked = stack.form("/enter", &headers, &form).await;
        assert_eq!(asked.status, 200);
        assert!(
            html(&asked).contains("Stay with acme") && !asked.headers.contains_key("set-cookie")
        );
    }
    let form = format!("t={link}&instead_of={}", acme.session);
    assert_eq!(stack.form("/enter", &headers, &form).await.status, 303);
    // Another link of the same account needs no confirmation.
    let (link, _) = session(&stack, "acme").await;
    assert!(!html(&looked_at(&stack, &link, &headers).await).contains("are open"));
    assert_eq!(stack.form("/enter", &headers, &format!("t={link}")).await.status, 303);
}

#[tokio::test]
async fn leaving_ends_a_session_everywhere_but_not_the_widgets() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (_, token) = session(&stack, "acme").await;
    let visitor = stack.visitor("acme").await;
    let other = stack.visitor("acme").await;
    let by_cookie = [("cookie", visitor.cookie.as_str())];
    let left = stack.form("/leave", &by_cookie, "").await;
    assert_eq!(left.status, 200);
    let forgets = left.headers["set-cookie"].to_str().expect("text");
    assert!(forgets.starts_with("__Host-scrip=; Path=/; Max-Age=0;"), "{forgets}");
    assert!(html(&left).contains("You have left"));
    assert!(html(&left).contains("https:&#x2f;&#x2f;app.example.com&#x2f;"), "the way back");
    // A copy of the cookie in another browser.
    let read = stack.ask("GET", "/v1/me/balance", &visitor.headers()).await;
    assert_eq!((read.status, read.code()), (401, "session_required"));
    assert_eq!(read.text("/return_url"), "https://app.example.com/");
    assert_eq!(stack.ask("GET", "/", &by_cookie).await.status, 401);
    let bearer = [("authorization", &*format!("Bearer {token}"))];
    assert_eq!(stack.ask("GET", "/v1/me/balance", &bearer).await.status, 200);
    assert_eq!(stack.ask("GET", "/v1/me/balance", &other.headers()).await.status, 200);
    // A caller without a session can leave as well.
    for headers in [&by_cookie[..], &[]] {
        assert_eq!(stack.form("/leave", headers, "").await.status, 200);
    }
}

#[tokio::test]
async fn an_expired_page_links_back_to_its_return_address() {
    let stack = Stack::at("2026-11-18T12:00:00Z").await;
    stack.open("acme", "pro").await;
    let visitor = stack.visitor("acme").await;
    stack.set_clock("2026-11-18T13:30:00Z");
    let ended = stack.ask("GET", "/", &[("cookie", &visitor.cookie)]).await;
    assert_eq!(ended.status, 401);
    assert!(html(&ended).contains("https:&#x2f;&#x2f;app.example.com&#x2f;"), "{ended:?}");
    // A foreign token reveals no return address.
    let forged = stack.ask("GET", "/", &[("cookie", "__Host-scrip=test.AAAA")]).await;
    assert_eq!(forged.status, 401);
    assert!(!html(&forged).contains("href=\"http"), "{forged:?}");
}

/// The request reads the session in addition to the account.
#[tokio::test]
async fn a_balance_by_cookie_reads_one_item_more() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (_, token) = session(&stack, "acme").await;
    let visitor = stack.visitor("acme").await;
    stack.wire.take_costs();
    let bearer = [("authorization", &*format!("Bearer {token}"))];
    stack.ask("GET", "/v1/me/balance", &bearer).await;
    assert_eq!(stack.wire.take_costs().read_units, 1.0);
    stack.ask("GET", "/v1/me/balance", &visitor.headers()).await;
    assert_eq!(stack.wire.take_costs().read_units, 2.0);
}

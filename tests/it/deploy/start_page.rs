//! The start page: a browser without a session sees it on the local stack, and acts from it.

use http::HeaderMap;
use lambda_http::Body;
use local::start::editor;
use local::states::{self, STATES};
use local::stripe::{self, Effect, KEY, LocalStripe};
use serde_json::{Value, json};
use shared::domain::instant::Span;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::page::browser::{NUMBER, assert_accessible, session};
use crate::support::browser::Browser;
use crate::support::door::rendered_for;
use crate::support::shop::Shop;
use crate::support::{Stack, instant};

/// The path of the start page while there is a session.
pub(super) const FOLDER: &str = "/_local/start/";

/// One request over TCP, as a browser sends it: status, headers and body.
pub(super) async fn send(
    base: &str,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, HeaderMap, String) {
    let host = base.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(host).await.expect("the stack listens");
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let (headers, length) = (headers.collect::<String>(), body.len());
    let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}");
    let request = format!("{head}content-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name: http::HeaderName = name.parse().expect("a name");
        headers.append(name, value.parse().expect("a value"));
    }
    (status.expect("a status"), headers, body.to_owned())
}

pub(super) async fn get(base: &str, path: &str) -> Value {
    let (status, _, body) = send(base, &format!("GET {path}"), &[], "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// Opens an account's page with the form of the start page. Returns the cookie and the location.
async fn enter(base: &str, account: &str) -> (String, String) {
    let headers = [("origin", base), ("content-type", "application/x-www-form-urlencoded")];
    let form = format!("account={account}");
    let (status, headers, body) = send(base, &format!("POST {FOLDER}enter"), &headers, &form).await;
    assert_eq!(status, 303, "{body}");
    let text = |name: &str| headers[name].to_str().expect("text").to_owned();
    let cookie = text("set-cookie");
    (cookie.split(';').next().expect("a cookie").to_owned(), text("location"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_session_the_start_page_is_shown_only_locally() {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "pro").await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let (status, headers, page) = send(&base, "GET /", &browser, "").await;
    assert_eq!(status, 200);
    // A request that accepts no HTML gets the contract's answer.
    assert_eq!(send(&base, "GET /", &[("accept", "*/*")], "").await.0, 401);
    assert!(page.contains("<h1>Start page</h1>") && page.contains("Open acme"), "{page}");
    assert!(headers["content-security-policy"].to_str().is_ok_and(|p| p.contains("'none'")));
    for file in ["start.css", "start.js"] {
        assert!(page.contains(&format!("{FOLDER}{file}")), "{file}");
        assert_eq!(send(&base, &format!("GET {FOLDER}{file}"), &[], "").await.0, 200);
    }
    // The deployed function itself has no start page.
    let deployed = stack.get("/").await;
    assert_eq!(deployed.status, 401);
    assert!(!deployed.body.to_string().contains("Start page"));
    assert_eq!(stack.get("/_local/start/").await.status, 404);
    // With a session `/` is the customer's page, and the start page keeps its own address.
    let (cookie, _) = enter(&base, "acme").await;
    let (_, _, page) = send(&base, "GET /", &[("cookie", &cookie)], "").await;
    assert!(page.contains("id=\"hero\"") && !page.contains("Start page"), "{page}");
    let (_, _, page) = send(&base, &format!("GET {FOLDER}"), &[("cookie", &cookie)], "").await;
    assert!(page.contains("<h1>Start page</h1>"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_opened_twice_and_stays_open_when_the_clock_is_moved() {
    let (stack, _, base) = Stack::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    stack.open("acme", "pro").await;
    let (first, second) = (enter(&base, "acme").await.0, enter(&base, "acme").await.0);
    assert_ne!(first, second, "each is a session of its own");
    let (_, token) = session(&stack, "acme", &base).await;
    let bearer = format!("Bearer {token}");
    assert_eq!(send(&base, "GET /v1/me/balance", &[("authorization", &bearer)], "").await.0, 200);
    for days in [7, 30, 400] {
        stack.clock.set(stack.clock.now() + Span::from_s(days * 86_400));
        for cookie in [&first, &second] {
            let (_, _, page) = send(&base, "GET /", &[("cookie", cookie)], "").await;
            assert!(page.contains("id=\"hero\""), "after {days} days");
            let session = rendered_for(&page);
            let headers = [("cookie", cookie.as_str()), ("scrip-session", session.as_str())];
            let balance = send(&base, "GET /v1/me/balance", &headers, "").await;
            assert_eq!(balance.0, 200);
        }
    }
    // The session from the public route has ended after its hour, as everywhere.
    assert_eq!(send(&base, "GET /v1/me/balance", &[("authorization", &bearer)], "").await.0, 401);
    // The page has the stack's time, and a forged cookie gives no access.
    let (_, headers, _) = send(&base, "GET /", &[("cookie", &first)], "").await;
    assert!(headers["date"].to_str().is_ok_and(|date| date.contains("2028")), "{headers:?}");
    let forged = "__Host-scrip=lasting-0000000000000000";
    assert_eq!(send(&base, "GET /v1/me/balance", &[("cookie", forged)], "").await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_start_page_itself_opens_an_account() {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "pro").await;
    let path = format!("POST {FOLDER}enter");
    let form = ("content-type", "application/x-www-form-urlencoded");
    for (origin, status) in [("https://elsewhere.example", 403), ("null", 403)] {
        let headers = [("origin", origin), form];
        assert_eq!(send(&base, &path, &headers, "account=acme").await.0, status, "{origin}");
    }
    assert_eq!(send(&base, &path, &[form], "account=acme").await.0, 400, "no origin");
    let own = [("origin", base.as_str()), form];
    assert_eq!(send(&base, &path, &own, "account=not an account").await.0, 400);
    assert_eq!(send(&base, &format!("GET {FOLDER}enter"), &[], "").await.0, 404);
    let audit = format!("POST {FOLDER}audit");
    assert_eq!(send(&base, &audit, &own, "account=acme").await.0, 415, "wants JSON");
    let json = [("content-type", "application/json")];
    let (_, _, audited) = send(&base, &audit, &json, "{}").await;
    assert_eq!(audited, r#"{"seen":1,"differences":[]}"#);
}

/// A new session of 49 dollars at a new Stripe, after these effects.
fn after(effects: &[Effect]) -> (LocalStripe, String) {
    let clock = local::clock::LocalClock::starting_at(instant("2026-11-18T12:00:00Z"));
    let stripe = LocalStripe::new(clock.clock(), "http://127.0.0.1:3000");
    let form = "mode=payment&line_items[0][price_data][unit_amount]=4900&\
                line_items[0][price_data][currency]=usd";
    let request = http::Request::post("/_local/stripe/v1/checkout/sessions")
        .header("authorization", format!("Bearer {KEY}"))
        .body(Body::from(form))
        .expect("a request");
    let made: Value =
        serde_json::from_slice(stripe::answer(&stripe, &request).body()).expect("JSON");
    let session = made["id"].as_str().expect("a session").to_owned();
    for effect in effects {
        stripe.act(&session, *effect).expect("it was possible");
    }
    (stripe, session)
}

#[test]
fn only_possible_payment_actions_are_offered() {
    use Effect::{Arrive, Decline, Dispute, Expire, Fail, FailRefund, Lose, Pay, PayLater, Win};
    let (part, rest) = (Effect::Refund { minor: Some(1000) }, Effect::Refund { minor: None });
    let offered = |effects: &[Effect]| {
        let (stripe, session) = after(effects);
        stripe.possible(&session)
    };
    assert_eq!(offered(&[]), [Pay, Decline, PayLater, Expire]);
    assert_eq!(offered(&[Decline]), [Pay, Decline, PayLater, Expire]);
    assert_eq!(offered(&[Pay]), [part, rest, Dispute]);
    assert_eq!(offered(&[Pay, part]), [part, rest, FailRefund, Dispute]);
    assert_eq!(offered(&[Pay, rest]), [FailRefund, Dispute]);
    assert_eq!(offered(&[Pay, Dispute]), [part, rest, Win, Lose]);
    assert_eq!(offered(&[Pay, Dispute, Lose]), [part, rest, Dispute]);
    assert_eq!(offered(&[PayLater]), [Arrive, Fail]);
    assert_eq!(offered(&[PayLater, Fail]), []);
    assert_eq!(offered(&[Expire]), []);
    // Every effect in every state that four effects reach: possible exactly if it is offered.
    let (mut paths, mut tried) = (vec![Vec::new()], 0);
    while let Some(path) = paths.pop() {
        for effect in Effect::ALL {
            let (stripe, session) = after(&path);
            let offered = stripe.possible(&session).contains(&effect);
            assert_eq!(stripe.act(&session, effect).is_ok(), offered, "{path:?}, then {effect:?}");
            tried += 1;
            if offered && path.len() < 4 {
                paths.push([&path[..], &[effect]].concat());
            }
        }
    }
    assert!(tried > 1000, "{tried}");
    let (stripe, _) = after(&[]);
    assert_eq!(stripe.possible("cs_of_nobody"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_page_shows_what_the_webhook_answered() {
    let (shop, base) = Shop::served(None, &[]).await;
    shop.stack.open("acme", "pro").await;
    // Back to the stack: the only origin of this one.
    let (_, token) = session(&shop.stack, "acme", &base).await;
    let bearer = format!("Bearer {token}");
    let json = ("content-type", "application/json");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "a"), json];
    let (status, _, order) =
        send(&base, "POST /v1/me/checkouts", &headers, r#"{"pack":"starter"}"#).await;
    assert_eq!(status, 201, "{order}");
    let payments = format!("{FOLDER}payments");
    let payment = get(&base, &payments).await["payments"][0].take();
    assert_eq!([&payment["account"], &payment["state"]], ["acme", "open"]);
    assert_eq!(payment["answers"], json!([]));
    let session = payment["session"].as_str().expect("a session");
    for (button, state) in [(0, "paid"), (2, "paid, disputed"), (2, "paid, dispute won")] {
        let payment = get(&base, &payments).await["payments"][0].take();
        let effect = payment["effects"][button]["effect"].to_string();
        let path = format!("POST /_local/stripe/{session}");
        let (status, _, done) = send(&base, &path, &[json], &effect).await;
        assert_eq!(status, 200, "{done}");
        let after = get(&base, &payments).await["payments"][0].take();
        assert_eq!(after["state"], state);
        // The answer to an effect lists the effects that are possible next.
        let done: Value = serde_json::from_str(&done).expect("JSON");
        assert_eq!(done["effects"], after["effects"]);
    }
    let payment = get(&base, &payments).await["payments"][0].take();
    let answers: Vec<&Value> = payment["answers"].as_array().into_iter().flatten().collect();
    assert!(answers.len() >= 6, "{answers:?}");
    assert!(answers.iter().all(|answer| answer["status"] == 200), "{answers:?}");
    let of = |kind: &str| answers.iter().any(|answer| answer["type"] == kind);
    assert!(of("checkout.session.completed") && of("charge.dispute.closed"), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_is_seeded_and_found_at_the_second_start() {
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    let mut before = None;
    for _ in 0..2 {
        let seeded = states::seed(&shop.stack.functions, Some(&shop.stripe)).await;
        seeded.expect("every state can be reached");
        let mut lengths = Vec::new();
        for state in &STATES {
            let path = format!("/v1/accounts/{}/ledger?limit=1", state.account);
            lengths.push(shop.stack.get(&path).await.body["entries"][0]["seq"].clone());
        }
        assert!(lengths.iter().all(Value::is_u64), "{lengths:?}");
        assert_eq!(*before.get_or_insert(lengths.clone()), lengths, "nothing is done again");
    }
    let listed = get(&base, &format!("{FOLDER}accounts")).await["accounts"].take();
    let available = |account: &str| {
        let found = listed.as_array().into_iter().flatten().find(|a| a["account"] == account);
        found.map(|found| found["available"].clone())
    };
    assert!(STATES.iter().all(|state| available(state.account).is_some()), "{listed}");
    assert_eq!(available("empty"), Some(json!("0")));
    assert_eq!(available("low"), Some(json!("2")));
    assert_eq!(available("ending"), Some(json!("55")));
    assert_eq!(shop.balance("debt").await, ("0".to_owned(), "500".to_owned()));
    assert_eq!(shop.stack.balance("frozen").await.text("/gate"), "account_frozen");
    assert_eq!(shop.stack.balance("past-due").await.text("/status"), "past_due");
    assert_eq!(shop.stack.balance("held").await.text("/held"), "10");
    // While a payment is processing, the page follows it.
    assert!(enter(&base, "processing").await.1.starts_with("/?checkout="));
    assert_eq!(enter(&base, "debt").await.1, "/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_page_is_accessible_and_moves_the_clock_of_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    states::seed(&shop.stack.functions, Some(&shop.stripe)).await.expect("states");
    let mut tab = browser.tab(1280, 900);
    tab.scheme("light");
    tab.open(&base);
    tab.until("document.querySelectorAll('.card').length === 5");
    tab.until("document.querySelectorAll('#operation-list details').length > 30");
    tab.until("document.querySelector('[data-available=busy]').textContent === '1,617.7'");
    tab.eval("document.querySelector('#operation-list details').open = true");
    assert_accessible(&mut tab, "start");
    // An effect changes the offered effects, and the keyboard focus stays where it was.
    tab.eval("document.querySelector('#payment-list .card button:last-of-type').focus()");
    tab.press("Enter");
    tab.until("document.querySelector('#said-payments').textContent === 'grants: Dispute: done.'");
    tab.until("document.activeElement.matches('.card')");
    // The page of an account, in this tab; its relative times use the stack's clock from the start.
    tab.eval("document.querySelector('button[value=open], button[value=low]').form.target = ''");
    tab.eval("document.querySelector('button[value=low]').click()");
    tab.until("document.querySelector('#hero')");
    assert_eq!(tab.text(NUMBER), "2");
    let soon = "document.querySelector('#hero [data-style=soon]').textContent";
    tab.until(&format!("{soon}.endsWith('(in\\u00a04\\u00a0days)')"));
    // The clock moves two days: no credit moves, and the page still follows it. A request that is
    // sent while it moves gets no answer, so none may be in flight.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    shop.stack.set_clock("2026-11-20T12:00:00Z");
    tab.eval("document.dispatchEvent(new Event('visibilitychange'))");
    tab.until(&format!("{soon}.endsWith('(in\\u00a02\\u00a0days)')"));
    // The start page moves the clock past Monday, and the customer's session remains.
    tab.open(&format!("{base}{FOLDER}"));
    tab.eval("document.querySelector('[data-move=monday]').click()");
    tab.until("document.querySelector('#said-clock').textContent.includes('2 days forward')");
    tab.open(&format!("{base}/"));
    assert_eq!(tab.text(NUMBER), "25");
    tab.until(&format!("{soon}.endsWith('(in\\u00a07\\u00a0days)')"));
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_editor_the_ai_button_waits_for_credits_while_typing_goes_on() {
    let Some(mut browser) = Browser::start() else { return };
    let listener = editor::listener("127.0.0.1:0".parse().expect("an address")).await;
    let listener = listener.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (stack, ..) = Stack::served(Some("2026-11-18T12:00:00Z"), &[&origin]).await;
    tokio::spawn(editor::serve(listener, stack.functions.clone()));
    stack.open("open", "free").await;
    stack.debit("open", "most", "23").await;
    let mut tab = browser.tab(1280, 900);
    tab.open(&format!("{origin}/?account=open"));
    let state = "document.querySelector('scrip-credits').getAttribute('state')";
    tab.until(&format!("{state} === 'low' && !ai.disabled"));
    let written = tab.text("document.querySelector('scrip-credits').outerHTML");
    assert!(!written.contains("token"), "the token is a property: {written}");
    assert_accessible(&mut tab, "editor");
    for _ in 0..2 {
        let text = tab.text("text.value");
        tab.eval("ai.click()");
        tab.until(&format!("text.value.length > {}", text.len()));
    }
    tab.until(&format!("{state} === 'empty' && ai.disabled"));
    // On the stack's time, which another origin may read.
    let said = "document.querySelector('scrip-credits').shadowRoot.querySelector('[role=status]')";
    tab.until(&format!("{said}.textContent.endsWith('(in\\u00a04\\u00a0days).')"));
    assert_eq!(tab.eval("text.disabled"), json!(false), "typing goes on");
    let user = stack.get("/v1/accounts/open/ledger?limit=1").await;
    assert_eq!(
        [user.text("/entries/0/action"), user.text("/entries/0/user")],
        ["rich_text", "ada"]
    );
    assert_accessible(&mut tab, "editor, empty");
    stack.grant("open", "more", "5").await;
    tab.eval("document.querySelector('scrip-credits').refresh()");
    tab.until("!ai.disabled");
    // The token expires after its minute: the editor gets an event, and sets another token.
    stack.clock.set(stack.clock.now() + Span::from_s(61));
    tab.eval("document.querySelector('scrip-credits').refresh()");
    tab.until("log.textContent.includes('scrip-session')");
    tab.until(&format!("{state} === 'low'"));
    let errors = tab.take_errors();
    let errors: Vec<_> = errors.iter().filter(|error| !error.contains("401")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let json = ("content-type", "application/json");
    // For any account name.
    stack.open("auth0|7", "free").await;
    tab.open(&format!("{origin}/?account=auth0%7C7"));
    assert_eq!(tab.text("document.body.dataset.account"), "auth0|7");
    let body = r#"{"account":"auth0|7","key":"k"}"#;
    assert_eq!(send(&origin, "POST /write", &[json], body).await.0, 200);
    // A foreign page cannot use its server side.
    let foreign = [("origin", "https://elsewhere.example"), json];
    let asked = send(&origin, "POST /session", &foreign, r#"{"account":"open"}"#);
    assert_eq!(asked.await.0, 403);
}

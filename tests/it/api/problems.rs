//! Problem details: all errors at once, in our own words, with the name that was probably meant.

use lambda_http::RequestExt;
use serde_json::{Value, json};
use shared::http::routes::ROUTES;

use crate::support::shop::Shop;
use crate::support::{Answer, Stack, request};

/// The fields that an answer names, in their order.
fn fields(answer: &Answer) -> Vec<&str> {
    assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{answer:?}");
    let fields = answer.body["fields"].as_array().expect("fields").iter();
    fields.map(|field| field["field"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn all_errors_are_named_at_once() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    const KEY: &str = "Idempotency-Key";
    let hold = |kind: &str| format!("/v1/accounts/acme/holds/job/{kind}");
    let cases: Vec<(&str, String, &str, &[&str])> = vec![
        ("POST", "/v1/accounts/a~b/debits".into(), "", &["body", "account", KEY]),
        ("POST", "/v1/accounts/a~b/debits".into(), "[1]", &["body", "account", KEY]),
        (
            "POST",
            "/v1/accounts/acme/debits".into(),
            r#"{"action":7,"quantity":0,"credits":1,"user":"","x":1}"#,
            &[KEY, "user", "action", "quantity", "credits", "credits", "x"],
        ),
        (
            "POST",
            "/v1/accounts/acme/debits".into(),
            r#"{"action":7}"#,
            &[KEY, "action", "quantity"],
        ),
        ("POST", "/v1/accounts/a~b/quotes".into(), "{}", &["account", "action"]),
        (
            "POST",
            "/v1/accounts/acme/holds".into(),
            r#"{"expires_in_s":0,"quantity":1}"#,
            &[KEY, "expires_in_s", "action"],
        ),
        (
            "POST",
            hold("capture"),
            r#"{"quantity":0,"credits":"x","final":1}"#,
            &[KEY, "id", "final", "quantity", "credits", "credits"],
        ),
        ("POST", hold("release"), r#"{"x":1}"#, &[KEY, "id", "x"]),
        ("POST", hold("extend"), "{}", &[KEY, "id", "expires_in_s"]),
        (
            "POST",
            "/v1/accounts/a~b/debits/job/refund".into(),
            "{}",
            &["account", KEY, "id", "credits", "reason"],
        ),
        (
            "PUT",
            "/v1/accounts/a~b".into(),
            r#"{"status":"dead","anchor":"x","restart":1}"#,
            &["account", KEY, "plan", "status", "anchor", "restart"],
        ),
        (
            "POST",
            "/v1/accounts/a~b/grants".into(),
            r#"{"kind":"x","expires_at":"x","reference":""}"#,
            &["account", KEY, "credits", "reason", "kind", "reference", "expires_at"],
        ),
        ("POST", "/v1/accounts/a~b/freeze".into(), r#"{"x":1}"#, &["account", KEY, "reason", "x"]),
        ("POST", "/v1/accounts/a~b/debt/waive".into(), "{}", &["account", KEY, "reason"]),
        (
            "POST",
            "/v1/accounts/a~b/sessions".into(),
            r#"{"return_url":"x","scopes":["x","view",1],"expires_in_s":1}"#,
            &["account", "subject", "return_url", "scopes[0]", "scopes[2]", "expires_in_s"],
        ),
        (
            "GET",
            "/v1/accounts/a~b/ledger?kind=x&limit=0&to=x&x=1&limit=2".into(),
            "",
            &["account", "limit", "kind", "limit", "to", "x"],
        ),
        (
            "GET",
            "/v1/accounts/acme/ledger?cursor=x&action=x&user=&format=x&from=x".into(),
            "",
            &["cursor", "action", "user", "format", "from"],
        ),
        (
            "GET",
            "/v1/accounts/a~b/usage?to=x&from=x&x=1&to=x".into(),
            "",
            &["account", "to", "to", "from", "x"],
        ),
        ("GET", "/v1/accounts/a~b/usage?from=2027-01-01".into(), "", &["account", "to"]),
        ("GET", "/v1/payments?x=1&state=y".into(), "", &["x", "state"]),
        (
            "GET",
            "/v1/accounts?q=&gate=x&debt=x&limit=x&cursor=x&x=1".into(),
            "",
            &["q", "gate", "debt", "limit", "cursor", "x"],
        ),
    ];
    for (method, path, body, expected) in cases {
        let refused = stack.send(request(method, &path, None, body)).await;
        assert_eq!(fields(&refused), expected, "{method} {path} {body}");
        let detail = refused.text("/detail");
        assert!(expected.iter().all(|field| detail.contains(field)), "{detail}");
    }
    let shop = Shop::beside(stack.clone()).await;
    let token = shop.token("acme", r#""buy""#).await;
    let refused = shop.ask(&token, "POST", "/v1/me/checkouts", None, r#"{"packs":1}"#).await;
    assert_eq!(fields(&refused), [KEY, "pack", "packs"]);
}

#[tokio::test]
async fn every_element_of_a_batch_is_checked() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    const BATCH: &str = "/v1/accounts/a~b/debits/batch";
    let body = json!({ "mode": "some", "debits": [
        { "id": "a", "credits": 1, "x": 1 }, 7, { "id": "a", "action": "rich_text" },
        { "id": "b", "credits": "1" }, { "id": "b", "credits": "1" }, {},
    ]});
    let refused = stack.post(BATCH, "key", &body.to_string()).await;
    assert_eq!(
        fields(&refused),
        [
            "account",
            "mode",
            "debits[0].credits",
            "debits[0].x",
            "debits[1]",
            "debits[2].quantity",
            "debits[5].id",
            "debits[5].action",
            "debits[2].id",
            "debits[4].id",
        ]
    );
    // One too many, and the first 24 of them are checked.
    let mut debits = vec![json!({ "id": "a", "credits": "1" }); 26];
    (debits[1], debits[25]) = (json!({}), json!(7));
    let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    let refused = stack.post(BATCH, "key", &body).await;
    let named = fields(&refused);
    assert_eq!(named[..4], ["account", "debits", "debits[1].id", "debits[1].action"]);
    assert!(!named.contains(&"debits[25]") && named.contains(&"debits[23].id"), "{named:?}");
    // Each debit gets the catalog's limits, and none of the keys becomes a key alias.
    let debit = |n: u64, id: &str| json!({ "id": id, "action": "rich_text", "quantity": n });
    let debits = [debit(1, "one"), debit(100_001, "two"), debit(100_002, "three")];
    let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
    stack.wire.take_costs();
    let refused = stack.post("/v1/accounts/acme/debits/batch", "key", &body).await;
    assert_eq!(fields(&refused), ["debits[1].quantity", "debits[2].quantity"]);
    assert_eq!(stack.wire.take_costs().calls("PutItem"), 0, "a name was written");
}

/// A parser's words ("expected ident", "EOF while parsing") do not help the sender.
#[tokio::test]
async fn invalid_json_is_explained_in_our_words() {
    let stack = Stack::noon().await;
    for (body, problem) in [
        ("", "must be a JSON object"),
        (" \n", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ("7", "must be a JSON object"),
        ("nul", "cannot be read as JSON: see line 1, column 3"),
        ("{\"credits\":tru}", "cannot be read as JSON: see line 1, column 15"),
        ("{\n \"credits\" 1}", "cannot be read as JSON: see line 2, column 12"),
        ("{\"credits\":\"1\"", "cannot be read as JSON: see line 1, column 14"),
        ("{\"credits\":1e999}", "cannot be read as JSON: see line 1, column 16"),
    ] {
        let refused = stack.post("/v1/accounts/acme/debits", "key", body).await;
        let told = json!([{ "field": "body", "problem": problem }]);
        assert_eq!(refused.body["fields"], told, "{body}");
        assert_eq!(refused.text("/detail"), format!("body {problem}."));
    }
}

/// Operators see the explanation in the list and when the event is read again.
#[tokio::test]
async fn an_unreadable_event_is_explained_in_our_words() {
    let shop = Shop::noon().await;
    let charge = json!({ "id": "evt_3", "object": "event", "type": "charge.refunded",
        "livemode": false, "data": { "object": { "object": "charge", "id": 4242 } } });
    for (event, problem) in [
        ("nul", "the event: it cannot be read as JSON, see line 1, column 3"),
        (r#"{"id":4242}"#, "the event: a value is not a string at line 1 column 10"),
        (charge.to_string().as_str(), "evt_3, charge.refunded: a value is not a string"),
    ] {
        assert_eq!(shop.take_notice(event).await.text("/outcome"), "parked", "{event}");
        let listed = shop.stack.get("/v1/payments?state=parked").await;
        assert_eq!(listed.text("/payments/0/problem"), problem);
        let path = format!("/v1/payments/{}", listed.text("/payments/0/id"));
        let body = r#"{"reason":"r"}"#;
        let again = shop.stack.post(&format!("{path}/release"), "", body).await;
        assert_eq!(again.text("/detail"), format!("The event still cannot be read: {problem}."));
        assert_eq!(shop.stack.post(&format!("{path}/dismiss"), "", body).await.status, 200);
    }
}

#[tokio::test]
async fn a_misspelled_name_is_answered_with_the_right_one() {
    let Shop { stack, .. } = &Shop::noon().await;
    stack.open("acme", "pro").await;
    let suggested = |answer: &Answer| answer.body.get("did_you_mean").cloned();
    for (sent, near) in [
        ("custom_images", Some("custom_image")),
        ("custom-image", Some("custom_image")),
        ("CustomImage", Some("custom_image")),
        ("RICH_TEXT", Some("rich_text")),
        ("rich_txet", Some("rich_text")),
        ("telepathy", None),
        ("x", None),
    ] {
        let refused = stack.action("acme", "key", sent, 1).await;
        assert_eq!((refused.status, refused.code()), (422, "unknown_action"));
        assert_eq!(suggested(&refused), near.map(Value::from), "{sent}");
        let debits = json!([{ "id": "1", "action": sent, "quantity": 1 }]);
        let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
        let refused = stack.post("/v1/accounts/acme/debits/batch", "", &body).await;
        assert_eq!(
            (suggested(&refused), &refused.body["index"]),
            (near.map(Value::from), &json!(0))
        );
    }
    // For an existing account, and for one that would be opened.
    for account in ["acme", "new"] {
        let path = format!("/v1/accounts/{account}");
        let refused = stack.send(request("PUT", &path, Some("key"), r#"{"plan":"Pr0"}"#)).await;
        assert_eq!((refused.code(), suggested(&refused)), ("unknown_plan", Some(json!("pro"))));
    }
    let shop = Shop::beside(stack.clone()).await;
    let refused = shop.order("acme", "key", "startr").await;
    assert_eq!((refused.code(), suggested(&refused)), ("unknown_pack", Some(json!("starter"))));
    // A word of a list, and the name of a field or a parameter, are suggested with the field.
    let of_field = |answer: &Answer| answer.body["fields"][0]["did_you_mean"].clone();
    let grant = r#"{"credits":"1","reason":"r","kind":"promotion"}"#;
    let refused = stack.post("/v1/accounts/acme/grants", "key", grant).await;
    assert_eq!((of_field(&refused), fields(&refused)), (json!("promotional"), vec!["kind"]));
    let kind = "kind \"manual\" or \"promotional\" (did you mean \"promotional\"?)";
    assert!(refused.text("/detail").replace("must be ", "").contains(kind), "{refused:?}");
    let refused = stack.post("/v1/accounts/acme/debits", "key", r#"{"credit":"1"}"#).await;
    assert_eq!(refused.body["fields"][1]["did_you_mean"], "credits", "{refused:?}");
    let none =
        stack.post("/v1/accounts/acme/debits", "key", r#"{"credits":"1","price":"1"}"#).await;
    assert_eq!(none.body["fields"][0].get("did_you_mean"), None);
    for (query, near) in [
        ("kind=debits", "debit"),
        ("kind=toppedup", "topped_up"),
        ("action=rich-text", "rich_text"),
        ("format=cvs", "csv"),
        ("Kind=debit", "kind"),
        ("limits=5", "limit"),
    ] {
        let refused = stack.get(&format!("/v1/accounts/acme/ledger?{query}")).await;
        assert_eq!(of_field(&refused), near, "{query}");
    }
}

#[tokio::test]
async fn a_missing_account_is_named() {
    let stack = Stack::noon().await;
    for (method, route, body) in [
        ("GET", "balance", ""),
        ("GET", "ledger", ""),
        ("GET", "usage", ""),
        ("POST", "debits", r#"{"credits":"1"}"#),
        ("POST", "quotes", r#"{"credits":"1"}"#),
        ("POST", "freeze", r#"{"reason":"r"}"#),
        ("POST", "sessions", r#"{"subject":"ada","return_url":"https://app.example.com/"}"#),
    ] {
        let path = format!("/v1/accounts/auth0%7Cnobody/{route}");
        let missing = stack.send(request(method, &path, Some("key"), body)).await;
        assert_eq!((missing.status, missing.code()), (404, "account_not_found"), "{route}");
        assert_eq!(missing.text("/account"), "auth0|nobody");
        assert_eq!(missing.text("/detail"), "There is no account auth0|nobody.");
    }
}

/// An id that no payment can have is answered without a look-up.
#[tokio::test]
async fn an_impossible_payment_id_is_not_found() {
    let stack = Stack::noon().await;
    let long = "x".repeat(3000);
    for id in ["", "%00", "a%20b", "%23", "é", "..", &"x".repeat(128), &long] {
        let path = format!("/v1/payments/{id}/release");
        let missing = stack.post(&path, "key", r#"{"reason":"r"}"#).await;
        assert_eq!((missing.status, missing.code()), (404, "payment_not_found"), "{id:?}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_allowed_ones() {
    let stack = Stack::noon().await;
    for (path, methods) in ROUTES {
        let path = path.replace("{account}", "acme").replace("{file}", "icon.svg");
        let path = path.replace("{id}", "01a20132-08af-7fb3-8350-6bdcd05e3b83");
        let path = path.replace("{subject}", "user:ada");
        for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "LINK"] {
            if methods.split(", ").any(|known| known == method) {
                continue;
            }
            let refused = stack.send(request(method, &path, None, "")).await;
            let told = (refused.status, refused.code(), &refused.headers["allow"]);
            let allow = methods.parse().expect("a header");
            assert_eq!(told, (405, "method_not_allowed", &allow), "{method} {path}");
            assert_eq!(refused.text("/detail"), format!("This path supports only {methods}."));
        }
    }
    // The functions themselves answer the same, and not only the stack before them.
    let asked = |method: &str, path: &str| {
        request(method, path, None, "").with_raw_http_path(path.to_owned())
    };
    let debits = debit::handle(stack.context(), asked("GET", "/v1/accounts/acme/debits")).await;
    let balance = balance::handle(stack.context(), asked("PUT", "/v1/me/balance")).await;
    for (response, allow) in [(debits, "POST"), (balance, "GET, OPTIONS")] {
        assert_eq!(response.status(), 405, "{allow}");
        assert_eq!(response.headers()["allow"], allow);
    }
}

/// A service may know the addresses of its customers'
/// pages. A foreign page sees only its own origin.
#[tokio::test]
async fn allowed_origins_are_shown_to_services_only() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let body = r#"{"subject":"ada","return_url":"https://elsewhere.example/"}"#;
    let refused = stack.post("/v1/accounts/acme/sessions", "", body).await;
    let problem = "must be a URL of at most 512 bytes, of an allowed origin: \
                   https://app.example.com, http://127.0.0.1:3000";
    assert_eq!(refused.text("/fields/0/problem"), problem);
    let asks = async |method: &str, origin: Option<&str>, cookie: bool| {
        let mut asked = request(method, "/v1/me/balance", None, "");
        let bearer = ("authorization", "Bearer it");
        let headers =
            origin.map(|origin| ("origin", origin)).into_iter().chain((!cookie).then_some(bearer));
        for (name, value) in headers {
            asked.headers_mut().insert(name, value.parse().expect("a header"));
        }
        stack.send(asked).await
    };
    for (method, cookie) in [("GET", false), ("GET", true), ("OPTIONS", false)] {
        let refused = asks(method, Some("https://elsewhere.example"), cookie).await;
        assert_eq!(refused.code(), "origin_refused");
        let detail = "A page of https://elsewhere.example may not send this request.";
        assert_eq!(refused.text("/detail"), detail);
        assert!(!refused.body.to_string().contains("app.example.com"), "{refused:?}");
    }
    let refused = asks("OPTIONS", None, false).await;
    assert_eq!(refused.text("/detail"), "A page must send its Origin header with this request.");
}

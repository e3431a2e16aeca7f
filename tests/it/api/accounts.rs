//! Account names: any name of a sign-in service works, and no character in it has a meaning.

use std::collections::BTreeSet;

use local::stripe::Effect;
use scrip_client::{Part, Scrip, Spend};
use serde_json::{Value, json};
use shared::http::path::encoded;

use crate::support::shop::Shop;
use crate::support::{Stack, lambda, ledger, of, request};

/// Ids of sign-in services, and ids that would equal one if
/// they were split, cut or joined anywhere.
const ACCOUNTS: [&str; 10] = [
    "auth0|64f0a1b2c3",
    "auth0",
    "google-oauth2|1084",
    "ada@example.com",
    "urn:org:7",
    "urn:org",
    "urn",
    "a.b",
    "...",
    "7.exhausted",
];

/// One account goes through every operation, next to accounts whose names begin like its own.
#[tokio::test]
async fn accounts_with_similar_names_stay_separate() {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    let long = "x@|:.".repeat(26)[..128].to_owned();
    let accounts: Vec<&str> = ACCOUNTS.into_iter().chain([long.as_str()]).collect();
    let mut customers = Vec::new();
    for account in &accounts {
        stack.open(account, "pro").await;
        stack.grant(account, "grant", "5").await;
        let debit = stack.debit(account, "debit", "1").await;
        assert_eq!((debit.status, debit.text("/account")), (201, *account));
        let refund = of(account, &format!("/debits/{}/refund", debit.text("/id")));
        let refunded = stack.post(&refund, "refund", r#"{"credits":"1","reason":"late"}"#).await;
        assert_eq!(refunded.status, 201, "{refunded:?}");
        let hold = stack.post(&of(account, "/holds"), "hold", r#"{"credits":"3"}"#).await;
        let capture = of(account, &format!("/holds/{}/capture", hold.text("/id")));
        assert_eq!(stack.post(&capture, "capture", r#"{"credits":"2"}"#).await.status, 201);
        // Enough for a segment, with keys that become key aliases.
        for batch in 0..3 {
            let debits =
                (0..24).map(|n| json!({ "id": format!("{batch} {n}"), "credits": "0.01" }));
            let debits: Vec<Value> = debits.collect();
            let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
            assert_eq!(stack.post(&of(account, "/debits/batch"), "", &body).await.status, 201);
        }
        let (_, session) = shop.buy(account, "order", "starter").await;
        shop.act(&session, Effect::Refund { minor: Some(700) }).await;
        customers.push(shop.token(account, r#""view""#).await);
    }
    stack.relay().await;
    let announced = stack.announced();
    let ids: BTreeSet<&str> =
        announced.iter().map(|event| event["detail"]["id"].as_str().expect("an id")).collect();
    assert!(ids.len() > 5 * accounts.len(), "{ids:?}");
    assert_eq!(ids.len(), announced.len(), "two events of one id");
    for (account, token) in accounts.iter().zip(&customers) {
        let first = stack.get(&of(account, "/ledger?limit=50")).await;
        let cursor = first.text("/next_cursor");
        let next = stack.get(&of(account, &format!("/ledger?limit=50&cursor={cursor}"))).await;
        assert_eq!(next.status, 200, "{next:?}");
        assert!(ledger(&stack.functions, account).await.expect("a ledger").len() > 75);
        assert_eq!(stack.get(&of(account, "/usage")).await.text("/credits"), "2.72");
        let own = shop.ask(token, "GET", "/v1/me/balance", None, "").await;
        assert_eq!((own.status, own.text("/account")), (200, *account));
        let id = account.parse().expect("an account");
        let shown = cli::inspect::inspect(stack.context(), &id).await.expect("readable");
        assert!(shown.expect("there").starts_with(&format!("account {account}, ")));
    }
    let functions = &stack.functions;
    let stripe = shared::stripe::StripeAccount::Client(functions.stripe().clone());
    let report = ::audit::report(functions.context(), Some(&stripe), None, |_| ()).await;
    let report = report.expect("an audit");
    assert_eq!((report.seen, report.differences), (accounts.len() as u64, Vec::new()));
}

/// Encoded or not, the name means the same account. A gateway passes it on decoded.
#[tokio::test]
async fn an_encoded_account_is_decoded_once() {
    let stack = Stack::noon().await;
    stack.open("auth0|7", "free").await;
    for sent in ["auth0|7", "auth0%7C7", "auth0%7c7", "%61uth0%7C%37"] {
        let balance = stack.get(&format!("/v1/accounts/{sent}/balance")).await;
        assert_eq!((balance.status, balance.text("/account")), (200, "auth0|7"), "{sent}");
    }
    let event = include_str!("../../../events/balance.json");
    let event: Value = serde_json::from_str(event).expect("JSON");
    for (decoded, status) in [("auth0|7", 200), ("auth0%7C7", 400), ("auth0|7%", 400)] {
        let mut event = event.clone();
        event["rawPath"] = format!("/v1/accounts/{decoded}/balance").into();
        let handle = async |request| balance::handle(stack.context(), request).await;
        let reply = lambda::reply(event, handle).await;
        assert_eq!(reply["statusCode"], status, "{decoded}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_reaches_accounts_of_any_name_and_no_other_route() {
    let (stack, _, base) = Stack::served(None, &[]).await;
    let scrip = Scrip::new(&base, None).expect("a client");
    let hold = async |account| scrip.hold(account, Spend::action("custom_image", 4)).await;
    for account in ACCOUNTS {
        stack.open(account, "free").await;
        let hold = hold(account).await.expect("a hold");
        let captured = scrip.capture(account, &hold.id, Part::Quantity(2)).await;
        assert_eq!(captured.expect("a receipt").account, account);
    }
    for account in ["a/b", "a?b=", "a#b", "a b", "..", "", "auth0%7C64f0a1b2c3"] {
        let refused = hold(account).await.expect_err("no account");
        assert!(refused.to_string().starts_with("invalid_request: account "), "{refused}");
    }
}

/// Covers every place outside the path that names an account.
#[tokio::test]
async fn an_invalid_account_is_refused_wherever_it_is_named() {
    let stack = Stack::noon().await;
    let long = "a".repeat(129);
    for account in [".", "..", "", "a b", "a/b", "a%b", "a#b", "a,b", "ä", "a\n", &long] {
        let payload = json!({ "account": account, "id": "1", "credits": "1" });
        let refused = lambda::invoke(stack.context(), payload).await;
        assert_eq!(refused["fields"][0]["field"], "account", "{account:?}: {refused}");
        let path = format!("/v1/accounts/{}/balance", encoded(account));
        let refused = stack.send(request("GET", &path, None, "")).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "account"));
    }
}

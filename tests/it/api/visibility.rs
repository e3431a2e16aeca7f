//! Who sees which part of an entry. Texts for operators and programs stay hidden from a customer,
//! in JSON, in CSV and on the page.

use std::collections::BTreeSet;
use std::path::Path;

use local::stripe::Effect;
use serde_json::{Value, json};
use shared::query::ledger::KINDS;

use crate::page::html::page;
use crate::support::shop::Shop;
use crate::support::{Answer, Stack, answer, contract, lambda};

const ADA: &str = "arn:aws:iam::123456789012:user/ada";
/// Every internal text of the company contains one of these.
const INTERNAL: [&str; 2] = ["internal", "arn:aws"];

/// A request of somebody of the company, signed by the principal of a sample event.
async fn operated(stack: &Stack, method: &str, path: &str, key: &str, body: &Value) -> Answer {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/freeze.json");
    let event = std::fs::read_to_string(file).expect("an event");
    let mut event: Value = serde_json::from_str(&event).expect("JSON");
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["path"] = json!(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event["headers"]["idempotency-key"] = json!(key);
    event["body"] = json!(body.to_string());
    let request = lambda::request_of(&event).expect("a request");
    let done = match path.ends_with("/refund") {
        true => debit::handle(stack.context(), request).await,
        false => accounts::handle(stack.context(), request).await,
    };
    let done = answer(done);
    contract::check(method, path, &done);
    assert!([200, 201].contains(&done.status), "{method} {path}: {done:?}");
    done
}

/// The reason, and the customer's message.
fn explained(message: &str) -> Value {
    json!({ "reason": "internal: why", "message": message })
}

/// The body of a request about this many credits.
fn credits(credits: &str, said: Value) -> Value {
    let mut body = said;
    body["credits"] = json!(credits);
    body
}

/// A shop where acme's ledger has every kind of entry, with texts in every field.
async fn everything() -> Shop {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    let acme = |route: &str| format!("/v1/accounts/acme{route}");
    let named = |body: &str| {
        let mut body: Value = serde_json::from_str(body).expect("JSON");
        body["user"] = json!("mia");
        body["reference"] = json!("campaign 7");
        body.to_string()
    };
    operated(stack, "PUT", &acme(""), "internal-1", &json!({ "plan": "free" })).await;
    operated(stack, "PUT", &acme(""), "internal-2", &json!({ "plan": "pro" })).await;
    let mut gift = credits("10", explained("a gift of ours"));
    gift["reference"] = json!("internal-ticket-1");
    let gift = operated(stack, "POST", &acme("/grants"), "internal-3", &gift).await;
    let path = acme(&format!("/grants/{}/revoke", gift.text("/id")));
    operated(stack, "POST", &path, "internal-12", &explained("it was a typo")).await;
    operated(stack, "POST", &acme("/freeze"), "internal-4", &explained("we look at it")).await;
    operated(stack, "POST", &acme("/unfreeze"), "internal-5", &explained("all is well")).await;
    let limit = json!({ "at_most": "9000", "per": "day" });
    operated(stack, "PUT", &acme("/limits/user:ben"), "internal-13", &limit).await;
    let body = named(r#"{"credits":"4"}"#);
    let debit = stack.post(&acme("/debits"), "internal-6", &body).await;
    let mut refund = credits("1", explained("it was black"));
    refund["reference"] = json!("internal-ticket-2");
    let path = acme(&format!("/debits/{}/refund", debit.text("/id")));
    operated(stack, "POST", &path, "internal-7", &refund).await;
    let body = named(r#"{"credits":"3"}"#);
    for (nth, end) in [("8", "capture"), ("9", "release")] {
        let hold = stack.post(&acme("/holds"), &format!("internal-{nth}"), &body).await;
        let hold = acme(&format!("/holds/{}", hold.text("/id")));
        let key = format!("internal-extend-{nth}");
        let extended = stack.post(&format!("{hold}/extend"), &key, r#"{"expires_in_s":600}"#).await;
        assert_eq!(extended.status, 201, "{extended:?}");
        let key = format!("internal-end-{nth}");
        let body = if end == "capture" { &*body } else { "{}" };
        assert_eq!(stack.post(&format!("{hold}/{end}"), &key, body).await.status, 201);
    }
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    let left = stack.balance("acme").await.text("/available").to_owned();
    assert_eq!(stack.debit("acme", "internal-10", &left).await.status, 201);
    shop.act(&session, Effect::Dispute).await;
    operated(stack, "POST", &acme("/debt/waive"), "internal-11", &explained("let it be")).await;
    shop
}

/// The answer that the account's customer gets.
async fn mine(shop: &Shop, path: &str) -> Answer {
    let token = shop.token("acme", r#""view""#).await;
    shop.ask(&token, "GET", path, None, "").await
}

/// Kind and actor of each entry that has an actor, the latest first.
fn actors(listing: &Answer) -> Vec<(&str, &str)> {
    let entries = listing.body["entries"].as_array().expect("entries").iter();
    entries.filter_map(|entry| Some((entry["kind"].as_str()?, entry["actor"].as_str()?))).collect()
}

/// Kind, `by` and `user` of each entry, the latest first.
fn who(listing: &Answer) -> Vec<(&str, &str, &str)> {
    let entries = listing.body["entries"].as_array().expect("entries").iter();
    entries
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or_default();
            (text("kind"), text("by"), text("user"))
        })
        .collect()
}

#[tokio::test]
async fn a_customer_reads_messages_and_no_internal_words() {
    let shop = everything().await;
    let whole = shop.stack.get("/v1/accounts/acme/ledger?limit=200").await;
    let kinds: BTreeSet<&str> = who(&whole).into_iter().map(|(kind, ..)| kind).collect();
    // Only a later version writes the others: `protocol::unknown_kinds` plays one.
    let known = KINDS.into_iter().filter(|kind| *kind != "unknown").collect();
    assert_eq!(kinds, known, "each kind is in the story");
    for kind in KINDS {
        let query = format!("?kind={kind}");
        let listing = shop.stack.get(&format!("/v1/accounts/acme/ledger{query}")).await;
        let table = shop.stack.get(&format!("/v1/accounts/acme/ledger{query}&format=csv")).await;
        let (told, mut read) = (listing.body.to_string(), Vec::new());
        for path in [format!("/v1/me/ledger{query}"), format!("/v1/me/ledger{query}&format=csv")] {
            let answer = mine(&shop, &path).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let text = answer.body.as_str().map(str::to_owned);
            read.push(text.unwrap_or_else(|| answer.body.to_string()));
        }
        read.push(page(&shop.stack, "acme", &query).await.1);
        for (text, internal) in read.iter().flat_map(|text| INTERNAL.map(|word| (text, word))) {
            assert!(!text.contains(internal), "{kind}: {internal} in {text}");
        }
        for entry in listing.body["entries"].as_array().expect("entries") {
            // The company reads all texts, and the customer reads the messages.
            assert_eq!(entry["reason"].is_string(), told.contains("internal: why"), "{entry}");
            assert_eq!(entry["message"].is_string(), entry["reason"].is_string(), "{entry}");
            let Some(message) = entry["message"].as_str() else { continue };
            assert!(table.text("").contains("internal: why") && table.text("").contains(message));
            for text in &read {
                assert!(text.contains(message), "{kind}: {message} is not in {text}");
            }
        }
    }
    // The customer may read a service's texts about its own work.
    let debits = mine(&shop, "/v1/me/ledger?kind=captured").await;
    assert_eq!(debits.text("/entries/0/reference"), "campaign 7");
    for path in ["/v1/me/balance", "/v1/me/usage"] {
        let text = mine(&shop, path).await.body.to_string();
        assert!(INTERNAL.iter().all(|word| !text.contains(word)), "{path}: {text}");
    }
}

#[tokio::test]
async fn the_actor_is_a_field_whatever_a_user_is_called() {
    let shop = everything().await;
    let stack = &shop.stack;
    let path = "/v1/accounts/acme/debits";
    stack.grant("acme", "more", "10").await;
    stack.post(path, "posing", r#"{"credits":"1","user":"operator"}"#).await;
    stack.post(path, "nobody", r#"{"credits":"1"}"#).await;
    let listing = mine(&shop, "/v1/me/ledger?limit=200").await;
    let listed = who(&listing);
    assert_eq!(listed[..2], [("debit", "service", ""), ("debit", "user", "operator")]);
    let operators =
        ["opened", "plan_changed", "granted", "revoked", "frozen", "unfrozen", "debt_waived"];
    for (kind, by, user) in &listed[2..] {
        let expected = match *kind {
            kind if operators.contains(&kind) => ("operator", ""),
            "time_passed" | "reversed" => ("scrip", ""),
            // The user of the debit, not the one who refunded it.
            "refunded" => ("service", "mia"),
            "topped_up" => ("user", "ada"),
            "limit_set" => ("service", ""),
            "debit" | "released" | "extended" if user.is_empty() => ("service", ""),
            _ => ("user", "mia"),
        };
        assert_eq!((*by, *user), expected, "{kind}");
    }
    // A service sees the principal and can filter by it; a customer cannot.
    let by_ada = stack.get(&format!("/v1/accounts/acme/ledger?actor={ADA}&limit=200")).await;
    let whole = stack.get("/v1/accounts/acme/ledger?limit=200").await;
    let signed = [
        "debt_waived",
        "refunded",
        "limit_set",
        "unfrozen",
        "frozen",
        "revoked",
        "granted",
        "plan_changed",
        "opened",
    ];
    assert_eq!(actors(&by_ada), signed.map(|kind| (kind, ADA)));
    assert_eq!(actors(&whole), actors(&by_ada));
    assert!(who(&by_ada).iter().all(|(kind, by, user)| match *kind {
        "refunded" => (*by, *user) == ("service", "mia"),
        "limit_set" => (*by, *user) == ("service", ""),
        _ => (*by, *user) == ("operator", ""),
    }));
    let nobody = stack.get(&format!("/v1/accounts/acme/ledger?user={ADA}")).await;
    assert_eq!(nobody.body["entries"], json!([]));
    let guessed = mine(&shop, &format!("/v1/me/ledger?actor={ADA}")).await;
    assert_eq!((guessed.status, guessed.text("/fields/0/field")), (400, "actor"));
    let posing = mine(&shop, "/v1/me/ledger?user=operator").await;
    assert_eq!(who(&posing), [("debit", "user", "operator")]);
    // The page shows it in words.
    let (_, html) = page(stack, "acme", "?kind=debit").await;
    assert!(html.contains("<bdi>operator</bdi>") && !html.contains("Your account team"), "{html}");
    let (_, html) = page(stack, "acme", "?kind=frozen").await;
    assert!(html.contains("<td>Your account team</td>"), "{html}");
    for kind in ["reversed", "refunded"] {
        let (_, html) = page(stack, "acme", &format!("?kind={kind}")).await;
        assert!(!html.contains("<bdi>ada</bdi>") && !html.contains("<bdi>mia</bdi>"), "{html}");
    }
    let csv = mine(&shop, "/v1/me/ledger?format=csv&kind=frozen").await;
    assert!(csv.text("").contains(",operator,,"), "{csv:?}");
}

/// A search finds nothing by a word that the listing does not show.
#[tokio::test]
async fn a_customer_finds_entries_only_by_references_they_see() {
    let shop = everything().await;
    let found = |answer: &Answer| answer.body["entries"].as_array().expect("entries").len();
    for hidden in ["internal-6", "internal-ticket-1", "internal-ticket-2"] {
        let whole = shop.stack.get(&format!("/v1/accounts/acme/ledger?reference={hidden}")).await;
        assert_eq!(found(&whole), 1, "{hidden}");
        let listing = mine(&shop, &format!("/v1/me/ledger?reference={hidden}")).await;
        assert_eq!(found(&listing), 0, "{hidden}: {listing:?}");
    }
    let seen = mine(&shop, "/v1/me/ledger?reference=campaign%207").await;
    assert_eq!(found(&seen), 4, "a debit, two holds and a capture: {seen:?}");
}

#[tokio::test]
async fn credits_of_a_won_dispute_are_returned_by_scrip() {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "free").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    shop.act(&session, Effect::Dispute).await;
    shop.act(&session, Effect::Win).await;
    let listing = shop.stack.get("/v1/accounts/acme/ledger?kind=topped_up").await;
    assert_eq!(who(&listing), [("topped_up", "scrip", ""), ("topped_up", "user", "ada")]);
}

/// The same reason with another message, or with none, is another request.
#[tokio::test]
async fn a_key_reused_with_another_message_is_refused() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "free").await;
    let debit = stack.debit("acme", "debit", "4").await;
    let refund = format!("/debits/{}/refund", debit.text("/id"));
    for route in ["/grants", &*refund, "/freeze", "/unfreeze"] {
        let path = format!("/v1/accounts/acme{route}");
        let body = |said: Value| match route {
            "/freeze" | "/unfreeze" => said,
            _ => credits("1", said),
        };
        let (bare, said) = (body(json!({ "reason": "internal: why" })), body(explained("hello")));
        for (key, first, second) in [("bare", &bare, &said), ("said", &said, &bare)] {
            let key = format!("{key} {route}");
            let done = stack.post(&path, &key, &first.to_string()).await;
            assert_eq!((done.status, done.replayed), (201, false), "{route}: {done:?}");
            assert!(stack.post(&path, &key, &first.to_string()).await.replayed, "{route}");
            let other = stack.post(&path, &key, &second.to_string()).await;
            assert_eq!(other.code(), "operation_reused", "{route}");
        }
    }
}

#[tokio::test]
async fn a_decision_about_a_payment_tells_the_customer_its_message() {
    for (verb, kinds) in [("release", vec!["topped_up"]), ("dismiss", vec![])] {
        let shop = Shop::noon().await;
        shop.stack.open("acme", "free").await;
        let (order, session) = shop.begin("acme", "buy", "starter").await;
        shop.stripe.act(&session, Effect::Pay).expect("paid");
        for event in shop.stripe.take_events() {
            let mut event: Value = serde_json::from_str(&event).expect("JSON");
            if event["type"] == "checkout.session.completed" {
                event["data"]["object"]["amount_total"] = json!(4800);
                shop.take_notice(&event.to_string()).await;
            }
        }
        let listed = shop.stack.get("/v1/payments?state=parked").await;
        let path = format!("/v1/payments/{}/{verb}", listed.text("/payments/0/id"));
        let checkout = format!("/v1/me/checkouts/{order}");
        assert_eq!(mine(&shop, &checkout).await.body.get("message"), None);
        operated(&shop.stack, "POST", &path, "unused", &explained("we had a look")).await;
        let told = mine(&shop, &checkout).await;
        assert_eq!(told.text("/message"), "we had a look", "{told:?}");
        let listing = mine(&shop, "/v1/me/ledger").await;
        let entries = listing.body["entries"].as_array().expect("entries").iter();
        let told: Vec<&str> = entries
            .filter(|entry| entry["message"] == "we had a look")
            .filter_map(|entry| entry["kind"].as_str())
            .collect();
        assert_eq!(told, kinds, "{verb}");
        let text = listing.body.to_string();
        assert!(INTERNAL.iter().all(|word| !text.contains(word)), "{text}");
        // The company reads who released it, and whose purchase it is.
        let listing = shop.stack.get("/v1/accounts/acme/ledger?kind=topped_up").await;
        let released: Vec<_> = kinds.iter().map(|kind| (*kind, ADA)).collect();
        assert_eq!(actors(&listing), released, "{verb}");
        assert!(who(&listing).iter().all(|(_, by, user)| (*by, *user) == ("user", "ada")));
    }
}

#[tokio::test]
async fn a_receipt_names_its_actor_and_a_replay_the_first_one() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    let acme = |route: &str| format!("/v1/accounts/acme{route}");
    operated(stack, "PUT", &acme(""), "open", &json!({ "plan": "free" })).await;
    let debit = stack.debit("acme", "debit", "4").await;
    assert_eq!(debit.body.get("actor"), None, "an ARN weighs more than a debit");
    let refund = acme(&format!("/debits/{}/refund", debit.text("/id")));
    let grants = acme("/grants");
    for (path, body) in [
        (&*refund, credits("1", explained("it failed"))),
        (&*grants, credits("2", explained("a gift"))),
        (&*acme("/freeze"), explained("we look at it")),
    ] {
        let done = operated(stack, "POST", path, path, &body).await;
        assert_eq!(done.text("/actor"), ADA, "{path}");
        // The local stack checks no signature, so this request has no principal.
        let again = stack.post(path, path, &body.to_string()).await;
        assert_eq!((again.replayed, &again.body), (true, &done.body), "{path}");
        let unsigned = stack.post(path, &format!("unsigned {path}"), &body.to_string()).await;
        assert_eq!(unsigned.body.get("actor"), None, "{path}");
    }
    let open = operated(stack, "PUT", &acme(""), "open", &json!({ "plan": "free" })).await;
    assert_eq!((open.replayed, open.text("/actor")), (true, ADA));
}

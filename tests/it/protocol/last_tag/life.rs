//! A life of accounts that writes every kind of entry, grant, pending change and row.

use std::collections::BTreeSet;

use local::stripe::Effect;
use serde_json::{Value, json};
use shared::command;
use shared::domain::GrantKind;
use shared::domain::service_key::{KeyLimit, KeyScope};
use shared::store::packed;

use crate::support::door::cookie;
use crate::support::items;
use crate::support::shop::Shop;
use crate::support::wire::{Fault, Items};
use crate::support::{Stack, of, request};

/// When the life ends: an account may be read from then on.
pub(super) const ENDS: &str = "2026-11-24T12:10:00Z";

/// The items of the two tables at the end of the life.
pub(super) async fn items() -> [Items; 2] {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    for (account, plan) in [("acme", "pro"), ("free", "free"), ("owing", "free")] {
        stack.open(account, plan).await;
    }
    spending(stack).await;
    stopped(&shop).await;
    sold(&shop).await;
    doors(stack).await;
    repaired(stack).await;
    keys(stack).await;
    stack.set_clock("2026-11-24T12:00:00Z");
    stack.debit("acme", "after monday", "2").await;
    refund(stack, "acme", "first video", "1.5").await;
    stack.action("acme", "still open for a refund", "dynamic_video", 2).await;
    let held = hold(stack, "acme", "in part", "1").await;
    let path = of("acme", &format!("/holds/{held}/capture"));
    let beyond = json!({ "credits": "1000000", "beyond": true });
    made(stack, &path, "more than there is", &beyond).await;
    calls(stack).await;
    hold(stack, "acme", "still open", "7").await;
    stack.relay().await;
    tables(stack)
}

/// Calls of a model: a debit that is refunded, and a hold that is captured.
async fn calls(stack: &Stack) {
    let call = json!({ "action": "chat", "model": "gpt-5-mini", "meters": { "input": 1000 } });
    let debit = made(stack, &of("acme", "/debits"), "a call", &call).await;
    let body = json!({ "credits": "0.01", "reason": "it failed" });
    made(stack, &of("acme", &format!("/debits/{debit}/refund")), "of a call", &body).await;
    let held = made(stack, &of("acme", "/holds"), "a call to come", &call).await;
    let part = json!({ "meters": { "input": 400 } });
    let path = of("acme", &format!("/holds/{held}/capture"));
    made(stack, &path, "the call", &part).await;
}

/// A service key is made, and revoked.
async fn keys(stack: &Stack) {
    let key = stack.key(&KeyScope::ALL, KeyLimit::All).await;
    let store = &stack.context().store;
    let at = stack.context().clock.now();
    command::service_key::revoke(store, &key, at).await.expect("revoked");
}

/// All items of the two tables, in DynamoDB's JSON.
pub(super) fn tables(stack: &Stack) -> [Items; 2] {
    let names = local::tables::names();
    [names.accounts, names.ledger].map(|table| {
        let scanned = stack.wire.past(&json!({ "TableName": table }), "Scan");
        assert_eq!(scanned["LastEvaluatedKey"], Value::Null, "one scan returns all");
        scanned["Items"].as_array().cloned().unwrap_or_default()
    })
}

async fn made(stack: &Stack, path: &str, key: &str, body: &Value) -> String {
    let answer = stack.post(path, key, &body.to_string()).await;
    assert_eq!(answer.status, 201, "{path}: {answer:?}");
    answer.body["id"].as_str().unwrap_or_default().to_owned()
}

async fn hold(stack: &Stack, account: &str, key: &str, credits: &str) -> String {
    let body = json!({ "credits": credits, "expires_in_s": 86_400, "user": "ada" });
    made(stack, &of(account, "/holds"), key, &body).await
}

/// Gives back credits of the debit with this key.
async fn refund(stack: &Stack, account: &str, debit: &str, credits: &str) {
    let id = stack.debit(account, debit, "3").await.text("/id").to_owned();
    let body = json!({ "credits": credits, "reason": "it failed" });
    let path = of(account, &format!("/debits/{id}/refund"));
    made(stack, &path, &format!("refund {credits}"), &body).await;
}

/// Debits, holds and their ends, grants, the gate and the plan.
async fn spending(stack: &Stack) {
    stack.debit("acme", "first video", "3").await;
    for n in 0..40 {
        let user = json!({ "action": "dynamic_video", "quantity": 1, "user": format!("u{}", n % 3),
            "reference": "a job" });
        made(stack, &of("acme", "/debits"), &format!("video {n}"), &user).await;
        stack.debit("acme", &stack.id(0).to_string(), "0.000001").await;
    }
    stack.grant_until("acme", "a while", "10", "2026-12-24T00:00:00Z").await;
    let kinds = json!({ "credits": "20", "reason": "a launch", "kind": "promotional",
        "message": "Welcome", "reference": "launch" });
    made(stack, &of("acme", "/grants"), "launch", &kinds).await;
    let held = hold(stack, "acme", "captured", "4").await;
    let capture = |credits: &str, ends: bool| json!({ "credits": credits, "final": ends });
    let path = of("acme", &format!("/holds/{held}/capture"));
    made(stack, &path, "a part", &capture("1", false)).await;
    made(stack, &path, "the rest", &capture("2", true)).await;
    let held = hold(stack, "acme", "released", "4").await;
    let path = of("acme", &format!("/holds/{held}"));
    made(stack, &format!("{path}/extend"), "later", &json!({ "expires_in_s": 86_000 })).await;
    made(stack, &format!("{path}/release"), "release", &json!({})).await;
    hold(stack, "acme", "lapses", "2").await;
    refund(stack, "acme", "first video", "1").await;
    let typo = stack.grant("acme", "a typo", "400").await;
    let revoke = of("acme", &format!("/grants/{}/revoke", typo.text("/id")));
    let mistake = json!({ "reason": "a typo", "message": "Granted by mistake" });
    made(stack, &revoke, "revoke", &mistake).await;
    for verb in ["freeze", "unfreeze"] {
        made(stack, &of("acme", &format!("/{verb}")), verb, &json!({ "reason": "a look" })).await;
    }
    let body = r#"{"plan":"pro"}"#;
    let changed = stack.send(request("PUT", &of("free", ""), Some("upgrade"), body)).await;
    assert_eq!(changed.status, 201, "{changed:?}");
}

/// Accounts whose function stopped before the advance that folds in its pending change.
async fn stopped(shop: &Shop) {
    let stack = &shop.stack;
    for account in ["granted", "replanned", "returned", "reversed"] {
        stack.open(account, "free").await;
    }
    let (_, session) = shop.buy("reversed", "pack", "starter").await;
    stack.debit("returned", "first video", "3").await;
    stack.grant("returned", "an advance", "5").await;
    shop.stripe.act(&session, Effect::Refund { minor: Some(700) }).expect("refunded");
    // Operators' writes are transactions; the advance after one is an update.
    stack.wire.set_policy(|operation, _| match operation {
        "UpdateItem" => Fault::Throttle,
        _ => Fault::None,
    });
    stack.grant("granted", "welcome", "5").await;
    let body = r#"{"plan":"pro"}"#;
    stack.send(request("PUT", &of("replanned", ""), Some("upgrade"), body)).await;
    // The debit is looked up by its id: to send it again would be an update.
    let listed = stack.get(&of("returned", "/ledger?kind=debit")).await;
    let debit = listed.text("/entries/0/id");
    let body = r#"{"credits":"1","reason":"it failed"}"#;
    let path = of("returned", &format!("/debits/{debit}/refund"));
    assert_eq!(stack.post(&path, "refund", body).await.status, 201);
    shop.stripe.deliver(&stack.functions).await;
    stack.wire.heal();
}

/// Orders that are open, over, paid, disputed and won; debts, and what repays or waives them;
/// payments and events that wait for an operator.
async fn sold(shop: &Shop) {
    let stack = &shop.stack;
    let (_, session) = shop.buy("acme", "pack", "starter").await;
    shop.act(&session, Effect::Refund { minor: Some(700) }).await;
    shop.act(&session, Effect::Dispute).await;
    shop.act(&session, Effect::Win).await;
    // Spent, then disputed: a debt, of which a purchase repays all.
    let (_, session) = shop.buy("owing", "pack", "starter").await;
    stack.debit("owing", "all of it", "520").await;
    shop.act(&session, Effect::Dispute).await;
    shop.buy("owing", "another", "team").await;
    let (_, session) = shop.buy("free", "pack", "starter").await;
    let left = stack.balance("free").await.text("/available").to_owned();
    stack.debit("free", "all of it", &left).await;
    shop.act(&session, Effect::Dispute).await;
    let waive = json!({ "reason": "a good customer", "message": "Forgotten" });
    made(stack, &of("free", "/debt/waive"), "waive", &waive).await;
    let (_, session) = shop.buy("owing", "disputed", "starter").await;
    stack.debit("owing", "all again", "2480").await;
    shop.act(&session, Effect::Dispute).await;
    shop.begin("acme", "open", "starter").await;
    let (_, session) = shop.begin("acme", "expired", "starter").await;
    shop.act(&session, Effect::Expire).await;
    let (_, session) = shop.begin("acme", "another amount", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("paid");
    for event in shop.stripe.take_events() {
        let mut event: Value = serde_json::from_str(&event).expect("JSON");
        if event["type"] == "checkout.session.completed" {
            event["data"]["object"]["amount_total"] = json!(4800);
            assert_eq!(shop.take_notice(&event.to_string()).await.text("/outcome"), "parked");
        }
    }
    for kept in ["this cannot be read", "nor can this"] {
        assert_eq!(shop.take_notice(kept).await.text("/outcome"), "parked");
    }
    let listed = stack.get("/v1/payments?state=parked").await;
    let unread = listed.body["payments"].as_array().expect("payments").last().expect("one");
    let dismiss = format!("/v1/payments/{}/dismiss", unread["id"].as_str().expect("an id"));
    let reason = r#"{"reason":"looked at"}"#;
    assert_eq!(stack.send(request("POST", &dismiss, None, reason)).await.status, 200);
}

/// Links that opened sessions: one is open, one was left.
async fn doors(stack: &Stack) {
    stack.visitor("acme").await;
    let body = r#"{"subject":"bob","scopes":["view"],"return_url":"https://app.example.com/"}"#;
    let link = stack.session("acme", body).await;
    let link = link.text("/url").split("t=").nth(1).expect("a link").to_owned();
    let cookie = cookie(&stack.press(&link).await);
    assert_eq!(stack.form("/leave", &[("cookie", &cookie)], "").await.status, 200);
}

/// An account whose record of a lost grant `repair` quarantined, and that it froze.
async fn repaired(stack: &Stack) {
    stack.open("torn", "free").await;
    stack.relay().await;
    let [accounts, _] = tables(stack);
    let before = accounts.into_iter().find(|item| item["a"]["S"] == "torn").expect("the account");
    stack.grant("torn", "lost", "5").await;
    items::put(&stack.tables(), &vec![before.clone()], &Vec::new()).await;
    let repair = async || {
        let id = "torn".parse().expect("an id");
        cli::repair::run(stack.context(), None, Some(&id), false).await.expect("repaired")
    };
    assert_eq!(repair().await.len(), 1);
    let mut off = before.clone();
    off["co"] = json!({ "M": {} });
    let micro: i64 = off["av"]["N"].as_str().and_then(|n| n.parse().ok()).expect("credits");
    off["av"] = json!({ "N": (micro - 1).to_string() });
    items::put(&stack.tables(), &vec![off], &Vec::new()).await;
    // It is frozen, and its row says so.
    assert_eq!(repair().await.len(), 2);
    // The difference is gone again; the account stays frozen for it.
    let [accounts, _] = tables(stack);
    let mut after = accounts.into_iter().find(|item| item["a"]["S"] == "torn").expect("it");
    let micro: i64 = after["av"]["N"].as_str().and_then(|n| n.parse().ok()).expect("credits");
    after["av"] = json!({ "N": (micro + 1).to_string() });
    items::put(&stack.tables(), &vec![after], &Vec::new()).await;
}

/// Everything that is stored and has kinds, each with those that occur.
pub(super) fn kinds([accounts, ledger]: &[Items; 2]) -> Vec<(&'static str, BTreeSet<String>)> {
    let bytes = |value: &Value| {
        let text = value["B"].as_str().expect("bytes");
        aws_smithy_types::base64::decode(text).expect("base64")
    };
    let list = |item: &Value, name: &str| item[name]["L"].as_array().cloned().unwrap_or_default();
    let (mut tags, mut grants, mut pending) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for item in accounts {
        tags.extend(list(item, "rp").iter().map(|entry| bytes(entry)[0]));
        pending.extend(list(item, "pc").iter().map(|change| bytes(change)[0].to_string()));
        let order = packed::read_burn_order(&bytes(&item["bo"])).expect("a burn order");
        grants.extend(order.grants().iter().map(|grant| grant.kind.name().to_owned()));
    }
    let mut rows = BTreeSet::new();
    for item in ledger {
        if item["en"].is_object() {
            let entries = packed::read_entries(&bytes(&item["en"])).expect("entries");
            tags.extend(entries.iter().map(|entry| packed::entry(entry)[0]));
        }
        rows.insert(row(item));
        rows.extend(["ur", "ex", "pi", "le", "dc", "ttl"].into_iter().filter_map(|optional| {
            item.get(optional).map(|_| format!("{} with {optional}", row(item)))
        }));
    }
    let attributes = accounts.iter().flat_map(|item| item.as_object().expect("an item").keys());
    vec![
        ("tags of entries", tags.iter().map(|tag| format!("{tag:02}")).collect()),
        ("grants", grants),
        ("pending changes", pending),
        ("rows", rows),
        ("attributes of accounts", attributes.cloned().collect()),
    ]
}

/// The kind of a row of the ledger: its key without what names one of them.
fn row(item: &Value) -> String {
    let text = |name: &str| item[name]["S"].as_str().expect("a key").to_owned();
    let (account, sort) = (text("a"), text("s"));
    let parts: Vec<&str> = sort.split('#').collect();
    let space = match account.strip_prefix('#') {
        Some(space) => format!("#{} ", space.split('#').next().unwrap_or_default()),
        None => String::new(),
    };
    let kind = match parts[..] {
        _ if matches!(&*space, "#parked " | "#directory " | "#payments ") => "",
        ["G" | "S" | "A", kind, ..] if parts.len() > 2 => &sort[..parts[0].len() + 1 + kind.len()],
        [_] | ["S" | "C", "orders" | "latest"] => &sort,
        [kind, ..] => kind,
        [] => "",
    };
    format!("{space}{kind}").trim_end().to_owned()
}

/// What no tagged version writes yet. At a tag there is nothing here.
pub(super) const SINCE_THE_TAG: [&str; 12] = [
    "18",
    "19",
    "20",
    "21",
    "22",
    "23",
    "#customer customer",
    "#directory",
    "#keys key",
    "#keys revoked",
    "#payments",
    "S#payment",
];

/// The kinds that there are, by the code of today.
pub(super) fn all() -> Vec<(&'static str, BTreeSet<String>)> {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    vec![
        // Every tag that a version writes; 4 was never released.
        ("tags of entries", (1..=23).filter(|tag| *tag != 4).map(|t| format!("{t:02}")).collect()),
        ("grants", GrantKind::ALL.iter().map(|kind| kind.name().to_owned()).collect()),
        ("pending changes", set(&["0", "1", "2", "3"])),
        (
            "rows",
            set(&[
                "#catalog C",
                "#catalog C#latest",
                "#customer customer",
                "#directory",
                "#event event",
                "#event event with dc",
                "#keys key",
                "#keys revoked",
                "#order order",
                "#order order with ex",
                "#order order with pi",
                "#order order with ur",
                "#parked",
                "#payment payment",
                "#payments",
                "A#G",
                "E",
                "E with le",
                "E with ttl",
                "G#c",
                "G#o",
                "G#r",
                "G#s",
                "K",
                "P",
                "R",
                "S#orders",
                "S#payment",
                "S#test",
                "U",
            ]),
        ),
        (
            "attributes of accounts",
            set(&[
                "a", "aa", "ad", "ar", "av", "bo", "co", "de", "df", "gt", "ho", "pc", "ps", "ri",
                "rp", "sq", "st", "vu",
            ]),
        ),
    ]
}

/// The ids of the accounts, in order.
pub(super) fn accounts(items: &Items) -> BTreeSet<String> {
    items.iter().map(|item| item["a"]["S"].as_str().expect("an id").to_owned()).collect()
}

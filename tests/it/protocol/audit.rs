//! The audit: it reports nothing on a sound table, also during debits, and it names one wrong
//! micro-credit anywhere.

use std::collections::HashMap;

use ::audit::Difference;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use local::stripe::Effect;
use shared::decide::revoke::{self, RevokeRequest};
use shared::decide::{Step, Write};
use shared::domain::entry::Explanation;
use shared::domain::grant::BurnOrder;
use shared::domain::{
    Account, Credits, Debt, Entry, EntryKind, Grant, GrantId, GrantKind, Instant, OperationId,
    PendingChange,
};
use shared::store::{self, Outcome, StoreError};
use shared::stripe::StripeAccount;

use crate::support::shop::Shop;
use crate::support::{Stack, at_once};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A shop with every kind of event that an account can have.
pub(crate) async fn story() -> Shop {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    stack.open("idle", "free").await;
    stack.grant("acme", "welcome", "100").await;
    let typo = stack.grant("acme", "a typo", "1000").await;
    assert_eq!(stack.revoke("acme", "revoke", typo.text("/id")).await.status, 201);
    for n in 0..40 {
        stack.action("acme", &format!("video {n}"), "dynamic_video", 1).await;
        stack.debit("acme", &stack.id(0).to_string(), "0.000001").await;
    }
    hold(stack, "captured", "4").await;
    let hold = hold(stack, "open", "2").await;
    capture(stack, &hold, "a part", r#"{"credits":"0.5","final":false}"#).await;
    let debit = stack.debit("acme", "to refund", "3").await.text("/id").to_owned();
    refund(stack, &debit, "first", "1").await;
    let (_, session) = shop.buy("acme", "pack", "starter").await;
    shop.act(&session, Effect::Refund { minor: Some(700) }).await;
    stack.set_clock("2026-11-24T12:00:00Z");
    refund(stack, &debit, "second", "1.5").await;
    stack.debit("acme", "after monday", "2").await;
    let body = r#"{"reason":"a look"}"#;
    for kind in ["freeze", "unfreeze"] {
        let path = format!("/v1/accounts/acme/{kind}");
        assert_eq!(stack.post(&path, kind, body).await.status, 201);
    }
    stack.relay().await;
    self::hold(stack, "still open", "7").await;
    shop
}

async fn hold(stack: &Stack, key: &str, credits: &str) -> String {
    let body = format!(r#"{{"credits":"{credits}","expires_in_s":86400}}"#);
    let held = stack.post("/v1/accounts/acme/holds", key, &body).await;
    assert_eq!(held.status, 201, "{held:?}");
    held.text("/id").to_owned()
}

async fn capture(stack: &Stack, hold: &str, key: &str, body: &str) {
    let path = format!("/v1/accounts/acme/holds/{hold}/capture");
    let captured = stack.post(&path, key, body).await;
    assert_eq!(captured.status, 201, "{captured:?}");
}

async fn refund(stack: &Stack, debit: &str, key: &str, credits: &str) {
    let body = format!(r#"{{"credits":"{credits}","reason":"it failed"}}"#);
    let path = format!("/v1/accounts/acme/debits/{debit}/refund");
    let refunded = stack.post(&path, key, &body).await;
    assert_eq!(refunded.status, 201, "{refunded:?}");
}

/// The audit's differences, with Stripe included.
async fn audited(shop: &Shop) -> Vec<Difference> {
    let functions = &shop.stack.functions;
    let stripe = StripeAccount::Client(functions.stripe().clone());
    let report = ::audit::report(functions.context(), Some(&stripe), None, |_| ()).await;
    report.expect("an answer").differences
}

fn named(found: &[Difference]) -> Vec<&'static str> {
    found.iter().map(|difference| difference.kind.name()).collect()
}

#[tokio::test]
async fn an_audit_of_a_sound_account_finds_and_writes_nothing() {
    let shop = story().await;
    shop.stack.wire.take_costs();
    assert_eq!(audited(&shop).await, []);
    let costs = shop.stack.wire.take_costs();
    assert_eq!(costs.write_units, 0.0);
    println!("2 accounts, one of some 110 entries: {costs:?}");
}

pub(crate) async fn item(stack: &Stack, table: &str, a: &str, s: Option<&str>) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let get = stack.tables().get_item().table_name(table).key("a", text(a));
    let get = match s {
        Some(s) => get.key("s", text(s)),
        None => get,
    };
    get.send().await.expect("an answer").item.expect("an item")
}

pub(crate) async fn put(stack: &Stack, table: &str, item: Item) {
    let put = stack.tables().put_item().table_name(table).set_item(Some(item));
    put.send().await.expect("written");
}

/// The sort keys of an account's items in the ledger.
async fn scanned(stack: &Stack, account: &str) -> Vec<String> {
    let query = stack.tables().query().table_name(local::tables::names().ledger);
    let query = query.key_condition_expression("a = :a");
    let query = query.expression_attribute_values(":a", AttributeValue::S(account.to_owned()));
    let got = query.send().await.expect("an answer");
    got.items().iter().map(|item| item["s"].as_s().expect("a text").clone()).collect()
}

fn add(item: &mut Item, attribute: &str, micro: i64) {
    let number: i64 = match &item[attribute] {
        AttributeValue::N(number) => number.parse().expect("a number"),
        other => panic!("{attribute} is {other:?}"),
    };
    item.insert(attribute.to_owned(), AttributeValue::N((number + micro).to_string()));
}

fn bytes(value: &AttributeValue) -> &[u8] {
    value.as_b().expect("bytes").as_ref()
}

fn packed(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

const MICRO: Credits = Credits::from_micro(1);

/// One micro-credit more, or one step further, in one place of one item gets its own code.
#[tokio::test]
async fn one_wrong_micro_credit_anywhere_is_found_and_named() {
    let shop = story().await;
    let (stack, names) = (&shop.stack, local::tables::names());
    let whole = item(stack, &names.accounts, "acme", None).await;
    type Change = Box<dyn Fn(&mut Item)>;
    let by = |name: &'static str, micro: i64| -> Change { Box::new(move |i| add(i, name, micro)) };
    let of_account: Vec<(&str, Change)> = vec![
        ("available", by("av", 1)),
        ("available", by("av", -1)),
        ("number", by("sq", 1)),
        ("burn_order", by("ad", -1)),
        ("valid_until", by("vu", 30 * 86_400_000)),
        ("dedup_floor", by("df", -30 * 86_400_000)),
        ("archived_at", by("st", 1)),
        (
            "debt",
            Box::new(|i| {
                let grant = GrantId::Operation(OperationId::from_bytes([7; 16]));
                let debts = [Debt { grant, credits: MICRO }].into_iter().collect();
                i.insert("de".into(), packed(store::packed::debts(&debts)));
            }),
        ),
        ("frozen", Box::new(|i| drop(i.insert("gt".into(), AttributeValue::N("1".into()))))),
        (
            "consumed",
            Box::new(|i| {
                let mut consumed = i["co"].as_m().expect("a map").clone();
                add(&mut consumed, "0", 1);
                i.insert("co".into(), AttributeValue::M(consumed));
            }),
        ),
        (
            "burn_order",
            Box::new(|i| {
                let line = store::packed::read_burn_order(bytes(&i["bo"])).expect("a line");
                let mut grants = line.grants().to_vec();
                (grants[0].left, grants[0].amount) =
                    (grants[0].left + MICRO, grants[0].amount + MICRO);
                i.insert("bo".into(), packed(store::packed::burn_order(&BurnOrder::new(grants))));
            }),
        ),
        (
            "hold",
            Box::new(|i| {
                let mut holds = i["ho"].as_m().expect("a map").clone();
                for value in holds.values_mut() {
                    let mut hold = value.as_m().expect("a map").clone();
                    let micro: i64 = hold["a"].as_n().expect("a number").parse().expect("one");
                    hold.insert("a".into(), AttributeValue::N((micro + 1).to_string()));
                    *value = AttributeValue::M(hold);
                }
                i.insert("ho".into(), AttributeValue::M(holds));
            }),
        ),
        (
            "pending_changes",
            Box::new(|i| {
                let id = GrantId::Operation(OperationId::from_bytes([7; 16]));
                let grant = Grant::new(id, GrantKind::Manual, MICRO, Instant::EPOCH, None);
                let note = packed(store::packed::pending_change(&PendingChange::Returned(grant)));
                i.insert("pc".into(), AttributeValue::L(vec![note]));
            }),
        ),
    ];
    for (word, change) in of_account {
        let mut changed = whole.clone();
        change(&mut changed);
        put(stack, &names.accounts, changed).await;
        let found = named(&audited(&shop).await);
        assert!(found.contains(&word), "{word}: {found:?}");
    }
    put(stack, &names.accounts, whole).await;

    let entry = |i: &mut Item| {
        let mut entries = store::packed::read_entries(bytes(&i["en"])).expect("entries");
        entries[3].available += MICRO;
        i.insert("en".into(), packed(store::packed::entries(&entries)));
    };
    let used = |i: &mut Item| {
        let mut usage = store::packed::read_usage(bytes(&i["us"])).expect("a day");
        usage.actions.values_mut().take(1).for_each(|used| used.credits += MICRO);
        usage.users.values_mut().take(1).for_each(|used| used.credits += MICRO);
        i.insert("us".into(), packed(store::packed::usage(&usage)));
    };
    let other = |i: &mut Item| drop(i.insert("op".into(), packed(vec![7; 16])));
    let of_ledger: Vec<(&str, &str, Change)> = vec![
        ("P#", "closing", by("av", 1)),
        ("P#", "closing", by("he", 1)),
        ("P#", "available", Box::new(entry)),
        ("R#", "returned", by("re", 1)),
        ("U#", "day", Box::new(used)),
        ("U#", "day", by("ct", 30)),
        ("K#", "key_alias_differs", Box::new(other)),
        ("G#o#", "idempotency_record_alone", Box::new(other)),
        ("G#c#", "order", Box::new(other)),
    ];
    let keys = scanned(stack, "acme").await;
    for (prefix, word, change) in of_ledger {
        let key = keys.iter().find(|key| key.starts_with(prefix)).expect(prefix);
        let whole = item(stack, &names.ledger, "acme", Some(key)).await;
        let mut changed = whole.clone();
        change(&mut changed);
        put(stack, &names.ledger, changed).await;
        let found = named(&audited(&shop).await);
        assert!(found.contains(&word), "{key} {word}: {found:?}");
        put(stack, &names.ledger, whole).await;
    }
    assert_eq!(audited(&shop).await, []);
}

/// Values that follow from the entries are recomputed. No account is frozen for them.
#[tokio::test]
async fn wrong_consumption_is_corrected_and_freezes_nobody() {
    let shop = story().await;
    let (stack, names) = (&shop.stack, local::tables::names());
    let whole = item(stack, &names.accounts, "acme", None).await;
    let mut changed = whole.clone();
    let mut consumed = changed["co"].as_m().expect("a map").clone();
    add(&mut consumed, "0", -7_000_000);
    changed.insert("co".into(), AttributeValue::M(consumed));
    put(stack, &names.accounts, changed).await;
    assert_eq!(named(&audited(&shop).await), ["consumed"]);
    let acts = cli::repair::run(stack.context(), None, None, false).await.expect("repaired");
    assert!(acts.iter().all(|act| act.done == cli::repair::Done::Repaired), "{acts:?}");
    assert_eq!(audited(&shop).await, []);
    assert_eq!(item(stack, &names.accounts, "acme", None).await["co"], whole["co"]);
}

/// Callers, segments and usage rollups continue during the audit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_during_debits_finds_nothing() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    let busy = stack.clone();
    let debits = tokio::spawn(at_once(4, move |caller| {
        let stack = busy.clone();
        async move {
            for n in 0..25 {
                stack.debit("acme", &format!("{caller} {n}"), "0.01").await;
                if caller == 0 && n % 10 == 0 {
                    stack.grant("acme", &format!("gift {n}"), "0.01").await;
                    stack.relay().await;
                }
            }
        }
    }));
    let acme = "acme".parse().expect("an id");
    let mut audits = 0;
    while !debits.is_finished() {
        assert_eq!(::audit::account(stack.context(), &acme).await.expect("an answer"), []);
        audits += 1;
    }
    debits.await.expect("no caller panics");
    println!("{audits} audits while 100 debits went on");
    assert!(audits > 1, "{audits}");
}

/// Revokes a grant as `revoke::change` decides, but for a change of the entry and of the account.
async fn revoke_by_hand(stack: &Stack, grant: GrantId, change: fn(&mut Entry, &mut Account)) {
    let context = stack.context();
    let (catalog, now) = (context.catalog().await, context.clock.now());
    let id = "acme".parse().expect("an account");
    let account = context.store.account(&id).await.expect("readable").expect("there").account;
    let explanation = Explanation { reason: "x".to_owned(), message: None };
    let (request, kind) = (RevokeRequest { grant, explanation }, GrantKind::Manual);
    let operation = context.entropy.own(now);
    let write = revoke::change(&account, &request, kind, operation, &catalog, None, now);
    let mut write = write.expect("no fault").expect("nothing is due");
    if let [Step::Append(entry), Step::Advance(after), ..] = &mut write.then[..] {
        change(entry, after);
    }
    let written = context.store.commit(&Write::account(write)).await;
    // An account below zero is written, and not read any more.
    let done = matches!(written, Ok(Outcome::Done(_)) | Err(StoreError::Broken { .. }));
    assert!(done, "{written:?}");
}

/// Takes so much more of the grants that are left.
fn take_more(entry: &mut Entry, after: &mut Account, credits: i64) {
    let credits = Credits::from_micro(credits * 1_000_000);
    after.burn_order.take(credits, |_| true);
    entry.available -= credits;
    after.available -= credits;
}

/// The account has 5 of the week and 50 of the grant, of which a hold may keep some.
#[tokio::test]
async fn a_revocation_of_more_than_was_free_is_a_difference() {
    type Change = fn(&mut Entry, &mut Account);
    let weekly: Change = |entry, _| {
        if let EntryKind::Revoked { kind, .. } = &mut entry.kind {
            *kind = GrantKind::Weekly;
        }
    };
    let cases: [(&str, Change, &[&str]); 5] = [
        ("0.000001", |_, _| {}, &[]),
        ("30", |_, _| {}, &[]),
        // The week's credits, too, in the name of the grant.
        ("0.000001", |entry, after| take_more(entry, after, 4), &["burn_order", "revoked"]),
        // What the hold keeps.
        ("30", |entry, after| take_more(entry, after, 5), &["burn_order", "revoked"]),
        // Of a grant that no operator gave.
        ("30", weekly, &["revoked"]),
    ];
    for (n, (held, change, expected)) in cases.into_iter().enumerate() {
        let shop = Shop::noon().await;
        let stack = &shop.stack;
        stack.open("acme", "free").await;
        let granted = stack.grant("acme", "grant", "50").await;
        let grant = granted.text("/id").parse().expect("an id");
        stack.debit("acme", "spent", "20").await;
        hold(stack, "held", held).await;
        revoke_by_hand(stack, grant, change).await;
        let mut found = named(&audited(&shop).await);
        found.sort_unstable();
        assert_eq!(found, expected, "case {n}");
    }
}

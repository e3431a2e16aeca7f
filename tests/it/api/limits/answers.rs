//! Limits in answers: refusals, listings, ledgers and the customer's balance.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use serde_json::{Value, json};

use super::{USERS, charge, debit, listed, reached, set, shown, team};
use crate::support::shop::Shop;
use crate::support::{ledger, of};

const NOON: &str = "2026-11-18T12:00:00Z";

#[tokio::test]
async fn a_refusal_lists_every_short_limit_and_the_head_is_the_one_that_resets_last() {
    let stack = team(NOON, USERS).await;
    for (subject, per) in [("user:ada", "day"), ("team:ops", "week")] {
        set(&stack, subject, subject, json!({ "at_most": "5", "per": per })).await;
    }
    let body = json!({ "credits": "200", "user": "ada", "subjects": ["team:ops"],
        "limits": [{ "of": "run:7f", "at_most": "500" }] });
    let refused = debit(&stack, "all", body).await;
    assert_eq!(reached(&refused), ("user:ada", "month", "100", "100", "200", 3));
    let limits = refused.body["limits"].as_array().expect("limits");
    let each: Vec<_> = limits.iter().map(|limit| (&limit["of"], &limit["resets_at"])).collect();
    let expected = [
        ("user:ada", "2026-12-01T00:00:00.000Z"),
        ("team:ops", "2026-11-23T00:00:00.000Z"),
        ("user:ada", "2026-11-19T00:00:00.000Z"),
    ];
    let expected = expected.map(|(of, at)| (Value::from(of), Value::from(at)));
    assert_eq!(each, expected.iter().map(|(of, at)| (of, at)).collect::<Vec<_>>());
    assert_eq!((refused.text("/available"), &refused.body["recharges_at"]), ("2500", &Value::Null));
    // One that never ends resets last of all, and the pool is short as well.
    let body = json!({ "credits": "3000", "user": "ada",
        "limits": [{ "of": "run:7f", "at_most": "500" }] });
    let refused = debit(&stack, "pool", body).await;
    assert_eq!(reached(&refused), ("run:7f", "ever", "500", "500", "3000", 3));
    assert_eq!(refused.text("/recharges_at"), "2026-12-18T00:00:00.000Z");
    assert_eq!(refused.text("/recharge_credits"), "2500");
    assert!(refused.text("/detail").contains("only 2500 credits"), "{refused:?}");
    // Nothing was counted, and nothing charged.
    assert_eq!(shown(&stack, "user:ada", "day").await, ["5", "0", "5", "account"]);
    assert_eq!(stack.balance("acme").await.text("/available"), "2500");
}

#[tokio::test]
async fn the_listing_has_each_count_that_runs_and_each_own_limit_in_order() {
    let stack = team(NOON, USERS).await;
    set(&stack, "ops", "team:ops", json!({ "at_most": "50", "per": "week" })).await;
    charge(&stack, "ada", "ada", "12.5").await;
    let body = json!({ "credits": "3", "limits": [
        { "of": "run:7f", "at_most": "50" }, { "of": "run:7f", "at_most": "50", "per": "day" }] });
    debit(&stack, "run", body).await;
    let expected = json!([
        { "of": "run:7f", "per": "day", "at_most": null, "used": "3", "left": null,
          "resets_at": "2026-11-19T00:00:00.000Z", "source": "request" },
        { "of": "run:7f", "per": "ever", "at_most": null, "used": "3", "left": null,
          "resets_at": null, "source": "request" },
        { "of": "team:ops", "per": "week", "at_most": "50", "used": "0", "left": "50",
          "resets_at": "2026-11-23T00:00:00.000Z", "source": "account" },
        { "of": "user:ada", "per": "month", "at_most": "100", "used": "12.5", "left": "87.5",
          "resets_at": "2026-12-01T00:00:00.000Z", "source": "plan" },
    ]);
    assert_eq!(Value::from(listed(&stack).await), expected);
    let answer = stack.get(&of("acme", "/limits")).await;
    assert_eq!(
        answer.body["defaults"],
        json!([{ "of": "user", "per": "month", "at_most": "100" }])
    );
    // A day later the count of the day is in no listing.
    stack.set_clock("2026-11-19T00:00:00Z");
    assert_eq!(listed(&stack).await.len(), 3);
    let missing = stack.get(&of("none", "/limits")).await;
    assert_eq!((missing.status, missing.code()), (404, "account_not_found"));
}

/// Many entries later, the account's item no longer names the subject.
#[tokio::test]
async fn a_count_keeps_its_name_when_its_entries_are_archived() {
    let stack = team(NOON, "").await;
    let body = json!({ "credits": "3", "limits": [{ "of": "run:7f", "at_most": "50" }] });
    debit(&stack, "run", body).await;
    for n in 0..60 {
        assert_eq!(stack.debit("acme", &format!("debit {n}"), "1").await.status, 201);
    }
    let account = "acme".parse().expect("an id");
    let loaded = stack.context().store.account(&account).await.expect("read").expect("an account");
    let recent = &loaded.account.recent;
    assert!(recent.iter().all(|entry| entry.counts.is_empty()), "its entry is still there");
    assert_eq!(shown(&stack, "run:7f", "ever").await, ["-", "3", "-", "request"]);
    // Where its name is lost, what was used is still shown.
    let rows = stack.tables().scan().table_name("scrip-ledger").send().await.expect("rows");
    let text = |item: &HashMap<String, AttributeValue>, name: &str| {
        item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
    };
    let sorts = rows.items().iter().map(|item| text(item, "s"));
    let row = sorts.into_iter().find(|sort| sort.starts_with("L#")).expect("a row of its name");
    let delete = Delete::builder().table_name("scrip-ledger");
    let delete = delete.key("a", AttributeValue::S("acme".to_owned()));
    let delete = delete.key("s", AttributeValue::S(row)).build().expect("a deletion");
    let delete = TransactWriteItem::builder().delete(delete).build();
    let write = stack.tables().transact_write_items().transact_items(delete);
    write.send().await.expect("deleted");
    let limits = listed(&stack).await;
    assert_eq!(
        (limits.len(), &limits[0]["of"], &limits[0]["used"]),
        (1, &Value::Null, &json!("3"))
    );
}

#[tokio::test]
async fn an_entry_shows_the_subjects_and_the_limits_that_it_counts_for() {
    let stack = team(NOON, USERS).await;
    set(&stack, "ada", "user:ada", json!({ "at_most": "150", "per": "month" })).await;
    let body = json!({ "credits": "5", "user": "ada", "subjects": ["team:ops"],
        "limits": [{ "of": "run:7f", "at_most": "50" }] });
    debit(&stack, "all", body).await;
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("opened"), Some("limit_set"), Some("debit")]);
    let set = &entries[1];
    let limits = json!([{ "of": "user:ada", "per": "month", "at_most": "150" }]);
    assert_eq!(
        (&set["limits"], &set["by"], &set["key"]),
        (&limits, &json!("service"), &json!("ada"))
    );
    assert_eq!(entries[2]["subjects"], json!(["run:7f", "team:ops"]));
    let counted = json!([
        { "of": "user:ada", "per": "month", "at_most": "150" },
        { "of": "run:7f", "per": "ever", "at_most": "50" },
    ]);
    assert_eq!(entries[2]["limits"], counted);
    let csv = stack.get(&of("acme", "/ledger?format=csv&kind=debit")).await;
    let row = csv.text("").trim().lines().last().expect("a row").to_owned();
    assert!(row.ends_with(",run:7f team:ops,user:ada/month run:7f/ever"), "{row}");
}

#[tokio::test]
async fn a_customers_balance_has_the_limits_of_the_customer() {
    let shop = Shop::noon().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    set(stack, "ada", "user:ada", json!({ "at_most": "150", "per": "month" })).await;
    set(stack, "bob", "user:bob", json!({ "at_most": "5", "per": "day" })).await;
    charge(stack, "debit", "ada", "30").await;
    let balance = async |subject: &str| {
        let token = shop.token_of(subject, "acme", r#""view""#).await;
        shop.ask(&token, "GET", "/v1/me/balance", None, "").await
    };
    let expected = json!([{ "per": "month", "at_most": "150", "used": "30", "left": "120",
        "resets_at": "2026-12-01T00:00:00.000Z" }]);
    assert_eq!(balance("ada").await.body["limits"], expected);
    assert_eq!(balance("carl").await.body["limits"], json!([]));
    assert_eq!(stack.balance("acme").await.body.get("limits"), None);
}

//! Finding accounts: by name, label, id, plan, gate, debt, Stripe customer and payment.

use local::stripe::Effect;
use serde_json::{Value, json};
use shared::decide::open::{self, PlanRequest};
use shared::decide::{Made, plan};
use shared::domain::account::PendingChange;
use shared::domain::{Account, Catalog, CatalogFiles, OperationId, PlanTerms};

use crate::support::shop::Shop;
use crate::support::{Answer, Stack, instant, request};

async fn put(stack: &Stack, account: &str, key: &str, body: Value) -> Answer {
    let path = format!("/v1/accounts/{account}");
    stack.send(request("PUT", &path, Some(key), &body.to_string())).await
}

/// The ids of the accounts that a query finds, on all its pages.
async fn found(stack: &Stack, query: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stack.get(&format!("/v1/accounts?{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let accounts = page.body["accounts"].as_array().expect("accounts");
        ids.extend(accounts.iter().map(|one| one["account"].as_str().expect("id").to_owned()));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn an_account_is_found_by_name_label_and_id_in_any_case() {
    let stack = Stack::streamed().await;
    let named = json!({ "plan": "pro", "name": "Müller & Söhne", "labels": ["Pilot", "EU-West"] });
    put(&stack, "org-7", "1", named).await;
    put(&stack, "acme", "1", json!({ "plan": "free", "name": "Acme Ltd" })).await;
    stack.open("other", "free").await;
    // Relay has not run: an account with a name is found at once, one without is not yet.
    assert_eq!(found(&stack, "").await, ["acme", "org-7"]);
    stack.relay().await;
    for (query, ids) in [
        ("", &["acme", "org-7", "other"][..]),
        ("q=m%C3%9CLLER", &["org-7"]),
        ("q=s%C3%B6hne", &["org-7"]),
        ("q=pilot", &["org-7"]),
        ("q=eu-w", &["org-7"]),
        ("q=o", &["org-7", "other"]),
        ("q=ORG", &["org-7"]),
        ("q=%20pilot%20", &["org-7"]),
        ("q=rg-7", &[]),
        ("q=lt", &["acme"]),
        ("q=lt&plan=pro", &[]),
        ("plan=free", &["acme", "other"]),
        ("plan=free&limit=1", &["acme", "other"]),
        ("limit=2", &["acme", "org-7", "other"]),
        ("debt=true", &[]),
        ("debt=false&gate=open", &["acme", "org-7", "other"]),
    ] {
        assert_eq!(found(&stack, query).await, ids, "{query}");
    }
    let shown = stack.get("/v1/accounts/org-7").await;
    let expected = json!({
        "account": "org-7", "name": "Müller & Söhne", "labels": ["Pilot", "EU-West"],
        "plan": "pro", "status": "active", "gate": "open", "debt": "0",
    });
    assert_eq!((shown.status, &shown.body), (200, &expected));
    assert_eq!(stack.get("/v1/accounts?q=org").await.body["accounts"][0], expected);
    assert_eq!(stack.get("/v1/accounts/nobody").await.code(), "account_not_found");
}

#[tokio::test]
async fn a_name_and_labels_stay_until_a_request_names_them() {
    let stack = Stack::streamed().await;
    put(&stack, "acme", "1", json!({ "plan": "pro", "name": "Acme", "labels": ["a", "b"] })).await;
    let names = async |key: &str, body: Value| {
        let done = put(&stack, "acme", key, body).await;
        assert_eq!(done.status, 201, "{done:?}");
        let shown = stack.get("/v1/accounts/acme").await.body;
        (shown["name"].clone(), shown["labels"].clone())
    };
    assert_eq!(names("2", json!({ "plan": "free" })).await, (json!("Acme"), json!(["a", "b"])));
    let renamed = json!({ "plan": "free", "name": "Acme Ltd" });
    assert_eq!(names("3", renamed).await, (json!("Acme Ltd"), json!(["a", "b"])));
    let relabeled = json!({ "plan": "free", "labels": ["c"] });
    assert_eq!(names("4", relabeled).await, (json!("Acme Ltd"), json!(["c"])));
    let removed = json!({ "plan": "free", "name": "", "labels": [] });
    assert_eq!(names("5", removed.clone()).await, (Value::Null, json!([])));
    // The names are part of what the key stands for.
    let again = put(&stack, "acme", "5", removed).await;
    assert!(again.replayed, "{again:?}");
    let other = put(&stack, "acme", "5", json!({ "plan": "free", "name": "Other" })).await;
    assert_eq!(other.code(), "operation_reused");
    // The plan was the same, so only the first two requests have an entry.
    assert_eq!(stack.get("/v1/accounts/acme/balance").await.body["seq"], json!(3));
}

/// A plan that was read before the change could undo it.
#[tokio::test]
async fn a_request_that_only_names_an_account_leaves_a_pending_change_of_plan() {
    let stack = Stack::streamed().await;
    put(&stack, "acme", "1", json!({ "plan": "pro" })).await;
    let named = put(&stack, "acme", "2", json!({ "name": "Acme" })).await;
    assert_eq!((named.status, &named.body["plan"]), (201, &json!("pro")), "{named:?}");
    assert_eq!(named.body["seq"], json!(1));
    let canceled = json!({ "plan": "free", "status": "canceled" });
    let changed = put(&stack, "acme", "3", canceled).await;
    assert_eq!(changed.status, 201, "{changed:?}");
    let body = json!({ "labels": ["a"] });
    let dry = put(&stack, "acme", "4", json!({ "labels": ["a"], "dry_run": true })).await;
    assert_eq!((dry.status, &dry.body["before"]), (200, &dry.body["after"]), "{dry:?}");
    let labeled = put(&stack, "acme", "4", body.clone()).await;
    assert_eq!((labeled.status, &labeled.body["id"]), (201, &changed.body["id"]), "{labeled:?}");
    assert!(put(&stack, "acme", "4", body.clone()).await.replayed);
    let with_plan = put(&stack, "acme", "4", json!({ "plan": "free", "labels": ["a"] })).await;
    assert_eq!(with_plan.code(), "operation_reused");
    let shown = stack.get("/v1/accounts/acme").await.body;
    let state = ["name", "labels", "plan", "status"].map(|name| shown[name].clone());
    assert_eq!(state, [json!("Acme"), json!(["a"]), json!("free"), json!("canceled")]);
    for (account, body) in [
        ("nobody", json!({ "name": "Nobody" })),
        ("acme", json!({ "name": "Acme", "restart": false })),
        ("acme", json!({ "labels": [], "status": "active" })),
        ("acme", json!({})),
    ] {
        let refused = put(&stack, account, "5", body.clone()).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "plan"), "{body}");
    }
    assert_eq!(stack.balance("nobody").await.status, 404);
}

/// The answer to a request that only names an account, while a change of its plan is pending.
#[test]
fn the_entry_of_a_pending_change_of_plan_is_the_latest() {
    let now = instant("2026-11-18T12:00:00Z");
    let id = |number| OperationId::mint(now, [number; 10]);
    let catalog = Catalog::parse(&CatalogFiles::built_in()).expect("the default catalog is right");
    let plan = Some("free".to_owned());
    let request = PlanRequest { plan, ..PlanRequest::default() };
    let acme = "acme".parse().expect("an account");
    let mut account = open::open(&acme, &request, id(0), &catalog, None, now).expect("opened");
    let named = PlanRequest { plan: None, ..request };
    let latest = |account: &Account| plan::change(account, &named, id(9), &catalog, None, now);
    assert_eq!(latest(&account), Ok(Made::Already(id(0))));
    for number in [1, 2] {
        let terms = PlanTerms { plan: "pro".to_owned(), ..account.plan_state.terms.clone() };
        let (next, at, entry) = (None, now, id(number));
        let change = PendingChange::Plan { terms, next, restart: false, at, entry };
        account.pending_changes.push(change);
    }
    assert_eq!(latest(&account), Ok(Made::Already(id(2))));
}

#[tokio::test]
async fn a_change_of_gate_debt_or_plan_is_found_and_a_late_record_changes_nothing() {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    stack.open("acme", "pro").await;
    stack.open("other", "pro").await;
    let (_, session) = shop.buy("acme", "buy", "starter").await;
    let all = stack.balance("acme").await.text("/available").to_owned();
    assert_eq!(stack.debit("acme", "all", &all).await.status, 201);
    let late = stack.streams.oldest("Accounts", 100);
    stack.relay().await;
    assert_eq!(found(stack, "debt=true").await, Vec::<String>::new());
    shop.act(&session, Effect::Dispute).await;
    stack.relay().await;
    assert_eq!(found(stack, "debt=true").await, ["acme"]);
    let listed = stack.get("/v1/accounts?q=acme").await;
    assert_eq!(listed.text("/accounts/0/debt"), "500");
    let reason = r#"{"reason":"abuse"}"#;
    assert_eq!(stack.post("/v1/accounts/other/freeze", "f", reason).await.status, 201);
    assert_eq!(put(stack, "other", "free", json!({ "plan": "free" })).await.status, 201);
    stack.relay().await;
    assert_eq!(found(stack, "gate=account_frozen").await, ["other"]);
    assert_eq!(found(stack, "plan=free").await, ["other"]);
    // Records of the time before the dispute come again.
    let again = stack.mappings.invoke("relay", &json!({ "Records": late })).await;
    assert_eq!(again.expect("an answer")["batchItemFailures"], json!([]));
    assert_eq!(found(stack, "debt=true").await, ["acme"]);
    assert_eq!(found(stack, "gate=account_frozen").await, ["other"]);
}

#[tokio::test]
async fn a_debit_writes_nothing_to_the_directory() {
    let stack = Stack::streamed().await;
    stack.open("acme", "pro").await;
    stack.relay().await;
    stack.wire.take_costs();
    assert_eq!(stack.debit("acme", &stack.id(0).to_string(), "1").await.status, 201);
    stack.relay().await;
    assert_eq!(stack.wire.take_costs().write_units, 1.0);
}

#[tokio::test]
async fn a_stripe_customer_and_a_payment_find_their_account() {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    for account in ["acme", "other"] {
        stack.open(account, "pro").await;
    }
    let (order, _) = shop.buy("acme", "buy", "starter").await;
    let payment = stack.get(&format!("/v1/payments/{order}")).await;
    let intent = payment.text("/id");
    assert!(intent.starts_with("pi_"), "{payment:?}");
    // Relay has not run: the account has no row.
    assert_eq!(found(stack, "").await, Vec::<String>::new());
    let page = stack.get(&format!("/v1/accounts?q={intent}")).await;
    assert_eq!(page.body["accounts"][0], stack.get("/v1/accounts/acme").await.body);
    assert_eq!(found(stack, &format!("q={intent}&plan=free")).await, Vec::<String>::new());
    stack.relay().await;
    assert_eq!(found(stack, &format!("q={intent}")).await, ["acme"]);
    let read = intent.parse().expect("an intent");
    let read = stack.context().store.payment(&read, stack.context().clock.now()).await;
    let customer = read.expect("a payment").facts.customer.expect("a customer");
    assert_eq!(found(stack, &format!("q={customer}")).await, ["acme"]);
    assert_eq!(found(stack, "q=cus_unknown").await, Vec::<String>::new());
    assert_eq!(found(stack, "q=pi_unknown").await, Vec::<String>::new());
}

#[tokio::test]
async fn wrong_names_and_filters_are_refused_by_field() {
    let stack = Stack::noon().await;
    let many: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    for (body, field) in [
        (json!({ "plan": "pro", "name": "x".repeat(129) }), "name"),
        (json!({ "plan": "pro", "name": "a\nb" }), "name"),
        (json!({ "plan": "pro", "name": null }), "name"),
        (json!({ "plan": "pro", "name": " \u{a0}" }), "name"),
        (json!({ "plan": "pro", "labels": ["a", " "] }), "labels[1]"),
        (json!({ "plan": "pro", "labels": "a" }), "labels"),
        (json!({ "plan": "pro", "labels": many }), "labels"),
        (json!({ "plan": "pro", "labels": ["a", "a"] }), "labels[1]"),
        (json!({ "plan": "pro", "labels": ["a", ""] }), "labels[1]"),
        (json!({ "plan": "pro", "labels": ["x".repeat(65)] }), "labels[0]"),
    ] {
        let refused = put(&stack, "acme", "1", body.clone()).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, field), "{body}");
    }
    assert_eq!(stack.balance("acme").await.status, 404);
    for n in 0..3 {
        put(&stack, &format!("a{n}"), "1", json!({ "plan": "pro", "name": "A" })).await;
    }
    let next = stack.get("/v1/accounts?limit=1").await.text("/next_cursor").to_owned();
    assert_eq!(stack.get(&format!("/v1/accounts?cursor={next}")).await.status, 200);
    for (query, field) in [
        ("q=".to_owned(), "q"),
        ("q=%20".to_owned(), "q"),
        ("plan=".to_owned(), "plan"),
        ("gate=closed".to_owned(), "gate"),
        ("debt=yes".to_owned(), "debt"),
        ("limit=0".to_owned(), "limit"),
        ("limit=201".to_owned(), "limit"),
        ("cursor=00".to_owned(), "cursor"),
        (format!("cursor={}", &next[2..]), "cursor"),
        ("plan=a&plan=b".to_owned(), "plan"),
        ("name=acme".to_owned(), "name"),
    ] {
        let refused = stack.get(&format!("/v1/accounts?{query}")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{query}");
        assert_eq!(refused.text("/fields/0/field"), field, "{query}");
    }
}

/// The read units that docs/reference/costs-and-limits.md names.
#[tokio::test]
async fn a_search_of_a_thousand_accounts_costs_what_the_document_says() {
    let stack = Stack::noon().await;
    for n in 0..1000 {
        let name = format!("A name of 28 bytes, nr. {n:04}");
        let body = json!({ "plan": "pro", "name": name, "labels": ["region", "pilots"] });
        assert_eq!(put(&stack, &format!("account-{n:04}"), "1", body).await.status, 201);
    }
    stack.wire.take_costs();
    assert_eq!(found(&stack, "q=NR.%200999").await, ["account-0999"]);
    let costs = stack.wire.take_costs();
    println!("a search of 1 000 accounts: {costs:?}");
    assert!(costs.read_units <= 18.0, "{costs:?}");
}

//! What a limited debit costs by the number of limits in use, counted by DynamoDB's own rules.

use serde_json::json;
use shared::decide::catalog_version;
use shared::domain::CatalogFiles;

use super::capacity::{plain, tick};
use crate::support::Stack;

const DEBITS: usize = 480;

/// Puts a catalog in force whose plan `pro` limits each user per month.
async fn limit_users(stack: &Stack) {
    let mut files = CatalogFiles::built_in();
    let limits = "limits = [{ of = \"user\", per = \"month\", at_most = \"1000\" }]\n";
    let catalog = files.catalog.replacen("version = 1\n", "version = 2\n", 1);
    files.catalog =
        catalog.replacen("monthly = \"2500\"", &format!("{limits}monthly = \"2500\""), 1);
    let context = stack.context();
    let change = catalog_version::publish(&*context.catalog().await, &files, context.clock.now());
    context.store.commit(&change.expect("it follows")).await.expect("published");
    assert_eq!(context.catalog_from(2).await.version, 2);
}

#[tokio::test]
async fn a_limited_debit_costs_by_limits_in_use_one_call_and_no_read() {
    for (limits, most) in [(0, 1.2), (10, 1.25), (20, 1.35), (64, 2.3)] {
        let stack = Stack::ticking().await;
        if limits > 0 {
            limit_users(&stack).await;
        }
        plain(&stack).await;
        let debit = async |user: usize| {
            tick(&stack);
            let body = json!({ "credits": "0.123456", "user": format!("user{user:04}") });
            let id = stack.id(0).to_string();
            let debit = stack.post("/v1/accounts/acme/debits", &id, &body.to_string()).await;
            assert_eq!(debit.status, 201, "{debit:?}");
        };
        // Each count begins with a write of the subject's name, and the first debit reads the plan.
        for user in 0..limits {
            debit(user).await;
        }
        stack.wire.take_costs();
        for n in 0..DEBITS {
            debit(n % limits.max(1)).await;
        }
        let costs = stack.wire.take_costs();
        let loaded = stack.context().store.account(&"acme".parse().expect("an id")).await;
        let account = loaded.expect("an answer").expect("an account").account;
        assert_eq!(account.used.len(), limits);
        let each = costs.write_units / DEBITS as f64;
        println!("{limits} limits in use: {each:.3} write units a debit");
        assert!(each <= most, "{limits}: {each}");
        assert_eq!(costs.read_units, 0.0);
        assert_eq!(costs.calls("UpdateItem"), DEBITS + costs.calls("PutItem"));
    }
}

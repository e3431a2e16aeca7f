//! `scrip stripe connect`: the endpoint, its secret, and the event that has to arrive.

use std::collections::BTreeSet;
use std::time::Duration;

use cli::connect::{self, Connect, ConnectError, Patience};
use shared::secrets::Secret;
use shared::stripe::kinds;

use crate::support::Stack;
use crate::support::secrets_manager::Vault;
use crate::support::shop::Shop;

const ARN: &str = "StripeWebhookSecretArn";
const URL: &str = "https://api.example.com/v1/stripe/webhook";
/// Half a minute for a busy machine.
const PATIENCE: Patience = Patience { every: Duration::from_millis(20), tries: 1_500 };
const SHORT: Patience = Patience { every: Duration::from_millis(5), tries: 4 };

/// A shop whose webhook reads its secret from the vault, and a handle that may write it.
async fn shop(vault: &Vault) -> (Shop, Secret) {
    vault.put(ARN, "any-word");
    let shop = Shop::noon().await;
    let read = vault.secret(ARN, &shop.stack.roles);
    let functions = shop.stack.functions.clone();
    let functions = functions.clone().with_stripe(functions.stripe().clone(), read);
    let write = vault.secret(ARN, &shop.stack.roles);
    (Shop { stack: Stack { functions, ..shop.stack }, stripe: shop.stripe }, write)
}

/// Runs the command while Stripe sends its events. Returns what it says.
async fn run(
    shop: &Shop,
    secret: &Secret,
    replace: bool,
    patience: Patience,
) -> Result<String, ConnectError> {
    let functions = &shop.stack.functions;
    let said = std::sync::Mutex::new(String::new());
    let clock = &functions.context().clock;
    let to = Connect { stripe: functions.stripe(), url: URL, secret, replace, clock };
    let sends = async {
        loop {
            shop.stripe.deliver(functions).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        done = connect::run(to, patience, |line| {
            let mut said = said.lock().expect("no one panics with the lock");
            said.extend([line, "\n"]);
        }) => done?,
        () = sends => {}
    }
    Ok(said.into_inner().expect("no one panics with the lock"))
}

async fn endpoints(shop: &Shop) -> Vec<shared::stripe::Endpoint> {
    let functions = &shop.stack.functions;
    let now = functions.context().clock.now();
    functions.stripe().endpoints(URL, now).await.expect("a list")
}

#[tokio::test]
async fn a_new_endpoint_has_all_events_and_its_secret_is_stored() {
    let vault = Vault::default();
    let (shop, secret) = shop(&vault).await;
    let said = run(&shop, &secret, false, PATIENCE).await.expect("connected");
    let there = endpoints(&shop).await;
    let [endpoint] = &there[..] else { panic!("{there:?}") };
    assert!(endpoint.is_current);
    assert_eq!(endpoint.kinds, kinds().map(str::to_owned).collect::<BTreeSet<_>>());
    let stored = vault.text(ARN).expect("a secret");
    assert!(stored.starts_with("whsec_") && !stored.contains(' '), "one secret");
    assert!(said.contains("29 events") && said.contains("arrived"), "{said}");
    assert!(!said.contains("whsec_"), "no secret is shown");
    // And customers buy.
    shop.stack.open("acme", "free").await;
    shop.buy("acme", "buy", "starter").await;
    assert_eq!(shop.balance("acme").await.0, "525");
}

#[tokio::test]
async fn an_existing_endpoint_is_updated_and_its_secret_stays() {
    let vault = Vault::default();
    let (shop, secret) = shop(&vault).await;
    run(&shop, &secret, false, PATIENCE).await.expect("connected");
    let (stored, there) = (vault.text(ARN), endpoints(&shop).await);
    let said = run(&shop, &secret, false, PATIENCE).await.expect("connected");
    assert!(said.contains("known only when it is made"), "{said}");
    assert_eq!((vault.text(ARN), endpoints(&shop).await), (stored, there));
}

#[tokio::test]
async fn a_replaced_endpoint_is_deleted_before_an_event_is_awaited() {
    let vault = Vault::default();
    let (shop, secret) = shop(&vault).await;
    run(&shop, &secret, false, PATIENCE).await.expect("connected");
    let (earlier, before) = (vault.text(ARN).expect("a secret"), endpoints(&shop).await);
    shop.stack.set_clock("2026-11-18T12:01:00Z");
    run(&shop, &secret, true, PATIENCE).await.expect("connected");
    let stored = vault.text(ARN).expect("secrets");
    let both: Vec<&str> = stored.split(' ').collect();
    assert!(both.len() == 2 && both[0] != earlier && both[1] == earlier, "the new one first");
    let after = endpoints(&shop).await;
    assert!(after.len() == 1 && after[0].id != before[0].id, "{after:?}");
}

#[tokio::test]
async fn an_endpoint_whose_secret_cannot_be_stored_is_deleted_again() {
    let vault = Vault::default();
    let (shop, secret) = shop(&vault).await;
    vault.refuse_writes();
    let failed = run(&shop, &secret, false, PATIENCE).await.expect_err("not stored");
    assert!(failed.to_string().contains("deleted again"), "{failed}");
    assert_eq!(endpoints(&shop).await, []);
    assert_eq!(vault.text(ARN).as_deref(), Some("any-word"));
}

#[tokio::test]
async fn an_event_that_the_webhook_refuses_is_said_to_wait() {
    let vault = Vault::default();
    let (shop, secret) = shop(&vault).await;
    run(&shop, &secret, false, PATIENCE).await.expect("connected");
    vault.put(ARN, "whsec_of_another_endpoint");
    shop.stack.set_clock("2026-11-18T12:10:00Z");
    let failed = run(&shop, &secret, false, SHORT).await.expect_err("it does not arrive");
    let says = failed.to_string();
    assert!(says.contains("1 endpoints have not accepted") && says.contains("--replace"), "{says}");
}

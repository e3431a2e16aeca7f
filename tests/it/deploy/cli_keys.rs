//! `scrip keys`: makes, lists and revokes service keys, on a local stack and on a deployed one.

use local::service_key::LocalKey;
use serde_json::Value;

use super::cli::{at, listening, on, scrip};
use super::cli_stack::InAws;
use crate::support::canary::SERVICE_KEYS;
use crate::support::shop::Shop;

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:service-AbCdEf";
const DOOR: &str = "https://door.example.com";

/// A local stack that takes service keys, at an address.
async fn local() -> (Shop, String) {
    let shop = Shop::noon().await;
    shop.stack.open("acme", "pro").await;
    let key = LocalKey { secret: SERVICE_KEYS.to_owned(), token: String::new() };
    let base = listening(&shop, |served| served.key = Some(key)).await;
    (shop, base)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_printed_once_works_at_once_and_is_listed_until_it_is_revoked() {
    let (shop, base) = local().await;
    let create = ["keys", "create", "--name", "web", "--scope", "read,spend", "--account", "acme"];
    let made = on(&base, &create).await;
    let token = made.strip_suffix('\n').expect("a line");
    assert!(token.starts_with("scrip_sk_test.") && !token.contains(char::is_whitespace), "{made}");
    let stack = &shop.stack;
    let balance = "/v1/accounts/acme/balance";
    assert_eq!(stack.by_key(token, "GET", balance, "").await.status, 200);
    let listed = on(&base, &["keys", "list"]).await;
    assert!(!listed.contains("scrip_sk_") && listed.lines().count() == 2, "{listed}");
    let listed = json(&on(&base, &["keys", "list", "--json"]).await);
    let one = &listed["keys"][0];
    assert_eq!((&one["name"], &one["state"]), (&"web".into(), &"active".into()));
    assert_eq!(one["scopes"], serde_json::json!(["spend", "read"]));
    assert_eq!((&one["account"], &one["prefix"]), (&"acme".into(), &Value::Null));
    let id = one["id"].as_str().expect("an id");
    // Nobody is there to say yes.
    let asked = scrip(&[&*at(&base), "keys", "revoke", id], &[]).await;
    assert_eq!(asked.code, Some(2), "{asked:?}");
    let revoked = json(&on(&base, &["keys", "revoke", id, "--yes", "--json"]).await);
    assert_eq!(revoked["state"], "revoked");
    // A second time is the same.
    let again = json(&on(&base, &["keys", "revoke", id, "--yes", "--json"]).await);
    assert_eq!(again, revoked);
    stack.set_clock("2026-11-18T12:02:00Z");
    assert_eq!(stack.by_key(token, "GET", balance, "").await.code(), "key_refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_words_of_keys_are_named_and_make_nothing() {
    let (_, base) = local().await;
    let refused = async |words: &[&str], part: &str| {
        let create = [&*at(&base), "keys", "create", "--name", "web"];
        let ended = scrip(&[&create[..], words].concat(), &[]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.complains.contains(part), "{part}: {ended:?}");
    };
    refused(&[], "--scope").await;
    refused(&["--scope", "spend,grant"], "one of spend, read, sessions, refund, accounts").await;
    refused(&["--scope", "spend", "--expires", "401d"], "1h to 400d").await;
    refused(&["--scope", "spend", "--expires", "0h"], "1h to 400d").await;
    refused(&["--scope", "spend", "--prefix", "a b"], "letters, digits").await;
    refused(&["--scope", "spend", "--prefix", "a", "--account", "a"], "cannot be used with").await;
    assert_eq!(on(&base, &["keys", "list"]).await, "");
    let unknown = ["keys", "revoke", "01a20132-08b8-798a-966a-d864feea52cf", "--yes"];
    let ended = scrip(&[&[&*at(&base)], &unknown[..]].concat(), &[]).await;
    assert!(ended.code == Some(1) && ended.complains.contains("there is no key"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployed_stack_says_where_its_secret_is_and_whether_it_takes_keys() {
    let there = InAws::start().await;
    let create = ["keys", "create", "--name", "web", "--scope", "spend", "--json"];
    let without = there.run(&create).await;
    assert!(without.complains.contains("ServiceKeys=true"), "{without:?}");
    {
        let mut known = there.aws.known();
        known.parameters.insert("ServiceKeys".to_owned(), "true".to_owned());
        known.outputs.insert("ServiceSecretArn".to_owned(), ARN.to_owned());
        known.outputs.insert("ServiceUrl".to_owned(), DOOR.to_owned());
        known.secrets.insert(ARN.to_owned(), SERVICE_KEYS.to_owned());
        // `KeyAccess` allows no more than what is asked here.
        known.denied = Some("ListStackResources".to_owned());
    }
    let made = json(&there.on(&create).await);
    assert_eq!(made["url"], DOOR);
    let token = made["key"].as_str().expect("a key");
    there.stack.open("acme", "pro").await;
    let debit = there.stack.by_key(token, "POST", "/v1/accounts/acme/debits", r#"{"credits":"1"}"#);
    assert_eq!(debit.await.status, 201);
    let services: Vec<_> = there.aws.known().services.iter().cloned().collect();
    assert_eq!(services, ["cloudformation", "secretsmanager"]);
    let nowhere = scrip(&["keys", "list"], &there.operator()).await;
    assert_eq!(nowhere.code, Some(2), "{nowhere:?}");
}

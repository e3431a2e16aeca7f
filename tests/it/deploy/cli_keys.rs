//! `scrip keys`: makes, lists and revokes service keys, on a local stack and on a deployed one.

use local::service_key::LocalKey;
use serde_json::Value;
use shared::command::service_key;
use shared::domain::OperationId;
use shared::domain::service_key::{KeyLimit, KeyScope, LONGEST_KEY, ServiceKey};

use super::cli::{at, listening, on, scrip, told};
use super::cli_stack::InAws;
use crate::support::canary::SERVICE_KEYS;
use crate::support::instant;
use crate::support::service_keys::sealed;
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
    let token = ["keys", "revoke", "scrip_sk_test.AAAA", "--yes"];
    let ended = scrip(&[&[&*at(&base)], &token[..]].concat(), &[]).await;
    assert!(ended.code == Some(2) && ended.complains.contains("standard input"), "{ended:?}");
    let nothing = told(&[&*at(&base), "keys", "revoke", "-", "--yes"], &[], "scrip_sk_x\n").await;
    assert!(nothing.code == Some(2) && !nothing.complains.contains("scrip_sk_x"), "{nothing:?}");
    assert_eq!(on(&base, &["keys", "list"]).await, "");
}

/// After a restore, and with a stolen secret, keys are valid that no list has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_no_list_has_is_revoked_by_its_id_or_by_itself() {
    let (shop, base) = local().await;
    let now = instant("2026-11-18T12:00:00Z");
    let key = |random| ServiceKey {
        id: OperationId::mint(now, [random; 10]),
        name: "stolen".to_owned(),
        scopes: vec![KeyScope::Read],
        limit: KeyLimit::All,
        issued_at: now,
        expires_at: now + LONGEST_KEY,
    };
    let balance = "/v1/accounts/acme/balance";
    let (first, second) = (key(1), key(2));
    let [by_first, by_second] = [&first, &second].map(|key| sealed(key, SERVICE_KEYS));
    assert_eq!(shop.stack.by_key(&by_first, "GET", balance, "").await.status, 200);
    let revoke = async |named: &str, input: &str| {
        let words = [&*at(&base), "keys", "revoke", named, "--yes", "--json"];
        let ended = told(&words, &[], input).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        (json(&ended.says), ended.complains)
    };
    let (one, said) = revoke(&first.id.to_string(), "").await;
    assert!(said.contains("is not in the list"), "{said}");
    let (other, _) = revoke("-", &format!("{by_second}\n")).await;
    assert_eq!(
        (&one["id"], &other["id"]),
        (&first.id.to_string().into(), &second.id.to_string().into())
    );
    // A second time nothing is written, and nothing is said.
    assert_eq!(revoke("-", &by_first).await, (one.clone(), String::new()));
    assert_eq!(
        json(&on(&base, &["keys", "list", "--json"]).await)["keys"],
        Value::from(vec![one, other])
    );
    // To the end of the longest life that it can have.
    for at in ["2026-11-18T12:02:00Z", "2027-12-23T11:59:00Z"] {
        shop.stack.set_clock(at);
        for token in [&by_first, &by_second] {
            let answer = shop.stack.by_key(token, "GET", balance, "").await;
            assert_eq!(answer.code(), "key_refused", "{at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_says_which_keys_end_soon_and_which_the_secret_seals_no_more() {
    let (shop, base) = local().await;
    let create = ["keys", "create", "--name", "web", "--scope", "read", "--expires"];
    for life in ["400d", "31d", "30d"] {
        on(&base, &[&create[..], &[life]].concat()).await;
    }
    let now = shop.stack.context().clock.now();
    let old = ServiceKey {
        id: OperationId::mint(now, [9; 10]),
        name: "old".to_owned(),
        scopes: vec![KeyScope::Read],
        limit: KeyLimit::All,
        issued_at: now,
        expires_at: now + LONGEST_KEY,
    };
    let store = &shop.stack.context().store;
    service_key::put(store, &old, "2025").await.expect("written");
    shop.stack.set_clock("2026-11-18T13:00:00Z");
    let listed = json(&on(&base, &["keys", "list", "--json"]).await);
    let listed = listed["keys"].as_array().expect("keys");
    let mut states: Vec<_> = listed
        .iter()
        .map(|one| ["sealed_by", "state"].map(|name| one[name].as_str().expect("a text")))
        .collect();
    states.sort_unstable();
    let expected =
        [["2025", "replaced"], ["test", "active"], ["test", "active"], ["test", "ends_soon"]];
    assert_eq!(states, expected);
    assert!(on(&base, &["keys", "list"]).await.contains("sealed by"));
}

/// `acme` begins `acme2`, which may be another tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_without_an_end_is_warned_of() {
    let (_, base) = local().await;
    for (prefix, warned) in [("acme", true), ("eu-2", true), ("acme-", false), ("a:", false)] {
        let create = ["keys", "create", "--name", "web", "--scope", "read", "--prefix", prefix];
        let ended = scrip(&[&[&*at(&base)], &create[..]].concat(), &[]).await;
        let warns = ended.complains.contains(&format!("{prefix} begins {prefix}2 too"));
        assert_eq!((ended.code, warns), (Some(0), warned), "{ended:?}");
        assert_eq!(ended.says.lines().count(), 1);
    }
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

//! Service keys: what a key allows, when it ends, and what a function does that cannot check one.
//!
//! Which routes and accounts a key is for, and that a wrong key learns nothing, is in `tenancy`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::command;
use shared::domain::OperationId;
use shared::domain::instant::Span;
use shared::domain::service_key::{KeyLimit, KeyScope, LONGEST_KEY, RevokedKey, ServiceKey};
use shared::service_key::{self, KeyFault, ServiceKeys};
use shared::session::{Scope, Session};
use shared::token::{Audience, Keys, SealError};

use crate::support::canary::SERVICE_KEYS;
use crate::support::log::Log;
use crate::support::secrets_manager::Vault;
use crate::support::service_keys::{event, sealed};
use crate::support::wire::Fault;
use crate::support::{KEYS, PUBLIC_URL, Stack, answer, instant, lambda, request};

/// A token of a key with a scope that a later version may have, sealed with [`SERVICE_KEYS`].
const OF_A_LATER_VERSION: &str = "scrip_sk_test.\
    AaIBMgi4eYqWathk_upSzzu5kT8Pt2VG7ZhwgBsGWX__RQYdNO9ePWkKIURl7IpQGoiPjqs1XOAAjQ\
    uPG2siA2cbP6S302cddpWdBUK4PNxk4Lki20kSy0g9QodVJbtc7AldfJgjMHX8xQK4cvsUNy06Yp16\
    GAvc_NtBqUKsxKI";
const DEBITS: &str = "/v1/accounts/acme/debits";
const BALANCE: &str = "/v1/accounts/acme/balance";
const CREDIT: &str = r#"{"credits":"1"}"#;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A deployed stack with an account, and a key with these scopes for every account.
async fn with_key(scopes: &[KeyScope]) -> (Stack, ServiceKey, String) {
    let open = Stack::noon().await;
    open.open("acme", "pro").await;
    let stack = open.deployed();
    let key = stack.key(scopes, KeyLimit::All).await;
    let token = sealed(&key, SERVICE_KEYS);
    (stack, key, token)
}

#[test]
fn a_token_opens_until_its_end_with_the_key_that_sealed_it_and_for_its_audience() {
    let now = instant("2026-11-18T12:00:00Z");
    let id = OperationId::mint(now, [7; 10]);
    let prefix = KeyLimit::Prefix("acme-".to_owned());
    let account = KeyLimit::Account("auth0|64f0".parse().expect("an account"));
    let keys = Keys::parse(SERVICE_KEYS).expect("keys");
    for limit in [KeyLimit::All, account, prefix] {
        let (issued_at, expires_at) = (now, now + Span::from_s(60));
        let (name, scopes) = ("web".to_owned(), KeyScope::ALL.to_vec());
        let key = ServiceKey { id, name, scopes, limit, issued_at, expires_at };
        let token = keys.seal_key(&key);
        assert_eq!(
            (keys.open_key(&token, now), keys.seal_key(&key)),
            (Ok(key.clone()), token.clone())
        );
        let at = |s| keys.open_key(&token, now + Span::from_s(s)).err();
        assert_eq!(
            (at(59), at(60), at(-6)),
            (None, Some(KeyFault::Expired(id)), Some(KeyFault::Early))
        );
        // No key of ours lives so long: it was not made by this program.
        let long = ServiceKey { expires_at: now + LONGEST_KEY + Span::from_s(1), ..key };
        assert_eq!(keys.open_key(&keys.seal_key(&long), now), Err(KeyFault::Early));
    }
    let session = Session {
        id,
        account: "acme".parse().expect("an account"),
        subject: "ada".to_owned(),
        scopes: vec![Scope::View, Scope::Buy],
        return_url: "https://app.example.com/".to_owned(),
        currency: None,
        locale: None,
        issued_at: now,
        expires_at: now + Span::from_s(60),
    };
    // Even where both secrets are the same, and the prefix is changed.
    for audience in [Audience::Link, Audience::Page, Audience::Widget] {
        let token = keys.seal(&session, audience);
        assert_eq!(keys.open_key(&token, now), Err(SealError::Malformed.into()));
        let changed = token.replace(audience.prefix(), Audience::Service.prefix());
        assert_eq!(keys.open_key(&changed, now), Err(SealError::Forged.into()));
    }
    assert_eq!(
        Keys::parse(KEYS).expect("keys").open_key("scrip_sk_", now),
        Err(SealError::Malformed.into())
    );
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_minute() {
    let (stack, key, token) = with_key(&[KeyScope::Read]).await;
    let other = sealed(&stack.key(&[KeyScope::Read], KeyLimit::All).await, SERVICE_KEYS);
    let ask = async |token: &str| stack.by_key(token, "GET", BALANCE, "").await.status;
    assert_eq!(ask(&token).await, 200);
    let now = stack.context().clock.now();
    command::service_key::revoke(&stack.context().store, &key, now).await.expect("revoked");
    // A function that has read the list a moment ago does not know yet.
    stack.set_clock("2026-11-18T12:00:50Z");
    assert_eq!(ask(&token).await, 200);
    stack.set_clock("2026-11-18T12:02:00Z");
    assert_eq!((ask(&token).await, ask(&other).await), (401, 200));
    // One that has read none refuses it at once.
    assert_eq!(stack.deployed().by_key(&token, "GET", BALANCE, "").await.code(), "key_refused");
    // The list is short: what has ended by itself is not read.
    let store = &stack.context().store;
    let later = key.expires_at + Span::from_s(10);
    let ids = [store.revoked_keys(now).await, store.revoked_keys(later).await];
    let ids = ids.map(|read| read.expect("read"));
    assert_eq!(ids, [BTreeSet::from([key.id]), BTreeSet::new()]);
    let listed = store.service_keys().await.expect("listed").keys;
    let revoked = listed.iter().filter_map(|one| Some((one.key.id, one.revoked?)));
    let (expires_at, at) = (key.expires_at, Some(now));
    let of_key = RevokedKey { id: key.id, expires_at, at };
    assert_eq!((listed.len(), revoked.collect()), (2, vec![(key.id, of_key)]));
}

/// A row that nobody can read neither shuts the door nor brings a revoked key back.
#[tokio::test]
async fn a_broken_row_of_revoked_keys_refuses_its_own_key_alone() {
    let (stack, key, token) = with_key(&[KeyScope::Read]).await;
    let other = sealed(&stack.key(&[KeyScope::Read], KeyLimit::All).await, SERVICE_KEYS);
    let revoked = format!("revoked#{:015}#{}", key.expires_at.ms(), key.id);
    // The first says what is revoked and not when, and the second nothing. The third is no such
    // row: a list without an upper bound would have it.
    for sort in [revoked.as_str(), "revoked#999999999999999#none", "sealed#1"] {
        let put = stack.tables().put_item().table_name(local::tables::names().ledger);
        let put = put.item("a", text("#keys")).item("s", text(sort)).item("ra", text("never"));
        put.send().await.expect("put");
    }
    let log = Log::default();
    let listening = log.listen();
    let ask = async |token: &str| stack.by_key(token, "GET", BALANCE, "").await.status;
    assert_eq!((ask(&token).await, ask(&other).await), (401, 200));
    drop(listening);
    assert_eq!(log.text().matches("a row of service keys cannot be read").count(), 1);
    let list = stack.context().store.service_keys().await.expect("listed");
    let revoked = list.keys.iter().filter(|one| one.revoked.is_some()).map(|one| one.key.id);
    assert_eq!((list.keys.len(), revoked.collect()), (2, vec![key.id]));
    assert_eq!(list.unlisted, vec![]);
}

/// A caller takes 401 for the end of its key. While a later version is on trial, the one before it
/// meets keys that it cannot read.
#[tokio::test]
async fn a_key_of_a_later_version_is_unavailable_and_not_refused() {
    let (stack, ..) = with_key(&[KeyScope::Read]).await;
    let answer = stack.by_key(OF_A_LATER_VERSION, "GET", BALANCE, "").await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"));
    assert!(answer.headers.contains_key("retry-after"));
    // Its id can be read from it, without any secret.
    let id = OperationId::parse("01a20132-08b8-798a-966a-d864feea52cf");
    assert_eq!((service_key::id_of(OF_A_LATER_VERSION), id.is_some()), (id, true));
    assert_eq!(service_key::id_of("scrip_sk_test.AAAA"), None);
}

#[tokio::test]
async fn a_key_that_is_over_is_named_where_it_is_still_used() {
    let (stack, revoked, by_revoked) = with_key(&[KeyScope::Read]).await;
    let now = stack.context().clock.now();
    command::service_key::revoke(&stack.context().store, &revoked, now).await.expect("revoked");
    let ended = stack.key(&[KeyScope::Read], KeyLimit::All).await;
    let ended = ServiceKey { expires_at: now, ..ended };
    let by_ended = sealed(&ended, SERVICE_KEYS);
    for (key, token, why) in [(revoked, by_revoked, "is revoked"), (ended, by_ended, "has expired")]
    {
        let log = Log::default();
        let listening = log.listen();
        let answer = stack.by_key(&token, "GET", BALANCE, "").await;
        assert_eq!(answer.code(), "key_refused");
        drop(listening);
        assert!(log.text().contains(&format!("the key {} {why}", key.id)), "{}", log.text());
        let emitted = stack.emitted.lock().expect("no one panics with the lock").clone();
        let over: Vec<_> = emitted.iter().filter(|line| line["KeysOver"] == 1).collect();
        let last = over.last().expect("a count");
        assert_eq!((&last["key"], &last["KeysRefused"]), (&json!(key.id), &json!(1)));
    }
    // Nobody else can say that a key is over.
    let forged = stack.by_key("scrip_sk_test.AAAA", "GET", BALANCE, "").await;
    assert_eq!(forged.code(), "key_refused");
    let emitted = stack.emitted.lock().expect("no one panics with the lock").clone();
    assert_eq!(emitted.iter().filter(|line| !line["KeysOver"].is_null()).count(), 2);
}

/// The wire of the stack loses every query as long as this is set.
fn queries_fail(stack: &Stack) -> Arc<AtomicBool> {
    let fail = Arc::new(AtomicBool::new(true));
    let asked = fail.clone();
    stack.wire.set_policy(move |operation, _| {
        let lost = operation == "Query" && asked.load(Ordering::Relaxed);
        if lost { Fault::LoseRequest } else { Fault::None }
    });
    fail
}

#[tokio::test]
async fn a_list_that_cannot_be_read_again_stays_for_half_an_hour() {
    let (stack, _, token) = with_key(&[KeyScope::Read]).await;
    let fails = queries_fail(&stack);
    let ask = async || stack.by_key(&token, "GET", BALANCE, "").await;
    // Never read: the key may be valid, so it is not said to be wrong.
    let unread = ask().await;
    assert_eq!((unread.status, unread.code()), (503, "unavailable"));
    assert!(unread.headers.contains_key("retry-after"));
    fails.store(false, Ordering::Relaxed);
    assert_eq!(ask().await.status, 200);
    fails.store(true, Ordering::Relaxed);
    stack.set_clock("2026-11-18T12:29:00Z");
    assert_eq!(ask().await.status, 200);
    stack.set_clock("2026-11-18T12:31:00Z");
    assert_eq!(ask().await.code(), "unavailable");
    fails.store(false, Ordering::Relaxed);
    assert_eq!(ask().await.status, 200);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_refuses_no_key_and_a_rotated_one_is_read_again() {
    let (stack, key, token) = with_key(&[KeyScope::Read]).await;
    let vault = Vault::default();
    let stack = stack
        .with_service_keys(Some(ServiceKeys::new(vault.secret("ServiceSecret", &stack.roles))));
    let ask = async |token: &str| stack.by_key(token, "GET", BALANCE, "").await;
    assert_eq!(ask(&token).await.code(), "unavailable");
    vault.put("ServiceSecret", SERVICE_KEYS);
    stack.set_clock("2026-11-18T12:00:11Z");
    assert_eq!(ask(&token).await.status, 200);
    let rotated = r#"{"id":"2","key":"another key, which is as long as it has to be",
        "previous":{"id":"test","key":"a key of service keys, as long as it has to be"}}"#;
    vault.put("ServiceSecret", rotated);
    stack.set_clock("2026-11-18T12:00:30Z");
    let new = sealed(&key, rotated);
    assert_eq!((ask(&new).await.status, ask(&token).await.status), (200, 200));
    // Strangers with tokens of unknown keys cause few reads.
    vault.take_reads();
    for _ in 0..20 {
        assert_eq!(ask("scrip_sk_other.AAAA").await.status, 401);
    }
    assert!(vault.take_reads() <= 1);
}

/// The function looks at what the gateway says, not at the door: an event without a signer needs a
/// key, and one with a signer none.
#[tokio::test]
async fn a_request_without_a_signer_and_without_a_key_is_refused_at_any_door() {
    let (stack, _, token) = with_key(&KeyScope::ALL).await;
    let body = json!({ "credits": "1" });
    let ask = async |stack: &Stack, authorization: Option<&str>, iam: Option<&str>| {
        let mut event = event("POST", DEBITS, authorization, &body);
        if let Some(arn) = iam {
            event["requestContext"]["authorizer"] = json!({ "iam": { "userArn": arn } });
        }
        let answer = lambda::invoke(stack.context(), event).await;
        (answer["statusCode"].clone(), answer["body"].as_str().unwrap_or_default().to_owned())
    };
    let bearer = format!("Bearer {token}");
    let (without, none) = (stack.without_keys(), ask(&stack, None, None).await);
    assert_eq!(none.0, 401);
    assert!(none.1.contains(r#""code":"key_refused""#), "{none:?}");
    let signature = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE, Signature=00";
    for (stack, authorization) in [
        (&stack, Some("Bearer scrip_sk_test.AAAA")),
        (&stack, Some("Bearer ")),
        (&stack, Some("Basic c2NyaXA6c2NyaXA=")),
        // A signature that nobody has checked.
        (&stack, Some(signature)),
        // The right key, where the stack takes none.
        (&without, Some(bearer.as_str())),
        (&without, None),
    ] {
        assert_eq!(ask(stack, authorization, None).await, none, "{authorization:?}");
    }
    assert_eq!(
        stack
            .context()
            .store
            .account(&"acme".parse().expect("an account"))
            .await
            .expect("read")
            .expect("there")
            .account
            .seq,
        1
    );
    assert_eq!(ask(&stack, Some(&bearer), None).await.0, 201);
    let ada = Some("arn:aws:iam::123456789012:user/ada");
    for stack in [&stack, &without] {
        assert_eq!(ask(stack, Some(signature), ada).await.0, 201);
    }
    // A direct invocation has no request around it: IAM has let its sender through.
    let payload = json!({ "account": "acme", "id": "direct", "credits": "1" });
    assert_eq!(lambda::invoke(without.context(), payload).await["credits"], "1");
}

#[tokio::test]
async fn a_key_and_a_signature_share_the_idempotency_keys_and_a_refund_names_the_key() {
    let (stack, key, token) = with_key(&KeyScope::ALL).await;
    let open = Stack { functions: stack.functions.clone(), ..stack.clone() };
    let first = stack.by_key(&token, "POST", DEBITS, CREDIT).await;
    assert_eq!(first.status, 201, "{first:?}");
    let mut signed = event("POST", DEBITS, None, &json!({ "credits": "1" }));
    signed["headers"]["idempotency-key"] = json!("by key");
    let ada = json!({ "iam": { "userArn": "arn:aws:iam::123456789012:user/ada" } });
    signed["requestContext"]["authorizer"] = ada;
    let signed = lambda::request_of(&signed).expect("a request");
    let again = answer(debit::handle(open.context(), signed).await);
    assert_eq!((again.replayed, again.body), (true, first.body.clone()));
    let refund = format!("{DEBITS}/{}/refund", first.text("/id"));
    let refunded =
        stack.by_key(&token, "POST", &refund, r#"{"credits":"1","reason":"black"}"#).await;
    assert_eq!(refunded.status, 201, "{refunded:?}");
    let ledger = stack.by_key(&token, "GET", "/v1/accounts/acme/ledger?limit=1", "").await;
    assert_eq!(ledger.text("/entries/0/actor"), format!("key:{}", key.id));
    let put = stack.by_key(&token, "PUT", "/v1/accounts/new", r#"{"plan":"free"}"#).await;
    assert_eq!(put.status, 201, "{put:?}");
}

#[tokio::test]
async fn a_session_that_a_key_makes_leads_to_the_customers_page() {
    let (stack, _, token) = with_key(&[KeyScope::Sessions]).await;
    let body = json!({ "subject": "ada", "return_url": "https://app.example.com/" });
    let sessions = "/v1/accounts/acme/sessions";
    let bearer = format!("Bearer {token}");
    for (configured, begins) in
        [(Some(PUBLIC_URL.to_owned()), PUBLIC_URL), (None, "https://first.example.com")]
    {
        let mut context = stack.context().clone();
        context.config.public_url = configured;
        let request = lambda::request_of(&event("POST", sessions, Some(&bearer), &body));
        let made = answer(balance::handle(&context, request.expect("a request")).await);
        let url = made.text("/url");
        assert!(url.starts_with(&format!("{begins}/enter?t=")), "{}", made.status);
    }
}

/// Canaries look for a key in every line, metric and answer of every test; here the lines are read.
#[tokio::test]
async fn the_log_and_the_metrics_name_a_key_by_its_id_and_never_hold_it() {
    let (stack, key, token) = with_key(&[KeyScope::Read]).await;
    let log = Log::default();
    let listening = log.listen();
    assert_eq!(stack.by_key(&token, "GET", BALANCE, "").await.status, 200);
    let forged = format!("{token}A");
    assert_eq!(stack.by_key(&forged, "GET", BALANCE, "").await.code(), "key_refused");
    assert_eq!(stack.by_key(&token, "POST", DEBITS, CREDIT).await.code(), "scope_required");
    drop(listening);
    let text = log.text();
    assert!(text.contains("a service key is not accepted"), "{text}");
    assert!(!text.contains("scrip_sk_"), "{text}");
    let emitted = stack.emitted.lock().expect("no one panics with the lock").clone();
    let lines: Vec<String> = emitted.iter().map(ToString::to_string).collect();
    assert!(lines.iter().all(|line| !line.contains("scrip_sk_")), "{lines:?}");
    let by_key = lines.iter().filter(|line| line.contains(&format!(r#""key":"{}""#, key.id)));
    // The balance; the refusal for lack of a scope, and its code.
    assert_eq!(by_key.count(), 3, "{lines:#?}");
    let count = |metric: &str| {
        emitted.iter().filter_map(|line| line.get(metric)).filter_map(|n| n.as_u64()).sum::<u64>()
    };
    // A stranger can raise the first two; only the last is a known caller's.
    assert_eq!((count("KeysRefused"), count("StrangersRefused"), count("Refusals")), (1, 1, 1));
}

#[tokio::test]
async fn without_a_gateway_a_request_needs_no_key_but_a_key_must_be_right() {
    let open = Stack::noon().await;
    open.open("acme", "pro").await;
    assert_eq!(open.balance("acme").await.status, 200);
    let key = open.key(&[KeyScope::Read], KeyLimit::All).await;
    let token = sealed(&key, SERVICE_KEYS);
    assert_eq!(open.by_key(&token, "GET", BALANCE, "").await.status, 200);
    assert_eq!(open.by_key("scrip_sk_test", "GET", BALANCE, "").await.code(), "key_refused");
    let grants = "/v1/accounts/acme/grants";
    let refused = open.by_key(&token, "POST", grants, r#"{"credits":"1","reason":"x"}"#).await;
    assert_eq!((refused.status, refused.text("/scope")), (403, "operator"));
    let ask = async |sent: &[&str]| {
        let mut asked = request("GET", BALANCE, None, "");
        for value in sent {
            asked.headers_mut().append("authorization", value.parse().expect("a header"));
        }
        open.send(asked).await.status
    };
    let signature = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE, Signature=00";
    assert_eq!((ask(&[]).await, ask(&[signature]).await), (200, 200));
    // What a deployed stack would refuse: a key that is sent badly, or not at all.
    let bearer = format!("Bearer: {token}");
    for sent in [&[token.as_str()][..], &[&bearer], &["Bearer"], &["Basic c2M6"], &[""]] {
        assert_eq!(ask(sent).await, 401, "{sent:?}");
    }
    assert_eq!(ask(&[signature, "Bearer scrip_sk_test"]).await, 401);
}

//! The parsers alone: thousands of cases a second.

use crate::support::catalogs::files;
use std::fmt::Debug;

use serde_json::{Value, json};
use shared::domain::catalog::Pricing;
use shared::domain::service_key::{KeyLimit, KeyScope, ServiceKey};
use shared::domain::{AccountId, Catalog, Credits, Instant, Key, OperationId};
use shared::http::cursor::{self, PaymentList};
use shared::query::ledger::From;
use shared::session::{Scope, Session};
use shared::store::packed;
use shared::stripe::signature;
use shared::token::{Audience, Keys};

use super::{Cases, stack};
use crate::support::canary::SERVICE_KEYS;
use crate::support::{KEYS, instant};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn mutated_keys_and_ids_are_read_safely() {
    let samples = texts(&[
        "01a20132-08af-7fb3-8350-6bdcd05e3b83",
        "01JQZ3V9K4T8W2X7YB5M6N0ABC",
        "job 7",
        "acme_01JQZ3V9K4T8W2X7YB5M6N0",
    ]);
    let mut cases = Cases::of("keys and ids");
    while let Some(mut mutator) = cases.next() {
        let text = mutator.text(&samples);
        let printable = text.chars().all(|c| (' '..='~').contains(&c));
        let key = text.parse::<Key>();
        assert_eq!(key.is_ok(), printable && (1..=255).contains(&text.len()), "{text:?}");
        if let Ok(key) = key {
            // At most capitals are folded, and a folded key stays the same.
            assert!(key.as_str().eq_ignore_ascii_case(&text), "{text:?} is {key:?}");
            assert_eq!(key.as_str().parse(), Ok(key.clone()));
            // A key that is an id has one spelling only, and is never one of Scrip's own ids.
            if let Some(id) = key.id() {
                let ulid = ulid::Ulid::from_bytes(*id.bytes()).to_string();
                let canonical = [id.to_string(), ulid];
                assert!(canonical.iter().any(|c| c == key.as_str()), "{text:?} is {id}");
                assert!(!id.is_own(), "{id}");
                cases.deep += 1;
            }
        }
        if let Some(id) = OperationId::parse(&text) {
            assert_eq!(OperationId::parse(&id.to_string()), Some(id));
        }
        let id = OperationId::from_bytes(mutator.random());
        assert_eq!(OperationId::parse(&id.to_string()), Some(id));
        if let Ok(account) = text.parse::<AccountId>() {
            assert_eq!(account.as_str(), text);
            assert!(!text.contains('#'), "{text:?} is a key of another kind");
        }
    }
}

#[test]
fn mutated_amounts_and_times_are_read_safely() {
    let samples = texts(&[
        "0.5",
        "25",
        "1000000000",
        "0.000001",
        "2026-11-18T12:00:00.000Z",
        "2026-11-18T12:00:00+05:30",
        "1970-01-01T00:00:00Z",
    ]);
    let mut cases = Cases::of("amounts and times");
    while let Some(mut mutator) = cases.next() {
        let text = mutator.text(&samples);
        if let Ok(credits) = text.parse::<Credits>() {
            assert!((Credits::ZERO..=Credits::MAX).contains(&credits), "{text:?}");
            assert_eq!(credits.to_string().parse(), Ok(credits));
            cases.deep += 1;
        }
        if let Some(at) = Instant::parse(&text) {
            assert_eq!(Instant::parse(&at.to_string()), Some(at), "{text:?}");
            cases.deep += 1;
        }
    }
}

#[test]
fn mutated_cursors_are_read_safely() {
    let [mine, other] = ["acme", "acm"].map(|name| name.parse::<AccountId>().expect("an id"));
    let mut cases = Cases::of("cursors");
    while let Some(mut mutator) = cases.next() {
        let first = mutator.below(usize::MAX) as u64;
        let time = Instant::from_ms(mutator.below(1 << 48) as i64);
        let segment = Some((time, first)).filter(|(_, first)| *first > 0);
        let from = From { below: mutator.below(usize::MAX) as u64, segment };
        let sealed = cursor::seal(&from, &mine);
        assert_eq!(cursor::open(&sealed, &mine), Some(from));
        assert_eq!(cursor::open(&sealed, &other), None);
        assert_eq!(cursor::open_payment(&sealed, PaymentList::Parked), None, "it is of a ledger");
        let text = mutator.text(&[sealed.clone(), cursor::seal(&from, &other)]);
        if let Some(opened) = cursor::open(&text, &mine) {
            assert_eq!(text, sealed, "a changed cursor is opened");
            assert_eq!(cursor::seal(&opened, &mine), text);
            cases.deep += 1;
        }
    }
}

#[test]
fn mutated_catalogs_are_read_safely() {
    let samples = texts(&[Catalog::DEFAULT]);
    let mut cases = Cases::of("catalogs");
    while let Some(mut mutator) = cases.next() {
        let text = mutator.text(&samples);
        let Ok(catalog) = Catalog::parse(&files(&*text)) else { continue };
        cases.deep += 1;
        // A valid catalog can price each action, up to its limit and beyond.
        for (name, action) in &catalog.actions {
            let Pricing::Unit(unit) = &action.pricing else { continue };
            for quantity in [0, 1, unit.limit, unit.limit.saturating_add(1), u64::MAX] {
                let price = catalog.price(name, quantity);
                assert_eq!(price.is_ok(), !action.retired && quantity <= unit.limit, "{text}");
            }
        }
    }
}

#[test]
fn mutated_tokens_are_read_safely() {
    let keys = Keys::parse(KEYS).expect("keys");
    let now = instant("2026-11-18T12:00:00Z");
    let session = |(id, account): (u8, &str)| Session {
        id: OperationId::from_bytes([id; 16]),
        account: account.parse().expect("an account"),
        subject: "ada".to_owned(),
        scopes: vec![Scope::View],
        return_url: "https://app.example.com/".to_owned(),
        currency: None,
        locale: None,
        issued_at: now,
        expires_at: Instant::from_ms(now.ms() + 60_000),
    };
    let tokens: Vec<String> =
        [(7, "acme"), (8, "rival")].map(|one| keys.seal(&session(one), Audience::Widget)).to_vec();
    let secret =
        texts(&[KEYS, r#"{"id":"b","key":"0123456789abcdef0123456789abcdef","previous":{}}"#]);
    let mut cases = Cases::of("tokens");
    while let Some(mut mutator) = cases.next() {
        let text = mutator.text(&tokens);
        match keys.open(&text, Audience::Widget, now) {
            Ok(read) => {
                assert!(tokens.contains(&text), "a changed token is believed: {text}");
                assert_eq!(keys.seal(&read, Audience::Widget), text);
                cases.deep += 1;
            }
            Err(_) => assert!(!tokens.contains(&text), "{text}"),
        }
        let _ = Keys::parse(&mutator.text(&secret));
    }
}

#[test]
fn mutated_service_keys_are_read_safely() {
    let keys = Keys::parse(SERVICE_KEYS).expect("keys");
    let now = instant("2026-11-18T12:00:00Z");
    let key = |(id, limit): (u8, KeyLimit)| ServiceKey {
        id: OperationId::from_bytes([id; 16]),
        name: "web".to_owned(),
        scopes: vec![KeyScope::Spend],
        limit,
        issued_at: now,
        expires_at: Instant::from_ms(now.ms() + 60_000),
    };
    let limits = [(7, KeyLimit::All), (8, KeyLimit::Prefix("acme".to_owned()))];
    let tokens = limits.map(|one| keys.seal_key(&key(one))).to_vec();
    let mut cases = Cases::of("service keys");
    while let Some(mut mutator) = cases.next() {
        let text = mutator.text(&tokens);
        match keys.open_key(&text, now) {
            Ok(read) => {
                assert!(tokens.contains(&text), "a changed key is believed: {text}");
                assert_eq!(keys.seal_key(&read), text);
                cases.deep += 1;
            }
            Err(_) => assert!(!tokens.contains(&text), "{text}"),
        }
    }
}

#[test]
fn mutated_signatures_are_read_safely() {
    let now = instant("2026-11-18T12:00:00Z");
    let secrets = ["whsec_new", "whsec_old"];
    let body = br#"{"id":"evt_1","object":"event","type":"charge.refunded"}"#.to_vec();
    let headers = secrets.map(|secret| signature::sign(&body, secret, now));
    let (time, first) = headers[0].split_once(",v1=").expect("two parts");
    let second = headers[1].split_once(",v1=").expect("two parts").1;
    let both = format!("{time},v1={first},v1={second},v0=ab");
    let samples = [headers[0].clone(), headers[1].clone(), both];
    let mut cases = Cases::of("signatures");
    while let Some(mut mutator) = cases.next() {
        let header = mutator.text(&samples);
        let sent = if mutator.below(2) == 0 {
            body.clone()
        } else {
            mutator.bytes(std::slice::from_ref(&body))
        };
        if signature::verify(&header, &sent, &secrets, now).is_ok() {
            // In a valid header every part that matters is unchanged.
            let fits = |part: &str| header.split(',').any(|p| p.strip_prefix("v1=") == Some(part));
            assert_eq!(sent, body, "a changed body is believed");
            assert!(header.split(',').any(|part| part == time), "{header}");
            assert!(fits(first) || fits(second), "a changed signature is believed: {header}");
            cases.deep += 1;
        }
    }
}

/// A mutated sample that can be read is written and read
/// again as the same value, in the same bytes.
fn round<T: PartialEq + Debug>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, packed::PackedError>,
    write: impl Fn(&T) -> Vec<u8>,
) -> u64 {
    let Ok(value) = read(bytes) else { return 0 };
    let canonical = write(&value);
    let again = read(&canonical).unwrap_or_else(|e| panic!("{value:?} cannot be read back: {e}"));
    assert_eq!(again, value, "{bytes:?}");
    assert_eq!(write(&again), canonical, "{value:?}");
    1
}

#[tokio::test]
async fn mutated_packed_rows_are_read_safely() {
    let on = stack().await;
    for n in 0..30 {
        let body = format!(r#"{{"credits":"{n}.25","user":"ada","reference":"job {n}"}}"#);
        on.post("/v1/accounts/acme/debits", &format!("job {n}"), &body).await;
        on.post("/v1/accounts/acme/holds", &format!("hold {n}"), r#"{"credits":"1"}"#).await;
        on.grant("acme", &format!("grant {n}"), "3").await;
    }
    on.relay().await;
    let mut samples: Vec<Vec<u8>> = Vec::new();
    let names = local::tables::names();
    for table in [names.accounts, names.ledger] {
        let scanned = on.wire.past(&json!({ "TableName": table }), "Scan");
        scanned["Items"]
            .as_array()
            .expect("items")
            .iter()
            .for_each(|item| binary(item, &mut samples));
    }
    assert!(samples.len() > 50, "{} samples", samples.len());
    let id = OperationId::from_bytes([7; 16]);
    let mut cases = Cases::of("packed rows");
    while let Some(mut mutator) = cases.next() {
        let bytes = mutator.bytes(&samples);
        cases.deep += round(&bytes, |b| packed::read_entry(id, b), packed::entry)
            + round(&bytes, packed::read_entries, |entries| packed::entries(entries))
            + round(&bytes, packed::read_burn_order, packed::burn_order)
            + round(&bytes, packed::read_pending_change, packed::pending_change)
            + round(&bytes, |b| packed::read_hold_terms(b, Credits::ZERO, 0), packed::hold_terms)
            + u64::from(packed::read_whole_hold(&bytes).is_ok())
            + round(&bytes, packed::read_standing, packed::plan_state)
            + round(&bytes, packed::read_usage, packed::usage);
    }
}

/// Every binary value inside of an item.
fn binary(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get("B") {
                found.push(aws_smithy_types::base64::decode(text).expect("base64"));
            }
            fields.values().for_each(|value| binary(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| binary(value, found)),
        _ => {}
    }
}

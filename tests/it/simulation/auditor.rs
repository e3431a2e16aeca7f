//! The auditor: rebuilds every account from what was asked and answered, and from the ledger as it
//! is read over HTTP. It shares no code with `decide`: amounts are whole micro-credits of its own,
//! weeks are counted by hand, grants are a list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// One request and its answer, as a client saw them. Times are of the simulation, in ms.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub key: String,
    /// Micro-credits of a debit (less than 0) or a grant; 0 for what moves none.
    pub credits: i64,
    pub sent_ms: i64,
    pub answered_ms: i64,
    /// None: no answer came.
    pub answer: Option<(u16, bool, Value)>,
}

const DAY_MS: i64 = 86_400_000;

pub fn micro(value: &Value) -> i64 {
    let text = value.as_str().expect("credits are a text");
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let decimals: i64 = format!("{decimals:0<6}").parse().expect("decimals");
    sign * (whole.parse::<i64>().expect("whole credits") * 1_000_000 + decimals)
}

fn ms(value: &Value) -> i64 {
    let text = value.as_str().expect("a time is a text");
    shared::domain::Instant::parse(text).expect("a time").ms()
}

/// A grant as the auditor sees it: what is left of it and when it is gone.
#[derive(Clone, Debug)]
struct Grant {
    id: String,
    left: i64,
    gone_ms: i64,
}

/// Checks one account. `entries` are its ledger, the first entry first.
///
/// # Panics
/// With what is wrong.
pub fn audit(account: &str, entries: &[Value], exchanges: &[Exchange], balance: &Value) -> usize {
    let mut available = 0;
    let mut grants: Vec<Grant> = Vec::new();
    let mut by_key: BTreeMap<&str, &Value> = BTreeMap::new();
    let (mut frozen, mut no_plan) = (false, false);
    for (entry, expected) in entries.iter().zip(1..) {
        assert_eq!(entry["seq"], Value::from(expected), "{account}: a gap or a repeat");
        let change = micro(&entry["available"]);
        available += change;
        assert!(available >= 0, "{account}: below zero: {entry}");
        assert_eq!(micro(&entry["balance"]["available"]), available, "{account}: {entry}");
        let at = ms(&entry["at"]);
        for moved in entry["moved"].as_array().into_iter().flatten() {
            apply(account, &mut grants, moved, at);
        }
        match entry["kind"].as_str().expect("a kind") {
            "granted" => grants.push(Grant {
                id: entry["id"].to_string(),
                left: change,
                gone_ms: entry.get("expires_at").filter(|e| !e.is_null()).map_or(i64::MAX, ms),
            }),
            "debit" => {
                assert!(!frozen && !no_plan, "{account}: spent while the gate was closed: {entry}");
                burn(account, &mut grants, -change, at);
            }
            "frozen" => frozen = true,
            "unfrozen" => frozen = false,
            "plan_changed" => {
                no_plan = entry["plan"] == "standard" || entry["status"] == "canceled";
            }
            _ => {}
        }
        let left: i64 = grants.iter().map(|grant| grant.left).sum();
        assert_eq!(left, available, "{account}: the grants do not sum to the balance: {entry}");
        let key = entry.get("key").unwrap_or(&entry["id"]).as_str().expect("a key");
        if entry["kind"] != "settled" {
            assert!(by_key.insert(key, entry).is_none(), "{account}: {key} happened twice");
        }
    }
    let mut unpaged = by_key.clone();
    let asked: BTreeMap<&str, i64> =
        exchanges.iter().map(|e| (e.key.as_str(), e.credits)).collect();
    unpaged.retain(|key, entry| asked.get(key) != Some(&micro(&entry["available"])));
    unpaged.retain(|_, entry| entry["kind"] != "opened");
    assert!(unpaged.is_empty(), "{account}: nobody asked for {unpaged:?}");
    acknowledged(account, exchanges, &by_key);
    assert!(micro(&balance["available"]) >= 0);
    entries.len()
}

/// Every receipt is an entry, and the order of the entries does not contradict the order in time.
fn acknowledged(account: &str, exchanges: &[Exchange], by_key: &BTreeMap<&str, &Value>) {
    let mut receipts: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut refused: BTreeMap<&str, u16> = BTreeMap::new();
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    let mut firsts = Vec::new();
    for exchange in exchanges {
        let key = exchange.key.as_str();
        let Some((status, replayed, body)) = &exchange.answer else {
            unknown.insert(key);
            continue;
        };
        match status {
            201 => {}
            503 => {
                unknown.insert(key);
                continue;
            }
            status => {
                refused.insert(key, *status);
                continue;
            }
        }
        let entry = by_key.get(key);
        let entry = entry.unwrap_or_else(|| panic!("{account}: {key} has a receipt and no entry"));
        assert_eq!(body["seq"], entry["seq"], "{account}: {key}");
        assert_eq!(body["id"], entry["id"], "{account}: {key}");
        assert_eq!(body["at"], entry["at"], "{account}: {key}");
        assert_eq!(body["balance"], entry["balance"], "{account}: {key}");
        let first = receipts.entry(key).or_insert(body);
        assert_eq!(*first, body, "{account}: {key} has two receipts");
        if !replayed {
            let seq = body["seq"].as_u64().expect("a number");
            firsts.push((seq, exchange.sent_ms, exchange.answered_ms));
        }
    }
    for (key, status) in refused {
        // Unless an attempt before it was given up: that one may have arrived after the refusal.
        let applied = by_key.contains_key(key) && !receipts.contains_key(key);
        assert!(
            !applied || unknown.contains(key),
            "{account}: {key} was refused ({status}) and done"
        );
    }
    // Whoever was answered before another asked comes before it.
    firsts.sort();
    let mut latest_sent = i64::MIN;
    for (seq, sent_ms, answered_ms) in firsts {
        assert!(answered_ms >= latest_sent, "{account}: entry {seq} is out of order");
        latest_sent = latest_sent.max(sent_ms);
    }
}

/// What time did: a grant of a period arrives in its period, and lapses at its end and whole.
fn apply(account: &str, grants: &mut Vec<Grant>, moved: &Value, at_ms: i64) {
    let (id, credits) = (moved["grant"].to_string(), micro(&moved["credits"]));
    if credits > 0 {
        let gone_ms = ms(&moved["expires_at"]);
        assert!(gone_ms > at_ms, "{account}: {moved} arrived after its end, at {at_ms}");
        if moved["kind"] == "weekly" {
            // 1970-01-05 was a Monday.
            assert_eq!((gone_ms - 4 * DAY_MS) % (7 * DAY_MS), 0, "{account}: {moved}");
            assert!(gone_ms - at_ms <= 7 * DAY_MS, "{account}: {moved}");
        } else {
            assert_eq!(gone_ms % DAY_MS, 0, "{account}: {moved}");
            assert!(gone_ms - at_ms <= 31 * DAY_MS, "{account}: {moved}");
        }
        match grants.iter_mut().find(|grant| grant.id == id) {
            Some(grant) => grant.left += credits,
            None => grants.push(Grant { id, left: credits, gone_ms }),
        }
        return;
    }
    let place = grants.iter().position(|grant| grant.id == id);
    let grant = grants.remove(place.unwrap_or_else(|| panic!("{account}: {moved} was not there")));
    assert_eq!(grant.left, -credits, "{account}: {moved} lapsed in part");
    assert!(grant.gone_ms <= at_ms, "{account}: {moved} lapsed early");
}

/// A debit takes from what goes soonest, and never from what was gone by its own clock.
fn burn(account: &str, grants: &mut Vec<Grant>, credits: i64, at_ms: i64) {
    let gone = grants.iter().find(|grant| grant.gone_ms <= at_ms);
    assert!(gone.is_none(), "{account}: a debit at {at_ms} while {gone:?} was still there");
    let mut rest = credits;
    // All grants of the simulation are free; those that go together are burnt oldest first.
    grants.sort_by_key(|grant| grant.gone_ms);
    for grant in grants.iter_mut() {
        let taken = grant.left.min(rest);
        grant.left -= taken;
        rest -= taken;
    }
    assert_eq!(rest, 0, "{account}: a debit of more than there was");
    grants.retain(|grant| grant.left > 0);
}

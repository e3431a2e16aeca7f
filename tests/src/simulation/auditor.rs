//! The auditor: rebuilds every account from what was asked and answered, and from the ledger as it
//! is read over HTTP. It shares no code with `decide`: amounts are whole micro-credits of its own,
//! weeks are counted by hand, grants are a list.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
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
    pub answer: Option<Answered>,
}

/// An answer: its status, whether it said that it is a replay, and its body.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub replayed: bool,
    pub body: Value,
}

/// What is wrong with an account, in words.
pub type Audited<T> = Result<T, String>;

const DAY_MS: i64 = 86_400_000;

/// Says what is wrong, unless `right`.
macro_rules! ensure {
    ($right:expr, $($wrong:tt)+) => {
        if !$right {
            return Err(format!($($wrong)+));
        }
    };
}

fn micro(value: &Value) -> Audited<i64> {
    let wrong = || format!("not credits: {value}");
    let text = value.as_str().ok_or_else(wrong)?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let decimals: i64 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
    Ok(sign * (whole.parse::<i64>().map_err(|_| wrong())? * 1_000_000 + decimals))
}

fn ms(value: &Value) -> Audited<i64> {
    let time = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    Ok(time.ok_or_else(|| format!("not a time: {value}"))?.timestamp_millis())
}

fn text(value: &Value) -> Audited<&str> {
    value.as_str().ok_or_else(|| format!("not a text: {value}"))
}

/// A grant as the auditor sees it: what is left of it and when it is gone.
#[derive(Clone, Debug)]
struct Grant {
    id: String,
    left: i64,
    gone_ms: i64,
    granted_ms: i64,
}

/// Checks one account: `entries` are its ledger, the first entry first. Returns their number.
///
/// # Errors
/// What is wrong with it.
pub fn audit(entries: &[Value], exchanges: &[Exchange], balance: &Value) -> Audited<usize> {
    let mut available = 0;
    let mut grants: Vec<Grant> = Vec::new();
    let mut by_key: BTreeMap<&str, &Value> = BTreeMap::new();
    let (mut frozen, mut no_plan) = (false, false);
    for (entry, expected) in entries.iter().zip(1..) {
        ensure!(entry["seq"] == expected, "a gap or a repeat at {expected}: {entry}");
        let change = micro(&entry["available"])?;
        available += change;
        ensure!(available >= 0, "below zero: {entry}");
        let closing = micro(&entry["balance"]["available"])?;
        ensure!(closing == available, "the changes sum to {available}: {entry}");
        let at = ms(&entry["at"])?;
        for moved in entry["moved"].as_array().into_iter().flatten() {
            apply(&mut grants, moved, at)?;
        }
        match text(&entry["kind"])? {
            "granted" => grants.push(Grant {
                id: entry["id"].to_string(),
                left: change,
                granted_ms: at,
                gone_ms: match &entry["expires_at"] {
                    Value::Null => i64::MAX,
                    expires_at => ms(expires_at)?,
                },
            }),
            "debit" => {
                ensure!(!frozen && !no_plan, "spent while the gate was closed: {entry}");
                burn(&mut grants, -change, at)?;
            }
            "frozen" => frozen = true,
            "unfrozen" => frozen = false,
            "plan_changed" => {
                no_plan = entry["plan"] == "standard" || entry["status"] == "canceled";
            }
            _ => {}
        }
        let left: i64 = grants.iter().map(|grant| grant.left).sum();
        ensure!(left == available, "the grants sum to {left}: {entry}");
        let key = text(entry.get("key").unwrap_or(&entry["id"]))?;
        if entry["kind"] != "settled" {
            ensure!(by_key.insert(key, entry).is_none(), "{key} happened twice");
        }
    }
    // What somebody asked for, by key; a key may have been sent with more than one request.
    let mut asked: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for exchange in exchanges {
        asked.entry(&exchange.key).or_default().insert(exchange.credits);
    }
    for (key, entry) in &by_key {
        let change = micro(&entry["available"])?;
        let known = asked.get(key).is_some_and(|asked| asked.contains(&change));
        ensure!(known || entry["kind"] == "opened", "nobody asked for {entry}");
    }
    acknowledged(exchanges, &by_key)?;
    // The balance is a settle ahead of the entries at most.
    let last = entries.last().map_or(0, |_| entries.len());
    ensure!(balance["seq"] == last, "the balance is of entry {}, not {last}", balance["seq"]);
    ensure!(micro(&balance["available"])? >= 0, "the balance is below zero");
    Ok(entries.len())
}

/// Every receipt is an entry, and the order of the entries does not contradict the order in time.
fn acknowledged(exchanges: &[Exchange], by_key: &BTreeMap<&str, &Value>) -> Audited<()> {
    let mut receipts: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut refused: BTreeMap<&str, &Exchange> = BTreeMap::new();
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    let mut firsts = Vec::new();
    for exchange in exchanges {
        let key = exchange.key.as_str();
        let Some(Answered { status, replayed, body }) = &exchange.answer else {
            unknown.insert(key);
            continue;
        };
        match status {
            201 => {}
            503 => {
                unknown.insert(key);
                continue;
            }
            400 | 402 | 403 => {
                refused.insert(key, exchange);
                continue;
            }
            // The key was used for something else: that is checked by its own receipt.
            422 => continue,
            status => return Err(format!("{key} was answered {status}: {body}")),
        }
        let entry = by_key.get(key).ok_or_else(|| format!("{key} has a receipt and no entry"))?;
        for field in ["seq", "id", "at", "balance"] {
            ensure!(body[field] == entry[field], "{key}: {body} is the receipt of {entry}");
        }
        let asked = exchange.credits == micro(&entry["available"])?;
        ensure!(asked || entry["kind"] == "opened", "{key}: the receipt is of something else");
        let first = receipts.entry(key).or_insert(body);
        ensure!(*first == body, "{key} has two receipts: {first} and {body}");
        if !replayed {
            let seq = body["seq"].as_u64().ok_or("a receipt has a seq")?;
            firsts.push((seq, exchange.sent_ms, exchange.answered_ms));
        }
    }
    for (key, exchange) in refused {
        // Unless an attempt before it was given up: that one may have arrived after the refusal.
        let applied = by_key.get(key).is_some_and(|entry| {
            micro(&entry["available"]) == Ok(exchange.credits) && !receipts.contains_key(key)
        });
        ensure!(!applied || unknown.contains(key), "{key} was refused and done: {exchange:?}");
    }
    // Whoever was answered before another asked comes before it.
    firsts.sort_unstable();
    let mut latest_sent = i64::MIN;
    for (seq, sent_ms, answered_ms) in firsts {
        ensure!(answered_ms >= latest_sent, "entry {seq} is out of order");
        latest_sent = latest_sent.max(sent_ms);
    }
    Ok(())
}

/// What time did: a grant of a period arrives in its period, and lapses at its end and whole.
fn apply(grants: &mut Vec<Grant>, moved: &Value, at_ms: i64) -> Audited<()> {
    let (id, credits) = (moved["grant"].to_string(), micro(&moved["credits"])?);
    if credits > 0 {
        let gone_ms = ms(&moved["expires_at"])?;
        ensure!(gone_ms > at_ms, "{moved} arrived after its end, at {at_ms}");
        if moved["kind"] == "weekly" {
            // 1970-01-05 was a Monday.
            ensure!((gone_ms - 4 * DAY_MS) % (7 * DAY_MS) == 0, "not a Monday: {moved}");
            ensure!(gone_ms - at_ms <= 7 * DAY_MS, "more than a week: {moved}");
        } else {
            ensure!(gone_ms % DAY_MS == 0, "not midnight: {moved}");
            ensure!(gone_ms - at_ms <= 31 * DAY_MS, "more than a month: {moved}");
        }
        match grants.iter_mut().find(|grant| grant.id == id) {
            Some(grant) => grant.left += credits,
            None => grants.push(Grant { id, left: credits, gone_ms, granted_ms: at_ms }),
        }
        return Ok(());
    }
    let place = grants.iter().position(|grant| grant.id == id);
    let grant = grants.remove(place.ok_or_else(|| format!("{moved} was not there"))?);
    ensure!(grant.left == -credits, "{} was left of {moved}", grant.left);
    ensure!(grant.gone_ms <= at_ms, "{moved} lapsed early");
    Ok(())
}

/// A debit takes from what goes soonest, and never from what was gone by its own clock.
fn burn(grants: &mut Vec<Grant>, credits: i64, at_ms: i64) -> Audited<()> {
    let gone = grants.iter().find(|grant| grant.gone_ms <= at_ms);
    ensure!(gone.is_none(), "a debit at {at_ms} while {gone:?} was still there");
    let mut rest = credits;
    // All grants of the simulation are free; those that go together are burnt oldest first: by the
    // stamps of their handlers, not by their numbers.
    grants.sort_by(|one, two| {
        (one.gone_ms, one.granted_ms, &one.id).cmp(&(two.gone_ms, two.granted_ms, &two.id))
    });
    for grant in grants.iter_mut() {
        let taken = grant.left.min(rest);
        grant.left -= taken;
        rest -= taken;
    }
    ensure!(rest == 0, "a debit of more than there was");
    grants.retain(|grant| grant.left > 0);
    Ok(())
}

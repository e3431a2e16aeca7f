//! `ledger` and `usage`: where the credits of an account went.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::domain::{AccountId, Credits};

use super::fields::{credits, or_dash, signed, text};
use crate::api::{Api, limited, path};
use crate::counter;
use crate::options::operator::Ledger;
use crate::terminal::{Side, Table, put, put_json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Prints the entries of an account.
///
/// # Errors
/// If the API refuses a filter, or there is no such account.
pub(super) async fn ledger(api: &Api, asked: Ledger) -> Result<(), Error> {
    let Ledger { account, since, until, action, model, user, kind, csv: is_csv, print } = asked;
    let path = path(&["v1", "accounts", account.as_str(), "ledger"]);
    let query = limited(&[
        ("from", since.map(|moment| moment.start().to_string())),
        ("to", until.map(|moment| moment.end().to_string())),
        ("action", action),
        ("model", model),
        ("user", user),
        ("kind", kind),
    ]);
    if is_csv {
        return csv(api, &path, &query).await;
    }
    let counter = counter("entries");
    let told = |found| counter.set_position(u64::try_from(found).unwrap_or(u64::MAX));
    let mut entries = api.all(&path, &query, "entries", told).await?;
    counter.finish_and_clear();
    if print.json {
        return Ok(put_json(&json!({ "entries": entries }))?);
    }
    entries.reverse();
    put(format_args!("{}{} entries\n", listed(&entries), entries.len()))?;
    let used = used(&entries);
    match used.is_empty() {
        true => Ok(()),
        false => Ok(put(format_args!("\n{}", sums(&used)))?),
    }
}

/// Prints the API's CSV of all pages, as one file.
async fn csv(api: &Api, path: &str, query: &crate::api::Query<'_>) -> Result<(), Error> {
    let (counter, mut cursor, mut is_first) = (counter("lines"), None, true);
    loop {
        let page = [query, &[("cursor", cursor)]].concat();
        let answered = api.read(path, &page, &[("accept", "text/csv")]).await?;
        let text = answered.text();
        // Each page has a heading, and the first also a byte order mark.
        let rows = if is_first { text.as_str() } else { without_heading(&text) };
        put(rows)?;
        counter.inc(u64::try_from(rows.lines().count()).unwrap_or_default());
        is_first = false;
        cursor = answered.header("next-cursor").map(str::to_owned);
        if cursor.is_none() {
            counter.finish_and_clear();
            return Ok(());
        }
    }
}

fn without_heading(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rows)| rows)
}

fn listed(entries: &[Value]) -> Table {
    let columns = [
        ("SEQ", Side::Right),
        ("AT", Side::Left),
        ("KIND", Side::Left),
        ("CHANGE", Side::Right),
        ("AVAILABLE", Side::Right),
        ("HELD", Side::Right),
        ("ID", Side::Left),
        ("ABOUT", Side::Left),
    ];
    let mut table = Table::new(&columns);
    for entry in entries {
        let seq = match entry["pending"].as_bool() {
            Some(true) => "now".to_owned(),
            _ => text(&entry["seq"]),
        };
        let balance = &entry["balance"];
        table.row([
            seq,
            text(&entry["at"]),
            text(&entry["kind"]),
            signed(&entry["available"]),
            text(&balance["available"]),
            text(&balance["held"]),
            text(&entry["id"]),
            about(entry),
        ]);
    }
    table
}

/// What an entry says beside its amounts.
fn about(entry: &Value) -> String {
    let mut parts = Vec::new();
    let quantity = text(&entry["quantity"]);
    let action = text(&entry["action"]);
    if !action.is_empty() {
        parts.push(format!("{quantity} {action}").trim_start().to_owned());
    }
    let model = text(&entry["model"]);
    if !model.is_empty() {
        parts.push(format!("{model}{}", counts(&entry["meters"])));
    }
    for name in ["plan", "grant", "grant_id", "hold", "debit", "order", "cause"] {
        let value = text(&entry[name]);
        if !value.is_empty() {
            parts.push(format!("{name} {value}"));
        }
    }
    for name in ["beyond", "uncharged"] {
        if entry[name].is_string() {
            parts.push(format!("{} {name}", credits(&entry[name])));
        }
    }
    for part in entry["parts"].as_array().into_iter().flatten() {
        let kind = text(&part["kind"]);
        let cause = text(&part["cause"]);
        parts.push(format!("{} {kind} {cause}", signed(&part["credits"])).trim().to_owned());
    }
    if entry["debt"].is_string() {
        parts.push(format!("debt {}", signed(&entry["debt"])));
    }
    for (name, word) in [("user", "user"), ("reference", "ref"), ("actor", "actor")] {
        let value = text(&entry[name]);
        if !value.is_empty() {
            parts.push(format!("{word} {value}"));
        }
    }
    for (name, before) in [("reason", ""), ("message", "to the customer: ")] {
        if let Some(value) = entry[name].as_str() {
            parts.push(format!("{before}\"{value}\""));
        }
    }
    parts.join(", ")
}

/// What a call of a model consumed, by meter. A refund says none.
fn counts(meters: &Value) -> String {
    let counts = meters.as_object().into_iter().flatten();
    counts.map(|(meter, count)| format!(" {meter}={count}")).collect()
}

/// What was consumed, and how often, by action and user.
type Used = BTreeMap<(String, String), (Credits, u64)>;

/// Debits and captures, less refunds: as the API counts usage.
fn used(entries: &[Value]) -> Used {
    let mut used = Used::new();
    for entry in entries {
        let (amount, count) = match entry["kind"].as_str() {
            Some("debit") => (-credits(&entry["available"]), 1),
            Some("captured") => (credits(&entry["credits"]), 1),
            Some("refunded") => (-credits(&entry["credits"]), 0),
            _ => continue,
        };
        let of = (or_dash(&entry["action"]), or_dash(&entry["user"]));
        let sum = used.entry(of).or_default();
        sum.0 += amount;
        sum.1 += count;
    }
    used
}

fn sums(used: &Used) -> Table {
    let columns = [
        ("ACTION", Side::Left),
        ("USER", Side::Left),
        ("CREDITS", Side::Right),
        ("TIMES", Side::Right),
    ];
    let mut table = Table::new(&columns);
    for ((action, user), (credits, times)) in used {
        table.row([action.clone(), user.clone(), credits.to_string(), times.to_string()]);
    }
    let (credits, times) = used.values().fold((Credits::ZERO, 0), |sum, one| {
        let (credits, times) = *one;
        (sum.0 + credits, sum.1 + times)
    });
    table.row(["all".to_owned(), String::new(), credits.to_string(), times.to_string()]);
    table
}

/// Prints the usage of an account.
///
/// # Errors
/// If the API refuses the days, or there is no such account.
pub(super) async fn usage(
    api: &Api,
    account: &AccountId,
    days: (Option<shared::domain::period::Day>, Option<shared::domain::period::Day>),
    is_json: bool,
) -> Result<(), Error> {
    let path = path(&["v1", "accounts", account.as_str(), "usage"]);
    let (since, until) = days;
    // The API's `to` is the day after the last.
    let to = until.map(|day| day.plus(1).to_string());
    let usage = api.get(&path, &[("from", since.map(|day| day.to_string())), ("to", to)]).await?;
    if is_json {
        return Ok(put_json(&usage)?);
    }
    let columns = [
        ("DAY", Side::Left),
        ("ACTION", Side::Left),
        ("MODEL", Side::Left),
        ("USER", Side::Left),
        ("CREDITS", Side::Right),
        ("TIMES", Side::Right),
    ];
    let mut table = Table::new(&columns);
    for day in usage["days"].as_array().into_iter().flatten() {
        let list = |name: &str| day[name].as_array().cloned().unwrap_or_default();
        let amounts = |one: &Value| [text(&one["credits"]), text(&one["count"])];
        for one in list("actions") {
            let named = [text(&day["day"]), or_dash(&one["action"]), String::new(), String::new()];
            table.row(named.into_iter().chain(amounts(&one)));
        }
        for one in list("models") {
            let of = [or_dash(&one["action"]), or_dash(&one["model"])];
            let named = [text(&day["day"])].into_iter().chain(of).chain([String::new()]);
            table.row(named.chain(amounts(&one)));
        }
        for one in list("users") {
            let user = match one["others"].as_bool() {
                Some(true) => "others".to_owned(),
                _ => or_dash(&one["user"]),
            };
            let named = [text(&day["day"]), String::new(), String::new(), user];
            table.row(named.into_iter().chain(amounts(&one)));
        }
    }
    let [credits, from, to] = ["credits", "from", "to"].map(|name| text(&usage[name]));
    Ok(put(format_args!("{table}{credits} credits from {from} to the day before {to}\n"))?)
}

//! `grant`, `grants revoke`, `refund` and `debt waive`: changes of an account's credits.

use serde_json::{Value, json};
use shared::domain::{AccountId, Credits};

use super::change::{self, Change, posted};
use super::fields::{credits, text};
use crate::api::{Api, limited, path};
use crate::counter;
use crate::options::how::{Amount, Because, How, OfAccount};
use crate::options::operator::Grant;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Puts credits into an account.
///
/// # Errors
/// If the API refuses it, or it is not confirmed.
pub(super) async fn grant(api: &Api, asked: Grant) -> Result<(), Error> {
    let Grant { account, credits, reference, expires, promotional, because, how } = asked;
    let path = path(&["v1", "accounts", account.as_str(), "grants"]);
    let change = Change::post(path, format!("grant {credits} credits to {account}"), &because)
        .with("credits", Some(json!(credits)))
        .with("kind", promotional.then(|| json!("promotional")))
        .with("reference", reference.map(Value::from))
        .with("expires_at", expires.map(|moment| json!(moment.end())));
    let done = |made: &Value| format!("granted {credits} to {account}: {}", posted(made));
    change::print(api, &change, &how, done).await
}

/// Takes back what is left of a grant.
///
/// # Errors
/// If the API refuses it, or it is not confirmed.
pub(super) async fn revoke(
    api: &Api,
    account: &AccountId,
    grant: &str,
    because: &Because,
    how: &How,
) -> Result<(), Error> {
    let path = path(&["v1", "accounts", account.as_str(), "grants", grant, "revoke"]);
    let change = Change::post(path, format!("revoke grant {grant} of {account}"), because);
    let done = |made: &Value| match text(&made["credits"]).as_str() {
        "0" => format!("nothing was free of grant {grant}: {}", posted(made)),
        taken => format!("revoked {taken} of grant {grant}: {}", posted(made)),
    };
    change::print(api, &change, how, done).await
}

/// A refund of a debit.
pub(super) struct Refund {
    pub(super) account: AccountId,
    pub(super) debit: String,
    pub(super) amount: Amount,
    pub(super) reference: Option<String>,
}

/// Gives back what a debit or a capture charged, or part of it.
///
/// # Errors
/// If the API refuses it, or it is not confirmed.
pub(super) async fn refund(
    api: &Api,
    asked: Refund,
    because: &Because,
    how: &How,
) -> Result<(), Error> {
    let Refund { account, debit, amount, reference } = asked;
    let credits = match amount {
        Amount::Credits(credits) => credits,
        Amount::All => charged(api, &account, &debit, how.key.as_deref()).await?,
    };
    let path = path(&["v1", "accounts", account.as_str(), "debits", &debit, "refund"]);
    let says = format!("refund {credits} credits of {debit} to {account}");
    let change = Change::post(path, says, because)
        .with("credits", Some(json!(credits)))
        .with("reference", reference.map(Value::from));
    let done = |made: &Value| {
        format!("returned {} of {credits} to {account}: {}", text(&made["returned"]), posted(made))
    };
    change::print(api, &change, how, done).await
}

/// What a debit or a capture charged, less what was refunded of it: by the ledger, from its latest
/// entry back to the debit. A refund with `key` does not count: it is the one that is repeated.
async fn charged(
    api: &Api,
    account: &AccountId,
    debit: &str,
    key: Option<&str>,
) -> Result<Credits, Error> {
    let path = path(&["v1", "accounts", account.as_str(), "ledger"]);
    let (counter, mut cursor, mut returned) = (counter("entries"), None, Credits::ZERO);
    loop {
        let mut page = api.get(&path, &limited(&[("cursor", cursor)])).await?;
        for entry in page["entries"].as_array().into_iter().flatten() {
            counter.inc(1);
            let is = |name: &str, text: &str| entry[name].as_str() == Some(text);
            let repeated = key.is_some_and(|key| is("key", key) || is("id", key));
            if is("kind", "refunded") && is("debit", debit) && !repeated {
                returned += credits(&entry["credits"]);
            }
            if !is("id", debit) {
                continue;
            }
            counter.finish_and_clear();
            let charged = match entry["kind"].as_str() {
                Some("debit") => -credits(&entry["available"]),
                Some("captured") => credits(&entry["credits"]),
                kind => {
                    let kind = kind.unwrap_or("of another kind");
                    return Err(format!("{debit} is no debit and no capture: it is {kind}").into());
                }
            };
            return match charged - returned {
                left if left.is_zero() => Err(format!("{debit} is refunded already").into()),
                left => Ok(left),
            };
        }
        cursor = page["next_cursor"].take().as_str().map(str::to_owned);
        if cursor.is_none() {
            return Err(format!("the account {account} has no entry {debit}").into());
        }
    }
}

/// Cancels an account's debt.
///
/// # Errors
/// If the API refuses it, or it is not confirmed.
pub(super) async fn waive(api: &Api, asked: OfAccount) -> Result<(), Error> {
    let OfAccount { account, because, how } = asked;
    let path = path(&["v1", "accounts", account.as_str(), "debt", "waive"]);
    let change = Change::post(path, format!("waive the debt of {account}"), &because);
    let done =
        |made: &Value| format!("waived {} of {account}: {}", text(&made["credits"]), posted(made));
    change::print(api, &change, &how, done).await
}

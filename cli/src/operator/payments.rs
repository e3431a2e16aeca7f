//! `payments`: from a payment to its account and back, and what is decided about parked ones.

use serde_json::{Value, json};

use super::change::{self, Change};
use super::fields::{or_dash, text};
use crate::api::{Api, path};
use crate::options::how::OfPayment;
use crate::options::operator::PaymentsCommand;
use crate::terminal::{Side, Table, plain, put, put_json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Runs one of the commands.
///
/// # Errors
/// If the API refuses it, or a decision is not confirmed.
pub(super) async fn run(api: &Api, command: PaymentsCommand) -> Result<(), Error> {
    match command {
        PaymentsCommand::List { state, account, print } => {
            let path = match &account {
                Some(account) => path(&["v1", "accounts", account.as_str(), "payments"]),
                None => path(&["v1", "payments"]),
            };
            // The payments of one account are few, and that route has no filter.
            let (asked, kept) = if account.is_some() { (None, state) } else { (state, None) };
            let mut found = api.all(&path, &[("state", asked)], "payments", |_| ()).await?;
            found.retain(|payment| kept.as_ref().is_none_or(|state| payment["state"] == **state));
            list(&found, print.json)
        }
        PaymentsCommand::Show { id, print } => {
            let payment = api.get(&path(&["v1", "payments", &id]), &[]).await?;
            match print.json {
                true => Ok(put_json(&payment)?),
                false => show(&payment),
            }
        }
        PaymentsCommand::Release(asked) => decide(api, asked, "release").await,
        PaymentsCommand::Dismiss(asked) => decide(api, asked, "dismiss").await,
    }
}

fn list(found: &[Value], is_json: bool) -> Result<(), Error> {
    if is_json {
        return Ok(put_json(&json!({ "payments": found }))?);
    }
    let columns = [
        ("AT", Side::Left),
        ("PAYMENT", Side::Left),
        ("STATE", Side::Left),
        ("ACCOUNT", Side::Left),
        ("CREDITED", Side::Right),
        ("OF", Side::Right),
        ("PRICE", Side::Right),
        ("ABOUT", Side::Left),
    ];
    let mut table = Table::new(&columns);
    for payment in found {
        let fields = ["at", "id", "state", "account", "credited", "credits"];
        let price = format!("{} {}", text(&payment["price"]), text(&payment["currency"]));
        let price = Some(price.trim().to_owned()).filter(|price| !price.is_empty());
        let about = [price.unwrap_or_else(|| "-".to_owned()), text(&payment["problem"])];
        table.row(fields.map(|name| or_dash(&payment[name])).into_iter().chain(about));
    }
    Ok(put(format_args!("{table}{} payments\n", found.len()))?)
}

/// A payment, each field on a line of its own.
fn show(payment: &Value) -> Result<(), Error> {
    for (name, value) in payment.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    let name = format!("{name} {field}");
                    put(format_args!("{name:<22}  {}\n", plain(&or_dash(value))))?;
                }
            }
            value => put(format_args!("{name:<22}  {}\n", plain(&or_dash(value))))?,
        }
    }
    Ok(())
}

async fn decide(api: &Api, asked: OfPayment, verb: &str) -> Result<(), Error> {
    let OfPayment { id, because, how } = asked;
    let path = path(&["v1", "payments", &id, verb]);
    let change = Change::post(path, format!("{verb} {id}"), &because);
    let done = |made: &Value| {
        let (verdict, account) = (text(&made["verdict"]), text(&made["account"]));
        match account.is_empty() {
            true => format!("{verdict} {id}"),
            false => format!("{verdict} {id}: {} credited to {account}", text(&made["credited"])),
        }
    };
    change::print(api, &change, &how, done).await
}

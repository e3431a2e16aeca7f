//! `session`: a link that shows a customer the account's page.

use serde_json::{Value, json};

use super::fields::text;
use crate::api::{Api, Asked, path};
use crate::options::operator::Session;
use crate::terminal::{put, put_json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Prints the link.
///
/// # Errors
/// If there is no such account, or the address to return to is not allowed.
pub(super) async fn run(api: &Api, asked: Session) -> Result<(), Error> {
    let Session { account, subject, buy, return_url, currency, locale, expires_in, print } = asked;
    let return_url = return_url.unwrap_or_else(|| api.home().to_owned());
    let mut body = json!({ "subject": subject, "return_url": return_url });
    if buy {
        body["scopes"] = json!(["view", "buy"]);
    }
    if let Some(currency) = currency {
        body["currency"] = json!(currency);
    }
    if let Some(locale) = locale {
        body["locale"] = json!(locale.as_str());
    }
    if let Some(seconds) = expires_in {
        body["expires_in_s"] = Value::from(seconds);
    }
    let path = path(&["v1", "accounts", account.as_str(), "sessions"]);
    // Nothing is written until the link is used: no key names it, and asking again does no harm.
    let session = api.ask(&Asked { method: "POST", path: &path, body: &body }, None).await?;
    match print.json {
        true => put_json(&session)?,
        false => {
            put(format_args!("{}\n", text(&session["url"])))?;
            eprintln!("works once, until {}", text(&session["expires_at"]));
        }
    }
    Ok(())
}

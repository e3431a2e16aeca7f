//! Configuration, read from the environment that the template sets.

use crate::store::Tables;

/// The settings that differ between deployments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub tables: Tables,
    /// Where a customer can buy credits: part of every refusal for lack of credits.
    pub top_up_url: Option<String>,
    /// The origin of the customers' page, without a path: `https://credits.example.com`. None: the
    /// host that a request was sent to.
    pub public_url: Option<String>,
    /// The product's own origins: their pages may request a customer's balance, and only to them is
    /// a customer sent back.
    pub origins: Vec<String>,
    /// The secret with the session keys, in Secrets Manager. None: this function has no customers.
    pub session_keys_arn: Option<String>,
    /// The secret with the keys that seal service keys, in Secrets Manager. None: this function takes
    /// no service keys.
    pub service_keys_arn: Option<String>,
    /// Whether a service's request is answered that has neither a signer's identity nor a service
    /// key: only where there is no gateway, on a developer's machine. No variable sets it.
    pub allows_unsigned: bool,
    /// Whether customers can buy credits here: the stack has Stripe.
    pub sells: bool,
}

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {name} {problem}")]
pub struct ConfigError {
    pub name: &'static str,
    pub problem: &'static str,
}

/// A required variable of the environment.
///
/// # Errors
/// [`ConfigError`] if it is not set, or is empty.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or(ConfigError { name, problem: "is not set" })
}

impl Config {
    /// Reads the configuration with `var`, which returns the value of a variable.
    ///
    /// # Errors
    /// [`ConfigError`] names the first variable that is missing or wrong.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let var = |name| var(name).filter(|value| !value.is_empty());
        let required = |name| var(name).ok_or(ConfigError { name, problem: "is not set" });
        let tables =
            Tables { accounts: required("ACCOUNTS_TABLE")?, ledger: required("LEDGER_TABLE")? };
        let top_up_url = var("TOP_UP_URL");
        if top_up_url.as_deref().is_some_and(|url| !url.starts_with("http")) {
            return Err(ConfigError { name: "TOP_UP_URL", problem: "is not a URL" });
        }
        let public_url = var("PUBLIC_URL");
        if public_url.as_deref().is_some_and(|url| origin_of(url).as_deref() != Some(url)) {
            let problem = "is not an origin such as https://credits.example.com";
            return Err(ConfigError { name: "PUBLIC_URL", problem });
        }
        let origins = var("ALLOWED_ORIGINS").unwrap_or_default();
        let origins: Vec<String> =
            origins.split_terminator(',').map(|origin| origin.trim().to_owned()).collect();
        if origins.iter().any(|origin| origin_of(origin).as_deref() != Some(origin)) {
            let problem = "is not a list of origins such as https://app.example.com";
            return Err(ConfigError { name: "ALLOWED_ORIGINS", problem });
        }
        let session_keys_arn = var("SESSION_KEYS_ARN");
        let service_keys_arn = var("SERVICE_KEYS_ARN");
        let sells = match var("SELLS").as_deref() {
            Some("true") => true,
            Some("false") | None => false,
            Some(_) => return Err(ConfigError { name: "SELLS", problem: "is not true or false" }),
        };
        Ok(Config {
            tables,
            top_up_url,
            public_url,
            origins,
            session_keys_arn,
            service_keys_arn,
            allows_unsigned: false,
            sells,
        })
    }
}

/// The origin of a web address, as a browser writes it. None: it has none.
pub fn origin_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    Some(url.origin().ascii_serialization())
}

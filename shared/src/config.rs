//! Configuration, from the environment that the template sets.

use crate::store::Tables;

/// What differs from one deployment to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub tables: Tables,
    /// Where a customer can buy credits: said with every refusal for lack of credits.
    pub top_up_url: Option<String>,
}

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {name} {problem}")]
pub struct ConfigError {
    pub name: &'static str,
    pub problem: &'static str,
}

/// A variable of the environment that has to be set.
///
/// # Errors
/// [`ConfigError`] if it is not, or is empty.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or(ConfigError { name, problem: "is not set" })
}

impl Config {
    /// Reads the configuration with `var`, which tells the value of a variable.
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
            return Err(ConfigError { name: "TOP_UP_URL", problem: "is not a web address" });
        }
        Ok(Config { tables, top_up_url })
    }
}

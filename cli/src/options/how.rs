//! Options that several commands share.

use std::time::Duration;

use clap::Args;
use shared::domain::{AccountId, Credits};

/// A change of an account that needs no more than its reason.
#[derive(Debug, Args)]
pub struct OfAccount {
    pub account: AccountId,
    #[command(flatten)]
    pub because: Because,
    #[command(flatten)]
    pub how: How,
}

/// A decision about a parked payment.
#[derive(Debug, Args)]
pub struct OfPayment {
    /// The payment, or the event that waits.
    pub id: String,
    #[command(flatten)]
    pub because: Because,
    #[command(flatten)]
    pub how: How,
}

/// Why something is changed.
#[derive(Debug, Args)]
pub struct Because {
    /// For the company's own people.
    #[arg(long)]
    pub reason: String,
    /// For the customer.
    #[arg(long)]
    pub message: Option<String>,
}

/// How a result is printed.
#[derive(Debug, Args)]
pub struct Print {
    /// Print JSON, as one document.
    #[arg(long)]
    pub json: bool,
}

/// How a change is made.
#[derive(Debug, Args)]
pub struct How {
    /// Print the account before and after it, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// The key that an earlier run printed: what it did is not done again.
    #[arg(long)]
    pub key: Option<String>,
    /// How long it is tried while the outcome is not known.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub patience: Duration,
    /// Print the API's JSON, as one document.
    #[arg(long)]
    pub json: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<u64> = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "seconds from 1 to 3600".to_owned())
}

/// How much of a debit is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    All,
    Credits(Credits),
}

impl std::str::FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Amount, String> {
        match text {
            "all" => Ok(Amount::All),
            _ => text.parse().map(Amount::Credits).map_err(|error| format!("{error}, or `all`")),
        }
    }
}

//! The options of `scrip keys`.

use clap::{Args, Subcommand};
use shared::domain::instant::Span;
use shared::domain::service_key::{KeyScope, LONGEST_KEY, SHORTEST_KEY};
use shared::domain::{AccountId, OperationId};
use shared::token::Audience;

use super::how::Print;

/// The longest name of a key, in bytes.
const NAME_BYTES: usize = 64;

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key, and print it: this once, and never again.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod keys create --name web --scope spend,read --expires 90d")]
    Create(CreateKey),
    /// List all keys, the newest last: none of them can be printed again. A key that ends within 30
    /// days is marked.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod keys list")]
    List(Print),
    /// Revoke a key: within a minute every function refuses it. Nothing brings it back.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod keys revoke 01a20132-08b8-798a-966a-d864feea52cf")]
    Revoke {
        /// The id of the key, as the list and the ledger show it, in the list or not. `-`: read
        /// the key itself, a line of standard input, so that no shell keeps it.
        #[arg(value_parser = named)]
        id: KeyNamed,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        print: Print,
    },
}

/// How a key is named.
#[derive(Clone, Copy, Debug)]
pub enum KeyNamed {
    Id(OperationId),
    /// By its token, on standard input.
    Token,
}

#[derive(Debug, Args)]
pub struct CreateKey {
    /// What it is for, for the people who read the list.
    #[arg(long, value_parser = name)]
    pub name: String,
    /// What it may do: spend, read, sessions, refund, accounts; separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_parser = scope)]
    pub scope: Vec<KeyScope>,
    /// The one account that it is for. Default: every account.
    #[arg(long)]
    pub account: Option<AccountId>,
    /// It is for the accounts whose ids begin with this. `acme` begins `acme2` too: let it end as
    /// no other tenant's ids go on, as in `acme-`.
    #[arg(long, conflicts_with = "account", value_parser = prefix)]
    pub prefix: Option<String>,
    /// How long it is valid, in days or hours: 1h to 400d.
    #[arg(long, value_name = "TIME", default_value = "365d", value_parser = life)]
    pub expires: Span,
    #[command(flatten)]
    pub print: Print,
}

fn named(text: &str) -> Result<KeyNamed, &'static str> {
    match text {
        "-" => Ok(KeyNamed::Token),
        _ if text.starts_with(Audience::Service.prefix()) => {
            Err("a key is read from standard input alone: write `-` here")
        }
        _ => OperationId::parse(text).map(KeyNamed::Id).ok_or("not the id of a key"),
    }
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| format!("a text of 1 to {NAME_BYTES} bytes"))
}

fn scope(text: &str) -> Result<KeyScope, String> {
    KeyScope::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| {
        let known: Vec<_> = KeyScope::ALL.iter().map(|scope| scope.name()).collect();
        format!("one of {}", known.join(", "))
    })
}

/// The beginning of an account's id is itself one.
fn prefix(text: &str) -> Result<String, String> {
    let id: Result<AccountId, _> = text.parse();
    id.map(|id| id.to_string()).map_err(|error| error.to_string())
}

fn life(text: &str) -> Result<Span, String> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        _ => 0,
    };
    let life = number.parse::<u32>().ok().map(|number| Span::from_s(i64::from(number) * seconds));
    let life = life.filter(|life| (SHORTEST_KEY..=LONGEST_KEY).contains(life));
    life.ok_or_else(|| "days or hours from 1h to 400d".to_owned())
}

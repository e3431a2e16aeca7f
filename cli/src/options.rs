//! The commands of `scrip` and their options, as they are typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use shared::domain::{AccountId, Instant};

pub mod how;
pub mod keys;
pub mod load;
pub mod operator;
pub mod rates;

use how::Print;
use keys::KeysCommand;
use load::Load;
use operator::OperatorCommand;
use rates::RatesCommand;

use crate::dead::Chosen;
use crate::place::{self, LOCAL};

/// Scrip at a terminal: find accounts, grant, refund, and say where credits went; audit and repair
/// the tables, change the catalog.
///
/// It works on a deployed stack, with --stack NAME and your AWS login (environment, profile, SSO),
/// or with --local on the stack that `cargo run` starts on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "scrip",
    version,
    subcommand_precedence_over_arg = true,
    after_help = "Exit codes: 0 done; 1 refused, failed, or differences found; 2 wrong use; \
                  3 the outcome of a change is not known: repeat it with the key that was printed."
)]
pub struct Options {
    /// Work on the running local stack, at this address or at http://127.0.0.1:3000.
    #[arg(
        long, global = true, value_name = "URL", num_args = 0..=1, require_equals = true,
        default_missing_value = LOCAL, value_parser = place::origin
    )]
    pub local: Option<String>,
    /// Work on the deployed stack of this name.
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "local")]
    pub stack: Option<String>,
    /// The stack's AWS region, if it is not the one of the environment or the profile.
    #[arg(long, global = true, conflicts_with = "local")]
    pub region: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Operator(OperatorCommand),
    /// Send the events of entries of an account again, with the ids that they had. CreditsLow,
    /// CreditsExhausted, CreditsExpiring, LimitLow and LimitReached are left out: they told of a
    /// level that is past.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod announce acme --from-seq 118")]
    Announce {
        account: AccountId,
        /// The number of the first entry.
        #[arg(long, value_name = "N")]
        from_seq: u64,
        /// The number of the last entry, if it is not the latest.
        #[arg(long, value_name = "M")]
        to_seq: Option<u64>,
    },
    /// Recompute every balance from its entries, and compare payments with accounts and Stripe.
    /// Writes nothing. The exit code is 1 if the audit finds a difference.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod audit --account acme")]
    Audit {
        /// Only this account.
        #[arg(long)]
        account: Option<AccountId>,
        /// Do not compare payments with Stripe. Default where no key of Stripe is named.
        #[arg(long)]
        no_stripe: bool,
        #[command(flatten)]
        print: Print,
    },
    /// Compare a catalog with the one in force, or put it in force.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Serve the console, a page for account executives, on this machine only, and print its
    /// address. Its requests go to the API with your AWS identity: IAM decides what you may do, and
    /// the ledger names you. Ctrl-C ends it.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod console")]
    Console {
        /// The port on 127.0.0.1. Default: a free one.
        #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
        port: u16,
    },
    /// List, replay or drop what could not be announced, swept, audited or debited.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Check tools, AWS account, secrets and alarms, before a deploy and after it. The exit code is
    /// 1 if a deploy would fail, or the stack does not do its work.
    #[command(after_help = "Example:\n  scrip doctor --config-env prod")]
    Doctor {
        /// The environment in samconfig.toml.
        #[arg(long, value_name = "NAME", default_value = "dev")]
        config_env: String,
        #[arg(long, value_name = "FILE", default_value = "samconfig.toml")]
        samconfig: PathBuf,
    },
    /// Print an account as the table has it, and its archived segments, for a person. For scripts
    /// there are `account show --json` and `ledger --json`.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod inspect acme")]
    Inspect { account: AccountId },
    /// Send a load of debits, bounded by rate, time and count, and compare the ledger with every
    /// answer. It says first what it costs at most. The exit code is 1 if an outcome stays unknown,
    /// or the ledger does not add up.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-load load --rate 100 --seconds 60 --callers 32")]
    Load(Load),
    /// Write a rate table from a file of providers' prices.
    #[command(subcommand)]
    Rates(RatesCommand),
    /// Run the Monday sweep: advance the accounts that are due and were used.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod recharge --dry-run")]
    Recharge {
        /// Count the accounts, and write nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        print: Print,
    },
    /// Compare all payments, refunds and disputes that may still change with Stripe, and correct
    /// differences. Prints JSON.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod reconcile")]
    Reconcile,
    /// Repair differences after the tables were restored, and park those that no rule can repair.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod repair --dry-run")]
    Repair {
        /// Only this account.
        #[arg(long)]
        account: Option<AccountId>,
        /// Print the first repairs, and write nothing.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask Stripe, and repair no payment. Default where no key of Stripe is named.
        #[arg(long)]
        no_stripe: bool,
        #[command(flatten)]
        print: Print,
    },
    /// Restore both tables to a moment, repair them, and print the command that points the stack at
    /// them. Pause the stack first. Run again after an interruption, it continues.
    #[command(
        after_help = "Example:\n  scrip --stack scrip-prod restore --to 2026-11-18T12:00:00Z"
    )]
    Restore(Restore),
    /// Print when the sweep, reconcile, the audit and relay ran last and what they found, and what
    /// waits for a person.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod status")]
    Status(Print),
    /// Set up what the stack needs at Stripe.
    #[command(subcommand)]
    Stripe(StripeCommand),
    /// Make, list and revoke service keys, with which programs call the API from anywhere.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Replace the key that seals customers' sessions.
    #[command(subcommand)]
    SessionKeys(SessionKeysCommand),
    /// Print a shell's completions of these commands.
    #[command(after_help = "Example:\n  \
        scrip completions bash > ~/.local/share/bash-completion/completions/scrip")]
    Completions { shell: Shell },
}

#[derive(Debug, Subcommand)]
pub enum SessionKeysCommand {
    /// Make a new key, and keep the old one for its hour: sessions that it sealed go on.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod session-keys rotate")]
    Rotate {
        /// Drop every other key at once, because one has leaked: every session ends.
        #[arg(long)]
        leaked: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Remove the old key, an hour after the rotation or later.
    #[command(after_help = "Example:\n  \
        scrip --stack scrip-prod session-keys finish")]
    Finish,
}

#[derive(Debug, Subcommand)]
pub enum StripeCommand {
    /// Make the webhook's endpoint or update it, store its signing secret, and wait for an event to
    /// arrive. STRIPE_SECRET_KEY may name a key that may write webhook endpoints; otherwise the
    /// stack's own is used. A local stack needs no endpoint: only an event is awaited.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod stripe connect")]
    Connect {
        /// The address of the webhook. Default with --stack: the output WebhookUrl.
        #[arg(long)]
        url: Option<String>,
        /// The ARN of the secret that the webhook reads. Default with --stack: its parameter's.
        #[arg(long)]
        webhook_secret_arn: Option<String>,
        /// Make another endpoint in place of the existing one, with a new secret.
        #[arg(long)]
        replace: bool,
    },
}

#[derive(Debug, Args)]
pub struct Restore {
    /// The last good moment: `2026-11-18T12:00:00Z`. The ledger is restored to a minute later.
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present = "from_tables")]
    pub to: Option<Instant>,
    /// The name of the new table of accounts. Default: today's, with the moment behind it.
    #[arg(long, value_name = "NAME")]
    pub accounts_table: Option<String>,
    /// The name of the new table of the ledger.
    #[arg(long, value_name = "NAME")]
    pub ledger_table: Option<String>,
    /// Begin with the audit of these tables, which were restored before.
    #[arg(
        long, num_args = 2, value_names = ["ACCOUNTS", "LEDGER"],
        conflicts_with_all = ["to", "accounts_table", "ledger_table"]
    )]
    pub from_tables: Option<Vec<String>>,
    /// Print what would be done, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Repair without asking.
    #[arg(long)]
    pub yes: bool,
}

fn time(text: &str) -> Result<Instant, String> {
    Instant::parse(text).ok_or_else(|| "not a time such as 2026-11-18T12:00:00Z".to_owned())
}

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Print the differences, with those of the rate tables, `rates/<name>.toml` beside the file.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod catalog diff my-catalog.toml")]
    Diff {
        file: PathBuf,
        #[command(flatten)]
        print: Print,
    },
    /// Put the catalog in force with its rate tables. Functions use it within a minute.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod catalog publish my-catalog.toml")]
    Publish {
        file: PathBuf,
        /// Print the differences, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// Print a line for each message: its age, its function, what it is, and its id.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod dead list --source relay")]
    List {
        #[command(flatten)]
        chosen: ChosenLetters,
        #[command(flatten)]
        print: Print,
    },
    /// Try messages again, and delete those for which that worked.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod dead replay --source relay")]
    Replay(ChosenLetters),
    /// Delete messages.
    #[command(after_help = "Example:\n  scrip --stack scrip-prod dead drop --id 5f0c2a")]
    Drop {
        #[command(flatten)]
        chosen: ChosenLetters,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Which messages.
#[derive(Debug, Args)]
pub struct ChosenLetters {
    /// Only those of this function: debit, relay, recharge, audit or reconcile.
    #[arg(long, value_name = "FUNCTION")]
    source: Option<String>,
    /// Only those whose id begins with this.
    #[arg(long)]
    id: Option<String>,
}

impl From<ChosenLetters> for Chosen {
    fn from(ChosenLetters { source, id }: ChosenLetters) -> Chosen {
        Chosen { source, id }
    }
}

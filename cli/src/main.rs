//! `scrip`: an operator's commands, each on one stack.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::place::{self, LOCAL, Place};
use cli::repair::{self, Done};
use cli::{audit, inspect, publish, restore, sweep};
use shared::context::Context;
use shared::domain::{AccountId, Instant};
use shared::store::Tables;
use shared::telemetry;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The crates of this workspace that log here.
const OURS: [&str; 5] = ["shared", "reconcile", "recharge", "audit", "cli"];

/// Scrip at a terminal: look at accounts, audit and repair them, change the catalog.
///
/// It works on a deployed stack, which the environment names (ACCOUNTS_TABLE, LEDGER_TABLE, a
/// region, credentials), or with --local on the stack that `cargo run` starts on this machine.
#[derive(Parser)]
#[command(name = "scrip", version, subcommand_precedence_over_arg = true)]
struct Options {
    /// Work on the running local stack, at this address or at http://127.0.0.1:3000.
    #[arg(
        long, global = true, value_name = "URL", num_args = 0..=1, require_equals = true,
        default_missing_value = LOCAL, value_parser = place::origin
    )]
    local: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Recompute every balance from its entries, and compare payments with accounts and Stripe.
    /// Writes nothing. The exit code is 1 if the audit finds a difference.
    Audit {
        /// Only this account.
        #[arg(long)]
        account: Option<AccountId>,
    },
    /// Compare a catalog with the one in force, or put it in force.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Print an account and its archived segments.
    Inspect { account: AccountId },
    /// Run the Monday sweep: advance the accounts that are due and were used.
    Recharge {
        /// Count the accounts, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare payments, refunds and disputes with Stripe, and correct differences.
    Reconcile,
    /// Repair differences after the tables were restored, and park those that no rule can repair.
    Repair {
        /// Only this account.
        #[arg(long)]
        account: Option<AccountId>,
        /// Print the first repairs, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Restore both tables to a moment, repair them, and print the command that points the stack at
    /// them. Pause the stack first. Run again after an interruption, it continues.
    Restore(Restore),
}

#[derive(clap::Args)]
struct Restore {
    /// The last good moment: `2026-11-18T12:00:00Z`. The ledger is restored to a minute later.
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present = "from_tables")]
    to: Option<Instant>,
    /// The name of the new table of accounts. Default: today's, with the moment behind it.
    #[arg(long, value_name = "NAME")]
    accounts_table: Option<String>,
    /// The name of the new table of the ledger.
    #[arg(long, value_name = "NAME")]
    ledger_table: Option<String>,
    /// Begin with the audit of these tables, which were restored before.
    #[arg(
        long, num_args = 2, value_names = ["ACCOUNTS", "LEDGER"],
        conflicts_with_all = ["to", "accounts_table", "ledger_table"]
    )]
    from_tables: Option<Vec<String>>,
    /// Print what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Repair without asking.
    #[arg(long)]
    yes: bool,
}

fn time(text: &str) -> Result<Instant, String> {
    Instant::parse(text).ok_or_else(|| "not a time such as 2026-11-18T12:00:00Z".to_owned())
}

#[derive(Subcommand)]
enum CatalogCommand {
    /// Print the differences.
    Diff { file: PathBuf },
    /// Put the catalog in force. Functions use it within a minute.
    Publish {
        file: PathBuf,
        /// Print the differences, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let asked = std::env::var("RUST_LOG").ok();
    let log = telemetry::for_a_person(telemetry::levels(asked.as_deref(), &OURS));
    tracing::subscriber::set_global_default(log).expect("logging starts once");
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What AWS says about a request is in the causes.
            let causes = std::iter::successors(error.source(), |cause| cause.source());
            let line = causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"));
            eprintln!("scrip: {line}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Options { local, command }: Options) -> Result<(), Error> {
    let deployed = local.is_none();
    let place = match local {
        Some(origin) => Place::local(origin).await?,
        None => Place::deployed().await?,
    };
    let context = &place.context;
    match command {
        Command::Audit { account } => audit_all(&place, account).await,
        Command::Catalog(command) => catalog(context, command).await,
        Command::Inspect { account } => {
            let text = inspect::inspect(context, &account).await?;
            print!("{}", text.ok_or_else(|| format!("there is no account {account}"))?);
            Ok(())
        }
        Command::Recharge { dry_run } => recharge(context, dry_run).await,
        Command::Reconcile => {
            let report = reconcile::run(context, &place.stripe().await?).await?;
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(())
        }
        Command::Repair { account, dry_run } => repair_all(&place, account, dry_run).await,
        Command::Restore(asked) => restored(&place, asked, deployed).await,
    }
}

/// Prints the differences, in one account or in all.
async fn audit_all(place: &Place, account: Option<AccountId>) -> Result<(), Error> {
    let report = audit::run(&place.context, &place.stripe().await?, account.as_ref()).await?;
    report.differences.iter().for_each(|difference| println!("{difference}"));
    let (seen, differences) = (report.seen, report.differences.len());
    if let (Some(account), 0, 0) = (&account, seen, differences) {
        return Err(format!("there is no account {account}").into());
    }
    println!("{seen} accounts, {differences} differences");
    if differences > 0 { Err("the audit found differences: see above".into()) } else { Ok(()) }
}

/// Repairs the differences that a rule covers, in one account or in all, and parks the rest.
async fn repair_all(place: &Place, account: Option<AccountId>, dry_run: bool) -> Result<(), Error> {
    let stripe = place.stripe().await?;
    let acts = repair::run(&place.context, Some(&stripe), account.as_ref(), dry_run).await?;
    for act in &acts {
        println!("{}: {}", act.done.name(), act.difference);
    }
    let count = |done| acts.iter().filter(|act| act.done == done).count();
    let (repaired, parked) = (count(Done::Repaired), count(Done::Parked));
    let (left, would) = (count(Done::Left), if dry_run { "would be " } else { "" });
    println!("{would}repaired {repaired}, parked {parked}, left {left}");
    if left > 0 { Err("some repairs could not be written: see above".into()) } else { Ok(()) }
}

/// Restores the tables of a deployed stack, or takes restored ones, and repairs them.
async fn restored(place: &Place, asked: Restore, deployed: bool) -> Result<(), Error> {
    let Restore { to, accounts_table, ledger_table, from_tables, dry_run, yes } = asked;
    let (store, from) = (&place.context.store, &place.context.config.tables);
    let tell = |line: &str| println!("{line}");
    let new = match (to, from_tables.as_deref()) {
        (Some(_), _) if !deployed => {
            return Err(
                "a local stack has no backups: name restored tables with --from-tables".into()
            );
        }
        (Some(to), _) if place.context.clock.now() - to < restore::YOUNGEST => {
            return Err("--to: name a moment at least six minutes ago".into());
        }
        (Some(to), _) => {
            let named = restore::named(from, to);
            let new = Tables {
                accounts: accounts_table.unwrap_or(named.accounts),
                ledger: ledger_table.unwrap_or(named.ledger),
            };
            restore::tables(store, (from, &new), to, dry_run, tell).await?;
            if dry_run {
                println!("then it would turn on what they lack, audit them and repair them");
                return Ok(());
            }
            new
        }
        (None, Some([accounts, ledger])) => {
            Tables { accounts: accounts.clone(), ledger: ledger.clone() }
        }
        _ => return Err("say --to TIME, or --from-tables ACCOUNTS LEDGER".into()),
    };
    if deployed && !dry_run {
        restore::complete(store, (from, &new), tell).await?;
    }
    let context = restore::on(&place.context, &new).await?;
    let agreed = || yes || agrees("Repair the tables as said above? [y/N] ");
    restore::check(&context, &place.stripe().await?, dry_run, agreed, tell).await?;
    if deployed && !dry_run {
        println!("\nthe tables can be used. Point the stack at them:\n");
        println!("{}", restore::deploy_command(store, &new).await?);
    }
    Ok(())
}

/// Whether the person at the terminal answers yes.
fn agrees(question: &str) -> bool {
    eprint!("{question}");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Advances the accounts that are due, or counts them.
async fn recharge(context: &Context, dry_run: bool) -> Result<(), Error> {
    let done = match dry_run {
        true => sweep::rehearse(context).await?,
        false => sweep::run(context).await?,
    };
    let (kind, unread) = (if dry_run { "to advance" } else { "advanced" }, done.broken);
    println!("{} accounts, {} {kind}, {unread} that cannot be read", done.seen, done.done);
    if unread > 0 { Err("some accounts cannot be read: see above".into()) } else { Ok(()) }
}

async fn catalog(context: &Context, command: CatalogCommand) -> Result<(), Error> {
    let (file, publishes) = match &command {
        CatalogCommand::Diff { file } => (file, false),
        CatalogCommand::Publish { file, dry_run } => (file, !dry_run),
    };
    for line in publish::diff(context, file).await? {
        println!("{line}");
    }
    match publishes {
        true => publish::publish(context, file).await?,
        false => println!("nothing was changed"),
    }
    Ok(())
}

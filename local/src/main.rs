//! `cargo run`: starts the local stack and says what to try.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local::clock::LocalClock;
use local::mappings::Mappings;
use local::repair::Done;
use local::routes::Functions;
use local::server::{self, Stack};
use local::start::{Start, editor};
use local::stripe::{self, LocalStripe};
use local::template::Template;
use local::world::{self, Data};
use local::{audit, demo, inspect, publish, repair, seed, session, states, sweep, tables};
use shared::config::{Config, origin_of};
use shared::domain::{AccountId, Instant};
use shared::secrets::Secret;
use shared::stripe::Stripe;
use shared::world::{World, secret_from_env};
use tokio::net::TcpListener;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Scrip on this machine: the whole system in one process.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to listen; loopback only.
    #[arg(long, env = "SCRIP_ADDR", default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    /// The folder that keeps the tables.
    #[arg(long, global = true, default_value = ".scrip")]
    data: PathBuf,
    /// Keep the tables in memory instead.
    #[arg(long, conflicts_with = "data")]
    memory: bool,
    /// Start at this instant instead of now: 2026-11-22T23:59:00Z.
    #[arg(long, value_parser = |text: &str| Instant::parse(text).ok_or("not a time in RFC 3339"))]
    now: Option<Instant>,
    /// Use the DynamoDB at this address instead of the embedded one.
    #[arg(long, global = true, env = "DYNAMODB_ENDPOINT_URL")]
    endpoint: Option<String>,
    /// For commands: use the tables of a deployed stack, ACCOUNTS_TABLE and LEDGER_TABLE, with the
    /// credentials and the region of the environment.
    #[arg(long, global = true, conflicts_with_all = ["endpoint", "memory", "now"])]
    deployed: bool,
    /// An origin of the product, besides this address: http://127.0.0.1:8080. May be repeated.
    #[arg(long = "origin", value_name = "ORIGIN", value_parser = origin)]
    origins: Vec<String>,
    /// Open an account in every state that the customer's page can show.
    #[arg(long)]
    states: bool,
}

/// Without a command the stack is started.
#[derive(Subcommand)]
enum Command {
    /// Play the story and print it, on tables of its own in memory.
    Demo,
    /// Compare a catalog with the one in force, or put it in force.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Do what Monday 00:00 does: settle the accounts that are due and were used.
    Recharge {
        /// Count them, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Ask Stripe what became of the payments of 30 days, and put right what differs.
    Reconcile,
    /// Reckon every balance again from its entries, and compare payments with accounts and Stripe.
    /// Writes nothing. The exit code is 1 if anything differs.
    Audit {
        /// This account alone.
        #[arg(long)]
        account: Option<AccountId>,
    },
    /// Put right what an audit finds after the tables were restored, and park what no rule can.
    Repair {
        /// This account alone.
        #[arg(long)]
        account: Option<AccountId>,
        /// Say what would be done first, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print an account and its pages.
    Inspect { account: AccountId },
}

#[derive(Subcommand)]
enum CatalogCommand {
    /// Print what would be different.
    Diff { file: PathBuf },
    /// Put the catalog in force. Functions use it within a minute.
    Publish {
        file: PathBuf,
        /// Print what would be different, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    shared::telemetry::init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scrip: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Error> {
    let Options { command, addr, data, memory, now, endpoint, deployed, origins, states } = options;
    let (data, clock) = match (endpoint, memory) {
        _ if deployed => (Data::Deployed, LocalClock::default()),
        (Some(url), _) => (Data::Endpoint(url), LocalClock::default()),
        (None, true) => (Data::Memory, LocalClock::default()),
        (None, false) => {
            std::fs::create_dir_all(&data)?;
            let clock = LocalClock::kept_in(data.join("clock"))?;
            (Data::Folder(data), clock)
        }
    };
    if let Some(now) = now {
        clock.set(now);
    }
    match command {
        None => serve(addr, &data, clock, origins, states).await,
        Some(Command::Demo) => demo().await,
        Some(Command::Reconcile) => reconcile(&data, clock).await,
        Some(Command::Recharge { dry_run }) => {
            let (world, streams) = world::open(&data, &clock, config(None)).await?;
            let mappings = Mappings::local(&Template::load(), world, streams);
            let done = match dry_run {
                true => sweep::rehearse(&mappings.recharge().world).await?,
                false => sweep::run(mappings.recharge()).await?,
            };
            let (what, unread) = (if dry_run { "to settle" } else { "settled" }, done.broken);
            println!("{} accounts, {} {what}, {unread} that cannot be read", done.seen, done.done);
            if unread > 0 { Err("some accounts cannot be read: see above".into()) } else { Ok(()) }
        }
        Some(Command::Audit { account }) => audit_all(&data, clock, account).await,
        Some(Command::Repair { account, dry_run }) => {
            repair_all(&data, clock, account, dry_run).await
        }
        Some(Command::Inspect { account }) => {
            let (world, _) = world::open(&data, &clock, config(None)).await?;
            let text = inspect::inspect(&world, &account).await?;
            print!("{}", text.ok_or_else(|| format!("there is no account {account}"))?);
            Ok(())
        }
        Some(Command::Catalog(command)) => {
            let (world, _) = world::open(&data, &clock, config(None)).await?;
            catalog(&world, command).await
        }
    }
}

async fn serve(
    addr: SocketAddr,
    data: &Data,
    clock: LocalClock,
    mut origins: Vec<String>,
    states: bool,
) -> Result<(), Error> {
    if matches!(data, Data::Deployed) {
        return Err("--deployed: for commands; a deployed stack is not served from here".into());
    }
    if !addr.ip().is_loopback() {
        return Err("--addr: the local stack has no IAM and listens on loopback only".into());
    }
    let listener = TcpListener::bind(addr).await.map_err(|e| format!("--addr {addr}: {e}"))?;
    let base = format!("http://{}", listener.local_addr()?);
    origins.push(base.clone());
    let beside = editor::listener(addr).await?;
    let editor = format!("http://{}", beside.local_addr()?);
    origins.push(editor.clone());
    let config = Config {
        top_up_url: Some(format!("{base}/")),
        public_url: Some(base.clone()),
        origins,
        ..config(None)
    };
    let (world, streams) = world::open(data, &clock, config).await?;
    let world = world.with_session_keys(session::new_keys());
    let mappings = Mappings::local(&Template::load(), world.clone(), streams);
    let (functions, stripe) = with_stripe(Functions::new(world), &base, data, &clock)?;
    let mappings = mappings.with_stripe(functions.stripe().clone());
    seed::seed(&functions).await?;
    let link = session::link(&functions, "acme", &base).await?;
    let running = mappings.clone().run(clock.clone());
    let start = Start::with_editor(editor);
    let stack = Stack { functions, clock: clock.clone(), stripe, mappings, start };
    let (functions, stripe) = (stack.functions.clone(), stack.stripe.clone());
    let serving = tokio::spawn(server::serve(listener, stack));
    let editing = tokio::spawn(editor::serve(beside, functions.clone()));
    if states {
        states::seed(&functions, stripe.as_ref()).await?;
    }
    println!("{}", banner(&base, data, clock.now(), &link));
    tokio::select! {
        served = serving => Ok(served??),
        edited = editing => Ok(edited??),
        never = running => match never {},
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
    }
}

/// The real Stripe, in test mode, if there is a key for it; or the one in this process.
fn with_stripe(
    functions: Functions,
    base: &str,
    data: &Data,
    clock: &LocalClock,
) -> Result<(Functions, Option<LocalStripe>), Error> {
    if let Ok(key) = std::env::var("STRIPE_SECRET_KEY") {
        if !key.starts_with("sk_test_") {
            return Err("STRIPE_SECRET_KEY: the local stack takes a test key only".into());
        }
        let secret = std::env::var("STRIPE_WEBHOOK_SECRET");
        let secret = secret.map_err(|_| "STRIPE_WEBHOOK_SECRET is not set: see `stripe listen`")?;
        let stripe = Stripe::new(&key, None)?;
        return Ok((functions.with_stripe(stripe, Secret::fixed(secret)), None));
    }
    let local = match data {
        Data::Folder(folder) => {
            LocalStripe::kept_in(folder.join("stripe.json"), clock.clock(), base)?
        }
        Data::Memory | Data::Endpoint(_) | Data::Deployed => LocalStripe::new(clock.clock(), base),
    };
    let stripe = Stripe::new(stripe::KEY, Some(&format!("{base}/_local/stripe/")))?;
    let secret = Secret::fixed(stripe::WEBHOOK_SECRET);
    Ok((functions.with_stripe(stripe, secret), Some(local)))
}

/// Asks Stripe for the last 30 days and puts right what differs.
async fn reconcile(data: &Data, clock: LocalClock) -> Result<(), Error> {
    let functions = asking(data, &clock).await?;
    let report = reconcile::run(functions.world(), functions.stripe()).await?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

/// Names what differs, in one account or in all.
async fn audit_all(
    data: &Data,
    clock: LocalClock,
    account: Option<AccountId>,
) -> Result<(), Error> {
    let functions = asking(data, &clock).await?;
    let (world, stripe) = (functions.world(), functions.stripe());
    let report = audit::run(world, Some(stripe), account.as_ref()).await?;
    report.differences.iter().for_each(|difference| println!("{difference}"));
    let (seen, differences) = (report.seen, report.differences.len());
    println!("{seen} accounts, {differences} differences");
    if differences > 0 { Err("something differs: see above".into()) } else { Ok(()) }
}

/// Puts right what can be, in one account or in all, and parks the rest.
async fn repair_all(
    data: &Data,
    clock: LocalClock,
    account: Option<AccountId>,
    dry_run: bool,
) -> Result<(), Error> {
    let functions = asking(data, &clock).await?;
    let (world, stripe) = (functions.world(), functions.stripe());
    let acts = repair::run(world, Some(stripe), account.as_ref(), dry_run).await?;
    for act in &acts {
        println!("{}: {}", act.done.name(), act.difference);
    }
    let count = |done| acts.iter().filter(|act| act.done == done).count();
    let (repaired, parked) = (count(Done::Repaired), count(Done::Parked));
    let (left, would) = (count(Done::Left), if dry_run { "would be " } else { "" });
    println!("{would}repaired {repaired}, parked {parked}, left {left}");
    if left > 0 { Err("something could not be written: see above".into()) } else { Ok(()) }
}

/// The functions, and until the process ends a Stripe that answers them; of a deployed stack, the
/// Stripe whose key is in the secret STRIPE_KEY_ARN.
async fn asking(data: &Data, clock: &LocalClock) -> Result<Functions, Error> {
    if matches!(data, Data::Deployed) {
        let functions = Functions::new(world::open(data, clock, config(None)).await?.0);
        let now = functions.world().clock.now();
        let key = secret_from_env("STRIPE_KEY_ARN", now).await?;
        let stripe = Stripe::by_secret(key, None, now).await?;
        // No webhook comes to a command.
        return Ok(functions.with_stripe(stripe, Secret::fixed("")));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let functions = Functions::new(world::open(data, clock, config(None)).await?.0);
    let (functions, local) = with_stripe(functions, &base, data, clock)?;
    local.map(|local| tokio::spawn(stripe::serve(listener, local)));
    Ok(functions)
}

async fn demo() -> Result<(), Error> {
    let begins = Instant::parse(demo::BEGINS).ok_or("the story begins at no time")?;
    let clock = LocalClock::starting_at(begins);
    let config = config(Some("https://example.com/credits".to_owned()));
    let config = Config { origins: vec!["https://example.com".to_owned()], ..config };
    let (world, _) = world::open(&Data::Memory, &clock, config).await?;
    let functions = Functions::new(world.with_session_keys(session::new_keys()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let local = LocalStripe::new(clock.clock(), &base);
    let client = Stripe::new(stripe::KEY, Some(&format!("{base}/_local/stripe/")))?;
    let functions = functions.with_stripe(client, Secret::fixed(stripe::WEBHOOK_SECRET));
    let serving = tokio::spawn(stripe::serve(listener, local.clone()));
    let played = demo::play(&functions, &clock, &local).await;
    serving.abort();
    print!("{}", played?);
    Ok(())
}

async fn catalog(world: &World, command: CatalogCommand) -> Result<(), Error> {
    let (file, publishes) = match &command {
        CatalogCommand::Diff { file } => (file, false),
        CatalogCommand::Publish { file, dry_run } => (file, !dry_run),
    };
    for line in publish::diff(world, file).await? {
        println!("{line}");
    }
    match publishes {
        true => publish::publish(world, file).await?,
        false => println!("nothing was changed"),
    }
    Ok(())
}

fn config(top_up_url: Option<String>) -> Config {
    Config { tables: tables::names(), top_up_url, ..Config::default() }
}

fn origin(text: &str) -> Result<String, &'static str> {
    let origin = origin_of(text).filter(|origin| origin == text);
    origin.ok_or("not an origin such as http://127.0.0.1:8080")
}

/// What to try first. The curls work as they are, and show something new when sent again.
fn banner(base: &str, data: &Data, now: Instant, link: &str) -> String {
    let accounts = seed::ACCOUNTS.map(|(account, plan, shows)| {
        format!(
            "  {:<42} {account}: {plan}, {shows}",
            format!("{base}/v1/accounts/{account}/balance")
        )
    });
    let accounts = accounts.join("\n");
    let data = match data {
        Data::Memory => "in memory".to_owned(),
        Data::Folder(folder) => format!("in {}", folder.display()),
        Data::Endpoint(url) => format!("at {url}"),
        Data::Deployed => "in AWS".to_owned(),
    };
    format!(
        "Scrip on {base}, {now}, tables {data}

{accounts}

What acme's customer sees; the link works once, for an hour
  {link}
Another link, and a token for the widget
  curl -i {base}/v1/accounts/acme/sessions \\
    -d '{{\"subject\":\"ada\",\"scopes\":[\"buy\"],\"return_url\":\"{base}/\"}}'
Spend a credit; send it again for the same receipt, with Idempotent-Replayed: true
  curl -i {base}/v1/accounts/acme/debits -H 'Idempotency-Key: my-first-video' \\
    -d '{{\"action\":\"dynamic_video\",\"quantity\":1}}'
Spend more than there is: 402, and when credits come back
  curl -i {base}/v1/accounts/open/debits -H 'Idempotency-Key: too-many-videos' \\
    -d '{{\"action\":\"dynamic_video\",\"quantity\":1000}}'
Grant credits, as an operator
  curl -i {base}/v1/accounts/open/grants -H 'Idempotency-Key: welcome' \\
    -d '{{\"credits\":\"100\",\"reason\":\"welcome\"}}'
See every change, and move the clock to see Monday come
  curl -i {base}/v1/accounts/open/ledger
  curl -i {base}/_local/clock -H 'Content-Type: application/json' -d '{{\"advance_s\":604800}}'
"
    )
}

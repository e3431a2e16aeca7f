//! `cargo run`: starts the local stack and says what to try.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local::clock::{self, LocalClock};
use local::keys::{self, End};
use local::mappings::Mappings;
use local::repair::Done;
use local::request_log::RequestLog;
use local::routes::Functions;
use local::server::{self, Stack};
use local::start::{Start, editor};
use local::stripe::{self, LocalStripe};
use local::template::Template;
use local::terminal::{self, Terminal};
use local::world::{self, Data};
use local::{audit, banner, demo, inspect, publish, repair, seed, session, states, sweep, tables};
use shared::config::{Config, origin_of};
use shared::domain::{AccountId, Instant};
use shared::secrets::Secret;
use shared::stripe::Stripe;
use shared::world::{World, secret_from_env};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Scrip on this machine: the whole system in one process.
#[derive(Clone, Parser)]
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
#[derive(Clone, Subcommand)]
enum Command {
    /// Play seven scenes on tables of their own, in memory.
    Demo {
        /// As plain text and without pauses, as where standard output is no terminal.
        #[arg(long)]
        plain: bool,
    },
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

#[derive(Clone, Subcommand)]
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

fn main() -> ExitCode {
    local::telemetry::init();
    match start(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scrip: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command, or the stack: again after each reset, with the same options.
fn start(options: Options) -> Result<(), Error> {
    let mut terminal = None;
    loop {
        let runtime = Runtime::new()?;
        let ended = runtime.block_on(watched(options.clone(), &mut terminal))?;
        // Whatever still has the tables open ends with it.
        drop(runtime);
        match ended {
            Ended::Done => return Ok(()),
            Ended::Reset(data) => data.clear()?,
        }
    }
}

/// Runs it; the stack and the demo until they are told to end.
async fn watched(options: Options, terminal: &mut Option<Terminal>) -> Result<Ended, Error> {
    let wants_keys = match &options.command {
        None | Some(Command::Demo { plain: false }) => true,
        Some(Command::Demo { plain: true }) => false,
        Some(_) => return run(options, None).await,
    };
    // Heard before the terminal is another: whenever the process is told to end, it is put back.
    let told = terminal::told_to_end()?;
    if wants_keys && terminal.is_none() {
        *terminal = Terminal::open();
    }
    tokio::select! {
        ended = run(options, terminal.as_mut()) => ended,
        () = told => Ok(Ended::Done),
    }
}

/// How a run ends.
enum Ended {
    Done,
    /// The tables are to be thrown away, and the same begins again.
    Reset(Data),
}

async fn run(options: Options, terminal: Option<&mut Terminal>) -> Result<Ended, Error> {
    let Options { command, addr, data, memory, now, endpoint, deployed, origins, states } = options;
    let (data, clock) = match (endpoint, memory) {
        _ if deployed => (Data::Deployed, LocalClock::default()),
        (Some(url), _) => (Data::Endpoint(url), LocalClock::default()),
        (None, true) => (Data::Memory, LocalClock::default()),
        (None, false) => {
            std::fs::create_dir_all(&data)?;
            let clock = LocalClock::kept_in(data.join(world::CLOCK))?;
            (Data::Folder(data), clock)
        }
    };
    if let Some(now) = now {
        // Tables that are there have entries.
        let begun = matches!(&data, Data::Folder(folder) if folder.join(world::TABLES).exists());
        if begun {
            clock::may_go(clock.now(), now)
                .map_err(|why| format!("--now: {why}; or use --memory"))?;
        }
        clock.set(now);
    }
    let Some(command) = command else {
        let end = serve(addr, &data, clock, origins, terminal, states).await?;
        return Ok(if end == End::Reset { Ended::Reset(data) } else { Ended::Done });
    };
    obey(command, data, clock, terminal).await.map(|()| Ended::Done)
}

async fn obey(
    command: Command,
    data: Data,
    clock: LocalClock,
    terminal: Option<&mut Terminal>,
) -> Result<(), Error> {
    match command {
        Command::Demo { .. } => demo::run(terminal).await,
        Command::Reconcile => reconcile(&data, clock).await,
        Command::Recharge { dry_run } => {
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
        Command::Audit { account } => audit_all(&data, clock, account).await,
        Command::Repair { account, dry_run } => repair_all(&data, clock, account, dry_run).await,
        Command::Inspect { account } => {
            let (world, _) = world::open(&data, &clock, config(None)).await?;
            let text = inspect::inspect(&world, &account).await?;
            print!("{}", text.ok_or_else(|| format!("there is no account {account}"))?);
            Ok(())
        }
        Command::Catalog(command) => {
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
    terminal: Option<&mut Terminal>,
    states: bool,
) -> Result<End, Error> {
    if matches!(data, Data::Deployed) {
        return Err("--deployed: for commands; a deployed stack is not served from here".into());
    }
    if !addr.ip().is_loopback() {
        return Err("--addr: the local stack has no IAM and listens on loopback only".into());
    }
    let listener = server::listen(addr).await?;
    let base = format!("http://{}", listener.local_addr()?);
    // The browser may call it by its name, too.
    origins.extend([base.clone(), base.replace("127.0.0.1", "localhost")]);
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
    let running = mappings.clone().run(clock.clone());
    let (log, start) = (RequestLog::On, Start::with_editor(editor));
    let stack = Stack { functions, clock: clock.clone(), stripe, mappings, log, start };
    let (functions, stripe) = (stack.functions.clone(), stack.stripe.clone());
    let serving = tokio::spawn(server::serve(listener, stack));
    let editing = tokio::spawn(editor::serve(beside, functions.clone()));
    if states {
        states::seed(&functions, stripe.as_ref()).await?;
    }
    println!("{}", banner::banner(&base, data, clock.now(), terminal.is_some()));
    tokio::select! {
        served = serving => { served??; Ok(End::Quit) }
        edited = editing => { edited??; Ok(End::Quit) }
        never = running => match never {},
        end = keys::obey(terminal, &base, data, &clock) => Ok(end),
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
            LocalStripe::kept_in(folder.join(world::STRIPE), clock.clock(), base)?
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

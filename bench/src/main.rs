//! `compare` plays one workload against Scrip and its rivals, and writes what it found. `counts`
//! counts the instructions of a debit, and fails if they are more than they were.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bench::compare::{Plan, run};
use bench::contender::Error;
use bench::counts::{Counts, Kept};
use bench::machine::Machine;
use bench::{chart, report};
use clap::{Parser, Subcommand, value_parser};
use tokio::signal::unix::{SignalKind, signal};

/// The SDK and the embedded table allocate a lot, and small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compares Scrip with what others do in its place: writes docs/reference/benchmarks.md and
    /// docs/benchmarks.svg.
    Compare {
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Accounts of the workload. Half of the debits are of the first.
        #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=1_000))]
        accounts: u32,
        /// Debits of the workload.
        #[arg(long, default_value_t = 4_000, value_parser = value_parser!(u32).range(1..=50_000))]
        debits: u32,
        /// Rounds of timings. 0: nothing is timed.
        #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(..=10))]
        rounds: u32,
        /// How long each window of a round is.
        #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u64).range(1..=2_000))]
        window_ms: u64,
        /// Where DynamoDB Local is installed. Default: target/dynamodb-local.
        #[arg(long)]
        dynamodb_local: Option<PathBuf>,
    },
    /// Counts the instructions and allocations of a debit and of a cold start, and fails if one is
    /// 3 % more than in docs/reference/counts.toml. Wants valgrind.
    Counts {
        /// Write what was counted into that file.
        #[arg(long)]
        accept: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let root = &Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let done = match Options::parse().command {
        Command::Compare { seed, accounts, debits, rounds, window_ms, dynamodb_local } => {
            let dynamodb_local =
                dynamodb_local.unwrap_or_else(|| root.join("target/dynamodb-local"));
            let window = Duration::from_millis(window_ms);
            let [accounts, debits, rounds] = [accounts, debits, rounds].map(|n| n as usize);
            compare(root, Plan { seed, accounts, debits, rounds, window, dynamodb_local }).await
        }
        Command::Counts { accept } => count(root, accept).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn compare(root: &Path, plan: Plan) -> Result<(), Error> {
    // When it is interrupted it still stops its servers.
    let comparison = tokio::select! {
        compared = run(plan, |line| println!("{line}")) => compared?,
        ended = asked_to_end() => return ended.and(Err("interrupted".into())),
    };
    let document = report::document(&comparison);
    println!("{document}");
    std::fs::write(root.join("docs/reference/benchmarks.md"), document)?;
    std::fs::write(root.join("docs/benchmarks.svg"), chart::svg(&comparison))?;
    Ok(())
}

/// Waits until somebody at the terminal, or the system, asks this program to end.
async fn asked_to_end() -> Result<(), Error> {
    let [mut interrupt, mut terminate, mut hangup] = [
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    ];
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

async fn count(root: &Path, accept: bool) -> Result<(), Error> {
    let file = root.join("docs/reference/counts.toml");
    let kept = Kept(&file);
    let before = kept.read()?;
    let counts = Counts::run(root).await?;
    let (table, is_more) = counts.beside(&before);
    println!("{table}");
    if accept {
        kept.write(&counts, &Machine::now())?;
    }
    match is_more && !accept {
        true => Err("a debit takes more than 3 % more than docs/reference/counts.toml says".into()),
        false => Ok(()),
    }
}

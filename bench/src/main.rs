//! `compare`: plays one workload against Scrip and its rivals, and writes what it found.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bench::compare::{Plan, run};
use bench::{chart, report};
use clap::{Parser, Subcommand, value_parser};

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
        /// Rounds of timings. 0: only what does not depend on the machine is counted.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// How long each window of a round is.
        #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u64).range(1..=10_000))]
        window_ms: u64,
        /// Where DynamoDB Local is installed. Default: target/dynamodb-local.
        #[arg(long)]
        dynamodb_local: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options { command } = Options::parse();
    let Command::Compare { seed, accounts, debits, rounds, window_ms, dynamodb_local } = command;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dynamodb_local = dynamodb_local.unwrap_or_else(|| root.join("target/dynamodb-local"));
    let window = Duration::from_millis(window_ms);
    let (accounts, debits) = (accounts as usize, debits as usize);
    let plan = Plan { seed, accounts, debits, rounds, window, dynamodb_local };
    // When it is interrupted it still stops its servers.
    let compared = tokio::select! {
        compared = run(plan, |line| println!("{line}")) => compared,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    let comparison = match compared {
        Ok(comparison) => comparison,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let document = report::document(&comparison);
    println!("{document}");
    let written = std::fs::write(root.join("docs/reference/benchmarks.md"), document)
        .and_then(|()| std::fs::write(root.join("docs/benchmarks.svg"), chart::svg(&comparison)));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docs: {error}");
            ExitCode::FAILURE
        }
    }
}

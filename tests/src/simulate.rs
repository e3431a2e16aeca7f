//! The long run: it plays seed after seed until an operation count is reached, or a credit is off.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tests::simulation::{PER_SEED, Played, play_all};

/// Runs the simulation until it has played all operations, with a line for every seed.
#[derive(Parser)]
struct Options {
    /// How many operations are played over all seeds, a thousand in each seed.
    #[arg(long, default_value_t = 1_000_000)]
    operations: u64,
    /// The first seed; the others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds are played at a time. Default: one for each processor.
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

/// The totals of all seeds.
#[derive(Default)]
struct Totals {
    seeds: u64,
    operations: u64,
    sent: usize,
    entries: usize,
    faults: usize,
    unknown: usize,
}

impl Totals {
    fn add(&mut self, played: &Played) {
        self.seeds += 1;
        self.operations += played.operations;
        self.sent += played.sent;
        self.entries += played.entries;
        self.faults += played.faults();
        self.unknown += played.unknown;
    }
}

fn main() -> ExitCode {
    let Options { operations, seed, threads } = Options::parse();
    let threads = threads.or(std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let seeds = seed..seed + operations.div_ceil(PER_SEED);
    let bar = ProgressBar::new(seeds.end - seeds.start);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {elapsed}, {eta} left");
    bar.set_style(style.expect("a template of known words"));
    let totals = Mutex::new(Totals::default());
    let began = Instant::now();
    let played = play_all(seeds.clone(), threads, |played| {
        totals.lock().expect("no one panics with the lock").add(played);
        bar.suspend(|| println!("{played}"));
        bar.inc(1);
    });
    bar.finish();
    let totals = totals.into_inner().expect("no one panics with the lock");
    let took_s = began.elapsed().as_secs_f64();
    println!(
        "seeds {}..={}: {} operations, {} sent, {} faults, {} unknown outcomes, {} entries; \
         {:.0} operations/s on {threads} threads",
        seeds.start,
        seeds.start + totals.seeds.max(1) - 1,
        totals.operations,
        totals.sent,
        totals.faults,
        totals.unknown,
        totals.entries,
        totals.operations as f64 / took_s,
    );
    match played {
        Ok(()) => {
            println!("0 credits off");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            println!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

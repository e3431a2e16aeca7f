//! The instructions and the allocations of a debit, and of a cold start, and whether they are more
//! than they were.

mod cold_start;
pub mod first;
mod kept;
mod valgrind;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::contender::Error;
use cold_start::instructions;
pub use kept::Kept;

/// The profile that is counted: that of the proofs.
const PROFILE: &str = "proof";
/// The debits of a run of the program `cycle`: ten segments of sixteen entries, so that a debit's
/// share of archiving is exact.
pub const DEBITS: u64 = 160;
/// How many percent more a count may be than the one that is kept.
const MOST_PERCENT: f64 = 3.0;

/// What a debit takes, or what it takes above the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub instructions: u64,
    pub allocations: u64,
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// A debit's calls to DynamoDB by the bare SDK: one, and its share of archiving.
    pub sdk: Count,
    /// Ours above that, of a debit through the gateway.
    pub http: Count,
    /// Ours above that, of a debit by `lambda:Invoke`.
    pub direct: Count,
    /// The instructions from a start of the function to its first reply.
    pub cold_start: u64,
}

/// One figure of a run beside the one that is kept.
struct Line {
    name: &'static str,
    now: u64,
    kept: u64,
    /// How much more it is, in percent.
    more: f64,
}

impl Counts {
    /// Counts. It builds what it counts first.
    ///
    /// # Errors
    /// If a build fails, or valgrind is missing.
    pub async fn run(root: &Path) -> Result<Counts, Error> {
        let built = [&["build", "--profile", PROFILE][..], &["-p", "bench", "-p", "debit"]];
        cargo(root, &built.concat())?;
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let built = root.join(target).join(PROFILE);
        let sdk = counted(&built, "sdk")?;
        let above = |way: &str| {
            let count = counted(&built, way)?;
            let instructions = count.instructions.checked_sub(sdk.instructions);
            let allocations = count.allocations.checked_sub(sdk.allocations);
            let above = instructions.zip(allocations);
            let (instructions, allocations) = above.ok_or("a debit takes less than its calls")?;
            Ok::<Count, Error>(Count { instructions, allocations })
        };
        let (http, direct) = (above("http")?, above("direct")?);
        Ok(Counts { sdk, http, direct, cold_start: instructions(&built.join("debit")).await? })
    }

    /// The figures beside those that are kept, as a table; and whether one is too much more.
    ///
    /// Instructions are compared as shares of the SDK's in the same run: another C library or
    /// release of the SDK changes both.
    pub fn beside(&self, kept: &Counts) -> (String, bool) {
        let sdk = (self.sdk.instructions, kept.sdk.instructions);
        let share = |name, now: u64, kept: u64| {
            let more = now as f64 / sdk.0 as f64 / (kept as f64 / sdk.1 as f64);
            Line { name, now, kept, more: 100.0 * (more - 1.0) }
        };
        let whole = |name, now: u64, kept: u64| Line {
            name,
            now,
            kept,
            more: 100.0 * (now as f64 / kept as f64 - 1.0),
        };
        let ours = [
            share("instructions over HTTP", self.http.instructions, kept.http.instructions),
            share("instructions by Invoke", self.direct.instructions, kept.direct.instructions),
            share("instructions of a cold start", self.cold_start, kept.cold_start),
            // What we ask DynamoDB is the SDK's work, too: more of it would hide behind its share.
            whole("the SDK's allocations", self.sdk.allocations, kept.sdk.allocations),
            whole("allocations over HTTP", self.http.allocations, kept.http.allocations),
            whole("allocations by Invoke", self.direct.allocations, kept.direct.allocations),
        ];
        let of_sdk = |n: u64| 100.0 * n as f64 / self.sdk.instructions as f64;
        let mut table = format!(
            "the SDK alone: {} instructions and {} allocations a debit; ours above it: \
             {:.1} % over HTTP, {:.1} % by Invoke\n\n| ours | now | kept | change |\n\
             |---|---|---|---|\n",
            self.sdk.instructions,
            self.sdk.allocations,
            of_sdk(self.http.instructions),
            of_sdk(self.direct.instructions),
        );
        for Line { name, now, kept, more } in &ours {
            let _ = writeln!(table, "| {name} | {now} | {kept} | {more:+.1} % |");
        }
        // A ratio of exactly 3 % may be a hair more in binary.
        (table, ours.iter().any(|line| line.more - MOST_PERCENT > 1e-6))
    }
}

/// Runs cargo, which may have run this program.
fn cargo(root: &Path, arguments: &[&str]) -> Result<(), Error> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Of this package: a build script that reads them would run again, and all that depends on it.
    let of_package = |name: &String| {
        ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|begin| name.starts_with(begin))
    };
    for name in std::env::vars().map(|(name, _)| name).filter(of_package) {
        cargo.env_remove(name);
    }
    match cargo.current_dir(root).args(arguments).status()?.success() {
        true => Ok(()),
        false => Err(format!("cargo {} failed", arguments.join(" ")).into()),
    }
}

/// What one debit takes this way, in the program `cycle`.
fn counted(built: &Path, way: &str) -> Result<Count, Error> {
    let program = built.join("cycle");
    // The seeds of hash maps move a count by half a percent: the middle of three.
    let run = || valgrind::instructions(&program, &[way], "cycle::counted");
    let mut runs = [run()?, run()?, run()?];
    runs.sort_unstable();
    let instructions = runs[1];
    let all = valgrind::allocations(&program, &[way])?;
    let before = valgrind::allocations(&program, &[way, "prepare"])?;
    let allocations = all.checked_sub(before).ok_or("debits allocate less than none")?;
    Ok(Count { instructions: instructions / DEBITS, allocations: allocations / DEBITS })
}

//! valgrind: what a program executes and allocates, counted and not timed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::contender::Error;

/// The file that a run of callgrind writes. It is removed when this is dropped.
pub(super) struct Profile(PathBuf);

impl Profile {
    pub(super) fn new(name: &str) -> Profile {
        let name = format!("scrip-{name}-{}", std::process::id());
        Profile(std::env::temp_dir().join(name))
    }

    /// The command that counts the instructions of `program`.
    pub(super) fn command(&self, options: &[&str], program: &Path) -> Command {
        let mut valgrind = Command::new("valgrind");
        let file = format!("--callgrind-out-file={}", self.0.display());
        valgrind.args(["--quiet", "--tool=callgrind", &file]).args(options).arg(program);
        valgrind
    }

    /// The instructions that were counted.
    pub(super) fn instructions(&self) -> Result<u64, Error> {
        let profile = std::fs::read_to_string(&self.0)?;
        let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
        match total.ok_or("valgrind wrote no total")?.trim().parse()? {
            0 => Err("valgrind did not find what to count".into()),
            counted => Ok(counted),
        }
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The instructions of `program` within this function of it.
pub(super) fn instructions(
    program: &Path,
    arguments: &[&str],
    function: &str,
) -> Result<u64, Error> {
    let profile = Profile::new("instructions");
    let within = format!("--toggle-collect={function}");
    let mut valgrind = profile.command(&[&within], program);
    valgrind.args(arguments);
    ran(valgrind)?;
    profile.instructions()
}

/// How many blocks `program` allocates.
pub(super) fn allocations(program: &Path, arguments: &[&str]) -> Result<u64, Error> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=dhat", "--dhat-out-file=/dev/null"]).arg(program).args(arguments);
    // ==1== Total:     15,843,714 bytes in 120,230 blocks
    let report = ran(valgrind)?;
    let total = report.lines().find_map(|line| line.split_once("Total:"));
    let blocks = total.and_then(|(_, total)| total.split_once(" bytes in "));
    let blocks = blocks.and_then(|(_, blocks)| blocks.strip_suffix(" blocks"));
    Ok(blocks.ok_or("valgrind reports no total")?.replace(',', "").parse()?)
}

/// Runs valgrind, and returns what it reports.
fn ran(mut valgrind: Command) -> Result<String, Error> {
    let run = valgrind.stdin(Stdio::null()).output();
    let run = run.map_err(|error| format!("valgrind: {error}; apt-get install valgrind"))?;
    let report = String::from_utf8_lossy(&run.stderr).into_owned();
    match run.status.success() {
        true => Ok(report),
        false => Err(format!("{valgrind:?}: {report}").into()),
    }
}

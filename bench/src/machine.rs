//! The machine and the program of a run.

use std::path::Path;
use std::process::Command;

use shared::clock::Clock;

/// What a reader needs in order to judge figures.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The day of the run, UTC.
    pub day: String,
    pub processor: String,
    pub cores: usize,
    pub memory_gb: u64,
    pub system: String,
    /// The kind of the file system that servers keep their files on.
    pub disk: String,
    /// The load average of the minute before the run.
    pub load: String,
    pub compiler: String,
    /// The profile that this program was built with.
    pub profile: String,
    /// The commit of the sources.
    pub commit: String,
}

impl Machine {
    /// This machine, now. What cannot be read is called unknown.
    pub fn now() -> Machine {
        let unknown = || "unknown".to_owned();
        let processors = read("/proc/cpuinfo");
        let memory = value(&read("/proc/meminfo"), "MemTotal", ':');
        let memory_kb = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let system = value(&read("/etc/os-release"), "PRETTY_NAME", '=');
        let program = std::env::current_exe().unwrap_or_default();
        let profile = program.parent().and_then(Path::file_name).unwrap_or_default();
        Machine {
            profile: profile.display().to_string(),
            day: Clock::system().now().utc().format("%Y-%m-%d").to_string(),
            processor: value(&processors, "model name", ':').unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            memory_gb: memory_kb.unwrap_or(0).div_ceil(1 << 20),
            system: system.unwrap_or_else(unknown),
            disk: disk().unwrap_or_else(unknown),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            compiler: printed("rustc", &["--version"]).unwrap_or_else(unknown),
            commit: printed("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown),
        }
    }
}

/// The kind of the file system of temporary files.
pub fn disk() -> Option<String> {
    printed("stat", &["-f", "-c", "%T", std::env::temp_dir().to_str()?])
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value of the first line of this name.
fn value(text: &str, name: &str, separator: char) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    let (_, value) = line.split_once(separator)?;
    Some(value.trim().trim_matches('"').to_owned())
}

fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

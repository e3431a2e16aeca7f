//! A server of this run: it answers at a port of its own, and ends with the run.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::contender::Error;

/// No server outlives the run by more, even if the run is killed.
const MOST_S: u32 = 3_600;
/// A server answers within a minute.
const STEPS: usize = 600;
const STEP: Duration = Duration::from_millis(100);

/// A process, and the folder of its files.
pub(super) struct Process {
    child: Child,
    pub(super) port: u16,
    // It is removed after the process has ended.
    folder: Folder,
}

/// A folder that is removed when this is dropped.
pub(super) struct Folder(pub PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody has.
pub(super) fn free_port() -> Result<u16, Error> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A new folder for a server's files: its log, and its data.
pub(super) fn folder(server: &str, port: u16) -> Result<Folder, Error> {
    let folder = std::env::temp_dir().join(format!("scrip-bench-{server}-{port}"));
    std::fs::create_dir(&folder)?;
    Ok(Folder(folder))
}

/// A command that ends after [`MOST_S`], or when it is asked to; half a minute later it is ended.
pub(super) fn bounded(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after", "30", &MOST_S.to_string()]).arg(program);
    command
}

/// The first of these programs that is on this machine.
pub(super) fn found(programs: &[&str]) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let in_folders = |name: &&str| {
        folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file())
    };
    programs.iter().find_map(in_folders)
}

/// The version that a program prints, in one line.
pub(super) fn version(program: &Path, option: &str) -> String {
    let printed = Command::new(program).arg(option).output();
    let printed = printed.map(|output| [output.stdout, output.stderr].concat());
    let printed = String::from_utf8_lossy(&printed.unwrap_or_default()).into_owned();
    printed.lines().next().unwrap_or("of no known version").trim().to_owned()
}

impl Process {
    /// Starts a server that keeps its files in `folder`, and waits until it answers at `port`.
    ///
    /// # Errors
    /// If it ends, or does not answer within a minute.
    pub(super) fn start(mut command: Command, folder: Folder, port: u16) -> Result<Process, Error> {
        let log = std::fs::File::create(folder.0.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut process = Process { child: command.spawn()?, port, folder };
        for _ in 0..STEPS {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(process);
            }
            if process.child.try_wait()?.is_some() {
                break;
            }
            sleep(STEP);
        }
        let log = std::fs::read_to_string(process.folder.0.join("log")).unwrap_or_default();
        Err(format!("{command:?} does not answer: {log}").into())
    }
}

impl Drop for Process {
    /// Asks it to end, and waits for that: [`bounded`] sees to it. The shell has a `kill` everywhere.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("sh").args(["-c", "kill -s INT \"$0\"", &id]).status();
        let _ = self.child.wait();
    }
}

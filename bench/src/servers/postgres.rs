//! PostgreSQL with Debian's settings: a commit is answered when it is on disk.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Process, bounded, folder, found, free_port, version};
use crate::contender::Error;

/// What installs it.
pub const INSTALL: &str = "apt-get install --no-install-recommends postgresql";

/// A server with a cluster of its own.
pub struct Server {
    process: Process,
    pub version: String,
}

impl Server {
    /// Makes a cluster and starts a server on it. None: it is not installed.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start() -> Result<Option<Server>, Error> {
        let Some(programs) = programs() else { return Ok(None) };
        let user = if is_root() { Some(user()?) } else { None };
        let as_user = |mut command: Command| {
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command
        };
        let port = free_port()?;
        let folder = folder("postgres", port)?;
        if let Some((user, group)) = user {
            chown(&folder.0, Some(user), Some(group))?;
        }
        let data = folder.0.join("data");
        let mut cluster = as_user(Command::new(programs.join("initdb")));
        cluster.args(["--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C", "-D"]);
        let made = cluster.arg(&data).current_dir(&folder.0).output()?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into_owned().into());
        }
        let server = programs.join("postgres");
        let mut command = as_user(bounded(&server));
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories=", "-p", &port.to_string()]);
        command.current_dir(&folder.0);
        let process = Process::start(command, folder, port)?;
        Ok(Some(Server { process, version: version(&server, "--version") }))
    }

    pub fn url(&self) -> String {
        format!("postgresql://bench@127.0.0.1:{}/postgres", self.process.port)
    }
}

/// The folder of the server's programs: Debian keeps them out of the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions = versions.map(|version| version.path().join("bin"));
    let newest = versions.filter(|folder| folder.join("initdb").is_file()).max();
    let in_path = || found(&["initdb"])?.parent().map(Path::to_owned);
    newest.or_else(in_path)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The user and group of PostgreSQL: it refuses to be started by root.
fn user() -> Result<(u32, u32), Error> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line.ok_or("there is no user postgres")?.split(':').skip(2);
    let mut number = || fields.next().unwrap_or_default().parse();
    Ok((number()?, number()?))
}

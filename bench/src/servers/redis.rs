//! Valkey or Redis, whichever is installed, with one of two promises.

use std::fmt;

use super::process::{Process, bounded, folder, found, free_port, version};
use crate::contender::Error;

/// What installs it: Debian has Valkey from version 13 on.
pub const INSTALL: &str = "apt-get install --no-install-recommends valkey-server, or redis-server";

/// What survives when the machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing.
    None,
    /// What was answered: `appendfsync always`.
    Always,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Durability::None => "not durable",
            Durability::Always => "appendfsync always",
        })
    }
}

/// A server with an empty memory.
pub struct Server {
    process: Process,
    /// `Valkey` or `Redis`.
    pub name: &'static str,
    pub version: String,
    pub durability: Durability,
}

impl Server {
    /// Starts it. None: neither is installed.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(durability: Durability) -> Result<Option<Server>, Error> {
        let Some(program) = found(&["valkey-server", "redis-server"]) else { return Ok(None) };
        let name = if program.ends_with("valkey-server") { "Valkey" } else { "Redis" };
        let port = free_port()?;
        let folder = folder("redis", port)?;
        let mut command = bounded(&program);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        match durability {
            Durability::None => command.args(["--appendonly", "no"]),
            // Not rewritten, so that its size says what was logged.
            Durability::Always => command.args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--auto-aof-rewrite-percentage",
                "0",
            ]),
        };
        command.arg("--dir").arg(&folder.0);
        let process = Process::start(command, folder, port)?;
        let printed = version(&program, "--version");
        // The rest of the line is about its build.
        let version = printed.split(" sha=").next().unwrap_or_default().to_owned();
        Ok(Some(Server { process, name, version, durability }))
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.process.port)
    }
}

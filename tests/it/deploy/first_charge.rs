//! `docs/start/rust.md`: each of its lines runs, in an empty folder, and prints what it shows.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::first_run::command;
use crate::protocol::restart::Folder;

/// The page as a script, and the output that it shows, each after the number of its block.
fn script(page: &str) -> (String, String) {
    let (mut script, mut shown) = ("set -eu\n".to_owned(), String::new());
    let mut parts = page.split("```");
    let mut before = parts.next().unwrap_or_default();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        let (kind, code) = block.split_once('\n').expect("a block has lines");
        match kind {
            // The stack runs already, and says what these are.
            "sh" if code == "cargo run\n" => {}
            "sh" => {
                for line in code.lines() {
                    let name = line.trim_start_matches("export ").split('=').next();
                    let is_given = ["SCRIP", "SCRIP_URL", "SCRIP_KEY"].map(Some).contains(&name);
                    if !is_given {
                        writeln!(script, "{line}").expect("a text");
                    }
                }
            }
            "rust" => {
                let file = before.rsplit('`').nth(1).expect("the file's name stands before it");
                let folder = Path::new(file).parent().expect("a folder").display();
                writeln!(script, "mkdir -p {folder}\ncat > {file} <<'END'\n{code}END")
                    .expect("a text");
            }
            "text" => shown += code,
            other => panic!("a block of {other:?}"),
        }
        before = after;
    }
    (script, shown)
}

/// A stack as `cargo run` starts it, and what it prints.
struct Running {
    process: Child,
    url: String,
    key: String,
}

impl Running {
    fn new() -> Running {
        let mut command = command(&["--memory", "--addr", "127.0.0.1:0"]);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("a process");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut printed = |name: &str| loop {
            let line = lines.next().expect("it ended").expect("a line");
            if let Some(value) = line.trim_start().strip_prefix(name) {
                return value.trim().to_owned();
            }
        };
        let (url, key) = (printed("SCRIP_URL "), printed("SCRIP_KEY "));
        // Its log of requests must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Running { process, url, key }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_first_charge_in_rust_runs_as_it_is_written() {
    let (script, shown) = script(include_str!("../../../docs/start/rust.md"));
    let stack = Running::new();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout");
    let test = std::env::current_exe().expect("this program");
    let target = test.ancestors().nth(3).expect("the target folder").join("first-charge");
    let folder = Folder::new("first-charge");
    std::fs::create_dir_all(&folder.0).expect("an empty folder");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(&folder.0).env("SCRIP", checkout);
    // As one builds after `cargo run`: what it needs is there.
    shell
        .env("SCRIP_URL", &stack.url)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true");
    shell.env("SCRIP_KEY", &stack.key);
    // Without what only a debugger reads, it builds in half of the time.
    shell.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_")) {
        shell.env_remove(name);
    }
    let ran = shell.output().expect("a shell");
    let printed = String::from_utf8_lossy(&ran.stdout).replace(&stack.url, "http://127.0.0.1:3000");
    let complaints = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{printed}\n{complaints}");
    assert_eq!(printed, shown, "{complaints}");
}

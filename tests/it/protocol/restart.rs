//! kill -9 at any moment: acknowledged operations are there, resending the ids of the others
//! resolves them, and no credit is off.
//!
//! The process is the one that `cargo run` starts, with its tables in a folder. `KILLS=n` says how
//! often it is killed, `SEED=n` plays other operations.

mod load;

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Instant;

use tests::proof::{self, KILLS};
use tests::simulation::client::Clients;
use tests::support::instant;
use tokio::task::{LocalSet, spawn_local};

use load::{ACCOUNTS, BUYER, CLIENTS, JSON, Load, ask, keyed, pause};

/// The stack begins ten seconds before a Monday.
const BEGINS: &str = "2026-11-22T23:59:50Z";
/// The program that `cargo run` starts, built from this source.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| programs().join("local"))
}

/// The folder of the programs `local`, `scrip` and `chat-axum`, and of `examples/conformance`, which
/// each test run builds once.
pub(crate) fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build)
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let folder = test.ancestors().nth(2).expect("the folder of the profile");
    let mut build = Command::new(env!("CARGO"));
    // Together with the tests of the workspace, so that the
    // features agree and nothing is built twice.
    build.args(["build", "--quiet", "--workspace", "--test", "it", "--example", "conformance"]);
    build.args(["--bin", "local", "--bin", "scrip", "--bin", "chat-axum"]);
    // Cargo sets these variables for a test of this crate; the build script of `ring` would see
    // them too, and everything with TLS would be built again.
    let said = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.starts_with(of));
    for (name, _) in std::env::vars().filter(|(name, _)| said(name)) {
        build.env_remove(name);
    }
    build.arg("--target-dir").arg(folder.parent().expect("the target folder"));
    let profile = folder.file_name().and_then(|name| name.to_str()).expect("a profile");
    build.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo");
    assert!(built.success(), "cargo build of the programs");
    folder.to_owned()
}

/// A temporary folder, removed at the end of the test.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        Folder(std::env::temp_dir().join(format!("scrip-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The stack in a process of its own; killed when it is dropped.
struct Stack {
    process: Child,
    addr: String,
    /// The stack's clock when it began to listen, in ms.
    began_ms: i64,
}

impl Stack {
    /// Starts the stack on the tables in `folder`, at `now` or where its clock was left.
    fn start(program: &Path, folder: &Path, now: Option<&str>) -> Stack {
        let mut command = Command::new(program);
        command.args(["--addr", "127.0.0.1:0", "--data"]).arg(folder);
        for name in ["DYNAMODB_ENDPOINT_URL", "STRIPE_SECRET_KEY", "SCRIP_ADDR"] {
            command.env_remove(name);
        }
        if let Some(now) = now {
            command.args(["--now", now]);
        }
        let mut process = command.stdout(Stdio::piped()).spawn().expect("a process");
        let output = process.stdout.take().expect("its output");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let told = lines.find_map(|line| {
            let (addr, rest) = line.strip_prefix("Scrip on http://")?.split_once(", ")?;
            Some((addr.to_owned(), instant(rest.split_once(',')?.0).ms()))
        });
        // The rest of its output is read, so that the pipe does not block it.
        std::thread::spawn(move || lines.for_each(drop));
        let (addr, began_ms) = told.expect("the stack says where it listens");
        Stack { process, addr, began_ms }
    }
}

impl Drop for Stack {
    /// SIGKILL: no chance to write anything.
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

#[tokio::test]
async fn a_killed_stack_comes_back_with_every_receipt() {
    let (program, folder) = (program(), Folder::new("receipts"));
    let debit = async |stack: &Stack, key: &str| {
        let path = "/v1/accounts/acme/debits";
        let answer = ask(&stack.addr, "POST", path, &keyed(key), r#"{"credits":"1"}"#).await;
        answer.expect("an answer")
    };
    let balance = async |stack: &Stack| {
        ask(&stack.addr, "GET", "/v1/accounts/acme/balance", "", "").await.expect("an answer").body
    };
    let stack = Stack::start(program, &folder.0, None);
    let mut receipts = Vec::new();
    for n in 0..40 {
        let key = format!("job-{n}");
        let receipt = debit(&stack, &key).await;
        assert_eq!(receipt.status, 201, "{receipt:?}");
        receipts.push((key, receipt.body));
    }
    let before = balance(&stack).await;
    drop(stack);

    let stack = Stack::start(program, &folder.0, None);
    assert_eq!(balance(&stack).await, before);
    assert_eq!(before["available"], "2460");
    for (key, receipt) in receipts {
        let again = debit(&stack, &key).await;
        assert!(again.replayed, "{again:?}");
        assert_eq!(again.body, receipt);
    }
}

#[tokio::test]
async fn killed_at_any_moment_under_load_no_credit_is_off() {
    let (kills, seed) = (KILLS.get(), proof::seed(9));
    println!("SEED={seed}");
    LocalSet::new().run_until(kill(kills, seed)).await;
}

async fn kill(kills: u64, seed: u64) {
    let (program, folder) = (program(), Folder::new("kills"));
    let mut stack = Stack::start(program, &folder.0, Some(BEGINS));
    let load = Rc::new(Load {
        clients: Clients::new(seed, ACCOUNTS, None, (false, false)),
        addr: RefCell::new(stack.addr.clone()),
        began: Instant::now(),
        began_ms: stack.began_ms,
        over: Cell::default(),
        operations: Cell::default(),
        sent: Cell::default(),
        unanswered: Cell::default(),
    });
    for account in 0..ACCOUNTS {
        assert_eq!(load.send(&Clients::opening(account)).await, Some(201));
    }
    let path = format!("/v1/accounts/{BUYER}");
    let opened = load.ask("PUT", &path, &keyed("open"), r#"{"plan":"free"}"#).await;
    assert_eq!(opened.map(|opened| opened.status), Some(201));
    let clients: Vec<_> =
        (0..CLIENTS).map(|n| spawn_local(load.clone().client(n % ACCOUNTS))).collect();
    let buyer = spawn_local(load.clone().buyer());
    let bar = KILLS.bar(kills);
    for _ in 0..kills {
        bar.inc(1);
        pause(20 + load.clients.below(1_500)).await;
        drop(stack);
        stack = Stack::start(program, &folder.0, None);
        load.addr.replace(stack.addr.clone());
    }
    pause(500).await;
    load.over.set(true);
    let paid = buyer.await.expect("the buyer does not panic");
    let mut open = Vec::new();
    for client in clients {
        open.extend(client.await.expect("a client does not panic"));
    }
    // No id is in the doubtful minutes any more: each has its outcome now.
    load.advance(200).await;
    for operation in &open {
        let status = load.send(operation).await;
        let known = matches!(status, Some(200 | 201 | 400 | 402 | 403 | 404 | 409 | 422));
        assert!(known, "{operation:?} ends in {status:?}");
    }
    // Reconciliation asks Stripe for the events that it missed when it was killed, when the webhook
    // has had its time for them.
    load.advance(700).await;
    let path = "/_local/schedule/reconcile";
    let reconciled = load.ask("POST", path, JSON, "{}").await.expect("an answer");
    assert_eq!(reconciled.status, 200, "{reconciled:?}");
    load.advance(600).await;
    let entries = load.audit().await;
    load.audit_payments(&paid).await;
    bar.finish_and_clear();
    KILLS.say(format_args!(
        "{kills} kills in {} s: {} operations of {CLIENTS} clients, {} requests, {} without an \
         answer, {} operations without an outcome until the end, {entries} entries, {} packs paid: \
         0 credits off",
        load.began.elapsed().as_secs(),
        load.operations.get(),
        load.sent.get(),
        load.unanswered.get(),
        open.len(),
        paid.len(),
    ));
}

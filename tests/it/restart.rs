//! kill -9: what was acknowledged is there, and a retry gets its first receipt.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use local::clock::LocalClock;
use local::mappings::Mappings;
use local::routes::Functions;
use local::template::Template;
use local::world::{self, Data};
use local::{seed, server, tables};
use shared::config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Set for the process that is killed: the folder of its tables.
const FOLDER: &str = "SCRIP_TEST_FOLDER";

/// The process that is killed: the local stack, on a port of its own. Without [`FOLDER`] it is a
/// test of nothing and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else {
        println!("run by a_killed_stack_comes_back");
        return;
    };
    let config = Config { tables: tables::names(), ..Config::default() };
    let data = Data::Folder(folder.into());
    let clock = LocalClock::default();
    let (world, streams) = world::open(&data, &clock, config).await.expect("a stack");
    let mappings = Mappings::local(&Template::load(), world.clone(), streams);
    let functions = Functions::new(world);
    seed::seed(&functions).await.expect("accounts");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("LISTENING {}", listener.local_addr().expect("an address"));
    let stack = server::Stack { functions, clock, stripe: None, mappings };
    server::serve(listener, stack).await.expect("serving");
}

/// A stack in a process of its own.
struct Stack {
    process: Child,
    addr: String,
}

impl Stack {
    fn start(folder: &Path) -> Stack {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "restart::the_process_that_is_killed", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let addr = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("LISTENING ").map(|(_, addr)| addr.to_owned()));
        Stack { process, addr: addr.expect("the stack says where it listens") }
    }

    /// Sends a request, and returns the whole answer as text.
    async fn send(&self, method: &str, path: &str, key: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.addr).await.expect("a connection");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nidempotency-key: {key}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.addr,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    async fn debit(&self, key: &str) -> String {
        self.send("POST", "/v1/accounts/acme/debits", key, r#"{"credits":"1"}"#).await
    }

    /// SIGKILL: no chance to write anything.
    fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a body").1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_stack_comes_back_with_every_receipt() {
    let folder = std::env::temp_dir().join(format!("scrip-restart-{}", std::process::id()));
    let stack = Stack::start(&folder);
    let mut receipts = Vec::new();
    for n in 0..40 {
        let key = format!("job-{n}");
        let answer = stack.debit(&key).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        receipts.push((key, body(&answer).to_owned()));
    }
    let before = stack.send("GET", "/v1/accounts/acme/balance", "-", "").await;
    stack.kill();

    let stack = Stack::start(&folder);
    let after = stack.send("GET", "/v1/accounts/acme/balance", "-", "").await;
    assert_eq!(body(&after), body(&before));
    assert!(body(&after).contains(r#""available":"2460""#), "{after}");
    for (key, receipt) in receipts {
        let again = stack.debit(&key).await;
        assert!(again.contains("idempotent-replayed: true"), "{again}");
        assert_eq!(body(&again), receipt);
    }
    stack.kill();
    std::fs::remove_dir_all(folder).expect("the folder was the test's own");
}

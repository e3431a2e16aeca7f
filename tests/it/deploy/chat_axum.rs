//! The example `chat-axum`: a chat is charged for the words that its customer got.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chat_axum::chat;
use chat_axum::model::{Model, ModelError, Parrot, Words};
use scrip_client::{Options, Scrip, Spend, Unpaid};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::protocol::restart::{Folder, programs};
use crate::support::Stack;

const PACE: Duration = Duration::from_millis(5);

/// A client of the stack at this address.
fn client(base: &str) -> Scrip {
    let options = Options::new(base).deadline(Duration::from_secs(2));
    let options = options.on_unpaid(|unpaid, error| async move {
        panic!("{unpaid:?} is unpaid: {error:?}");
    });
    options.build().expect("a client")
}

/// Serves the chat, and returns its address.
async fn serve(scrip: &Scrip, model: impl Model) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let chat = chat(scrip.clone(), model);
    tokio::spawn(async move { axum::serve(listener, chat).await });
    address
}

/// Asks, and reads until the text has `ends`, or to the end; then leaves.
async fn ask(address: SocketAddr, customer: &str, body: &str, ends: &str) -> String {
    let mut connection = TcpStream::connect(address).await.expect("the chat");
    let request = format!(
        "POST /chat HTTP/1.1\r\nHost: chat\r\nX-Customer: {customer}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.expect("sent");
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        let is_there = !ends.is_empty() && text.contains(ends);
        if is_there || connection.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return String::from_utf8_lossy(&read).into_owned();
        }
    }
}

async fn balance(scrip: &Scrip, account: &str) -> (String, String) {
    let balance = scrip.balance(account).await.expect("a balance");
    (balance.available, balance.held)
}

/// Waits until nothing is held, and returns what is available.
async fn settled(scrip: &Scrip, account: &str) -> u32 {
    for _ in 0..1_000 {
        let (available, held) = balance(scrip, account).await;
        if held == "0" {
            return available.parse().expect("whole credits");
        }
        tokio::time::sleep(PACE).await;
    }
    panic!("it is still held");
}

async fn stage() -> (Stack, Scrip) {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "pro").await;
    stack.open("open", "free").await;
    (stack, client(&base))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_charged_by_its_words() {
    let (_stack, scrip) = stage().await;
    let chat = serve(&scrip, Parrot { pace: PACE }).await;
    let asked = r#"{"prompt":"red green blue","words":5}"#;
    let answer = ask(chat, "ada@acme", asked, "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(answer.matches("red ").count(), 2, "{answer}");
    assert_eq!(settled(&scrip, "acme").await, 2_495);
    let usage = scrip.usage("acme", Default::default()).await.expect("usage");
    assert_eq!(usage.days[0].users[0].user.as_deref(), Some("ada"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_leaves_is_charged_for_the_words_until_then() {
    let (_stack, scrip) = stage().await;
    let chat = serve(&scrip, Parrot { pace: PACE }).await;
    let asked = r#"{"prompt":"red green blue"}"#;
    let answer = ask(chat, "ada@acme", asked, "blue ").await;
    assert!(answer.contains("red "), "{answer}");
    let charged = 2_500 - settled(&scrip, "acme").await;
    assert!((3..100).contains(&charged), "{charged} words");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_cannot_pay_sees_where_to_buy() {
    let (_stack, scrip) = stage().await;
    let chat = serve(&scrip, Parrot { pace: PACE }).await;
    let answer = ask(chat, "max@open", r#"{"prompt":"red"}"#, "").await;
    assert!(answer.starts_with("HTTP/1.1 402 "), "{answer}");
    assert!(answer.contains("This needs up to 200 credits, and you have 25."), "{answer}");
    assert!(answer.contains(r#""top_up_url":"http://"#), "{answer}");
    for (customer, body, status) in [
        ("nobody", r#"{"prompt":"red"}"#, "401"),
        ("max@open", "{}", "400"),
        ("max@open", r#"{"prompt":"red","words":201}"#, "400"),
        ("max@open", r#"{"prompt":"red","words":1.5}"#, "400"),
        // An account that nobody opened is this program's mistake.
        ("max@nowhere", r#"{"prompt":"red"}"#, "500"),
    ] {
        let answer = ask(chat, customer, body, "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert_eq!(balance(&scrip, "open").await, ("25".to_owned(), "0".to_owned()));
}

/// A model that breaks off after two words.
struct Broken;

impl Model for Broken {
    fn words(&self, _: &str, _: usize) -> Words {
        let (sends, words) = mpsc::channel(3);
        for word in [Ok("red ".to_owned()), Ok("green ".to_owned()), Err("it broke")] {
            sends.try_send(word.map_err(|text: &str| ModelError::from(text))).expect("room");
        }
        words.into()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_whose_model_breaks_off_is_free() {
    let (_stack, scrip) = stage().await;
    let chat = serve(&scrip, Broken).await;
    let answer = ask(chat, "ada@acme", r#"{"prompt":"red"}"#, "").await;
    assert!(!answer.ends_with("0\r\n\r\n"), "it looks whole: {answer}");
    assert_eq!(settled(&scrip, "acme").await, 2_500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_without_its_stack_says_so() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    let chat = serve(&client(&format!("http://{address}")), Parrot { pace: PACE }).await;
    let answer = ask(chat, "ada@acme", r#"{"prompt":"red"}"#, "").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

/// The program, which is killed when it is dropped.
struct Program(Child);

impl Program {
    /// Starts it in this folder, and waits until it serves.
    fn start(folder: &Folder, url: &str) -> (Program, SocketAddr) {
        let mut program = Command::new(programs().join("chat-axum"));
        program.current_dir(&folder.0).env("SCRIP_URL", url).env("PORT", "0");
        program.env_remove("SCRIP_KEY").stdout(Stdio::piped());
        let mut program = Program(program.spawn().expect("the program"));
        let mut line = String::new();
        let printed = program.0.stdout.take().expect("its output");
        BufReader::new(printed).read_line(&mut line).expect("its address");
        let address = line.trim().trim_start_matches("Chat on http://").trim_end_matches("/chat");
        let address = address.parse().expect("an address");
        (program, address)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_is_told_to_end_ends_its_answers_and_charges_them() {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "pro").await;
    let scrip = client(&base);
    let folder = Folder::new("chat-told");
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let (mut program, chat) = Program::start(&folder, &base);
    let asked = r#"{"prompt":"red green","words":8}"#;
    let answer = tokio::spawn(async move { ask(chat, "ada@acme", asked, "").await });
    while balance(&scrip, "acme").await.1 == "0" {
        tokio::time::sleep(PACE).await;
    }
    let told = format!("kill -TERM {}", program.0.id());
    assert!(Command::new("sh").args(["-c", &told]).status().expect("sh").success());
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.matches("green ").count(), 4, "{answer}");
    let ended = tokio::task::spawn_blocking(move || program.0.wait());
    assert!(ended.await.expect("it ran").expect("it ended").success());
    assert_eq!(balance(&scrip, "acme").await, ("2492".to_owned(), "0".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_serves_although_it_owes_and_pays_meanwhile() {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "pro").await;
    let folder = Folder::new("chat-owes");
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let file = folder.0.join("unpaid.jsonl");
    let (spend, key) = (Spend::action("rich_text", 3), "chat 17".to_owned());
    let (account, otherwise) = ("acme".to_owned(), None);
    let unpaid = Unpaid { key, account, spend, hold: None, beyond: false, otherwise };
    let unpaid = serde_json::to_string(&unpaid).expect("JSON");
    std::fs::write(&file, format!("torn\n{unpaid}\n")).expect("stored");
    // This stack never answers; yet the chat begins.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    programs();
    let began = std::time::Instant::now();
    drop(Program::start(&folder, &url));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let _program = Program::start(&folder, &base);
    while std::fs::read_to_string(&file).expect("the file") != "torn\n" {
        tokio::time::sleep(PACE).await;
    }
    assert_eq!(settled(&client(&base), "acme").await, 2_497);
}

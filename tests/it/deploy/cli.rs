//! The `scrip` program: an operator's commands, run as processes against a listening stack.

use std::io::Write as _;
use std::net::TcpListener as Port;
use std::process::{Command, Stdio};

use local::request_log::RequestLog;
use local::server;
use local::start::Start;
use serde_json::{Value, json};
use shared::domain::{Catalog, CatalogFiles};
use tokio::net::TcpListener;

use crate::deploy::{first_run, restore};
use crate::protocol::restart::programs;
use crate::support::Stack;
use crate::support::catalogs::in_folder;
use crate::support::shop::Shop;

/// The result of a command.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) says: String,
    pub(super) complains: String,
}

/// Runs `scrip` with these arguments and only this environment.
pub(super) async fn scrip(words: &[&str], environment: &[(&str, &str)]) -> Ended {
    told(words, environment, "").await
}

/// The same, with a text on standard input.
pub(super) async fn told(words: &[&str], environment: &[(&str, &str)], input: &str) -> Ended {
    let mut command = Command::new(programs().join("scrip"));
    command.args(words).env_clear().envs(environment.iter().copied()).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let mut stdin = child.stdin.take().expect("its standard input");
    // A command that does not read it has ended by then.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output()).await;
    let ended = ended.expect("no panic").expect("its output");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: ended.status.code(), says: text(ended.stdout), complains: text(ended.stderr) }
}

/// The option that names the stack at `base`.
pub(super) fn at(base: &str) -> String {
    format!("--local={base}")
}

/// Runs `scrip` on the stack at `base`; it must succeed. Returns its output.
pub(super) async fn on(base: &str, words: &[&str]) -> String {
    let ended = scrip(&[&[&*at(base)], words].concat(), &[]).await;
    assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
    ended.says
}

/// The stack of the shop, changed by `change`, at an address.
pub(super) async fn listening(
    shop: &Shop,
    change: impl FnOnce(&mut local::stack::Stack),
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut served = local::stack::Stack {
        functions: shop.stack.functions.clone(),
        clock: shop.stack.clock.clone(),
        stripe: Some(shop.stripe.clone()),
        mappings: shop.stack.mappings.clone(),
        table: Some(shop.stack.wire.table().clone()),
        log: RequestLog::Off,
        start: Start::default(),
        key: None,
    };
    change(&mut served);
    tokio::spawn(server::serve(listener, served));
    base
}

/// A shop at a Wednesday noon, with an account that was used, and then six days later.
async fn tuesday() -> Shop {
    let shop = Shop::streamed().await;
    shop.stack.open("acme", "free").await;
    shop.stack.action("acme", "a video", "dynamic_video", 1).await;
    shop.stack.relay().await;
    shop.stack.set_clock("2026-11-24T12:00:00Z");
    shop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_works_on_a_stack_whose_clock_was_moved() {
    let shop = tuesday().await;
    let base = &listening(&shop, |_| ()).await;
    let shown = on(base, &["inspect", "acme"]).await;
    assert!(shown.starts_with("account acme, ") && shown.contains("dynamic_video"), "{shown}");
    assert_eq!(on(base, &["audit"]).await, "1 accounts, 0 differences\n");
    assert_eq!(on(base, &["audit", "--account", "acme"]).await, "1 accounts, 0 differences\n");
    let rehearsed = on(base, &["repair", "--dry-run"]).await;
    assert_eq!(rehearsed, "would be repaired 0, parked 0, left 0\n");
    assert_eq!(on(base, &["repair"]).await, "repaired 0, parked 0, left 0\n");
    let report: Value = serde_json::from_str(&on(base, &["reconcile"]).await).expect("JSON");
    assert_eq!(report["found"], json!([]), "{report}");
    let connected = on(base, &["stripe", "connect"]).await;
    assert!(connected.starts_with("a local stack needs no endpoint"), "{connected}");
    assert!(connected.ends_with(" arrived\n"), "{connected}");
    let nobody = scrip(&[&at(base), "audit", "--account", "nobody"], &[]).await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert_eq!(nobody.complains, "scrip: there is no account nobody\n");
    let nobody = scrip(&[&at(base), "inspect", "nobody"], &[]).await;
    assert_eq!(nobody.code, Some(1));
    assert_eq!(nobody.complains, "scrip: there is no account nobody\n");

    let text = Catalog::DEFAULT.replacen("version = 1", "version = 2", 1);
    let file = in_folder("command", text.replacen("per = 2", "per = 1", 1));
    let path = file.path().to_str().expect("a path in UTF-8");
    let diff = on(base, &["catalog", "diff", path]).await;
    assert!(diff.contains("custom_image") && diff.ends_with("nothing was changed\n"), "{diff}");
    assert_eq!(on(base, &["catalog", "publish", path, "--dry-run"]).await, diff);
    let kept = shop.stack.context().store.catalog().await.expect("an answer");
    assert_eq!(kept, Some(CatalogFiles::built_in()));
    let published = on(base, &["catalog", "publish", path]).await;
    assert_eq!(format!("{published}nothing was changed\n"), diff);
    let kept = shop.stack.context().store.catalog().await.expect("an answer");
    assert!(kept.is_some_and(|files| files.catalog.contains("version = 2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_a_command_are_announced() {
    let shop = tuesday().await;
    let base = &listening(&shop, |_| ()).await;
    let counted = on(base, &["recharge", "--dry-run"]).await;
    assert_eq!(counted, "1 accounts, 1 to advance, 0 that cannot be read\n");
    let before = shop.stack.announced().len();
    let advanced = on(base, &["recharge"]).await;
    assert_eq!(advanced, "1 accounts, 1 advanced, 0 that cannot be read\n");
    shop.stack.relay().await;
    let [recharged] = &shop.stack.announced()[before..] else { panic!("not one event") };
    assert_eq!(recharged["detail-type"], "CreditsRecharged");
    // On the stack's clock.
    let at = recharged["detail"]["at"].as_str().expect("a time");
    assert!(at.starts_with("2026-11-24T12:0"), "{recharged:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_tables_are_audited_and_repaired_by_one_command() {
    let (shop, before, after) = restore::torn().await;
    let new = restore::copied(&shop.stack, "torn", [&before[0], &after[1]]).await;
    let base = &listening(&shop, |_| ()).await;
    let words = ["restore", "--from-tables", &new.accounts, &new.ledger];
    // Nobody is at the terminal to agree.
    let ended = scrip(&[&[&*at(base)], &words[..]].concat(), &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complains.ends_with("scrip: nothing was repaired: run it again, and agree\n"));
    let done = on(base, &[&words[..], &["--yes"]].concat()).await;
    assert!(done.contains("\nrepaired "), "{done}");
    let again = on(base, &[&words[..], &["--dry-run"]].concat()).await;
    assert_eq!(again, "the audit found 0 differences\n");
    let ended = scrip(&[&at(base), "restore", "--to", "2026-11-18T12:00:00Z"], &[]).await;
    assert!(ended.code == Some(1) && ended.complains.contains("no backups"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployed_stack_is_named_by_the_environment() {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "pro").await;
    let tables = [("ACCOUNTS_TABLE", "scrip-accounts"), ("LEDGER_TABLE", "scrip-ledger")];
    let endpoint = format!("{base}/_local/dynamodb");
    let aws = [
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "anybody"),
        ("AWS_SECRET_ACCESS_KEY", "anything"),
    ];
    let shown = scrip(&["inspect", "acme"], &[&tables[..], &aws].concat()).await;
    assert!(shown.code == Some(0) && shown.says.starts_with("account acme, "), "{shown:?}");
    // No key of Stripe is named, so nobody asks Stripe.
    let audited = scrip(&["audit"], &[&tables[..], &aws].concat()).await;
    assert_eq!((audited.code, audited.says.as_str()), (Some(0), CLEAN), "{audited:?}");
    assert_eq!(audited.complains, "payments are not compared with Stripe\n");
    for missing in [&[][..], &tables[..1], &tables[1..]] {
        let which = scrip(&["audit"], &[missing, &aws].concat()).await;
        assert_eq!(which.code, Some(1), "{which:?}");
        let both = ["--local", "`cargo run`", "ACCOUNTS_TABLE and LEDGER_TABLE"];
        assert!(both.iter().all(|way| which.complains.contains(way)), "{which:?}");
    }
}

/// The output of an audit of one account that finds nothing.
const CLEAN: &str = "1 accounts, 0 differences\n";

/// Audits the stack at `base`, which must be clean, and must not be compared with Stripe.
async fn clean_without_stripe(base: &str, words: &[&str]) {
    let ended = scrip(&[&[&*at(base), "audit"], words].concat(), &[]).await;
    assert_eq!((ended.code, ended.says.as_str()), (Some(0), CLEAN), "{ended:?}");
    assert!(ended.complains.contains("payments are not compared with Stripe\n"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_without_stripe_is_audited_and_repaired_without_it() {
    let shop = tuesday().await;
    let base = &listening(&shop, |_| ()).await;
    clean_without_stripe(base, &["--no-stripe"]).await;
    let without = Stack::without_stripe().await;
    without.open("acme", "free").await;
    let base = &listening(&shop, |served| {
        served.table = Some(without.wire.table().clone());
        (served.functions, served.stripe) = (without.functions.clone(), None);
    })
    .await;
    // No relay has written the account's row in the directory.
    let repaired = on(base, &["repair"]).await;
    assert!(repaired.starts_with("repaired: acme  directory: "), "{repaired}");
    assert!(repaired.ends_with("\nrepaired 1, parked 0, left 0\n"), "{repaired}");
    clean_without_stripe(base, &[]).await;
    clean_without_stripe(base, &["--account", "acme"]).await;
    assert_eq!(on(base, &["repair"]).await, "repaired 0, parked 0, left 0\n");
    let asked = scrip(&[&at(base), "reconcile"], &[]).await;
    assert_eq!(asked.complains, "scrip: this stack has no Stripe\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_running_stack_a_command_says_how_to_start_one() {
    let port = Port::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", port.local_addr().expect("an address"));
    drop(port);
    let ended = scrip(&[&at(&base), "audit"], &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let says = format!("scrip: no local stack answers at {base} (");
    assert!(ended.complains.starts_with(&says), "{ended:?}");
    assert!(ended.complains.contains("`cargo run`"), "{ended:?}");
    // The address is optional, before a command and after it.
    for words in [
        &["--local", "recharge", "--dry-run"][..],
        &["inspect", "acme", "--local"],
        &["inspect", "--local", "acme"],
    ] {
        assert_ne!(scrip(words, &[]).await.code, Some(2), "{words:?}");
    }
    // Only addresses of this machine: other addresses have no IAM.
    for elsewhere in ["http://192.0.2.1:3000", "https://127.0.0.1", "http://example.com", "acme"] {
        let ended = scrip(&[&at(elsewhere), "audit"], &[]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.complains.contains("not an address of this machine"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_that_keeps_its_tables_or_its_payments_elsewhere_says_so() {
    let shop = Shop::noon().await;
    let base = listening(&shop, |served| served.table = None).await;
    let ended = scrip(&[&at(&base), "inspect", "acme"], &[]).await;
    assert!(ended.code == Some(1) && ended.complains.contains("--endpoint"), "{ended:?}");
    let (status, _, body) = ask(&base, "POST", AT, &MEANT, "{}").await;
    assert!(status == 404 && body.contains("--endpoint"), "{status} {body}");

    let base = listening(&shop, |served| served.stripe = None).await;
    assert_eq!(on(&base, &["recharge"]).await, "0 accounts, 0 advanced, 0 that cannot be read\n");
    let there = at(&base);
    let words = [there.as_str(), "audit"];
    let ended = scrip(&words, &[]).await;
    assert!(ended.code == Some(1) && ended.complains.contains("STRIPE_SECRET_KEY"), "{ended:?}");
    let ended = scrip(&words, &[("STRIPE_SECRET_KEY", "sk_live_1")]).await;
    assert!(ended.code == Some(1) && ended.complains.contains("only a test key"), "{ended:?}");
}

#[test]
fn the_stack_says_where_its_commands_went() {
    for old in ["audit", "catalog", "inspect", "recharge", "reconcile", "repair"] {
        for words in [&["--memory", old][..], &[old, "acme", "--dry-run", "--account", "acme"]] {
            let ended = first_run::command(words).output().expect("a process");
            let moved = format!("cargo run -p cli -- --local {old}");
            let says = format!("scrip: `{old}` is now a command of scrip: {moved}\n");
            assert_eq!(String::from_utf8_lossy(&ended.stderr), says);
            assert_eq!(ended.status.code(), Some(2), "{words:?}");
        }
    }
    let ended = first_run::command(&["adit"]).output().expect("a process");
    assert_eq!(ended.status.code(), Some(2));
    let says = String::from_utf8_lossy(&ended.stderr);
    assert!(says.contains("no command `adit`"), "{says}");
}

/// The path of the tables.
const AT: &str = "/_local/dynamodb";
/// The headers of an SDK request.
const MEANT: [(&str, &str); 2] =
    [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "DynamoDB_20120810.Scan")];

/// Sends one request. Returns the status, the header `Date`, and the body.
pub(super) async fn ask(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, String) {
    let mut request = http::Request::builder().method(method).uri(format!("{base}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_owned()).expect("a request");
    let answered = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent: ureq::Agent = agent.allow_non_standard_methods(true).build().into();
        let mut answer = agent.run(request).expect("an answer");
        let date = answer.headers()["date"].to_str().expect("text").to_owned();
        let body = answer.body_mut().read_to_string().expect("text");
        (answer.status().as_u16(), date, body)
    });
    answered.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_foreign_page_or_form_reaches_the_tables() {
    let shop = tuesday().await;
    let base = &listening(&shop, |_| ()).await;
    let scan = r#"{"TableName":"scrip-accounts"}"#;
    for path in [AT, "/_local/dynamodb/"] {
        let (status, date, body) = ask(base, "POST", path, &MEANT, scan).await;
        assert!(status == 200 && body.contains("acme"), "{path}: {status} {body}");
        assert!(date.starts_with("Tue, 24 Nov 2026 12:0"), "{date}");
        let with = |header| [&MEANT[..], &[header]].concat();
        for (headers, refused) in [
            (with(("host", "evil.example")), 403),
            (with(("origin", "https://evil.example")), 403),
            (MEANT[1..].to_vec(), 415),
            (vec![("content-type", "application/json"), MEANT[1]], 415),
            (vec![("content-type", "text/plain"), MEANT[1]], 415),
            (MEANT[..1].to_vec(), 400),
        ] {
            let (status, _, body) = ask(base, "POST", path, &headers, scan).await;
            assert_eq!(status, refused, "{path} {headers:?}: {body}");
            assert!(!body.contains("acme"), "{body}");
        }
        assert_eq!(ask(base, "PUT", path, &MEANT, scan).await.0, 405);
    }
    // A body larger than the contract allows is read, and the table itself answers it.
    let large = json!({ "TableName": "x".repeat(300 * 1024) }).to_string();
    let (status, _, body) = ask(base, "POST", AT, &MEANT, &large).await;
    assert!(status == 400 && body.contains("__type"), "{status} {body}");
    let too_large = " ".repeat(local::dynamodb::MAX_BYTES + 1);
    assert_eq!(ask(base, "POST", AT, &MEANT, &too_large).await.0, 413);
}

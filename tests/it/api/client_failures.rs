//! The Rust client where something fails: nothing that is owed is lost, and nobody waits in vain.
//! The stack is a fake one, which answers what a test wants.

use std::future::{pending, poll_fn, ready};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use scrip_client::{ChargeError, Error, Options, Spend, Unpaid, Work};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(5);

/// The answer to a request: its status, and after how long.
type Answer = (u16, Duration);

/// The last words of the paths of all requests.
type Asked = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Fake {
    asked: Asked,
    /// By the last word of a path, and how many requests had it before.
    answer: fn(&str, usize) -> Answer,
}

async fn serve(answer: fn(&str, usize) -> Answer) -> (String, Asked) {
    let fake = Fake { asked: Asked::default(), answer };
    let asked = fake.asked.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new().fallback(respond).with_state(fake);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), asked)
}

async fn respond(State(fake): State<Fake>, request: Request) -> Response {
    let word = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let before = count(&fake.asked, &word);
    fake.asked.lock().unwrap_or_else(PoisonError::into_inner).push(word.clone());
    let (status, after) = (fake.answer)(&word, before);
    sleep(after).await;
    let body = match status {
        201 => receipt(),
        _ => json!({ "code": "insufficient_credits", "detail": "no" }),
    };
    let status = StatusCode::from_u16(status).expect("a status");
    let retry_after = if word == "extend" { "60" } else { "0" };
    (status, [(header::RETRY_AFTER, retry_after)], body.to_string()).into_response()
}

/// The receipt of whatever was asked for.
fn receipt() -> Value {
    json!({
        "id": "01KB0000007000000000000000", "account": "acme", "credits": "1", "seq": 2,
        "at": "2026-11-27T10:00:00.000Z", "expires_at": "2026-11-27T10:05:00.000Z",
        "balance": { "available": "24", "held": "0" },
    })
}

fn count(asked: &Asked, word: &str) -> usize {
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    asked.iter().filter(|one| *one == word).count()
}

fn at_once(status: u16) -> Answer {
    (status, Duration::ZERO)
}

fn one() -> Spend {
    Spend::credits("1")
}

/// An option `on_unpaid` that tells what it got.
fn takes(options: Options) -> (Options, mpsc::UnboundedReceiver<(Unpaid, Option<Error>)>) {
    let (hands, handed) = mpsc::unbounded_channel();
    let options = options.on_unpaid(move |unpaid, error| {
        let _ = hands.send((unpaid, error));
        ready(())
    });
    (options, handed)
}

#[tokio::test]
async fn a_charge_whose_caller_leaves_before_it_fails_is_handed_over() {
    let (base, asked) = serve(|word, _| match word {
        "capture" => (402, Duration::from_millis(200)),
        _ => at_once(201),
    })
    .await;
    let (options, mut handed) = takes(Options::new(base));
    let scrip = options.build().expect("a client");
    let leaves = scrip.clone();
    let task = tokio::spawn(async move {
        leaves.charge("acme", one()).run(|_| async { Ok::<_, Error>(()) }).await.map(|_| ())
    });
    while count(&asked, "capture") == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    assert!(task.await.expect_err("it was dropped").is_cancelled());
    scrip.finish().await;
    let (unpaid, error) = handed.try_recv().expect("handed over before `finish` is done");
    assert!(error.expect("a reason").is("insufficient_credits"));
    assert_eq!((unpaid.spend, unpaid.hold.is_some()), (one(), true));
}

#[tokio::test]
async fn a_charge_that_on_unpaid_fails_to_take_is_its_callers() {
    let (base, _) = serve(|word, _| at_once(if word == "capture" { 503 } else { 201 })).await;
    let options = Options::new(base).deadline(Duration::from_millis(300));
    let options = options.on_unpaid(|_, _| async { panic!("no room") });
    let scrip = options.build().expect("a client");
    let charge = scrip.charge("acme", one()).allow_unreachable();
    let failed = charge.run(|_| async { Ok::<_, Error>("text") }).await.expect_err("unpaid");
    let ChargeError::Unconfirmed { value, error, unpaid } = failed else { panic!("{failed}") };
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
    assert_eq!((value, unpaid.spend, unpaid.hold.is_some()), ("text", one(), true));

    let (base, _) = serve(|_, _| at_once(503)).await;
    let options = Options::new(base).deadline(Duration::from_millis(300));
    let options = options.on_unpaid(|_, _| async { panic!("no room") });
    let scrip = options.build().expect("a client");
    let failed = scrip.debit("acme", one()).allow_unreachable().await.expect_err("unpaid");
    assert!(matches!(failed, Error::OutcomeUnknown { .. }), "{failed}");
}

#[tokio::test]
async fn a_charge_whose_listener_panics_has_its_receipt() {
    let (base, _) = serve(|_, _| at_once(201)).await;
    let scrip = Options::new(base).build().expect("a client");
    let charge = scrip.charge("acme", one()).on_charged(|_| panic!("no room"));
    let charged = charge.run(|_| async { Ok::<_, Error>("text") }).await.expect("charged");
    assert_eq!((charged.value, charged.receipt.is_some()), ("text", true));
}

#[tokio::test]
async fn a_debit_with_a_deadline_of_its_own_ends_no_other() {
    let (base, _) = serve(|_, _| (201, Duration::from_millis(500))).await;
    let options = Options::new(base).coalesce(Duration::from_millis(20));
    let scrip = options.build().expect("a client");
    let hurried = scrip.within(Duration::from_millis(100));
    let (first, second, third) = tokio::join!(
        scrip.debit("acme", one()).into_future(),
        scrip.debit("acme", one()).into_future(),
        hurried.debit("acme", one()).into_future(),
    );
    assert!(matches!(third, Err(Error::OutcomeUnknown { .. })), "{third:?}");
    assert!(first.is_ok() && second.is_ok(), "{first:?}, {second:?}");
}

#[test]
fn debits_gathered_by_a_runtime_that_ended_stop_no_others() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let (serves, dies) = (runtime().expect("a runtime"), runtime().expect("a runtime"));
    let (base, asked) = serves.block_on(serve(|_, _| at_once(201)));
    let options = Options::new(base).coalesce(Duration::from_millis(300));
    let scrip = options.build().expect("a client");
    dies.block_on(async {
        let mut debit = scrip.debit("acme", one()).into_future();
        poll_fn(|context| Poll::Ready(debit.as_mut().poll(context).is_pending())).await
    });
    let other = scrip.clone();
    let waits = serves.spawn(async move { other.debit("acme", one()).await });
    std::thread::sleep(Duration::from_millis(20));
    dies.shutdown_timeout(SOON);
    serves.block_on(async {
        let debit = timeout(SOON, waits).await.expect("in time").expect("it ran");
        assert!(debit.is_ok(), "{debit:?}");
        // `finish` waits for those that nobody waits for.
        let mut left = scrip.debit("acme", one()).into_future();
        assert!(poll_fn(|context| Poll::Ready(left.as_mut().poll(context).is_pending())).await);
        drop(left);
        timeout(SOON, scrip.finish()).await.expect("in time");
        assert_eq!(count(&asked, "debits"), 2);
    });
}

/// The copy of the first try may arrive while the answer to the second one is on its way.
#[tokio::test]
async fn a_refusal_that_was_asked_for_early_is_not_final_however_late_it_is() {
    let (base, asked) = serve(|_, before| match before {
        0 => at_once(503),
        1 => (402, Duration::from_millis(5_500)),
        _ => at_once(201),
    })
    .await;
    let scrip = Options::new(base).build().expect("a client");
    let debit = scrip.debit("acme", one()).await;
    assert!(debit.is_ok(), "{debit:?}");
    assert_eq!(count(&asked, "debits"), 3);
}

#[tokio::test]
async fn a_hold_that_cannot_be_extended_is_not_asked_for_without_a_pause() {
    let (base, asked) = serve(|word, _| at_once(if word == "extend" { 503 } else { 201 })).await;
    let scrip = Options::new(base).build().expect("a client");
    let work = |_: Work| pending::<Result<(), Error>>();
    let charge = scrip.charge("acme", one()).expires_in_s(2).run(work);
    assert!(timeout(Duration::from_millis(1_900), charge).await.is_err(), "it has ended");
    let extensions = count(&asked, "extend");
    assert!((1..=4).contains(&extensions), "{extensions} extensions");
}

#[tokio::test]
async fn a_request_that_cannot_be_signed_fails_at_once() {
    let began = Instant::now();
    let (base, asked) = serve(|_, _| at_once(503)).await;
    let options = Options::new(&base).sign(|_, _| ready(Err("no credentials".into())));
    let (options, mut handed) = takes(options);
    let scrip = options.build().expect("a client");
    let failed = scrip.debit("acme", one()).allow_unreachable().await.expect_err("not sent");
    assert_eq!(failed, Error::NotSent("no credentials".to_owned()));
    let never = |_| async { panic!("it was begun") };
    let charge = scrip.charge("acme", one()).allow_unreachable();
    let failed = charge.run::<(), Error, _>(never).await.expect_err("not sent");
    assert_eq!(failed, ChargeError::NotBegun(Error::NotSent("no credentials".to_owned())));
    let failed = scrip.debit("acme", one()).key("a\nb").await.expect_err("not sent");
    assert!(matches!(failed, Error::NotSent(_)), "{failed}");
    assert_eq!(count(&asked, "debits"), 0);

    // The first try was sent: whether it happened is not known.
    let signed = Mutex::new(0);
    let options = Options::new(base).sign(move |request, _| {
        let mut signed = signed.lock().unwrap_or_else(PoisonError::into_inner);
        *signed += 1;
        ready(if *signed == 1 { Ok(request) } else { Err("no credentials".into()) })
    });
    let scrip = options.build().expect("a client");
    let failed = scrip.debit("acme", one()).await.expect_err("unknown");
    assert!(matches!(failed, Error::OutcomeUnknown { .. }), "{failed}");
    assert!(handed.try_recv().is_err() && began.elapsed() < SOON);
}

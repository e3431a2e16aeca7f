//! The client for an AI endpoint: delivered work is charged once, and other work is free.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::{ChargeError, Client, Error, Transport, TransportError, Uuid, Work};
use lambda_http::Body;
use shared::domain::instant::Span;

use crate::support::Stack;

/// The stack's functions, behind a transport that loses the messages that `fails` names.
#[derive(Clone)]
struct Way {
    stack: Stack,
    sent: Arc<AtomicUsize>,
    fails: fn(usize) -> Loss,
}

#[derive(PartialEq)]
enum Loss {
    None,
    Request,
    Reply,
}

impl Transport for Way {
    async fn send(
        &self,
        request: http::Request<String>,
    ) -> Result<http::Response<String>, TransportError> {
        let loss = (self.fails)(self.sent.fetch_add(1, Ordering::Relaxed));
        if loss == Loss::Request {
            return Err("the request was lost".into());
        }
        let answer = self.stack.functions.answer(request.map(Body::Text)).await;
        if loss == Loss::Reply {
            return Err("the reply was lost".into());
        }
        let (parts, body) = answer.into_parts();
        Ok(http::Response::from_parts(parts, String::from_utf8(body.to_vec())?))
    }
}

async fn stage(fails: fn(usize) -> Loss) -> (Stack, Client<Way>) {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    let context = stack.context().clone();
    let ids = move || Uuid::from_bytes(*context.entropy.mint(context.clock.now()).bytes());
    let way = Way { stack: stack.clone(), sent: Arc::default(), fails };
    (stack, Client::with_ids(way, ids))
}

fn images(quantity: u64) -> Work {
    Work {
        account: "acme".to_owned(),
        action: "custom_image".to_owned(),
        quantity,
        user: Some("ann".to_owned()),
    }
}

/// Available and held.
async fn balance(stack: &Stack) -> (String, String) {
    let balance = stack.balance("acme").await;
    (balance.text("/available").to_owned(), balance.text("/held").to_owned())
}

/// Waits for the release that a dropped hold sends.
async fn released(stack: &Stack) {
    for _ in 0..10_000 {
        if balance(stack).await == ("25".to_owned(), "0".to_owned()) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("not released: {:?}", balance(stack).await);
}

#[tokio::test]
async fn delivered_work_is_charged_and_the_rest_is_released() {
    let (stack, client) = stage(|_| Loss::None).await;
    let work = async {
        assert_eq!(balance(&stack).await, ("23".to_owned(), "2".to_owned()), "while it works");
        Ok::<_, Error>(("three images", 3))
    };
    let charged = client.charge(images(4), work).await.expect("charged");
    assert_eq!(charged.value, "three images");
    assert_eq!(charged.receipt.expect("a receipt")["credits"], "1.5");
    assert_eq!(balance(&stack).await, ("23.5".to_owned(), "0".to_owned()));
    let usage = stack.get("/v1/accounts/acme/usage").await;
    assert_eq!(usage.text("/days/0/users/0/user"), "ann");
}

#[tokio::test]
async fn work_that_fails_panics_or_is_abandoned_is_free() {
    let (stack, client) = stage(|_| Loss::None).await;
    let failed = client.charge(images(4), async { Err::<((), u64), _>("no answer") }).await;
    assert!(matches!(failed, Err(ChargeError::Work("no answer"))));
    released(&stack).await;

    let panics = client.clone();
    let task = tokio::spawn(async move {
        let work = async {
            if true {
                panic!("a model's client panics");
            }
            Ok::<_, Error>(((), 4))
        };
        panics.charge(images(4), work).await.map(|_| ())
    });
    assert!(task.await.is_err());
    released(&stack).await;

    let begun = Arc::new(tokio::sync::Notify::new());
    let (abandoned, begins) = (client.clone(), begun.clone());
    let task = tokio::spawn(async move {
        let work = async {
            begins.notify_one();
            std::future::pending::<()>().await;
            Ok::<_, Error>(((), 4))
        };
        abandoned.charge(images(4), work).await.map(|_| ())
    });
    begun.notified().await;
    assert_eq!(balance(&stack).await.1, "2");
    task.abort();
    released(&stack).await;

    let nothing = client.charge(images(4), async { Ok::<_, Error>(("all black", 0)) }).await;
    nothing.expect("released").receipt.expect("a receipt");
    assert_eq!(balance(&stack).await.0, "25");
}

#[tokio::test(start_paused = true)]
async fn lost_requests_and_replies_change_nothing() {
    for fails in [
        |n| if n % 2 == 0 { Loss::Reply } else { Loss::None },
        |n| if n % 3 < 2 { Loss::Request } else { Loss::None },
        |n| if n % 5 < 4 { Loss::Reply } else { Loss::None },
    ] {
        let (stack, client) = stage(fails).await;
        let charged = client.charge(images(4), async { Ok::<_, Error>(((), 3)) }).await;
        assert_eq!(charged.expect("charged").receipt.expect("a receipt")["credits"], "1.5");
        assert_eq!(balance(&stack).await, ("23.5".to_owned(), "0".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn work_does_not_start_without_credits_or_an_answer() {
    let (_stack, client) = stage(|_| Loss::None).await;
    let never = async { panic!("it was begun") };
    let refused = client.charge::<(), Error>(images(51), never).await;
    let Err(ChargeError::Held(Error::Refused { status, code, problem, .. })) = refused else {
        panic!("not refused");
    };
    assert_eq!((status, code.as_str()), (402, "insufficient_credits"));
    assert_eq!(problem["shortfall"], "0.5");

    let (stack, client) = stage(|_| Loss::Reply).await;
    let unknown = client.charge::<(), Error>(images(4), async { panic!("it was begun") }).await;
    assert!(matches!(unknown, Err(ChargeError::Held(Error::Unknown { .. }))));
    // There is a hold that no client knows: it lapses.
    assert_eq!(balance(&stack).await.1, "2");
    stack.set_clock("2026-11-18T12:06:00Z");
    assert_eq!(balance(&stack).await, ("25".to_owned(), "0".to_owned()));
}

/// The client's clock is a minute ahead. It takes a new key only if the first one cannot have been
/// used.
#[tokio::test(start_paused = true)]
async fn a_client_whose_clock_is_ahead_is_charged_once() {
    let (stack, _) = stage(|_| Loss::None).await;
    for (fails, charges) in [
        ((|_| Loss::None) as fn(usize) -> Loss, true),
        (|n| if n == 0 { Loss::Request } else { Loss::None }, false),
    ] {
        let context = stack.context().clone();
        let ids = move || {
            let ahead = context.clock.now() + Span::from_s(60);
            Uuid::from_bytes(*context.entropy.mint(ahead).bytes())
        };
        let before = balance(&stack).await;
        let way = Way { stack: stack.clone(), sent: Arc::default(), fails };
        let client = Client::with_ids(way, ids);
        let charged = client.charge(images(4), async { Ok::<_, Error>(((), 3)) }).await;
        match charges {
            true => {
                let receipt = charged.expect("charged").receipt.expect("a receipt");
                assert_eq!(receipt["credits"], "1.5");
                assert_eq!(balance(&stack).await, ("23.5".to_owned(), "0".to_owned()));
            }
            false => {
                assert!(matches!(charged, Err(ChargeError::Held(Error::Unknown { .. }))));
                assert_eq!(balance(&stack).await, before);
            }
        }
    }
}

#[tokio::test]
async fn more_than_the_hold_is_never_charged() {
    let (stack, client) = stage(|_| Loss::None).await;
    let charged = client.charge(images(4), async { Ok::<_, Error>(("five", 5)) }).await;
    assert_eq!(charged.expect("done").receipt.expect("a receipt")["credits"], "2");
    assert_eq!(balance(&stack).await, ("23".to_owned(), "0".to_owned()));

    let hold = client.hold(images(4)).await.expect("a hold");
    let Err(Error::Refused { code, .. }) = hold.capture(5).await else { panic!("it was charged") };
    assert_eq!(code, "hold_exceeded");
    assert_eq!(balance(&stack).await, ("21".to_owned(), "2".to_owned()));
}

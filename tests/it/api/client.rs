//! The Rust client: work is charged for what it delivered, also if its caller goes away. What all
//! clients do is in `clients/conformance`, which `deploy::clients` plays.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use scrip_client::{
    ChargeError, Charged, Error, Options, OptionsError, Part, ReportError, Scrip, Spend, Unpaid,
    Work,
};
use tokio::sync::{Notify, mpsc};

use crate::support::Stack;

/// A stack that is served, and its client.
async fn stage() -> (Stack, Scrip) {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "free").await;
    (stack, Scrip::new(&base, None).expect("a client"))
}

fn images(quantity: u64) -> Spend {
    Spend::action("custom_image", quantity).user("ann")
}

/// Available and held.
async fn balance(scrip: &Scrip) -> (String, String) {
    let balance = scrip.balance("acme").await.expect("a balance");
    (balance.available, balance.held)
}

fn amounts(available: &str, held: &str) -> (String, String) {
    (available.to_owned(), held.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_work_is_charged_and_the_rest_is_released() {
    let (stack, scrip) = stage().await;
    let charged = scrip.charge("acme", images(4)).run(|work| {
        let scrip = scrip.clone();
        async move {
            assert_eq!(balance(&scrip).await, amounts("23", "2"), "while it works");
            work.delivered(3);
            Ok::<_, Error>("three images")
        }
    });
    let Charged { value, receipt } = charged.await.expect("charged");
    let receipt = receipt.expect("a receipt");
    assert_eq!((value, receipt.credits.as_str()), ("three images", "1.5"));
    assert_eq!((receipt.quantity, receipt.is_final), (Some(3), Some(true)));
    assert_eq!(balance(&scrip).await, amounts("23.5", "0"));
    let usage = stack.get("/v1/accounts/acme/usage").await;
    assert_eq!(usage.text("/days/0/users/0/user"), "ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_panics_is_free_whatever_it_reported() {
    let (_stack, scrip) = stage().await;
    let panics = scrip.clone();
    let task = tokio::spawn(async move {
        let work = |work: Work| async move {
            work.delivered(3);
            tokio::task::yield_now().await;
            if work_is_broken() {
                panic!("a model's client panics");
            }
            Ok::<_, Error>(())
        };
        panics.charge("acme", images(4)).run(work).await.map(|_| ())
    });
    assert!(task.await.expect_err("it panicked").is_panic());
    scrip.finish().await;
    assert_eq!(balance(&scrip).await, amounts("25", "0"));
}

fn work_is_broken() -> bool {
    true
}

/// The caller goes away once the work has reported this.
async fn abandoned(scrip: &Scrip, reported: u64) {
    let begun = Arc::new(Notify::new());
    let (abandoned, begins) = (scrip.clone(), begun.clone());
    let task = tokio::spawn(async move {
        let work = |work: Work| async move {
            work.delivered(reported);
            begins.notify_one();
            std::future::pending::<()>().await;
            Ok::<_, Error>(())
        };
        abandoned.charge("acme", images(4)).run(work).await.map(|_| ())
    });
    begun.notified().await;
    assert_eq!(balance(scrip).await.1, "2");
    task.abort();
    assert!(task.await.expect_err("it was dropped").is_cancelled());
    scrip.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_whose_caller_goes_away_is_charged_for_what_it_reported() {
    let (_stack, scrip) = stage().await;
    abandoned(&scrip, 3).await;
    assert_eq!(balance(&scrip).await, amounts("23.5", "0"));
    abandoned(&scrip, 0).await;
    assert_eq!(balance(&scrip).await, amounts("23.5", "0"));
}

/// At every place at which a charge can be dropped: nothing stays held, and only what was reported
/// is charged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_is_dropped_anywhere_leaves_nothing_held() {
    let (_stack, scrip) = stage().await;
    let mut charged = 0;
    for polls in 0..12 {
        let delivered = Arc::new(AtomicU32::new(0));
        let reports = delivered.clone();
        let work = |work: Work| async move {
            work.delivered(1);
            reports.store(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, Error>(())
        };
        let mut charge = Box::pin(scrip.charge("acme", images(4)).run(work));
        for _ in 0..polls {
            let polled = std::future::poll_fn(|context| Poll::Ready(charge.as_mut().poll(context)));
            if polled.await.is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(charge);
        scrip.finish().await;
        charged += delivered.load(Ordering::Relaxed);
        let left = 50 - charged;
        let expected = format!("{}{}", left / 2, if left % 2 == 0 { "" } else { ".5" });
        assert_eq!(balance(&scrip).await, amounts(&expected, "0"), "after {polls} polls");
    }
    assert!(charged > 0, "none was dropped late enough");
}

/// Without its runtime nothing can be sent: the hold lapses, and nothing is charged.
#[test]
fn work_whose_runtime_ends_is_free() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let serves = runtime().expect("a runtime");
    let (_stack, scrip) = serves.block_on(stage());
    let dies = runtime().expect("a runtime");
    let (begins, mut begun) = mpsc::unbounded_channel();
    let ends = scrip.clone();
    let task = dies.spawn(async move {
        let work = |work: Work| async move {
            work.delivered(3);
            begins.send(()).expect("somebody waits");
            std::future::pending::<()>().await;
            Ok::<_, Error>(())
        };
        ends.charge("acme", images(4)).run(work).await.map(|_| ())
    });
    serves.block_on(begun.recv()).expect("begun");
    dies.shutdown_timeout(Duration::from_secs(5));
    drop(task);
    // The client's connections ended with that runtime.
    serves.block_on(async {
        scrip.finish().await;
        assert_eq!(balance(&scrip).await, amounts("23", "2"));
    });
}

/// Yields so many images, and reports each before it yields it.
struct Images(Work, u64);

impl futures_core::Stream for Images {
    type Item = Result<u64, String>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.1 += 1;
        self.0.delivered(self.1);
        Poll::Ready((self.1 <= 4).then_some(Ok(self.1)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_needs_somebody_who_takes_what_is_unpaid() {
    let (_stack, scrip) = stage().await;
    let refused = scrip.charge("acme", images(4)).stream(|work| Images(work, 0)).await;
    assert_eq!(refused.err(), Some(Error::NeedsOnUnpaid));
    let refused = scrip.charge("acme", images(4)).allow_unreachable();
    let refused = refused.run(|_| async { Ok::<_, Error>(()) }).await;
    assert_eq!(refused.expect_err("no"), ChargeError::NotBegun(Error::NeedsOnUnpaid));
    let refused = scrip.debit("acme", images(4)).allow_unreachable().await;
    assert_eq!(refused.expect_err("no"), Error::NeedsOnUnpaid);
    assert_eq!(balance(&scrip).await, amounts("25", "0"));
}

/// A caller that left hears of no refusal, so the charge is handed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_is_refused_after_its_caller_left_is_handed_over() {
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "free").await;
    let (hands, mut handed) = mpsc::unbounded_channel();
    let options = Options::new(&base).on_unpaid(move |unpaid: Unpaid, error| {
        let _ = hands.send((unpaid, error));
        std::future::ready(())
    });
    let scrip = options.build().expect("a client");
    let charge = scrip.charge("acme", images(4));
    let mut stream = Box::pin(charge.stream(|work| Images(work, 0)).await.expect("a stream"));
    let next =
        std::future::poll_fn(|context| futures_core::Stream::poll_next(stream.as_mut(), context));
    assert_eq!(next.await, Some(Ok(1)));
    // Somebody else ends its hold.
    let entry = scrip.ledger("acme", Default::default()).next().await.expect("a page");
    let hold = entry.expect("the hold").id;
    scrip.release("acme", &hold).await.expect("released");
    drop(stream);
    scrip.finish().await;
    let (unpaid, error) = handed.recv().await.expect("handed over");
    assert!(error.expect("a reason").is("hold_ended"));
    assert_eq!((unpaid.spend.quantity, unpaid.hold.as_ref()), (Some(1), Some(&hold)));
    let stored = serde_json::to_string(&Unpaid { hold: None, ..unpaid.clone() }).expect("JSON");
    let stored: Unpaid = serde_json::from_str(&stored).expect("the same");
    assert_eq!(scrip.pay(&stored).await.expect("paid").credits, "0.5");
    assert_eq!(scrip.pay(&stored).await.expect("paid once").credits, "0.5");
    assert_eq!(balance(&scrip).await, amounts("24.5", "0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_has_its_fields_and_work_does_not_begin() {
    let (_stack, scrip) = stage().await;
    let never = |_| async { panic!("it was begun") };
    let refused = scrip.charge("acme", images(51)).run::<(), Error, _>(never).await;
    let Err(ChargeError::NotBegun(Error::Refused(no))) = refused else { panic!("not refused") };
    assert_eq!((no.status, no.code.as_str()), (402, "insufficient_credits"));
    assert_eq!((no.shortfall.as_deref(), no.available.as_deref()), (Some("0.5"), Some("25")));
    let refused = scrip.debit("acme", Spend::credits("1.0000001")).await.expect_err("no amount");
    assert_eq!(refused.refused().expect("refused").fields[0].field, "credits");
    let hold = scrip.hold("acme", images(4)).await.expect("a hold");
    let refused = scrip.capture("acme", &hold.id, Part::Quantity(5)).await.expect_err("too much");
    assert!(refused.is("hold_exceeded"), "{refused}");
}

#[test]
fn an_address_or_a_key_that_is_none_is_refused() {
    for address in ["", "127.0.0.1:3000", "ftp://a", "http://", "/v1", "http://a/?b=c"] {
        let refused = Scrip::new(address, None).err();
        assert!(matches!(refused, Some(OptionsError::InvalidUrl(_))), "{address}");
    }
    for key in ["", "scrip_sk_\n", "scrip sk", "scrip_sk_\u{e4}"] {
        let refused = Scrip::new("http://127.0.0.1:3000", Some(key)).err();
        assert!(matches!(refused, Some(OptionsError::InvalidKey)), "{key:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_of_what_was_asked_for() {
    let (_stack, scrip) = stage().await;
    let work = |work: Work| async move {
        assert_eq!(work.delivered_credits("1"), Err(ReportError::NotCredits));
        work.delivered(0);
        Ok::<_, Error>(())
    };
    let free = scrip.charge("acme", images(4)).run(work).await.expect("free");
    assert_eq!(free.receipt, None);
    let work = |work: Work| async move {
        for text in ["", ".5", "1.", "1.0000001", "-1", "1e3", "1 "] {
            let refused = work.delivered_credits(text);
            assert!(matches!(refused, Err(ReportError::InvalidCredits(_))), "{text:?}");
        }
        work.delivered_credits("0.000001").expect("an amount");
        Ok::<_, Error>(())
    };
    let charged = scrip.charge("acme", Spend::credits("5")).run(work).await.expect("charged");
    assert_eq!(charged.receipt.expect("a receipt").credits, "0.000001");
    assert_eq!(balance(&scrip).await, amounts("24.999999", "0"));
}

//! The protocol assumes that a call lasts no longer than [`CALL_TIMEOUT`]. A longer one is a mutant
//! and must die.

use std::rc::Rc;

use shared::decide::{CALL_TIMEOUT, DEDUP_WINDOW, STAMP_MARGIN};

use super::bench::{Asked, Bench, exchange};
use super::cases::Case;
use super::gate::Passage;
use super::on_one_thread;

#[test]
fn a_call_within_its_lifetime_is_harmless_and_a_later_one_is_caught() {
    let in_time = on_one_thread(arrives_after(CALL_TIMEOUT.ms()));
    assert_eq!(in_time, Ok(()));
    let wrong = on_one_thread(arrives_after((DEDUP_WINDOW + STAMP_MARGIN).ms() + 5_000));
    let wrong = wrong.expect_err("it happened twice");
    println!("a call arrives minutes late: dies in run 1: {wrong}");
    assert!(wrong.contains("happened twice"));
}

/// One handler's write is in flight for `ms`; meanwhile the client asks another handler.
async fn arrives_after(ms: i64) -> Result<(), String> {
    let bench = Rc::new(Bench::new().await);
    let mut exchanges = Case::Fast.set_up(&bench).await;
    let asked = Case::Fast.first(&bench);
    bench.gate.set_open(false);
    let _first = begin(&bench, 0, &asked).await;
    bench.advance_ms(ms);
    let mut second = begin(&bench, 1, &asked).await;
    while !second.is_finished() {
        if bench.gate.has_waiting(1) {
            bench.gate.pass(1, Passage::Whole).await;
        }
        tokio::task::yield_now().await;
    }
    let answer = (&mut second).await.expect("no handler panics");
    assert_eq!(answer.status, 201, "{answer:?}");
    exchanges.extend(exchange(&asked, 0, 0, None));
    exchanges.extend(exchange(&asked, 0, 1, Some(answer)));
    bench.gate.pass(0, Passage::CrashAfter).await;
    bench.gate.set_open(true);
    bench.audit(&exchanges).await.map(|_| ())
}

/// A handler with its first request at the gate.
async fn begin(
    bench: &Rc<Bench>,
    handler: usize,
    asked: &Asked,
) -> tokio::task::JoinHandle<tests::support::Answer> {
    let (sender, request) = (bench.clone(), asked.clone());
    let task = tokio::task::spawn_local(async move { sender.send(handler, &request).await });
    while !bench.gate.has_waiting(handler) {
        bench.gate.arrivals.notified().await;
    }
    task
}

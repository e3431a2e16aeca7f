//! Small cases, played exhaustively: every schedule of three handlers, and every crash point.

mod bench;
mod cases;
mod crashes;
mod gate;
mod late_calls;
mod payments;
mod schedules;

/// Runs on one thread, on simulated time only.
fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

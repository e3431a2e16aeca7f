//! Charges work that streams for what its reader took.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::task::JoinHandle;

use crate::charge::{Charge, End, Ending, Running};
use crate::error::Error;
use crate::work::Work;

/// A stream of what work yields, whose credits are held. If it is dropped before its end, what was
/// reported until then is charged, by a task of its own; [`Scrip::finish`](crate::Scrip::finish)
/// waits for it.
#[must_use = "a stream that is dropped charges what was reported"]
pub struct Charging<S> {
    // Before the stream: a work that is dropped reports nothing more.
    running: Running,
    parts: Pin<Box<S>>,
    state: State,
}

enum State {
    Open,
    /// All was yielded, and its charge is on its way.
    Ending(JoinHandle<Ending>),
    Ended,
}

impl Charge {
    /// As [`Charge::run`], for work that streams. It answers as soon as the credits are held, so
    /// that a refusal is still an answer of its own. The work goes on as its reader asks for more:
    /// report each part before you yield it. A stream that yields an error is free.
    ///
    /// A charge that fails after the work, for whatever reason, goes to the client's option
    /// `on_unpaid`, which this requires: a reader that went away gets no error.
    ///
    /// # Errors
    /// [`Error`]: the credits could not be held, and the work did not begin.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub async fn stream<T, E, S>(
        mut self,
        work: impl FnOnce(Work) -> S,
    ) -> Result<Charging<S>, Error>
    where
        S: Stream<Item = Result<T, E>>,
    {
        self.asked.is_stream = true;
        let mut running = self.begin().await?;
        running.is_in_work = true;
        let parts = Box::pin(work(running.work.clone()));
        running.is_in_work = false;
        Ok(Charging { running, parts, state: State::Open })
    }
}

impl<T, E, S: Stream<Item = Result<T, E>>> Stream for Charging<S> {
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {
        let this = self.get_mut();
        if let State::Open = this.state {
            this.running.is_in_work = true;
            let part = this.parts.as_mut().poll_next(context);
            this.running.is_in_work = false;
            match ready!(part) {
                Some(Ok(part)) => return Poll::Ready(Some(Ok(part))),
                Some(Err(error)) => {
                    // If the release fails, the hold lapses.
                    drop(this.running.end(End::Failed));
                    this.state = State::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.state = State::Ending(this.running.end(End::Done)),
            }
        }
        if let State::Ending(ending) = &mut this.state {
            // A failure was handed over.
            let _ = ready!(Pin::new(ending).poll(context));
            this.state = State::Ended;
        }
        Poll::Ready(None)
    }
}

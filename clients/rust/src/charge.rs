//! Charges work for what it delivered.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until};

use crate::answers::CaptureReceipt;
use crate::error::Error;
use crate::owed::Owed;
use crate::request::{Spend, Unpaid};
use crate::scrip::Scrip;
use crate::work::{Delivered, Work};

/// How long a hold lives that no other time was given for; then it is extended.
const LIFE_S: u32 = 300;
/// No work lives for longer: its hold is not extended any more.
const LONGEST_WORK: Duration = Duration::from_secs(86_400);
/// How long after an extension that failed the next one begins.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Work that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charged<V> {
    /// The value that the work returned.
    pub value: V,
    /// The receipt; none if nothing was delivered, or if the client's option `on_unpaid` has the
    /// charge.
    pub receipt: Option<CaptureReceipt>,
}

/// Why work was not charged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChargeError<V, E> {
    /// The credits could not be held: the work did not begin.
    #[error(transparent)]
    NotBegun(Error),
    /// The work failed, and its credits were given back.
    #[error("the work failed: {0}")]
    Work(E),
    /// The work is done and its charge is not confirmed. Whether to deliver it is your choice;
    /// [`Scrip::pay`] charges it once.
    #[error("the work is done and its charge is not confirmed: {error}")]
    Unconfirmed {
        /// The value that the work returned.
        value: V,
        error: Error,
        unpaid: Box<Unpaid>,
    },
}

/// A charge of work, which is yet to be given.
#[must_use = "a charge does nothing without its work"]
pub struct Charge {
    pub(crate) scrip: Scrip,
    pub(crate) asked: Asked,
}

type OnCharged = Arc<dyn Fn(&CaptureReceipt) + Send + Sync>;

/// What is asked for.
#[derive(Clone)]
pub(crate) struct Asked {
    account: String,
    spend: Spend,
    life_s: u32,
    beyond: bool,
    is_open: bool,
    /// The caller has the work, and hears no error of its charge.
    pub(crate) is_stream: bool,
    on_charged: Option<OnCharged>,
}

impl Scrip {
    /// Charges work for what it delivered, at most `most`: holds the credits, runs the work, and
    /// captures what it reported by [`Work::delivered`], or all of it if it reported nothing.
    pub fn charge(&self, account: &str, most: Spend) -> Charge {
        let asked = Asked {
            account: account.to_owned(),
            spend: most,
            life_s: LIFE_S,
            beyond: false,
            is_open: false,
            is_stream: false,
            on_charged: None,
        };
        Charge { scrip: self.clone(), asked }
    }
}

impl Charge {
    /// For how long the credits are held at a time: 300 s if this is not called. A hold is extended
    /// while its work lives.
    pub fn expires_in_s(mut self, expires_in_s: u32) -> Charge {
        self.asked.life_s = expires_in_s;
        self
    }

    /// The work may deliver more than is held. What it delivers beyond is charged if the account
    /// has all of it; otherwise the receipt says what is `uncharged`.
    pub fn beyond(mut self) -> Charge {
        self.asked.beyond = true;
        self
    }

    /// The work begins although Scrip cannot be reached, and the client's option `on_unpaid` gets
    /// what it owes.
    pub fn allow_unreachable(mut self) -> Charge {
        self.asked.is_open = true;
        self
    }

    /// Gets the receipt, also where nobody waits for it: of a stream, or of a caller that went away.
    pub fn on_charged(
        mut self,
        on_charged: impl Fn(&CaptureReceipt) + Send + Sync + 'static,
    ) -> Charge {
        self.asked.on_charged = Some(Arc::new(on_charged));
        self
    }

    /// Runs the work and charges it. Work that fails, panics or reports 0 is free. If this future
    /// is dropped, because the caller went away, what was reported until then is charged by a task
    /// of its own; [`Scrip::finish`] waits for it.
    ///
    /// # Errors
    /// [`ChargeError`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub async fn run<V, E, F>(
        self,
        work: impl FnOnce(Work) -> F,
    ) -> Result<Charged<V>, ChargeError<V, E>>
    where
        F: Future<Output = Result<V, E>>,
    {
        let mut running = self.begin().await.map_err(ChargeError::NotBegun)?;
        let value = {
            running.is_in_work = true;
            let made = work(running.work.clone());
            running.is_in_work = false;
            let mut made = pin!(made);
            poll_fn(|context| {
                running.is_in_work = true;
                let polled = made.as_mut().poll(context);
                running.is_in_work = false;
                polled
            })
            .await
        };
        let value = match value {
            Ok(value) => value,
            Err(error) => {
                // Nobody waits for it in vain: if it fails, the hold lapses.
                let _ = running.end(End::Failed).await;
                return Err(ChargeError::Work(error));
            }
        };
        match running.end(End::Done).await {
            Ok(Ending::Charged(receipt)) => Ok(Charged { value, receipt: Some(*receipt) }),
            Ok(Ending::Unconfirmed(owed)) => {
                let (unpaid, error) = owed.take();
                Err(ChargeError::Unconfirmed { value, error, unpaid: Box::new(unpaid) })
            }
            Ok(Ending::Free | Ending::HandedOver) | Err(_) => Ok(Charged { value, receipt: None }),
        }
    }

    /// Holds the credits.
    pub(crate) async fn begin(self) -> Result<Running, Error> {
        let Charge { scrip, asked } = self;
        if (asked.is_open || asked.is_stream) && !scrip.takes_unpaid() {
            return Err(Error::NeedsOnUnpaid);
        }
        let runtime = Handle::current();
        let (sends, sent) = oneshot::channel();
        let tasks = scrip.tasks.clone();
        let of_hold = runtime.clone();
        // A task of its own: a caller that leaves meanwhile drops what comes of it, which gives the
        // hold back.
        drop(tasks.spawn(&runtime, async move {
            let _ = sends.send(Running::begin(scrip, asked, of_hold).await);
        }));
        let ended = |_| Error::Unavailable("the runtime shuts down".to_owned());
        sent.await.map_err(ended)?
    }
}

/// How work ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Failed,
    /// Its caller went away.
    Left,
}

/// What came of a charge.
pub(crate) enum Ending {
    Free,
    Charged(Box<CaptureReceipt>),
    HandedOver,
    Unconfirmed(Box<Owed>),
}

/// Work whose credits are held. If it is dropped before its end, its caller has gone away.
pub(crate) struct Running {
    scrip: Scrip,
    asked: Asked,
    pub(crate) work: Work,
    hold: Option<String>,
    /// Why there is no hold.
    unreachable: Option<Error>,
    keep_alive: Option<AbortHandle>,
    runtime: Handle,
    /// The work's own code runs: if this is dropped meanwhile, the work panicked.
    pub(crate) is_in_work: bool,
    has_ended: bool,
}

impl Running {
    async fn begin(scrip: Scrip, asked: Asked, runtime: Handle) -> Result<Running, Error> {
        let from = Instant::now();
        let Asked { account, spend, life_s, .. } = &asked;
        let held = scrip.hold(account, spend.clone()).expires_in_s(*life_s).await;
        let (hold, unreachable) = match held {
            Ok(hold) => (Some(hold.id), None),
            // The hold may be there: nobody captures it, and it lapses.
            Err(error @ Error::OutcomeUnknown { .. }) if asked.is_open => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let keep_alive = hold.as_ref().map(|hold| {
            let kept = keep_alive(scrip.clone(), account.clone(), hold.clone(), *life_s, from);
            runtime.spawn(kept).abort_handle()
        });
        let work = Work::new(spend);
        Ok(Running {
            scrip,
            asked,
            work,
            hold,
            unreachable,
            keep_alive,
            runtime,
            is_in_work: false,
            has_ended: false,
        })
    }

    /// Charges what was delivered, or gives it back, in a task of its own, which ends whatever
    /// becomes of the caller.
    pub(crate) fn end(&mut self, end: End) -> JoinHandle<Ending> {
        self.has_ended = true;
        if let Some(keep_alive) = self.keep_alive.take() {
            keep_alive.abort();
        }
        let Running { scrip, asked, work, hold, unreachable, .. } = self;
        let charge = match end {
            End::Failed => None,
            end => work.charge(&asked.spend, end == End::Done, asked.beyond),
        };
        let is_heard = end == End::Done && !asked.is_stream;
        let settled =
            settle(scrip.clone(), asked.clone(), hold.take(), unreachable.take(), charge, is_heard);
        self.scrip.tasks.spawn(&self.runtime, settled)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            let end = if self.is_in_work { End::Failed } else { End::Left };
            drop(self.end(end));
        }
    }
}

async fn settle(
    scrip: Scrip,
    asked: Asked,
    hold: Option<String>,
    unreachable: Option<Error>,
    charge: Option<Delivered>,
    is_heard: bool,
) -> Ending {
    let account = asked.account;
    let Some(Delivered { spend, otherwise }) = charge else {
        if let Some(hold) = hold {
            // If this fails, the hold lapses.
            let _ = scrip.release(&account, &hold).await;
        }
        return Ending::Free;
    };
    let key = scrip.sender.key(None);
    let beyond = asked.beyond && hold.is_some();
    let mut unpaid = Unpaid { key: key.text.clone(), account, spend, hold, beyond, otherwise };
    // Without a hold Scrip could not be reached, and the caller has waited for it once.
    if let Some(error) = unreachable {
        return handed_over(&scrip, unpaid, error).await;
    }
    let (outcome, key) = scrip.settle(&unpaid, key).await;
    unpaid.key = key;
    match outcome {
        Ok(receipt) => {
            if let Some(on_charged) = &asked.on_charged {
                // It is charged, even if the function that hears of it panics: that is on stderr.
                let _ = catch_unwind(AssertUnwindSafe(|| on_charged(&receipt)));
            }
            Ending::Charged(Box::new(receipt))
        }
        Err(error) => {
            let is_allowed = asked.is_open && matches!(error, Error::OutcomeUnknown { .. });
            if is_allowed || !is_heard {
                return handed_over(&scrip, unpaid, error).await;
            }
            Ending::Unconfirmed(Box::new(Owed::new(scrip, unpaid, error)))
        }
    }
}

/// Hands over what is unpaid; the caller that waits gets it if nobody takes it.
async fn handed_over(scrip: &Scrip, unpaid: Unpaid, error: Error) -> Ending {
    match scrip.hand_over(unpaid.clone(), error.clone()).await {
        true => Ending::HandedOver,
        false => Ending::Unconfirmed(Box::new(Owed::told(unpaid, error))),
    }
}

/// Extends a hold at half of its life, until it has ended, or until the work has.
async fn keep_alive(scrip: Scrip, account: String, hold: String, life_s: u32, held_at: Instant) {
    let half = Duration::from_secs(life_s.into()) / 2;
    let pause = (half / 4).min(LONGEST_PAUSE);
    let scrip = scrip.within(half);
    // The hold is no older than the request for it, however often that was sent.
    let mut next = held_at + half;
    while next.duration_since(held_at) < LONGEST_WORK {
        sleep_until(next).await;
        let now = Instant::now();
        next = match scrip.extend(&account, &hold, life_s).await {
            Ok(_) => now + half,
            // The hold is over: if the work delivers after all, a debit charges it.
            Err(Error::Refused(_)) => return,
            // Most have waited until the deadline, but not all: a `Retry-After` may be longer.
            Err(_) => Instant::now().max(now + pause),
        };
    }
}

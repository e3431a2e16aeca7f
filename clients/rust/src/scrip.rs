//! The client of one stack, and its options.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::answers::read;
use crate::coalesce::Coalescer;
use crate::connection::{Connection, OptionsError, Sign, SignError};
use crate::error::Error;
use crate::key::{Clock, LocalClock};
use crate::request::Unpaid;
use crate::send::{Pending, Sender};
use crate::tasks::Tasks;

/// The stack answers after 13 s at most: it begins no try of its own after 8 s, and one lives for
/// 5 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const DEADLINE: Duration = Duration::from_secs(30);

type HandingOver = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
type OnUnpaid = Arc<dyn Fn(Unpaid, Option<Error>) -> HandingOver + Send + Sync>;

/// A client of one Scrip stack. A clone is the same client: it shares connections and clock.
#[derive(Clone)]
pub struct Scrip {
    pub(crate) sender: Arc<Sender>,
    pub(crate) coalescer: Option<Arc<Coalescer>>,
    pub(crate) tasks: Tasks,
    pub(crate) deadline: Duration,
    on_unpaid: Option<OnUnpaid>,
}

/// The options of a client.
#[must_use]
pub struct Options {
    url: String,
    key: Option<String>,
    sign: Option<Sign>,
    deadline: Duration,
    attempt_timeout: Duration,
    coalesce: Option<Duration>,
    on_unpaid: Option<OnUnpaid>,
    clock: LocalClock,
}

impl Options {
    /// The options of a client of the stack at this address: its output `ApiUrl` or `ServiceUrl`,
    /// or `http://127.0.0.1:3000`.
    pub fn new(url: impl Into<String>) -> Options {
        Options {
            url: url.into(),
            key: None,
            sign: None,
            deadline: DEADLINE,
            attempt_timeout: ATTEMPT_TIMEOUT,
            coalesce: None,
            on_unpaid: None,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// A service key, `scrip_sk_...`: it is sent as a Bearer token.
    pub fn key(self, key: impl Into<String>) -> Options {
        Options { key: Some(key.into()), ..self }
    }

    /// Signs each request in place of a key. It is called for every try, with the stack's time:
    /// AWS refuses a signature whose time is more than 5 minutes wrong.
    pub fn sign<S, F>(self, sign: S) -> Options
    where
        S: Fn(Request<String>, SystemTime) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Request<String>, SignError>> + Send + 'static,
    {
        let sign: Sign = Arc::new(move |request, at| Box::pin(sign(request, at)));
        Options { sign: Some(sign), ..self }
    }

    /// How long an operation is tried until its outcome is known: 30 s if this is not called.
    pub fn deadline(self, deadline: Duration) -> Options {
        Options { deadline, ..self }
    }

    /// How long one try may take: 15 s if this is not called.
    pub fn attempt_timeout(self, attempt_timeout: Duration) -> Options {
        Options { attempt_timeout, ..self }
    }

    /// Gathers debits of one account for so long, and sends 3 to 24 of them as one batch, in which
    /// each stands alone. Off if this is not called; a few milliseconds are enough.
    pub fn coalesce(self, coalesce: Duration) -> Options {
        Options { coalesce: Some(coalesce), ..self }
    }

    /// Takes what could not be charged, and why: where the caller allowed that, or went away. Store
    /// it, and [`Scrip::pay`] it later.
    pub fn on_unpaid<H, F>(self, hand_over: H) -> Options
    where
        H: Fn(Unpaid, Option<Error>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let on_unpaid: OnUnpaid = Arc::new(move |unpaid, error| Box::pin(hand_over(unpaid, error)));
        Options { on_unpaid: Some(on_unpaid), ..self }
    }

    /// In place of the machine's clock, for tests.
    pub fn clock(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Options {
        Options { clock: Arc::new(now), ..self }
    }

    /// The client. It sends nothing yet.
    ///
    /// # Errors
    /// If the address or the key is none.
    pub fn build(self) -> Result<Scrip, OptionsError> {
        let Options { url, key, sign, deadline, attempt_timeout, coalesce, on_unpaid, clock } =
            self;
        let sender = Arc::new(Sender {
            connection: Connection::new(&url, key.as_deref(), sign)?,
            clock: Clock::new(clock),
            attempt_timeout,
        });
        let tasks = Tasks::default();
        let coalescer = coalesce.map(|wait| Coalescer::new(sender.clone(), tasks.clone(), wait));
        let coalescer = coalescer.map(Arc::new);
        Ok(Scrip { sender, coalescer, tasks, deadline, on_unpaid })
    }
}

impl Scrip {
    /// A client of the stack at `url`, with a service key if there is one. [`Options`] has more.
    ///
    /// # Errors
    /// If the address or the key is none.
    pub fn new(url: &str, key: Option<&str>) -> Result<Scrip, OptionsError> {
        let options = Options::new(url);
        match key {
            Some(key) => options.key(key).build(),
            None => options.build(),
        }
    }

    /// The same client with another deadline. Its debits travel alone: those of a batch have one
    /// deadline.
    pub fn within(&self, deadline: Duration) -> Scrip {
        Scrip { deadline, coalescer: None, ..self.clone() }
    }

    /// Waits for the charges of callers that went away, and for debits that were gathered. Call it
    /// before the program ends: what is not sent by then is lost, and a hold lapses.
    pub async fn finish(&self) {
        self.tasks.finish().await;
    }

    /// Sends a request until its outcome is known.
    pub(crate) async fn send<R: DeserializeOwned>(
        &self,
        pending: &mut Pending,
    ) -> Result<R, Error> {
        read(self.sender.send(pending, self.deadline).await?)
    }

    pub(crate) fn takes_unpaid(&self) -> bool {
        self.on_unpaid.is_some()
    }

    /// Hands over what is unpaid, and says whether it was taken: if nobody takes it, or
    /// its taker panics, it is written to stderr, so that it is not lost without a trace.
    pub(crate) async fn hand_over(&self, unpaid: Unpaid, error: Error) -> bool {
        if let Some(on_unpaid) = self.on_unpaid.clone() {
            let (charge, why) = (unpaid.clone(), Some(error.clone()));
            let handed = async move { on_unpaid(charge, why).await };
            // A task of its own: its panic is not ours, and nobody drops it half done.
            if self.tasks.spawn(&Handle::current(), handed).await.is_ok() {
                return true;
            }
        }
        let unpaid = serde_json::to_string(&unpaid).unwrap_or_default();
        eprintln!("scrip-client: unpaid, and not taken by on_unpaid: {unpaid}: {error}");
        false
    }
}

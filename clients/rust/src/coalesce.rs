//! Gathers debits of one account for a moment, and sends them as one batch in which each stands
//! alone.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::answers::{DebitReceipt, read, result};
use crate::error::Error;
use crate::path::in_account;
use crate::send::{Each, Key, Pending, Sender};
use crate::tasks::Tasks;

/// Two requests cost less than a batch of two.
const FEWEST: usize = 3;
const MOST: usize = 24;

struct Waiting {
    body: Map<String, Value>,
    key: Key,
    until: Instant,
    answer: oneshot::Sender<Result<DebitReceipt, Error>>,
}

/// The debits of one account that wait.
struct Gathered {
    /// Tells them from those that wait later.
    group: u64,
    debits: Vec<Waiting>,
}

/// The runtime that sends them, which may end before another one does, and their account.
type Place = (Id, String);

#[derive(Default)]
struct Groups {
    by_place: HashMap<Place, Gathered>,
    begun: u64,
}

pub(crate) struct Coalescer {
    sender: Arc<Sender>,
    tasks: Tasks,
    wait: Duration,
    waiting: Mutex<Groups>,
}

/// Takes a group when its time has come. If its runtime ends before, the group ends with it.
struct Timer {
    coalescer: Arc<Coalescer>,
    place: Place,
    group: u64,
}

impl Timer {
    fn take(&self) -> Option<Gathered> {
        let mut groups = self.coalescer.groups();
        // Full, it was sent before its time.
        match groups.by_place.get(&self.place).is_some_and(|now| now.group == self.group) {
            true => groups.by_place.remove(&self.place),
            false => None,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl Coalescer {
    pub(crate) fn new(sender: Arc<Sender>, tasks: Tasks, wait: Duration) -> Coalescer {
        Coalescer { sender, tasks, wait, waiting: Mutex::default() }
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A debit that travels with others, if there are some. It is sent even if nobody waits for it
    /// any more.
    pub(crate) async fn debit(
        self: &Arc<Coalescer>,
        account: String,
        body: Map<String, Value>,
        key: Key,
        deadline: Duration,
    ) -> Result<DebitReceipt, Error> {
        let (answer, answered) = oneshot::channel();
        let text = key.text.clone();
        let waiting = Waiting { body, key, until: Instant::now() + deadline, answer };
        self.gather(account, waiting);
        let lost = |_| Error::OutcomeUnknown { keys: vec![text], cause: "it ended".to_owned() };
        answered.await.map_err(lost)?
    }

    fn gather(self: &Arc<Coalescer>, account: String, debit: Waiting) {
        let runtime = Handle::current();
        let place = (runtime.id(), account);
        let mut groups = self.groups();
        let Some(gathered) = groups.by_place.get_mut(&place) else {
            groups.begun += 1;
            let group = groups.begun;
            groups.by_place.insert(place.clone(), Gathered { group, debits: vec![debit] });
            drop(groups);
            let timer = Timer { coalescer: self.clone(), place, group };
            drop(self.tasks.spawn(&runtime, self.clone().send_later(timer)));
            return;
        };
        gathered.debits.push(debit);
        if gathered.debits.len() == MOST
            && let Some(full) = groups.by_place.remove(&place)
        {
            drop(groups);
            drop(self.tasks.spawn(&runtime, self.clone().send(place.1, full.debits)));
        }
    }

    async fn send_later(self: Arc<Coalescer>, timer: Timer) {
        sleep(self.wait).await;
        if let Some(gathered) = timer.take() {
            self.send(timer.place.1.clone(), gathered.debits).await;
        }
    }

    async fn send(self: Arc<Coalescer>, account: String, debits: Vec<Waiting>) {
        // A batch cannot hold one operation twice.
        let different: HashSet<&str> = debits.iter().map(|debit| &*debit.key.text).collect();
        if debits.len() < FEWEST || different.len() < debits.len() {
            return self.send_alone(&account, debits, None);
        }
        let path = in_account(&account, &["debits", "batch"]);
        let bodies = debits.iter().map(|debit| Value::Object(debit.body.clone())).collect();
        let keys = debits.iter().map(|debit| debit.key.clone()).collect();
        let mut each = Each { path, debits: bodies, keys, open_at: None };
        let until = debits.iter().map(|debit| debit.until).min().unwrap_or_else(Instant::now);
        let left = until.saturating_duration_since(Instant::now());
        let mut waiting: Vec<Option<Waiting>> = debits.into_iter().map(Some).collect();
        let settle = |index: usize, answer: Value| {
            if let Some(debit) = waiting[index].take() {
                let answer = result(answer).and_then(|result| match result {
                    Ok(passed) => Ok(passed.receipt),
                    Err(problem) => Err(Error::Refused(Box::new(problem))),
                });
                // The caller may have gone away.
                let _ = debit.answer.send(answer);
            }
        };
        let Err(error) = self.sender.send_each(&mut each, left, settle).await else { return };
        let unsettled = waiting.into_iter().zip(each.keys);
        let unsettled = unsettled.filter_map(|(debit, key)| Some(Waiting { key, ..debit? }));
        if let Error::Refused(_) = error {
            // Refused because of one of them: the others are sent under the keys that they have.
            return self.send_alone(&account, unsettled.collect(), each.open_at);
        }
        for debit in unsettled {
            let error = match &error {
                Error::OutcomeUnknown { cause, .. } => Error::OutcomeUnknown {
                    keys: vec![debit.key.text.clone()],
                    cause: cause.clone(),
                },
                other => other.clone(),
            };
            let _ = debit.answer.send(Err(error));
        }
    }

    /// Sends each by itself, under its key.
    fn send_alone(&self, account: &str, debits: Vec<Waiting>, open_at: Option<Instant>) {
        for Waiting { body, key, until, answer } in debits {
            let path = in_account(account, &["debits"]);
            let mut pending = Pending::operation(path, body, key).after(open_at);
            let sender = self.sender.clone();
            drop(self.tasks.spawn(&Handle::current(), async move {
                let left = until.saturating_duration_since(Instant::now());
                let sent = sender.send(&mut pending, left).await.and_then(read);
                let _ = answer.send(sent);
            }));
        }
    }
}

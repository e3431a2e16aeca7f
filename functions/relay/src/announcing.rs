//! Events put on the bus: each at least once, and those of one account in their order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use shared::bus::MOST;
use shared::decide::announce::Event;
use shared::domain::AccountId;

use crate::surroundings::Surroundings;

/// How often an event that the bus does not take is sent, before its record is handed back.
const TRIES: u32 = 4;
/// The wait after the first try, doubled after each.
const WAIT: Duration = Duration::from_millis(50);

/// Puts events on the bus, each with the place of its record. Returns the records some of whose
/// events were not taken.
///
/// The bus may take one event of a call and not another, so a call holds one event of an account at
/// most: what comes after it is not sent before it was taken.
pub(crate) async fn announce(
    surroundings: &Surroundings,
    events: Vec<(usize, Event)>,
) -> BTreeSet<usize> {
    let mut waiting: BTreeMap<AccountId, VecDeque<(usize, Event)>> = BTreeMap::new();
    for (place, event) in events {
        waiting.entry(event.account.clone()).or_default().push_back((place, event));
    }
    let mut failed = BTreeSet::new();
    let mut refused: BTreeMap<AccountId, u32> = BTreeMap::new();
    while !waiting.is_empty() {
        let catalog = surroundings.world.catalog().await;
        let accounts: Vec<AccountId> = waiting.keys().cloned().collect();
        let mut wait = Duration::ZERO;
        for accounts in accounts.chunks(MOST) {
            let first = accounts.iter().filter_map(|account| waiting[account].front());
            let events: Vec<&Event> = first.map(|(_, event)| event).collect();
            let taken = surroundings.bus.put(&events, &catalog).await;
            for (account, taken) in accounts.iter().zip(taken) {
                let queue = waiting.get_mut(account).expect("it is waiting");
                if let Err(error) = taken {
                    tracing::warn!(account = account.as_str(), %error, "an event was not taken");
                    let tries = refused.entry(account.clone()).or_default();
                    wait = wait.max(WAIT * (1 << *tries));
                    *tries += 1;
                    if *tries == TRIES {
                        // The others go on; what comes after it of this account does not.
                        failed.extend(queue.drain(..).map(|(place, _)| place));
                    }
                } else {
                    queue.pop_front();
                    refused.remove(account);
                }
                if queue.is_empty() {
                    waiting.remove(account);
                }
            }
        }
        tokio::time::sleep(wait).await;
    }
    failed
}

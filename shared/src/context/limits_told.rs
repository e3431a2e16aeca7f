//! The limits of which a function knows that they were recorded as reached in their window, so that
//! further refusals cost no write.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::domain::limit::{Counter, FirstReached};
use crate::domain::{AccountId, Credits};

/// How many are kept: each takes some hundred bytes.
const KEPT: usize = 1_024;

type Told = BTreeSet<(AccountId, Counter, Credits)>;

/// The reached limits in memory, shared by all that clone it.
#[derive(Clone, Debug, Default)]
pub struct LimitsTold(Arc<Mutex<Told>>);

impl LimitsTold {
    /// Takes note of a reached limit. False: it was known.
    pub fn is_new(&self, first: &FirstReached) -> bool {
        let FirstReached { account, limit, .. } = first;
        let mut told = self.0.lock().expect("no one panics with the lock");
        if told.len() >= KEPT {
            told.clear();
        }
        told.insert((account.clone(), limit.counter(), limit.at_most))
    }

    /// Forgets a reached limit that could not be recorded.
    pub fn forget(&self, first: &FirstReached) {
        let FirstReached { account, limit, .. } = first;
        let mut told = self.0.lock().expect("no one panics with the lock");
        told.remove(&(account.clone(), limit.counter(), limit.at_most));
    }
}

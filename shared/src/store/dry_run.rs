//! Dry runs: what is committed stays in memory and is read from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::decide::Write;
use crate::domain::{Account, AccountId};

/// The accounts that a dry run has read.
///
/// Guards and conditions hold in it: all that a write depends on was read just before, and nobody
/// else writes.
#[derive(Clone, Debug, Default)]
pub struct DryRun(Arc<Mutex<HashMap<AccountId, Dry>>>);

/// An account in a dry run. None: it does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dry {
    /// As it is in the table.
    pub before: Option<Account>,
    /// As the writes of the dry run would leave it.
    pub after: Option<Account>,
}

impl DryRun {
    /// An account in this dry run. None: it was not read.
    pub fn account(&self, id: &AccountId) -> Option<Dry> {
        self.0.lock().expect("no one panics with the lock").get(id).cloned()
    }

    /// Keeps an account as it was read.
    pub(super) fn keep(&self, id: &AccountId, account: Option<Account>) {
        let dry = Dry { before: account.clone(), after: account };
        self.0.lock().expect("no one panics with the lock").insert(id.clone(), dry);
    }

    /// Applies the write to its account. No row has a part in a balance, so rows are left out.
    pub(super) fn commit(&self, write: &Write) {
        let Some(write) = &write.account else { return };
        let mut accounts = self.0.lock().expect("no one panics with the lock");
        if let Some(dry) = accounts.get_mut(&write.account) {
            dry.after = write.apply(dry.after.take());
        }
    }
}

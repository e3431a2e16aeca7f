//! The terms of limits that a function keeps in memory, so that a debit needs no read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::decide::limit::Terms;
use crate::domain::limit::OwnLimits;
use crate::domain::{Account, AccountId, Catalog, Instant};
use crate::store::{Store, StoreError};

/// The terms of how many accounts are kept: one takes some hundred bytes, and those of its own
/// limits.
const KEPT: usize = 1_024;

/// The terms in memory, shared by all that clone it.
#[derive(Clone, Debug, Default)]
pub struct LimitTerms(Arc<Mutex<HashMap<AccountId, Arc<Terms>>>>);

impl LimitTerms {
    fn kept(&self) -> MutexGuard<'_, HashMap<AccountId, Arc<Terms>>> {
        self.0.lock().expect("no one panics with the lock")
    }

    /// The terms of an account as it was last seen. None: it was not, or has none that matter.
    pub fn of(&self, account: &AccountId) -> Option<Arc<Terms>> {
        self.kept().get(account).cloned()
    }

    /// The limits of `account`'s own. They are read if those of its version are not known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn own(
        &self,
        store: &Store,
        account: &Account,
    ) -> Result<Arc<OwnLimits>, StoreError> {
        let known = self.of(&account.id).map(|terms| terms.own.clone());
        match known.filter(|own| own.version == account.limits_version) {
            Some(own) => Ok(own),
            None if account.limits_version == 0 => Ok(Arc::default()),
            None => Ok(Arc::new(store.limits_of(account).await?)),
        }
    }

    /// The terms of `account` as it is stored.
    ///
    /// # Errors
    /// As [`LimitTerms::own`].
    pub async fn learn(
        &self,
        store: &Store,
        account: &Account,
        catalog: &Catalog,
        now: Instant,
    ) -> Result<Arc<Terms>, StoreError> {
        Ok(self.keep(account, self.own(store, account).await?, catalog, now))
    }

    /// Takes note of `account` as a write left it, if its own limits are those that are known.
    pub fn saw(&self, account: &Account, catalog: &Catalog, now: Instant) {
        match self.of(&account.id).map(|terms| terms.own.clone()) {
            Some(own) if own.version == account.limits_version => {
                self.keep(account, own, catalog, now);
            }
            None if account.limits_version == 0 => {
                self.keep(account, Arc::default(), catalog, now);
            }
            _ => {}
        }
    }

    fn keep(
        &self,
        account: &Account,
        own: Arc<OwnLimits>,
        catalog: &Catalog,
        now: Instant,
    ) -> Arc<Terms> {
        let by_plan = catalog.plans.values().any(|plan| !plan.limits.is_empty());
        let matters = by_plan || account.limits_version > 0 || !account.used.is_empty();
        let terms = Arc::new(Terms::of(account, own, now));
        let mut kept = self.kept();
        if matters {
            if kept.len() >= KEPT && !kept.contains_key(&account.id) {
                kept.clear();
            }
            kept.insert(account.id.clone(), terms.clone());
        } else {
            kept.remove(&account.id);
        }
        terms
    }
}

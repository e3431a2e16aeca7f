//! The directory: records the state of an account as its stream tells it.

use super::retry;
use crate::context::Context;
use crate::decide::directory;
use crate::domain::{AccountId, AccountState, Seq};
use crate::store::StoreError;

/// Records the state of an account as of entry `seq`, unless a later one is recorded.
///
/// # Errors
/// [`StoreError`].
pub async fn record(
    context: &Context,
    account: &AccountId,
    state: AccountState,
    seq: Seq,
) -> Result<(), StoreError> {
    let write = directory::state(account, state, seq);
    retry(context, || context.store.commit(&write)).await.map(|_| ())
}

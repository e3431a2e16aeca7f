//! Finds accounts in the directory.

use crate::context::Context;
use crate::domain::directory::{AccountFilter, ListedAccount};
use crate::domain::payment::IntentId;
use crate::domain::{AccountId, AccountState};
use crate::store::StoreError;

/// How many accounts a search reads before it answers with those that it found.
pub const SEARCHED: i32 = 2000;

/// Some accounts, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAccounts {
    pub accounts: Vec<ListedAccount>,
    /// The account after which there may be more.
    pub next: Option<AccountId>,
}

/// Up to `limit` accounts that match, after `after`. The text may also be a Stripe customer or a
/// payment: then it is its account alone.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    context: &Context,
    filter: &AccountFilter,
    after: Option<&AccountId>,
    limit: usize,
) -> Result<FoundAccounts, StoreError> {
    if let Some(account) = of_stripe(context, filter.text.as_deref().unwrap_or_default()).await? {
        let listed = one(context, &account).await?;
        let filter = AccountFilter { text: None, ..filter.clone() };
        let is_next = |listed: &ListedAccount| after.is_none_or(|after| *after < listed.account);
        let accounts = listed.filter(|listed| filter.fits(listed) && is_next(listed));
        return Ok(FoundAccounts { accounts: accounts.into_iter().collect(), next: None });
    }
    // One more than is shown says whether there are more.
    let most =
        if filter.is_open() { i32::try_from(limit + 1).unwrap_or(SEARCHED) } else { SEARCHED };
    let part = context.store.directory(after, most).await?;
    let mut accounts = part.accounts;
    accounts.retain(|listed| filter.fits(listed));
    let next = match accounts.len() > limit {
        true => accounts.get(limit - 1).map(|last| last.account.clone()),
        false => part.next,
    };
    accounts.truncate(limit);
    Ok(FoundAccounts { accounts, next })
}

/// The row of an account. None: there is none, or it cannot be read, which the audit names.
///
/// # Errors
/// [`StoreError`].
pub async fn row(
    context: &Context,
    account: &AccountId,
) -> Result<Option<ListedAccount>, StoreError> {
    match context.store.directory_row(account).await {
        Err(error @ StoreError::Broken { .. }) => {
            tracing::warn!(account = account.as_str(), %error, "an account is shown without names");
            Ok(None)
        }
        read => read,
    }
}

/// An account by its row, or as it is stored where it has none.
async fn one(context: &Context, account: &AccountId) -> Result<Option<ListedAccount>, StoreError> {
    if let Some(row) = row(context, account).await? {
        return Ok(Some(row));
    }
    let loaded = context.store.account(account).await?;
    Ok(loaded.map(|loaded| ListedAccount {
        account: account.clone(),
        name: None,
        labels: Vec::new(),
        state: AccountState::of(&loaded.account),
        seq: loaded.account.seq,
    }))
}

/// The account of a Stripe customer or of a payment. None: the text is neither, or it is unknown.
async fn of_stripe(context: &Context, text: &str) -> Result<Option<AccountId>, StoreError> {
    if text.starts_with("cus_") {
        return context.store.account_of_customer(text).await;
    }
    let Ok(intent) = text.parse::<IntentId>() else { return Ok(None) };
    let payment = context.store.payment(&intent, context.clock.now()).await?;
    Ok(context.store.order_of(&payment).await?.map(|order| order.account))
}

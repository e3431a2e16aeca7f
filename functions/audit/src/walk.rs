//! Audits the accounts of a segment of the table one by one, for as long as there is time.

use std::collections::BTreeSet;

use shared::command;
use shared::context::Context;
use shared::domain::AccountId;
use shared::store::StoreError;

use crate::account::{Audited, account, audit};
use crate::difference::{Difference, Kind};
use crate::directory;

/// Accounts per request.
const READ: i32 = 64;

/// A walk through one segment of the accounts.
#[derive(Clone, Debug)]
pub struct Walk {
    pub segment: i32,
    pub of: i32,
    /// The account that was read last; None: from the beginning.
    pub after: Option<AccountId>,
    /// The most memory, in bytes, that reading one account may take.
    pub most_bytes: u64,
}

/// The progress of a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// The account that was read last; None: at the beginning, or there are no more.
    pub after: Option<AccountId>,
    pub seen: u64,
    pub found: Vec<Difference>,
}

/// Continues a walk while `goes_on`, called between accounts and inside a large one, returns true.
/// Writes nothing. An account in which the time runs out is read again by the next walk; if it was
/// the first one of its walk, it is too large, which is a difference: every walk gets further.
///
/// # Errors
/// [`StoreError`] if the tables cannot be read.
pub async fn walk(
    context: &Context,
    Walk { segment, of, after, most_bytes }: Walk,
    mut goes_on: impl FnMut(&Walked) -> bool,
) -> Result<Walked, StoreError> {
    let mut walked = Walked { after, ..Walked::default() };
    loop {
        let scan = || context.store.scan(segment, of, walked.after.as_ref(), READ);
        let scan = command::retry(context, scan).await?;
        for read in scan.accounts {
            let mut listed = None;
            let id = match read {
                Ok(loaded) => {
                    let id = loaded.account.id.clone();
                    listed = Some(loaded.account);
                    id
                }
                // The account is read again as it is written, to say what is wrong with it.
                Err(StoreError::Broken { key, attribute, problem, table, .. }) => match key.parse()
                {
                    Ok(id) => id,
                    Err(_) => {
                        walked.found.push(Difference {
                            account: None,
                            kind: Kind::Unreadable { item: format!("{table} {key}") },
                            expected: "an account".to_owned(),
                            found: format!("{attribute} {problem}"),
                            parked: false,
                        });
                        continue;
                    }
                },
                Err(error) => return Err(error),
            };
            if walked.seen > 0 && !goes_on(&walked) {
                return Ok(walked);
            }
            match audit(context, &id, most_bytes, || goes_on(&walked)).await? {
                Audited::Whole(found) => walked.found.extend(found),
                Audited::OutOfTime { .. } if walked.seen > 0 => return Ok(walked),
                Audited::OutOfTime { entries } | Audited::OutOfMemory { entries } => {
                    walked.found.push(Difference {
                        account: Some(id.clone()),
                        kind: Kind::TooLarge,
                        expected: "an account that one invocation can read".to_owned(),
                        found: format!("more than {entries} entries"),
                        parked: false,
                    });
                }
            }
            if let Some(account) = listed {
                walked.found.extend(directory::late(context, account).await?);
            }
            walked.seen += 1;
            walked.after = Some(id);
        }
        walked.after = scan.next;
        if walked.after.is_none() || !goes_on(&walked) {
            return Ok(walked);
        }
    }
}

/// Where the scan of the ledger continues: account and sort key.
pub type ScanPosition = (String, String);

/// The differences of accounts that have rows in the ledger but do not exist, from `after` on,
/// while `goes_on` returns true. Returns where it stopped; None: at the end.
///
/// # Errors
/// [`StoreError`] if the tables cannot be read.
pub async fn orphans(
    context: &Context,
    mut after: Option<ScanPosition>,
    mut goes_on: impl FnMut() -> bool,
) -> Result<(Vec<Difference>, Option<ScanPosition>), StoreError> {
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let (accounts, next) = context.store.scanned_accounts(after.as_ref()).await?;
        for id in accounts {
            // The rows of an account follow each other.
            if last.as_ref() == Some(&id) {
                continue;
            }
            match context.store.account_as_written(&id).await {
                Ok(None) => {
                    found.extend(account(context, &id).await?);
                    found.extend(directory::directory_difference(context, &id).await?);
                }
                // The walk over the accounts says what is wrong with it.
                Ok(Some(_)) | Err(StoreError::Broken { .. }) => {}
                Err(error) => return Err(error),
            }
            last = Some(id);
        }
        after = next;
        if after.is_none() || !goes_on() {
            return Ok((found, after));
        }
    }
}

/// Every account in either table.
///
/// # Errors
/// [`StoreError`] if the tables cannot be read.
pub async fn accounts(context: &Context) -> Result<BTreeSet<AccountId>, StoreError> {
    let mut ids = BTreeSet::new();
    let mut after = None;
    loop {
        let scan = context.store.scan(0, 1, after.as_ref(), READ).await?;
        for read in scan.accounts {
            match read {
                Ok(loaded) => ids.extend([loaded.account.id]),
                Err(StoreError::Broken { key, .. }) => ids.extend(key.parse()),
                Err(error) => return Err(error),
            }
        }
        after = scan.next;
        if after.is_none() {
            break;
        }
    }
    let mut after = None;
    loop {
        let (accounts, next) = context.store.scanned_accounts(after.as_ref()).await?;
        ids.extend(accounts);
        after = next;
        if after.is_none() {
            return Ok(ids);
        }
    }
}

//! The ledger read back: pages and the account's own list as one sequence without a gap.

use crate::domain::ledger::{Placed, Stretch};
use crate::domain::{AccountId, Instant, Seq};
use crate::store::{Loaded, Store, StoreError};

/// How many pages one request reads at most. A page holds 16 entries of the usual size.
const PAGES: i32 = 8;

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    /// Entries before this number.
    pub below: Seq,
    /// The page that was read last, if one was: the entries are in it or in pages before it.
    pub page: Option<(Instant, Seq)>,
}

/// Some entries, the latest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub entries: Vec<Placed>,
    /// Where the next ones are; None after entry number 1.
    pub next: Option<From>,
}

/// Lists up to `limit` entries before `from`, or from the latest on.
///
/// The account was read before the pages are: what left it in between is in a page by then, and
/// what is in both is listed once, by its number.
///
/// # Errors
/// [`StoreError`], and [`StoreError::Broken`] if a number is missing.
pub async fn list(
    store: &Store,
    loaded: &Loaded,
    from: Option<From>,
    limit: usize,
) -> Result<Listed, StoreError> {
    let account = &loaded.account;
    let mut entries = Vec::new();
    let mut below = from.map_or(account.seq + 1, |from| from.below);
    let mut page = from.and_then(|from| from.page);
    take(Stretch::recent(account), &mut below, &mut entries, limit);
    // The page that was read last may hold more than was listed of it: it is read again.
    let mut before = page.map(|(time, first)| (time, first + 1));
    while entries.len() < limit && below > 1 {
        let pages = store.pages(&account.id, before, PAGES).await?;
        if pages.is_empty() {
            return Err(missing(&account.id, below - 1));
        }
        for read in pages {
            if entries.len() == limit {
                break;
            }
            if read.last() + 1 < below {
                return Err(missing(&account.id, below - 1));
            }
            page = Some((read.time, read.first));
            before = page;
            take(read.stretch(), &mut below, &mut entries, limit);
        }
    }
    let next = (below > 1).then_some(From { below, page });
    Ok(Listed { entries, next })
}

/// Takes the entries of a stretch that come before number `below`, the latest first.
fn take(stretch: Stretch, below: &mut Seq, entries: &mut Vec<Placed>, limit: usize) {
    for placed in stretch.backwards(*below).take(limit - entries.len()) {
        *below = placed.seq;
        entries.push(placed);
    }
}

fn missing(account: &AccountId, seq: Seq) -> StoreError {
    StoreError::Broken {
        table: "ledger",
        key: account.to_string(),
        attribute: format!("entry {seq}"),
        problem: "is in no page".to_owned(),
    }
}

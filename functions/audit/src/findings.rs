//! Collects the differences of one account while it is read.

use shared::domain::AccountId;
use shared::store::StoreError;

use crate::difference::{Difference, Kind};

/// The differences of one account so far.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    pub account: &'a AccountId,
    pub found: Vec<Difference>,
}

impl Findings<'_> {
    pub(crate) fn of(account: &AccountId) -> Findings<'_> {
        Findings { account, found: Vec::new() }
    }

    pub(crate) fn differs(&mut self, kind: Kind, expected: impl ToString, found: impl ToString) {
        let (expected, found) = (expected.to_string(), found.to_string());
        let account = Some(self.account.clone());
        self.found.push(Difference { account, kind, expected, found, parked: false });
    }

    /// Reports a difference unless the two are equal.
    pub(crate) fn compare<T: PartialEq + ToString>(&mut self, kind: Kind, expected: T, found: T) {
        if expected != found {
            self.differs(kind, expected, found);
        }
    }

    /// The value that was read. None: the item is broken, which is a difference.
    ///
    /// # Errors
    /// If it could not be read at all.
    pub(crate) fn read<T>(&mut self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(StoreError::Broken { table, key, attribute, problem, .. }) => {
                let item = format!("{table} {key}");
                self.differs(
                    Kind::Unreadable { item },
                    "an item",
                    format!("{attribute} {problem}"),
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

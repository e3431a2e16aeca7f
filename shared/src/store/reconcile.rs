//! The item of reconcile's state: JSON, which a person can read.

use serde::{Deserialize, Serialize};

use super::item::{self, Attributes, Item};
use super::payments::{json, parsed};
use super::table::{ACCOUNT, RECONCILE, SORT, ledger};
use super::{Store, Stored};
use crate::domain::Instant;
use crate::domain::reconcile::{Listing, ReconcileState, StripeList};

/// The state in JSON: instants in ms.
#[derive(Serialize, Deserialize)]
struct StateText {
    through: Option<i64>,
    compared_at: Option<i64>,
    comparing: Option<ListingText>,
    listing: Option<ListingText>,
}

#[derive(Serialize, Deserialize)]
struct ListingText {
    list: String,
    until: i64,
    after: Option<String>,
}

impl Store {
    /// How far reconcile has come; the default before its first run.
    pub async fn reconcile_state(&self) -> Stored<ReconcileState> {
        let item = self.ledger_item(RECONCILE, ledger::RECONCILE).await?;
        item.as_ref().map(read_state).transpose().map(Option::unwrap_or_default)
    }
}

pub(super) fn state_item(state: &ReconcileState) -> Item {
    let text = StateText {
        through: state.through.map(Instant::ms),
        compared_at: state.compared_at.map(Instant::ms),
        comparing: state.comparing.as_ref().map(ListingText::of),
        listing: state.listing.as_ref().map(ListingText::of),
    };
    Item::from_iter(
        [
            (ACCOUNT, item::text(RECONCILE)),
            (SORT, item::text(ledger::RECONCILE)),
            (ledger::VERSION, item::number(state.version + 1)),
            (ledger::TEXT, item::text(json(&text))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

fn read_state(item: &Item) -> Stored<ReconcileState> {
    let row = Attributes::of("ledger", item);
    let text: StateText = parsed(&row, ledger::TEXT)?;
    let instant = |ms: Option<i64>| ms.map(Instant::from_ms);
    Ok(ReconcileState {
        version: row.number(ledger::VERSION)?,
        through: instant(text.through),
        compared_at: instant(text.compared_at),
        comparing: text.comparing.and_then(ListingText::listing),
        listing: text.listing.and_then(ListingText::listing),
    })
}

impl ListingText {
    fn of(listing: &Listing) -> ListingText {
        let Listing { list, until, after } = listing;
        ListingText { list: list.word().to_owned(), until: until.ms(), after: after.clone() }
    }

    /// None: only another version reads this list. It is begun anew: `through` says how far all is
    /// applied.
    fn listing(self) -> Option<Listing> {
        let list = StripeList::of_word(&self.list)?;
        Some(Listing { list, until: Instant::from_ms(self.until), after: self.after })
    }
}

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
    let listing = state.listing.as_ref().map(|listing| ListingText {
        list: listing.list.word().to_owned(),
        until: listing.until.ms(),
        after: listing.after.clone(),
    });
    let through = state.through.map(Instant::ms);
    let text = StateText { through, compared_at: state.compared_at.map(Instant::ms), listing };
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
    // A list that only another version reads is begun anew: `through` says how far all is applied.
    let listing = text.listing.and_then(|text| {
        let list = StripeList::of_word(&text.list)?;
        Some(Listing { list, until: Instant::from_ms(text.until), after: text.after })
    });
    let through = text.through.map(Instant::from_ms);
    let compared_at = text.compared_at.map(Instant::from_ms);
    let version = row.number(ledger::VERSION)?;
    Ok(ReconcileState { version, through, compared_at, listing })
}

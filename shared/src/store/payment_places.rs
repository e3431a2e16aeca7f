//! The places of orders and payments in their listings: rows of keys alone, in the order of time.

use super::item::{self, Attributes, Item};
use super::table::{ACCOUNT, PAYMENTS, PAYMENTS_OF_ACCOUNT, SORT, place_key};
use super::{PaymentPlace, Store, StoreError, Stored};
use crate::decide::PlacedPayment;
use crate::domain::{AccountId, Instant};

impl Store {
    /// The places of orders and payments before `before`, the latest first: at most `limit`. Of one
    /// account, or of all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn payment_places(
        &self,
        of: Option<&AccountId>,
        before: Option<&PaymentPlace>,
        limit: i32,
    ) -> Stored<Vec<PaymentPlace>> {
        let (partition, prefix) = match of {
            Some(account) => (account.as_str(), PAYMENTS_OF_ACCOUNT),
            None => (PAYMENTS, ""),
        };
        let key = before
            .map(|place| keys(partition, format!("{prefix}{}", place_key(place.at, &place.id))));
        // Keys go on with a time: `:` sorts after every digit.
        let query = self.client.query().table_name(&self.tables.ledger).consistent_read(true);
        let query = query
            .key_condition_expression("a = :of AND s BETWEEN :first AND :last")
            .expression_attribute_values(":of", item::text(partition))
            .expression_attribute_values(":first", item::text(format!("{prefix}0")))
            .expression_attribute_values(":last", item::text(format!("{prefix}:")));
        let query = query.set_exclusive_start_key(key).scan_index_forward(false).limit(limit);
        let got = Box::pin(query.send()).await.map_err(StoreError::of)?;
        got.items().iter().map(|item| read_place(item, prefix)).collect()
    }
}

pub(super) fn place_item(place: &PlacedPayment) -> Item {
    keys(PAYMENTS, place_key(place.at, &place.id))
}

pub(super) fn account_place_item(place: &PlacedPayment) -> Item {
    let key = place_key(place.at, &place.id);
    keys(place.account.as_str(), format!("{PAYMENTS_OF_ACCOUNT}{key}"))
}

fn keys(partition: &str, sort: String) -> Item {
    let keys = [(ACCOUNT, item::text(partition)), (SORT, item::text(sort))];
    Item::from(keys.map(|(name, value)| (name.to_owned(), value)))
}

fn read_place(item: &Item, prefix: &str) -> Stored<PaymentPlace> {
    let row = Attributes::of("ledger", item);
    let key = row.text(SORT)?.strip_prefix(prefix).and_then(|key| key.split_once('#'));
    let place = key.and_then(|(at, id)| {
        Some(PaymentPlace { at: Instant::from_ms(at.parse().ok()?), id: id.to_owned() })
    });
    place.ok_or_else(|| row.broken(SORT, "is not the place of a payment"))
}

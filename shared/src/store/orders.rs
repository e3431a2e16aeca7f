//! The items of orders. They hold JSON that a person can read, as payments do.

use serde::{Deserialize, Serialize};

use super::item::{self, Attributes, Item};
use super::payments::{json, money, parsed};
use super::table::{ACCOUNT, ORDERS, SORT, ledger, order_key};
use super::{Store, Stored};
use crate::domain::payment::{Order, Payment};
use crate::domain::{AccountId, Credits, Instant, OperationId, Orders, Tax, TaxBehavior};

impl Store {
    /// The order of a payment. None: none of its notices has named one, or it was never placed here.
    pub async fn order_of(&self, payment: &Payment) -> Stored<Option<Order>> {
        match payment.order() {
            Some(id) => self.order(id).await,
            None => Ok(None),
        }
    }

    /// An order by its id.
    pub async fn order(&self, id: OperationId) -> Stored<Option<Order>> {
        let item = self.ledger_item(&order_key(id), ledger::ORDER).await?;
        item.as_ref().map(read_order).transpose()
    }

    /// The latest orders of an account.
    pub async fn orders(&self, account: &AccountId) -> Stored<Orders> {
        let item = self.ledger_item(account.as_str(), ORDERS).await?;
        item.as_ref().map_or_else(|| Ok(Orders::default()), read_orders)
    }
}

pub(super) fn order_item(order: &Order) -> Item {
    let item = [
        (ACCOUNT, item::text(order_key(order.id))),
        (SORT, item::text(ledger::ORDER)),
        (ledger::TEXT, item::text(json(&OrderText::of(order)))),
    ];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)))
}

fn read_order(item: &Item) -> Stored<Order> {
    let row = Attributes::of("ledger", item);
    let text: OrderText = parsed(&row, ledger::TEXT)?;
    let broken = || row.broken(ledger::TEXT, "is not an order");
    let intent = row.optional_text(ledger::INTENT)?.map(str::parse).transpose();
    Ok(Order {
        id: OperationId::parse(&text.id).ok_or_else(broken)?,
        account: text.account.parse().map_err(|_| broken())?,
        pack: text.pack,
        credits: Credits::from_micro(text.credits_micro),
        price: money(&(text.currency, text.price_minor)).ok_or_else(broken)?,
        tax: tax(text.tax.as_deref(), text.tax_ids).ok_or_else(broken)?,
        expires_after_months: text.expires_after_months,
        catalog: text.catalog,
        live: text.live,
        user: text.user,
        return_url: text.return_url,
        customer: text.customer,
        invoice: text.invoice,
        auto: text.auto,
        at: Instant::from_ms(text.at_ms),
        url: row.optional_text(ledger::URL)?.map(str::to_owned),
        intent: intent.map_err(|e| row.broken(ledger::INTENT, e))?,
        expired: item.contains_key(ledger::EXPIRED),
        from_invoice: text.from_invoice.map(|id| id.parse().map_err(|_| broken())).transpose()?,
    })
}

/// None if it is no known behavior.
fn tax(behavior: Option<&str>, ids: bool) -> Option<Tax> {
    let behavior = match behavior {
        Some(name) => Some(TaxBehavior::named(name)?),
        None => None,
    };
    Some(Tax { behavior, ids })
}

pub(super) fn orders_item(account: &AccountId, orders: &Orders) -> Item {
    let ids: Vec<_> = orders.ids.iter().map(OperationId::to_string).collect();
    let item = [
        (ACCOUNT, item::text(account.as_str())),
        (SORT, item::text(ORDERS)),
        (ledger::VERSION, item::number(orders.version + 1)),
        (ledger::TEXT, item::text(json(&ids))),
    ];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)))
}

fn read_orders(item: &Item) -> Stored<Orders> {
    let row = Attributes::of("ledger", item);
    let ids: Vec<String> = parsed(&row, ledger::TEXT)?;
    let ids = ids.iter().map(|id| OperationId::parse(id)).collect::<Option<_>>();
    let ids = ids.ok_or_else(|| row.broken(ledger::TEXT, "is not a list of ids"))?;
    Ok(Orders { ids, version: row.number(ledger::VERSION)? })
}

#[derive(Serialize, Deserialize)]
struct OrderText {
    id: String,
    account: String,
    pack: String,
    credits_micro: i64,
    currency: String,
    price_minor: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tax: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    tax_ids: bool,
    expires_after_months: u32,
    catalog: u32,
    live: bool,
    user: Option<String>,
    return_url: String,
    customer: Option<String>,
    #[serde(default)]
    invoice: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_invoice: Option<String>,
    #[serde(default)]
    auto: bool,
    at_ms: i64,
}

impl OrderText {
    fn of(order: &Order) -> OrderText {
        OrderText {
            id: order.id.to_string(),
            account: order.account.to_string(),
            pack: order.pack.clone(),
            credits_micro: order.credits.micro(),
            currency: order.price.currency.to_string(),
            price_minor: order.price.minor,
            tax: order.tax.behavior.map(|behavior| behavior.name().to_owned()),
            tax_ids: order.tax.ids,
            expires_after_months: order.expires_after_months,
            catalog: order.catalog,
            live: order.live,
            user: order.user.clone(),
            return_url: order.return_url.clone(),
            customer: order.customer.clone(),
            invoice: order.invoice,
            from_invoice: order.from_invoice.as_ref().map(ToString::to_string),
            auto: order.auto,
            at_ms: order.at.ms(),
        }
    }
}

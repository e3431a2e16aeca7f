//! The purchases of an account: those whose credits have not arrived, and all others.

use serde_json::{Value, json};
use shared::context::Context;
use shared::domain::payment::State;
use shared::domain::{AccountId, Credits};
use shared::http::cursor::{PaymentList, open_payment, seal_payment};
use shared::http::{Call, Problem, payment};
use shared::query::checkouts::{self, Checkout};
use shared::query::payments::{self, PurchasesPart};

/// The purchases that the page shows at once: each costs two reads.
const PURCHASES: usize = 10;

/// The purchases, as the page shows them.
pub(super) struct Shown {
    /// Those of the last days that are not credited: the customer may still wait for them or ask
    /// about them.
    pub waiting: Value,
    /// The others, the latest first.
    pub done: Value,
    /// The cursor of those before them.
    pub older: Option<String>,
}

/// The purchases of an account, before a cursor or from the latest on. A cursor of another listing,
/// or one that was changed, is none.
pub(super) async fn shown(
    context: &Context,
    call: &Call<'_>,
    account: &AccountId,
    cursor: &str,
) -> Result<Shown, Problem> {
    let list = PaymentList::OfAccount(account);
    let before = open_payment(cursor, list);
    let mut waiting = checkouts::list(context, account, None).await?;
    waiting.retain(|checkout| !matches!(checkout.state, State::Credited | State::Expired));
    let found = payments::purchases(context, account, before.as_ref(), PURCHASES).await?;
    let PurchasesPart { purchases: mut done, next } = found;
    done.retain(|checkout| waiting.iter().all(|waiting| waiting.order.id != checkout.order.id));
    let older = next.map(|next| seal_payment(&next, list));
    Ok(Shown { waiting: rows(&waiting, call), done: rows(&done, call), older })
}

/// The checkouts as the route answers them, with what only the page shows.
fn rows(found: &[Checkout], call: &Call<'_>) -> Value {
    let text = payment::checkouts_json(found, &call.base());
    let mut listed: Value = serde_json::from_str(&text).expect("replies are JSON");
    let mut rows = listed["checkouts"].take();
    for (row, checkout) in rows.as_array_mut().into_iter().flatten().zip(found) {
        let Checkout { order, state, .. } = checkout;
        let gone = order.credits - checkout.credited();
        let is_credited = *state == State::Credited;
        row["gone"] = json!((is_credited && gone > Credits::ZERO).then_some(gone));
        row["auto"] = json!(order.auto);
        // Stripe's page of an invoice has its receipt.
        row["invoice"] = json!(order.from_invoice.is_some());
        row["behavior"] = json!(order.tax.behavior);
    }
    rows
}

//! Top-up plans: who may begin one, and the order that each paid invoice of one is.

use super::payment::may_buy;
use crate::domain::invoice::PaidInvoice;
use crate::domain::payment::Facts;
use crate::domain::subscription::Billing;
use crate::domain::topup::TopUpCheckout;
use crate::domain::{Account, AccountId, Catalog, Instant, Order, Refusal, Tax};

/// What Stripe is to be asked for, so that the account begins a top-up plan.
///
/// # Errors
/// [`Refusal::UnknownTopUp`]; [`Refusal::TopUpRunning`]; those of [`may_buy`].
pub fn begin(
    account: &Account,
    billing: &Billing,
    (topup, return_url): (&str, &str),
    catalog: &Catalog,
    now: Instant,
) -> Result<TopUpCheckout, Refusal> {
    let terms = catalog.offered_topup(topup)?.clone();
    let topup = topup.to_owned();
    if billing.topups().any(|(name, _)| name == topup) {
        return Err(Refusal::TopUpRunning { topup });
    }
    may_buy(account, terms.credits, now)?;
    let (account, customer) = (account.id.clone(), billing.customer.clone());
    let (tax, catalog, return_url) = (catalog.tax, catalog.version, return_url.to_owned());
    Ok(TopUpCheckout { account, topup, terms, tax, catalog, customer, return_url })
}

/// The order of a paid invoice, at the price and with the credits of `catalog`, which offered it when
/// it was begun: what was paid is compared with it, as with any order. None: it has no such top-up
/// plan.
pub fn order(invoice: &PaidInvoice, account: AccountId, catalog: &Catalog) -> Option<Order> {
    let terms = catalog.topups.get(&invoice.topup)?;
    Some(Order {
        id: invoice.order(),
        account,
        pack: invoice.topup.clone(),
        credits: terms.credits,
        price: terms.price,
        expires_after_months: terms.expires_after_months,
        catalog: catalog.version,
        live: invoice.live,
        user: None,
        return_url: String::new(),
        customer: None,
        invoice: true,
        auto: false,
        // Without tax of Stripe's, what is paid is compared with the price.
        tax: invoice.priced.map_or_else(Tax::default, |_| catalog.tax),
        at: invoice.paid_at,
        url: None,
        intent: None,
        expired: false,
        from_invoice: Some(invoice.id.clone()),
    })
}

/// What a paid invoice says about its payment.
pub fn facts(invoice: &PaidInvoice) -> Facts {
    let PaidInvoice { account, live, paid, priced, customer, url, .. } = invoice;
    Facts {
        orders: [invoice.order()].into(),
        accounts: [account.clone()].into(),
        modes: [*live].into(),
        submitted: true,
        paid: [*paid].into(),
        priced: priced.iter().copied().collect(),
        customer: customer.clone(),
        receipt: url.clone(),
        ..Facts::default()
    }
}

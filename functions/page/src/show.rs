//! The page of a session: shows the routes' answers in words.

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared::context::Context;
use shared::decide::advance;
use shared::domain::AccountId;
use shared::domain::period::Day;
use shared::domain::subscription::Billing;
use shared::domain::viewer::Viewer;
use shared::http::page::Html;
use shared::http::{self, Call, Problem, page};
use shared::query;
use shared::query::ledger::{Filter, From, LedgerPart};
use shared::session::{Scope, Session};

use super::address::Address;
use super::history::History;
use super::language::Language;
use super::usage::UsageContext;
use super::usage_question::UsageQuestion;
use super::{
    allowance, auto_top_up, ledger, limits, names, pace, purchases, region, render, show_statement,
    usage, usage_question, view,
};

/// The entries that the page shows at once.
const ENTRIES: usize = 20;

/// The parameters of the page beside those of its usage. What else is in an address is in none of
/// its links.
const PARAMETERS: [&str; 9] =
    ["group", "reference", "kind", "action", "from", "to", "cursor", "payments", "currency"];

/// The page of the browser's session.
pub(super) async fn show(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let session = call.visitor(context).await?;
    Ok(page::html(200, rendered(context, call, session).await?))
}

async fn rendered(context: &Context, call: &Call<'_>, session: Session) -> Result<Html, Problem> {
    let (account, catalog) = (&session.account, context.catalog().await);
    let language = Language::of_call(call, Some(&session));
    let reader = call.reader(&session).within(&language.tag);
    let known = |(name, _): &(String, String)| {
        PARAMETERS.iter().chain(&usage_question::PARAMETERS).any(|known| known == name)
    };
    let address = Address::new(call.query().filter(known));
    let history = History::new(&address);
    let (filter, from) = match call.listed_by(&history.listing(), account, &catalog) {
        Ok((filter, from, _)) => (filter, from),
        // A changed address, not a form that was sent: the page shows everything.
        Err(_) => (Filter::default(), None),
    };
    let viewer = Viewer::Customer;
    let filter = Filter { viewer, ..filter };
    let loaded = query::account(context, account).await?;
    let (part, now) = ((&filter, from, ENTRIES), context.clock.now());
    let part = query::ledger::part(context, &loaded, &catalog, part, now).await?;
    let LedgerPart { pending, listed } = part;
    let advanced = advance::advance(&loaded.account, &catalog, now)?;
    let limits = query::limits::find(context, &catalog, account).await?;
    let limits = limits::shown(&limits);
    let (today, period) = (Day::of(now), usage::period(&advanced.account));
    let question = UsageQuestion::new(&address, period, today);
    let days = usage::read(context, account, &question, today).await?;
    let usage = usage::shown(
        &question,
        &UsageContext {
            days: &days,
            catalog: &catalog,
            reader: &reader,
            address: &address,
            period,
            allowance: allowance::given(&advanced.account, now),
            today,
            limits: limits["rows"].as_array().map_or(&[], Vec::as_slice),
        },
    );
    let consumed = days.iter().map(|(day, usage)| (*day, usage.credits())).collect();
    let pace = pace::pace(&consumed, today);
    let recharge = advanced.account.plan_state.next_recharge(&catalog, now);
    let renews = recharge.map(|recharge| recharge.at);
    let billing = billing(context, account).await?;
    let purchases = purchases::shown(context, call, account, address.get("payments")).await?;
    let (pending, listed_entries) = (pending.as_ref(), &listed.entries);
    let entries = http::ledger::listing_json(pending, listed_entries, None, &catalog, viewer);
    let entries = value(&entries)["entries"].take();
    let mut entries: Vec<Value> = serde_json::from_value(entries).expect("entries are a list");
    show_receipts(context, call, &mut entries).await?;
    // The page shows the same JSON that the routes answer with.
    let data = view::Data {
        account_name: names::of_account(context, account).await?,
        balance: value(&http::balance::balance_json(&advanced, &catalog, now)),
        rate_card: value(&http::price::catalog_json(&catalog, &reader)),
        entries: ledger::rows(pending.into_iter().chain(listed_entries), entries.into_iter()),
        left: allowance::left(&advanced.account, pace, renews, now),
        limits,
        usage,
        payments: json!({
            "waiting": purchases.waiting,
            "done": purchases.done,
            "older": purchases.older.map(|older| payments_link(&address, &older)),
            "newest": (!address.get("payments").is_empty()).then(|| payments_link(&address, "")),
        }),
        subscriptions: value(&http::subscription::subscriptions_json(
            &advanced.account,
            &billing,
            &catalog,
            (&reader, now),
        )),
        topups: value(&http::topup::topups_json(&catalog, &billing, &reader)),
        auto: auto_top_up::shown(context.store.auto_top_up(account).await?.as_ref(), now),
        session: json!({
            "id": session.id,
            "subject": session.subject,
            "expires_at": session.expires_at,
            "return_url": session.return_url,
            "buy": session.allows(Scope::Buy),
            "limits": session.allows(Scope::Limits),
        }),
        sells: context.config.sells,
        currency: address
            .get("currency")
            .parse()
            .ok()
            .or(session.currency)
            .or_else(|| region::currency(call.header("accept-language")?)),
        now,
        filter: history.shown(),
        older: listed.next.map(|next| history.link(Some(&seal(&next, account)))),
        newest: from.map(|_| history.link(None)),
        csv: history.csv(&session),
        months: show_statement::months(now),
        currency_keeps: json!(address.without(&["currency"])),
    };
    let view = view::of(data, &advanced.account, &catalog, &reader);
    Ok(render::page((language, &catalog.brand), &view))
}

/// What the account has at Stripe: the page's function has no key of Stripe's, so it takes what is
/// in live mode, and else what is in test mode.
async fn billing(context: &Context, account: &AccountId) -> Result<Billing, Problem> {
    let live = context.store.billing(account, true).await?;
    match live.version {
        0 => Ok(context.store.billing(account, false).await?),
        _ => Ok(live),
    }
}

/// Adds Stripe's receipts to the top-ups that have one, and the tax to those with tax.
async fn show_receipts(
    context: &Context,
    call: &Call<'_>,
    entries: &mut [Value],
) -> Result<(), Problem> {
    for entry in entries {
        // The reference of a top-up is its payment.
        let topped_up = entry["kind"] == "topped_up";
        let intent = entry["reference"].as_str().filter(|_| topped_up);
        let Some(intent) = intent.and_then(|id| id.parse().ok()) else { continue };
        let payment = context.store.payment(&intent, context.clock.now()).await?;
        if let Some(url) = http::payment::receipt(&payment, &call.base()) {
            entry["receipt_url"] = json!(url);
        }
        let Some(tax) = payment.facts.tax() else { continue };
        let order = context.store.order_of(&payment).await?;
        // An operator may have released a payment with tax for an order without.
        let taxed = order.and_then(|order| Some((order.price, order.tax.behavior?)));
        if let Some((price, behavior)) = taxed {
            let (price, tax, currency) = (price.decimal(), tax.decimal(), tax.currency);
            entry["tax"] = json!({
                "behavior": behavior, "price": price, "tax": tax, "currency": currency,
            });
        }
    }
    Ok(())
}

/// The page from a cursor of the purchases on.
fn payments_link(address: &Address, cursor: &str) -> String {
    address.with(&[("payments", cursor)]).link("payments")
}

fn seal(next: &From, account: &AccountId) -> String {
    http::cursor::seal(next, account)
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("replies are JSON")
}

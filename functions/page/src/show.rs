//! The page of a session: shows the routes' answers in words.

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared::context::Context;
use shared::decide::advance;
use shared::domain::payment::State;
use shared::domain::period::Day;
use shared::domain::subscription::Billing;
use shared::domain::viewer::Viewer;
use shared::domain::{AccountId, Currency};
use shared::http::page::Html;
use shared::http::{self, Call, Problem, page};
use shared::query::ledger::{Filter, From, LedgerPart};
use shared::query::{self, checkouts};
use shared::session::{Scope, Session};

use super::language::Language;
use super::{auto_top_up, ledger, limits, names, region, render, view};

/// The entries that the page shows at once.
const ENTRIES: usize = 20;
/// The days of its chart.
const DAYS: u32 = 30;

/// The page of the browser's session.
pub(super) async fn show(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let session = call.visitor(context).await?;
    Ok(page::html(200, rendered(context, call, session).await?))
}

async fn rendered(context: &Context, call: &Call<'_>, session: Session) -> Result<Html, Problem> {
    let (account, catalog) = (&session.account, context.catalog().await);
    let language = Language::of_call(call, Some(&session));
    let reader = call.reader(&session).within(&language.tag);
    let asked = Asked::of(call);
    let (filter, from) = match call.listed_by(&asked.listing, account, &catalog) {
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
    let to = Day::of(now).plus(1);
    let from_day = to.minus(DAYS);
    let days = query::usage::usage(context, account, from_day, to).await?;
    let usage = http::usage::usage_json(account, from_day, to, &days, &catalog);
    let billing = billing(context, account).await?;
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
        limits: limits::shown(&limits),
        usage: value(&usage),
        models: view::models(&days, &catalog),
        payments: payments(context, call, account).await?,
        subscriptions: value(&http::subscription::subscriptions_json(
            &advanced.account,
            &billing,
            &catalog,
            (&reader, now),
        )),
        topups: value(&http::topup::topups_json(&catalog, &billing, &reader)),
        auto: auto_top_up::shown(context.store.auto_top_up(account).await?.as_ref(), now),
        days: (0..DAYS).map(|n| from_day.plus(n)).collect(),
        session: json!({
            "id": session.id,
            "subject": session.subject,
            "expires_at": session.expires_at,
            "return_url": session.return_url,
            "buy": session.allows(Scope::Buy),
            "limits": session.allows(Scope::Limits),
        }),
        sells: context.config.sells,
        currency: asked
            .currency
            .or(session.currency)
            .or_else(|| region::currency(call.header("accept-language")?)),
        now,
        filter: asked.shown(),
        older: listed.next.map(|next| asked.link(Some(&seal(&next, account)))),
        newest: from.map(|_| asked.link(None)),
        csv: asked.csv(&session),
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

/// The checkouts that are not credited and that the customer may still wait for or ask about, in
/// any session.
async fn payments(
    context: &Context,
    call: &Call<'_>,
    account: &AccountId,
) -> Result<Value, Problem> {
    let mut found = checkouts::list(context, account, None).await?;
    found.retain(|checkout| !matches!(checkout.state, State::Credited | State::Expired));
    Ok(value(&http::payment::checkouts_json(&found, &call.base()))["checkouts"].take())
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

fn seal(next: &From, account: &AccountId) -> String {
    http::cursor::seal(next, account)
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("replies are JSON")
}

/// The fields of the form above the ledger.
struct Asked {
    kind: String,
    action: String,
    /// Days in UTC, as the browser sends them: `2026-11-18`. Both days are shown.
    from: String,
    to: String,
    /// The currency to show packs in, if one is chosen on the page.
    currency: Option<Currency>,
    /// The same filter as parameters of the ledger's route.
    listing: Vec<(String, String)>,
}

impl Asked {
    fn of(call: &Call<'_>) -> Asked {
        let sent = |wanted: &str| {
            let found = call.query().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value).unwrap_or_default()
        };
        let (kind, action, from, to) = (sent("kind"), sent("action"), sent("from"), sent("to"));
        // Text that is no day stays as it is, and the route refuses it. The last day is included.
        let day = |day: &str, days| match Day::parse(day) {
            Some(day) => day.plus(days).start().to_string(),
            None => day.to_owned(),
        };
        let listing = [
            ("kind", kind.clone()),
            ("action", action.clone()),
            ("from", day(&from, 0)),
            ("to", day(&to, 1)),
            ("cursor", sent("cursor")),
        ];
        let listing = listing.into_iter().filter(|(_, value)| !value.is_empty());
        let listing = listing.map(|(name, value)| (name.to_owned(), value)).collect();
        let currency = sent("currency").parse().ok();
        Asked { kind, action, from, to, currency, listing }
    }

    fn shown(&self) -> Value {
        let set = [&self.kind, &self.action, &self.from, &self.to].iter().any(|v| !v.is_empty());
        json!({
            "kind": self.kind, "action": self.action, "from": self.from, "to": self.to, "set": set,
            "currency": self.currency,
        })
    }

    /// The page with the same form, from a cursor of the ledger on.
    fn link(&self, cursor: Option<&str>) -> String {
        let form = [
            ("kind", &self.kind),
            ("action", &self.action),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let form = form.into_iter().filter(|(_, value)| !value.is_empty());
        let mut query = form_urlencoded::Serializer::new(String::new());
        let currency = self.currency.as_ref().map(|currency| ("currency", currency.as_str()));
        query.extend_pairs(form).extend_pairs(currency);
        query.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
        format!("/?{}#ledger", query.finish())
    }

    /// The address of the CSV. A link has no headers, so its query names the session of the page.
    fn csv(&self, session: &Session) -> String {
        let listing = self.listing.iter().filter(|(name, _)| name != "cursor");
        let mut query = form_urlencoded::Serializer::new("format=csv&limit=200".to_owned());
        query.extend_pairs(listing).append_pair("session", &session.id.to_string());
        format!("/v1/me/ledger?{}", query.finish())
    }
}

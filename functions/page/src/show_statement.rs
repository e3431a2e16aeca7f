//! The page of a month's statement, for print.

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared::context::Context;
use shared::decide::STAMP_MARGIN;
use shared::domain::instant::Span;
use shared::domain::ledger::PostedEntry;
use shared::domain::part::EntryPart;
use shared::domain::period::{Day, Period, month};
use shared::domain::viewer::Viewer;
use shared::domain::{Catalog, Instant};
use shared::http::{self, Call, Problem, page};
use shared::query::ledger::{Filter, From, Listed};
use shared::query::{self, ledger as entries_of};
use shared::store::Loaded;

use super::language::Language;
use super::statement::{Line, LineOf, Sort, Statement};
use super::{ledger, names, render};

/// The most entries of a month that one page reads, in three requests to the table of about 1 MB
/// each. The earlier entries of the month are on a page of their own.
const ENTRIES: usize = 10_000;
/// How many months the page offers.
const MONTHS: usize = 12;

/// The statement that the query asks for, of the session's account.
pub(super) async fn show(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let session = call.visitor(context).await?;
    let (account, now) = (&session.account, context.clock.now());
    let (period, from) = call.statement(account, now)?;
    let catalog = context.catalog().await;
    let loaded = query::account(context, account).await?;
    let Listed { entries, next } = entries(context, &loaded, &catalog, (period, from), now).await?;
    let is_open = |posted: &PostedEntry| posted.entry.at < period.end;
    let before = match entries.iter().any(is_open) {
        true => None,
        false => latest_before(context, &loaded, period.end, from).await?,
    };
    let newest = entries.iter().map(|posted| posted.entry.catalog).max();
    let catalog = context.catalog_from(newest.unwrap_or(0)).await;
    let language = Language::of_call(call, Some(&session));
    let reader = call.reader(&session).within(&language.tag);
    let Statement { opening, closing, held, lines } =
        Statement::new(&entries, period, before.as_ref());
    // The opening of the account is in this month: there is nothing before it.
    let is_first = match entries.last() {
        Some(first) => first.seq == 1,
        None => before.is_none(),
    };
    let view = json!({
        "account": account,
        "name": names::of_account(context, account).await?,
        "names": names::names(&catalog, &reader),
        "month": name(period.start),
        "from": period.start,
        "to": period.end,
        "now": now,
        "is_running": now < period.end,
        "opening": opening,
        "closing": closing,
        "held": held,
        "lines": shown(&lines, &catalog),
        "at_most": ENTRIES.to_string(),
        "earlier": next.map(|next| link(period.start, Some(&http::cursor::seal(&next, account)))),
        "whole": from.map(|_| link(period.start, None)),
        "month_before": (!is_first).then(|| link(period.start - Span::from_ms(1), None)),
        "month_after": (period.end <= now).then(|| link(period.end, None)),
    });
    Ok(page::html(200, render::statement((language, &catalog.brand), &view)))
}

/// The entries of the month, the latest first, with those stamped so near to its ends that others
/// of the month may precede or follow them.
async fn entries(
    context: &Context,
    loaded: &Loaded,
    catalog: &Catalog,
    (period, from): (Period, Option<From>),
    now: Instant,
) -> Result<Listed, Problem> {
    let filter = Filter {
        viewer: Viewer::Customer,
        from: Some(period.start - STAMP_MARGIN),
        to: Some(period.end + STAMP_MARGIN),
        ..Filter::default()
    };
    let asked = (&filter, from, ENTRIES);
    let part = entries_of::part(context, loaded, catalog, asked, now).await?;
    let mut found: Vec<PostedEntry> = part.pending.into_iter().collect();
    let Listed { entries, mut next } = part.listed;
    found.extend(entries);
    // One search reads some 4 096 entries.
    while let Some(from) = next.filter(|_| found.len() < ENTRIES) {
        let most = ENTRIES - found.len();
        let more = entries_of::search(&context.store, loaded, &filter, Some(from), most).await?;
        found.extend(more.entries);
        next = more.next;
    }
    Ok(Listed { entries: found, next })
}

/// The latest entry that is stamped before `end`, from a place in the ledger on.
async fn latest_before(
    context: &Context,
    loaded: &Loaded,
    end: Instant,
    from: Option<From>,
) -> Result<Option<PostedEntry>, Problem> {
    let filter = Filter { to: Some(end), ..Filter::default() };
    let found = entries_of::search(&context.store, loaded, &filter, from, 1).await?;
    Ok(found.entries.into_iter().next())
}

/// The lines as rows: of an entry as in the history.
fn shown(lines: &[Line], catalog: &Catalog) -> Vec<Value> {
    let rows = lines.iter().map(|line| {
        let mut row = match &line.of {
            LineOf::Entry(posted, part) => entry_row(posted, part.as_ref(), catalog),
            LineOf::Sum { sort, count } => sum_row(*sort, *count, catalog),
        };
        row["day"] = json!(line.day.start());
        row["change"] = json!(line.change);
        row
    });
    rows.collect()
}

fn entry_row(posted: &PostedEntry, part: Option<&EntryPart>, catalog: &Catalog) -> Value {
    let listed = std::slice::from_ref(posted);
    let listed = http::ledger::listing_json(None, listed, None, catalog, Viewer::Customer);
    let mut listed: Value = serde_json::from_str(&listed).expect("replies are JSON");
    let line = listed["entries"][0].take();
    match part {
        Some(part) => ledger::part_row(&line, part, posted.available),
        None => ledger::row(posted, line),
    }
}

fn sum_row(sort: Sort, count: u64, catalog: &Catalog) -> Value {
    let (title, action) = match sort {
        Sort::Used(action) => ("statement_used", action),
        Sort::Refunded(action) => ("kind_refunded", action),
        Sort::Lapsed => ("statement_lapsed", None),
    };
    let action = action.and_then(|number| catalog.action_name(number));
    let by_action = sort != Sort::Lapsed;
    json!({ "title": title, "by_action": by_action, "action": action, "count": count.to_string() })
}

/// The month of an instant as the query names it: `2026-11`.
fn name(at: Instant) -> String {
    let day = Day::of(at).to_string();
    day.rsplit_once('-').map_or(day.clone(), |(month, _)| month.to_owned())
}

/// The address of a month's statement, from a cursor on.
fn link(at: Instant, cursor: Option<&str>) -> String {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}"));
    format!("/statement?month={}{}", name(at), cursor.unwrap_or_default())
}

/// The months whose statements the page offers, the latest first: each one's has a link to that of
/// the month before it.
pub(super) fn months(now: Instant) -> Vec<String> {
    let mut at = now;
    let months = (0..MONTHS).map(|_| {
        let name = name(at);
        at = month(at).start - Span::from_ms(1);
        name
    });
    months.collect()
}

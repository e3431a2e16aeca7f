//! The usage section: the answer to a question about consumption, and the links to others.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::context::Context;
use shared::domain::catalog::Pricing;
use shared::domain::period::Day;
use shared::domain::usage::{Used, Who};
use shared::domain::{Account, AccountId, Catalog, Credits, Instant, Locales, Usage};
use shared::failure::Failure;
use shared::query;

use super::address::Address;
use super::chart::{self, Bar, Chart, ChartStep, MAX_SERIES, SeriesKey};
use super::pace::DAYS_READ;
use super::share::per_mille;
use super::usage_question::{Breakdown, UsageQuestion};

/// The ranges that links offer: the last so many days, today included.
const RANGES: [u32; 4] = [7, 30, 90, 365];
/// A chart of more bars has no numbers of each series in each bar: the table has their sums.
const DETAILED_BARS: usize = 62;
/// The most dates below a chart: more do not fit beside each other on a telephone.
const DATES: usize = 6;

/// What the section is rendered from besides the question.
pub(super) struct UsageContext<'a> {
    pub days: &'a BTreeMap<Day, Usage>,
    pub catalog: &'a Catalog,
    /// The languages of the customer.
    pub reader: &'a Locales,
    pub address: &'a Address,
    /// The first day of the account's period, and the day after its last.
    pub period: (Day, Day),
    /// What the period gave.
    pub allowance: Credits,
    pub today: Day,
    /// The limits as the page lists them.
    pub limits: &'a [Value],
}

/// The first day of the account's period, and the day after its last.
pub(super) fn period(account: &Account) -> (Day, Day) {
    let state = &account.plan_state;
    let last = Day::of(Instant::from_ms(state.counted_until.ms() - 1));
    (Day::of(state.counted_from), last.plus(1))
}

/// The usage of the days of a question, and of those that tell the pace.
pub(super) async fn read(
    context: &Context,
    account: &AccountId,
    question: &UsageQuestion,
    today: Day,
) -> Result<BTreeMap<Day, Usage>, Failure> {
    let (from, to) = (today.minus(DAYS_READ), today);
    // One read where they touch.
    if question.from <= to && from <= question.to {
        let (from, to) = (question.from.min(from), question.to.max(to));
        return query::usage::usage(context, account, from, to).await;
    }
    let mut days = query::usage::usage(context, account, question.from, question.to).await?;
    days.extend(query::usage::usage(context, account, from, to).await?);
    Ok(days)
}

/// The section as data of its template.
pub(super) fn shown(question: &UsageQuestion, context: &UsageContext<'_>) -> Value {
    let chart = chart(question, context);
    let allowance = compared(question, context);
    let series = shown_series(&chart, question, context);
    let every = chart.bars.len().div_ceil(DATES);
    let bars = chart.bars.iter().enumerate();
    // On a phone there is room for every second date.
    let dated = |n: usize| match n.is_multiple_of(every) {
        true if n.is_multiple_of(2 * every) => "date",
        true => "date wide-only",
        false => "",
    };
    let bars = bars.map(|(n, bar)| shown_bar(bar, dated(n), &chart, &series));
    json!({
        "by": question.by.name(),
        "per": question.step.name(),
        "from": question.from,
        "last": question.to.minus(1),
        "first_at": question.from.start(),
        "end_at": question.to.start(),
        "find": question.find,
        "set": question.find.is_empty() && question.of_period,
        "of_period": is_period(question, context),
        "credits": chart.credits,
        "all": chart.all,
        "bars": bars.collect::<Vec<_>>(),
        "axis": chart.axis.values().collect::<Vec<_>>(),
        "allowance": allowance.map(|given| json!({
            "credits": given, "top": chart::HEIGHT - chart.axis.height(given),
        })),
        "limited": series.iter().any(|one| one["limits"] != json!([])),
        "series": series,
        "links": links(question, context),
        "hidden": question
            .address(context.address)
            .without(&["usage_from", "usage_to", "usage_find"]),
        "clear": UsageQuestion { find: String::new(), ..question.clone() }
            .address(context.address)
            .link("usage"),
    })
}

fn chart(question: &UsageQuestion, context: &UsageContext<'_>) -> Chart {
    let days = context.days.iter();
    let days = days.map(|(day, usage)| (*day, parts(usage, question.by, context.catalog)));
    let wanted = question.find.to_lowercase();
    let is_found = |key: &SeriesKey| match key {
        SeriesKey::Named(name) => {
            name_of(name, question.by, context).to_lowercase().contains(&wanted)
        }
        SeriesKey::Unnamed | SeriesKey::Others => wanted.is_empty(),
    };
    let least = compared(question, context).unwrap_or_default();
    let range = (question.from, question.to);
    chart::chart(&days.collect(), range, question.step, context.today, is_found, least)
}

fn is_period(question: &UsageQuestion, context: &UsageContext<'_>) -> bool {
    (question.from, question.to) == context.period
}

/// The allowance that a running sum is compared with. None: it sums up something else.
fn compared(question: &UsageQuestion, context: &UsageContext<'_>) -> Option<Credits> {
    let whole = question.find.is_empty() && is_period(question, context);
    let is_compared = question.step == ChartStep::Sum && whole && !context.allowance.is_zero();
    is_compared.then_some(context.allowance)
}

/// The usage of a day by origin. It adds up to the day.
fn parts(usage: &Usage, by: Breakdown, catalog: &Catalog) -> Vec<(SeriesKey, Used)> {
    let mut parts = BTreeMap::<SeriesKey, Used>::new();
    let named = |name: Option<&str>| match name {
        Some(name) => SeriesKey::Named(name.to_owned()),
        None => SeriesKey::Unnamed,
    };
    match by {
        Breakdown::Action => {
            for (number, used) in &usage.actions {
                *parts.entry(named(catalog.action_name(*number))).or_default() += *used;
            }
        }
        Breakdown::Model => {
            let mut rest: Used = usage.actions.values().copied().sum();
            for ((action, model), used) in &usage.models {
                let key = named(catalog.model_name(*action, *model));
                *parts.entry(key).or_default() += *used;
                rest.credits -= used.credits;
                rest.count = rest.count.saturating_sub(used.count);
            }
            // What called no model.
            *parts.entry(SeriesKey::Unnamed).or_default() += rest;
        }
        Breakdown::User => {
            for (who, used) in &usage.users {
                let key = match who {
                    Who::User(user) => SeriesKey::Named(user.clone()),
                    Who::Nobody => SeriesKey::Unnamed,
                    Who::Others => SeriesKey::Others,
                };
                *parts.entry(key).or_default() += *used;
            }
        }
    }
    parts.into_iter().filter(|(_, used)| *used != Used::default()).collect()
}

/// `dated`: the classes of its date; empty if it shows none. `series`: those of the chart as they
/// are shown.
fn shown_bar(bar: &Bar, dated: &str, chart: &Chart, series: &[Value]) -> Value {
    let blocks = bar.blocks(&chart.axis).into_iter();
    let blocks = blocks.map(|block| {
        json!({ "colour": colour(block.series, chart), "top": block.top, "height": block.height })
    });
    let is_detailed = chart.bars.len() <= DETAILED_BARS && chart.series.len() > 1;
    let parts = bar.parts.iter().zip(series).filter(|(part, _)| !part.is_zero());
    let parts = parts.filter(|_| is_detailed);
    let parts = parts.map(|(part, one)| json!({ "name": one["name"], "credits": part }));
    json!({
        "at": bar.first.start(),
        "last_at": (bar.last != bar.first).then(|| bar.last.start()),
        "credits": bar.credits,
        "blocks": blocks.collect::<Vec<_>>(),
        "parts": parts.collect::<Vec<_>>(),
        "dated": dated,
    })
}

fn shown_series(chart: &Chart, question: &UsageQuestion, context: &UsageContext<'_>) -> Vec<Value> {
    let rows = chart.series.iter().enumerate().map(|(n, series)| {
        let of_user = |limit: &&Value| match &series.key {
            SeriesKey::Named(name) => limit["user"] == name.as_str(),
            SeriesKey::Unnamed | SeriesKey::Others => false,
        };
        let limits = context.limits.iter().filter(of_user);
        let limits = limits.filter(|_| question.by == Breakdown::User);
        let used = series.used.credits.max(Credits::ZERO);
        json!({
            "colour": colour(n, chart),
            "name": name(&series.key, question.by, context),
            "credits": series.used.credits,
            "count": series.used.count.to_string(),
            "share": per_mille(used, chart.all.max(used)),
            "limits": limits.collect::<Vec<_>>(),
        })
    });
    rows.collect()
}

/// The number of a colour; the others have the last one, of whichever number they are.
fn colour(series: usize, chart: &Chart) -> usize {
    match chart.series[series].key {
        SeriesKey::Others => MAX_SERIES,
        SeriesKey::Named(_) | SeriesKey::Unnamed => series,
    }
}

/// The name of a series as customers read it, or which of the two without a name it is.
fn name(key: &SeriesKey, by: Breakdown, context: &UsageContext<'_>) -> Value {
    match key {
        SeriesKey::Named(name) => json!({ "of": "named", "name": name_of(name, by, context) }),
        SeriesKey::Unnamed => json!({ "of": "unnamed" }),
        SeriesKey::Others => json!({ "of": "others" }),
    }
}

/// Actions have names by language; models and users have one.
fn name_of<'a>(key: &'a str, by: Breakdown, context: &UsageContext<'a>) -> &'a str {
    let action = context.catalog.actions.get(key).filter(|_| by == Breakdown::Action);
    action.map_or(key, |action| action.naming.name.get(context.reader))
}

/// The questions that are one choice away.
fn links(question: &UsageQuestion, context: &UsageContext<'_>) -> Value {
    let link = |asked: UsageQuestion, name: String| {
        let link = asked.address(context.address).link("usage");
        json!({ "name": name, "link": link, "on": asked == *question })
    };
    let has_models =
        context.catalog.actions.values().any(|of| matches!(of.pricing, Pricing::Rates(_)));
    let by = Breakdown::ALL.into_iter().filter(|by| *by != Breakdown::Model || has_models);
    // Another breakdown has other names.
    let by = by.map(|by| {
        let find = if by == question.by { question.find.clone() } else { String::new() };
        link(UsageQuestion { by, find, ..question.clone() }, by.name().to_owned())
    });
    let per = ChartStep::ALL
        .into_iter()
        .map(|step| link(UsageQuestion { step, ..question.clone() }, step.name().to_owned()));
    let (from, to) = context.period;
    let period = UsageQuestion { from, to, of_period: true, ..question.clone() };
    let period = std::iter::once(link(period, "period".to_owned()));
    let ranges = RANGES.into_iter().map(|days| {
        let (from, to) = (context.today.minus(days - 1), context.today.plus(1));
        let asked = UsageQuestion { from, to, of_period: false, ..question.clone() };
        link(asked, days.to_string())
    });
    json!({
        "by": by.collect::<Vec<_>>(),
        "per": per.collect::<Vec<_>>(),
        "ranges": period.chain(ranges).collect::<Vec<_>>(),
    })
}

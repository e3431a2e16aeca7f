//! Usage as JSON: the consumption of each day or week, by action, by model and by user.

use std::collections::BTreeMap;

use lambda_http::{Body, Response};
use serde::Serialize;

use super::reply::{json, to_json};
use crate::domain::period::Day;
use crate::domain::usage::{Used, Who};
use crate::domain::{AccountId, Catalog, Credits, Usage};

#[derive(Serialize)]
struct Report<'a> {
    account: &'a AccountId,
    /// The first day.
    from: Day,
    /// The day after the last.
    to: Day,
    credits: Credits,
    days: Vec<OfDay<'a>>,
}

#[derive(Serialize)]
struct OfDay<'a> {
    /// The day, or the first day of a week.
    day: Day,
    credits: Credits,
    actions: Vec<OfAction<'a>>,
    models: Vec<OfModel<'a>>,
    users: Vec<OfUser<'a>>,
}

#[derive(Serialize)]
struct OfAction<'a> {
    /// None: credits by amount.
    action: Option<&'a str>,
    #[serde(flatten)]
    used: Part,
}

#[derive(Serialize)]
struct OfModel<'a> {
    action: Option<&'a str>,
    model: Option<&'a str>,
    #[serde(flatten)]
    used: Part,
}

#[derive(Serialize)]
struct OfUser<'a> {
    /// None: no user was named.
    user: Option<&'a str>,
    /// True for the sum of the users beyond those of a day that are listed one by one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    others: bool,
    #[serde(flatten)]
    used: Part,
}

#[derive(Serialize)]
struct Part {
    credits: Credits,
    count: u64,
}

impl From<Used> for Part {
    fn from(Used { credits, count }: Used) -> Part {
        Part { credits, count }
    }
}

/// A 200 with the days, or weeks, in which something was consumed or refunded, in order.
pub fn usage(
    account: &AccountId,
    from: Day,
    to: Day,
    days: &BTreeMap<Day, Usage>,
    catalog: &Catalog,
) -> Response<Body> {
    json(usage_json(account, from, to, days, catalog))
}

/// The same, as JSON.
pub fn usage_json(
    account: &AccountId,
    from: Day,
    to: Day,
    days: &BTreeMap<Day, Usage>,
    catalog: &Catalog,
) -> String {
    let credits = days.values().map(Usage::credits).sum();
    let days = days.iter().map(|(day, usage)| of_day(*day, usage, catalog)).collect();
    to_json(&Report { account, from, to, credits, days })
}

fn of_day<'a>(day: Day, usage: &'a Usage, catalog: &'a Catalog) -> OfDay<'a> {
    let actions = usage.actions.iter().map(|(number, used)| OfAction {
        action: catalog.action_name(*number),
        used: (*used).into(),
    });
    let models = usage.models.iter().map(|((action, model), used)| OfModel {
        action: catalog.action_name(*action),
        model: catalog.model_name(*action, *model),
        used: (*used).into(),
    });
    let users = usage.users.iter().map(|(who, used)| OfUser {
        user: match who {
            Who::User(user) => Some(user.as_str()),
            Who::Nobody | Who::Others => None,
        },
        others: *who == Who::Others,
        used: (*used).into(),
    });
    OfDay {
        day,
        credits: usage.credits(),
        actions: actions.collect(),
        models: models.collect(),
        users: users.collect(),
    }
}

//! What a query asks for: which entries or days, from where on, how many, and written as what.

use super::ledger::Form;
use super::{Call, Problem, cursor};
use crate::domain::payment::State;
use crate::domain::period::Day;
use crate::domain::{AccountId, Catalog, Instant, Refusal};
use crate::query::ledger::{Filter, From, KINDS};
use crate::store::Waits;

/// How many entries a listing has, and the most that may be asked for.
const LIMIT: usize = 50;
const MOST_ENTRIES: usize = 200;
/// How many days of usage are shown, and the most that may be asked for: a year.
const DAYS: u32 = 30;
const MOST_DAYS: usize = 366;

impl Call<'_> {
    /// Which entries are asked for, where the listing goes on and how much of it is asked for.
    pub fn page(
        &self,
        account: &AccountId,
        catalog: &Catalog,
    ) -> Result<(Filter, Option<From>, usize), Problem> {
        self.listed_by(&self.query().collect::<Vec<_>>(), account, catalog)
    }

    /// The same, by parameters that came in another way.
    pub fn listed_by(
        &self,
        parameters: &[(String, String)],
        account: &AccountId,
        catalog: &Catalog,
    ) -> Result<(Filter, Option<From>, usize), Problem> {
        let refuse = |field: &str, problem| Err(Refusal::invalid(field, problem).into());
        let (mut filter, mut from, mut limit) = (Filter::default(), None, LIMIT);
        let mut names = Vec::new();
        for (name, value) in parameters {
            if names.contains(&name) {
                return refuse(name, "is repeated");
            }
            let read = match name.as_str() {
                "limit" => count(value).map(|sent| limit = sent),
                "cursor" => place(value, account).map(|sent| from = Some(sent)),
                "format" => form(value).map(|_| ()),
                _ => narrow(&mut filter, name, value, catalog),
            };
            if let Err(problem) = read {
                return refuse(name, problem);
            }
            names.push(name);
        }
        Ok((filter, from, limit))
    }

    /// The parameters of the query, as they were sent.
    pub fn query(&self) -> impl Iterator<Item = (String, String)> {
        let query = self.request.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned()
    }

    /// What a listing is written as: by `format`, which a link can say, or by `Accept`.
    pub fn form(&self) -> Form {
        let named = self.query().find(|(name, _)| name == "format");
        let named = named.and_then(|(_, value)| form(&value).ok());
        named.unwrap_or_else(|| Form::of(self.header("accept")))
    }

    /// The days whose usage is asked for: from the first on, and before the second.
    pub fn days(&self, now: Instant) -> Result<(Day, Day), Problem> {
        const DAY: &str = "must be a day such as \"2026-11-23\"";
        let refuse = |field: &str, problem| Err(Refusal::invalid(field, problem).into());
        let (mut from, mut to) = (None, None);
        for (name, value) in self.query() {
            let asked = match &*name {
                "from" => &mut from,
                "to" => &mut to,
                _ => return refuse(&name, "is unknown"),
            };
            let Some(day) = Day::parse(&value) else { return refuse(&name, DAY) };
            if asked.replace(day).is_some() {
                return refuse(&name, "is repeated");
            }
        }
        let to = to.unwrap_or_else(|| Day::of(now).plus(1));
        let from = from.unwrap_or_else(|| to.minus(DAYS));
        match from.days()..to.days() {
            days if days.is_empty() => refuse("to", "must be a day after from"),
            days if days.len() > MOST_DAYS => refuse("from", "must be at most 366 days before to"),
            _ => Ok((from, to)),
        }
    }

    /// The state that checkouts are asked for in, if one is.
    pub fn checkouts(&self) -> Result<Option<State>, Problem> {
        let refuse = |field: &str, problem: &str| Err(Refusal::invalid(field, problem).into());
        let mut asked = None;
        for (name, value) in self.query() {
            let state = State::ALL.into_iter().find(|state| state.name() == value);
            match (name.as_str(), state) {
                ("state", _) if asked.is_some() => return refuse(&name, "is repeated"),
                ("state", Some(state)) => asked = Some(state),
                ("state", None) => {
                    let words = State::ALL.map(State::name).join(", ");
                    return refuse(&name, &format!("must be one of {words}"));
                }
                _ => return refuse(&name, "is unknown"),
            }
        }
        Ok(asked)
    }

    /// After which place parked payments are asked for: there is no other listing of payments.
    pub fn parked(&self) -> Result<Option<Waits>, Problem> {
        let refuse = |field: &str, problem: &str| Err(Refusal::invalid(field, problem).into());
        let (mut state, mut after) = (false, None);
        for (name, value) in self.query() {
            match name.as_str() {
                "state" if state => return refuse("state", "is repeated"),
                "state" if value == "parked" => state = true,
                "cursor" if after.is_some() => return refuse("cursor", "is repeated"),
                "cursor" => match cursor::open_parked(&value) {
                    None => return refuse("cursor", "is not one that this listing gave out"),
                    place => after = place,
                },
                "state" => return refuse("state", "must be parked"),
                _ => return refuse(&name, "is unknown"),
            }
        }
        if state { Ok(after) } else { refuse("state", "must be parked") }
    }
}

fn form(value: &str) -> Result<Form, &'static str> {
    match value {
        "json" => Ok(Form::Json),
        "csv" => Ok(Form::Csv),
        _ => Err("must be json or csv"),
    }
}

/// How many entries are asked for.
fn count(value: &str) -> Result<usize, &'static str> {
    let count = value.parse().ok().filter(|count| (1..=MOST_ENTRIES).contains(count));
    count.ok_or("must be from 1 to 200")
}

/// Where a listing goes on.
fn place(value: &str, account: &AccountId) -> Result<From, &'static str> {
    cursor::open(value, account).ok_or("is not one that this account's ledger gave out")
}

/// Narrows a listing by one parameter of its query.
fn narrow(
    filter: &mut Filter,
    name: &str,
    value: &str,
    catalog: &Catalog,
) -> Result<(), &'static str> {
    const TIME: &str = "must be a time such as \"2026-11-23T00:00:00Z\"";
    match name {
        "kind" => {
            let kind = KINDS.into_iter().find(|kind| *kind == value);
            filter.kind = Some(kind.ok_or("must be a kind of entry, such as \"debit\"")?);
        }
        "action" => {
            let action = catalog.actions.get(value).ok_or("is not in the catalog")?;
            filter.action = Some(action.number);
        }
        "user" => {
            let user = Some(value.to_owned()).filter(|user| !user.is_empty());
            filter.user = Some(user.ok_or("must not be empty")?);
        }
        "from" => filter.from = Some(Instant::parse(value).ok_or(TIME)?),
        "to" => filter.to = Some(Instant::parse(value).ok_or(TIME)?),
        _ => return Err("is unknown"),
    }
    Ok(())
}

//! Queries of listings: which entries or days, from which place, how many, in which format.

use super::cursor::PaymentList;
use super::fields::Fields;
use super::ledger::Form;
use super::{Call, Problem, cursor};
use crate::domain::entry::EntryGroup;
use crate::domain::id::AccountIdError;
use crate::domain::payment::State;
use crate::domain::period::{Day, Period, month};
use crate::domain::usage::UsagePer;
use crate::domain::viewer::Viewer;
use crate::domain::{AccountFilter, AccountId, Catalog, Gate, Instant};
use crate::query::ledger::{Filter, From, KINDS};
use crate::store::PaymentPlace;

/// How many entries a listing has by default, and the most that a caller may request.
const LIMIT: usize = 50;
const MAX_ENTRIES: usize = 200;
/// How many days of usage are shown by default, and the most that a caller may request: a year.
const DAYS: u32 = 30;
const MAX_DAYS: usize = 366;

impl Call<'_> {
    /// The account of a listing, its filter, its place and its limit.
    pub fn page(
        &self,
        account: Result<AccountId, AccountIdError>,
        catalog: &Catalog,
        viewer: Viewer,
    ) -> Result<(AccountId, Filter, Option<From>, usize), Problem> {
        let mut fields = Fields::default();
        let account = fields.checked("account", account);
        let parameters: Vec<_> = self.query().collect();
        let of = (account.as_ref(), viewer);
        let (filter, from, limit) = listed(&mut fields, &parameters, of, catalog);
        let asked = account.map(|account| (account, filter, from, limit));
        fields.finish(asked).map_err(Problem::from)
    }

    /// The same for a customer's account, from parameters that were not in the query.
    pub fn listed_by(
        &self,
        parameters: &[(String, String)],
        account: &AccountId,
        catalog: &Catalog,
    ) -> Result<(Filter, Option<From>, usize), Problem> {
        let mut fields = Fields::default();
        let asked = listed(&mut fields, parameters, (Some(account), Viewer::Customer), catalog);
        fields.finish(Some(asked)).map_err(Problem::from)
    }

    /// The parameters of the query, as they were sent.
    pub fn query(&self) -> impl Iterator<Item = (String, String)> {
        let query = self.request.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned()
    }

    /// The format of a listing: by `format`, which a link can hold, or by `Accept`.
    pub fn form(&self) -> Form {
        let named = self.query().find(|(name, _)| name == "format");
        let named = named.and_then(|(_, value)| form(&value).ok());
        named.unwrap_or_else(|| Form::of(self.header("accept")))
    }

    /// The account whose usage is requested, its days, from the first on and before the second, and
    /// the stretch of time that is summed up.
    pub fn days(
        &self,
        account: Result<AccountId, AccountIdError>,
        now: Instant,
    ) -> Result<(AccountId, (Day, Day), UsagePer), Problem> {
        let mut fields = Fields::default();
        let account = fields.checked("account", account);
        let parameters: Vec<_> = self.query().collect();
        let (mut from, mut to, mut per) = (None, None, None);
        for (name, value) in once_each(&mut fields, &parameters) {
            let asked = match name {
                "from" => &mut from,
                "to" => &mut to,
                "per" => {
                    let words = UsagePer::ALL.map(UsagePer::name);
                    let word = word(&mut fields, name, value, &words, one_of(&words));
                    per = UsagePer::ALL.into_iter().find(|per| Some(per.name()) == word);
                    continue;
                }
                _ => {
                    fields.wrong_word(name, UNKNOWN, name, ["from", "to", "per"]);
                    continue;
                }
            };
            let day = Day::parse(value).ok_or("must be a day such as \"2026-11-23\"");
            *asked = fields.checked(name, day);
        }
        let to = to.unwrap_or_else(|| Day::of(now).plus(1));
        let from = from.unwrap_or_else(|| to.minus(DAYS));
        match from.days()..to.days() {
            _ if fields.has_problem("from") || fields.has_problem("to") => {}
            days if days.is_empty() => fields.wrong("to", "must be a day after from"),
            days if days.len() > MAX_DAYS => {
                fields.wrong("from", "must be at most 366 days before to");
            }
            _ => {}
        }
        let asked = account.map(|account| (account, (from, to), per.unwrap_or_default()));
        fields.finish(asked).map_err(Problem::from)
    }

    /// The month whose statement is requested, the present one if none is, and the place where it
    /// continues.
    pub fn statement(
        &self,
        account: &AccountId,
        now: Instant,
    ) -> Result<(Period, Option<From>), Problem> {
        const MONTH: &str = "must be a month such as \"2026-11\" that has begun";
        let mut fields = Fields::default();
        let parameters: Vec<_> = self.query().collect();
        let (mut asked, mut from) = (month(now), None);
        for (name, value) in once_each(&mut fields, &parameters) {
            match name {
                "month" => {
                    let first = Day::parse(&format!("{value}-01")).map(Day::start);
                    let begun = first.filter(|first| *first <= now).ok_or(MONTH);
                    asked = fields.checked(name, begun).map_or(asked, month);
                }
                "cursor" => from = fields.checked(name, place(value, account)),
                // `Call::visitor` checks it.
                "session" => {}
                _ => fields.wrong_word(name, UNKNOWN, name, ["month", "cursor"]),
            }
        }
        fields.finish(Some((asked, from))).map_err(Problem::from)
    }

    /// The state of the requested checkouts, if one is given.
    pub fn checkouts(&self) -> Result<Option<State>, Problem> {
        let mut fields = Fields::default();
        let parameters: Vec<_> = self.query().collect();
        let mut asked = None;
        for (name, value) in once_each(&mut fields, &parameters) {
            match name {
                "state" => asked = state(&mut fields, value),
                _ => fields.wrong_word(name, UNKNOWN, name, ["state"]),
            }
        }
        fields.finish(Some(asked)).map_err(Problem::from)
    }

    /// Which accounts are requested, after which, and how many.
    pub fn accounts(&self) -> Result<(AccountFilter, Option<AccountId>, usize), Problem> {
        const NAMES: [&str; 6] = ["q", "plan", "gate", "debt", "limit", "cursor"];
        let mut fields = Fields::default();
        let parameters: Vec<_> = self.query().collect();
        let (mut filter, mut after, mut limit) = (AccountFilter::default(), None, LIMIT);
        for (name, value) in once_each(&mut fields, &parameters) {
            match name {
                "q" => filter.text = fields.checked(name, filled(value.trim())),
                "plan" => filter.plan = fields.checked(name, filled(value)),
                "gate" => {
                    let problem = one_of(&Gate::NAMES);
                    filter.gate = word(&mut fields, name, value, &Gate::NAMES, problem);
                }
                "debt" => {
                    filter.in_debt = fields.checked(name, flag(value));
                }
                "limit" => limit = fields.checked(name, count(value)).unwrap_or(LIMIT),
                "cursor" => {
                    let place = cursor::open_account(value).ok_or(PLACE);
                    after = fields.checked(name, place);
                }
                _ => fields.wrong_word(name, UNKNOWN, name, NAMES),
            }
        }
        fields.finish(Some((filter, after, limit))).map_err(Problem::from)
    }

    /// The state of the requested payments, if one is given, and the place where they continue.
    pub fn payments(&self) -> Result<(Option<State>, Option<PaymentPlace>), Problem> {
        let mut fields = Fields::default();
        let parameters: Vec<_> = self.query().collect();
        let (mut asked, mut sent) = (None, None);
        for (name, value) in once_each(&mut fields, &parameters) {
            match name {
                "state" => asked = state(&mut fields, value),
                "cursor" => sent = Some(value),
                _ => fields.wrong_word(name, UNKNOWN, name, ["state", "cursor"]),
            }
        }
        let list = match asked {
            Some(State::Parked) => PaymentList::Parked,
            _ => PaymentList::All,
        };
        let place = sent.map(|sent| cursor::open_payment(sent, list).ok_or(PLACE));
        let place = place.and_then(|place| fields.checked("cursor", place));
        fields.finish(Some((asked, place))).map_err(Problem::from)
    }

    /// The account whose payments are requested, and the place where they continue.
    pub fn payments_of(&self, account: &str) -> Result<(AccountId, Option<PaymentPlace>), Problem> {
        let mut fields = Fields::default();
        let account = fields.checked("account", account.parse::<AccountId>());
        let parameters: Vec<_> = self.query().collect();
        let mut place = None;
        for (name, value) in once_each(&mut fields, &parameters) {
            match (name, &account) {
                ("cursor", Some(account)) => {
                    let opened = cursor::open_payment(value, PaymentList::OfAccount(account));
                    place = fields.checked(name, opened.ok_or(PLACE));
                }
                ("cursor", None) => {}
                _ => fields.wrong_word(name, UNKNOWN, name, ["cursor"]),
            }
        }
        fields.finish(account.map(|account| (account, place))).map_err(Problem::from)
    }
}

/// The state of payments that a parameter names.
fn state(fields: &mut Fields, value: &str) -> Option<State> {
    let words = State::ALL.map(State::name);
    let word = word(fields, "state", value, &words, one_of(&words))?;
    State::ALL.into_iter().find(|state| state.name() == word)
}

/// The word that a parameter sends, if it is one of `words`.
fn word(
    fields: &mut Fields,
    name: &str,
    value: &str,
    words: &[&'static str],
    problem: impl Into<String>,
) -> Option<&'static str> {
    let word = words.iter().copied().find(|word| *word == value);
    if word.is_none() {
        fields.wrong_word(name, problem, value, words.iter().copied());
    }
    word
}

fn one_of(words: &[&str]) -> String {
    format!("must be one of {}", words.join(", "))
}

fn filled(value: &str) -> Result<String, &'static str> {
    if value.is_empty() { Err(EMPTY) } else { Ok(value.to_owned()) }
}

fn flag(value: &str) -> Result<bool, &'static str> {
    value.parse().map_err(|_| "must be true or false")
}

/// The problem of a parameter that no route has, of an empty one, and of a cursor.
const UNKNOWN: &str = "is unknown";
const EMPTY: &str = "must not be empty";
const PLACE: &str = "is not a cursor from this listing";

/// Each parameter once, as it was sent first. Repeated ones are wrong.
fn once_each<'a>(
    fields: &mut Fields,
    parameters: &'a [(String, String)],
) -> Vec<(&'a str, &'a str)> {
    let mut once: Vec<(&str, &str)> = Vec::new();
    for (name, value) in parameters {
        match once.iter().any(|(known, _)| known == name) {
            true => fields.wrong(name, "is repeated"),
            false => once.push((name, value)),
        }
    }
    once
}

/// The listing that the parameters describe, for its viewer. `account` is None if no cursor could
/// belong to it.
fn listed(
    fields: &mut Fields,
    parameters: &[(String, String)],
    (account, viewer): (Option<&AccountId>, Viewer),
    catalog: &Catalog,
) -> (Filter, Option<From>, usize) {
    let (mut filter, mut from, mut limit) = (Filter { viewer, ..Filter::default() }, None, LIMIT);
    for (name, value) in once_each(fields, parameters) {
        match name {
            "limit" => limit = fields.checked(name, count(value)).unwrap_or(LIMIT),
            "cursor" => {
                let place = account.map(|account| fields.checked(name, place(value, account)));
                from = place.flatten();
            }
            "format" => {
                if let Err(problem) = form(value) {
                    fields.wrong_word(name, problem, value, ["json", "csv"]);
                }
            }
            // The session of the page with this link: `Call::customer` checks it.
            "session" => {}
            _ => narrow(fields, &mut filter, name, value, catalog),
        }
    }
    (filter, from, limit)
}

fn form(value: &str) -> Result<Form, &'static str> {
    match value {
        "json" => Ok(Form::Json),
        "csv" => Ok(Form::Csv),
        _ => Err("must be json or csv"),
    }
}

/// The number of entries requested.
fn count(value: &str) -> Result<usize, &'static str> {
    let count = value.parse().ok().filter(|count| (1..=MAX_ENTRIES).contains(count));
    count.ok_or("must be from 1 to 200")
}

/// The place where a listing continues.
fn place(value: &str, account: &AccountId) -> Result<From, &'static str> {
    cursor::open(value, account).ok_or("is not a cursor from this account's ledger")
}

/// Narrows a listing by one parameter of its query.
fn narrow(fields: &mut Fields, filter: &mut Filter, name: &str, value: &str, catalog: &Catalog) {
    const TIME: &str = "must be a time such as \"2026-11-23T00:00:00Z\"";
    const NAMES: [&str; 11] = [
        "limit",
        "cursor",
        "format",
        "kind",
        "group",
        "action",
        "model",
        "user",
        "reference",
        "from",
        "to",
    ];
    match name {
        "kind" => {
            let problem = "must be a kind of entry, such as \"debit\"";
            filter.kind = word(fields, name, value, &KINDS, problem);
        }
        "group" => {
            let words = EntryGroup::ALL.map(EntryGroup::name);
            let word = word(fields, name, value, &words, one_of(&words));
            filter.group = EntryGroup::ALL.into_iter().find(|group| Some(group.name()) == word);
        }
        "action" => match catalog.actions.get(value) {
            Some(action) => filter.action = Some(action.number),
            None => {
                let known = catalog.actions.keys().map(String::as_str);
                fields.wrong_word(name, "is not in the catalog", value, known);
            }
        },
        "model" => {
            let models = catalog.models_named(value);
            filter.models = fields.checked(name, models.ok_or("is in no rate table"));
        }
        "user" => filter.user = fields.checked(name, filled(value)),
        "reference" => filter.reference = fields.checked(name, filled(value)),
        // To a customer the parameter does not exist.
        "actor" if filter.viewer == Viewer::Service => {
            filter.actor = fields.checked(name, filled(value));
        }
        "from" => filter.from = fields.checked(name, Instant::parse(value).ok_or(TIME)),
        "to" => filter.to = fields.checked(name, Instant::parse(value).ok_or(TIME)),
        _ => fields.wrong_word(name, UNKNOWN, name, NAMES),
    }
}

//! The auditor's books of limits. They have windows and sums of their own, and share no code with
//! `decide`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Months, NaiveTime};
use serde_json::{Value, json};
use shared::domain::Subject;
use shared::domain::limit::SubjectHash;

use super::exchange::{Audited, Exchange, Wanted, micro, ms};
use super::named::{Limits, Named, PERS};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// A stamp may be of another clock, and its write may arrive a call later.
const MARGIN_MS: i64 = 20_000;
/// For this long after a window's end its count may be kept.
const KEPT_MS: i64 = 2 * HOUR_MS;

/// A count: what it is of, the kind of its window and the window's first instant in ms.
pub type Counter = (String, String, i64);

/// What an account's item counts, and when it was read: in ms, as the windows' first instants.
pub type Kept = (Vec<(SubjectHash, String, i64, i64)>, i64);

/// What the auditor is told of limits.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The limits of every plan, by kind of subject, from version 2 of the catalog on.
    pub defaults: Limits,
    /// None: it is not compared.
    pub kept: Option<Kept>,
    /// When the times of exchanges began. None: not known, and no refusal is judged.
    pub began_ms: Option<i64>,
}

/// A hold, the counts that it is in, and what its request named.
#[derive(Clone, Debug)]
struct HeldFor {
    left: i64,
    ends_ms: i64,
    counts: Vec<Counter>,
    named: Option<Named>,
}

/// A charge that can be refunded: its parts in their order, with the counts that each is in.
#[derive(Clone, Debug, Default)]
struct Charged {
    parts: Vec<(i64, Vec<Counter>)>,
}

/// What there was after an entry.
#[derive(Clone, Debug)]
struct State {
    at_ms: i64,
    available: i64,
    own: Limits,
    used: BTreeMap<Counter, i64>,
    periods: BTreeMap<i64, i64>,
}

/// The counts of an account as its entries make them.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    known: Known,
    own: Limits,
    /// The plan periods that were granted for: start and end.
    periods: BTreeMap<i64, i64>,
    used: BTreeMap<Counter, i64>,
    holds: BTreeMap<String, HeldFor>,
    charges: BTreeMap<String, Charged>,
    states: Vec<State>,
}

impl Counts {
    pub fn new(known: Known) -> Counts {
        Counts { known, ..Counts::default() }
    }

    /// Enters an entry; `asked`: what requests with its key named.
    pub fn enter(&mut self, entry: &Value, asked: &[&Named]) -> Audited<()> {
        let at_ms = ms(&entry["at"])?;
        let id = || entry["id"].as_str().unwrap_or_default().to_owned();
        let hold = || entry["hold"].as_str().unwrap_or_default().to_owned();
        let cost = -micro(&entry["available"])?;
        match entry["kind"].as_str().unwrap_or_default() {
            "opened" => self.periods(entry)?,
            "time_passed" => {
                self.periods(entry)?;
                for id in entry["lapsed"].as_array().into_iter().flatten() {
                    let held = id.as_str().and_then(|id| self.holds.remove(id));
                    let held = held.ok_or("a hold lapsed that was none")?;
                    // It lapses before anything begins at that instant.
                    let periods = self.periods.range(..held.ends_ms);
                    let periods = periods.map(|(from, to)| (*from, *to)).collect();
                    self.give_back(held.counts, held.left, held.ends_ms, &periods);
                }
            }
            "limit_set" => self.set(entry)?,
            "debit" => {
                let (counters, _) = self.charge(entry, asked, cost)?;
                self.charges.insert(id(), Charged { parts: vec![(cost, counters)] });
            }
            "held" => {
                let (counters, named) = self.charge(entry, asked, cost)?;
                let (ends_ms, named) = (ms(&entry["expires_at"])?, named.cloned());
                let held = HeldFor { left: cost, ends_ms, counts: counters, named };
                self.holds.insert(id(), held);
            }
            "captured" => {
                let mut held = self.holds.remove(&hold()).ok_or("there is no such hold")?;
                let beyond = entry.get("beyond").map_or(Ok(0), micro)?;
                let within = micro(&entry["credits"])? - beyond;
                held.left -= within;
                let mut charged = Charged { parts: vec![(within, held.counts.clone())] };
                if beyond > 0 {
                    let expected = self.of_hold(&held, entry)?;
                    same(entry, &expected)?;
                    self.count(&expected, beyond)?;
                    charged.parts.push((beyond, expected.into_keys().collect()));
                } else if entry.get("limits").is_some() {
                    return Err("it counts for limits, and takes nothing beyond".to_owned());
                }
                self.charges.insert(id(), charged);
                match entry["final"] == true {
                    true => self.give_back_held(held, at_ms),
                    false => drop(self.holds.insert(hold(), held)),
                }
            }
            "released" => {
                let held = self.holds.remove(&hold()).ok_or("there is no such hold")?;
                self.give_back_held(held, at_ms);
            }
            "extended" => {
                let held = self.holds.get_mut(&hold()).ok_or("there is no such hold")?;
                held.ends_ms = ms(&entry["expires_at"])?;
            }
            "refunded" => {
                let debit = entry["debit"].as_str().unwrap_or_default();
                let charged = self.charges.get_mut(debit).ok_or("there is no such charge")?;
                let mut rest = micro(&entry["credits"])?;
                let mut back: BTreeMap<Counter, i64> = BTreeMap::new();
                for (left, counters) in &mut charged.parts {
                    let part = rest.min(*left);
                    *left -= part;
                    rest -= part;
                    for counter in counters {
                        *back.entry(counter.clone()).or_default() += part;
                    }
                }
                let periods = self.periods.clone();
                for (counter, credits) in back {
                    self.give_back([counter], credits, at_ms, &periods);
                }
            }
            _ => {}
        }
        let available = micro(&entry["balance"]["available"])?;
        let (own, used, periods) = (self.own.clone(), self.used.clone(), self.periods.clone());
        self.states.push(State { at_ms, available, own, used, periods });
        Ok(())
    }

    /// Whether the limits of a hold let a capture take so much beyond it.
    pub fn lets_beyond(&self, entry: &Value, over: i64) -> Audited<bool> {
        let hold = entry["hold"].as_str().unwrap_or_default();
        let held = self.holds.get(hold).ok_or("there is no such hold")?;
        let expected = self.of_hold(held, entry)?;
        let lets = |(counter, at_most): (&Counter, &i64)| self.used_of(counter) + over <= *at_most;
        Ok(expected.iter().all(lets))
    }

    /// Plan periods begin and end by their grants.
    fn periods(&mut self, entry: &Value) -> Audited<()> {
        for moved in entry["moved"].as_array().into_iter().flatten() {
            let grant = moved["grant"].as_str().unwrap_or_default();
            if let Some(day) = grant.strip_prefix("period-") {
                let from_ms = ms(&json!(format!("{day}T00:00:00Z")))?;
                self.periods.insert(from_ms, ms(&moved["expires_at"])?);
            }
        }
        Ok(())
    }

    fn set(&mut self, entry: &Value) -> Audited<()> {
        let limit = &entry["limits"][0];
        let text = |field: &str| limit[field].as_str().unwrap_or_default().to_owned();
        let key = (text("of"), text("per"));
        match &limit["at_most"] {
            Value::Null => {
                self.own.remove(&key);
                let kind = key.0.split(':').next().unwrap_or_default().to_owned();
                let by_plan = self.known.defaults.contains_key(&(kind, key.1.clone()));
                if key.1 == "ever" && !(by_plan && has_defaults(entry)) {
                    self.used.remove(&(key.0, key.1, 0));
                }
            }
            at_most => drop(self.own.insert(key, micro(at_most)?)),
        }
        Ok(())
    }

    /// Counts a charge for the limits in force, as one of the requests for it named them.
    fn charge<'a>(
        &mut self,
        entry: &Value,
        asked: &[&'a Named],
        cost: i64,
    ) -> Audited<(Vec<Counter>, Option<&'a Named>)> {
        let same_subjects = |named: &&&Named| {
            let user = entry["user"].as_str().map(|user| format!("user:{user}"));
            let subjects = entry["subjects"].as_array().into_iter().flatten();
            let subjects = subjects.filter_map(|subject| subject.as_str().map(str::to_owned));
            let told: BTreeSet<String> = subjects.chain(user.clone()).collect();
            named.counts_for() == told && named.user == user.map(|user| user[5..].to_owned())
        };
        let asked: Vec<&Named> = asked.iter().filter(same_subjects).copied().collect();
        let mut wrong = None;
        for named in asked {
            let there = (&self.own, &self.periods);
            let expected = self.in_force(there, named, ms(&entry["at"])?, has_defaults(entry));
            match same(entry, &expected) {
                Ok(()) => {
                    self.count(&expected, cost)?;
                    return Ok((expected.into_keys().collect(), Some(named)));
                }
                Err(other) => wrong = Some(other),
            }
        }
        match wrong {
            Some(wrong) => Err(wrong),
            None if entry.get("user").is_none() && entry.get("subjects").is_none() => {
                same(entry, &BTreeMap::new())?;
                Ok((Vec::new(), None))
            }
            None => Err("nobody asked for it with these subjects".to_owned()),
        }
    }

    /// The limits in force for a charge: of each subject and window the least number that it
    /// brings, or the account's own, or the plan's where there is none of its own.
    fn in_force(
        &self,
        (own, periods): (&Limits, &BTreeMap<i64, i64>),
        named: &Named,
        at_ms: i64,
        by_plan: bool,
    ) -> BTreeMap<Counter, i64> {
        let mut limits = BTreeMap::new();
        for of in named.counts_for() {
            for per in PERS {
                let ours = self.number(own, &of, per, by_plan);
                if let Some(at_most) = named.asked(&of, per).into_iter().chain(ours).min() {
                    let from_ms = begins(per, at_ms, periods);
                    limits.insert((of.clone(), per.to_owned(), from_ms), at_most);
                }
            }
        }
        limits
    }

    fn number(&self, own: &Limits, of: &str, per: &str, by_plan: bool) -> Option<i64> {
        let kind = of.split(':').next().unwrap_or_default().to_owned();
        let plan = self.known.defaults.get(&(kind, per.to_owned())).filter(|_| by_plan);
        own.get(&(of.to_owned(), per.to_owned())).or(plan).copied()
    }

    /// The limits in force for what is taken beyond a hold: those of a debit for the same.
    fn of_hold(&self, held: &HeldFor, entry: &Value) -> Audited<BTreeMap<Counter, i64>> {
        let Some(named) = &held.named else { return Ok(BTreeMap::new()) };
        // A capture of a call names the catalog that its hold had.
        let by_plan = entry.get("model").is_some() || has_defaults(entry);
        Ok(self.in_force((&self.own, &self.periods), named, ms(&entry["at"])?, by_plan))
    }

    fn used_of(&self, counter: &Counter) -> i64 {
        self.used.get(counter).copied().unwrap_or(0)
    }

    fn count(&mut self, limits: &BTreeMap<Counter, i64>, cost: i64) -> Audited<()> {
        for (counter, at_most) in limits.iter().filter(|_| cost > 0) {
            let used = self.used.entry(counter.clone()).or_default();
            *used += cost;
            if *used > *at_most {
                return Err(format!("{used} of {at_most} used of {counter:?}"));
            }
        }
        Ok(())
    }

    fn give_back_held(&mut self, held: HeldFor, at_ms: i64) {
        let periods = self.periods.clone();
        self.give_back(held.counts, held.left, at_ms, &periods);
    }

    /// Credits return to counts whose window runs, which never go below zero.
    fn give_back(
        &mut self,
        counters: impl IntoIterator<Item = Counter>,
        credits: i64,
        at_ms: i64,
        periods: &BTreeMap<i64, i64>,
    ) {
        for counter in counters {
            let runs = begins(&counter.1, at_ms, periods) == counter.2;
            if let Some(used) = self.used.get_mut(&counter).filter(|_| runs) {
                *used -= credits.min(*used);
            }
        }
    }

    /// Checks what the account's item counts, and every refusal.
    pub fn check(&self, exchanges: &[Exchange]) -> Audited<()> {
        if let Some((kept, read_ms)) = &self.known.kept {
            self.check_kept(kept, *read_ms)?;
        }
        let Some(began_ms) = self.known.began_ms else { return Ok(()) };
        for exchange in exchanges {
            let Some(answer) = exchange.answer.as_ref().filter(|answer| answer.status == 402)
            else {
                continue;
            };
            let wrong = |wrong| format!("{wrong}: {exchange:?}");
            match answer.body["code"].as_str() {
                Some("limit_reached") => {
                    self.reached(began_ms, exchange, &answer.body).map_err(wrong)?;
                }
                Some("insufficient_credits") if exchange.alone => {
                    self.short(began_ms, exchange, &answer.body).map_err(wrong)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_kept(&self, kept: &[(SubjectHash, String, i64, i64)], read_ms: i64) -> Audited<()> {
        let mut told = BTreeMap::new();
        for (of, per, from_ms, micro) in kept {
            told.insert((*of, per.clone(), *from_ms), *micro);
        }
        for ((of, per, from_ms), used) in &self.used {
            let is_period_over = per == "period" && begins(per, read_ms, &self.periods) != *from_ms;
            let subject: Subject = of.parse().map_err(|_| format!("{of} is no subject"))?;
            let over =
                ends(per, *from_ms, &self.periods).is_some_and(|end| end + KEPT_MS < read_ms);
            match told.remove(&(subject.hash(), per.clone(), *from_ms)) {
                Some(micro) if micro == *used => {}
                None if *used == 0 || over || is_period_over => {}
                micro => {
                    return Err(format!("{used} used of {of} per {per}, and not {micro:?}"));
                }
            }
        }
        match told.is_empty() {
            true => Ok(()),
            false => Err(format!("{told:?} was never counted")),
        }
    }

    /// The moments at which an exchange may have been decided, each with what there was then.
    fn moments(&self, began_ms: i64, exchange: &Exchange) -> impl Iterator<Item = (i64, &State)> {
        let from_ms = began_ms + exchange.sent_ms - MARGIN_MS;
        let to_ms = began_ms + exchange.answered_ms + MARGIN_MS;
        let until = self.states.iter().skip(1).map(|next| next.at_ms).chain([i64::MAX - MARGIN_MS]);
        let lasting = self.states.iter().zip(until);
        let lasting = lasting.filter(move |(state, until_ms)| {
            state.at_ms - MARGIN_MS <= to_ms && until_ms + MARGIN_MS >= from_ms
        });
        lasting.flat_map(move |(state, until_ms)| {
            let first_ms = [state.at_ms - MARGIN_MS, state.at_ms];
            first_ms
                .into_iter()
                .chain([until_ms])
                .map(move |at_ms| (at_ms.clamp(from_ms, to_ms), state))
        })
    }

    /// The limits in force for a request: in the first hour a handler may not have read the catalog
    /// in which the plans have some.
    fn may_be_in_force(
        &self,
        exchange: &Exchange,
        at_ms: i64,
        state: &State,
    ) -> impl Iterator<Item = BTreeMap<Counter, i64>> {
        let known = [true, false].into_iter().filter(|known| *known || exchange.sent_ms < HOUR_MS);
        known.map(move |known| {
            self.in_force((&state.own, &state.periods), &exchange.named, at_ms, known)
        })
    }

    /// A limit refuses what does not fit in it, and says what there was.
    fn reached(&self, began_ms: i64, exchange: &Exchange, body: &Value) -> Audited<()> {
        let available = micro(&body["available"])?;
        let listed = body["limits"].as_array().ok_or("no limits in the refusal")?;
        if listed.first().is_none_or(|first| first["of"] != body["of"]) {
            return Err("the first limit is not the head".to_owned());
        }
        let fits = |(at_ms, state): (i64, &State)| {
            let shown = listed.iter().map(|limit| self.shown(exchange, limit, at_ms, state));
            let shown: Audited<Vec<bool>> = shown.collect();
            shown.is_ok_and(|shown| shown.into_iter().all(|right| right))
                && (!exchange.alone || state.available == available)
        };
        match self.moments(began_ms, exchange).any(fits) {
            true => Ok(()),
            false => Err("no limit was reached so".to_owned()),
        }
    }

    /// Whether a refusal shows a limit as it was then.
    fn shown(
        &self,
        exchange: &Exchange,
        limit: &Value,
        at_ms: i64,
        state: &State,
    ) -> Audited<bool> {
        let text = |field: &str| limit[field].as_str().unwrap_or_default();
        let (of, per) = (text("of").to_owned(), text("per").to_owned());
        let [at_most, left, required] =
            ["at_most", "left", "required"].map(|field| micro(&limit[field]));
        let (at_most, left, required) = (at_most?, left?, required?);
        let counter = (of, per.clone(), begins(&per, at_ms, &state.periods));
        let resets = match &limit["resets_at"] {
            Value::Null => None,
            at => Some(ms(at)?),
        };
        let used = state.used.get(&counter).copied().unwrap_or(0);
        let mut in_force = self.may_be_in_force(exchange, at_ms, state);
        let numbered =
            !exchange.alone || in_force.any(|limits| limits.get(&counter) == Some(&at_most));
        let costs = match &exchange.wanted {
            Wanted::Credits(credits) if exchange.alone => required == -credits,
            _ => true,
        };
        let ends = ends(&per, counter.2, &state.periods);
        Ok(left == (at_most - used).max(0)
            && left < required
            && numbered
            && costs
            && resets == ends)
    }

    /// Where credits are short, no limit of the charge is reached: it would have been named.
    fn short(&self, began_ms: i64, exchange: &Exchange, body: &Value) -> Audited<()> {
        let (available, required) = (micro(&body["available"])?, micro(&body["required"])?);
        let fits = |(at_ms, state): (i64, &State)| {
            let used = |counter: &Counter| state.used.get(counter).copied().unwrap_or(0);
            let lets = |limits: BTreeMap<Counter, i64>| {
                limits.iter().all(|(counter, most)| used(counter) + required <= *most)
            };
            let mut in_force = self.may_be_in_force(exchange, at_ms, state);
            state.available == available && in_force.any(lets)
        };
        match self.moments(began_ms, exchange).any(fits) {
            true => Ok(()),
            false => Err("a limit was reached, and it was not named".to_owned()),
        }
    }
}

/// The plans have limits from the second version on.
fn has_defaults(entry: &Value) -> bool {
    entry["catalog"].as_u64().is_some_and(|version| version > 1)
}

/// Whether an entry lists these limits, and no other.
fn same(entry: &Value, expected: &BTreeMap<Counter, i64>) -> Audited<()> {
    let mut told = BTreeMap::new();
    for limit in entry["limits"].as_array().into_iter().flatten() {
        let text = |field: &str| limit[field].as_str().unwrap_or_default().to_owned();
        told.insert((text("of"), text("per")), micro(&limit["at_most"])?);
    }
    let expected = expected.iter().map(|((of, per, _), most)| ((of.clone(), per.clone()), *most));
    let expected: Limits = expected.collect();
    match told == expected {
        true => Ok(()),
        false => Err(format!("{expected:?} were in force, and not {told:?}")),
    }
}

/// The first instant of the window that `at_ms` lies in.
fn begins(per: &str, at_ms: i64, periods: &BTreeMap<i64, i64>) -> i64 {
    // 1970-01-05 was a Monday.
    let monday = at_ms - (at_ms - 4 * DAY_MS).rem_euclid(WEEK_MS);
    match per {
        "day" => at_ms - at_ms.rem_euclid(DAY_MS),
        "week" => monday,
        "month" => {
            let day = i64::from(DateTime::from_timestamp_millis(at_ms).expect("a time").day());
            at_ms - at_ms.rem_euclid(DAY_MS) - (day - 1) * DAY_MS
        }
        "period" => match periods.range(..=at_ms).next_back() {
            Some((from_ms, to_ms)) if at_ms < *to_ms => *from_ms,
            _ => monday,
        },
        _ => 0,
    }
}

/// The end of the window that begins then. None: it never ends.
fn ends(per: &str, from_ms: i64, periods: &BTreeMap<i64, i64>) -> Option<i64> {
    Some(match per {
        "day" => from_ms + DAY_MS,
        "week" => from_ms + WEEK_MS,
        "month" => {
            let first = DateTime::from_timestamp_millis(from_ms).expect("a time").date_naive();
            let next = first + Months::new(1);
            next.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
        }
        "period" => periods.get(&from_ms).copied().unwrap_or(from_ms + WEEK_MS),
        _ => return None,
    })
}

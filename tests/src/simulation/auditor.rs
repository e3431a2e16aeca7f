//! The auditor: it rebuilds every account from requests and answers, and from the ledger as read
//! over HTTP. It shares no code with `decide`: it has its own whole micro-credits, counts weeks by
//! hand and keeps grants in a list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use super::exchange::{Answered, Audited, Exchange, Wanted};
use super::exchange::{micro, ms};
use super::limits::{self, Counts};
use super::named::Named;
use super::rates::Call;

/// The prefix of an operator's key.
pub const OPERATORS: &str = "operator ";

/// The prefix of the key of such a request: operators' keys are apart from services' keys.
pub fn space(method: &str, path: &str) -> &'static str {
    let ends = ["/grants", "/revoke", "/freeze", "/unfreeze", "/debt/waive"];
    match method == "PUT" || ends.iter().any(|end| path.ends_with(end)) {
        true => OPERATORS,
        false => "",
    }
}

const DAY_MS: i64 = 86_400_000;
/// One clock stamps a plan change and another folds it in: it may seem early by this much.
const SKEW_MS: i64 = 5_000;

/// Returns an error that says what is wrong, unless `right`.
macro_rules! ensure {
    ($right:expr, $($wrong:tt)+) => {
        if !$right {
            return Err(format!($($wrong)+));
        }
    };
}

fn text(value: &Value) -> Audited<&str> {
    value.as_str().ok_or_else(|| format!("not a text: {value}"))
}

/// A grant as the auditor sees it: its remaining credits and when it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    id: String,
    left: i64,
    gone_ms: i64,
    granted_ms: i64,
    paid: bool,
}

/// A hold: the credits that it holds, and how many of them
/// came from grants that have since expired.
#[derive(Clone, Debug)]
struct Hold {
    amount: i64,
    lapsed: i64,
    ends_ms: i64,
    /// The catalog version and the model of a hold for calls.
    terms: Option<(u64, String)>,
}

/// An account that is rebuilt entry by entry.
#[derive(Default)]
struct Book {
    weekly: Option<Weekly>,
    counts: Counts,
    available: i64,
    now: State,
    holds: BTreeMap<String, Hold>,
    frozen: bool,
    no_plan: bool,
    /// All events of the grants.
    past: Vec<Past>,
    /// How many events the latest advance had seen, and the grants it left.
    advanced: (usize, Vec<Grant>),
    /// The charges of debits and captures.
    charges: BTreeMap<String, Charge>,
    /// The credits due for each order, and the reversals of its payment.
    orders: BTreeMap<String, Paid>,
    /// Reversals that no advance has reported yet: the order, and which of its reversals.
    noted: Vec<(String, usize)>,
}

/// The grants, and the debts by pack, the oldest debt first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    grants: Vec<Grant>,
    owed: Vec<(String, i64)>,
}

/// The paid part of an order.
#[derive(Clone, Debug, Default)]
struct Paid {
    due: i64,
    /// The credits of each reversal, and how many of them were undone since, the latest first.
    reversals: Vec<(i64, i64)>,
}

/// An event of the grants.
#[derive(Clone, Debug)]
enum Past {
    Arrived(Grant),
    Burnt {
        charge: String,
        credits: i64,
        at_ms: i64,
    },
    /// All that was over by then expired; bought credits that were not held repaid debts.
    Advanced {
        at_ms: i64,
    },
    Waived,
    /// What was free of a grant was taken back, and this much of it was held.
    Revoked {
        grant: String,
        kept: i64,
    },
    /// The money for an order went back, the nth time.
    Reversed {
        order: String,
        nth: usize,
    },
}

/// The charge of a debit or a capture, and its place in the past.
#[derive(Clone, Debug)]
struct Charge {
    credits: i64,
    refunded: i64,
    place: usize,
}

impl State {
    fn left(&self) -> i64 {
        self.grants.iter().map(|grant| grant.left).sum()
    }

    fn debt(&self) -> i64 {
        self.owed.iter().map(|(_, credits)| credits).sum()
    }

    fn of(&self, id: &str) -> i64 {
        self.grants.iter().find(|grant| grant.id == id).map_or(0, |grant| grant.left)
    }

    /// Sorts by burn order: of grants that expire together free before bought, then oldest first,
    /// by the stamps of their handlers and not by their numbers.
    fn sort(&mut self) {
        self.grants.sort_by(|one, two| {
            let of = |grant: &Grant| (grant.gone_ms, grant.paid, grant.granted_ms);
            (of(one), &one.id).cmp(&(of(two), &two.id))
        });
    }

    fn arrive(&mut self, grant: Grant) {
        match self.grants.iter_mut().find(|known| known.id == grant.id) {
            Some(known) => known.left += grant.left,
            None => self.grants.push(grant),
        }
    }

    /// Takes this many credits from the grants that `meant` selects, soonest expiry first. Returns
    /// how many it took.
    fn take(&mut self, credits: i64, meant: impl Fn(&Grant) -> bool) -> i64 {
        self.sort();
        let mut rest = credits;
        for grant in self.grants.iter_mut().filter(|grant| meant(grant)) {
            let taken = grant.left.min(rest);
            grant.left -= taken;
            rest -= taken;
        }
        self.grants.retain(|grant| grant.left > 0);
        credits - rest
    }

    fn expire(&mut self, at_ms: i64) {
        self.grants.retain(|grant| grant.gone_ms > at_ms);
    }

    /// Bought credits repay debts. Returns whether they repaid any.
    fn repay(&mut self) -> bool {
        let repaid = self.take(self.debt(), |grant| grant.paid);
        let mut rest = repaid;
        for (_, credits) in &mut self.owed {
            let paid = (*credits).min(rest);
            *credits -= paid;
            rest -= paid;
        }
        self.owed.retain(|(_, credits)| *credits > 0);
        repaid > 0
    }

    /// The money for this many credits of an order went back.
    fn reverse(&mut self, order: &str, credits: i64) {
        self.repay();
        let owed = credits - self.take(credits, |grant| grant.id == order);
        match self.owed.iter_mut().find(|(known, _)| known == order) {
            Some((_, known)) => *known += owed,
            None if owed > 0 => self.owed.push((order.to_owned(), owed)),
            None => {}
        }
        self.repay();
    }
}

/// How many micro-credits are granted for the week that begins at this instant, in ms.
pub type Weekly = fn(i64) -> i64;

/// Checks one account: `entries` are its ledger, the first entry first. Returns their number.
///
/// # Errors
/// If something is wrong with it: what it is.
pub fn audit(
    entries: &[Value],
    exchanges: &[Exchange],
    balance: &Value,
    (weekly, known): (Weekly, limits::Known),
) -> Audited<usize> {
    let mut book = Book { weekly: Some(weekly), counts: Counts::new(known), ..Book::default() };
    let mut named: BTreeMap<&str, Vec<&Named>> = BTreeMap::new();
    for exchange in exchanges {
        named.entry(&exchange.key).or_default().push(&exchange.named);
    }
    let mut by_key: BTreeMap<String, &Value> = BTreeMap::new();
    for (entry, expected) in entries.iter().zip(1..) {
        ensure!(entry["seq"] == expected, "a gap or a repeat at {expected}: {entry}");
        book.enter(entry).map_err(|wrong| format!("{wrong}: {entry}"))?;
        let key = text(entry.get("key").unwrap_or(&entry["id"]))?;
        let named = named.get(key).map_or(&[][..], Vec::as_slice);
        book.counts.enter(entry, named).map_err(|wrong| format!("{wrong}: {entry}"))?;
        if !by_nobody(entry) {
            let space = if by_operator(entry) { OPERATORS } else { "" };
            let twice = by_key.insert(format!("{space}{key}"), entry).is_some();
            ensure!(!twice, "{key} happened twice");
        }
    }
    // The amounts that were asked for, by key; a key may have been sent with more than one request.
    let mut asked: BTreeMap<&str, BTreeSet<&Wanted>> = BTreeMap::new();
    for exchange in exchanges {
        asked.entry(&exchange.key).or_default().insert(&exchange.wanted);
    }
    for (key, entry) in &by_key {
        let wanted = asked_for(entry)?;
        let known = asked.get(key.as_str()).is_some_and(|asked| asked.contains(&wanted));
        ensure!(known || entry["kind"] == "opened", "nobody asked for {entry}");
    }
    acknowledged(exchanges, &by_key)?;
    book.counts.check(exchanges)?;
    // The balance is an advance ahead of the entries at most.
    let last = entries.len();
    ensure!(balance["seq"] == last, "the balance is of entry {}, not {last}", balance["seq"]);
    ensure!(micro(&balance["available"])? >= 0, "the balance is below zero");
    Ok(entries.len())
}

/// Whether time or a payment notice caused the entry, so that no caller's key stands for it.
fn by_nobody(entry: &Value) -> bool {
    ["time_passed", "topped_up", "reversed"].iter().any(|kind| entry["kind"] == *kind)
}

/// The parts that an advance reports sum to its changes.
fn parts(entry: &Value, change: i64) -> Audited<()> {
    let parts = entry["parts"].as_array().ok_or("an advance without its parts")?;
    let sum = |name: &str| -> Audited<i64> {
        parts.iter().filter_map(|part| part.get(name)).map(micro).sum()
    };
    ensure!(sum("credits")? == change, "the parts of {entry} do not sum to {change}");
    let debt = entry.get("debt").map_or(Ok(0), micro)?;
    ensure!(sum("debt")? == debt, "the parts of {entry} do not sum to a debt of {debt}");
    Ok(())
}

/// The credits of a field that is left out where it is 0.
fn or_none(entry: &Value, field: &str) -> Audited<i64> {
    entry.get(field).map_or(Ok(0), micro)
}

/// Whether an operator asked for the entry.
fn by_operator(entry: &Value) -> bool {
    let kinds = [
        "opened",
        "granted",
        "revoked",
        "plan_changed",
        "frozen",
        "unfrozen",
        "debt_waived",
        "limit_set",
    ];
    kinds.iter().any(|kind| entry["kind"] == *kind)
}

/// What was asked for: a call, or an amount, negative if it was to be spent or held.
fn asked_for(entry: &Value) -> Audited<Wanted> {
    if let Some(call) = Call::shown(entry) {
        return Ok(Wanted::Call(call));
    }
    let credits = match text(&entry["kind"])? {
        "limit_set" => {
            let limit = &entry["limits"][0];
            let at_most = match &limit["at_most"] {
                Value::Null => "none".to_owned(),
                at_most => micro(at_most)?.to_string(),
            };
            let (of, per) = (text(&limit["of"])?, text(&limit["per"])?);
            return Ok(Wanted::Limit(format!("{of} {per} {at_most}")));
        }
        "captured" => -micro(&entry["credits"])? - or_none(entry, "uncharged")?,
        "refunded" => micro(&entry["credits"])?,
        "released" | "extended" | "revoked" => 0,
        _ => micro(&entry["available"])?,
    };
    Ok(Wanted::Credits(credits))
}

/// The catalog version and the model of an entry of a call.
fn terms(entry: &Value) -> Option<(u64, String)> {
    Some((entry["catalog"].as_u64()?, Call::shown(entry)?.model))
}

/// A call costs the sum of its meters at the rates of the version that its entry names, rounded
/// once: a part of a hold down, everything else up. A part that took all that was held ended the
/// hold like a final one. A capture has the version and the model of its hold.
fn priced(entry: &Value, held: Option<&Hold>) -> Audited<()> {
    let Some(call) = Call::shown(entry) else { return Ok(()) };
    let version = entry["catalog"].as_u64().and_then(|version| u32::try_from(version).ok());
    let exact = call.price(version.ok_or("a call without a version")?);
    let Some(held) = held else {
        let cost = -micro(&entry["available"])?;
        ensure!(cost == exact.up(), "{call:?} costs {} and not {cost}", exact.up());
        return Ok(());
    };
    ensure!(held.terms == terms(entry), "its hold has {:?}", held.terms);
    let (credits, beyond) = (micro(&entry["credits"])?, or_none(entry, "beyond")?);
    let cost = credits + or_none(entry, "uncharged")?;
    let took_all = credits - beyond == held.amount + held.lapsed;
    let fits = match entry["final"] == true {
        false => cost == exact.down(),
        true if took_all && !call.is_tiered() => cost == exact.down() || cost == exact.up(),
        true => cost == exact.up(),
    };
    ensure!(fits, "{call:?} costs {exact:?} and not {cost}");
    Ok(())
}

impl Book {
    fn enter(&mut self, entry: &Value) -> Audited<()> {
        let change = micro(&entry["available"])?;
        self.available += change;
        ensure!(self.available >= 0, "below zero");
        let at = ms(&entry["at"])?;
        let hold = || text(&entry["hold"]).map(str::to_owned);
        let open = !self.frozen && !self.no_plan;
        match text(&entry["kind"])? {
            "granted" => self.arrive(Grant {
                id: entry["id"].to_string(),
                left: change,
                granted_ms: at,
                paid: false,
                gone_ms: match &entry["expires_at"] {
                    Value::Null => i64::MAX,
                    expires_at => ms(expires_at)?,
                },
            }),
            "revoked" => self.revoke(entry, change, at)?,
            "debit" => {
                ensure!(open, "spent while the gate was closed");
                priced(entry, None)?;
                self.charge(text(&entry["id"])?, -change, -change, at)?;
            }
            "held" => {
                ensure!(open, "held while the gate was closed");
                priced(entry, None)?;
                let ends_ms = ms(&entry["expires_at"])?;
                let hold = Hold { amount: -change, lapsed: 0, ends_ms, terms: terms(entry) };
                self.holds.insert(text(&entry["id"])?.to_owned(), hold);
                ensure!(self.holds.len() <= 64, "more than 64 holds");
            }
            "captured" => {
                let (id, credits) = (hold()?, micro(&entry["credits"])?);
                let beyond = or_none(entry, "beyond")?;
                let mut held = self.take_hold(&id, at)?;
                priced(entry, Some(&held))?;
                let lapsed = held.lapsed.min(credits - beyond);
                held.lapsed -= lapsed;
                held.amount -= credits - beyond - lapsed;
                ensure!(held.amount >= 0, "more than was held");
                self.beyond(entry, &held, open, at)?;
                self.charge(text(&entry["id"])?, credits, credits - lapsed, at)?;
                let ends = entry["final"] == true;
                let back = if ends { held.amount } else { 0 };
                ensure!(change == back - beyond, "{back} should have come back");
                if !ends {
                    ensure!(held.amount + held.lapsed > 0, "an empty hold is open");
                    self.holds.insert(id, held);
                }
            }
            "released" => {
                let held = self.take_hold(&hold()?, at)?;
                ensure!(change == held.amount, "{} was held", held.amount);
            }
            "extended" => {
                let id = hold()?;
                let held = self.take_hold(&id, at)?;
                let ends_ms = ms(&entry["expires_at"])?;
                ensure!(ends_ms >= held.ends_ms && change == 0, "not extended");
                self.holds.insert(id, Hold { ends_ms, ..held });
            }
            "refunded" => self.refund(entry, change, at)?,
            "time_passed" => {
                parts(entry, change)?;
                self.advance(entry, at)?;
                self.advanced = (self.past.len(), self.now.grants.clone());
            }
            "opened" => {
                self.arrivals(entry, at)?;
                self.advanced = (self.past.len(), self.now.grants.clone());
            }
            "topped_up" => self.top_up(entry, change)?,
            "reversed" => {
                let (order, credits) = (entry["order"].to_string(), micro(&entry["credits"])?);
                let paid = self.orders.get_mut(&order).ok_or("there is no such payment")?;
                paid.due -= credits;
                ensure!(paid.due == micro(&entry["due"])?, "{} is due", paid.due);
                self.noted.push((order, paid.reversals.len()));
                paid.reversals.push((credits, 0));
            }
            "debt_waived" => {
                let credits = micro(&entry["credits"])?;
                ensure!(credits == self.now.debt(), "{} is owed", self.now.debt());
                self.now.owed.clear();
                self.past.push(Past::Waived);
            }
            "frozen" => self.frozen = true,
            "unfrozen" => self.frozen = false,
            "plan_changed" => {
                self.no_plan = entry["plan"] == "standard" || entry["status"] == "canceled";
            }
            "limit_set" => ensure!(change == 0, "a limit moved credits"),
            kind => return Err(format!("{kind} is no kind")),
        }
        let balance = &entry["balance"];
        let (available, held) = (micro(&balance["available"])?, micro(&balance["held"])?);
        ensure!(available == self.available, "the changes sum to {}", self.available);
        let holds = self.holds.values();
        let (aside, all) = holds.fold((0, 0), |(aside, all), hold| {
            (aside + hold.amount, all + hold.amount + hold.lapsed)
        });
        ensure!(held == all, "the holds sum to {all}");
        let left = self.now.left();
        ensure!(left == available + aside, "the grants sum to {left}, {aside} of it held");
        Ok(())
    }

    /// Takes what is free of one grant: no more than is left of it, and no more than is available.
    fn revoke(&mut self, entry: &Value, change: i64, at_ms: i64) -> Audited<()> {
        let (grant, credits) = (entry["grant_id"].to_string(), micro(&entry["credits"])?);
        let gone = self.now.grants.iter().find(|grant| grant.gone_ms <= at_ms);
        ensure!(gone.is_none(), "{gone:?} was still there at {at_ms}");
        let over = self.holds.values().find(|hold| hold.ends_ms <= at_ms);
        ensure!(over.is_none(), "{over:?} still held at {at_ms}");
        let free = self.now.of(&grant).min(self.available - change);
        ensure!(credits == free && change == -credits, "{free} of it was free");
        self.now.take(credits, |known| known.id == grant);
        let kept = self.now.of(&grant);
        self.past.push(Past::Revoked { grant, kept });
        Ok(())
    }

    /// A capture goes beyond its hold once it has all of it: then everything else that it asks for
    /// is charged, if the account can pay that and may, or nothing.
    fn beyond(&self, entry: &Value, held: &Hold, open: bool, at_ms: i64) -> Audited<()> {
        let (beyond, uncharged) = (or_none(entry, "beyond")?, or_none(entry, "uncharged")?);
        if beyond == 0 && uncharged == 0 {
            return Ok(());
        }
        ensure!(entry["final"] == true && held.amount + held.lapsed == 0, "not all of the hold");
        ensure!(beyond == 0 || uncharged == 0, "beyond, and not all of it");
        ensure!(beyond == 0 || open, "spent while the gate was closed");
        // A call may cost more than its hold without asking for it, and is not charged for that.
        if Call::shown(entry).is_some() {
            return Ok(());
        }
        // A hold that another clock made meanwhile may be over by this one.
        let over = self.holds.values().find(|hold| hold.ends_ms <= at_ms - SKEW_MS);
        ensure!(uncharged == 0 || over.is_none(), "{over:?} still held at {at_ms}");
        let pays =
            open && self.available >= uncharged && self.counts.lets_beyond(entry, uncharged)?;
        ensure!(uncharged == 0 || !pays, "{uncharged} could have been charged");
        Ok(())
    }

    fn take_hold(&mut self, id: &str, at_ms: i64) -> Audited<Hold> {
        let hold = self.holds.remove(id).ok_or("there is no such hold")?;
        ensure!(at_ms < hold.ends_ms, "the hold was over at {}", hold.ends_ms);
        Ok(hold)
    }

    fn arrive(&mut self, grant: Grant) {
        self.past.push(Past::Arrived(grant.clone()));
        self.now.arrive(grant);
    }

    /// Takes from the grants that expire soonest, and never from one that has expired by the
    /// taker's clock.
    fn charge(&mut self, id: &str, credits: i64, burnt: i64, at_ms: i64) -> Audited<()> {
        let gone = self.now.grants.iter().find(|grant| grant.gone_ms <= at_ms);
        ensure!(gone.is_none(), "{gone:?} was still there at {at_ms}");
        ensure!(self.now.take(burnt, |_| true) == burnt, "more than there was");
        let charge = Charge { credits, refunded: 0, place: self.past.len() };
        self.charges.insert(id.to_owned(), charge);
        self.past.push(Past::Burnt { charge: id.to_owned(), credits: burnt, at_ms });
        Ok(())
    }

    /// The state after the first `until` events if no refunded credits and no reversed money had
    /// ever left: it replays all events from the beginning.
    fn never_left(&self, until: usize) -> State {
        let mut state = State::default();
        for past in &self.past[..until] {
            match past {
                Past::Arrived(grant) => state.arrive(grant.clone()),
                Past::Burnt { charge, credits, at_ms } => {
                    state.expire(*at_ms);
                    let refunded = self.charges[charge].refunded.min(*credits);
                    state.take(credits - refunded, |_| true);
                }
                Past::Advanced { at_ms } => {
                    state.repay();
                    state.expire(*at_ms);
                }
                Past::Reversed { order, nth } => {
                    let (credits, undone) = self.orders[order].reversals[*nth];
                    state.reverse(order, credits - undone);
                }
                Past::Waived => state.owed.clear(),
                // What had come back of it by then would have been free.
                Past::Revoked { grant, kept } => {
                    let free = (state.of(grant) - kept).max(0);
                    state.take(free, |known| known.id == *grant);
                }
            }
        }
        state.sort();
        state
    }

    /// Credits that are due again come back as if they had never been taken back; credits that were
    /// not due before arrive.
    fn top_up(&mut self, entry: &Value, change: i64) -> Audited<()> {
        let (id, due) = (entry["order"].to_string(), micro(&entry["due"])?);
        let paid = self.orders.entry(id.clone()).or_default();
        let mut rest = due - paid.due;
        ensure!(rest > 0, "no more is due");
        paid.due = due;
        for (credits, undone) in paid.reversals.iter_mut().rev() {
            let part = (*credits - *undone).min(rest);
            *undone += part;
            rest -= part;
        }
        let never = self.never_left(self.past.len());
        let back = never.left() - self.now.left();
        ensure!(change == back + rest, "{back} should have come back, and {rest} arrived");
        let told = entry.get("debt").map_or(Ok(0), micro)?;
        let expected = never.debt() - self.now.debt();
        ensure!(told == expected, "the debt changes by {expected}");
        self.now = never;
        if rest > 0 {
            let gone_ms = ms(&entry["expires_at"])?;
            // Packs are as old as their orders: that time is in the order's id.
            let granted_ms = text(&entry["order"])?.replace('-', "");
            let granted_ms = granted_ms.get(..12).and_then(|ms| i64::from_str_radix(ms, 16).ok());
            let granted_ms = granted_ms.ok_or("an order without a time")?;
            self.arrive(Grant { id, left: rest, gone_ms, granted_ms, paid: true });
        }
        Ok(())
    }

    /// Refunded credits leave every grant as if they had never left it.
    fn refund(&mut self, entry: &Value, change: i64, at_ms: i64) -> Audited<()> {
        let (credits, charge) = (micro(&entry["credits"])?, text(&entry["debit"])?);
        let charge = self.charges.get_mut(charge).ok_or("there is no such charge")?;
        charge.refunded += credits;
        let Charge { credits: charged, refunded, place, .. } = *charge;
        ensure!(refunded <= charged, "more than the {charged} that were charged");
        // The entry lists credits that return to other grants as of the latest advance: debits
        // since then use them, too.
        let mut told = BTreeMap::new();
        for moved in entry["moved"].as_array().into_iter().flatten() {
            told.insert(moved["grant"].to_string(), micro(&moved["credits"])?);
        }
        let (advanced, left) = &self.advanced;
        if place < *advanced {
            let never = self.never_left(*advanced);
            let left = |id: &str| left.iter().find(|known| known.id == id).map_or(0, |g| g.left);
            let back =
                never.grants.iter().map(|grant| (grant.id.clone(), grant.left - left(&grant.id)));
            let back: BTreeMap<String, i64> = back.filter(|(_, back)| *back != 0).collect();
            ensure!(back == told, "{back:?} should have come back");
        }
        let never = self.never_left(self.past.len());
        let back = never.left() - self.now.left();
        ensure!(change == back, "{back} should have come back");
        let told = entry.get("debt").map_or(Ok(0), micro)?;
        let expected = never.debt() - self.now.debt();
        ensure!(told == expected, "the debt changes by {expected}");
        let gone = never.grants.iter().find(|grant| grant.gone_ms <= at_ms);
        ensure!(gone.is_none(), "{gone:?} came back at {at_ms}");
        self.now = never;
        Ok(())
    }

    /// The effect of time, instant by instant: holds lapse and grants expire; the held part of a
    /// grant stays with the holds that end first.
    fn advance(&mut self, entry: &Value, at_ms: i64) -> Audited<()> {
        let mut lapsed: BTreeSet<String> = BTreeSet::new();
        let mut lost: BTreeMap<String, i64> = BTreeMap::new();
        let before = self.now.clone();
        self.now.repay();
        for (order, nth) in std::mem::take(&mut self.noted) {
            self.now.reverse(&order, self.orders[&order].reversals[nth].0);
            self.past.push(Past::Reversed { order, nth });
        }
        let told = entry.get("debt").map_or(Ok(0), micro)?;
        let expected = self.now.debt() - before.debt();
        ensure!(told == expected, "the debt changes by {expected}");
        for grant in before.grants.iter().filter(|grant| grant.paid) {
            let taken = grant.left - self.now.of(&grant.id);
            if taken > 0 {
                lost.insert(grant.id.clone(), taken);
            }
        }
        let holds = self.holds.values().map(|hold| hold.ends_ms);
        let instants = holds.chain(self.now.grants.iter().map(|grant| grant.gone_ms));
        let instants: BTreeSet<i64> = instants.filter(|instant| *instant <= at_ms).collect();
        for instant in instants {
            let over = self.holds.extract_if(.., |_, hold| hold.ends_ms <= instant);
            lapsed.extend(over.map(|(id, _)| id));
            let gone = self.now.grants.extract_if(.., |grant| grant.gone_ms <= instant);
            for grant in gone.collect::<Vec<_>>() {
                let mut order: Vec<_> = self.holds.iter_mut().collect();
                order.sort_by(|one, two| (one.1.ends_ms, one.0).cmp(&(two.1.ends_ms, two.0)));
                let mut rest = grant.left;
                for (_, hold) in order {
                    let kept = hold.amount.min(rest);
                    hold.amount -= kept;
                    hold.lapsed += kept;
                    rest -= kept;
                }
                if rest > 0 {
                    *lost.entry(grant.id).or_default() += rest;
                }
            }
        }
        self.past.push(Past::Advanced { at_ms });
        if !self.orders.is_empty() {
            let never = self.never_left(self.past.len());
            self.now.sort();
            ensure!(never == self.now, "{never:?} should be there, and not {:?}", self.now);
        }
        let told = entry["lapsed"].as_array().into_iter().flatten();
        let told: BTreeSet<String> = told.filter_map(Value::as_str).map(str::to_owned).collect();
        ensure!(told == lapsed, "the holds {lapsed:?} have lapsed");
        for moved in entry["moved"].as_array().into_iter().flatten() {
            let credits = micro(&moved["credits"])?;
            if credits < 0 {
                let expected = lost.remove(&moved["grant"].to_string()).unwrap_or(0);
                ensure!(-credits == expected, "{expected} was lost of {moved}");
            }
        }
        ensure!(lost.is_empty(), "{lost:?} was lost");
        self.arrivals(entry, at_ms)
    }

    /// The grants of a period arrive in their period and last whole weeks, or months at most.
    fn arrivals(&mut self, entry: &Value, at_ms: i64) -> Audited<()> {
        for moved in entry["moved"].as_array().into_iter().flatten() {
            let (id, credits) = (moved["grant"].to_string(), micro(&moved["credits"])?);
            if credits < 0 {
                continue;
            }
            let gone_ms = ms(&moved["expires_at"])?;
            ensure!(gone_ms > at_ms, "{moved} arrived after its end, at {at_ms}");
            if moved["kind"] == "weekly" {
                // 1970-01-05 was a Monday.
                ensure!((gone_ms - 4 * DAY_MS) % (7 * DAY_MS) == 0, "not a Monday: {moved}");
                ensure!(gone_ms - at_ms <= 7 * DAY_MS + SKEW_MS, "more than a week: {moved}");
                let whole = self.weekly.map_or(credits, |of| of(gone_ms - 7 * DAY_MS));
                ensure!(credits == whole, "the week is granted {whole}: {moved}");
            } else {
                ensure!(gone_ms % DAY_MS == 0, "not midnight: {moved}");
                ensure!(gone_ms - at_ms <= 31 * DAY_MS + SKEW_MS, "more than a month: {moved}");
            }
            self.arrive(Grant { id, left: credits, gone_ms, granted_ms: at_ms, paid: false });
        }
        Ok(())
    }
}

/// Every receipt has its entry, and the order of the entries does not contradict the order in time.
fn acknowledged(exchanges: &[Exchange], by_key: &BTreeMap<String, &Value>) -> Audited<()> {
    let mut receipts: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut refused: BTreeMap<&str, &Exchange> = BTreeMap::new();
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    let mut reused: BTreeSet<&str> = BTreeSet::new();
    let mut firsts = Vec::new();
    for exchange in exchanges {
        let key = exchange.key.as_str();
        let Some(Answered { status, replayed, body }) = &exchange.answer else {
            unknown.insert(key);
            continue;
        };
        match status {
            201 => {}
            503 => {
                unknown.insert(key);
                continue;
            }
            400 | 402 | 403 | 404 | 409 => {
                refused.insert(key, exchange);
                continue;
            }
            // The operation's own receipt covers how the key was used.
            422 if body["code"] == "operation_reused" => {
                reused.insert(key);
                continue;
            }
            422 => continue,
            status => return Err(format!("{key} was answered {status}: {body}")),
        }
        // If a plan is already set, the answer has the entry that set it.
        let made = |entry: &&&Value| {
            let of_plan = entry["kind"] == "opened" || entry["kind"] == "plan_changed";
            of_plan && entry["id"] == body["id"] && exchange.wanted == Wanted::NOTHING
        };
        let (entry, already) = match by_key.get(key) {
            Some(entry) => (entry, false),
            None => (by_key.values().find(made).ok_or(format!("{key} has no entry"))?, true),
        };
        for field in ["seq", "id", "at", "balance"] {
            ensure!(body[field] == entry[field], "{key}: {body} is the receipt of {entry}");
        }
        let asked = exchange.wanted == asked_for(entry)?;
        ensure!(asked || entry["kind"] == "opened", "{key}: the receipt is of something else");
        let first = receipts.entry(key).or_insert(body);
        ensure!(*first == body, "{key} has two receipts: {first} and {body}");
        if !replayed && !already {
            let seq = body["seq"].as_u64().ok_or("a receipt has a seq")?;
            firsts.push((seq, exchange.sent_ms, exchange.answered_ms));
        }
    }
    for key in reused {
        let used = by_key.contains_key(key) || receipts.contains_key(key) || unknown.contains(key);
        ensure!(used, "{key} was never used, and is called reused");
    }
    for (key, exchange) in refused {
        // Unless an attempt before it was given up: that one may have arrived after the refusal.
        let applied = by_key.get(key).is_some_and(|entry| {
            asked_for(entry).as_ref() == Ok(&exchange.wanted) && !receipts.contains_key(key)
        });
        ensure!(!applied || unknown.contains(key), "{key} was refused and done: {exchange:?}");
    }
    // A request that was answered before another was sent comes before it.
    firsts.sort_unstable();
    let mut latest_sent = i64::MIN;
    for (seq, sent_ms, answered_ms) in firsts {
        ensure!(answered_ms >= latest_sent, "entry {seq} is out of order");
        latest_sent = latest_sent.max(sent_ms);
    }
    Ok(())
}

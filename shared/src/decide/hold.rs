//! Hold: holds credits, to be captured when the work is done or released when it failed.
//!
//! A hold ends exactly once: it is captured, it is released, or it lapses at its expiry, which is a
//! function of time and needs no job. Each step is one conditional write. A part takes its credits
//! of a hold that has more, whatever other parts take at the same time; whatever ends the hold
//! names it as it was read.

use std::collections::BTreeMap;

use super::debit::{Price, too_dear};
use super::limit::{self, InForce};
use super::write::give_back;
use super::{Guard, Step};
use crate::domain::entry::Quantity;
use crate::domain::hold::{HeldAction, HeldCall, HeldFor, MAX_HOLDS};
use crate::domain::instant::Span;
use crate::domain::limit::{Counted, HeldLimits};
use crate::domain::{
    Account, Catalog, Credits, EntryKind, Gate, Held, Instant, OperationId, Refusal,
};

/// The lifetime of a hold, unless the request says otherwise.
pub const USUAL_LIFE: Span = Span::from_s(300);
/// The shortest and the longest lifetime of a hold, from now on.
pub const SHORTEST_LIFE: Span = Span::from_s(1);
pub const LONGEST_LIFE: Span = Span::from_s(24 * 60 * 60);

/// The part of a hold that is captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapturePart {
    /// So many units of its action, at the price that the hold had.
    Quantity(u64),
    /// What the call consumed, at the rates that the hold had.
    Meters(BTreeMap<String, u64>),
    Credits(Credits),
}

/// The effect of an operation on an account: its own guards and steps, and its part of the entry.
pub(super) struct Effect {
    pub when: Vec<Guard>,
    pub then: Vec<Step>,
    pub available: Credits,
    pub held: Credits,
    /// The limits that it counts for.
    pub counts: Vec<Counted>,
    pub kind: EntryKind,
}

/// Holds credits under the id of the operation. It counts whole for the limits in force, and
/// remembers them.
pub(super) fn hold(
    id: OperationId,
    price: Price,
    life: Span,
    (limits, remembered): (&InForce, HeldLimits),
    now: Instant,
) -> Effect {
    let Price { credits, action, quantity, catalog } = price;
    let purpose = match (action, quantity) {
        (None, _) => HeldFor::Amount,
        (Some(number), Quantity::Units(quantity)) => {
            HeldFor::Action(HeldAction { number, quantity, credits, captured: 0 })
        }
        (Some(action), Quantity::Call(model, _)) => {
            HeldFor::Call(HeldCall { action, model, catalog })
        }
    };
    let expires_at = now + life;
    let held =
        Held { amount: credits, lapsed: Credits::ZERO, expires_at, purpose, limits: remembered };
    let (limited, counted) = limits.count(credits);
    let when = vec![
        Guard::Covers(credits),
        Guard::ValidAt(now),
        Guard::GateIs(Gate::OPEN),
        Guard::HoldsBelow(MAX_HOLDS),
    ];
    let then = vec![Step::Add(-credits), Step::SetHold(id, held)];
    Effect {
        when: [when, limited].concat(),
        then: [then, counted].concat(),
        available: -credits,
        held: credits,
        counts: limits.counts.clone(),
        kind: EntryKind::Held { action, quantity, expires_at },
    }
}

/// Spends what was held, or a part of it; if the hold ends, what is left of it goes back. What is
/// asked for beyond the hold is charged to what is available, all of it or nothing, if it may be.
/// None: a hold has lapsed, and gives back first.
pub(super) fn capture(
    account: &Account,
    hold: OperationId,
    held: Held,
    taken: Taken,
    limits: &InForce,
    now: Instant,
) -> Option<Effect> {
    let Taken { credits, quantity, rest, ends, over, capped } = taken;
    let Beyond { when: because, then: counted, credits: beyond } =
        charge_beyond(account, over, limits, now)?;
    let (credits, uncharged) = (credits + beyond, over - beyond + capped);
    let (action, total) = (held.purpose.action(), held.total());
    let (back, still) = match ends {
        true => (rest.amount, Credits::ZERO),
        false => (Credits::ZERO, rest.total()),
    };
    let (asked, given) = give_back(account, back);
    let unused = if ends { rest.total() } else { Credits::ZERO };
    let (limited, uncounted) = return_counts(account, &held, unused, now);
    let consumed = vec![Step::Consume(action.unwrap_or(0), credits)];
    let charged = (!beyond.is_zero()).then_some(Step::Add(-beyond));
    let lapsed = held.lapsed - rest.lapsed;
    let (still_so, taken) = match (ends, held.lapsed) {
        (true, _) => (vec![Guard::HoldIs(hold, held)], Step::DropHold(hold)),
        (false, Credits::ZERO) if held.amount > credits - beyond => {
            let units = quantity.units().unwrap_or(0);
            (part_of(hold, held, credits, units), Step::TakeOfHold(hold, credits, units))
        }
        // How much of it is expired depends on the parts before it. A hold of nothing has no more.
        (false, _) => (vec![Guard::HoldIs(hold, held)], Step::SetHold(hold, rest)),
    };
    let then = consumed.into_iter().chain(given).chain(charged).chain([taken]);
    Some(Effect {
        when: [vec![Guard::ValidAt(now)], still_so, asked, because, limited].concat(),
        then: then.chain(counted).chain(uncounted).collect(),
        available: back - beyond,
        held: still - total,
        counts: if beyond.is_zero() { Vec::new() } else { limits.counts.clone() },
        kind: EntryKind::Captured { hold, action, quantity, credits, lapsed, ends, uncharged },
    })
}

/// How much of what a capture asks for beyond its hold is charged.
struct Beyond {
    /// The guards that say why.
    when: Vec<Guard>,
    /// The steps by which it counts for limits.
    then: Vec<Step>,
    credits: Credits,
}

/// Charges what a capture asks for beyond its hold: all of it where the gate is open, so much is
/// available and the limits let it pass, else nothing. None: a hold has lapsed, and gives back
/// first.
fn charge_beyond(
    account: &Account,
    over: Credits,
    limits: &InForce,
    now: Instant,
) -> Option<Beyond> {
    if over.is_zero() {
        return Some(Beyond { when: Vec::new(), then: Vec::new(), credits: over });
    }
    let open = account.gate.is_open();
    let reached = limit::reached([(limits, over)], account, now);
    let full = limit::is_full(limits, account, now);
    if open && account.available >= over && reached.is_empty() && !full {
        let (limited, then) = limits.count(over);
        let when = [vec![Guard::Covers(over), Guard::GateIs(Gate::OPEN)], limited].concat();
        return Some(Beyond { when, then, credits: over });
    }
    let mut when = limits.when.clone();
    when.push(match (open, account.available >= over) {
        (false, _) => Guard::GateIs(account.gate),
        (true, false) => Guard::LacksFor(over),
        (true, true) => limit::lacks_room(limits, over, account),
    });
    (!account.has_lapsed_hold(now)).then_some(Beyond {
        when,
        then: Vec::new(),
        credits: Credits::ZERO,
    })
}

/// The guards and steps by which what a hold did not spend returns to the limits that it counts for.
fn return_counts(
    account: &Account,
    held: &Held,
    credits: Credits,
    now: Instant,
) -> (Vec<Guard>, Vec<Step>) {
    let counters = held.limits.counts.iter();
    limit::give_back(account, counters.map(|counter| (*counter, credits)), now)
}

/// Whether a hold that is over may give back what this capture asks for beyond its own.
pub(super) fn awaits_lapsed(
    account: &Account,
    taken: &Taken,
    limits: &InForce,
    now: Instant,
) -> bool {
    charge_beyond(account, taken.over, limits, now).is_none()
}

/// The guards of a part that leaves something of the hold, whatever parts came since it was read.
fn part_of(hold: OperationId, held: Held, credits: Credits, quantity: u64) -> Vec<Guard> {
    let below = match held.purpose {
        HeldFor::Action(action) if quantity > 0 => {
            Some(Guard::CapturedBelow(hold, action.quantity.saturating_sub(quantity)))
        }
        _ => None,
    };
    let mut guards = vec![Guard::HoldTermsAre(hold, held), Guard::HoldsMoreThan(hold, credits)];
    guards.extend(below);
    guards
}

/// Ends the hold. Held credits that expired meanwhile are lost, as if they had never been held.
pub(super) fn release(account: &Account, hold: OperationId, held: Held, now: Instant) -> Effect {
    let (asked, given) = give_back(account, held.amount);
    let (limited, uncounted) = return_counts(account, &held, held.total(), now);
    let (available, total) = (held.amount, held.total());
    Effect {
        when: [vec![Guard::ValidAt(now), Guard::HoldIs(hold, held)], asked, limited].concat(),
        then: [given, vec![Step::DropHold(hold)], uncounted].concat(),
        available,
        held: -total,
        counts: Vec::new(),
        kind: EntryKind::Released { hold },
    }
}

/// Extends the hold to `life` from now on; never shortens it.
pub(super) fn extend(hold: OperationId, held: Held, life: Span, now: Instant) -> Effect {
    let expires_at = held.expires_at.max(now + life);
    Effect {
        when: vec![Guard::ValidAt(now), Guard::HoldTermsAre(hold, held.clone())],
        then: vec![Step::SetHoldTerms(hold, Held { expires_at, ..held })],
        available: Credits::ZERO,
        held: Credits::ZERO,
        counts: Vec::new(),
        kind: EntryKind::Extended { hold, expires_at },
    }
}

/// The refusal of one more hold, if as many are open as may be.
pub(super) fn no_room(account: &Account) -> Option<Refusal> {
    let holds = account.holds.len();
    let retry_at = account.holds.values().map(|held| held.expires_at).min()?;
    (holds >= MAX_HOLDS).then_some(Refusal::TooManyHolds { holds, retry_at })
}

/// The part that a capture takes of a hold.
pub(super) struct Taken {
    credits: Credits,
    quantity: Quantity,
    /// The hold without it.
    rest: Held,
    ends: bool,
    /// What was asked for beyond the hold, and may be charged.
    over: Credits,
    /// What a call cost beyond the hold, and may not be charged.
    capped: Credits,
}

/// Prices a capture by meters with the rates that its hold had: `catalog` is of the hold's version.
/// A part is rounded down, so that parts never cost more than the whole; the last is rounded up.
/// None: that catalog has no such model.
pub fn price_part(
    call: HeldCall,
    meters: &BTreeMap<String, u64>,
    ends: bool,
    catalog: &Catalog,
) -> Option<Result<Price, Refusal>> {
    let (table, name, model) = catalog.model(call.action, call.model)?;
    if !ends && !model.tiers.is_empty() {
        let problem = format!("must be true: {name} has tiers, which hold for the whole call");
        return Some(Err(Refusal::invalid("final", problem)));
    }
    Some(table.price((name, model), meters).and_then(|(meters, exact)| {
        let credits = if ends { exact.rounded_up() } else { exact.rounded_down() };
        let quantity = Quantity::Call(call.model, meters);
        let credits = credits.ok_or_else(too_dear)?;
        Ok(Price { credits, action: Some(call.action), quantity, catalog: call.catalog })
    }))
}

/// Finds what capturing `part` takes of a hold; `price` is that of a part by meters. `ends`: whether
/// the capture ends the hold; it does so anyway when nothing is left, or when all of the hold's
/// quantity was captured: parts are rounded down, and the remainder goes back. `beyond`: whether it
/// may ask for more than is held. A call costs what it consumed, so a part by meters takes at most
/// what is held.
///
/// # Errors
/// [`Refusal::HoldExceeded`] with the numbers, unless `beyond`; [`Refusal::InvalidRequest`] for a
/// quantity of a hold that is for no quantity, for meters of one that is for no call, for a
/// quantity that costs more than [`Credits::MAX`], and for zero credits of a hold that goes on.
pub(super) fn take(
    held: &Held,
    part: &CapturePart,
    price: Price,
    ends: bool,
    beyond: bool,
) -> Result<Taken, Refusal> {
    let (quantity, credits) = match (part, held.purpose) {
        (CapturePart::Credits(Credits::ZERO), _) if !ends => {
            return Err(Refusal::invalid("credits", "must be more than 0, unless final is true"));
        }
        (CapturePart::Credits(credits), _) => (Quantity::NONE, *credits),
        (CapturePart::Quantity(quantity), HeldFor::Action(action)) => {
            (Quantity::Units(*quantity), action.price(*quantity))
        }
        (CapturePart::Meters(_), HeldFor::Call(_)) => (price.quantity, price.credits),
        (CapturePart::Quantity(_), HeldFor::Amount | HeldFor::Call(_)) => {
            let problem = "is not allowed: the hold is not for a quantity of an action";
            return Err(Refusal::invalid("quantity", problem));
        }
        (CapturePart::Meters(_), HeldFor::Amount | HeldFor::Action(_)) => {
            let problem = "is not allowed: the hold is not for a call of a model";
            return Err(Refusal::invalid("meters", problem));
        }
    };
    if beyond && credits > Credits::MAX {
        let problem = format!("costs more than {} credits at the price of the hold", Credits::MAX);
        return Err(Refusal::invalid("quantity", problem));
    }
    let more = (credits - held.total()).max(Credits::ZERO);
    let (over, capped) = match (beyond, quantity) {
        (true, _) => (more, Credits::ZERO),
        (false, Quantity::Call(..)) => (Credits::ZERO, more),
        (false, Quantity::Units(_)) if more.is_zero() => (Credits::ZERO, Credits::ZERO),
        (false, Quantity::Units(_)) => {
            return Err(Refusal::HoldExceeded { required: credits, held: held.total() });
        }
    };
    let credits = credits - more;
    let mut rest = held.clone().less(credits);
    let mut whole = false;
    if let HeldFor::Action(action) = &mut rest.purpose {
        action.captured = action.captured.saturating_add(quantity.units().unwrap_or(0));
        whole = action.captured >= action.quantity;
    }
    // Parts that cost nothing leave a hold of nothing open.
    let used_up = rest.total().is_zero() && !(credits + more).is_zero();
    let ends = ends || whole || used_up;
    Ok(Taken { credits, quantity, rest, ends, over, capped })
}

/// The hold, if it is open at `now`.
pub(super) fn open(account: &Account, hold: &OperationId, now: Instant) -> Option<Held> {
    account.holds.get(hold).cloned().filter(|held| !held.is_over(now))
}

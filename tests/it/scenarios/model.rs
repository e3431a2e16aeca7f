//! The model: what an account is, in the fewest words. No table, no pages, no line.
//!
//! It keeps what was done and forgets what was undone: a released hold was never made, a refunded
//! debit was never charged, a dispute that is won was never opened. Every answer is computed from
//! the beginning, so what is undone leaves nothing behind, whatever came in between.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate};
use shared::domain::{Credits, Instant};

use super::Player;
use super::language::{Deed, Said};
use crate::support::instant;

#[derive(Default)]
pub(super) struct Model {
    now: Instant,
    accounts: BTreeMap<String, Modeled>,
}

/// What was done to an account.
#[derive(Default)]
struct Modeled {
    facts: Vec<(Instant, Fact)>,
    frozen: bool,
    holds: BTreeMap<String, Hold>,
    /// What was refunded of a debit.
    refunded: BTreeMap<String, i64>,
    /// Each operation: what was asked, and the answer.
    done: BTreeMap<String, (String, Said)>,
}

enum Fact {
    Plan {
        plan: String,
        anchor: Option<NaiveDate>,
    },
    Grant {
        credits: i64,
        until: Option<Instant>,
    },
    /// What a debit charged less what came back, or what a hold has and what was captured of it.
    Charged {
        operation: String,
        credits: i64,
    },
    Bought {
        order: String,
        pack: Pack,
    },
    /// Of the credits of an order.
    TakenBack {
        order: String,
        credits: i64,
    },
    Waived,
}

struct Hold {
    until: Instant,
    left: i64,
    ended: Option<&'static str>,
}

#[derive(Clone, Copy)]
struct Pack {
    credits: i64,
    minor: u64,
    /// What of the money went back, and what is disputed.
    returned: u64,
    disputed: u64,
}

/// In whole credits, and in cents.
fn pack(name: &str) -> Pack {
    let (credits, minor) = match name {
        "starter" => (500, 4_900),
        "team" => (2_500, 19_900),
        _ => panic!("the model does not know the pack {name}"),
    };
    Pack { credits: credits * 1_000_000, minor, returned: 0, disputed: 0 }
}

/// Whether a plan has AI, its weekly and its monthly bundle.
fn plan(name: &str) -> (bool, i64, i64) {
    match name {
        "free" => (true, 25_000_000, 0),
        "pro" => (true, 0, 2_500_000_000),
        "standard" => (false, 0, 0),
        _ => panic!("the model does not know the plan {name}"),
    }
}

impl Player for Model {
    async fn clock(&mut self, now: Instant) {
        self.now = now;
    }

    async fn play(&mut self, account: &str, deed: &Deed<'_>) -> Said {
        let now = self.now;
        if let Deed::Open { .. } = deed {
            self.accounts.insert(account.to_owned(), Modeled::default());
        }
        match self.accounts.get_mut(account) {
            Some(account) => account.play(deed, now),
            None => Said::refused("account_not_found"),
        }
    }
}

impl Modeled {
    fn play(&mut self, deed: &Deed<'_>, now: Instant) -> Said {
        self.lapse(now);
        let Some(operation) = operation(deed) else { return self.act(deed, now) };
        let asked = format!("{deed:?}");
        if let Some((before, said)) = self.done.get(operation) {
            return match *before == asked {
                true => Said { same_receipt: true, ..said.clone() },
                false => Said::refused("operation_reused"),
            };
        }
        let said = self.act(deed, now);
        if said.code.is_none() {
            self.done.insert(operation.to_owned(), (asked, said.clone()));
        }
        said
    }

    /// A hold that is over was never made, but for what was captured of it.
    fn lapse(&mut self, now: Instant) {
        let holds = self.holds.iter();
        let over = holds.filter(|(_, hold)| hold.ended.is_none() && hold.until <= now);
        for name in over.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.end(&name, "lapsed");
        }
    }

    fn end(&mut self, name: &str, how: &'static str) {
        let hold = self.holds.get_mut(name).expect("a hold");
        let left = std::mem::take(&mut hold.left);
        hold.ended = Some(how);
        self.give_back(name, left);
    }

    fn give_back(&mut self, operation: &str, credits: i64) {
        for (_, fact) in &mut self.facts {
            if let Fact::Charged { operation: charged, credits: of } = fact
                && charged == operation
            {
                *of -= credits;
            }
        }
    }

    fn act(&mut self, deed: &Deed<'_>, now: Instant) -> Said {
        match *deed {
            Deed::Clock(_) => unreachable!("the clock is not an account's"),
            Deed::Grant { until: Some(until), .. } if until <= now => {
                Said::refused("grant_expired")
            }
            Deed::Open { plan, anchor } | Deed::Plan { plan, anchor } => {
                let anchor = anchor.map(|day| day.parse().expect("a day"));
                self.happen(now, Fact::Plan { plan: plan.to_owned(), anchor })
            }
            Deed::Freeze | Deed::Unfreeze => {
                self.frozen = matches!(deed, Deed::Freeze);
                self.receipt(now)
            }
            Deed::Grant { credits, until } => {
                self.happen(now, Fact::Grant { credits: credits.micro(), until })
            }
            Deed::Debit { credits, operation } => self.charge(now, operation, credits.micro()),
            Deed::Hold { credits, life_s, operation } => {
                let until = Instant::from_ms(now.ms() + life_s * 1000);
                let hold = Hold { until, left: credits.micro(), ended: None };
                let charged = self.charge(now, operation, credits.micro());
                if charged.code.is_some() {
                    return charged;
                }
                self.holds.insert(operation.to_owned(), hold);
                self.receipt(now)
            }
            Deed::Capture { hold: name, credits, ends, .. } => match self.open(name) {
                Err(refused) => refused,
                Ok(hold) if hold.left < credits.micro() => {
                    Said { held: micro(hold.left), ..Said::refused("hold_exceeded") }
                }
                Ok(hold) => {
                    hold.left -= credits.micro();
                    if ends || hold.left == 0 {
                        self.end(name, "captured");
                    }
                    self.receipt(now)
                }
            },
            Deed::Release { hold: name, .. } => match self.open(name) {
                Err(refused) => refused,
                Ok(_) => {
                    self.end(name, "released");
                    self.receipt(now)
                }
            },
            Deed::Extend { hold: name, life_s, .. } => match self.open(name) {
                Err(refused) => refused,
                Ok(hold) => {
                    hold.until = hold.until.max(Instant::from_ms(now.ms() + life_s * 1000));
                    self.receipt(now)
                }
            },
            Deed::Refund { debit, credits, .. } => self.refund(now, debit, credits.micro()),
            Deed::Balance => self.balance(now),
            Deed::Buy { pack: name, order } => {
                let pack = pack(name);
                self.happen(now, Fact::Bought { order: order.to_owned(), pack });
                self.balance(now)
            }
            Deed::Return { order, minor } => self.told(now, order, |pack| {
                pack.returned += minor.unwrap_or(pack.minor - pack.returned);
            }),
            Deed::Dispute { order } => {
                self.told(now, order, |pack| pack.disputed = pack.minor - pack.returned)
            }
            Deed::Lose { order } => self.told(now, order, |_| {}),
            Deed::Win { order } => self.told(now, order, |pack| pack.disputed = 0),
            Deed::Waive => match self.balance(now).debt.is_zero() {
                true => Said::refused("no_debt"),
                false => self.happen(now, Fact::Waived),
            },
        }
    }

    fn happen(&mut self, now: Instant, fact: Fact) -> Said {
        self.facts.push((now, fact));
        self.receipt(now)
    }

    /// Spends credits, or sets them aside: each is a charge until it is undone.
    fn charge(&mut self, now: Instant, operation: &str, credits: i64) -> Said {
        let replayed = self.replay(now);
        let available = Some(micro(replayed.available(now)));
        let no = if self.frozen {
            "account_frozen"
        } else if !replayed.ai {
            "plan_required"
        } else if replayed.available(now) < credits {
            "insufficient_credits"
        } else {
            return self.happen(now, Fact::Charged { operation: operation.to_owned(), credits });
        };
        Said { available, ..Said::refused(no) }
    }

    fn open(&mut self, name: &str) -> Result<&mut Hold, Said> {
        let hold = self.holds.get_mut(name).ok_or_else(|| Said::refused("hold_not_found"))?;
        match hold.ended {
            Some(how) => Err(Said { ended: Some(how.to_owned()), ..Said::refused("hold_ended") }),
            None => Ok(hold),
        }
    }

    fn refund(&mut self, now: Instant, debit: &str, credits: i64) -> Said {
        // A hold is no debit.
        let left = self.facts.iter().find_map(|(_, fact)| match fact {
            Fact::Charged { operation, credits } if operation == debit => Some(*credits),
            _ => None,
        });
        let Some(left) = left.filter(|_| !self.holds.contains_key(debit)) else {
            return Said::refused("debit_not_found");
        };
        let refunded = self.refunded.entry(debit.to_owned()).or_default();
        if left < credits {
            return Said { refunded: micro(*refunded), ..Said::refused("refund_exceeded") };
        }
        *refunded += credits;
        self.give_back(debit, credits);
        self.receipt(now)
    }

    /// Something is said about a payment: what was taken back of it is what is not due any more.
    fn told(&mut self, now: Instant, order: &str, says: impl FnOnce(&mut Pack)) -> Said {
        let of_order = self.facts.iter_mut().find_map(|(_, fact)| match fact {
            Fact::Bought { order: bought, pack } if bought == order => Some(pack),
            _ => None,
        });
        let pack = of_order.expect("it was bought");
        says(pack);
        let kept = pack.minor - pack.returned - pack.disputed;
        let due = i128::from(pack.credits) * i128::from(kept) / i128::from(pack.minor);
        let mut to_take = pack.credits - i64::try_from(due).expect("at most the pack");
        // What was taken back at its time stays so; what was given back was never taken.
        for (_, fact) in &mut self.facts {
            if let Fact::TakenBack { order: taken, credits } = fact
                && taken == order
            {
                *credits = to_take.min(*credits);
                to_take -= *credits;
            }
        }
        self.happen(now, Fact::TakenBack { order: order.to_owned(), credits: to_take });
        self.balance(now)
    }

    fn receipt(&self, now: Instant) -> Said {
        Said { debt: Credits::ZERO, ..self.balance(now) }
    }

    fn balance(&self, now: Instant) -> Said {
        let replayed = self.replay(now);
        let held = self.holds.values().map(|hold| hold.left).sum();
        let (available, debt) = (Some(micro(replayed.available(now))), micro(replayed.debt));
        Said { available, held: micro(held), debt, ..Said::default() }
    }

    fn replay(&self, now: Instant) -> Replayed {
        let mut replayed = Replayed::default();
        for (at, fact) in &self.facts {
            replayed.turn(*at);
            replayed.apply(*at, fact);
        }
        replayed.turn(now);
        replayed
    }
}

/// The caller's name for what it asks for once.
fn operation<'a>(deed: &Deed<'a>) -> Option<&'a str> {
    match *deed {
        Deed::Debit { operation, .. }
        | Deed::Hold { operation, .. }
        | Deed::Capture { operation, .. }
        | Deed::Release { operation, .. }
        | Deed::Extend { operation, .. }
        | Deed::Refund { operation, .. } => Some(operation),
        _ => None,
    }
}

/// An account as its facts make it, one after the other.
#[derive(Default)]
struct Replayed {
    ai: bool,
    weekly: i64,
    monthly: i64,
    anchor: Option<NaiveDate>,
    week: Given,
    month: Given,
    grants: Vec<Left>,
    debt: i64,
}

/// What the running week or month of the plan was given so far.
#[derive(Default)]
struct Given {
    end: Instant,
    credits: i64,
}

/// What is left of a grant.
struct Left {
    order: Option<String>,
    until: Option<Instant>,
    left: i64,
}

impl Replayed {
    fn apply(&mut self, at: Instant, fact: &Fact) {
        match fact {
            Fact::Plan { plan: name, anchor } => {
                (self.ai, self.weekly, self.monthly) = plan(name);
                self.anchor = anchor.or(self.anchor).or_else(|| Some(at.utc().date_naive()));
                self.turn(at);
                // What the running periods have not been given yet by another plan.
                for (size, given) in
                    [(self.weekly, &mut self.week), (self.monthly, &mut self.month)]
                {
                    let missing = (size - given.credits).max(0);
                    if missing > 0 {
                        given.credits = size;
                        let until = Some(given.end);
                        self.grants.push(Left { order: None, until, left: missing });
                    }
                }
            }
            Fact::Grant { credits, until } => {
                self.grants.push(Left { order: None, until: *until, left: *credits });
            }
            Fact::Charged { credits, .. } => {
                let mut rest = *credits;
                for grant in self.burn_order(at) {
                    let burnt = rest.min(grant.left);
                    grant.left -= burnt;
                    rest -= burnt;
                }
                assert_eq!(rest, 0, "what was charged was there");
            }
            Fact::Bought { order, pack } => {
                let until = at.utc().checked_add_months(Months::new(12)).expect("a year later");
                let until = Some(Instant::from_ms(until.timestamp_millis()));
                let left = pack.credits;
                self.grants.push(Left { order: Some(order.clone()), until, left });
            }
            Fact::TakenBack { order, credits } => {
                let of_order = |grant: &&mut Left| grant.order.as_ref() == Some(order);
                let grant = self.grants.iter_mut().find(of_order).expect("it was bought");
                let taken = grant.left.min(*credits);
                grant.left -= taken;
                self.debt += credits - taken;
            }
            Fact::Waived => self.debt = 0,
        }
        // What is bought repays what is owed.
        for grant in self.grants.iter_mut().filter(|grant| grant.order.is_some()) {
            let repaid = self.debt.min(grant.left);
            grant.left -= repaid;
            self.debt -= repaid;
        }
    }

    /// Gives what the week and the month of `now` are due, if they began since.
    fn turn(&mut self, now: Instant) {
        if self.week.end <= now {
            self.week = Given { end: next_monday(now), credits: self.weekly };
            self.grants.push(Left { order: None, until: Some(self.week.end), left: self.weekly });
        }
        if let Some(anchor) = self.anchor.filter(|_| self.month.end <= now && self.monthly > 0) {
            self.month = Given { end: next_month(anchor, now), credits: self.monthly };
            self.grants.push(Left { order: None, until: Some(self.month.end), left: self.monthly });
        }
    }

    /// What can be spent, the soonest to expire first, then free before bought, then the oldest.
    fn burn_order(&mut self, now: Instant) -> Vec<&mut Left> {
        let grants = self.grants.iter_mut();
        let mut lasting: Vec<_> = grants.filter(|grant| grant.lasts(now)).collect();
        lasting.sort_by_key(|grant| (grant.until.unwrap_or(Instant::MAX), grant.order.is_some()));
        lasting
    }

    fn available(&self, now: Instant) -> i64 {
        self.grants.iter().filter(|grant| grant.lasts(now)).map(|grant| grant.left).sum()
    }
}

impl Left {
    fn lasts(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

fn next_monday(now: Instant) -> Instant {
    let monday = instant("2026-01-05T00:00:00Z").ms();
    let week = 7 * 24 * 3600 * 1000;
    Instant::from_ms(monday + ((now.ms() - monday).div_euclid(week) + 1) * week)
}

/// The first start of a plan's months after `now`: each counted from the first, so that the 31st
/// comes back after a short month.
fn next_month(anchor: NaiveDate, now: Instant) -> Instant {
    let starts = (0..).map(|n| anchor.checked_add_months(Months::new(n)).expect("a day"));
    let mut starts = starts.map(|day| instant(&format!("{day}T00:00:00Z")));
    starts.find(|start| now < *start).expect("there is always a next month")
}

fn micro(credits: i64) -> Credits {
    Credits::from_micro(credits)
}

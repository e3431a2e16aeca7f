//! An account computed from its facts, one after the other: weeks, months, and the burn order.

use chrono::{Months, NaiveDate};
use shared::domain::Instant;

use crate::support::instant;

/// An event of an account that was not undone.
pub(super) enum Fact {
    Plan {
        plan: String,
        anchor: Option<NaiveDate>,
    },
    Grant {
        credits: i64,
        until: Option<Instant>,
    },
    /// The charge of a debit less its refunds, or the held and captured credits of a hold.
    Charged {
        operation: String,
        credits: i64,
    },
    Bought {
        order: String,
        pack: Pack,
    },
    /// Credits of an order were taken back.
    TakenBack {
        order: String,
        credits: i64,
    },
    Waived,
}

#[derive(Clone, Copy)]
pub(super) struct Pack {
    pub(super) credits: i64,
    pub(super) minor: u64,
    /// The cents that went back, and those that are disputed.
    pub(super) returned: u64,
    pub(super) disputed: u64,
}

/// Credits in micro-credits, and the price in cents.
pub(super) fn pack(name: &str) -> Pack {
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

/// An account computed from its facts, one after the other.
#[derive(Default)]
pub(super) struct Replayed {
    pub(super) ai: bool,
    weekly: i64,
    monthly: i64,
    anchor: Option<NaiveDate>,
    week: Given,
    month: Given,
    grants: Vec<Left>,
    pub(super) debt: i64,
}

/// The credits that the running week or month of the plan has granted so far.
#[derive(Default)]
struct Given {
    end: Instant,
    credits: i64,
}

/// The remaining credits of a grant.
struct Left {
    order: Option<String>,
    until: Option<Instant>,
    left: i64,
}

impl Replayed {
    pub(super) fn of(facts: &[(Instant, Fact)], now: Instant) -> Replayed {
        let mut replayed = Replayed::default();
        for (at, fact) in facts {
            replayed.turn(*at);
            replayed.apply(*at, fact);
        }
        replayed.turn(now);
        replayed
    }

    fn apply(&mut self, at: Instant, fact: &Fact) {
        match fact {
            Fact::Plan { plan: name, anchor } => {
                (self.ai, self.weekly, self.monthly) = plan(name);
                self.anchor = anchor.or(self.anchor).or_else(|| Some(at.utc().date_naive()));
                self.turn(at);
                // Grants the part of the running periods that another plan has not granted yet.
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
                // Including all of the day on which a year is over.
                let last = at.utc().date_naive().checked_add_months(Months::new(12));
                let end = last.and_then(|day| day.succ_opt()?.and_hms_opt(0, 0, 0));
                let end = end.expect("a year later").and_utc().timestamp_millis();
                let until = Some(Instant::from_ms(end));
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
        // Bought credits repay the debt.
        for grant in self.grants.iter_mut().filter(|grant| grant.order.is_some()) {
            let repaid = self.debt.min(grant.left);
            grant.left -= repaid;
            self.debt -= repaid;
        }
    }

    /// Grants the week's and the month's bundle, if they began since.
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

    /// The grants that can be spent, soonest expiry first,
    /// then free before bought, then the oldest.
    fn burn_order(&mut self, now: Instant) -> Vec<&mut Left> {
        let grants = self.grants.iter_mut();
        let mut lasting: Vec<_> = grants.filter(|grant| grant.lasts(now)).collect();
        lasting.sort_by_key(|grant| (grant.until.unwrap_or(Instant::MAX), grant.order.is_some()));
        lasting
    }

    pub(super) fn available(&self, now: Instant) -> i64 {
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

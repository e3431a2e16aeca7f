//! The model: an account in the fewest words, without a table, segments or a burn order.
//!
//! It keeps operations and forgets those that were undone: a released hold was never made, a
//! refunded debit was never charged, a won dispute was never opened. Every answer is computed from
//! the beginning, so an undone operation leaves no trace.

use std::collections::BTreeMap;

use shared::domain::{Credits, Instant};

use super::language::{Effect, Player, Reply};
use super::replay::{Fact, Pack, Replayed, pack};

#[derive(Default)]
pub(super) struct Model {
    now: Instant,
    accounts: BTreeMap<String, Modeled>,
}

/// The events of an account.
#[derive(Default)]
struct Modeled {
    facts: Vec<(Instant, Fact)>,
    frozen: bool,
    holds: BTreeMap<String, Hold>,
    /// The refunded part of each debit.
    refunded: BTreeMap<String, i64>,
    /// Each operation: the request, and the answer.
    done: BTreeMap<String, (String, Reply)>,
}

struct Hold {
    until: Instant,
    left: i64,
    ended: Option<&'static str>,
}

impl Player for Model {
    async fn clock(&mut self, now: Instant) {
        self.now = now;
    }

    async fn play(&mut self, account: &str, effect: &Effect<'_>) -> Reply {
        let now = self.now;
        if let Effect::Open { .. } = effect {
            self.accounts.insert(account.to_owned(), Modeled::default());
        }
        match self.accounts.get_mut(account) {
            Some(account) => account.play(effect, now),
            None => Reply::refused("account_not_found"),
        }
    }
}

impl Modeled {
    fn play(&mut self, effect: &Effect<'_>, now: Instant) -> Reply {
        self.lapse(now);
        let Some(operation) = operation(effect) else { return self.act(effect, now) };
        let asked = format!("{effect:?}");
        if let Some((before, said)) = self.done.get(operation) {
            return match *before == asked {
                true => Reply { same_receipt: true, ..said.clone() },
                false => Reply::refused("operation_reused"),
            };
        }
        let said = self.act(effect, now);
        if said.code.is_none() {
            self.done.insert(operation.to_owned(), (asked, said.clone()));
        }
        said
    }

    /// A lapsed hold counts as never made, except for its captured part.
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

    fn act(&mut self, effect: &Effect<'_>, now: Instant) -> Reply {
        match *effect {
            Effect::Clock(_) => unreachable!("the clock is not an account's"),
            Effect::Grant { until: Some(until), .. } if until <= now => {
                Reply::refused("grant_expired")
            }
            Effect::Open { plan, anchor } | Effect::Plan { plan, anchor } => {
                let anchor = anchor.map(|day| day.parse().expect("a day"));
                self.happen(now, Fact::Plan { plan: plan.to_owned(), anchor })
            }
            Effect::Freeze | Effect::Unfreeze => {
                self.frozen = matches!(effect, Effect::Freeze);
                self.receipt(now)
            }
            Effect::Grant { credits, until } => {
                self.happen(now, Fact::Grant { credits: credits.micro(), until })
            }
            Effect::Debit { credits, operation } => self.charge(now, operation, credits.micro()),
            Effect::Hold { credits, life_s, operation } => {
                let until = Instant::from_ms(now.ms() + life_s * 1000);
                let hold = Hold { until, left: credits.micro(), ended: None };
                let charged = self.charge(now, operation, credits.micro());
                if charged.code.is_some() {
                    return charged;
                }
                self.holds.insert(operation.to_owned(), hold);
                self.receipt(now)
            }
            Effect::Capture { hold: name, credits, ends, .. } => match self.open(name) {
                Err(refused) => refused,
                Ok(hold) if hold.left < credits.micro() => {
                    Reply { held: micro(hold.left), ..Reply::refused("hold_exceeded") }
                }
                Ok(hold) => {
                    hold.left -= credits.micro();
                    if ends || hold.left == 0 {
                        self.end(name, "captured");
                    }
                    self.receipt(now)
                }
            },
            Effect::Release { hold: name, .. } => match self.open(name) {
                Err(refused) => refused,
                Ok(_) => {
                    self.end(name, "released");
                    self.receipt(now)
                }
            },
            Effect::Extend { hold: name, life_s, .. } => match self.open(name) {
                Err(refused) => refused,
                Ok(hold) => {
                    hold.until = hold.until.max(Instant::from_ms(now.ms() + life_s * 1000));
                    self.receipt(now)
                }
            },
            Effect::Refund { debit, credits, .. } => self.refund(now, debit, credits.micro()),
            Effect::Balance => self.balance(now),
            Effect::Buy { pack: name, order } => {
                let pack = pack(name);
                self.happen(now, Fact::Bought { order: order.to_owned(), pack });
                self.balance(now)
            }
            Effect::Return { order, minor } => self.told(now, order, |pack| {
                pack.returned += minor.unwrap_or(pack.minor - pack.returned);
            }),
            Effect::Dispute { order } => {
                self.told(now, order, |pack| pack.disputed = pack.minor - pack.returned)
            }
            Effect::Lose { order } => self.told(now, order, |_| {}),
            Effect::Win { order } => self.told(now, order, |pack| pack.disputed = 0),
            Effect::Waive => match self.balance(now).debt.is_zero() {
                true => Reply::refused("no_debt"),
                false => self.happen(now, Fact::Waived),
            },
        }
    }

    fn happen(&mut self, now: Instant, fact: Fact) -> Reply {
        self.facts.push((now, fact));
        self.receipt(now)
    }

    /// Spends or holds credits: each is a charge until it is undone.
    fn charge(&mut self, now: Instant, operation: &str, credits: i64) -> Reply {
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
        Reply { available, ..Reply::refused(no) }
    }

    fn open(&mut self, name: &str) -> Result<&mut Hold, Reply> {
        let hold = self.holds.get_mut(name).ok_or_else(|| Reply::refused("hold_not_found"))?;
        match hold.ended {
            Some(how) => Err(Reply { ended: Some(how.to_owned()), ..Reply::refused("hold_ended") }),
            None => Ok(hold),
        }
    }

    fn refund(&mut self, now: Instant, debit: &str, credits: i64) -> Reply {
        // A hold is no debit.
        let left = self.facts.iter().find_map(|(_, fact)| match fact {
            Fact::Charged { operation, credits } if operation == debit => Some(*credits),
            _ => None,
        });
        let Some(left) = left.filter(|_| !self.holds.contains_key(debit)) else {
            return Reply::refused("debit_not_found");
        };
        let refunded = self.refunded.entry(debit.to_owned()).or_default();
        if left < credits {
            return Reply { refunded: micro(*refunded), ..Reply::refused("refund_exceeded") };
        }
        *refunded += credits;
        self.give_back(debit, credits);
        self.receipt(now)
    }

    /// A payment changes: the credits taken back are those that are not due any more.
    fn told(&mut self, now: Instant, order: &str, says: impl FnOnce(&mut Pack)) -> Reply {
        let of_order = self.facts.iter_mut().find_map(|(_, fact)| match fact {
            Fact::Bought { order: bought, pack } if bought == order => Some(pack),
            _ => None,
        });
        let pack = of_order.expect("it was bought");
        says(pack);
        let kept = pack.minor - pack.returned - pack.disputed;
        let due = i128::from(pack.credits) * i128::from(kept) / i128::from(pack.minor);
        let mut to_take = pack.credits - i64::try_from(due).expect("at most the pack");
        // Credits taken back at their time stay so; credits given back were never taken.
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

    fn receipt(&self, now: Instant) -> Reply {
        Reply { debt: Credits::ZERO, ..self.balance(now) }
    }

    fn balance(&self, now: Instant) -> Reply {
        let replayed = self.replay(now);
        let held = self.holds.values().map(|hold| hold.left).sum();
        let (available, debt) = (Some(micro(replayed.available(now))), micro(replayed.debt));
        Reply { available, held: micro(held), debt, ..Reply::default() }
    }

    fn replay(&self, now: Instant) -> Replayed {
        Replayed::of(&self.facts, now)
    }
}

/// The scenario's name of an operation.
fn operation<'a>(effect: &Effect<'a>) -> Option<&'a str> {
    match *effect {
        Effect::Debit { operation, .. }
        | Effect::Hold { operation, .. }
        | Effect::Capture { operation, .. }
        | Effect::Release { operation, .. }
        | Effect::Extend { operation, .. }
        | Effect::Refund { operation, .. } => Some(operation),
        _ => None,
    }
}

fn micro(credits: i64) -> Credits {
    Credits::from_micro(credits)
}

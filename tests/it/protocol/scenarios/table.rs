//! The commands on the embedded table. A payment reaches them as the facts that Stripe's objects
//! would give.

use std::collections::BTreeMap;

use shared::command::payment::NoticeOutcome;
use shared::command::{self, Receipted};
use shared::context::Context;
use shared::decide::debit::Charge;
use shared::decide::hold::CapturePart;
use shared::decide::open::PlanRequest;
use shared::decide::operation::{Ask, Request};
use shared::decide::refund::RefundRequest;
use shared::decide::{AccountWrite, Made, grant, open, payment, plan};
use shared::domain::entry::Explanation;
use shared::domain::instant::Span;
use shared::domain::payment::{Dispute, DisputeStage, Facts, IntentId, Refund, RefundStage};
use shared::domain::period::{Anchor, Day};
use shared::domain::{
    AccountId, Catalog, CheckoutRequest, GrantKind, Instant, Key, KeySpace, Money, OperationId,
    Order, Refusal, payment as paid,
};
use shared::failure::Failure;
use shared::query;

use super::language::{Effect, Player, Reply};
use crate::support::Stack;

pub(super) struct Table {
    stack: Stack,
    /// The ids of operations, by the scenario's own names.
    ids: BTreeMap<String, OperationId>,
    orders: BTreeMap<String, Bought>,
    /// The number of operators' operations: each has a key of its own.
    operations: usize,
}

/// An order, and how much of its payment went back so far.
struct Bought {
    order: Order,
    returned: u64,
    returns: usize,
}

impl Table {
    pub(super) async fn noon() -> Table {
        Table {
            stack: Stack::noon().await,
            ids: BTreeMap::new(),
            orders: BTreeMap::new(),
            operations: 0,
        }
    }
}

type Answer = Result<Receipted, Failure>;

impl Player for Table {
    async fn clock(&mut self, now: Instant) {
        self.stack.clock.set(now);
    }

    async fn play(&mut self, account: &str, effect: &Effect<'_>) -> Reply {
        let context = self.stack.context().clone();
        let catalog = &*context.catalog().await;
        let account: AccountId = account.parse().expect("an account");
        match *effect {
            Effect::Clock(_) => unreachable!("the clock is not an account's"),
            Effect::Open { .. }
            | Effect::Plan { .. }
            | Effect::Freeze
            | Effect::Unfreeze
            | Effect::Grant { .. }
            | Effect::Waive => {
                self.operations += 1;
                let key = format!("operation {}", self.operations).parse().expect("a key");
                match operate(&context, catalog, &account, &key, effect).await {
                    // A plan's credits come with the advance after its receipt.
                    Ok(_) if matches!(effect, Effect::Plan { .. }) => {
                        balance(&context, catalog, &account).await
                    }
                    answer => said(answer),
                }
            }
            Effect::Debit { operation, .. }
            | Effect::Hold { operation, .. }
            | Effect::Capture { operation, .. }
            | Effect::Release { operation, .. }
            | Effect::Extend { operation, .. } => {
                let ask = self.ask(effect);
                let request = Request::new(account, ask);
                let key = operation.parse().expect("a key");
                let answer = command::operation(&context, catalog, &key, &request).await;
                if let Ok(done) = &answer {
                    self.ids.insert(operation.to_owned(), done.found.entry.id);
                }
                said(answer)
            }
            Effect::Refund { debit, credits, operation } => {
                let debit = self.id(debit);
                let explanation = explanation();
                let request = RefundRequest { debit, credits, explanation, reference: None };
                let key = operation.parse().expect("a key");
                said(command::refund(&context, catalog, &account, &key, &request, None).await)
            }
            Effect::Balance => balance(&context, catalog, &account).await,
            Effect::Buy { .. }
            | Effect::Return { .. }
            | Effect::Dispute { .. }
            | Effect::Lose { .. }
            | Effect::Win { .. } => {
                let (intent, facts) = self.facts(&context, catalog, &account, effect).await;
                let payment = paid::PaymentNotice::Payment { intent, facts };
                let heard =
                    command::payment::take_notice(&context, &payment, true).await.expect("heard");
                assert!(matches!(heard, NoticeOutcome::OrderUpdate(_)), "{effect:?}: {heard:?}");
                balance(&context, catalog, &account).await
            }
        }
    }
}

impl Table {
    /// An id that does not exist stands for an operation that never happened.
    fn id(&self, name: &str) -> OperationId {
        let never = || OperationId::mint(Instant::EPOCH, [0; 10]);
        self.ids.get(name).copied().unwrap_or_else(never)
    }

    fn ask(&self, effect: &Effect<'_>) -> Ask {
        match *effect {
            Effect::Debit { credits, .. } => Ask::Debit(Charge::Credits(credits)),
            Effect::Hold { credits, life_s, .. } => {
                Ask::Hold { charge: Charge::Credits(credits), life: Span::from_s(life_s) }
            }
            Effect::Capture { hold, credits, ends, .. } => Ask::Capture {
                hold: self.id(hold),
                part: CapturePart::Credits(credits),
                ends,
                beyond: false,
            },
            Effect::Release { hold, .. } => Ask::Release { hold: self.id(hold) },
            Effect::Extend { hold, life_s, .. } => {
                Ask::Extend { hold: self.id(hold), life: Span::from_s(life_s) }
            }
            _ => unreachable!("no service asks for {effect:?}"),
        }
    }

    /// Stripe's facts about a payment, once the effect is applied.
    async fn facts(
        &mut self,
        context: &Context,
        catalog: &Catalog,
        account: &AccountId,
        effect: &Effect<'_>,
    ) -> (IntentId, Facts) {
        let mut facts = Facts::default();
        let name = match *effect {
            Effect::Buy { pack, order } => {
                let posted = place(context, catalog, account, order, pack).await;
                facts.orders.insert(posted.id);
                facts.accounts.insert(account.to_string());
                facts.modes.insert(false);
                facts.submitted = true;
                facts.paid.insert(posted.price);
                let bought = Bought { order: posted, returned: 0, returns: 0 };
                self.orders.insert(order.to_owned(), bought);
                order
            }
            Effect::Return { order, minor } => {
                let bought = self.orders.get_mut(order).expect("it was bought");
                let minor = minor.unwrap_or(bought.order.price.minor - bought.returned);
                bought.returned += minor;
                bought.returns += 1;
                let money = Money { minor, ..bought.order.price };
                let refund = Refund { stage: RefundStage::Going, money };
                facts.refunds.insert(format!("re_{}", bought.returns), refund);
                order
            }
            Effect::Dispute { order } | Effect::Lose { order } | Effect::Win { order } => {
                let stage = match effect {
                    Effect::Lose { .. } => DisputeStage::Lost,
                    Effect::Win { .. } => DisputeStage::Won,
                    _ => DisputeStage::Open,
                };
                let bought = &self.orders[order];
                let minor = bought.order.price.minor - bought.returned;
                let money = Money { minor, ..bought.order.price };
                facts.disputes.insert("du_1".to_owned(), Dispute { stage, money });
                order
            }
            _ => unreachable!("no payment is made by {effect:?}"),
        };
        let intent = format!("pi_{}", self.orders[name].order.id.to_string().replace('-', "_"));
        (intent.parse().expect("the id of a payment"), facts)
    }
}

async fn place(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    order: &str,
    pack: &str,
) -> Order {
    let request = CheckoutRequest {
        pack: pack.to_owned(),
        user: None,
        return_url: "https://app.example.com/credits".to_owned(),
        live: false,
    };
    let key = order.parse().expect("a key");
    command::order::place(context, catalog, account, &key, &request).await.expect("an order")
}

/// Runs an operator's command.
async fn operate(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    key: &Key,
    effect: &Effect<'_>,
) -> Answer {
    let explanation = explanation();
    let receipted = async |content: String, make: &command::Make<'_>| {
        let space = KeySpace::Operators;
        command::receipted(context, catalog, account, space, key, &content, make).await
    };
    match *effect {
        Effect::Open { plan, anchor } => {
            let request = plan_request(plan, anchor);
            receipted(request.content(), &|_, now, id| {
                let opened = open::open(account, &request, id, catalog, None, now)?;
                Ok(Made::Change(AccountWrite::open(Box::new(opened))))
            })
            .await
        }
        Effect::Plan { plan, anchor } => {
            let request = plan_request(plan, anchor);
            receipted(request.content(), &|before, now, id| {
                let before = before.ok_or_else(|| Refusal::no_account(account))?;
                plan::change(before, &request, id, catalog, None, now)
            })
            .await
        }
        Effect::Freeze | Effect::Unfreeze => {
            let frozen = matches!(effect, Effect::Freeze);
            receipted(plan::freeze_content(frozen, &explanation), &|before, now, id| {
                let before = before.ok_or_else(|| Refusal::no_account(account))?;
                let freeze = plan::freeze;
                Ok(Made::Change(freeze(before, frozen, &explanation, id, catalog, None, now)))
            })
            .await
        }
        Effect::Grant { credits, until } => {
            let request = grant::GrantRequest {
                credits,
                explanation: explanation.clone(),
                kind: GrantKind::Manual,
                reference: None,
                expires_at: until,
            };
            receipted(request.content(), &|before, now, id| {
                let before = before.ok_or_else(|| Refusal::no_account(account))?;
                grant::change(before, &request, id, catalog, None, now).map(Made::Change)
            })
            .await
        }
        Effect::Waive => {
            receipted(payment::waive_content(&explanation), &|before, now, id| {
                let before = before.ok_or_else(|| Refusal::no_account(account))?;
                payment::waive(before, &explanation, id, catalog, None, now).map(Made::Change)
            })
            .await
        }
        _ => unreachable!("no operator does {effect:?}"),
    }
}

fn plan_request(plan: &str, anchor: Option<&str>) -> PlanRequest {
    let anchor = anchor.map(|day| Anchor(Day::parse(day).expect("a day")));
    PlanRequest { anchor, ..PlanRequest::of(plan) }
}

async fn balance(context: &Context, catalog: &Catalog, account: &AccountId) -> Reply {
    match query::balance(context, catalog, account).await {
        Ok(now) => {
            let account = now.advanced.account;
            let (held, debt) = (account.held(), account.debt());
            Reply { available: Some(account.available), held, debt, ..Reply::default() }
        }
        Err(failure) => no(failure),
    }
}

fn said(answer: Answer) -> Reply {
    match answer {
        Ok(Receipted { found, replayed }) => Reply {
            available: Some(found.available),
            held: found.held,
            same_receipt: replayed,
            ..Reply::default()
        },
        Err(failure) => no(failure),
    }
}

fn no(failure: Failure) -> Reply {
    let Failure::Refusal(refusal) = failure else { panic!("{failure:?}") };
    let said = Reply::refused(refusal.code());
    match refusal {
        Refusal::InsufficientCredits { available, .. }
        | Refusal::PlanRequired { available, .. }
        | Refusal::AccountFrozen { available, .. } => Reply { available: Some(available), ..said },
        Refusal::HoldEnded { ended, .. } => {
            let ended = serde_json::to_value(ended).expect("a word");
            Reply { ended: ended.as_str().map(str::to_owned), ..said }
        }
        Refusal::HoldExceeded { held, .. } => Reply { held, ..said },
        Refusal::RefundExceeded { refunded, .. } => Reply { refunded, ..said },
        _ => said,
    }
}

fn explanation() -> Explanation {
    Explanation { reason: "a scenario".to_owned(), message: None }
}

//! Members: the operations of one run, each with its own progress.

use std::sync::Arc;

use super::maintenance::seen;
use super::{Receipted, Run, known, until_known};
use crate::decide::batch::Mode;
use crate::decide::debit::{self, Charge, Price};
use crate::decide::hold::{self, CapturePart};
use crate::decide::limit::{self, InForce, NO_LIMITS, Terms};
use crate::decide::operation::{self, Ask, Attempt, Request};
use crate::decide::replay;
use crate::decide::{
    DEDUP_WINDOW, KeyAlias, MAX_CLOCK_AHEAD, MAX_KEY_AHEAD, MAX_WAIT_AHEAD, Row, STAMP_MARGIN,
};
use crate::domain::entry::Quantity;
use crate::domain::hold::HeldFor;
use crate::domain::instant::Span;
use crate::domain::ledger::PostedEntry;
use crate::domain::{Account, AccountId, Instant, Key, OperationId, Refusal};
use crate::failure::Failure;
use crate::metrics::Metric;
use crate::store::{Outcome, StoreError, no_catalog};

/// One operation in progress.
pub(super) struct Member<'a> {
    pub(super) key: &'a Key,
    pub(super) request: &'a Request,
    mode: Mode,
    state: State,
}

/// The progress of an operation.
enum State {
    Done(Box<Receipted>),
    Refused(Refusal),
    /// It may happen under this id. The id is the key itself, or the key has an alias for it.
    New {
        id: OperationId,
        named: bool,
        /// Or why a capture by meters has none.
        price: Result<Price, Refusal>,
    },
}

impl<'a> Member<'a> {
    /// An operation that has a price, or is refused for having none.
    pub(super) async fn begin(
        run: &Run<'_>,
        mode: Mode,
        (key, request): (&'a Key, &'a Request),
        price: Result<Price, Refusal>,
    ) -> Result<Member<'a>, Failure> {
        let state = match (price, key.id()) {
            (Err(refusal), _) => State::Refused(refusal),
            (Ok(price), Some(id)) => State::New { id, named: false, price: Ok(price) },
            (Ok(price), None) => {
                let id = key_alias(run, key, &request.account, None).await?;
                State::New { id, named: true, price: Ok(price) }
            }
        };
        Ok(Member { key, request, mode, state })
    }

    /// The id under which it may happen. None: it is done or refused.
    pub(super) fn id(&self) -> Option<OperationId> {
        match self.state {
            State::New { id, .. } => Some(id),
            State::Done(_) | State::Refused(_) => None,
        }
    }

    /// Whether limits may be in force for it.
    pub(super) fn counts(&self) -> bool {
        match &self.request.ask {
            Ask::Debit(_) | Ask::Hold { .. } => self.request.counts_for().next().is_some(),
            Ask::Capture { beyond, .. } => *beyond,
            Ask::Release { .. } | Ask::Extend { .. } => false,
        }
    }

    /// Whether the limits in force for it cannot be found by these terms.
    pub(super) fn needs_terms(&self, run: &Run<'_>, terms: &Option<Arc<Terms>>) -> bool {
        let now = run.context.clock.now();
        // With terms they always can: so a debit finds its limits once.
        terms.is_none()
            && self.id().is_some()
            && self.request.limits_in_force(run.catalog, terms.as_deref(), now).is_none()
    }

    /// The limits in force for it; of a capture, for what it takes beyond its hold in `account`.
    /// None: that takes the account's terms.
    pub(super) fn limits(
        &self,
        run: &Run<'_>,
        account: Option<&Account>,
        terms: &Option<Arc<Terms>>,
        now: Instant,
    ) -> Option<InForce> {
        if self.id().is_none() {
            return Some(InForce::default());
        }
        let terms = terms.as_deref();
        match &self.request.ask {
            Ask::Capture { hold, beyond: true, .. } => {
                let held = account.and_then(|account| account.holds.get(hold));
                match held {
                    Some(held) => limit::of_hold(&held.limits, run.catalog, terms, now),
                    None => Some(InForce::default()),
                }
            }
            _ => self.request.limits_in_force(run.catalog, terms, now),
        }
    }

    pub(super) fn attempt<'b>(&'b self, limits: &'b InForce) -> Option<Attempt<'b>> {
        let State::New { id, named, price } = &self.state else { return None };
        let key = if *named { Some(self.key.as_str()) } else { self.key.shown() };
        let (request, no_price) = (self.request, price.as_ref().err());
        let price = price.as_ref().copied().unwrap_or(Price::none(0));
        Some(Attempt { request, price, id: *id, key, no_price, limits })
    }

    /// Prices a capture by meters, once its hold is known: by the rates that the hold had. If it has
    /// no price, that is a refusal of its own: what happened is answered before it, and a hold that
    /// is over.
    pub(super) async fn price_part(
        &mut self,
        run: &Run<'_>,
        account: &Account,
    ) -> Result<(), Failure> {
        let State::New { price, .. } = &mut self.state else { return Ok(()) };
        let Ask::Capture { hold, part: CapturePart::Meters(meters), ends, .. } = &self.request.ask
        else {
            return Ok(());
        };
        let held = account.holds.get(hold).map(|held| held.purpose);
        let priced = price.as_ref().is_ok_and(|price| price.quantity == Quantity::NONE);
        let Some(HeldFor::Call(call)) = held.filter(|_| priced) else { return Ok(()) };
        let catalog = run.context.catalog_of(call.catalog).await?;
        match hold::price_part(call, meters, *ends, &catalog) {
            Some(priced) => *price = priced,
            None => {
                let problem = format!("has no model {} of action {}", call.model, call.action);
                return Err(no_catalog(call.catalog, problem).into());
            }
        }
        Ok(())
    }

    /// Its receipt or its refusal. None: neither is known yet.
    pub(super) fn result(self) -> Option<Result<Receipted, Refusal>> {
        match self.state {
            State::Done(receipted) => Some(Ok(*receipted)),
            State::Refused(refusal) => Some(Err(refusal)),
            State::New { .. } => None,
        }
    }

    /// Records a receipt as the result.
    pub(super) fn done(&mut self, receipted: Receipted) {
        self.state = State::Done(Box::new(receipted));
    }

    /// Records a refusal as the result, if each operation stands alone.
    ///
    /// # Errors
    /// The failure itself, if it is of all operations of the run.
    pub(super) fn fails(&mut self, failure: Failure) -> Result<(), Failure> {
        match failure {
            Failure::Refusal(refusal) if self.mode == Mode::Each => {
                self.state = State::Refused(refusal);
                Ok(())
            }
            failure => Err(failure),
        }
    }

    /// Records the earlier operation as the result, if it is the same request.
    pub(super) async fn happened(
        &mut self,
        run: &Run<'_>,
        found: PostedEntry,
    ) -> Result<(), Failure> {
        let Some(attempt) = self.attempt(&NO_LIMITS) else { return Ok(()) };
        known(&self.request.account, &found)?;
        let version = found.entry.catalog;
        let replay = match self.request.ask.charge() {
            Some(Charge::Call { .. }) if version != run.catalog.version => {
                let named_by = run.context.catalog_of(version).await?;
                replay::replay(&attempt, &found.entry, &named_by)
            }
            _ => replay::replay(&attempt, &found.entry, run.catalog),
        };
        match replay {
            Ok(()) => self.done(Receipted { found, replayed: true }),
            Err(reused) => self.fails(reused.into())?,
        }
        Ok(())
    }

    /// How far the id's time is ahead of `now`. A key dated far ahead never becomes a key alias: in
    /// a moment it is an ordinary id, and would be charged again. If it is too far ahead to wait
    /// for, it is looked up, because another handler's clock may be further ahead. The look-up also
    /// asks DynamoDB whether it is this clock that is off.
    pub(super) async fn lead(&mut self, run: &Run<'_>, now: Instant) -> Result<Span, Failure> {
        let State::New { id, named, .. } = self.state else { return Ok(Span::from_ms(0)) };
        let lead = id.time() - now;
        if lead <= MAX_CLOCK_AHEAD {
            return Ok(lead);
        }
        if !named {
            run.context.metrics.add(Metric::KeysAhead, 1);
        }
        if lead <= MAX_WAIT_AHEAD {
            return Ok(lead);
        }
        match seen(run, &self.request.account, &id).await? {
            Some(found) => self.happened(run, found).await?,
            None if lead > MAX_KEY_AHEAD => {
                self.fails(Refusal::KeyAhead { server_time: now }.into())?;
            }
            None => return Err(StoreError::Ahead { lead_ms: lead.ms() }.into()),
        }
        Ok(Span::from_ms(0))
    }

    /// Whether the id was older than the deduplication window at `now` and has been dealt with: the
    /// operation happened, or it has another id now. For a while an earlier attempt may still be in
    /// flight; after that the old id can never be applied, and the key is treated like any other
    /// string.
    pub(super) async fn comes_of_age(
        &mut self,
        run: &Run<'_>,
        now: Instant,
    ) -> Result<bool, Failure> {
        let State::New { id, named, ref price } = self.state else { return Ok(false) };
        if id.time() > now + MAX_CLOCK_AHEAD {
            return Err(StoreError::Ahead { lead_ms: (id.time() - now).ms() }.into());
        }
        if now - id.time() <= DEDUP_WINDOW {
            return Ok(false);
        }
        let account = &self.request.account;
        match seen(run, account, &id).await? {
            Some(found) => self.happened(run, found).await?,
            None if now - id.time() <= DEDUP_WINDOW + STAMP_MARGIN => {
                return Err(StoreError::StillInFlight.into());
            }
            None => {
                let replaces = Some(id).filter(|_| named);
                let price = price.clone();
                let id = key_alias(run, self.key, account, replaces).await?;
                self.state = State::New { id, named: true, price };
            }
        }
        Ok(true)
    }
}

/// The id for which a key has an alias; a new one if the key has no alias, or has the one to
/// replace.
async fn key_alias(
    run: &Run<'_>,
    key: &Key,
    account: &AccountId,
    replaces: Option<OperationId>,
) -> Result<OperationId, Failure> {
    until_known(run, || async {
        let id = run.context.entropy.mint(run.context.clock.now());
        let name = KeyAlias { account: account.clone(), key: key.clone(), id, replaces };
        Ok(match run.context.store.commit(&operation::key_alias(name)).await? {
            Outcome::Done(_) => Some(id),
            Outcome::RowRefused(_, Some(Row::KeyAlias(there))) => Some(there.id),
            _ => None,
        })
    })
    .await
}

/// The price of a request. If the catalog no longer sells what it is for, the price is the one
/// charged, if the operation happened.
pub(super) async fn price_of(
    run: &Run<'_>,
    key: &Key,
    request: &Request,
) -> Result<Price, Failure> {
    let catalog = run.catalog.version;
    let Some(charge) = request.ask.charge() else { return Ok(Price::none(catalog)) };
    let refusal = match debit::price(charge, run.catalog) {
        Ok(price) => return Ok(price),
        Err(refusal) => refusal,
    };
    if charge.action().is_none_or(|action| !run.catalog.actions.contains_key(action)) {
        return Err(refusal.into());
    }
    let name = run.context.store.name(&request.account, key).await?.map(|name| name.id);
    for id in [key.id(), name].into_iter().flatten() {
        if let Some(found) = seen(run, &request.account, &id).await? {
            return Ok(Price { credits: -found.entry.available, ..Price::none(catalog) });
        }
    }
    Err(refusal.into())
}

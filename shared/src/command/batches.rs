//! Batches: several debits of one account, all of them or each by itself.

use super::member::{Member, price_of};
use super::operation::{BatchFailure, together};
use super::{Receipted, Run};
use crate::context::Context;
use crate::decide::batch::Mode;
use crate::decide::debit::Price;
use crate::decide::operation::Request;
use crate::domain::refusal::FieldProblem;
use crate::domain::{AccountId, Catalog, Key, Refusal};
use crate::failure::Failure;

/// Debits an account for all of `debits`, each once for its key; a debit that happened before
/// counts as done.
///
/// # Errors
/// [`BatchFailure`]: no debit happened that had not happened before. If it holds a
/// [`StoreError`](crate::store::StoreError), that is not known.
pub async fn batch(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    debits: &[(Key, Request)],
) -> Result<Vec<Receipted>, BatchFailure> {
    let results = run(context, catalog, account, debits, Mode::AllOrNothing).await?;
    Ok(results.into_iter().collect::<Result<_, Refusal>>()?)
}

/// Debits an account for each of `debits`, once for its key, as if they had been sent one after the
/// other at one instant: each happens if what those before it leave covers it. Returns the receipt
/// or the refusal of each, in their order.
///
/// # Errors
/// [`BatchFailure`] if the refusal is of all debits: there is no such account, or they are invalid.
/// If it holds a [`StoreError`](crate::store::StoreError), it is not known which debits happened.
pub async fn each(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    debits: &[(Key, Request)],
) -> Result<Vec<Result<Receipted, Refusal>>, BatchFailure> {
    run(context, catalog, account, debits, Mode::Each).await
}

async fn run(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    debits: &[(Key, Request)],
    mode: Mode,
) -> Result<Vec<Result<Receipted, Refusal>>, BatchFailure> {
    let run = &Run::begin(context, catalog);
    let prices = prices(run, debits, mode).await?;
    let mut members: Vec<Member<'_>> = Vec::with_capacity(debits.len());
    for (index, ((key, request), price)) in debits.iter().zip(prices).enumerate() {
        let failed = |failure| BatchFailure { index: Some(index), failure };
        let member = Member::begin(run, mode, (key, request), price).await;
        members.push(member.map_err(failed)?);
    }
    // A UUID and the ULID of the same bits are one id.
    let ids: Vec<_> = members.iter().map(|member| member.id().or(member.key.id())).collect();
    let again = (0..ids.len()).filter(|&n| ids[n].is_some() && ids[..n].contains(&ids[n]));
    let again: Vec<_> =
        again.map(|n| FieldProblem::new("id", "is repeated").within(&nth(n))).collect();
    match again.is_empty() {
        true => together(run, account, mode, members).await,
        false => Err(Refusal::InvalidRequest { fields: again }.into()),
    }
}

/// The price of each debit of a batch; or, if each stands alone, why it has none. If several debits
/// are invalid, the refusal names all of them.
async fn prices(
    run: &Run<'_>,
    debits: &[(Key, Request)],
    mode: Mode,
) -> Result<Vec<Result<Price, Refusal>>, BatchFailure> {
    let (mut prices, mut wrong) = (Vec::with_capacity(debits.len()), Vec::new());
    for (index, (key, request)) in debits.iter().enumerate() {
        match price_of(run, key, request).await {
            Ok(price) => prices.push(Ok(price)),
            Err(Failure::Refusal(Refusal::InvalidRequest { fields })) => {
                wrong.extend(fields.into_iter().map(|field| field.within(&nth(index))));
            }
            Err(Failure::Refusal(refusal)) if mode == Mode::Each => prices.push(Err(refusal)),
            Err(failure) => return Err(BatchFailure { index: Some(index), failure }),
        }
    }
    match wrong.is_empty() {
        true => Ok(prices),
        false => Err(Refusal::InvalidRequest { fields: wrong }.into()),
    }
}

/// The name of a debit of a batch in the names of its fields.
fn nth(index: usize) -> String {
    format!("debits[{index}]")
}

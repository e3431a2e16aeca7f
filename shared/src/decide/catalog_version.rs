//! Catalog versions: whether a catalog may follow another.

use super::{CatalogVersion, Expect, Row, RowWrite, Seen, Write};
use crate::domain::catalog::{Action, CatalogError, Pricing};
use crate::domain::instant::Span;
use crate::domain::period::{Day, week};
use crate::domain::rates::{MAX_TABLE_BYTES, MAX_TABLES, RateTable};
use crate::domain::{Catalog, CatalogFiles, Instant};

/// How far ahead the date of a new value must be by which accounts are advanced: by then every
/// function has read the catalog that has it.
pub const NOTICE: Span = Span::from_s(3_600);

/// The write that puts the catalog in `files` in force after `current`.
///
/// # Errors
/// [`CatalogError`] names the key that is wrong, or that breaks what entries and accounts rely on:
/// the version counts up by one, an action always keeps its number, and neither an action nor a
/// plan is removed. An action that is no longer sold says `retired = true`. A value by which
/// accounts are advanced (a plan's `ai`, `weekly`, `monthly` and `trial_monthly`, and
/// `spending_in_debt`) changes only from a date on, which is at least [`NOTICE`] ahead. A pack's
/// price must be an amount that Stripe can charge, and the brand's accent must be legible. An action
/// keeps its rate table, or has none as before; a model keeps its number and stays in its table,
/// `retired` if it is no longer sold. A table has at most [`MAX_TABLE_BYTES`], and a catalog at most
/// [`MAX_TABLES`].
pub fn publish(
    current: &Catalog,
    files: &CatalogFiles,
    now: Instant,
) -> Result<Write, CatalogError> {
    let next = Catalog::parse(files)?;
    next.chargeable()?;
    next.legible()?;
    storable(&next, files)?;
    follows(current, &next, now)?;
    let before = Seen::Version(u64::from(current.version));
    Ok(put(&next, files, Expect::AbsentOr(before)))
}

/// The write that puts a first catalog in force, where none is.
pub fn first(catalog: &Catalog, files: &CatalogFiles) -> Write {
    put(catalog, files, Expect::Absent)
}

/// `expect`: the condition on the catalog in force. The rows of the version are new in any case.
fn put(catalog: &Catalog, files: &CatalogFiles, expect: Expect) -> Write {
    let version = catalog.version;
    let catalog_version = CatalogVersion { version, text: files.catalog.clone() };
    let mut rows = vec![
        RowWrite::Put(Row::Catalog(catalog_version.clone()), expect),
        RowWrite::Put(Row::CatalogVersion(catalog_version), Expect::Absent),
    ];
    let tables = files.rates.iter().filter(|(name, _)| catalog.rates.contains_key(*name));
    rows.extend(tables.map(|(name, text)| {
        let (name, text) = (name.clone(), text.clone());
        RowWrite::Put(Row::RateTable { version, name, text }, Expect::Absent)
    }));
    Write { account: None, rows }
}

/// Whether the rate tables fit the rows that they are stored in.
fn storable(catalog: &Catalog, files: &CatalogFiles) -> Result<(), CatalogError> {
    let count = catalog.rates.len();
    if count > MAX_TABLES {
        let problem = format!("must name at most {MAX_TABLES} rate tables, not {count}");
        return Err(CatalogError { key: "actions".to_owned(), problem });
    }
    let used = files.rates.iter().filter(|(name, _)| catalog.rates.contains_key(*name));
    for (name, bytes) in used.map(|(name, text)| (name, text.len())) {
        if bytes > MAX_TABLE_BYTES {
            let problem = format!("must be at most {MAX_TABLE_BYTES} bytes, not {bytes}");
            return Err(CatalogError { key: format!("rates.{name}"), problem });
        }
    }
    Ok(())
}

/// Whether `next` may be in force after `current`, from `now` on.
fn follows(current: &Catalog, next: &Catalog, now: Instant) -> Result<(), CatalogError> {
    let wrong = |key: String, problem: String| Err(CatalogError { key, problem });
    if next.version != current.version + 1 {
        let problem =
            format!("must be {}, one more than the version in force", current.version + 1);
        return wrong("version".to_owned(), problem);
    }
    for (name, action) in &current.actions {
        let Some(after) = next.actions.get(name) else {
            let problem = "must stay: ledger entries use it; set retired = true instead".to_owned();
            return wrong(format!("actions.{name}"), problem);
        };
        if after.number != action.number {
            let problem = format!("must stay {}: ledger entries use this number", action.number);
            return wrong(format!("actions.{name}.number"), problem);
        }
        priced_alike(name, action, after)?;
    }
    // An action keeps its table, so each table is there.
    for (name, table) in &current.rates {
        if let Some(after) = next.rates.get(name) {
            models_stay(name, table, after)?;
        }
    }
    if let Some(name) = current.plans.keys().find(|name| !next.plans.contains_key(*name)) {
        let problem = "must stay: accounts may use this plan".to_owned();
        return wrong(format!("plans.{name}"), problem);
    }
    // Accounts were, or may be by now, advanced by the values before this instant.
    let fixed = now + NOTICE;
    let early = |key: String| {
        let monday = Day::of(week(fixed).end);
        let problem = format!(
            "the value in force cannot change; add a value whose from is a Monday, {monday} at the \
             earliest"
        );
        wrong(key, problem)
    };
    if !current.spending_in_debt.is_same_before(&next.spending_in_debt, fixed) {
        return early("spending_in_debt".to_owned());
    }
    for (name, plan) in &current.plans {
        let Some(after) = next.plans.get(name) else { continue };
        let same = [
            ("ai", plan.ai.is_same_before(&after.ai, fixed)),
            ("weekly", plan.weekly.is_same_before(&after.weekly, fixed)),
            ("monthly", plan.monthly.is_same_before(&after.monthly, fixed)),
            ("trial_monthly", plan.trial_monthly.is_same_before(&after.trial_monthly, fixed)),
        ];
        if let Some((field, _)) = same.into_iter().find(|(_, same)| !same) {
            return early(format!("plans.{name}.{field}"));
        }
    }
    Ok(())
}

/// Whether an action is priced by the unit as before, or by the same rate table.
fn priced_alike(name: &str, before: &Action, after: &Action) -> Result<(), CatalogError> {
    let problem = match (&before.pricing, &after.pricing) {
        (Pricing::Unit(_), Pricing::Unit(_)) => return Ok(()),
        (Pricing::Rates(before), Pricing::Rates(after)) if before == after => return Ok(()),
        (Pricing::Unit(_), Pricing::Rates(_)) => {
            "must be omitted: ledger entries have units of this action; add another action instead"
                .to_owned()
        }
        (Pricing::Rates(table), _) => {
            format!("must stay {table:?}: ledger entries have models of this table by number")
        }
    };
    Err(CatalogError { key: format!("actions.{name}.rates"), problem })
}

/// Whether each model of a table stays, under its number.
fn models_stay(table: &str, before: &RateTable, after: &RateTable) -> Result<(), CatalogError> {
    for (name, model) in &before.models {
        let key = format!("rates.{table}.models.{name:?}");
        match after.models.get(name) {
            Some(kept) if kept.number == model.number => {}
            Some(_) => {
                let number = model.number;
                let problem = format!("must stay {number}: ledger entries use this number");
                return Err(CatalogError { key: format!("{key}.number"), problem });
            }
            None => {
                let problem = "must stay: ledger entries use it; set retired = true instead";
                return Err(CatalogError { key, problem: problem.to_owned() });
            }
        }
    }
    Ok(())
}

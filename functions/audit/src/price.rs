//! Recomputes what each charge by meters cost, from the catalog version that its entry names.
//!
//! It takes the rates from the table and does the rest itself, so that an error in the code that
//! prices is found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::context::Context;
use shared::domain::catalog::ActionNumber;
use shared::domain::meters::Meters;
use shared::domain::rates::ModelNumber;
use shared::domain::{Catalog, Entry, EntryKind, OperationId};
use shared::store::StoreError;

use crate::difference::Kind;
use crate::findings::Findings;
use crate::micro::{Micro, micro, shown};

/// A rate is for so many of a meter.
const MILLION: i128 = 1_000_000;

/// The catalogs and the holds that price the charges of one account.
#[derive(Debug, Default)]
pub(crate) struct Prices {
    /// Those of the entries that are checked now, by version. None: that one cannot be read.
    catalogs: BTreeMap<u32, Option<Arc<Catalog>>>,
    /// The terms of each open hold; None: it is for no call.
    holds: BTreeMap<OperationId, Option<Terms>>,
    /// The terms that have no rates and were reported: once each, as a lost catalog may have priced
    /// millions of entries.
    unknown: BTreeSet<Terms>,
}

/// The terms that a charge by meters is priced by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Terms {
    catalog: u32,
    action: ActionNumber,
    model: ModelNumber,
}

impl std::fmt::Display for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Terms { catalog, action, model } = self;
        write!(f, "model {model} of action {action} in version {catalog}")
    }
}

/// An exact price in millionths of a micro-credit.
struct Exact {
    sum: i128,
    /// Whether the rates depend on the context, so that a capture is the only one of its hold.
    tiered: bool,
}

impl Exact {
    fn down(&self) -> Micro {
        self.sum.div_euclid(MILLION)
    }

    fn up(&self) -> Micro {
        self.down() + Micro::from(self.sum.rem_euclid(MILLION) > 0)
    }
}

impl Prices {
    /// Takes the catalogs that price these entries, in place of those that it has.
    ///
    /// # Errors
    /// [`StoreError`] if one cannot be read at all. One that is absent or broken is a difference of
    /// the entries that name it.
    pub(crate) async fn load(
        &mut self,
        context: &Context,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        let versions = entries.iter().filter_map(call).map(|(terms, _)| terms.catalog);
        let versions: BTreeSet<u32> = versions.collect();
        self.catalogs.clear();
        for version in versions {
            let catalog = match context.catalog_of(version).await {
                Ok(catalog) => Some(catalog),
                Err(StoreError::Broken { .. }) => None,
                Err(error) => return Err(error),
            };
            self.catalogs.insert(version, catalog);
        }
        Ok(())
    }

    /// Compares the price of an entry, if it is of a charge by meters, with its rates.
    pub(crate) fn check(&mut self, entry: &Entry, audit: &mut Findings<'_>) {
        let call = call(entry);
        let held = self.hold_of(entry, call.map(|(terms, _)| terms));
        if let (Some(held), Some((terms, _))) = (held, call) {
            let Some(held) = held else {
                let expected = "no meters: its hold is for no call";
                return audit.differs(Kind::Price(entry.id), expected, terms);
            };
            audit.compare(Kind::Price(entry.id), held, terms);
        }
        let Some((terms, meters)) = call else { return };
        let Some(exact) = self.exact(terms, meters) else {
            if self.unknown.insert(terms) {
                audit.differs(Kind::Price(entry.id), format!("rates of {terms}"), "none");
            }
            return;
        };
        // A part cannot be priced before the context of the whole call is known.
        if exact.tiered && matches!(entry.kind, EntryKind::Captured { ends: false, .. }) {
            let found = format!("a part of it by {terms}");
            return audit.differs(Kind::Price(entry.id), "all of its hold at once", found);
        }
        let found = charged(entry);
        let is_right = match rounding(entry) {
            Rounding::Up => found == exact.up(),
            Rounding::Down => found == exact.down(),
            Rounding::Either if exact.tiered => found == exact.up(),
            Rounding::Either => found == exact.up() || found == exact.down(),
        };
        if !is_right {
            let expected = match rounding(entry) {
                Rounding::Down => exact.down(),
                Rounding::Up | Rounding::Either => exact.up(),
            };
            let expected = format!("{} for {terms}", shown(expected));
            audit.differs(Kind::Price(entry.id), expected, shown(found));
        }
    }

    /// The terms of the hold that an entry captures, if its entry was read; follows the holds from
    /// entry to entry.
    fn hold_of(&mut self, entry: &Entry, terms: Option<Terms>) -> Option<Option<Terms>> {
        match &entry.kind {
            EntryKind::Held { .. } => {
                self.holds.insert(entry.id, terms);
                None
            }
            EntryKind::Captured { hold, ends: true, .. } => self.holds.remove(hold),
            EntryKind::Captured { hold, .. } => self.holds.get(hold).copied(),
            EntryKind::Released { hold } => {
                self.holds.remove(hold);
                None
            }
            EntryKind::TimePassed { lapsed, .. } => {
                self.holds.retain(|hold, _| !lapsed.contains(hold));
                None
            }
            _ => None,
        }
    }

    /// The exact price of a call. None: its version, its model or a rate of it is not known.
    fn exact(&self, terms: Terms, meters: Meters) -> Option<Exact> {
        let catalog = self.catalogs.get(&terms.catalog)?.as_ref()?;
        let (table, _, model) = catalog.model(terms.action, terms.model)?;
        let of_context = meters.counted().filter(|(meter, _)| table.context.contains(meter));
        let context: u128 = of_context.map(|(_, count)| u128::from(count)).sum();
        // A tier changes the rates that it names, the others stay.
        let mut rates = model.rates.clone();
        for (above, tier) in &model.tiers {
            if context > u128::from(*above) {
                rates.extend(tier);
            }
        }
        let mut sum = 0;
        for (meter, count) in meters.counted() {
            sum += i128::from(count) * micro(*rates.get(&meter)?);
        }
        Some(Exact { sum, tiered: !model.tiers.is_empty() })
    }
}

/// How a price becomes whole micro-credits.
enum Rounding {
    Up,
    Down,
    /// The entry does not say.
    Either,
}

/// A debit, a hold and a final capture are rounded up, a part of a hold down. A part that took all
/// that was held ended the hold like a final capture.
fn rounding(entry: &Entry) -> Rounding {
    match &entry.kind {
        EntryKind::Captured { ends: false, .. } => Rounding::Down,
        EntryKind::Captured { credits, .. }
            if micro(*credits) - micro(entry.beyond()) == -micro(entry.held) =>
        {
            Rounding::Either
        }
        _ => Rounding::Up,
    }
}

/// What the entry says that the call cost.
fn charged(entry: &Entry) -> Micro {
    match &entry.kind {
        EntryKind::Held { .. } => micro(entry.held),
        EntryKind::Captured { credits, uncharged, .. } => micro(*credits) + micro(*uncharged),
        _ => -micro(entry.available),
    }
}

/// The terms and the meters of a charge by meters.
fn call(entry: &Entry) -> Option<(Terms, Meters)> {
    let (EntryKind::Debit { action, quantity }
    | EntryKind::Held { action, quantity, .. }
    | EntryKind::Captured { action, quantity, .. }) = &entry.kind
    else {
        return None;
    };
    let (model, meters) = quantity.call()?;
    Some((Terms { catalog: entry.catalog, action: (*action)?, model }, meters))
}

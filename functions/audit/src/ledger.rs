//! Enters the ledger of an account into the book, and compares the account with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shared::decide::Returned;
use shared::decide::rollup::RolledUp;
use shared::decide::{IdempotencyRecord, KeyAlias, Segment, repair};
use shared::domain::limit::OwnLimits;
use shared::domain::usage::{Counted, DayUsage};
use shared::domain::{Account, Credits, Entry, Instant, Key, KeySpace, OperationId, Seq, Usage};
use shared::store::ScannedRow;

use crate::book::{Book, Days, Grants, noted};
use crate::difference::Kind;
use crate::findings::Findings;
use crate::micro::{Micro, micro, shown};
use crate::price::Prices;
use crate::words::{balance, on_plan, owed, uses};

/// The bytes in memory of an entry: 25, 3.4 times, as a hash table is copied into one twice as large.
const ENTRY_BYTES: u64 = 90;
/// Of a key alias: 41 in the same way, and its text.
const ALIAS_BYTES: u64 = 210;
/// Of an idempotency record, with its texts.
const RECORD_BYTES: u64 = 600;

/// An account, and its ledger as far as it was read.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub account: Account,
    pub book: Book,
    pub prices: Prices,
    /// The stored usage of days, and the usage that the entries up to its last one sum to.
    days: Vec<DayUsage>,
    reckoned: Days,
    /// How far that sum reaches: the last entry, and the time of its segment.
    tallied: Counted,
    /// The operation of each key alias: no more of it, because there may be millions.
    names: HashMap<String, OperationId>,
    receipts: BTreeMap<(KeySpace, String), IdempotencyRecord>,
    returned: Vec<(OperationId, Credits)>,
    own_limits: Option<OwnLimits>,
    /// The amounts by which the segments so far differ from the book.
    off: (Micro, Micro),
    /// The latest time inside an archived id, and the time of the latest segment.
    dedup_floor: Instant,
    archived_at: Instant,
}

impl Ledger {
    /// The ledger of an account of which nothing was read yet.
    pub(crate) fn new(account: Account, days: Vec<DayUsage>) -> Ledger {
        Ledger {
            book: Book::new(account.plan_state.counted_from),
            prices: Prices::default(),
            account,
            days,
            reckoned: Days::default(),
            tallied: Counted::default(),
            names: HashMap::new(),
            receipts: BTreeMap::new(),
            returned: Vec::new(),
            own_limits: None,
            off: (0, 0),
            dedup_floor: Instant::EPOCH,
            archived_at: Instant::EPOCH,
        }
    }

    /// Takes the next row: idempotency records and key aliases come before the segments.
    pub(crate) fn take(&mut self, scanned: ScannedRow, audit: &mut Findings<'_>) {
        match scanned {
            ScannedRow::KeyAlias(name) => {
                self.names.insert(name.key.as_str().to_owned(), name.id);
            }
            ScannedRow::IdempotencyRecord(receipt) => {
                let key = (receipt.space, receipt.key.as_str().to_owned());
                self.receipts.insert(key, receipt);
            }
            ScannedRow::Returned(of, credits) => self.returned.push((of, credits)),
            ScannedRow::Segment(segment) => {
                self.count(&segment);
                self.segment(segment, audit);
            }
            ScannedRow::Limits(own) => self.own_limits = Some(own),
            // Every name that is missing is one that is not shown.
            ScannedRow::Subject(_) | ScannedRow::Redemption(_) => {}
        }
    }

    /// About how much memory the ledger takes so far, in bytes: at least as much as it does.
    pub(crate) fn bytes(&self) -> u64 {
        let entries = self.book.next * ENTRY_BYTES + self.book.limits.bytes();
        entries + self.names.len() as u64 * ALIAS_BYTES + self.receipts.len() as u64 * RECORD_BYTES
    }

    /// How far the stored days were rolled up.
    fn counted(&self) -> Counted {
        self.days.last().map_or(Counted::default(), |latest| latest.counted)
    }

    fn count(&mut self, segment: &Segment) {
        let counted = self.counted().seq;
        for (seq, entry) in (segment.first..).zip(&segment.entries) {
            // A segment may reach beyond the account: only entries that the account has count.
            if seq == self.tallied.seq + 1 && seq <= counted && seq <= self.account.seq {
                self.tallied = Counted { seq, time: segment.time };
                self.reckoned.count(entry);
            }
        }
    }

    fn segment(&mut self, segment: Segment, audit: &mut Findings<'_>) {
        let Account { archived_seq, seq: latest, .. } = self.account;
        if segment.first > archived_seq {
            // The account still has these entries: a crash in between, or a read at another moment.
            if segment.last() > latest {
                let found = format!("entries {} to {}", segment.first, segment.last());
                audit.differs(
                    Kind::Ahead(segment.into()),
                    format!("entries up to {latest}"),
                    found,
                );
            } else if !self.is_recent(&segment) {
                audit.differs(Kind::Segment(segment.into()), "the account's entries", "others");
            }
            return;
        }
        if segment.first > self.book.next {
            self.gap(segment.first - 1, opening(&segment), audit);
        }
        if segment.first < self.book.next || segment.last() > archived_seq {
            let expected = format!("entries from {}, up to {archived_seq}", self.book.next);
            let found = format!("entries {} to {}", segment.first, segment.last());
            audit.differs(Kind::Segment(segment.clone().into()), expected, found);
        }
        for (seq, entry) in (segment.first..).zip(&segment.entries) {
            if seq == self.book.next && seq <= archived_seq {
                if !entry.id.is_own() {
                    self.dedup_floor = self.dedup_floor.max(entry.id.time());
                }
                self.enter(entry, audit);
            }
        }
        // A wrong entry shifts every segment after it: only the first of them is reported.
        let closing = (micro(segment.available), micro(segment.held));
        let off = (closing.0 - self.book.available, closing.1 - self.book.held);
        if off != self.off {
            let kind = Kind::Closing { time: segment.time, first: segment.first };
            let expected = balance(self.book.available + self.off.0, self.book.held + self.off.1);
            audit.differs(kind, expected, balance(closing.0, closing.1));
            self.off = off;
        }
        self.archived_at = segment.time;
    }

    fn is_recent(&self, segment: &Segment) -> bool {
        let start = (segment.first - self.account.archived_seq - 1) as usize;
        let end = start + segment.entries.len();
        self.account.recent.get(start..end) == Some(&segment.entries[..])
    }

    /// Reports that entries up to `last` are missing; after them the balance is `after`.
    fn gap(&mut self, last: Seq, after: (Micro, Micro), audit: &mut Findings<'_>) {
        let first = self.book.next;
        let moved = (after.0 - self.book.available, after.1 - self.book.held);
        let expected = format!("entries that move {}", balance(moved.0, moved.1));
        audit.differs(Kind::Gap { first, last }, expected, "none");
        self.book.skip_to(last + 1, after.0, after.1);
        self.off = (0, 0);
    }

    fn enter(&mut self, entry: &Entry, audit: &mut Findings<'_>) {
        let key = entry.key.as_deref().and_then(|key| key.parse::<Key>().ok());
        // Where the key of an entry of an unknown kind is kept is not known either.
        if let Some(key) = key.filter(|_| !entry.kind.is_unknown()) {
            match entry.id.is_own() {
                true => self.receipt(entry, &key, audit),
                false => self.name(entry, key, audit),
            }
        }
        self.prices.check(entry, audit);
        self.book.enter(entry);
    }

    /// Checks the key alias by which a service would repeat the entry's operation.
    fn name(&mut self, entry: &Entry, key: Key, audit: &mut Findings<'_>) {
        // A ULID is an id itself, and is shown as the key that was sent.
        if key.id() == Some(entry.id) {
            return;
        }
        match self.names.get(key.as_str()) {
            None => {
                let account = self.account.id.clone();
                let name = KeyAlias { account, key, id: entry.id, replaces: None };
                audit.differs(Kind::KeyAliasMissing(name), entry.id, "none");
            }
            Some(found) if *found != entry.id => {
                let account = self.account.id.clone();
                let there = KeyAlias { account, key, id: *found, replaces: None };
                audit.differs(Kind::KeyAliasDiffers { there, id: entry.id }, entry.id, found);
            }
            Some(_) => {}
        }
    }

    /// Checks the idempotency record by which an operator would learn that the operation happened.
    fn receipt(&mut self, entry: &Entry, key: &Key, audit: &mut Findings<'_>) {
        let key = (repair::key_space(entry), key.as_str().to_owned());
        match self.receipts.get(&key) {
            None => audit.differs(Kind::RecordMissing(entry.clone().into()), entry.id, "none"),
            Some(receipt) if receipt.id == entry.id => {
                self.receipts.remove(&key);
            }
            // The record is of another operation: the end of the audit looks for that one's entry.
            Some(_) => {}
        }
    }

    /// Enters the entries that are in no segment yet, and compares. Returns the orders that were
    /// placed.
    pub(crate) fn close(&mut self, now: Instant, audit: &mut Findings<'_>) -> Vec<OperationId> {
        let Account { archived_seq, seq, .. } = self.account;
        let recent = self.account.recent.clone();
        if self.book.next <= archived_seq {
            let available = micro(self.account.available);
            let available = available - recent.iter().map(|e| micro(e.available)).sum::<Micro>();
            let held = self.held() - recent.iter().map(|e| micro(e.held)).sum::<Micro>();
            self.gap(archived_seq, (available, held), audit);
        } else if archived_seq > 0 {
            audit.compare(Kind::ArchivedAt, self.archived_at, self.account.archived_at);
        }
        audit.compare(Kind::Number, archived_seq + recent.len() as Seq, seq);
        recent.iter().for_each(|entry| self.enter(entry, audit));
        self.balance(audit);
        if self.account.dedup_floor < self.dedup_floor {
            audit.differs(Kind::DedupFloor, self.dedup_floor, self.account.dedup_floor);
        }
        for id in &self.book.repeated {
            audit.differs(Kind::Repeated(*id), "one entry", "another");
        }
        if self.book.whole {
            self.plan_state(audit);
            self.counts(audit);
            let row = self.own_limits.as_ref();
            self.book.limits.compare(&self.account, row, now, audit);
        }
        match self.book.unknown {
            None => self.usage(audit),
            // The version that knows the kind may have counted it.
            Some((seq, tag)) => {
                let found = format!("entry {seq} with tag {tag}");
                audit.differs(
                    Kind::Unknown(seq),
                    "entries of kinds that this version knows",
                    found,
                );
            }
        }
        self.receipts_alone(audit)
    }

    fn held(&self) -> Micro {
        let totals = self.account.holds.values();
        totals.map(|held| micro(held.amount) + micro(held.lapsed)).sum()
    }

    /// Compares the available and held credits, and until when the balance is valid.
    fn balance(&self, audit: &mut Findings<'_>) {
        let (account, book) = (&self.account, &self.book);
        let available = micro(account.available);
        if book.available != available {
            audit.differs(Kind::Available, shown(book.available), shown(available));
        }
        if book.held != self.held() {
            audit.differs(Kind::Held, shown(book.held), shown(self.held()));
        }
        let expiries = account.burn_order.grants().iter().filter_map(|grant| grant.expires_at);
        let until = expiries.fold(account.plan_state.counted_until, Instant::min);
        if account.valid_until > until {
            audit.differs(Kind::ValidUntil, until, account.valid_until);
        }
    }

    /// Compares the parts that only a ledger without gaps can tell.
    fn plan_state(&self, audit: &mut Findings<'_>) {
        let (account, book) = (&self.account, &self.book);
        for id in &book.greedy {
            audit.differs(Kind::Revoked(*id), "what was free", "more");
        }
        let found = account.debts.iter().map(|debt| (debt.grant, micro(debt.credits)));
        let found: BTreeMap<_, _> = found.collect();
        if book.debts != found {
            audit.differs(Kind::Debt, owed(&book.debts), owed(&found));
        }
        let hold = |held: Option<(Micro, Instant)>| {
            held.map_or("none".to_owned(), |(total, at)| format!("{} until {at}", shown(total)))
        };
        let ids: BTreeSet<_> = book.holds.keys().chain(account.holds.keys()).collect();
        for id in ids {
            let found = account.holds.get(id);
            let found =
                found.map(|held| (micro(held.amount) + micro(held.lapsed), held.expires_at));
            audit.compare(Kind::Hold(*id), hold(book.holds.get(id).copied()), hold(found));
        }
        let actions: BTreeSet<_> = book.consumed.keys().chain(account.consumed.keys()).collect();
        for action in actions {
            let expected = book.consumed.get(action).copied().unwrap_or_default();
            let found = account.consumed.get(action).map_or(0, |found| micro(*found));
            let off = Credits::from_micro(i64::try_from(found - expected).unwrap_or(i64::MAX));
            let kind = Kind::Consumed { seq: account.seq, action: *action, off };
            audit.compare(kind, shown(expected), shown(found));
        }
        let burn_order = account.burn_order.grants().iter();
        let burn_order: Grants =
            burn_order.map(|g| (g.id, (micro(g.left), g.expires_at))).collect();
        let advanced = Some((account.advanced_seq, account.advanced_at));
        if !book.linked || (book.advanced, &book.burn_order) != (advanced, &burn_order) {
            let left = |burn_order: &Grants| shown(burn_order.values().map(|(left, _)| left).sum());
            let (seq, _) = book.advanced.unwrap_or_default();
            let expected = format!("{} by entry {seq}", left(&book.burn_order));
            let found = format!("{} by entry {}", left(&burn_order), account.advanced_seq);
            audit.differs(Kind::BurnOrder, expected, found);
        }
        audit.compare(Kind::AddPending, shown(book.noted()), shown(noted(account)));
        let (terms, next) = account.latest_plan();
        let found = on_plan(terms, next);
        let expected = book.plan.as_ref();
        let expected = expected.map(|(terms, next)| on_plan(terms, next.as_ref()));
        audit.compare(Kind::Plan, expected.unwrap_or_default(), found);
        let frozen = book.frozen.as_ref().is_some_and(|(frozen, _)| *frozen);
        audit.compare(Kind::Frozen, frozen, account.gate.frozen);
    }

    /// Compares the refunds of debits and captures.
    fn counts(&mut self, audit: &mut Findings<'_>) {
        let mut debits = self.book.debits.clone();
        let mut compare = |debit, expected: Micro, found: Micro| {
            let [after, before] = [expected, found]
                .map(|micro| Credits::from_micro(i64::try_from(micro).unwrap_or(i64::MAX)));
            let kind = Kind::Returned(Returned { debit, before, after });
            audit.compare(kind, shown(expected), shown(found));
        };
        for (debit, found) in &self.returned {
            compare(*debit, debits.remove(debit).unwrap_or_default(), micro(*found));
        }
        for (debit, expected) in debits {
            compare(debit, expected, 0);
        }
    }

    /// Compares the usage of days as far as it was rolled up: at most to the last entry of a
    /// segment.
    fn usage(&self, audit: &mut Findings<'_>) {
        let kept: BTreeMap<_, _> = self.days.iter().map(|day| (day.day, day)).collect();
        let days: BTreeSet<_> = kept.keys().chain(self.reckoned.0.keys()).copied().collect();
        for day in days {
            let usage = self.reckoned.0.get(&day).cloned().unwrap_or_default();
            let before = kept.get(&day).map(|kept| kept.counted);
            let counted = match before {
                Some(before) if before.seq <= self.tallied.seq => before,
                _ => self.tallied,
            };
            let expected = DayUsage { day, usage, counted };
            let nothing = DayUsage { usage: Usage::default(), ..expected.clone() };
            let found = kept.get(&day).copied().unwrap_or(&nothing);
            if expected != *found {
                let words = (uses(&expected), uses(found));
                let kind = Kind::Day(Box::new(RolledUp { after: expected, before }));
                audit.differs(kind, words.0, words.1);
            }
        }
    }

    /// The idempotency records without an entry: of orders, or of operations that are lost.
    fn receipts_alone(&mut self, audit: &mut Findings<'_>) -> Vec<OperationId> {
        let mut orders = Vec::new();
        for receipt in std::mem::take(&mut self.receipts).into_values() {
            let is_limit = receipt.content.starts_with("limit ");
            if receipt.space == KeySpace::Customers && !is_limit {
                orders.push(receipt.id);
            } else if receipt.content.starts_with("plan ") && self.book.happened(receipt.id) {
                // The account had this plan already, by that entry.
            } else if self.book.whole {
                let expected = format!("an entry: {}", receipt.content);
                audit.differs(Kind::RecordAlone(receipt), expected, "none");
            }
        }
        orders
    }
}

/// The balance before a segment, from its closing balance and its entries.
fn opening(segment: &Segment) -> (Micro, Micro) {
    let sum =
        |of: fn(&Entry) -> Credits| segment.entries.iter().map(|e| micro(of(e))).sum::<Micro>();
    let (available, held) = (sum(|entry| entry.available), sum(|entry| entry.held));
    (micro(segment.available) - available, micro(segment.held) - held)
}

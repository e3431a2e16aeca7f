//! Writes of an account as DynamoDB expressions.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use aws_sdk_dynamodb::types::AttributeValue;

use super::accounts::{consumed, gate_bits, hold, holds};
use super::item::{bytes, number};
use super::packed;
use super::table::{account, counter_key, hold_key};
use crate::decide::archive::CAPACITY;
use crate::decide::{AccountWrite, Guard, Step};
use crate::domain::auto_top_up::Threshold;
use crate::domain::limit::Counter;
use crate::domain::{Account, Credits, Entry, Gate, Instant, OperationId};

/// True of an absent item: every item has the account as its key.
pub(super) const ABSENT: &str = "attribute_not_exists(a)";
pub(super) const PRESENT: &str = "attribute_exists(a)";

/// An update with its condition, and the values of their placeholders.
#[derive(Debug)]
pub(super) struct Expression {
    pub update: String,
    pub condition: String,
    pub names: HashMap<String, String>,
    pub values: HashMap<String, AttributeValue>,
}

/// An expression being built.
#[derive(Default)]
struct Building {
    sets: Parts,
    removes: Parts,
    conditions: Parts,
    names: Vec<String>,
    values: Vec<AttributeValue>,
}

/// Parts of a clause, with what separates them in between.
#[derive(Default)]
struct Parts(String);

/// The nth name or value.
#[derive(Clone, Copy)]
struct Placeholder(char, usize);

impl Parts {
    fn push(&mut self, separator: &str, part: fmt::Arguments<'_>) {
        if !self.0.is_empty() {
            self.0.push_str(separator);
        }
        let _ = self.0.write_fmt(part);
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Placeholder(mark, nth) = self;
        write!(f, "{mark}{nth}")
    }
}

impl Expression {
    pub(super) fn of(change: &AccountWrite) -> Expression {
        let mut building = Building::default();
        change.when.iter().for_each(|guard| building.guard(guard));
        let mut added = None;
        let mut appended = Vec::new();
        for step in &change.then {
            match step {
                // DynamoDB lets an expression set each attribute once, so additions and appends are
                // gathered.
                Step::Add(credits) => added = Some(added.unwrap_or(Credits::ZERO) + *credits),
                Step::Append(entry) => appended.push(entry),
                // Opening writes the whole item: there is nothing to update.
                Step::Open(_) => {}
                other => building.step(other),
            }
        }
        if let Some(credits) = added {
            let credits = building.value(number(credits.micro()));
            building.sets(format_args!("{0} = {0} + {credits}", account::AVAILABLE));
        }
        if !appended.is_empty() {
            building.append(&appended);
        }
        building.built()
    }
}

impl Building {
    fn built(self) -> Expression {
        let mut update = String::new();
        for (word, Parts(parts)) in [("SET ", self.sets), ("REMOVE ", self.removes)] {
            if !parts.is_empty() {
                update.push_str(if update.is_empty() { "" } else { " " });
                update.push_str(word);
                update.push_str(&parts);
            }
        }
        let names = self.names.into_iter().enumerate();
        let values = self.values.into_iter().enumerate();
        Expression {
            update,
            condition: self.conditions.0,
            names: names.map(|(nth, name)| (Placeholder('#', nth).to_string(), name)).collect(),
            values: values.map(|(nth, value)| (Placeholder(':', nth).to_string(), value)).collect(),
        }
    }

    fn sets(&mut self, part: fmt::Arguments<'_>) {
        self.sets.push(", ", part);
    }

    fn removes(&mut self, part: impl fmt::Display) {
        self.removes.push(", ", format_args!("{part}"));
    }

    fn condition(&mut self, part: fmt::Arguments<'_>) {
        self.conditions.push(" AND ", part);
    }

    fn value(&mut self, value: AttributeValue) -> Placeholder {
        self.values.push(value);
        Placeholder(':', self.values.len() - 1)
    }

    /// The placeholder of a map key: DynamoDB does not accept ids and numbers as names in a path.
    fn name(&mut self, key: String) -> Placeholder {
        let known = self.names.iter().position(|known| *known == key);
        let nth = known.unwrap_or_else(|| {
            self.names.push(key);
            self.names.len() - 1
        });
        Placeholder('#', nth)
    }

    fn hold(&mut self, id: &OperationId) -> String {
        format!("{}.{}", account::HOLDS, self.name(hold_key(id)))
    }

    fn counter(&mut self, counter: &Counter) -> Placeholder {
        self.name(counter_key(counter))
    }

    fn part_of_hold(&mut self, id: &OperationId, part: &str) -> String {
        format!("{}.{part}", self.hold(id))
    }

    fn set(&mut self, attribute: impl fmt::Display, value: AttributeValue) {
        let value = self.value(value);
        self.sets(format_args!("{attribute} = {value}"));
    }

    fn when(&mut self, left: impl fmt::Display, is: &str, value: AttributeValue) {
        let value = self.value(value);
        self.condition(format_args!("{left} {is} {value}"));
    }

    fn guard(&mut self, guard: &Guard) {
        use account::{
            ADVANCED_SEQ, ARCHIVED_SEQ, AVAILABLE, DEBTS, DEDUP_FLOOR, GATE, HOLD_AMOUNT,
            HOLD_CAPTURED, HOLD_TERMS, HOLDS, LIMITS_VERSION, RECENT_IDS, SEQ, VALID_UNTIL,
        };
        match guard {
            Guard::Absent => self.condition(format_args!("{ABSENT}")),
            Guard::Present => self.condition(format_args!("{PRESENT}")),
            Guard::KeepsFrom(seq) => {
                let seq = self.value(number(seq));
                self.condition(format_args!("({ABSENT} OR {ARCHIVED_SEQ} < {seq})"));
            }
            Guard::Covers(credits) => self.when(AVAILABLE, ">=", number(credits.micro())),
            Guard::LacksFor(credits) => self.when(AVAILABLE, "<", number(credits.micro())),
            Guard::ValidAt(now) => self.when(VALID_UNTIL, ">", number(now.ms())),
            Guard::ValidUntilIs(at) => self.when(VALID_UNTIL, "=", number(at.ms())),
            Guard::GateIs(Gate::OPEN) => {
                self.condition(format_args!("attribute_not_exists({GATE})"));
            }
            Guard::GateIs(gate) => self.when(GATE, "=", number(gate_bits(*gate))),
            Guard::DedupFloorBelow(instant) => self.when(DEDUP_FLOOR, "<", number(instant.ms())),
            Guard::ArchivedAtMost(seq) => self.when(ARCHIVED_SEQ, "<=", number(seq)),
            Guard::ArchivedIs(seq) => self.when(ARCHIVED_SEQ, "=", number(seq)),
            Guard::RoomFor(count) => {
                let most = number(CAPACITY - count);
                self.when(format_args!("size({RECENT_IDS})"), "<=", most);
            }
            Guard::New(id) => {
                let id = self.value(bytes(*id.bytes()));
                self.condition(format_args!("NOT contains({RECENT_IDS}, {id})"));
            }
            Guard::SeqIs(seq) => self.when(SEQ, "=", number(seq)),
            Guard::AdvancedIs(seq) => self.when(ADVANCED_SEQ, "=", number(seq)),
            Guard::HoldsBelow(most) => self.when(format_args!("size({HOLDS})"), "<", number(most)),
            Guard::HoldIs(id, held) => {
                let path = self.hold(id);
                self.when(path, "=", hold(held));
            }
            Guard::HoldTermsAre(id, held) => {
                let terms = self.part_of_hold(id, HOLD_TERMS);
                self.when(terms, "=", bytes(packed::hold_terms(held)));
            }
            Guard::HoldsMoreThan(id, credits) => {
                let amount = self.part_of_hold(id, HOLD_AMOUNT);
                self.when(amount, ">", number(credits.micro()));
            }
            Guard::CapturedBelow(id, quantity) => {
                let captured = self.part_of_hold(id, HOLD_CAPTURED);
                self.when(captured, "<", number(quantity));
            }
            Guard::LimitsAre(0) => {
                self.condition(format_args!("attribute_not_exists({LIMITS_VERSION})"));
            }
            Guard::LimitsAre(version) => self.when(LIMITS_VERSION, "=", number(version)),
            Guard::HasRoom { counter, room, begins, .. } => {
                let (used, most) = (self.counter(counter), self.value(number(room.micro())));
                // No count is below zero, and one that is not there is zero.
                match *begins && *room >= Credits::ZERO {
                    true => self.condition(format_args!(
                        "(attribute_not_exists({used}) OR {used} <= {most})"
                    )),
                    false => self.condition(format_args!("{used} <= {most}")),
                }
            }
            Guard::LacksRoom(counter, room) if *room >= Credits::ZERO => {
                let used = self.counter(counter);
                self.when(used, ">", number(room.micro()));
            }
            // No count is below zero.
            Guard::LacksRoom(..) => {}
            Guard::UsedIs(counter, Credits::ZERO) => {
                let (used, zero) = (self.counter(counter), self.value(number(0)));
                self.condition(format_args!("(attribute_not_exists({used}) OR {used} = {zero})"));
            }
            Guard::UsedIs(counter, credits) => {
                let used = self.counter(counter);
                self.when(used, "=", number(credits.micro()));
            }
            Guard::UsedAtLeast(counter, credits) => {
                let used = self.counter(counter);
                self.when(used, ">=", number(credits.micro()));
            }
            Guard::DebtsAre(debts) if debts.is_empty() => {
                self.condition(format_args!("attribute_not_exists({DEBTS})"));
            }
            Guard::DebtsAre(debts) => self.when(DEBTS, "=", bytes(packed::debts(debts))),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Add(_) | Step::Append(_) | Step::Open(_) => {
                unreachable!("gathered by Expression::of")
            }
            Step::Consume(action, credits) => {
                let name = self.name(action.to_string());
                let credits = self.value(number(credits.micro()));
                let zero = self.value(number(0));
                let path = format!("{}.{name}", account::CONSUMED);
                self.sets(format_args!("{path} = if_not_exists({path}, {zero}) + {credits}"));
            }
            Step::Count(counter, credits) => {
                let used = self.counter(counter);
                let credits = self.value(number(credits.micro()));
                let zero = self.value(number(0));
                self.sets(format_args!("{used} = if_not_exists({used}, {zero}) + {credits}"));
            }
            Step::SetUsed(counter, credits) => {
                let used = self.counter(counter);
                self.set(used, number(credits.micro()));
            }
            Step::DropCount(counter) => {
                let used = self.counter(counter);
                self.removes(used);
            }
            // As an account that never had limits of its own.
            Step::SetLimitsVersion(0) => self.removes(account::LIMITS_VERSION),
            Step::SetLimitsVersion(version) => self.set(account::LIMITS_VERSION, number(version)),
            Step::SetThreshold(None) => {
                self.removes(account::THRESHOLD);
                self.removes(account::THRESHOLD_SET);
            }
            Step::SetThreshold(Some(Threshold { below, set })) => {
                self.set(account::THRESHOLD, number(below.micro()));
                self.set(account::THRESHOLD_SET, number(set));
            }
            Step::AddPending(pending_changes) => {
                let none = self.value(AttributeValue::L(Vec::new()));
                let pending_changes = pending_changes
                    .iter()
                    .map(|note| bytes(packed::pending_change(note)))
                    .collect();
                let pending_changes = self.value(AttributeValue::L(pending_changes));
                let q = account::PENDING_CHANGES;
                self.sets(format_args!(
                    "{q} = list_append(if_not_exists({q}, {none}), {pending_changes})"
                ));
                self.set(account::VALID_UNTIL, number(Instant::EPOCH.ms()));
            }
            Step::ValidUntil(at) => self.set(account::VALID_UNTIL, number(at.ms())),
            Step::Outdate => self.set(account::VALID_UNTIL, number(Instant::EPOCH.ms())),
            Step::SetGate(Gate::OPEN) => self.removes(account::GATE),
            Step::SetGate(gate) => self.set(account::GATE, number(gate_bits(*gate))),
            Step::SetDebts(debts) if debts.is_empty() => {
                self.removes(account::DEBTS);
            }
            Step::SetDebts(debts) => self.set(account::DEBTS, bytes(packed::debts(debts))),
            Step::SetHold(id, held) => {
                let path = self.hold(id);
                self.set(path, hold(held));
            }
            Step::SetHoldTerms(id, held) => {
                let terms = self.part_of_hold(id, account::HOLD_TERMS);
                self.set(terms, bytes(packed::hold_terms(held)));
            }
            Step::TakeOfHold(id, credits, quantity) => {
                let amount = self.part_of_hold(id, account::HOLD_AMOUNT);
                let credits = self.value(number(credits.micro()));
                self.sets(format_args!("{amount} = {amount} - {credits}"));
                if *quantity > 0 {
                    let captured = self.part_of_hold(id, account::HOLD_CAPTURED);
                    let quantity = self.value(number(quantity));
                    self.sets(format_args!("{captured} = {captured} + {quantity}"));
                }
            }
            Step::DropHold(id) => {
                let hold = self.hold(id);
                self.removes(hold);
            }
            Step::Advance(advanced) => self.advance(advanced),
            Step::Archive { count, archived_seq, dedup_floor, archived_at } => {
                self.set(account::ARCHIVED_SEQ, number(archived_seq));
                self.set(account::DEDUP_FLOOR, number(dedup_floor.ms()));
                self.set(account::ARCHIVED_AT, number(archived_at.ms()));
                for list in [account::RECENT_IDS, account::RECENT_PAYLOADS] {
                    (0..*count).for_each(|place| self.removes(format_args!("{list}[{place}]")));
                }
            }
        }
    }

    fn advance(&mut self, advanced: &Account) {
        self.set(account::AVAILABLE, number(advanced.available.micro()));
        self.set(account::BURN_ORDER, bytes(packed::burn_order(&advanced.burn_order)));
        self.set(account::VALID_UNTIL, number(advanced.valid_until.ms()));
        self.set(account::HOLDS, holds(advanced));
        self.set(account::CONSUMED, consumed(advanced));
        self.set(account::PLAN_STATE, bytes(packed::plan_state(&advanced.plan_state)));
        self.set(account::ADVANCED_SEQ, number(advanced.advanced_seq));
        self.set(account::ADVANCED_AT, number(advanced.advanced_at.ms()));
        self.removes(account::PENDING_CHANGES);
    }

    fn append(&mut self, entries: &[&Entry]) {
        let ids = entries.iter().map(|entry| bytes(*entry.id.bytes())).collect();
        let payloads = entries.iter().map(|entry| bytes(packed::entry(entry))).collect();
        for (list, added) in [(account::RECENT_IDS, ids), (account::RECENT_PAYLOADS, payloads)] {
            let added = self.value(AttributeValue::L(added));
            self.sets(format_args!("{list} = list_append({list}, {added})"));
        }
        let count = self.value(number(entries.len()));
        self.sets(format_args!("{0} = {0} + {count}", account::SEQ));
    }
}

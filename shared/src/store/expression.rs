//! Writes of an account and of rows as DynamoDB expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::accounts::{consumed, gate_bits, hold, holds};
use super::item::{Item, SetAttribute, bytes, number};
use super::packed;
use super::row;
use super::table::{account, counter_key, hold_key, ledger};
use crate::decide::archive::CAPACITY;
use crate::decide::{AccountWrite, Expect, Field, Guard, Row, RowKey, Seen, Step};
use crate::domain::auto_top_up::Threshold;
use crate::domain::limit::Counter;
use crate::domain::{Account, Credits, Entry, Gate, Instant, OperationId};

/// True of an absent item: every item has the account as its key.
const ABSENT: &str = "attribute_not_exists(a)";
const PRESENT: &str = "attribute_exists(a)";

/// An update with its condition, and the values of their placeholders.
#[derive(Debug, Default)]
pub(super) struct Expression {
    sets: Vec<String>,
    removes: Vec<String>,
    conditions: Vec<String>,
    pub names: HashMap<String, String>,
    pub values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn of(change: &AccountWrite) -> Expression {
        let mut expression = Expression::default();
        change.when.iter().for_each(|guard| expression.guard(guard));
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
                other => expression.step(other),
            }
        }
        if let Some(credits) = added {
            let credits = expression.value(number(credits.micro()));
            expression.sets.push(format!("{0} = {0} + {credits}", account::AVAILABLE));
        }
        if !appended.is_empty() {
            expression.append(&appended);
        }
        expression
    }

    pub(super) fn condition(&self) -> String {
        self.conditions.join(" AND ")
    }

    pub(super) fn update(&self) -> String {
        let clause = |word: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{word} {}", parts.join(", ")),
        };
        let (set, remove) = (clause("SET", &self.sets), clause("REMOVE", &self.removes));
        format!("{set} {remove}").trim().to_owned()
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let name = format!(":{}", self.values.len());
        self.values.insert(name.clone(), value);
        name
    }

    /// The placeholder of a map key: DynamoDB does not accept ids and numbers as names in a path.
    fn name(&mut self, key: String) -> String {
        if let Some((name, _)) = self.names.iter().find(|(_, known)| **known == key) {
            return name.clone();
        }
        let name = format!("#{}", self.names.len());
        self.names.insert(name.clone(), key);
        name
    }

    fn hold(&mut self, id: &OperationId) -> String {
        format!("{}.{}", account::HOLDS, self.name(hold_key(id)))
    }

    fn counter(&mut self, counter: &Counter) -> String {
        self.name(counter_key(counter))
    }

    fn part_of_hold(&mut self, id: &OperationId, part: &str) -> String {
        format!("{}.{part}", self.hold(id))
    }

    fn set(&mut self, attribute: &str, value: AttributeValue) {
        let value = self.value(value);
        self.sets.push(format!("{attribute} = {value}"));
    }

    fn when(&mut self, left: &str, is: &str, value: AttributeValue) {
        let value = self.value(value);
        self.conditions.push(format!("{left} {is} {value}"));
    }

    fn guard(&mut self, guard: &Guard) {
        use account::{
            ADVANCED_SEQ, ARCHIVED_SEQ, AVAILABLE, DEBTS, DEDUP_FLOOR, GATE, HOLD_AMOUNT,
            HOLD_CAPTURED, HOLD_TERMS, HOLDS, LIMITS_VERSION, RECENT_IDS, SEQ, VALID_UNTIL,
        };
        match guard {
            Guard::Absent => self.conditions.push(ABSENT.to_owned()),
            Guard::Present => self.conditions.push(PRESENT.to_owned()),
            Guard::KeepsFrom(seq) => {
                let seq = self.value(number(seq));
                self.conditions.push(format!("({ABSENT} OR {ARCHIVED_SEQ} < {seq})"));
            }
            Guard::Covers(credits) => self.when(AVAILABLE, ">=", number(credits.micro())),
            Guard::LacksFor(credits) => self.when(AVAILABLE, "<", number(credits.micro())),
            Guard::ValidAt(now) => self.when(VALID_UNTIL, ">", number(now.ms())),
            Guard::ValidUntilIs(at) => self.when(VALID_UNTIL, "=", number(at.ms())),
            Guard::GateIs(Gate::OPEN) => {
                self.conditions.push(format!("attribute_not_exists({GATE})"));
            }
            Guard::GateIs(gate) => self.when(GATE, "=", number(gate_bits(*gate))),
            Guard::DedupFloorBelow(instant) => self.when(DEDUP_FLOOR, "<", number(instant.ms())),
            Guard::ArchivedAtMost(seq) => self.when(ARCHIVED_SEQ, "<=", number(seq)),
            Guard::ArchivedIs(seq) => self.when(ARCHIVED_SEQ, "=", number(seq)),
            Guard::RoomFor(count) => {
                let most = number(CAPACITY - count);
                self.when(&format!("size({RECENT_IDS})"), "<=", most);
            }
            Guard::New(id) => {
                let id = self.value(bytes(*id.bytes()));
                self.conditions.push(format!("NOT contains({RECENT_IDS}, {id})"));
            }
            Guard::SeqIs(seq) => self.when(SEQ, "=", number(seq)),
            Guard::AdvancedIs(seq) => self.when(ADVANCED_SEQ, "=", number(seq)),
            Guard::HoldsBelow(most) => self.when(&format!("size({HOLDS})"), "<", number(most)),
            Guard::HoldIs(id, held) => {
                let path = self.hold(id);
                self.when(&path, "=", hold(held));
            }
            Guard::HoldTermsAre(id, held) => {
                let terms = self.part_of_hold(id, HOLD_TERMS);
                self.when(&terms, "=", bytes(packed::hold_terms(held)));
            }
            Guard::HoldsMoreThan(id, credits) => {
                let amount = self.part_of_hold(id, HOLD_AMOUNT);
                self.when(&amount, ">", number(credits.micro()));
            }
            Guard::CapturedBelow(id, quantity) => {
                let captured = self.part_of_hold(id, HOLD_CAPTURED);
                self.when(&captured, "<", number(quantity));
            }
            Guard::LimitsAre(0) => {
                self.conditions.push(format!("attribute_not_exists({LIMITS_VERSION})"));
            }
            Guard::LimitsAre(version) => self.when(LIMITS_VERSION, "=", number(version)),
            Guard::HasRoom { counter, room, begins, .. } => {
                let (used, most) = (self.counter(counter), self.value(number(room.micro())));
                // No count is below zero, and one that is not there is zero.
                self.conditions.push(match *begins && *room >= Credits::ZERO {
                    true => format!("(attribute_not_exists({used}) OR {used} <= {most})"),
                    false => format!("{used} <= {most}"),
                });
            }
            Guard::LacksRoom(counter, room) if *room >= Credits::ZERO => {
                let used = self.counter(counter);
                self.when(&used, ">", number(room.micro()));
            }
            // No count is below zero.
            Guard::LacksRoom(..) => {}
            Guard::UsedIs(counter, Credits::ZERO) => {
                let (used, zero) = (self.counter(counter), self.value(number(0)));
                let condition = format!("(attribute_not_exists({used}) OR {used} = {zero})");
                self.conditions.push(condition);
            }
            Guard::UsedIs(counter, credits) => {
                let used = self.counter(counter);
                self.when(&used, "=", number(credits.micro()));
            }
            Guard::UsedAtLeast(counter, credits) => {
                let used = self.counter(counter);
                self.when(&used, ">=", number(credits.micro()));
            }
            Guard::DebtsAre(debts) if debts.is_empty() => {
                self.conditions.push(format!("attribute_not_exists({DEBTS})"));
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
                self.sets.push(format!("{path} = if_not_exists({path}, {zero}) + {credits}"));
            }
            Step::Count(counter, credits) => {
                let used = self.counter(counter);
                let credits = self.value(number(credits.micro()));
                let zero = self.value(number(0));
                self.sets.push(format!("{used} = if_not_exists({used}, {zero}) + {credits}"));
            }
            Step::SetUsed(counter, credits) => {
                let used = self.counter(counter);
                self.set(&used, number(credits.micro()));
            }
            Step::DropCount(counter) => {
                let used = self.counter(counter);
                self.removes.push(used);
            }
            // As an account that never had limits of its own.
            Step::SetLimitsVersion(0) => self.removes.push(account::LIMITS_VERSION.to_owned()),
            Step::SetLimitsVersion(version) => self.set(account::LIMITS_VERSION, number(version)),
            Step::SetThreshold(None) => {
                let parts = [account::THRESHOLD, account::THRESHOLD_SET];
                self.removes.extend(parts.map(str::to_owned));
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
                self.sets.push(format!(
                    "{q} = list_append(if_not_exists({q}, {none}), {pending_changes})"
                ));
                self.set(account::VALID_UNTIL, number(Instant::EPOCH.ms()));
            }
            Step::ValidUntil(at) => self.set(account::VALID_UNTIL, number(at.ms())),
            Step::Outdate => self.set(account::VALID_UNTIL, number(Instant::EPOCH.ms())),
            Step::SetGate(Gate::OPEN) => self.removes.push(account::GATE.to_owned()),
            Step::SetGate(gate) => self.set(account::GATE, number(gate_bits(*gate))),
            Step::SetDebts(debts) if debts.is_empty() => {
                self.removes.push(account::DEBTS.to_owned());
            }
            Step::SetDebts(debts) => self.set(account::DEBTS, bytes(packed::debts(debts))),
            Step::SetHold(id, held) => {
                let path = self.hold(id);
                self.set(&path, hold(held));
            }
            Step::SetHoldTerms(id, held) => {
                let terms = self.part_of_hold(id, account::HOLD_TERMS);
                self.set(&terms, bytes(packed::hold_terms(held)));
            }
            Step::TakeOfHold(id, credits, quantity) => {
                let amount = self.part_of_hold(id, account::HOLD_AMOUNT);
                let credits = self.value(number(credits.micro()));
                self.sets.push(format!("{amount} = {amount} - {credits}"));
                if *quantity > 0 {
                    let captured = self.part_of_hold(id, account::HOLD_CAPTURED);
                    let quantity = self.value(number(quantity));
                    self.sets.push(format!("{captured} = {captured} + {quantity}"));
                }
            }
            Step::DropHold(id) => {
                let hold = self.hold(id);
                self.removes.push(hold);
            }
            Step::Advance(advanced) => self.advance(advanced),
            Step::Archive { count, archived_seq, dedup_floor, archived_at } => {
                self.set(account::ARCHIVED_SEQ, number(archived_seq));
                self.set(account::DEDUP_FLOOR, number(dedup_floor.ms()));
                self.set(account::ARCHIVED_AT, number(archived_at.ms()));
                for list in [account::RECENT_IDS, account::RECENT_PAYLOADS] {
                    self.removes.extend((0..*count).map(|place| format!("{list}[{place}]")));
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
        self.removes.push(account::PENDING_CHANGES.to_owned());
    }

    fn append(&mut self, entries: &[&Entry]) {
        let ids = entries.iter().map(|entry| bytes(*entry.id.bytes())).collect();
        let payloads = entries.iter().map(|entry| bytes(packed::entry(entry))).collect();
        for (list, added) in [(account::RECENT_IDS, ids), (account::RECENT_PAYLOADS, payloads)] {
            let added = self.value(AttributeValue::L(added));
            self.sets.push(format!("{list} = list_append({list}, {added})"));
        }
        let count = self.value(number(entries.len()));
        self.sets.push(format!("{0} = {0} + {count}", account::SEQ));
    }
}

/// A write of a row, its condition, and the values of their placeholders.
#[derive(Debug, Default)]
pub(super) struct RowExpression {
    /// The item for a put; the key for an update.
    pub item: Item,
    /// The update expression.
    pub update: String,
    /// None: as of [`Expect::Any`].
    pub condition: Option<String>,
    pub names: HashMap<String, String>,
    pub values: HashMap<String, AttributeValue>,
}

impl RowExpression {
    pub(super) fn put(row: &Row, expect: &Expect) -> RowExpression {
        RowExpression { item: row::item(row), ..RowExpression::default() }.when(expect)
    }

    pub(super) fn set(key: &RowKey, field: &Field, expect: &Expect) -> RowExpression {
        let mut set = RowExpression { item: row::key(key), ..RowExpression::default() };
        let mut sets = Vec::new();
        for (place, SetAttribute { name, value, if_absent }) in
            row::field(field).into_iter().enumerate()
        {
            sets.push(match if_absent {
                true => format!("{name} = if_not_exists({name}, :set{place})"),
                false => format!("{name} = :set{place}"),
            });
            set.values.insert(format!(":set{place}"), value);
        }
        set.update = format!("SET {}", sets.join(", "));
        set.when(expect)
    }

    pub(super) fn delete(key: &RowKey, expect: &Expect) -> RowExpression {
        RowExpression { item: row::key(key), ..RowExpression::default() }.when(expect)
    }

    fn when(mut self, expect: &Expect) -> RowExpression {
        let condition = match expect {
            Expect::Any => return self,
            Expect::Absent => ABSENT.to_owned(),
            Expect::Present => PRESENT.to_owned(),
            Expect::Is(seen) => self.is(seen),
            Expect::AbsentOr(seen) => format!("{ABSENT} OR {}", self.is(seen)),
            Expect::Lacks(missing) => {
                format!("{PRESENT} AND attribute_not_exists({})", row::missing(*missing))
            }
            Expect::Before(seq) => {
                self.values.insert(":before".to_owned(), number(seq));
                format!("{ABSENT} OR {0} < :before", ledger::SEQ)
            }
        };
        self.condition = Some(condition);
        self
    }

    fn is(&mut self, seen: &Seen) -> String {
        let (name, value) = row::seen(seen);
        self.names.insert("#expected".to_owned(), name.to_owned());
        self.values.insert(":expected".to_owned(), value);
        "#expected = :expected".to_owned()
    }
}

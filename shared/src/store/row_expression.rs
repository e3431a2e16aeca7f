//! Writes of rows as DynamoDB expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::expression::{ABSENT, PRESENT};
use super::item::{Item, SetAttribute, number};
use super::row;
use super::table::ledger;
use crate::decide::{Expect, Field, Row, RowKey, Seen};

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

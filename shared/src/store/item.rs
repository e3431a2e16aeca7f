//! Attributes to values and back. A broken attribute is refused on reading, by name.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::StoreError;
use super::packed::PackedError;
use super::table::{ACCOUNT, SORT};
use crate::domain::{Credits, Instant, OperationId};

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn number(n: impl Display) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// An item being read, with the table and key that name it when it is broken.
pub(super) struct Attributes<'a> {
    table: &'static str,
    item: &'a Item,
}

/// An attribute that is set, and whether only where the row has none yet.
pub(super) struct SetAttribute {
    pub name: &'static str,
    pub value: AttributeValue,
    pub if_absent: bool,
}

type Read<T> = Result<T, StoreError>;

impl<'a> Attributes<'a> {
    pub(super) fn of(table: &'static str, item: &'a Item) -> Attributes<'a> {
        Attributes { table, item }
    }

    pub(super) fn broken(&self, attribute: &str, problem: impl Display) -> StoreError {
        let part = |name: &str| match self.item.get(name) {
            Some(AttributeValue::S(text)) => text.as_str(),
            _ => "",
        };
        StoreError::Broken {
            table: self.table,
            key: format!("{} {}", part(ACCOUNT), part(SORT)).trim_end().to_owned(),
            attribute: attribute.to_owned(),
            problem: problem.to_string(),
            later: false,
        }
    }

    pub(super) fn packed<T>(&self, name: &str, read: Result<T, PackedError>) -> Read<T> {
        read.map_err(|e| match self.broken(name, e) {
            StoreError::Broken { table, key, attribute, problem, .. } => {
                let later = e == PackedError::Tag;
                StoreError::Broken { table, key, attribute, problem, later }
            }
            error => error,
        })
    }

    pub(super) fn get(&self, name: &str) -> Read<&'a AttributeValue> {
        self.item.get(name).ok_or_else(|| self.broken(name, "is missing"))
    }

    pub(super) fn optional_text(&self, name: &str) -> Read<Option<&'a str>> {
        if self.item.contains_key(name) { self.text(name).map(Some) } else { Ok(None) }
    }

    pub(super) fn text(&self, name: &str) -> Read<&'a str> {
        match self.get(name)? {
            AttributeValue::S(text) => Ok(text),
            _ => Err(self.broken(name, "is not a text")),
        }
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Read<T> {
        self.text(name)?.parse().map_err(|e| self.broken(name, e))
    }

    pub(super) fn number_of<T: FromStr>(&self, name: &str, value: &AttributeValue) -> Read<T> {
        match value {
            AttributeValue::N(n) => n.parse().map_err(|_| self.broken(name, "is out of range")),
            _ => Err(self.broken(name, "is not a number")),
        }
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Read<T> {
        self.number_of(name, self.get(name)?)
    }

    pub(super) fn optional_number<T: FromStr>(&self, name: &str) -> Read<Option<T>> {
        self.item.get(name).map(|value| self.number_of(name, value)).transpose()
    }

    pub(super) fn credits(&self, name: &str) -> Read<Credits> {
        self.number(name).map(Credits::from_micro)
    }

    pub(super) fn instant(&self, name: &str) -> Read<Instant> {
        let ms: i64 = self.number(name)?;
        if !(0..=Instant::MAX.ms()).contains(&ms) {
            return Err(self.broken(name, "is not an instant"));
        }
        Ok(Instant::from_ms(ms))
    }

    pub(super) fn bytes_of(&self, name: &str, value: &'a AttributeValue) -> Read<&'a [u8]> {
        match value {
            AttributeValue::B(blob) => Ok(blob.as_ref()),
            _ => Err(self.broken(name, "is not bytes")),
        }
    }

    pub(super) fn bytes(&self, name: &str) -> Read<&'a [u8]> {
        self.bytes_of(name, self.get(name)?)
    }

    pub(super) fn optional_bytes(&self, name: &str) -> Read<Option<&'a [u8]>> {
        self.item.get(name).map(|value| self.bytes_of(name, value)).transpose()
    }

    pub(super) fn id_of(&self, name: &str, value: &'a AttributeValue) -> Read<OperationId> {
        let bytes = self.bytes_of(name, value)?.try_into();
        bytes.map(OperationId::from_bytes).map_err(|_| self.broken(name, "is not an id"))
    }

    pub(super) fn id(&self, name: &str) -> Read<OperationId> {
        self.id_of(name, self.get(name)?)
    }

    pub(super) fn list(&self, name: &str) -> Read<&'a [AttributeValue]> {
        match self.get(name)? {
            AttributeValue::L(list) => Ok(list),
            _ => Err(self.broken(name, "is not a list")),
        }
    }

    pub(super) fn optional_list(&self, name: &str) -> Read<&'a [AttributeValue]> {
        if self.item.contains_key(name) { self.list(name) } else { Ok(&[]) }
    }

    pub(super) fn map(&self, name: &str) -> Read<&'a HashMap<String, AttributeValue>> {
        match self.get(name)? {
            AttributeValue::M(map) => Ok(map),
            _ => Err(self.broken(name, "is not a map")),
        }
    }
}

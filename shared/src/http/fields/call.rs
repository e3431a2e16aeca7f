//! The fields that say what a call of a model consumed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Fields, NAME_BYTES, is_text};
use crate::domain::meters::MAX_COUNT;
use crate::domain::number::whole;
use crate::domain::provider_usage::{self, UsageFormat};

const METERS: &str = "meters";
const USAGE: &str = "usage";
const FORMAT: &str = "usage_format";

impl Fields {
    /// What a call consumed, by the words of its meters: as `meters`, or as a provider's `usage`
    /// object with its `usage_format`; never both, never neither.
    pub(in crate::http) fn consumed(&mut self) -> Option<BTreeMap<String, u64>> {
        let both = self.sent(METERS) && (self.sent(USAGE) || self.sent(FORMAT));
        let sent = (self.sent(USAGE), self.sent(FORMAT));
        let (counts, usage) = (self.counts(), self.usage());
        match sent {
            _ if both => {
                let field = if sent.0 { USAGE } else { FORMAT };
                self.wrong(field, "cannot be combined with meters");
                None
            }
            (true, false) => {
                self.wrong(FORMAT, "is required with usage");
                None
            }
            (false, true) => {
                self.missing(USAGE, "is required with usage_format");
                None
            }
            (true, true) => usage,
            (false, false) => {
                if counts.is_none() {
                    self.missing(METERS, "is required, unless usage is sent");
                }
                counts
            }
        }
    }

    /// Whether one of the fields was sent that say what a call consumed.
    pub(in crate::http) fn sent_consumed(&self) -> Option<&'static str> {
        [METERS, USAGE, FORMAT].into_iter().find(|field| self.sent(field))
    }

    /// An optional object of counts by meter, one at least.
    fn counts(&mut self) -> Option<BTreeMap<String, u64>> {
        let Value::Object(object) = self.take(METERS)? else {
            self.wrong(METERS, "must be an object of counts by meter");
            return None;
        };
        if object.is_empty() {
            self.wrong(METERS, "must have one meter at least");
            return None;
        }
        let mut counts = BTreeMap::new();
        for (name, value) in object {
            let field = format!("{METERS}.{name}");
            let count = whole(&value).and_then(|n| u64::try_from(n).ok());
            match count.filter(|count| *count <= MAX_COUNT) {
                _ if !is_text(&name, NAME_BYTES) => self.wrong(&field, "is no meter"),
                Some(count) => drop(counts.insert(name, count)),
                None => {
                    self.wrong(&field, format!("must be a whole number from 0 to {MAX_COUNT}"));
                }
            }
        }
        Some(counts)
    }

    /// The meters of an optional usage object. Its own fields are the provider's: whatever is among
    /// them, none is unknown.
    fn usage(&mut self) -> Option<BTreeMap<String, u64>> {
        let format = self.choice(FORMAT, &UsageFormat::ALL, UsageFormat::name);
        let usage = self.take(USAGE)?;
        match provider_usage::meters(&usage, format?) {
            Ok(meters) => {
                let counts = meters.shown().into_iter();
                Some(counts.map(|(name, count)| (name.to_owned(), count)).collect())
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }
}

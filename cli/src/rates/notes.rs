//! What a person must know of an import, beside what it changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

/// Remarks on models, the same ones together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notes {
    /// The models of the file that the table does not get, by the reason.
    pub left_out: Remarks,
    /// What else to check.
    pub notices: Remarks,
}

/// The models of each remark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks(BTreeMap<String, BTreeSet<String>>);

#[derive(Serialize)]
struct Remark<'a> {
    what: &'a str,
    models: &'a BTreeSet<String>,
}

impl Remarks {
    pub fn add(&mut self, what: impl Into<String>, model: impl Into<String>) {
        self.0.entry(what.into()).or_default().insert(model.into());
    }

    /// As lines under a heading. Without remarks there is none.
    pub fn under(&self, heading: &str) -> String {
        let lines = self.0.iter().map(|(what, models)| {
            let names: Vec<&str> = models.iter().map(String::as_str).collect();
            format!("  {what} ({}): {}\n", names.len(), names.join(", "))
        });
        if self.0.is_empty() {
            String::new()
        } else {
            format!("{heading}\n{}", lines.collect::<String>())
        }
    }
}

impl Serialize for Remarks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(what, models)| Remark { what, models }))
    }
}

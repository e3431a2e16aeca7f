//! What a stack says about itself, for a script and for a person.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use shared::domain::Instant;
use shared::domain::instant::Span;

use crate::dead::letter::age;

/// How far back a run of a deployed stack is looked for: the sweep runs once a week.
pub(super) const BACK: Span = Span::from_s(9 * 86_400);

/// The state of a stack.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The time of the stack's clock.
    pub at: Instant,
    pub stack: Stack,
    pub work: Vec<Work>,
    pub dead_letters: Vec<Dead>,
    /// Those of a deployed stack.
    pub functions: Vec<Function>,
    pub parked_payments: Parked,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Stack {
    Deployed { name: String, region: String, status: String },
    Local { origin: String },
}

/// Scheduled work.
#[derive(Debug, Serialize)]
pub struct Work {
    pub name: String,
    /// When it ended last. None: not in the last nine days.
    pub last: Option<Instant>,
    /// What it found: of a deployed stack the sums of its metrics, of a local one its answer.
    pub found: Value,
}

/// The dead letters of a function.
#[derive(Debug, Serialize)]
pub struct Dead {
    pub function: String,
    pub count: usize,
}

#[derive(Debug, Serialize)]
pub struct Function {
    pub name: String,
    /// When its code or configuration changed, in Lambda's words.
    pub changed: Option<String>,
    pub aliases: Vec<Alias>,
}

#[derive(Debug, Serialize)]
pub struct Alias {
    pub name: String,
    pub version: String,
    /// Other versions that it sends requests to, each with its part of them.
    pub others: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub struct Parked {
    pub count: usize,
    /// There are more than were counted.
    pub or_more: bool,
    pub oldest: Option<Instant>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { at: now, stack, work, dead_letters, functions, parked_payments } = self;
        match stack {
            Stack::Deployed { name, region, status } => {
                writeln!(f, "stack {name} in {region}: {status}")?;
            }
            Stack::Local { origin } => writeln!(f, "local stack at {origin}")?,
        }
        if work.is_empty() {
            writeln!(f, "no scheduled work has run since the stack started")?;
        }
        for Work { name, last, found } in work {
            let Some(last) = last else {
                writeln!(f, "{name}: no run in {}", age(BACK))?;
                continue;
            };
            write!(f, "{name}: {last}, {} ago", age(*now - *last))?;
            match stack {
                Stack::Local { .. } => writeln!(f, ", {found}")?,
                Stack::Deployed { .. } => writeln!(f, "{}", counted(found))?,
            }
        }
        if dead_letters.is_empty() {
            writeln!(f, "dead letters: none")?;
        }
        for Dead { function, count } in dead_letters {
            match count {
                0 => writeln!(f, "dead letters of {function}: none")?,
                _ => writeln!(f, "dead letters of {function}: {count}; see scrip dead list")?,
            }
        }
        functions.iter().try_for_each(|function| write!(f, "{function}"))?;
        let Parked { count, or_more, oldest } = parked_payments;
        match oldest {
            None => writeln!(f, "parked payments: none"),
            Some(oldest) => {
                let (more, since) = (if *or_more { " or more" } else { "" }, age(*now - *oldest));
                writeln!(f, "parked payments: {count}{more}, the oldest for {since}")
            }
        }
    }
}

/// Counts by their words.
fn counted(found: &Value) -> String {
    let counts = found.as_object().into_iter().flatten();
    counts.map(|(word, count)| format!(", {count} {}", word.replace('_', " "))).collect()
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Function { name, changed, aliases } = self;
        let changed = changed.as_deref().unwrap_or("at an unknown time");
        write!(f, "function {name}: changed {changed}")?;
        for Alias { name, version, others } in aliases {
            write!(f, ", {name} is version {version}")?;
            for (version, weight) in others {
                write!(f, " with {weight} of requests on version {version}")?;
            }
        }
        writeln!(f)
    }
}

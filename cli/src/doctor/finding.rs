//! A finding of the doctor: a line for a person.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Ok,
    /// It works, and somebody should know.
    Warn,
    /// A deploy fails, or the stack does not do its work.
    Fail,
}

/// One finding: a line for a person.
#[derive(Clone, Debug)]
pub struct Finding {
    pub level: Level,
    /// What was looked at, and what was found.
    text: String,
    /// What to do. None: nothing.
    advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(text: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, text: text.into(), advice: None }
    }

    pub(super) fn warn(text: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { level: Level::Warn, text: text.into(), advice: Some(advice.into()) }
    }

    pub(super) fn fail(text: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { level: Level::Fail, text: text.into(), advice: Some(advice.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        write!(f, "{level}  {}", self.text)?;
        match &self.advice {
            Some(advice) => write!(f, "\n      {advice}"),
            None => Ok(()),
        }
    }
}

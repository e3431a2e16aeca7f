//! The language of the scenarios: the lines and their answers.
//!
//! `verb account what... name=value... → answer`. The answer is a code for a refusal, then the
//! numbers, without those that are zero (except `available`), then `same receipt` if it repeats the
//! first answer.

use std::collections::BTreeMap;
use std::fmt;

use shared::domain::{Credits, Instant};

use crate::support::instant;

/// The effect of a line on its account. `operation`, `hold`, `debit` and `order` are the scenario's
/// own names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect<'a> {
    /// The clock goes to this instant.
    Clock(Instant),
    /// An account is opened. `anchor`: the day its plan started, if it is another.
    Open {
        plan: &'a str,
        anchor: Option<&'a str>,
    },
    Plan {
        plan: &'a str,
        anchor: Option<&'a str>,
    },
    Freeze,
    Unfreeze,
    Grant {
        credits: Credits,
        until: Option<Instant>,
    },
    Debit {
        credits: Credits,
        operation: &'a str,
    },
    Hold {
        credits: Credits,
        life_s: i64,
        operation: &'a str,
    },
    /// `ends`: the rest of the hold is released.
    Capture {
        hold: &'a str,
        credits: Credits,
        ends: bool,
        operation: &'a str,
    },
    Release {
        hold: &'a str,
        operation: &'a str,
    },
    Extend {
        hold: &'a str,
        life_s: i64,
        operation: &'a str,
    },
    Refund {
        debit: &'a str,
        credits: Credits,
        operation: &'a str,
    },
    /// The balance, now.
    Balance,
    /// A customer orders a pack and pays for it.
    Buy {
        pack: &'a str,
        order: &'a str,
    },
    /// This many cents of a payment go back to the customer. None: all that are left.
    Return {
        order: &'a str,
        minor: Option<u64>,
    },
    /// The bank takes a payment back until the dispute is decided.
    Dispute {
        order: &'a str,
    },
    Lose {
        order: &'a str,
    },
    Win {
        order: &'a str,
    },
    /// An operator waives the debt.
    Waive,
}

pub(super) struct Line<'a> {
    pub text: &'a str,
    /// Empty for the clock.
    pub account: &'a str,
    pub effect: Effect<'a>,
    pub expected: String,
}

pub(super) struct Scenario<'a> {
    pub title: &'a str,
    pub lines: Vec<Line<'a>>,
}

/// A player of lines.
pub(super) trait Player {
    async fn clock(&mut self, now: Instant);
    async fn play(&mut self, account: &str, effect: &Effect<'_>) -> Reply;
}

/// The scenarios of a file: a title, its lines, and an empty line between two of them.
pub(super) fn scenarios(text: &str) -> Vec<Scenario<'_>> {
    let scenario = |block| {
        let mut lines = str::lines(block);
        let title = lines.next().and_then(|title| title.strip_prefix("# ")).expect("# a title");
        Scenario { title, lines: lines.map(line).collect() }
    };
    text.trim_end().split("\n\n").map(scenario).collect()
}

fn line(text: &str) -> Line<'_> {
    let (does, says) = text.split_once('→').unwrap_or((text, ""));
    let mut words = Words::of(does);
    let verb = words.next();
    let account = if verb == "clock" { "" } else { words.next() };
    let effect = effect(verb, &mut words);
    words.end();
    let expected = says.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(verb == "clock", expected.is_empty(), "an answer, unless the clock is set: {text}");
    Line { text, account, effect, expected }
}

fn effect<'a>(verb: &str, words: &mut Words<'a>) -> Effect<'a> {
    match verb {
        "clock" => Effect::Clock(instant(words.next())),
        "open" => Effect::Open { plan: words.next(), anchor: words.named("anchor") },
        "plan" => Effect::Plan { plan: words.next(), anchor: words.named("anchor") },
        "freeze" => Effect::Freeze,
        "unfreeze" => Effect::Unfreeze,
        "grant" => {
            Effect::Grant { credits: words.credits(), until: words.named("until").map(instant) }
        }
        "debit" => Effect::Debit { credits: words.credits(), operation: words.name("operation") },
        "hold" => Effect::Hold {
            credits: words.credits(),
            life_s: words.named("life_s").map_or(300, number),
            operation: words.name("operation"),
        },
        "capture" => Effect::Capture {
            hold: words.name("hold"),
            credits: words.credits(),
            ends: words.named("final") != Some("false"),
            operation: words.name("operation"),
        },
        "release" => {
            Effect::Release { hold: words.name("hold"), operation: words.name("operation") }
        }
        "extend" => Effect::Extend {
            hold: words.name("hold"),
            life_s: number(words.name("life_s")),
            operation: words.name("operation"),
        },
        "refund" => Effect::Refund {
            debit: words.name("debit"),
            credits: words.credits(),
            operation: words.name("operation"),
        },
        "balance" => Effect::Balance,
        "buy" => Effect::Buy { pack: words.next(), order: words.name("order") },
        "return" => {
            Effect::Return { order: words.name("order"), minor: words.named("minor").map(number) }
        }
        "dispute" => Effect::Dispute { order: words.name("order") },
        "lose" => Effect::Lose { order: words.name("order") },
        "win" => Effect::Win { order: words.name("order") },
        "waive" => Effect::Waive,
        _ => panic!("no such verb: {verb}"),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("not a number: {word}"))
}

/// The unread words of a line.
struct Words<'a> {
    line: &'a str,
    plain: std::vec::IntoIter<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Words<'a> {
        let (mut plain, mut named) = (Vec::new(), BTreeMap::new());
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => assert_eq!(named.insert(name, value), None, "{line}"),
                None => plain.push(word),
            }
        }
        Words { line, plain: plain.into_iter(), named }
    }

    fn next(&mut self) -> &'a str {
        self.plain.next().unwrap_or_else(|| panic!("a word is missing: {}", self.line))
    }

    fn credits(&mut self) -> Credits {
        self.next().parse().unwrap_or_else(|_| panic!("no credits: {}", self.line))
    }

    fn named(&mut self, name: &str) -> Option<&'a str> {
        self.named.remove(name)
    }

    fn name(&mut self, name: &str) -> &'a str {
        self.named(name).unwrap_or_else(|| panic!("{name}= is missing: {}", self.line))
    }

    fn end(mut self) {
        let rest = (self.plain.next(), self.named.pop_first());
        assert_eq!(rest, (None, None), "more than is read: {}", self.line);
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// The code of a refusal.
    pub code: Option<String>,
    /// How a hold ended.
    pub ended: Option<String>,
    pub available: Option<Credits>,
    pub held: Credits,
    pub debt: Credits,
    /// The part of a debit that was refunded before.
    pub refunded: Credits,
    pub same_receipt: bool,
}

impl Reply {
    pub(super) fn refused(code: &str) -> Reply {
        Reply { code: Some(code.to_owned()), ..Reply::default() }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> =
            [&self.code, &self.ended].into_iter().flatten().cloned().collect();
        words.extend(self.available.map(|credits| format!("available {credits}")));
        for (name, credits) in
            [("held", self.held), ("debt", self.debt), ("refunded", self.refunded)]
        {
            words.extend((!credits.is_zero()).then(|| format!("{name} {credits}")));
        }
        words.extend(self.same_receipt.then(|| "same receipt".to_owned()));
        f.write_str(&words.join(" "))
    }
}

//! The question that the usage section answers, as parameters of the page's address.

use shared::domain::period::Day;

use super::address::Address;
use super::chart::ChartStep;

/// The parameters of the question.
pub const PARAMETERS: [&str; 5] = ["usage_by", "usage_per", "usage_from", "usage_to", "usage_find"];

/// The most days of a chart: a year.
pub const MAX_DAYS: usize = 366;
/// The days before the last one if only that one is asked.
const DAYS_BEFORE: u32 = 29;
/// The longest name of an action, a model or a user, in characters.
const MAX_FIND: usize = 64;

/// By whom or what consumption is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakdown {
    Action,
    Model,
    User,
}

impl Breakdown {
    pub const ALL: [Breakdown; 3] = [Breakdown::Action, Breakdown::Model, Breakdown::User];

    pub fn name(self) -> &'static str {
        match self {
            Breakdown::Action => "action",
            Breakdown::Model => "model",
            Breakdown::User => "user",
        }
    }
}

/// A question about consumption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuestion {
    pub by: Breakdown,
    pub step: ChartStep,
    /// The first day.
    pub from: Day,
    /// The day after the last. At most [`MAX_DAYS`] after the first.
    pub to: Day,
    /// A part of the name of each series that is shown; empty: all are.
    pub find: String,
    /// Whether the days are those of the period because no others are asked.
    pub of_period: bool,
}

impl UsageQuestion {
    /// The question of an address. `period`: the first day of the account's period, and the day
    /// after its last. A parameter that cannot be is as if it were not there: the address was
    /// changed by hand, and a page shows more than an error does.
    pub fn new(address: &Address, period: (Day, Day), today: Day) -> UsageQuestion {
        let by = Breakdown::ALL.into_iter().find(|by| by.name() == address.get("usage_by"));
        let step = ChartStep::ALL.into_iter().find(|step| step.name() == address.get("usage_per"));
        let find = address.get("usage_find").trim();
        let find = if find.chars().count() > MAX_FIND { "" } else { find };
        let days = days(address.get("usage_from"), address.get("usage_to"), today);
        let (from, to) = days.unwrap_or(period);
        UsageQuestion {
            by: by.unwrap_or(Breakdown::Action),
            step: step.unwrap_or(ChartStep::Day),
            from,
            to: to.min(from.plus(MAX_DAYS as u32)),
            find: find.to_owned(),
            of_period: days.is_none(),
        }
    }

    /// `address` with this question in place of its own. What is the default is left out.
    pub fn address(&self, address: &Address) -> Address {
        let by = if self.by == Breakdown::Action { "" } else { self.by.name() };
        let step = if self.step == ChartStep::Day { "" } else { self.step.name() };
        let day = |day: Day| if self.of_period { String::new() } else { day.to_string() };
        let (from, last) = (day(self.from), day(self.to.minus(1)));
        let values = [by, step, from.as_str(), last.as_str(), self.find.as_str()];
        let changes: Vec<_> = PARAMETERS.into_iter().zip(values).collect();
        address.with(&changes)
    }
}

/// The first day and the one after the last. `last` is included, as in the form that sends it.
/// None: no day is given, or they are not 1 to [`MAX_DAYS`] days.
fn days(from: &str, last: &str, today: Day) -> Option<(Day, Day)> {
    let (from, last) = match (from, last) {
        ("", "") => return None,
        (from, "") => (Day::parse(from)?, today),
        ("", last) => {
            let last = Day::parse(last)?;
            (last.minus(DAYS_BEFORE), last)
        }
        (from, last) => (Day::parse(from)?, Day::parse(last)?),
    };
    let to = last.plus(1);
    let days = from.days()..to.days();
    (!days.is_empty() && days.len() <= MAX_DAYS).then_some((from, to))
}

//! The chart of consumption: its series, bars and axis. Exact, in micro-credits.

use std::collections::BTreeMap;

use shared::domain::Credits;
use shared::domain::period::Day;
use shared::domain::usage::Used;

/// So many series have a colour of their own; the others are one series.
pub const MAX_SERIES: usize = 10;
/// The height of a chart, in units of its drawing.
pub const HEIGHT: i64 = 1000;
/// The most steps of an axis.
const MAX_STEPS: i128 = 5;

/// The stretch of time that a bar stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartStep {
    Day,
    /// From Monday, or the first day, to Sunday, or the last day.
    Week,
    /// From the first day to the end of each day: a running sum.
    Sum,
}

impl ChartStep {
    pub const ALL: [ChartStep; 3] = [ChartStep::Day, ChartStep::Week, ChartStep::Sum];

    pub fn name(self) -> &'static str {
        match self {
            ChartStep::Day => "day",
            ChartStep::Week => "week",
            ChartStep::Sum => "sum",
        }
    }
}

/// Whose consumption a series is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeriesKey {
    Named(String),
    /// No action, model or user was named.
    Unnamed,
    /// Those that are not shown one by one.
    Others,
}

/// Consumption of one origin over all days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub key: SeriesKey,
    pub used: Used,
}

/// Consumption of one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    pub first: Day,
    pub last: Day,
    pub credits: Credits,
    /// By series, in their order; they add up to `credits`.
    pub parts: Vec<Credits>,
    /// Whether it has not begun.
    pub is_future: bool,
}

/// The values of the axis: so many steps from 0, each 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    pub step: Credits,
    pub steps: u32,
}

/// A part of a bar, in units of the drawing. `top` is measured downwards from [`HEIGHT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub series: usize,
    pub top: i64,
    pub height: i64,
}

/// Consumption by series and by stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// The largest first, the others last.
    pub series: Vec<Series>,
    pub bars: Vec<Bar>,
    pub axis: Axis,
    /// The sum of the series.
    pub credits: Credits,
    /// The sum of the days, those of series that are not shown included.
    pub all: Credits,
}

/// The chart of `days` from the first of `range` to before the second: of the series that are
/// `shown`. `least`: an amount that the axis has room for.
pub fn chart(
    days: &BTreeMap<Day, Vec<(SeriesKey, Used)>>,
    range: (Day, Day),
    step: ChartStep,
    today: Day,
    shown: impl Fn(&SeriesKey) -> bool,
    least: Credits,
) -> Chart {
    let used =
        || days.range(range.0..range.1).flat_map(|(day, of)| of.iter().map(move |u| (day, u)));
    let all = used().map(|(_, (_, used))| used.credits).sum();
    let series = series(used().map(|(_, of)| of).filter(|(key, _)| shown(key)));
    let place = |key: &SeriesKey| {
        let own = series.iter().position(|one| one.key == *key);
        own.unwrap_or(series.len() - 1)
    };
    let mut bars = empty(range, step, today, series.len());
    for (day, (key, used)) in used().filter(|(_, (key, _))| shown(key)) {
        // Of a running sum each later bar has it, too.
        let first = bars.partition_point(|bar| bar.last < *day);
        let count = if step == ChartStep::Sum { bars.len() } else { 1 };
        for bar in bars.iter_mut().skip(first).take(count) {
            bar.parts[place(key)] += used.credits;
            bar.credits += used.credits;
        }
    }
    if step == ChartStep::Sum {
        // What was consumed until a day that has not come is not known.
        for bar in bars.iter_mut().filter(|bar| bar.is_future) {
            *bar = Bar { credits: Credits::ZERO, parts: vec![], ..bar.clone() };
        }
    }
    let heights = bars.iter().map(|bar| positive(&bar.parts).sum::<Credits>());
    let most = heights.max().unwrap_or_default();
    let credits = series.iter().map(|one| one.used.credits).sum();
    Chart { axis: axis(most.max(least)), series, bars, credits, all }
}

/// The largest series, and the others as one.
fn series<'a>(used: impl Iterator<Item = &'a (SeriesKey, Used)>) -> Vec<Series> {
    let mut sums = BTreeMap::<&SeriesKey, Used>::new();
    for (key, used) in used {
        *sums.entry(key).or_default() += *used;
    }
    let stored = sums.remove(&SeriesKey::Others);
    let mut sums: Vec<_> = sums.into_iter().collect();
    // By key if they are equal, so that a chart that is drawn again has the same colours.
    sums.sort_by_key(|(_, used)| -used.credits);
    let rest = sums.split_off(sums.len().min(MAX_SERIES));
    let others = (stored.is_some() || !rest.is_empty())
        .then(|| stored.into_iter().chain(rest.into_iter().map(|(_, used)| used)).sum());
    let own = sums.into_iter().map(|(key, used)| Series { key: key.clone(), used });
    let others = others.map(|used| Series { key: SeriesKey::Others, used });
    own.chain(others).collect()
}

/// The bars of a range, with nothing in them.
fn empty((from, to): (Day, Day), step: ChartStep, today: Day, series: usize) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for day in (from.days()..to.days()).filter_map(Day::from_days) {
        match bars.last_mut().filter(|_| step == ChartStep::Week && day.monday() != day) {
            Some(bar) => bar.last = day,
            None => bars.push(Bar {
                first: day,
                last: day,
                credits: Credits::ZERO,
                parts: vec![Credits::ZERO; series],
                is_future: day > today,
            }),
        }
    }
    bars
}

/// What has a height: a series with more refunds than uses has none, its number says so.
fn positive(parts: &[Credits]) -> impl Iterator<Item = Credits> {
    parts.iter().map(|part| (*part).max(Credits::ZERO))
}

/// The axis that holds `most` in as few steps as leave at most five.
pub fn axis(most: Credits) -> Axis {
    let most = i128::from(most.micro());
    let powers = std::iter::successors(Some(1_i128), |power| power.checked_mul(10));
    let steps = powers.flat_map(|power| [power, 2 * power, 5 * power]);
    let step = steps.into_iter().find(|step| step * MAX_STEPS >= most).unwrap_or(1);
    let count = u32::try_from((most + step - 1) / step).unwrap_or(1).max(1);
    Axis { step: Credits::from_micro(i64::try_from(step).unwrap_or(i64::MAX)), steps: count }
}

impl Axis {
    /// The values of the axis, from 0 up.
    pub fn values(&self) -> impl Iterator<Item = Credits> {
        let step = self.step;
        (0..=self.steps).map(move |n| step.times(n))
    }

    /// The height of an amount in units of the drawing, rounded down. Less than nothing has none.
    pub fn height(&self, credits: Credits) -> i64 {
        let top = i128::from(self.step.micro()) * i128::from(self.steps);
        let credits = i128::from(credits.micro().max(0));
        i64::try_from(credits * i128::from(HEIGHT) / top).unwrap_or(HEIGHT).min(HEIGHT)
    }
}

impl Bar {
    /// Its parts as blocks that stand on each other, the first series at the bottom. Those too
    /// small to be seen are left out.
    pub fn blocks(&self, axis: &Axis) -> Vec<Block> {
        let mut below = Credits::ZERO;
        let blocks = positive(&self.parts).enumerate().map(|(series, part)| {
            let bottom = axis.height(below);
            below += part;
            let top = axis.height(below);
            Block { series, top: HEIGHT - top, height: top - bottom }
        });
        blocks.filter(|block| block.height > 0).collect()
    }
}

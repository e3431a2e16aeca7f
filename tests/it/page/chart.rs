//! The arithmetic of the chart: whatever is consumed, its bars and its series add up to it.

use std::collections::BTreeMap;

use ::page::address::Address;
use ::page::chart::{Chart, ChartStep, HEIGHT, SeriesKey, axis, chart};
use ::page::usage_question::{Breakdown, MAX_DAYS, UsageQuestion};
use proptest::prelude::*;
use shared::domain::Credits;
use shared::domain::period::Day;
use shared::domain::usage::Used;

type Days = BTreeMap<Day, Vec<(SeriesKey, Used)>>;

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

fn named(name: &str) -> SeriesKey {
    SeriesKey::Named(name.to_owned())
}

fn used(credits: i64) -> Used {
    Used { credits: Credits::whole(credits), count: 1 }
}

/// Three weeks from Wednesday on; today is the Monday of the third.
fn drawn(days: &Days, step: ChartStep) -> Chart {
    let range = (day("2026-11-04"), day("2026-11-25"));
    chart(days, range, step, day("2026-11-16"), |_| true, Credits::ZERO)
}

fn three_days() -> Days {
    let days = [
        ("2026-11-04", vec![(named("a"), used(3)), (SeriesKey::Unnamed, used(1))]),
        ("2026-11-08", vec![(named("b"), used(5))]),
        ("2026-11-09", vec![(named("a"), used(-2)), (named("b"), used(4))]),
    ];
    days.into_iter().map(|(text, of)| (day(text), of)).collect()
}

fn totals(chart: &Chart) -> Vec<i64> {
    chart.bars.iter().map(|bar| bar.credits.micro() / 1_000_000).collect()
}

#[test]
fn bars_are_days_weeks_from_monday_or_running_sums() {
    let days = drawn(&three_days(), ChartStep::Day);
    assert_eq!(days.bars.len(), 21);
    assert_eq!(totals(&days)[..7], [4, 0, 0, 0, 5, 2, 0]);
    let weeks = drawn(&three_days(), ChartStep::Week);
    let shown: Vec<_> =
        weeks.bars.iter().map(|bar| format!("{} {}", bar.first, bar.last)).collect();
    let expected = [
        "2026-11-04 2026-11-08",
        "2026-11-09 2026-11-15",
        "2026-11-16 2026-11-22",
        "2026-11-23 2026-11-24",
    ];
    assert_eq!(shown, expected);
    assert_eq!(totals(&weeks), [9, 2, 0, 0]);
    let sums = drawn(&three_days(), ChartStep::Sum);
    assert_eq!(totals(&sums)[..7], [4, 4, 4, 4, 9, 11, 11]);
    // Nothing is known of tomorrow.
    assert_eq!((totals(&sums)[12], totals(&sums)[13]), (11, 0));
    assert!(sums.bars[13].is_future && sums.bars[13].parts.is_empty());
}

#[test]
fn a_series_with_more_refunds_than_uses_has_no_height() {
    let chart = drawn(&three_days(), ChartStep::Day);
    let names: Vec<_> = chart.series.iter().map(|series| series.key.clone()).collect();
    // Of equal ones the first by name.
    assert_eq!(names, [named("b"), named("a"), SeriesKey::Unnamed]);
    let ninth = &chart.bars[5];
    assert_eq!((ninth.parts[0], ninth.parts[1]), (Credits::whole(4), Credits::whole(-2)));
    let blocks = ninth.blocks(&chart.axis);
    assert_eq!(blocks.len(), 1);
    assert_eq!((blocks[0].series, blocks[0].top, blocks[0].height), (0, 200, 800));
}

#[test]
fn ten_series_are_shown_and_the_others_together() {
    for (count, shown, others) in [(10, 10, None), (11, 11, Some(1)), (400, 11, Some(390))] {
        let of = (0..count).map(|n| (named(&format!("{n:03}")), used(1)));
        let days = Days::from([(day("2026-11-05"), of.collect())]);
        let chart = drawn(&days, ChartStep::Day);
        assert_eq!(chart.series.len(), shown);
        let last = chart.series.last().filter(|series| series.key == SeriesKey::Others);
        assert_eq!(last.map(|series| series.used.credits), others.map(Credits::whole));
        assert_eq!(chart.bars[1].parts.iter().copied().sum::<Credits>(), Credits::whole(count));
    }
}

#[test]
fn the_axis_has_steps_of_one_two_or_five() {
    for (most, step, steps) in [
        (0, 1, 1),
        (1, 1, 1),
        (5, 1, 5),
        (6, 2, 3),
        (11, 5, 3),
        (25, 5, 5),
        (26, 10, 3),
        (701_500_000, 200_000_000, 4),
        (Credits::MAX_BALANCE.micro(), 200_000_000_000_000_000, 5),
    ] {
        let found = axis(Credits::from_micro(most));
        assert_eq!((found.step.micro(), found.steps), (step, steps), "{most}");
        assert_eq!(found.height(found.values().last().expect("a value")), HEIGHT);
    }
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), -1_000_000..1_000_000_i64, -1_000_000_000_000..1_000_000_000_000_i64]
}

fn any_days() -> impl Strategy<Value = Days> {
    let of = prop::collection::vec((0..15_usize, amount(), 0..9_u64), 0..12);
    prop::collection::btree_map(0..30_u32, of, 0..12).prop_map(|days| {
        let used = |(name, micro, count): (usize, i64, u64)| {
            let key = match name {
                0 => SeriesKey::Unnamed,
                1 => SeriesKey::Others,
                name => named(&name.to_string()),
            };
            (key, Used { credits: Credits::from_micro(micro), count })
        };
        let first = day("2026-11-01");
        let of = |of: Vec<_>| of.into_iter().map(used).collect();
        days.into_iter().map(|(n, used)| (first.plus(n), of(used))).collect()
    })
}

proptest! {
    #[test]
    fn bars_and_series_add_up_to_what_was_consumed(
        days in any_days(),
        from in 0..20_u32,
        count in 1..40_u32,
        step in prop::sample::select(ChartStep::ALL.to_vec()),
    ) {
        let from = day("2026-11-01").plus(from);
        let range = (from, from.plus(count));
        let chart = chart(&days, range, step, Day::LAST, |_| true, Credits::ZERO);
        let all = days.range(range.0..range.1).flat_map(|(_, of)| of);
        let all: Credits = all.map(|(_, used)| used.credits).sum();
        prop_assert_eq!((chart.credits, chart.all), (all, all));
        for bar in &chart.bars {
            prop_assert_eq!(bar.parts.iter().copied().sum::<Credits>(), bar.credits);
            let blocks = bar.blocks(&chart.axis);
            let stacked: i64 = blocks.iter().map(|block| block.height).sum();
            prop_assert!(stacked <= HEIGHT);
            prop_assert!(blocks.iter().all(|block| block.top >= 0));
        }
        let sum: Credits = match step {
            ChartStep::Sum => chart.bars.last().expect("a bar").credits,
            ChartStep::Day | ChartStep::Week => chart.bars.iter().map(|bar| bar.credits).sum(),
        };
        prop_assert_eq!(sum, all);
        let series: Credits = chart.series.iter().map(|series| series.used.credits).sum();
        prop_assert_eq!(series, all);
    }

    #[test]
    fn a_question_is_its_address(
        by in prop::sample::select(Breakdown::ALL.to_vec()),
        step in prop::sample::select(ChartStep::ALL.to_vec()),
        days in prop::option::of((0..30_000_u32, 1..=MAX_DAYS as u32)),
        find in "[ -~äß漢]{0,20}",
        kept in prop::collection::btree_map("[a-z]{1,6}", "[ -~ä]{1,9}", 0..4),
    ) {
        let (period, today) = ((day("2026-11-02"), day("2026-11-09")), day("2026-11-04"));
        let range = days.and_then(|(from, count)| {
            let from = Day::from_days(from)?;
            Some((from, from.plus(count)))
        });
        let (from, to) = range.unwrap_or(period);
        let find = find.trim().to_owned();
        let asked = UsageQuestion { by, step, from, to, find, of_period: range.is_none() };
        let kept = Address::new(kept);
        let link = asked.address(&kept).link("usage");
        let query = link.trim_start_matches("/").trim_start_matches('?').split('#').next();
        let read = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        let read = Address::new(read);
        prop_assert_eq!(&UsageQuestion::new(&read, period, today), &asked);
        let others = read.without(&::page::usage_question::PARAMETERS);
        prop_assert_eq!(others, kept.without(&[]));
    }
}

#[test]
fn what_cannot_be_asked_is_left_out() {
    let (period, today) = ((day("2026-11-02"), day("2026-11-09")), day("2026-11-04"));
    let asked = |query: &str| {
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned();
        let asked = UsageQuestion::new(&Address::new(parameters), period, today);
        (asked.by.name(), asked.step.name(), asked.from.to_string(), asked.to.to_string())
    };
    let days = |from: &str, to: &str| ("action", "day", from.to_owned(), to.to_owned());
    let default = days("2026-11-02", "2026-11-09");
    for query in [
        "",
        "usage_by=evil&usage_per=hour",
        "usage_from=2026-11-31",
        "usage_from=x&usage_to=2026-11-03",
        "usage_from=2026-11-04&usage_to=2026-11-03",
        "usage_from=2025-11-03&usage_to=2026-11-04",
        "usage_from=1969-12-31&usage_to=1970-01-01",
        "usage_from=9999-12-31&usage_to=9999-12-31",
        "usage_from=2026-11-05",
        "usage_from=&usage_to=",
    ] {
        assert_eq!(asked(query), default, "{query}");
    }
    // A year and a day; one day; from a day until today; thirty days.
    for (query, from, to) in [
        ("usage_from=2025-11-04&usage_to=2026-11-04", "2025-11-04", "2026-11-05"),
        ("usage_from=2026-11-04&usage_to=2026-11-04", "2026-11-04", "2026-11-05"),
        ("usage_from=2026-11-01", "2026-11-01", "2026-11-05"),
        ("usage_to=2026-10-30", "2026-10-01", "2026-10-31"),
    ] {
        assert_eq!(asked(query), days(from, to), "{query}");
    }
    let other = asked("usage_by=user&usage_per=week&usage_by=model");
    assert_eq!((other.0, other.1), ("user", "week"));
}

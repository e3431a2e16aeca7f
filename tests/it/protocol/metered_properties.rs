//! Properties of the prices of calls over random rates and counts.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::domain::meters::{MAX_COUNT, Meter};
use shared::domain::rates::RateTable;
use shared::domain::{Catalog, CatalogFiles, Credits};

const MICRO: u128 = 1_000_000;
const METERS: [Meter; 3] = [Meter::Input, Meter::CachedInput, Meter::Output];

type Three = [u64; 3];

/// The catalog with one model, whose meters have these rates, in micro-credits for a million.
fn catalog(rates: Three) -> Catalog {
    let mut table = "context = [\"input\"]\n[models.m]\nnumber = 1\n".to_owned();
    for (meter, rate) in METERS.into_iter().zip(rates) {
        let rate = Credits::from_micro(i64::try_from(rate).expect("small"));
        table += &format!("{} = {{ credits = \"{rate}\" }}\n", meter.name());
    }
    let rates = BTreeMap::from([("llm".to_owned(), table)]);
    let files = CatalogFiles { rates, ..CatalogFiles::built_in() };
    Catalog::parse(&files).expect("a catalog")
}

fn counts(counts: Three) -> BTreeMap<String, u64> {
    METERS.into_iter().map(|meter| meter.name().to_owned()).zip(counts).collect()
}

/// The price of a call, rounded up and down, in micro-credits. None: more than one may cost.
fn price(catalog: &Catalog, sent: Three) -> (Option<u128>, Option<u128>) {
    let call = catalog.price_call("chat", "m", &counts(sent)).expect("it is sold");
    let micro = |credits: Credits| u128::from(credits.micro().unsigned_abs());
    (call.exact.rounded_up().map(micro), call.exact.rounded_down().map(micro))
}

/// The exact sum, in millionths of a micro-credit.
fn exact(rates: Three, sent: Three) -> u128 {
    rates.into_iter().zip(sent).map(|(rate, count)| u128::from(rate) * u128::from(count)).sum()
}

fn rates() -> impl Strategy<Value = Three> {
    prop::array::uniform3(prop_oneof![0..10_u64, 0..10_000_000_000_u64])
}

fn sent() -> impl Strategy<Value = Three> {
    prop::array::uniform3(prop_oneof![0..5_u64, 0..10_000_000_u64, 0..=MAX_COUNT])
}

proptest! {
    #[test]
    fn a_call_costs_its_exact_sum_or_less_than_a_micro_credit_more(
        rates in rates(),
        sent in sent(),
    ) {
        let (sum, (up, down)) = (exact(rates, sent), price(&catalog(rates), sent));
        let most = u128::from(Credits::MAX.micro().unsigned_abs());
        match up {
            Some(up) => {
                prop_assert!(up * MICRO >= sum && up * MICRO < sum + MICRO);
                let down = down.expect("less than what it is rounded up to");
                prop_assert!(down * MICRO <= sum && down * MICRO + MICRO > sum);
            }
            None => prop_assert!(sum > most * MICRO),
        }
    }

    #[test]
    fn more_of_a_meter_never_costs_less(rates in rates(), sent in sent(), more in 0..3_usize) {
        let catalog = catalog(rates);
        let mut larger = sent;
        larger[more] = (larger[more] + 1).min(MAX_COUNT);
        if let (Some(before), Some(after)) = (price(&catalog, sent).0, price(&catalog, larger).0) {
            prop_assert!(before <= after);
        }
    }

    #[test]
    fn parts_never_cost_more_than_the_whole_and_fall_short_by_less_than_one_each(
        rates in rates(),
        parts in prop::collection::vec(prop::array::uniform3(0..100_000_u64), 1..6),
    ) {
        let catalog = catalog(rates);
        let whole = parts.iter().fold([0; 3], |sum: Three, part| {
            [0, 1, 2].map(|meter| sum[meter] + part[meter])
        });
        let down = parts.iter().map(|part| price(&catalog, *part).1.expect("small")).sum::<u128>();
        let held = price(&catalog, whole).0.expect("small");
        prop_assert!(down <= held);
        prop_assert!(exact(rates, whole) < (down + parts.len() as u128) * MICRO);
    }
}

#[test]
fn a_context_decides_the_tier_of_all_meters_and_a_larger_one_costs_more() {
    let text = "context = [\"input\", \"cached_input\"]\n[models.m]\nnumber = 1\n\
                input = { credits = \"1\" }\ncached_input = { credits = \"0\" }\n\
                output = { credits = \"1\" }\n[models.m.above_10]\noutput = { credits = \"2\" }\n";
    let table = RateTable::parse(text).expect("a table");
    let model = table.model("m").expect("a model");
    let costs = |sent| {
        let (_, exact) = table.price(model, &counts(sent)).expect("it has rates");
        exact.rounded_up().expect("small").micro()
    };
    // Input, cached input, output.
    assert_eq!([costs([1, 9, 5]), costs([1, 10, 5]), costs([11, 0, 5])], [6, 11, 21]);
}

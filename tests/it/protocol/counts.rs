//! The gate on the instructions and allocations of a debit, without counting any.

use std::path::Path;

use bench::counts::{Count, Counts, Kept};

const KEPT: Counts = Counts {
    sdk: Count { instructions: 500_000, allocations: 400 },
    http: Count { instructions: 200_000, allocations: 300 },
    direct: Count { instructions: 100_000, allocations: 200 },
    cold_start: 50_000_000,
};

#[test]
fn a_count_that_is_three_percent_more_passes_and_one_above_that_fails() {
    let http = |instructions| Counts { http: Count { instructions, ..KEPT.http }, ..KEPT };
    assert!(!http(206_000).beside(&KEPT).1);
    assert!(http(206_100).beside(&KEPT).1);
    let direct = |allocations| Counts { direct: Count { allocations, ..KEPT.direct }, ..KEPT };
    assert!(!direct(206).beside(&KEPT).1);
    assert!(direct(207).beside(&KEPT).1);
    let sdk = |allocations| Counts { sdk: Count { allocations, ..KEPT.sdk }, ..KEPT };
    assert!(!sdk(412).beside(&KEPT).1);
    assert!(sdk(413).beside(&KEPT).1);
    assert!(Counts { cold_start: 51_600_000, ..KEPT }.beside(&KEPT).1);
}

#[test]
fn instructions_are_compared_as_shares_of_the_sdks() {
    let scaled = |count: Count| Count { instructions: count.instructions * 11 / 10, ..count };
    let elsewhere = Counts {
        sdk: scaled(KEPT.sdk),
        http: scaled(KEPT.http),
        direct: scaled(KEPT.direct),
        cold_start: KEPT.cold_start * 11 / 10,
    };
    let (table, is_more) = elsewhere.beside(&KEPT);
    assert!(!is_more, "{table}");
    assert!(table.contains("40.0 % over HTTP, 20.0 % by Invoke"), "{table}");
    // The SDK takes less and we do not.
    let sdk = Count { instructions: 480_000, ..KEPT.sdk };
    assert!(Counts { sdk, ..KEPT }.beside(&KEPT).1);
}

#[test]
fn the_kept_counts_can_be_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/counts.toml");
    let kept = Kept(&file).read().expect("counts");
    assert!(kept.sdk.instructions > 0 && kept.cold_start > kept.http.instructions, "{kept:?}");
}

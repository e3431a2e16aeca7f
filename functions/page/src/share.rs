//! A share of an amount in thousandths, for bars.

use shared::domain::Credits;

/// How many thousandths of `total` are `part`; 0 of nothing.
pub(super) fn per_mille(part: Credits, total: Credits) -> i64 {
    match total.is_zero() {
        true => 0,
        false => (i128::from(part.micro()) * 1000 / i128::from(total.micro())) as i64,
    }
}

//! Credits: a whole number of micro-credits, never a float.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

/// Credits, counted in micro-credits: 1 credit = 1 000 000.
///
/// A balance is never negative; a change of a balance (an [`Entry`](super::Entry)) may be. In JSON
/// it is a decimal string in its shortest form: `"25"`, `"0.5"`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(i64);

impl Credits {
    pub const ZERO: Credits = Credits(0);
    /// The most that one operation may move: a thousand million credits. A balance of
    /// [`Credits::MAX_BALANCE`] plus one operation still fits 63 bits.
    pub const MAX: Credits = Credits(1_000_000_000 * Credits::MICRO);
    /// The most that an account may hold: a million million credits.
    pub const MAX_BALANCE: Credits = Credits(1_000_000_000_000 * Credits::MICRO);
    const MICRO: i64 = 1_000_000;
    const DECIMALS: usize = 6;

    pub const fn from_micro(micro: i64) -> Credits {
        Credits(micro)
    }

    pub const fn whole(credits: i64) -> Credits {
        Credits(credits * Credits::MICRO)
    }

    pub const fn micro(self) -> i64 {
        self.0
    }

    /// So many times the credits, and at most [`Credits::MAX_BALANCE`].
    pub fn times(self, count: u32) -> Credits {
        let most = Credits::MAX_BALANCE.0;
        Credits(self.0.checked_mul(i64::from(count)).map_or(most, |micro| micro.min(most)))
    }

    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl Add for Credits {
    type Output = Credits;
    fn add(self, other: Credits) -> Credits {
        Credits(self.0 + other.0)
    }
}

impl Sub for Credits {
    type Output = Credits;
    fn sub(self, other: Credits) -> Credits {
        Credits(self.0 - other.0)
    }
}

impl Neg for Credits {
    type Output = Credits;
    fn neg(self) -> Credits {
        Credits(-self.0)
    }
}

impl AddAssign for Credits {
    fn add_assign(&mut self, other: Credits) {
        self.0 += other.0;
    }
}

impl SubAssign for Credits {
    fn sub_assign(&mut self, other: Credits) {
        self.0 -= other.0;
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Credits>>(parts: I) -> Credits {
        parts.fold(Credits::ZERO, Add::add)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micro) = (self.0.abs() / Credits::MICRO, self.0.abs() % Credits::MICRO);
        let sign = if self.0 < 0 { "-" } else { "" };
        if micro == 0 {
            return write!(f, "{sign}{whole}");
        }
        let decimals = format!("{micro:06}");
        write!(f, "{sign}{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl fmt::Debug for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credits({self})")
    }
}

/// Why a text is not an amount of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditsError {
    #[error("must be a decimal number such as \"25\" or \"0.5\"")]
    Malformed,
    #[error("has more than 6 decimals; the smallest amount is 0.000001 credits")]
    TooPrecise,
    #[error("must be more than 0")]
    NotPositive,
    #[error("must be at most {}", Credits::MAX)]
    TooLarge,
}

impl FromStr for Credits {
    type Err = CreditsError;

    /// Reads a positive amount: digits, and at most 6 decimals after a point.
    ///
    /// # Errors
    /// [`CreditsError`] for anything else: signs, exponents, spaces, separators, zero, and more
    /// than [`Credits::MAX`].
    fn from_str(text: &str) -> Result<Credits, CreditsError> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(CreditsError::Malformed);
        }
        if text.starts_with('-') {
            return Err(CreditsError::NotPositive);
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > Credits::DECIMALS {
            return Err(CreditsError::TooPrecise);
        }
        let whole = whole.trim_start_matches('0');
        // 10 digits hold Credits::MAX; anything longer is too large whatever its digits.
        if whole.len() > 10 {
            return Err(CreditsError::TooLarge);
        }
        let number = |part: &str| part.bytes().fold(0, |n, b| n * 10 + i64::from(b - b'0'));
        let micro = number(&format!("{decimals:0<6}"));
        let credits = Credits(number(whole) * Credits::MICRO + micro);
        match credits {
            Credits::ZERO => Err(CreditsError::NotPositive),
            _ if credits > Credits::MAX => Err(CreditsError::TooLarge),
            _ => Ok(credits),
        }
    }
}

impl serde::Serialize for Credits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

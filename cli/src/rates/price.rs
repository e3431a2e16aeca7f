//! Prices in dollars and their conversion to credits, in whole numbers.

use std::fmt;
use std::str::FromStr;

use shared::domain::Credits;

/// What a million of a meter costs, in thousand-millionths of a dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(u128);

/// The decimals of a [`Usd`].
const USD_DECIMALS: u32 = 9;
/// A million of a meter costs at most so many dollars.
const MAX_USD: u128 = 1_000_000;
/// The most credits for a dollar, and the most percent of a markup.
const MAX_FACTOR: u128 = 1_000_000;

impl Usd {
    /// A price as JSON writes a number. It is rounded half up to 9 decimals: a price with more is
    /// one that a program divided, such as 0.08333333333333334.
    pub fn read(text: &str) -> Option<Usd> {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let number: u128 = digits_only(&format!("{whole}{part}"))?;
        let behind = i32::try_from(part.len()).ok()?;
        let exponent = exponent.parse::<i32>().ok()?.checked_sub(behind)?;
        let scale = exponent.checked_add(USD_DECIMALS.cast_signed())?;
        let power = 10_u128.checked_pow(scale.unsigned_abs());
        let usd = match (scale < 0, power) {
            (false, power) => number.checked_mul(power?)?,
            (true, Some(power)) => (number + power / 2) / power,
            (true, None) => 0,
        };
        (usd <= MAX_USD * 10_u128.pow(USD_DECIMALS)).then_some(Usd(usd))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.0, USD_DECIMALS))
    }
}

/// Credits for a dollar, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditsPerUsd(u128);

impl FromStr for CreditsPerUsd {
    type Err = String;

    fn from_str(text: &str) -> Result<CreditsPerUsd, String> {
        let credits = fixed(text, 6).filter(|credits| *credits > 0);
        let problem =
            || format!("a number above 0 and up to {MAX_FACTOR}, with 6 decimals at most");
        credits.map(CreditsPerUsd).ok_or_else(problem)
    }
}

impl fmt::Display for CreditsPerUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.0, 6))
    }
}

/// What is added to a price, in millionths of it: 30 % are 300 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Markup(u128);

impl FromStr for Markup {
    type Err = String;

    fn from_str(text: &str) -> Result<Markup, String> {
        let problem = || format!("a percentage such as 30%, up to {MAX_FACTOR}%, with 4 decimals");
        text.strip_suffix('%').and_then(|text| fixed(text, 4)).map(Markup).ok_or_else(problem)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal(self.0, 4))
    }
}

/// How dollars become credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub credits_per_usd: CreditsPerUsd,
    pub markup: Markup,
}

impl Terms {
    /// The rate of a price: computed exactly and rounded up, once, to a micro-credit for a million.
    /// A price above 0 never becomes 0. None: more than [`Credits::MAX`].
    pub fn rate(&self, Usd(usd): Usd) -> Option<Credits> {
        // 10^15 x 10^12 x 10^10 is below 2^128 = 3.4 x 10^38.
        let exact = usd * self.credits_per_usd.0 * (1_000_000 + self.markup.0);
        // Of 9 + 6 + 6 decimals, 6 stay.
        let credits = Credits::from_micro(i64::try_from(exact.div_ceil(10_u128.pow(15))).ok()?);
        (credits <= Credits::MAX).then_some(credits)
    }
}

fn digits_only(text: &str) -> Option<u128> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // So many digits leave room for the power by which they are multiplied or rounded.
    text.parse().ok().filter(|_| digits && text.len() <= 30)
}

/// A typed decimal with at most `decimals` of them, up to [`MAX_FACTOR`].
fn fixed(text: &str, decimals: u32) -> Option<u128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let (power, length) = (10_u128.pow(decimals), u32::try_from(part.len()).ok()?);
    let part = digits_only(part)? * 10_u128.checked_pow(decimals.checked_sub(length)?)?;
    let number = digits_only(whole)?.checked_mul(power)?.checked_add(part)?;
    (number <= MAX_FACTOR * power).then_some(number)
}

/// A number of 10^-decimals, in its shortest form.
fn decimal(number: u128, decimals: u32) -> String {
    let (power, width) = (10_u128.pow(decimals), decimals as usize);
    let text = format!("{}.{:0width$}", number / power, number % power);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

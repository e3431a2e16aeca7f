//! Currencies: the ones that Stripe takes payments in, how it counts them, and how much one payment
//! may be.
//!
//! The source of every list is <https://docs.stripe.com/currencies>: "Supported presentment
//! currencies", "Zero-decimal currencies", "Three-decimal currencies", "Special cases" and "Minimum
//! and maximum charge amounts", as they were in 2026. ISO 4217 is no help here: it has no decimals
//! for UGX and ISK, which Stripe counts in hundredths, and two for MGA, which Stripe counts whole.

use std::fmt;
use std::str::FromStr;

/// A currency code: ISO 4217 in lower case, as Stripe writes it. Stripe may name one that is not in
/// the lists below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be three lower-case letters")]
pub struct CurrencyError;

/// How Stripe counts a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// By its whole unit: 500 jpy are 500 yen.
    Whole,
    /// By hundredths: 4900 usd are 49 dollars.
    Hundredths,
    /// By hundredths, although only whole units can be paid: 500 ugx are 5 shillings.
    WholeHundredths,
    /// By thousandths, of which the last digit is 0: 5120 kwd are 5.120 dinars.
    Thousandths,
}

/// Counted by hundredths. HUF and TWD are among them: they are whole for payouts alone. BGN is not:
/// the euro has replaced it.
const HUNDREDTHS: &str = "\
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bmd bnd bob brl bsd bwp byn bzd cad \
    cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd \
    hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt \
    mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd \
    rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu \
    uzs wst xcd yer zar zmw";
const WHOLE: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";
const WHOLE_HUNDREDTHS: &str = "isk ugx";
const THOUSANDTHS: &str = "bhd jod kwd omr tnd";

/// The least that is charged, as Stripe counts it. Stripe says these of the currency that an
/// account is paid out in; what is charged in another one is compared after conversion, which is
/// not known here.
const LEAST: [(&str, u64); 31] = [
    ("aed", 200),
    ("ars", 50),
    ("aud", 50),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("cop", 50),
    ("czk", 1_500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("idr", 50),
    ("ils", 50),
    ("inr", 50),
    ("jpy", 50),
    ("krw", 50),
    ("mxn", 1_000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("php", 50),
    ("pln", 200),
    ("ron", 200),
    ("rub", 50),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1_000),
    ("usd", 50),
    ("zar", 50),
];

/// The most that is charged, where that is not eight digits. Cards may be charged more, but the
/// methods a customer pays by are set at Stripe: all of them take this much.
const MOST: [(&str, u64); 3] =
    [("cop", 9_999_999_999), ("idr", 999_999_999_999), ("inr", 999_999_999)];
const MAX_OF_OTHERS: u64 = 99_999_999;

impl Currency {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is three letters")
    }

    /// How Stripe counts it. None: Stripe takes no payments in it.
    pub fn known(self) -> Option<Scale> {
        let lists = [
            (HUNDREDTHS, Scale::Hundredths),
            (WHOLE, Scale::Whole),
            (WHOLE_HUNDREDTHS, Scale::WholeHundredths),
            (THOUSANDTHS, Scale::Thousandths),
        ];
        let has = |list: &str| list.split_ascii_whitespace().any(|code| code == self.as_str());
        lists.into_iter().find(|(list, _)| has(list)).map(|(_, scale)| scale)
    }

    /// How it is counted: by hundredths, as Stripe says, unless it says otherwise.
    pub fn scale(self) -> Scale {
        self.known().unwrap_or(Scale::Hundredths)
    }

    /// The least that Stripe charges, as it counts.
    pub fn least(self) -> u64 {
        let least = LEAST.iter().find(|(code, _)| *code == self.as_str());
        least.map_or(self.scale().step(), |(_, least)| *least)
    }

    /// The most that Stripe charges, as it counts.
    pub fn most(self) -> u64 {
        let most = MOST.iter().find(|(code, _)| *code == self.as_str());
        let most = most.map_or(MAX_OF_OTHERS, |(_, most)| *most);
        most - most % self.scale().step()
    }
}

impl Scale {
    /// How many decimals a person writes.
    pub fn decimals(self) -> usize {
        match self {
            Scale::Whole | Scale::WholeHundredths => 0,
            Scale::Hundredths => 2,
            Scale::Thousandths => 3,
        }
    }

    /// The step that every amount is a multiple of, as Stripe counts.
    pub fn step(self) -> u64 {
        match self {
            Scale::Whole | Scale::Hundredths => 1,
            Scale::WholeHundredths => 100,
            Scale::Thousandths => 10,
        }
    }

    /// How many of what Stripe counts are one of the last decimal that a person writes.
    pub(super) fn counted(self) -> u64 {
        if self == Scale::WholeHundredths { 100 } else { 1 }
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Currency, CurrencyError> {
        let letters = <[u8; 3]>::try_from(text.as_bytes()).map_err(|_| CurrencyError)?;
        match letters.iter().all(u8::is_ascii_lowercase) {
            true => Ok(Currency(letters)),
            false => Err(CurrencyError),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

//! AWS's prices, and what a load costs by them at most.

use serde::Deserialize;

/// The callers of one account that debits were counted with: a load has no more.
pub(super) const CALLERS_OF_ONE: u32 = 48;
/// The write units of one debit at most: so many callers without pause, ids and no labels, use 4.7
/// (docs/reference/costs-and-limits.md).
const WRITE_UNITS: u128 = 5;
/// The read units of one request at most: a refused one is looked up, and the ledger is read.
const READ_UNITS: u128 = 5;
/// The invocations that follow from one request at most: its own, and `relay`'s.
const INVOCATIONS: u128 = 2;
/// X-Ray records one request a second of each of these functions, and one in 20 of the others.
const TRACED_FUNCTIONS: u128 = 4;
const NOT_TRACED: u128 = 20;

/// The bytes of a function's own lines for one request at most: a test holds the document of its
/// metrics to 500.
const LOG_BYTES: u128 = 1_000;

const MILLION: u128 = 1_000_000;
const GB: u128 = 1_000_000_000;
/// In the unit that Lambda counts memory in, times the milliseconds of a second.
const MB_MS_OF_GB_SECOND: u128 = 1_024_000;

/// A price in millionths of a millionth of a dollar, as a decimal of dollars in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Price(u128);

/// The prices of one region, on one day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    pub region: String,
    pub date: String,
    pub source: String,
    pub per_million: PerMillion,
    pub per_gb: PerGb,
    pub per_gb_second: PerGbSecond,
    pub per_month: PerMonth,
    pub assumed: Assumed,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerMillion {
    pub write_units: Price,
    pub read_units: Price,
    pub invocations: Price,
    pub gateway_requests: Price,
    pub queue_requests: Price,
    pub events: Price,
    pub traces: Price,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerGb {
    pub logs: Price,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerGbSecond {
    pub memory: Price,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerMonth {
    pub alarm_metrics: Price,
    pub metrics: Price,
    pub dashboards: Price,
    pub secrets: Price,
    pub gb_stored: Price,
    pub gb_recoverable: Price,
    pub gb_of_logs_kept: Price,
}

/// What no local run can measure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    pub function_ms: u128,
    pub function_mb: u128,
    pub platform_log_bytes: u128,
    pub gateway_log_bytes: u128,
    pub queue_requests_a_minute: u128,
}

impl Prices {
    /// The prices of `docs/reference/prices.toml`.
    ///
    /// # Panics
    /// Never: a test reads the same file.
    pub fn known() -> Prices {
        let file = include_str!("../../../docs/reference/prices.toml");
        toml::from_str(file).expect("the file of prices is of this form")
    }

    /// What so many requests to the API within `seconds` cost at most, in the unit of
    /// [`Price`].
    pub(super) fn at_most(&self, requests: u32, seconds: u32) -> u128 {
        let (requests, seconds) = (u128::from(requests), u128::from(seconds));
        let Prices { per_million: million, per_gb, per_gb_second, assumed, .. } = self;
        let invocations = requests * INVOCATIONS;
        let traces = invocations / NOT_TRACED + seconds * TRACED_FUNCTIONS;
        let logged = invocations * (LOG_BYTES + assumed.platform_log_bytes)
            + requests * assumed.gateway_log_bytes;
        let memory = invocations * assumed.function_ms * assumed.function_mb;
        million.gateway_requests.of(requests, MILLION)
            + million.invocations.of(invocations, MILLION)
            + million.write_units.of(requests * WRITE_UNITS, MILLION)
            + million.read_units.of(requests * READ_UNITS, MILLION)
            + million.traces.of(traces, MILLION)
            + per_gb.logs.of(logged, GB)
            + per_gb_second.memory.of(memory, MB_MS_OF_GB_SECOND)
    }
}

impl Price {
    /// In millionths of a millionth of a dollar.
    pub fn pico_dollars(self) -> u128 {
        self.0
    }

    /// The price of `count` things, of which `per` have this one, rounded up.
    fn of(self, count: u128, per: u128) -> u128 {
        (self.0 * count).div_ceil(per)
    }
}

/// Dollars with four decimals, rounded up.
pub(super) fn dollars(pico: u128) -> String {
    let parts = pico.div_ceil(100_000_000);
    format!("{}.{:04} dollars", parts / 10_000, parts % 10_000)
}

impl TryFrom<String> for Price {
    type Error = String;

    fn try_from(text: String) -> Result<Price, String> {
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let digits = format!("{whole}{decimals:0<12}");
        match digits.parse() {
            Ok(pico) if decimals.len() <= 12 => Ok(Price(pico)),
            _ => Err(format!("{text} is no price in dollars, with at most 12 decimals")),
        }
    }
}

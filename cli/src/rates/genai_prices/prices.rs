//! The prices of a model of genai-prices, by meter.

use serde_json::{Map, Value};
use shared::domain::meters::Meter;
use shared::domain::period::Day;

use crate::rates::offer::{MeterPrices, Prices};
use crate::rates::price::Usd;

/// The prices that have a meter.
const METERS: [(&str, Meter); 10] = [
    ("input_mtok", Meter::Input),
    ("cache_read_mtok", Meter::CachedInput),
    ("cache_write_mtok", Meter::CacheWrite),
    ("cache_write_1h_mtok", Meter::CacheWrite1h),
    ("output_mtok", Meter::Output),
    ("input_audio_mtok", Meter::InputAudio),
    ("cache_audio_read_mtok", Meter::CachedInputAudio),
    ("output_audio_mtok", Meter::OutputAudio),
    ("input_image_mtok", Meter::InputImage),
    ("output_image_mtok", Meter::OutputImage),
];

/// The prices of `file` on the day `at`, and what to know of them.
///
/// # Errors
/// Why the model cannot be imported.
pub(super) fn read(file: &Value, provider: &str, at: Day) -> Result<(Prices, Vec<String>), String> {
    let mut notices = Vec::new();
    let mut prices = Prices::default();
    for file in in_force(file, at, &mut notices)? {
        highest(&mut prices, by_meter(file, &mut notices)?);
    }
    if prices.base.is_empty() {
        return Err("no price of a token: a free model needs a decision".to_owned());
    }
    if provider == "anthropic"
        && prices.base.contains_key(&Meter::CacheWrite)
        && !prices.base.contains_key(&Meter::CacheWrite1h)
    {
        let refused = "no price of cache_write_1h: a call that writes its cache for an hour is \
                       refused";
        notices.push(refused.to_owned());
    }
    fill(&mut prices, provider, &mut notices);
    let mut below = prices.base.clone();
    for (above, tier) in &prices.tiers {
        let cheaper = tier.iter().any(|(meter, price)| below.get(meter) > Some(price));
        if cheaper {
            return Err(format!("cheaper above {above} than below"));
        }
        below.extend(tier);
    }
    Ok((prices, notices))
}

/// The prices that are in force on a day: one, or several if they differ by the hour.
fn in_force<'a>(
    file: &'a Value,
    at: Day,
    notices: &mut Vec<String>,
) -> Result<Vec<&'a Map<String, Value>>, String> {
    let conditional = match file {
        Value::Object(prices) => return Ok(vec![prices]),
        Value::Array(conditional) => conditional,
        _ => return Err("prices that are neither an object nor a list".to_owned()),
    };
    let (mut by_date, mut by_hour) = (None, Vec::new());
    for one in conditional {
        let prices = one["prices"].as_object();
        let prices = prices.ok_or("a conditional price without prices")?;
        let constraint = one.get("constraint").and_then(Value::as_object);
        let keys: Vec<&str> = constraint.into_iter().flat_map(Map::keys).map(|k| &**k).collect();
        match keys[..] {
            [] => by_date = Some(prices),
            ["start_date"] => {
                let from = one["constraint"]["start_date"].as_str().and_then(Day::parse);
                let from = from.ok_or("prices from a date that is none")?;
                // The last that has begun is in force.
                match from <= at {
                    true => by_date = Some(prices),
                    false => notices.push(format!("prices change on {from}: import again then")),
                }
            }
            ["start_time", "end_time"] | ["end_time", "start_time"] => by_hour.push(prices),
            _ => {
                return Err(format!(
                    "prices on a condition that is not known: {}",
                    keys.join(", ")
                ));
            }
        }
    }
    if !by_hour.is_empty() {
        notices.push("prices differ by the hour: the highest are taken".to_owned());
    }
    Ok(by_date.into_iter().chain(by_hour).collect())
}

fn by_meter(file: &Map<String, Value>, notices: &mut Vec<String>) -> Result<Prices, String> {
    let mut prices = Prices::default();
    for (name, price) in file {
        let Some((_, meter)) = METERS.iter().find(|(known, _)| known == name) else {
            // Tokens of one kind that cost more than those of the meter that counts them, too.
            if name.ends_with("_mtok") {
                return Err(format!("{name} is a price of tokens that no meter counts apart"));
            }
            notices.push(format!("{name} is no price of tokens: not charged by a rate"));
            continue;
        };
        let usd = |value: &Value| {
            let number = match value {
                Value::Number(number) => Usd::read(&number.to_string()),
                _ => None,
            };
            number.ok_or_else(|| format!("{name} is no number from 0 to 1000000"))
        };
        let tiers = price.get("tiers").and_then(Value::as_array);
        prices.base.insert(*meter, usd(price.get("base").unwrap_or(price))?);
        for tier in tiers.into_iter().flatten() {
            let above = tier["start"].as_u64();
            let above = above.ok_or_else(|| format!("{name} has a tier from no whole number"))?;
            prices.tiers.entry(above).or_default().insert(*meter, usd(&tier["price"])?);
        }
    }
    Ok(prices)
}

/// Raises prices to those of `other` that are higher, and adds those that are new.
fn highest(prices: &mut Prices, other: Prices) {
    let raise = |prices: &mut MeterPrices, other: MeterPrices| {
        for (meter, price) in other {
            let known = prices.entry(meter).or_insert(price);
            *known = price.max(*known);
        }
    };
    raise(&mut prices.base, other.base);
    for (above, tier) in other.tiers {
        raise(prices.tiers.entry(above).or_default(), tier);
    }
}

/// Prices the meters that the provider counts and the file does not price: they cost what input
/// costs, as genai-prices reads its file. OpenAI's counts have cache writes that cost nothing more.
/// Several providers tell images from text, each by an API of its own. Audio stays unpriced: where
/// it has a price of its own and the file lacks it, that of text is far too low.
fn fill(prices: &mut Prices, provider: &str, notices: &mut Vec<String>) {
    let Some(input) = prices.base.get(&Meter::Input).copied() else { return };
    let counted: &[Meter] = match (prices.base.contains_key(&Meter::Output), provider) {
        (false, _) => &[Meter::InputImage],
        (true, "google") => &[Meter::CachedInput, Meter::InputImage],
        (true, _) => &[Meter::CachedInput, Meter::CacheWrite, Meter::InputImage],
    };
    for meter in counted.iter().copied() {
        if prices.base.contains_key(&meter) {
            continue;
        }
        prices.base.insert(meter, input);
        for tier in prices.tiers.values_mut() {
            let input = tier.get(&Meter::Input).copied();
            tier.extend(input.map(|input| (meter, input)));
        }
        notices.push(format!("no price of {}: it costs what input costs", meter.name()));
    }
}

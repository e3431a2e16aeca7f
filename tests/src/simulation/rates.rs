//! The rates of the simulation: fractions of a micro-credit, a rate of 0, and a tier above 1 000
//! tokens, others in each version. The auditor prices by them, with arithmetic of its own.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::domain::CatalogFiles;

use super::named::{self, Limits};

/// The call of a model that a client asks for. Meters that count nothing are not among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub model: String,
    pub meters: BTreeMap<String, u64>,
}

/// The versions that price calls: the first is in force when the clients begin.
pub const VERSIONS: std::ops::RangeInclusive<u32> = 2..=6;

/// The models and the numbers of them in entries.
pub const MODELS: [(&str, u16); 3] = [("even", 901), ("odd", 902), ("tiered", 903)];

/// The context above which the tier is in force.
const ABOVE: u64 = 1_000;

/// Micro-credits of a million: of a model and a meter, below the tier and above it.
const RATES: [(&str, &str, u64, u64); 9] = [
    ("even", "input", 400_000, 400_000),
    ("even", "cached_input", 0, 0),
    ("even", "output", 2_000_000, 2_000_000),
    ("odd", "input", 333_333, 333_333),
    ("odd", "cached_input", 33_333, 33_333),
    ("odd", "output", 1_666_667, 1_666_667),
    ("tiered", "input", 700_000, 1_100_000),
    ("tiered", "cached_input", 70_000, 90_000),
    ("tiered", "output", 2_500_000, 3_300_001),
];

/// An error in the table that is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    TierByInputAlone,
}

/// What a price is before it is rounded: in millionths of a micro-credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact(u64);

impl Exact {
    pub fn down(self) -> i64 {
        i64::try_from(self.0 / 1_000_000).expect("a price")
    }

    pub fn up(self) -> i64 {
        i64::try_from(self.0.div_ceil(1_000_000)).expect("a price")
    }
}

impl Call {
    /// The call that an entry or a receipt shows. None: it is of none.
    pub fn shown(body: &Value) -> Option<Call> {
        let meters = body["meters"].as_object()?.iter();
        let meters = meters.map(|(meter, count)| (meter.clone(), count.as_u64().unwrap_or(0)));
        let meters = meters.filter(|(_, count)| *count > 0).collect();
        Some(Call { model: body["model"].as_str()?.to_owned(), meters })
    }

    /// The exact price of each meter by the rates of a version.
    pub fn parts(&self, version: u32) -> Vec<Exact> {
        let count = |meter: &str| self.meters.get(meter).copied().unwrap_or(0);
        let above = count("input") + count("cached_input") > ABOVE;
        let of_model = RATES.iter().filter(|(model, ..)| *model == self.model);
        of_model
            .map(|(_, meter, low, high)| {
                let rate = if above { *high } else { *low };
                Exact(count(meter) * rate * factor(version))
            })
            .collect()
    }

    pub fn price(&self, version: u32) -> Exact {
        Exact(self.parts(version).iter().map(|part| part.0).sum())
    }

    /// Whether its model has a tier, so that its hold is captured once.
    pub fn is_tiered(&self) -> bool {
        self.model == "tiered"
    }
}

/// Each version has other rates than the one before it.
fn factor(version: u32) -> u64 {
    u64::from(version % 3 + 1)
}

/// The catalog of a version, as the simulation publishes it: larger weeks from the second Monday
/// on, these limits in each plan, and the models above beside those that are built in.
pub fn files(version: u32, flaw: Option<Flaw>, limits: &Limits) -> CatalogFiles {
    let mut files = CatalogFiles::built_in();
    if version == 1 {
        return files;
    }
    let dated = r#"weekly = [{ credits = "25" }, { from = "2026-11-30", credits = "40" }]"#;
    files.catalog = files.catalog.replace("version = 1", &format!("version = {version}"));
    files.catalog = files.catalog.replace("weekly = \"25\"", dated);
    for plan in ["free", "pro", "standard"] {
        let head = format!("[plans.{plan}]\n");
        let with = format!("{head}{}", named::in_catalog(limits));
        files.catalog = files.catalog.replace(&head, &with);
    }
    let table = files.rates.get_mut("llm").expect("the built-in table");
    if flaw == Some(Flaw::TierByInputAlone) {
        *table = table.replace(r#"["input", "cached_input", "#, r#"["input", "#);
    }
    for (model, number) in MODELS {
        let rates = RATES.iter().filter(|(of, ..)| *of == model);
        let (mut below, mut above) = (String::new(), String::new());
        for (_, meter, low, high) in rates {
            let line = |rate: u64| {
                let micro = rate * factor(version);
                let credits = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
                let credits = if micro == 0 { "0".to_owned() } else { credits };
                format!("{meter} = {{ credits = \"{credits}\" }}\n")
            };
            below += &line(*low);
            above += &line(*high);
        }
        *table += &format!("\n[models.{model}]\nnumber = {number}\n{below}");
        if model == "tiered" {
            *table += &format!("\n[models.{model}.above_{ABOVE}]\n{above}");
        }
    }
    files
}

//! Meters: what a call of an AI model consumed, counted apart by how it is priced.

use std::collections::BTreeMap;
use std::fmt;

/// The largest count of a meter in one operation.
pub const MAX_COUNT: u64 = 1_000_000_000_000;

/// One count of a call. Meters exclude each other: each token is counted by one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meter {
    Input,
    /// Input that the provider read from its cache.
    CachedInput,
    /// Input that the provider wrote to its cache, for its usual lifetime.
    CacheWrite,
    /// The same, for an hour.
    CacheWrite1h,
    /// Output, thinking included.
    Output,
    InputAudio,
    CachedInputAudio,
    OutputAudio,
    InputImage,
    OutputImage,
}

impl Meter {
    /// Their places are their permanent numbers in entries: a new one goes to the end.
    pub const ALL: [Meter; 10] = [
        Meter::Input,
        Meter::CachedInput,
        Meter::CacheWrite,
        Meter::CacheWrite1h,
        Meter::Output,
        Meter::InputAudio,
        Meter::CachedInputAudio,
        Meter::OutputAudio,
        Meter::InputImage,
        Meter::OutputImage,
    ];

    /// The word for it in requests, answers and rate tables.
    pub const fn name(self) -> &'static str {
        match self {
            Meter::Input => "input",
            Meter::CachedInput => "cached_input",
            Meter::CacheWrite => "cache_write",
            Meter::CacheWrite1h => "cache_write_1h",
            Meter::Output => "output",
            Meter::InputAudio => "input_audio",
            Meter::CachedInputAudio => "cached_input_audio",
            Meter::OutputAudio => "output_audio",
            Meter::InputImage => "input_image",
            Meter::OutputImage => "output_image",
        }
    }

    pub fn named(name: &str) -> Option<Meter> {
        Meter::ALL.into_iter().find(|meter| meter.name() == name)
    }
}

/// The counts of a call. A meter that counts nothing is as one that was not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meters([u64; Meter::ALL.len()]);

impl Meters {
    /// The counts by the words of their meters.
    ///
    /// # Errors
    /// The first word that is no meter's.
    pub fn read(sent: &BTreeMap<String, u64>) -> Result<Meters, &str> {
        let mut meters = Meters::default();
        for (name, count) in sent {
            meters.set(Meter::named(name).ok_or(name.as_str())?, *count);
        }
        Ok(meters)
    }

    pub fn get(&self, meter: Meter) -> u64 {
        self.0[meter as usize]
    }

    pub fn set(&mut self, meter: Meter, count: u64) {
        self.0[meter as usize] = count;
    }

    /// The meters that count something, in the order of [`Meter::ALL`].
    pub fn counted(&self) -> impl Iterator<Item = (Meter, u64)> {
        Meter::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// The counts to show, by word: those that count something, or `input` 0 if none does.
    pub fn shown(&self) -> Vec<(&'static str, u64)> {
        let shown: Vec<_> = self.counted().map(|(meter, count)| (meter.name(), count)).collect();
        if shown.is_empty() { vec![(Meter::Input.name(), 0)] } else { shown }
    }
}

/// The counts in one line, such as `input=1200 output=350`.
impl fmt::Display for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> =
            self.shown().iter().map(|(name, count)| format!("{name}={count}")).collect();
        f.write_str(&shown.join(" "))
    }
}

impl serde::Serialize for Meters {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.shown())
    }
}

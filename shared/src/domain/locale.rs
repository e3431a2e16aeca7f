//! Languages: the tags that sessions, browsers and catalogs name them by.

use std::fmt;
use std::str::FromStr;

/// The longest language tag, in bytes.
const MAX_BYTES: usize = 35;
/// So many languages of a browser's header are read.
const MAX_LANGUAGES: usize = 16;

/// A language, perhaps of a region: a BCP 47 tag such as `de` or `de-AT`, by its shape. Upper and
/// lower case are as the standard writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a language tag of at most {MAX_BYTES} bytes, such as \"de\" or \"de-AT\"")]
pub struct LocaleError;

/// The languages that somebody reads, the preferred first. None: nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locales(Vec<Locale>);

impl Locale {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This tag, and then without its last part, again and again: `zh-Hant-TW`, `zh-Hant`, `zh`.
    pub fn and_wider(&self) -> impl Iterator<Item = Locale> {
        let wider = |tag: &Locale| tag.0.rsplit_once('-').map(|(tag, _)| Locale(tag.to_owned()));
        std::iter::successors(Some(self.clone()), wider)
    }
}

impl FromStr for Locale {
    type Err = LocaleError;

    fn from_str(text: &str) -> Result<Locale, LocaleError> {
        if text.len() > MAX_BYTES {
            return Err(LocaleError);
        }
        let mut tag = String::new();
        for (place, part) in text.split('-').enumerate() {
            let (plain, letters): (fn(&u8) -> bool, _) = match place {
                0 => (u8::is_ascii_alphabetic, 2..=8),
                _ => (u8::is_ascii_alphanumeric, 1..=8),
            };
            if !letters.contains(&part.len()) || !part.bytes().all(|b| plain(&b)) {
                return Err(LocaleError);
            }
            let part = part.to_ascii_lowercase();
            match (place, part.len()) {
                (0, _) => tag = part,
                (_, 2) => tag.extend(["-", &part.to_ascii_uppercase()]),
                (_, 4) => tag.extend(["-", &part[..1].to_ascii_uppercase(), &part[1..]]),
                _ => tag.extend(["-", &part]),
            }
        }
        Ok(Locale(tag))
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Locales {
    /// The languages of an `Accept-Language` header, such as `de-AT,de;q=0.9,en;q=0.8`. A part that
    /// names no language is left out.
    pub fn accepted(header: &str) -> Locales {
        let read = |part: &str| {
            let (tag, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1000), per_mille)?;
            (weight > 0).then_some((weight, tag.trim().parse().ok()?))
        };
        let read = header.split(',').take(MAX_LANGUAGES).filter_map(read);
        let mut read: Vec<(u32, Locale)> = read.collect();
        read.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        Locales(read.into_iter().map(|(_, locale)| locale).collect())
    }

    /// Those of them that are this language, of any region, and then the language itself.
    pub fn within(&self, language: &str) -> Locales {
        let language = language.parse::<Locale>();
        let is = |locale: &&Locale| locale.and_wider().any(|wider| Ok(&wider) == language.as_ref());
        let of_region = self.0.iter().filter(is).cloned();
        Locales(of_region.chain(language.clone().ok()).collect())
    }

    /// The preferred first.
    pub fn iter(&self) -> impl Iterator<Item = &Locale> {
        self.0.iter()
    }
}

impl From<Locale> for Locales {
    fn from(locale: Locale) -> Locales {
        Locales(vec![locale])
    }
}

/// `0.85` as 850. None: it is no weight.
fn per_mille(weight: &str) -> Option<u32> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let fits = matches!(whole, "0" | "1") && decimals.len() <= 3;
    let digits = decimals.bytes().all(|b| b.is_ascii_digit());
    (fits && digits).then(|| format!("{whole}{decimals:0<3}").parse().ok()).flatten()
}

//! The currency of a browser's region: in which packs are offered if nobody has chosen one.

use shared::domain::Currency;

/// The regions that pay in each currency, by ISO 3166. Regions whose currency few packs are sold in
/// are left out: there a pack is offered in its first currency.
const REGIONS: [(&str, &str); 27] = [
    ("aed", "AE"),
    ("aud", "AU"),
    ("brl", "BR"),
    ("cad", "CA"),
    ("chf", "CH LI"),
    ("cny", "CN"),
    ("czk", "CZ"),
    ("dkk", "DK"),
    ("eur", "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK"),
    ("gbp", "GB"),
    ("hkd", "HK"),
    ("huf", "HU"),
    ("ils", "IL"),
    ("inr", "IN"),
    ("jpy", "JP"),
    ("krw", "KR"),
    ("mxn", "MX"),
    ("nok", "NO"),
    ("nzd", "NZ"),
    ("pln", "PL"),
    ("ron", "RO"),
    ("sek", "SE"),
    ("sgd", "SG"),
    ("try", "TR"),
    ("twd", "TW"),
    ("usd", "US"),
    ("zar", "ZA"),
];

/// The currency of the region that the first language of an `Accept-Language` header names:
/// `de-AT,de;q=0.9` is Austria. None: it names none, or one that is not in the table.
pub(super) fn currency(accept_language: &str) -> Option<Currency> {
    let first = accept_language.split([',', ';']).next()?.trim();
    // A script may stand between the language and the region: zh-Hant-TW.
    let region = first.split('-').skip(1).find(|part| part.len() == 2)?.to_uppercase();
    let of = |regions: &str| regions.split(' ').any(|known| known == region);
    let (code, _) = REGIONS.into_iter().find(|(_, regions)| of(regions))?;
    code.parse().ok()
}

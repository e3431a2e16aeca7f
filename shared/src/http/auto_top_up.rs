//! Auto top-up over HTTP: the request that switches it on, and its state.

use lambda_http::{Body, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::fields::{Fields, NAME_BYTES};
use super::{Call, Problem, reply};
use crate::domain::auto_top_up::{AutoTopUp, Failed, OffReason, State, Terms};
use crate::domain::{Credits, Currency, Instant, Money, OperationId, Refusal};

/// The longest words that a customer consents to, in bytes.
const WORDS_BYTES: usize = 1024;

impl Call<'_> {
    /// What a customer sets, and the words that the customer consents to.
    pub fn set_auto_top_up(&self) -> Result<(Terms, String), Problem> {
        let mut fields = self.fields()?;
        let terms = terms(&mut fields);
        let words = fields.text("consent", WORDS_BYTES);
        let words = fields.required("consent", words);
        fields.finish(terms.zip(words)).map_err(Problem::from)
    }

    /// Checks that a request to switch it off says nothing else: the account is that of the session
    /// or of the path.
    pub fn stop_auto_top_up(&self) -> Result<(), Problem> {
        match self.request.body().is_empty() {
            true => Ok(()),
            false => Err(Refusal::invalid("body", "must be empty").into()),
        }
    }

    /// The setting in a query, whose words a customer wants to read. None: the query has none.
    pub fn proposed_auto_top_up(&self) -> Result<Option<Terms>, Problem> {
        let mut asked = Map::new();
        for (name, value) in self.query() {
            // A number in a query is a text.
            let number = value.parse::<u64>().ok().filter(|_| name == "at_most_minor");
            asked.insert(name, number.map_or(Value::String(value), Value::from));
        }
        if asked.is_empty() {
            return Ok(None);
        }
        let mut fields = Fields::parse(Value::Object(asked).to_string().as_bytes());
        let terms = terms(&mut fields);
        fields.finish(terms).map(Some).map_err(Problem::from)
    }
}

fn terms(fields: &mut Fields) -> Option<Terms> {
    let below = fields.credits("below");
    let below = fields.required("below", below);
    let pack = fields.text("pack", NAME_BYTES);
    let pack = fields.required("pack", pack);
    let currency = fields.read::<Currency>("currency");
    let currency = fields.required("currency", currency);
    let minor = fields.quantity("at_most_minor");
    let minor = fields.required("at_most_minor", minor);
    let at_most = Money { currency: currency?, minor: minor? };
    Some(Terms { below: below?, pack: pack?, at_most })
}

#[derive(Serialize)]
struct Shown<'a> {
    state: &'static str,
    /// Why it is off. None: it is not, or never was on.
    off_reason: Option<OffReason>,
    setting: Option<Setting<'a>>,
    consent: Option<Consented<'a>>,
    charged: Option<Charged>,
    /// The order under way.
    order: Option<OperationId>,
    /// Why the latest pack was not bought. None: it was, or there was none.
    failed: Option<Failed>,
    /// The page on which the customer saves a card.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    /// The words to consent to for the setting that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    consent_words: Option<&'a str>,
}

#[derive(Serialize)]
struct Setting<'a> {
    below: Credits,
    pack: &'a str,
    currency: Currency,
    at_most_minor: u64,
}

#[derive(Serialize)]
struct Consented<'a> {
    by: &'a str,
    at: Instant,
    words: &'a str,
}

/// What was charged, or may still be, in the month that runs.
#[derive(Serialize)]
struct Charged {
    month_from: Instant,
    minor: u64,
}

/// What an answer has beside the state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The page on which the customer saves a card.
    pub url: Option<&'a str>,
    /// The words to consent to for the setting that was asked about.
    pub consent_words: Option<&'a str>,
}

/// A 200 with the state of an auto top-up at `now`. None: the account never had one.
pub fn auto_top_up(auto: Option<&AutoTopUp>, beside: Beside<'_>, now: Instant) -> Response<Body> {
    reply::json(auto_top_up_json(auto, beside, now))
}

/// The same as JSON.
pub fn auto_top_up_json(
    auto: Option<&AutoTopUp>,
    Beside { url, consent_words }: Beside<'_>,
    now: Instant,
) -> String {
    let Some(auto) = auto else {
        return reply::to_json(&Shown {
            state: State::Off(OffReason::Customer).name(),
            off_reason: None,
            setting: None,
            consent: None,
            charged: None,
            order: None,
            failed: None,
            url,
            consent_words,
        });
    };
    let AutoTopUp { consent, state, claim, ended, .. } = auto;
    let (terms, month) = (&consent.terms, auto.month.at(now));
    let Money { currency, minor: at_most_minor } = terms.at_most;
    let refused = month.told.last().copied();
    reply::to_json(&Shown {
        state: state.name(),
        off_reason: match state {
            State::Off(reason) => Some(*reason),
            State::On(_) | State::NeedsCard => None,
        },
        setting: Some(Setting { below: terms.below, pack: &terms.pack, currency, at_most_minor }),
        consent: Some(Consented { by: &consent.by, at: consent.at, words: &consent.words }),
        charged: Some(Charged { month_from: month.from, minor: month.charged(currency).minor }),
        order: claim.as_ref().map(|claim| claim.order),
        failed: refused.or(ended.as_ref().and_then(|ended| ended.failed)),
        url,
        consent_words,
    })
}

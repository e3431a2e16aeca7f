//! The items of auto top-up: the setting with its claim, consents, and when `reconcile` looks. They
//! hold JSON that a person can read, as payments do.

use serde::{Deserialize, Serialize};

use super::item::{self, Attributes, Item};
use super::payments::{Amount, amount, json, money, parsed};
use super::table::{ACCOUNT, AUTO_DUE, AUTO_TOP_UP, SORT, consent_key, ledger, place_key};
use super::{Store, StoreError, Stored};
use crate::domain::auto_top_up::{
    AutoTopUp, Card, Claim, Consent, Ended, Failed, Month, News, OffReason, State, Terms,
};
use crate::domain::{AccountId, Credits, Instant, OperationId};

impl Store {
    /// The auto top-up of an account. None: it never had one.
    pub async fn auto_top_up(&self, account: &AccountId) -> Stored<Option<AutoTopUp>> {
        let item = self.ledger_item(account.as_str(), AUTO_TOP_UP).await?;
        item.as_ref().map(read_auto).transpose()
    }

    /// The accounts whose auto top-up is to be looked at by `now`, the first due first: at most
    /// `limit`, by a consistent read.
    pub async fn auto_due(&self, now: Instant, limit: i32) -> Stored<Vec<AccountId>> {
        let query = self.client.query().table_name(&self.tables.ledger).consistent_read(true);
        let query = query
            .key_condition_expression("a = :due AND s < :until")
            .expression_attribute_values(":due", item::text(AUTO_DUE))
            .expression_attribute_values(":until", item::text(place_key(now, "~")));
        let got = Box::pin(query.limit(limit).send()).await.map_err(StoreError::of)?;
        got.items().iter().map(read_due).collect()
    }
}

/// Reads a row of the ledger from its image in a stream, if it is an auto top-up.
///
/// # Errors
/// [`StoreError::Broken`].
pub fn read_auto_top_up(image: serde_dynamo::Item) -> Stored<Option<AutoTopUp>> {
    let item: Item = image.into();
    match Attributes::of("ledger", &item).text(SORT)? == AUTO_TOP_UP {
        true => read_auto(&item).map(Some),
        false => Ok(None),
    }
}

fn item_of(account: &str, sort: String, text: String) -> Item {
    let item = [
        (ACCOUNT, item::text(account)),
        (SORT, item::text(sort)),
        (ledger::TEXT, item::text(text)),
    ];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)))
}

pub(super) fn auto_item(auto: &AutoTopUp) -> Item {
    let text = json(&AutoText::of(auto));
    let mut item = item_of(auto.account.as_str(), AUTO_TOP_UP.to_owned(), text);
    item.insert(ledger::VERSION.to_owned(), item::number(auto.version + 1));
    item
}

pub(super) fn consent_item(account: &AccountId, consent: &Consent) -> Item {
    item_of(account.as_str(), consent_key(consent.id), json(&ConsentText::of(consent)))
}

pub(super) fn due_item(account: &AccountId, at: Instant) -> Item {
    let keys = [(ACCOUNT, AUTO_DUE.to_owned()), (SORT, place_key(at, account.as_str()))];
    Item::from(keys.map(|(name, value)| (name.to_owned(), item::text(value))))
}

fn read_due(item: &Item) -> Stored<AccountId> {
    let row = Attributes::of("ledger", item);
    let account = row.text(SORT)?.split_once('#').and_then(|(_, account)| account.parse().ok());
    account.ok_or_else(|| row.broken(SORT, "is not the place of an account"))
}

fn read_auto(item: &Item) -> Stored<AutoTopUp> {
    let row = Attributes::of("ledger", item);
    let text: AutoText = parsed(&row, ledger::TEXT)?;
    let (account, version) = (row.parsed(ACCOUNT)?, row.number(ledger::VERSION)?);
    let auto = text.auto(account, version);
    auto.ok_or_else(|| row.broken(ledger::TEXT, "is not an auto top-up"))
}

#[derive(Serialize, Deserialize)]
struct ConsentText {
    id: String,
    below_micro: i64,
    pack: String,
    at_most: Amount,
    by: String,
    at_ms: i64,
    words: String,
    live: bool,
    return_url: String,
}

impl ConsentText {
    fn of(consent: &Consent) -> ConsentText {
        let Consent { id, terms, by, at, words, live, return_url } = consent;
        ConsentText {
            id: id.to_string(),
            below_micro: terms.below.micro(),
            pack: terms.pack.clone(),
            at_most: amount(terms.at_most),
            by: by.clone(),
            at_ms: at.ms(),
            words: words.clone(),
            live: *live,
            return_url: return_url.clone(),
        }
    }

    fn consent(self) -> Option<Consent> {
        let below = Credits::from_micro(self.below_micro);
        Some(Consent {
            id: OperationId::parse(&self.id)?,
            terms: Terms { below, pack: self.pack, at_most: money(&self.at_most)? },
            by: self.by,
            at: Instant::from_ms(self.at_ms),
            words: self.words,
            live: self.live,
            return_url: self.return_url,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct CardText {
    customer: String,
    payment_method: String,
}

impl CardText {
    fn of(card: &Card) -> CardText {
        let Card { customer, payment_method } = card.clone();
        CardText { customer, payment_method }
    }

    fn card(self) -> Card {
        Card { customer: self.customer, payment_method: self.payment_method }
    }
}

#[derive(Serialize, Deserialize)]
struct ClaimText {
    order: String,
    pack: String,
    credits_micro: i64,
    price: Amount,
    at_ms: i64,
    month_ms: i64,
    card: CardText,
}

impl ClaimText {
    fn of(claim: &Claim) -> ClaimText {
        let Claim { order, pack, credits, price, at, month, card } = claim;
        ClaimText {
            order: order.to_string(),
            pack: pack.clone(),
            credits_micro: credits.micro(),
            price: amount(*price),
            at_ms: at.ms(),
            month_ms: month.ms(),
            card: CardText::of(card),
        }
    }

    fn claim(self) -> Option<Claim> {
        Some(Claim {
            order: OperationId::parse(&self.order)?,
            pack: self.pack,
            credits: Credits::from_micro(self.credits_micro),
            price: money(&self.price)?,
            at: Instant::from_ms(self.at_ms),
            month: Instant::from_ms(self.month_ms),
            card: self.card.card(),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct EndedText {
    claim: ClaimText,
    failed: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct NewsText {
    ended: bool,
    refused: Option<String>,
    off: bool,
}

#[derive(Serialize, Deserialize)]
struct AutoText {
    consent: ConsentText,
    /// The card, while it is on.
    card: Option<CardText>,
    /// Why it is off, while it is.
    off: Option<String>,
    set: u64,
    claim: Option<ClaimText>,
    ended: Option<EndedText>,
    month_ms: i64,
    charged: Vec<Amount>,
    told: Vec<String>,
    declines: u32,
    due_ms: Option<i64>,
    news: NewsText,
    at_ms: i64,
    available_micro: i64,
    held_micro: i64,
}

impl AutoText {
    fn of(auto: &AutoTopUp) -> AutoText {
        let ended = auto.ended.as_ref().map(|Ended { claim, failed }| EndedText {
            claim: ClaimText::of(claim),
            failed: failed.map(|failed| failed.name().to_owned()),
        });
        AutoText {
            consent: ConsentText::of(&auto.consent),
            card: auto.card().map(CardText::of),
            off: match auto.state {
                State::Off(reason) => Some(reason.name().to_owned()),
                State::On(_) | State::NeedsCard => None,
            },
            set: auto.set,
            claim: auto.claim.as_ref().map(ClaimText::of),
            ended,
            month_ms: auto.month.from.ms(),
            charged: auto.month.charged.iter().map(|charged| amount(*charged)).collect(),
            told: auto.month.told.iter().map(|failed| failed.name().to_owned()).collect(),
            declines: auto.declines,
            due_ms: auto.due.map(Instant::ms),
            news: NewsText {
                ended: auto.news.ended,
                refused: auto.news.refused.map(|failed| failed.name().to_owned()),
                off: auto.news.off,
            },
            at_ms: auto.at.ms(),
            available_micro: auto.balance.0.micro(),
            held_micro: auto.balance.1.micro(),
        }
    }

    fn auto(self, account: AccountId, version: u64) -> Option<AutoTopUp> {
        let state = match (self.card, self.off) {
            (Some(card), None) => State::On(card.card()),
            (None, None) => State::NeedsCard,
            (None, Some(off)) => State::Off(OffReason::named(&off)?),
            (Some(_), Some(_)) => return None,
        };
        let ended = match self.ended {
            Some(EndedText { claim, failed: Some(failed) }) => {
                Some(Ended { claim: claim.claim()?, failed: Some(Failed::named(&failed)?) })
            }
            Some(EndedText { claim, failed: None }) => {
                Some(Ended { claim: claim.claim()?, failed: None })
            }
            None => None,
        };
        let claim = match self.claim {
            Some(claim) => Some(claim.claim()?),
            None => None,
        };
        let refused = match self.news.refused {
            Some(failed) => Some(Failed::named(&failed)?),
            None => None,
        };
        let told = self.told.iter().map(|failed| Failed::named(failed));
        Some(AutoTopUp {
            account,
            consent: self.consent.consent()?,
            state,
            set: self.set,
            claim,
            ended,
            month: Month {
                from: Instant::from_ms(self.month_ms),
                charged: self.charged.iter().map(money).collect::<Option<_>>()?,
                told: told.collect::<Option<_>>()?,
            },
            declines: self.declines,
            due: self.due_ms.map(Instant::from_ms),
            news: News { ended: self.news.ended, refused, off: self.news.off },
            at: Instant::from_ms(self.at_ms),
            balance: (
                Credits::from_micro(self.available_micro),
                Credits::from_micro(self.held_micro),
            ),
            version,
        })
    }
}

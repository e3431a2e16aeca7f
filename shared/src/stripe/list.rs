//! Lists of Stripe, page by page: of events, and of all objects that may still change.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use stripe_checkout::checkout_session::ListCheckoutSession;
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_core::charge::ListCharge;
use stripe_core::dispute::ListDispute;
use stripe_core::event::ListEvent;
use stripe_core::refund::ListRefund;
use stripe_rust::{Client, StripeRequest};
use stripe_types::{RangeBoundsTs, RangeQueryTs};

use super::client::{Stripe, StripeError, sent, unread};
use super::event::{PAYMENT_KINDS, REVERSAL_KINDS, SUBSCRIPTION_KINDS};
use crate::domain::Instant;
use crate::domain::instant::Span;
use crate::domain::reconcile::StripeList;

/// How many objects one request lists: Stripe's maximum.
const LISTED: i64 = 100;
/// The waits before a page is asked for again, if Stripe gave no definite answer.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// How many pages of each kind an [`ObjectList`] reads at most: a hundred objects each.
const MAX_PAGES: usize = 500;

/// Objects of this kind that were made since then may still change at `now`. A session ends within
/// a day, and its charge is made within days. A refund can fail weeks after it was made. A dispute
/// takes 60 to 120 days to be decided, and disputes are rare, so all of them are read.
pub fn may_change_since(list: StripeList, now: Instant) -> Instant {
    let days = |days: i64| now - Span::from_s(days * 86_400);
    match list {
        StripeList::Refunds => days(120),
        StripeList::Disputes | StripeList::Subscriptions => Instant::EPOCH,
        _ => days(30),
    }
}

/// The part of a list to ask for, the latest first.
#[derive(Clone, Copy, Debug)]
pub struct ListPart<'a> {
    pub list: StripeList,
    /// Made at this instant or later, in whole seconds.
    pub since: Instant,
    /// Made before this instant; None: up to now.
    pub until: Option<Instant>,
    /// The id of the last one that was read; None: from the latest.
    pub after: Option<&'a str>,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// Up to a hundred events or objects, as Stripe sent them.
    pub data: Vec<Value>,
    /// The id of the last one, if there are more after it.
    pub last: Option<String>,
}

impl Stripe {
    /// One page of a list.
    ///
    /// # Errors
    /// [`StripeError`]. [`StripeError::Missing`]: Stripe no longer has the object `after`.
    pub async fn list(&self, part: ListPart<'_>, now: Instant) -> Result<ListPage, StripeError> {
        // One of many requests: a single slow answer must not end a long listing.
        for wait in WAITS {
            match self.asked(now, |client| list(client, part)).await {
                Err(StripeError::Again(_)) => tokio::time::sleep(wait).await,
                done => return done,
            }
        }
        self.asked(now, |client| list(client, part)).await
    }
}

async fn list(client: Client, part: ListPart<'_>) -> Result<ListPage, StripeError> {
    let second = |at: Instant| at.ms().div_euclid(1000);
    let (gte, lt) = (Some(second(part.since)), part.until.map(second));
    let created = RangeQueryTs::Bounds(RangeBoundsTs { gte, lt, ..RangeBoundsTs::default() });
    macro_rules! request {
        ($list:expr) => {{
            let list = $list.created(created).limit(LISTED);
            match part.after {
                Some(after) => list.starting_after(after).build(),
                None => list.build(),
            }
        }};
    }
    let kinds = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
    let request = match part.list {
        StripeList::PaymentEvents => request!(ListEvent::new().types(kinds(&PAYMENT_KINDS))),
        StripeList::ReversalEvents => request!(ListEvent::new().types(kinds(&REVERSAL_KINDS))),
        StripeList::Charges => request!(ListCharge::new()),
        StripeList::Sessions => request!(ListCheckoutSession::new()),
        StripeList::Refunds => request!(ListRefund::new()),
        StripeList::Disputes => request!(ListDispute::new()),
        StripeList::SubscriptionEvents => {
            request!(ListEvent::new().types(kinds(&SUBSCRIPTION_KINDS)))
        }
        StripeList::Subscriptions => subscriptions(part),
    };
    // The objects as they were sent, so that one reader serves webhooks and lists.
    let mut list = sent(client, request).await?;
    let more = list["has_more"].as_bool().ok_or_else(|| unread("has_more"))?;
    let Value::Array(data) = list["data"].take() else { return Err(unread("data")) };
    if more && data.is_empty() {
        return Err(unread("data"));
    }
    let last = data.last().filter(|_| more).map(|last| match last["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        // Without it the list could not be continued, and its rest would be lost.
        None => Err(unread("id")),
    });
    Ok(ListPage { last: last.transpose()?, data })
}

/// The request for a page of all subscriptions, also of those that ended.
fn subscriptions(part: ListPart<'_>) -> RequestBuilder {
    #[derive(Serialize)]
    struct Page<'a> {
        status: &'a str,
        limit: i64,
        #[serde(rename = "created[lt]", skip_serializing_if = "Option::is_none")]
        until: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        starting_after: Option<&'a str>,
    }
    let until = part.until.map(|at| at.ms().div_euclid(1000));
    let page = Page { status: "all", limit: LISTED, until, starting_after: part.after };
    RequestBuilder::new(StripeMethod::Get, "/subscriptions").query(&page)
}

/// A listing of all objects that may still change.
#[derive(Debug)]
pub struct ObjectList<'a> {
    stripe: &'a Stripe,
    now: Instant,
    list: Option<StripeList>,
    after: Option<String>,
    pages: usize,
    cut: bool,
}

impl<'a> ObjectList<'a> {
    /// A listing of the objects that may still change by `now`.
    pub fn new(stripe: &'a Stripe, now: Instant) -> ObjectList<'a> {
        let list = Some(StripeList::OBJECTS[0]);
        ObjectList { stripe, now, list, after: None, pages: 0, cut: false }
    }

    /// The next objects; None after the last.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, StripeError> {
        let Some(list) = self.list else { return Ok(None) };
        let (since, after) = (may_change_since(list, self.now), self.after.as_deref());
        let part = ListPart { list, since, until: None, after };
        let ListPage { data, last } = self.stripe.list(part, self.now).await?;
        self.pages += 1;
        self.cut |= last.is_some() && self.pages == MAX_PAGES;
        self.after = last.filter(|_| self.pages < MAX_PAGES);
        if self.after.is_none() {
            (self.list, self.pages) = (list.next(), 0);
        }
        Ok(Some(data))
    }

    /// Whether there were more objects than it reads.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

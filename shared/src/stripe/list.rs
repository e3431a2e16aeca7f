//! Lists all objects of Stripe that may still change, page by page.

use serde_json::Value;

use super::{Asked, Stripe, StripeError};
use crate::domain::Instant;
use crate::domain::instant::Span;

/// How many pages of each kind it reads at most: a hundred objects each.
const MAX_PAGES: usize = 500;

impl Asked {
    /// Objects of this kind that were made since then may still change. A session ends within a
    /// day, and its charge is made within days. A refund can fail weeks after it was made. A
    /// dispute takes 60 to 120 days to be decided, and disputes are rare, so all of them are read.
    fn since(self, now: Instant) -> Instant {
        let days = |days: i64| now - Span::from_s(days * 86_400);
        match self {
            Asked::Sessions | Asked::Charges => days(30),
            Asked::Refunds => days(120),
            Asked::Disputes => Instant::EPOCH,
        }
    }
}

/// The progress of a listing.
#[derive(Debug)]
pub struct ObjectList<'a> {
    stripe: &'a Stripe,
    now: Instant,
    left: std::slice::Iter<'static, Asked>,
    asked: Option<Asked>,
    after: Option<String>,
    pages: usize,
    cut: bool,
}

impl<'a> ObjectList<'a> {
    /// A listing of the objects that may still change by `now`.
    pub fn new(stripe: &'a Stripe, now: Instant) -> ObjectList<'a> {
        let mut left = Asked::ALL.iter();
        let asked = left.next().copied();
        ObjectList { stripe, now, left, asked, after: None, pages: 0, cut: false }
    }

    /// The next objects; None after the last.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, StripeError> {
        let Some(asked) = self.asked else { return Ok(None) };
        let (since, after) = (asked.since(self.now), self.after.as_deref());
        let (objects, more) = self.stripe.list(asked, since, after, self.now).await?;
        self.pages += 1;
        self.after = objects.last().and_then(|last| last["id"].as_str()).map(str::to_owned);
        let goes_on = more && self.after.is_some();
        self.cut |= goes_on && self.pages == MAX_PAGES;
        if !goes_on || self.pages == MAX_PAGES {
            (self.asked, self.after, self.pages) = (self.left.next().copied(), None, 0);
        }
        Ok(Some(objects))
    }

    /// Whether there were more objects than it reads.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

//! All that Stripe says of what was made in the last days, asked for page by page.

use serde_json::Value;

use super::{Asked, Stripe, StripeError};
use crate::domain::Instant;
use crate::domain::instant::Span;

/// How far it looks back.
const DAYS: Span = Span::from_s(30 * 86_400);
/// How many pages it reads of each kind at most: a hundred objects each.
const MOST_PAGES: usize = 500;

/// Where an asking is.
#[derive(Debug)]
pub struct Asking<'a> {
    stripe: &'a Stripe,
    now: Instant,
    left: std::slice::Iter<'static, Asked>,
    asked: Option<Asked>,
    after: Option<String>,
    pages: usize,
    cut: bool,
}

impl<'a> Asking<'a> {
    /// An asking for the last 30 days.
    pub fn new(stripe: &'a Stripe, now: Instant) -> Asking<'a> {
        let mut left = Asked::ALL.iter();
        let asked = left.next().copied();
        Asking { stripe, now, left, asked, after: None, pages: 0, cut: false }
    }

    /// The next objects; None after the last.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, StripeError> {
        let Some(asked) = self.asked else { return Ok(None) };
        let (since, after) = (self.now - DAYS, self.after.as_deref());
        let (objects, more) = self.stripe.list(asked, since, after, self.now).await?;
        self.pages += 1;
        self.after = objects.last().and_then(|last| last["id"].as_str()).map(str::to_owned);
        let goes_on = more && self.after.is_some();
        self.cut |= goes_on && self.pages == MOST_PAGES;
        if !goes_on || self.pages == MOST_PAGES {
            (self.asked, self.after, self.pages) = (self.left.next().copied(), None, 0);
        }
        Ok(Some(objects))
    }

    /// Whether there was more than it reads.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

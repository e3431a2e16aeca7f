//! What Stripe bills for one subscription, and what customers and merchants do to it.

use chrono::{DateTime, Months, Utc};
use shared::domain::period::{Day, Period};
use shared::domain::subscription::{
    Priced, Subscription, SubscriptionItem, SubscriptionStatus as Is,
};
use shared::domain::{Catalog, CatalogFiles, Instant};

const PLANS: &str = r#"
    version = 1
    contact_url = "https://example.com"
    [actions.image]
    number = 1
    credits = "1"
    per = 1
    unit = "image"
    limit = 10
    [plans.free]
    ai = true
    weekly = "25"
    [plans.starter]
    ai = true
    monthly = "500"
    stripe_prices = ["price_starter"]
    [plans.pro]
    ai = true
    monthly = "2500"
    trial_monthly = "100"
    stripe_prices = ["price_pro", "price_pro_year"]
    [plans.team]
    ai = true
    monthly = "300"
    per_seat = true
    stripe_prices = ["price_seat"]
"#;

pub(super) fn catalog() -> Catalog {
    let files = CatalogFiles { catalog: PLANS.to_owned(), ..CatalogFiles::built_in() };
    Catalog::parse(&files).expect("a catalog")
}

/// What a price grants a month, in whole credits.
pub(super) fn size(price: &str, quantity: u64, trial: bool) -> i64 {
    match price {
        "price_starter" if !trial => 500,
        "price_pro" | "price_pro_year" if trial => 100,
        "price_pro" | "price_pro_year" => 2500,
        "price_seat" if !trial => 300 * quantity as i64,
        _ => 0,
    }
}

pub(super) fn utc(at: Instant) -> DateTime<Utc> {
    at.utc()
}

pub(super) fn instant(at: DateTime<Utc>) -> Instant {
    Instant::from_ms(at.timestamp_millis())
}

pub(super) fn months_after(at: Instant, months: u32) -> Instant {
    instant(utc(at).checked_add_months(Months::new(months)).expect("a date"))
}

pub(super) fn midnight(at: Instant) -> Instant {
    Day::of(at).start()
}

/// What the customer or the merchant does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Subscribe {
        price: &'static str,
        quantity: u64,
        trial_days: Option<u64>,
    },
    /// Another price, in the cycle that runs.
    Change(&'static str, u64),
    /// Another price, with a cycle that begins now.
    Restart(&'static str),
    /// Another price, from the end of the cycle on.
    ChangeAtEnd(&'static str),
    Seats(u64),
    CancelNow,
    CancelAtEnd,
    Resume,
    /// From now on payments fail, or are made again.
    Fail,
    Pay,
}

#[derive(Clone, Debug)]
pub(super) struct Bill {
    pub(super) number: u32,
    pub(super) price: &'static str,
    pub(super) quantity: u64,
    pub(super) is: Is,
    pub(super) anchored_at: Instant,
    pub(super) cycles: u32,
    pub(super) start: Instant,
    pub(super) end: Instant,
    pub(super) ends: bool,
    pub(super) then: Option<&'static str>,
    pub(super) fails: bool,
    /// The cycle that runs has covered no month yet: it is not paid for.
    pub(super) owed: bool,
}

impl Bill {
    pub(super) fn months(&self) -> u32 {
        if self.price == "price_pro_year" { 12 } else { 1 }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        (self.anchored_at, self.cycles, self.start) = (now, 1, now);
        self.end = months_after(now, self.months());
    }

    pub(super) fn size(&self) -> i64 {
        match self.is {
            Is::Active | Is::Trialing => size(self.price, self.quantity, self.is == Is::Trialing),
            _ => 0,
        }
    }

    /// As Stripe would say it.
    pub(super) fn said(&self) -> Subscription {
        let of = |price: &str| Priced { price: price.to_owned(), quantity: self.quantity };
        let cycle = Period { start: self.start, end: self.end };
        let trial = self.is == Is::Trialing;
        Subscription {
            id: format!("sub_{}", self.number).parse().expect("an id"),
            account: Some("acme".to_owned()),
            topup: None,
            customer: "cus_1".to_owned(),
            status: self.is,
            items: vec![SubscriptionItem { of: of(self.price), cycle, by_months: true }],
            anchored_at: if trial { self.end } else { self.anchored_at },
            ends_at: self.ends.then_some(self.end),
            then: self.then.map(|price| (self.end, vec![of(price)])),
        }
    }
}

//! What Stripe is asked for a purchase with tax.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::Method;
use axum::response::Response;
use lambda_http::{Body, Request};
use local::stripe::{self, LocalStripe, PREFIX};
use shared::domain::topup::TopUpCheckout;
use shared::domain::{AccountId, Order, Tax, TaxBehavior};
use shared::stripe::{NewSubscription, Stripe};
use tokio::net::TcpListener;

use super::event_order::ordered;
use crate::support::Stack;

type Form = BTreeMap<String, String>;

const BEHAVIOR: &str = "line_items[0][price_data][tax_behavior]";

/// A Stripe that keeps the forms that it is sent.
struct Recorded {
    client: Stripe,
    forms: Arc<Mutex<Vec<Form>>>,
}

impl Recorded {
    async fn beside(stack: &Stack) -> Recorded {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let local = LocalStripe::new(stack.clock.clock(), &base);
        let forms = Arc::<Mutex<Vec<Form>>>::default();
        let kept = forms.clone();
        let answer = move |method: Method,
                           uri: axum::http::Uri,
                           headers: axum::http::HeaderMap,
                           body: Bytes| async move {
            let text = String::from_utf8_lossy(&body).replace("%5B", "[").replace("%5D", "]");
            let fields = text.split('&').filter_map(|pair| pair.split_once('='));
            let form = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            kept.lock().expect("no one panics with the lock").push(form);
            let mut request = Request::new(Body::Binary(body.to_vec()));
            (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
                (method, uri, headers);
            let (parts, body) = stripe::answer(&local, &request).into_parts();
            Response::from_parts(parts, axum::body::Body::from(body.to_vec()))
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let address = format!("{base}{}", PREFIX.trim_end_matches("v1/"));
        let client = Stripe::new(stripe::KEY, Some(&address)).expect("a key and an address");
        Recorded { client, forms }
    }

    /// The fields about tax of each request that begins the checkout of `order`.
    async fn asked(&self, stack: &Stack, order: &Order) -> Vec<Vec<(String, String)>> {
        let begun = self.client.checkout(order, stack.context().clock.now()).await;
        begun.expect("a session");
        self.about_tax()
    }

    /// The fields about tax of each request since the last look.
    fn about_tax(&self) -> Vec<Vec<(String, String)>> {
        let forms = std::mem::take(&mut *self.forms.lock().expect("no one panics with the lock"));
        let about = |name: &str| name.contains("tax") || name.contains("customer");
        let of_tax = |form: Form| form.into_iter().filter(|(name, _)| about(name)).collect();
        forms.into_iter().map(of_tax).collect()
    }
}

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_checkout_asks_stripe_for_the_tax_that_the_order_says() {
    const ALWAYS: (&str, &str) = ("customer_creation", "always");
    let stack = Stack::noon().await;
    let recorded = Recorded::beside(&stack).await;
    let taxes = [
        (None, false, vec![]),
        (None, true, vec![("tax_id_collection[enabled]", "true")]),
        (
            Some(TaxBehavior::Exclusive),
            false,
            vec![("automatic_tax[enabled]", "true"), (BEHAVIOR, "exclusive")],
        ),
        (
            Some(TaxBehavior::Inclusive),
            true,
            vec![
                ("automatic_tax[enabled]", "true"),
                (BEHAVIOR, "inclusive"),
                ("tax_id_collection[enabled]", "true"),
            ],
        ),
    ];
    for (n, (behavior, ids, mut asked)) in taxes.into_iter().enumerate() {
        let order = ordered(&stack, &format!("a{n}")).await;
        let order = Order { tax: Tax { behavior, ids }, ..order };
        asked.push(ALWAYS);
        asked.sort_unstable();
        assert_eq!(recorded.asked(&stack, &order).await, [fields(&asked)], "{:?}", order.tax);
        // A known customer's address and name are replaced by what the buyer types. This one was
        // deleted at Stripe: the checkout begins without it.
        let order = Order { customer: Some("cus_deleted".to_owned()), ..order };
        let mut known: Vec<_> = asked.iter().copied().filter(|field| *field != ALWAYS).collect();
        known.push(("customer", "cus_deleted"));
        known.extend(behavior.map(|_| ("customer_update[address]", "auto")));
        known.extend(ids.then_some(("customer_update[name]", "auto")));
        known.sort_unstable();
        let both = [fields(&known), fields(&asked)];
        assert_eq!(recorded.asked(&stack, &order).await, both, "{:?}", order.tax);
    }
}

#[tokio::test]
async fn a_subscription_asks_stripe_for_the_tax_that_the_catalog_says() {
    let stack = Stack::noon().await;
    let recorded = Recorded::beside(&stack).await;
    let (now, key) = (stack.context().clock.now(), "begin".parse().expect("a key"));
    let terms = stack.context().catalog().await.topups["monthly_500"].clone();
    let account: AccountId = "acme".parse().expect("an account");
    let taxes = [(None, false), (None, true), (Some(TaxBehavior::Exclusive), true)];
    for (behavior, ids) in taxes {
        let tax = Tax { behavior, ids };
        let mut asked = BTreeMap::new();
        asked.extend(behavior.map(|_| ("automatic_tax[enabled]", "true")));
        asked.extend(ids.then_some(("tax_id_collection[enabled]", "true")));
        let mut known = asked.clone();
        known.insert("customer", "cus_deleted");
        known.extend(behavior.map(|_| ("customer_update[address]", "auto")));
        known.extend(ids.then_some(("customer_update[name]", "auto")));
        let both = |of_price: Option<(&'static str, &'static str)>| {
            [&known, &asked].map(|fields_of| {
                let all: BTreeMap<_, _> = fields_of.clone().into_iter().chain(of_price).collect();
                fields(&all.into_iter().collect::<Vec<_>>())
            })
        };
        let customer = Some("cus_deleted".to_owned());
        let plan = NewSubscription {
            account: account.clone(),
            customer: customer.clone(),
            price: "price_local_pro_month".to_owned(),
            seats: 1,
            tax,
            return_url: "https://a.example".to_owned(),
        };
        recorded.client.subscribe(&plan, &key, now).await.expect("a session");
        assert_eq!(recorded.about_tax(), both(None), "a plan with {tax:?}");
        let topup = TopUpCheckout {
            account: account.clone(),
            topup: "monthly_500".to_owned(),
            terms: terms.clone(),
            tax,
            catalog: 1,
            customer,
            return_url: plan.return_url,
        };
        recorded.client.begin_topup(&topup, &key, now).await.expect("a session");
        let of_price = behavior.map(|kind| (BEHAVIOR, kind.name()));
        assert_eq!(recorded.about_tax(), both(of_price), "a top-up plan with {tax:?}");
    }
}

//! The states of the page, as data, and a shop with an account in each of them.

use local::request_log::RequestLog;
use local::routes::Functions;
use local::start::Start;
use local::stripe::Effect;
use local::{server, states};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::shop::Shop;
use crate::support::{PRODUCT, Stack, of, request};

/// A state of the page: an account, and the session that sees it.
pub(super) struct View {
    /// The state's name, in snapshots and pictures.
    pub name: &'static str,
    pub account: &'static str,
    /// What the session may do besides to view.
    pub scopes: &'static [&'static str],
    /// Whether this stack sells: one that was deployed without Stripe does not.
    pub sells: bool,
}

const fn view(name: &'static str) -> View {
    View { name, account: name, scopes: &["buy"], sells: true }
}

pub(super) const VIEWS: [View; 19] = [
    view("new"),
    view("normal"),
    view("busy"),
    view("low"),
    view("empty"),
    view("held"),
    view("frozen"),
    View { name: "no-plan", ..view("standard") },
    view("canceled"),
    view("past-due"),
    view("debt"),
    view("owing"),
    View { name: "waiting", ..view("processing") },
    view("parked"),
    view("grants"),
    View { name: "many-rows", ..view("ledger") },
    View { scopes: &["limits"], ..view("limits") },
    View { name: "view-only", account: "normal", scopes: &["view"], sells: true },
    View { name: "nothing-sold", account: "normal", scopes: &["buy"], sells: false },
];

/// A stack that a browser can visit, with an account in each state.
pub(super) struct Visited {
    shop: Shop,
    base: String,
    /// The same accounts, where nothing can be bought.
    unsold: (Stack, String),
}

impl Visited {
    /// It is a Wednesday; the account `normal` has a past of nine days.
    pub(super) async fn new() -> Visited {
        let (shop, base) = Shop::served(Some("2026-11-09T09:00:00Z"), &[PRODUCT]).await;
        let stack = &shop.stack;
        stack.open("normal", "pro").await;
        for day in 9..=17 {
            stack.set_clock(&format!("2026-11-{day:02}T09:00:00Z"));
            let quantity = 40 + 13 * (day % 5);
            stack.action("normal", &format!("videos-{day}"), "dynamic_video", quantity).await;
            stack.action("normal", &format!("texts-{day}"), "rich_text", 2 * day).await;
        }
        shop.buy("normal", "first", "starter").await;
        stack.set_clock("2026-11-18T12:00:00Z");
        stack.open("new", "free").await;
        park(&shop).await;
        limit(stack).await;
        let seeded = states::seed(&stack.functions, Some(&shop.stripe)).await;
        seeded.expect("every state can be reached");
        let unsold = unsold(&shop).await;
        Visited { shop, base, unsold }
    }

    /// The address of the page of a view.
    pub(super) fn base(&self, view: &View) -> &str {
        if view.sells { &self.base } else { &self.unsold.1 }
    }

    /// A link that opens the session of a view.
    pub(super) async fn link(&self, view: &View) -> String {
        let stack = if view.sells { &self.shop.stack } else { &self.unsold.0 };
        let body = json!({
            "subject": "ada", "scopes": view.scopes,
            "return_url": format!("{}/scrip.js", self.base(view)),
        });
        let made = request("POST", &of(view.account, "/sessions"), None, &body.to_string());
        stack.send(made).await.text("/url").to_owned()
    }
}

/// A payment that does not match its order.
async fn park(shop: &Shop) {
    shop.stack.open("parked", "pro").await;
    let (_, session) = shop.begin("parked", "parked", "starter").await;
    shop.stripe.act(&session, Effect::Pay).expect("it can be paid");
    let events = shop.stripe.take_events().into_iter();
    for event in events.filter(|event| event.contains("checkout.session.completed")) {
        let less = event.replace("\"amount_total\":4900", "\"amount_total\":4800");
        assert_eq!(shop.take_notice(&less).await.text("/outcome"), "parked");
    }
}

/// Two people with limits, one of them reached.
async fn limit(stack: &Stack) {
    stack.open("limits", "pro").await;
    for (user, at_most, used) in [("ada", "150", "12.5"), ("מיה", "20", "20")] {
        let body = json!({ "at_most": at_most, "per": "month" }).to_string();
        let path = of(
            "limits",
            &format!("/limits/{}", shared::http::path::encoded(&format!("user:{user}"))),
        );
        let set = stack.send(request("PUT", &path, Some(&format!("limit-{at_most}")), &body)).await;
        assert_eq!(set.status, 201, "{set:?}");
        let body = json!({ "credits": used, "user": user }).to_string();
        let spent = stack.post(&of("limits", "/debits"), &format!("debit-{used}"), &body).await;
        assert_eq!(spent.status, 201, "{spent:?}");
    }
}

/// The same tables behind functions that were deployed without Stripe, served elsewhere.
async fn unsold(shop: &Shop) -> (Stack, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut context = shop.stack.context().clone();
    context.config.sells = false;
    context.config.public_url = Some(base.clone());
    context.config.origins.push(base.clone());
    let stack = Stack { functions: Functions::new(context), ..shop.stack.clone() };
    let served = local::stack::Stack {
        functions: stack.functions.clone(),
        clock: stack.clock.clone(),
        stripe: None,
        mappings: stack.mappings.clone(),
        table: Some(stack.wire.table().clone()),
        log: RequestLog::Off,
        start: Start::default(),
        key: None,
    };
    tokio::spawn(async move { server::serve(listener, served).await });
    (stack, base)
}

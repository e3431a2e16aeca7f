//! The callers of the tenancy tests: their roles, their tenants and the routes they use.

use std::pin::Pin;

use lambda_http::{Body, RequestExt, Response};
use local::roles::acting_as;
use local::stripe::WEBHOOK_SECRET;
use local::template::{Route, Template};
use serde_json::Value;
use shared::decide::{Redemption, Row, Write};
use shared::domain::OperationId;
use shared::domain::instant::Span;
use shared::secrets::Secret;
use shared::session::{Scope, Session};
use shared::token::{Audience, Keys};

use crate::support::shop::Shop;
use crate::support::{KEYS, PRODUCT, PUBLIC_URL, Stack, instant, request};

pub(super) const NOW: &str = "2026-11-18T12:00:00Z";
pub(super) const OLD_KEYS: &str =
    r#"{"id":"old","key":"a key that was removed, as long as it has to be"}"#;
/// An id that does not exist.
pub(super) const NOTHING: &str = "01a20132-08af-7fb3-8350-6bdcd05e3b83";
pub(super) const TENANTS: [&str; 2] = ["acme", "rival"];

/// The kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Nobody,
    Viewer,
    Buyer,
    /// The page, by its cookie.
    Page,
    Expired,
    /// With a token whose key has been removed.
    RemovedKey,
    /// With a token that has one letter changed.
    Forged,
    /// With the token of a link, which is for another audience.
    Link,
}

pub(super) const ROLES: [Role; 8] = [
    Role::Nobody,
    Role::Viewer,
    Role::Buyer,
    Role::Page,
    Role::Expired,
    Role::RemovedKey,
    Role::Forged,
    Role::Link,
];

impl Role {
    /// Whether it has a session that the route accepts: the page itself accepts only its cookie.
    pub(super) fn opens(self, route: &Route) -> bool {
        self == Role::Page || (matches!(self, Role::Viewer | Role::Buyer) && !is_page(route))
    }

    /// The headers that identify it as a customer of `account`.
    pub(super) fn headers(self, account: &str) -> Vec<(&'static str, String)> {
        let now = instant(NOW);
        let token = |keys: &str, scopes: &[Scope], audience, expires_at| {
            let session = Session {
                id: OperationId::parse(NOTHING).expect("an id"),
                account: account.parse().expect("an account"),
                subject: format!("ada of {account}"),
                scopes: scopes.to_vec(),
                return_url: format!("{PRODUCT}/{account}"),
                currency: None,
                locale: None,
                issued_at: now - Span::from_s(600),
                expires_at,
            };
            Keys::parse(keys).expect("keys").seal(&session, audience)
        };
        let later = now + Span::from_s(600);
        let all = Scope::ALL;
        let customer = |scopes: &[Scope]| token(KEYS, scopes, Audience::Widget, later);
        let bearer = |token: String| vec![("authorization", format!("Bearer {token}"))];
        match self {
            Role::Nobody => Vec::new(),
            Role::Viewer => bearer(customer(&[Scope::View])),
            Role::Buyer => bearer(customer(&all)),
            Role::Page => vec![
                ("cookie", format!("__Host-scrip={}", token(KEYS, &all, Audience::Page, later))),
                ("scrip-session", NOTHING.to_owned()),
                ("origin", PUBLIC_URL.to_owned()),
                ("content-type", "application/json".to_owned()),
            ],
            Role::Expired => bearer(token(KEYS, &all, Audience::Widget, now)),
            Role::RemovedKey => bearer(token(OLD_KEYS, &all, Audience::Widget, later)),
            Role::Forged => {
                let token = customer(&all);
                let (key, sealed) = token.split_once('.').expect("two parts");
                let other = if sealed.ends_with('A') { "B" } else { "A" };
                bearer(format!("{key}.{}{other}", &sealed[..sealed.len() - 1]))
            }
            Role::Link => bearer(token(KEYS, &all, Audience::Link, later)),
        }
    }
}

/// An answer, byte for byte.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn text(&self) -> String {
        format!("{:?} {}", self.headers, String::from_utf8_lossy(&self.body))
    }

    pub(super) fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The resources of one tenant.
pub(super) struct Tenant {
    pub(super) account: &'static str,
    pub(super) debit: String,
    pub(super) grant: String,
    pub(super) hold: String,
    pub(super) order: String,
}

/// Two tenants, each with a debit, a grant, a hold and an order. Every answer is the same in every run.
pub(super) struct Stage {
    pub(super) shop: Shop,
    pub(super) tenants: Vec<Tenant>,
}

impl Stage {
    pub(super) async fn new() -> Stage {
        let shop = Shop::beside(Stack::still(NOW).await).await;
        let mut tenants = Vec::new();
        for account in TENANTS {
            shop.stack.open(account, "pro").await;
            let path = format!("/v1/accounts/{account}");
            let body = format!(r#"{{"credits":"1","user":"ada of {account}"}}"#);
            let debit = shop.stack.post(&format!("{path}/debits"), "the debit", &body).await;
            let hold = shop.stack.post(&format!("{path}/holds"), "the hold", &body).await;
            let (debit, hold) = (debit.text("/id").to_owned(), hold.text("/id").to_owned());
            let grant = shop.stack.grant(account, "the grant", "3").await.text("/id").to_owned();
            let (order, _) = shop.begin(account, &format!("order of {account}"), "starter").await;
            let id = OperationId::parse(NOTHING).expect("an id");
            let opened = Redemption {
                account: account.parse().expect("an account"),
                id,
                by: id,
                expires_at: instant(NOW) + Span::from_s(600),
                left: false,
            };
            let write = Write::create(Row::Redemption(opened));
            shop.stack.context().store.commit(&write).await.expect("written");
            tenants.push(Tenant { account, debit, grant, hold, order });
        }
        Stage { shop, tenants }
    }

    /// Answers `route` for the case's id as the function behind it does.
    pub(super) async fn ask(&self, route: &Route, case: &Case<'_>) -> Reply {
        let path = route.path.replace("{account}", case.account).replace("{id}", case.id);
        let path = path.replace("{hash}", "0").replace("{file}", "icon.svg");
        let path = path.replace("{subject}", "user:ada");
        let key = (route.method != "GET").then_some("asked once");
        let mut request = request(&route.method, &format!("{path}{}", case.query), key, case.body);
        for (name, value) in case.headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        self.reply(&route.function, request.with_raw_http_path(path)).await
    }

    /// The answer of a function to any request.
    pub(super) async fn reply(&self, function: &str, request: lambda_http::Request) -> Reply {
        let functions = &self.shop.stack.functions;
        let context = functions.context();
        let secret = Secret::fixed(WEBHOOK_SECRET);
        // Boxed, as in the routes: a test's stack may not have room for all of them.
        let response: Pin<Box<dyn Future<Output = Response<Body>>>> = match function {
            "debit" => Box::pin(debit::handle(context, request)),
            "balance" => Box::pin(balance::handle(context, request)),
            "page" => Box::pin(page::handle(context, request)),
            "accounts" => Box::pin(accounts::handle(context, request)),
            "checkout" => Box::pin(checkout::handle(context, functions.stripe(), request)),
            "webhook" => Box::pin(webhook::handle(context, functions.stripe(), &secret, request)),
            other => panic!("no tenancy is known of {other}"),
        };
        let response = acting_as(function, response).await;
        let (parts, body) = response.into_parts();
        let body: &[u8] = &body;
        Reply { status: parts.status.as_u16(), headers: parts.headers, body: body.to_vec() }
    }

    /// The tenant's resource that `{id}` means in a path.
    pub(super) fn id<'a>(tenant: &'a Tenant, path: &str) -> &'a str {
        match path {
            _ if path.contains("/holds/") => &tenant.hold,
            _ if path.contains("/debits/") => &tenant.debit,
            _ if path.contains("/grants/") => &tenant.grant,
            _ if path.contains("/checkouts/") => &tenant.order,
            _ => NOTHING,
        }
    }
}

/// One request: its account and resource, and its caller.
pub(super) struct Case<'a> {
    pub(super) account: &'a str,
    pub(super) id: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a [(&'static str, String)],
    pub(super) body: &'a str,
}

/// The template's routes, and whether IAM authorizes them.
pub(super) fn routes() -> Vec<(Route, bool)> {
    let template: Value =
        serde_saphyr::from_str(include_str!("../../../../template.yaml")).expect("YAML");
    let auth = &template["Resources"]["Api"]["Properties"]["Auth"];
    assert_eq!(auth["DefaultAuthorizer"], "AWS_IAM");
    assert_eq!(auth["EnableIamAuthorizer"], true);
    let resources = template["Resources"].as_object().expect("resources");
    let events = resources.values().filter_map(|r| r["Properties"]["Events"].as_object());
    let events: Vec<&Value> = events.flat_map(|events| events.values()).collect();
    let by_iam = |route: &Route| {
        let event = events.iter().map(|event| &event["Properties"]).find(|properties| {
            properties["Method"] == *route.method && properties["Path"] == *route.path
        });
        match &event.expect("an event of the template")["Auth"]["Authorizer"] {
            Value::Null => true,
            Value::String(name) if name == "NONE" => false,
            other => panic!("{} {}: {other}", route.method, route.path),
        }
    };
    Template::load().routes().into_iter().map(|route| (route.clone(), by_iam(&route))).collect()
}

/// A setting of auto top-up, with the words that are consented to for it.
const AUTO_TOP_UP: &str = "{\"below\":\"50\",\"pack\":\"starter\",\"currency\":\"usd\",\
    \"at_most_minor\":20000,\"consent\":\"When fewer than 50 credits are left, buy the pack \
    starter at its price of that day (today 500 credits for 49.00 usd) and charge the card that I \
    save for this. Charge at most 200.00 usd in a calendar month (UTC), taxes included. I can \
    switch this off at any time.\"}";

/// A body that the route accepts.
pub(super) fn body(route: &Route) -> &'static str {
    let last = route.path.rsplit('/').next().unwrap_or_default();
    match (route.method.as_str(), last) {
        ("GET" | "OPTIONS" | "DELETE", _) => "",
        ("PUT", "auto-top-up") => AUTO_TOP_UP,
        ("PUT", "{subject}") => r#"{"at_most":"9"}"#,
        ("PUT", _) => r#"{"plan":"free"}"#,
        (_, "debits" | "quotes") => r#"{"credits":"2"}"#,
        (_, "batch") => r#"{"mode":"all_or_nothing","debits":[{"id":"one","credits":"2"}]}"#,
        (_, "holds") => r#"{"credits":"2"}"#,
        (_, "refund") => r#"{"credits":"1","reason":"asked"}"#,
        (_, "capture") => r#"{"credits":"1"}"#,
        (_, "extend") => r#"{"expires_in_s":600}"#,
        (_, "grants") => r#"{"credits":"2","reason":"asked"}"#,
        (_, "enter" | "leave") => "t=none",
        (_, "sessions") => r#"{"subject":"ada","return_url":"https://app.example.com/"}"#,
        (_, "checkouts") => r#"{"pack":"starter"}"#,
        (_, "subscriptions") => r#"{"plan":"pro"}"#,
        (_, "portal") => "{}",
        (_, "topup-plans") => r#"{"topup":"monthly_500"}"#,
        (_, "release") if route.path.contains("/holds/") => "{}",
        (_, "revoke" | "freeze" | "unfreeze" | "waive" | "release" | "dismiss") => {
            r#"{"reason":"asked"}"#
        }
        (_, "webhook") => "{}",
        _ => panic!("say here what {} {} takes", route.method, route.path),
    }
}

/// Whether the route is for customers, and needs a session.
pub(super) fn wants_session(route: &Route) -> bool {
    route.method != "OPTIONS" && (route.path.starts_with("/v1/me/") || is_page(route))
}

/// Whether the route answers a page to the session of a cookie.
pub(super) fn is_page(route: &Route) -> bool {
    ["/", "/statement"].contains(&route.path.as_str())
}

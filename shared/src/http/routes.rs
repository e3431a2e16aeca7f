//! The routes of the contract: they also give the answer to a wrong method.

use crate::domain::service_key::KeyScope;

/// The paths, each with its methods as the header `Allow` lists them. Each function matches its own
/// routes, and the template lists those that reach it; a test compares the three.
pub const ROUTES: [(&str, &str); 49] = [
    ("/", "GET"),
    ("/assets/{hash}/{file}", "GET"),
    ("/brand/{file}", "GET"),
    ("/enter", "GET, POST"),
    ("/leave", "POST"),
    ("/scrip.js", "GET"),
    ("/scrip.json", "GET"),
    ("/statement", "GET"),
    ("/v1/accounts", "GET"),
    ("/v1/accounts/{account}", "GET, PUT"),
    ("/v1/accounts/{account}/auto-top-up", "DELETE, GET"),
    ("/v1/accounts/{account}/balance", "GET"),
    ("/v1/accounts/{account}/debits", "POST"),
    ("/v1/accounts/{account}/debits/batch", "POST"),
    ("/v1/accounts/{account}/debits/{id}/refund", "POST"),
    ("/v1/accounts/{account}/debt/waive", "POST"),
    ("/v1/accounts/{account}/freeze", "POST"),
    ("/v1/accounts/{account}/grants", "POST"),
    ("/v1/accounts/{account}/grants/{id}/revoke", "POST"),
    ("/v1/accounts/{account}/holds", "POST"),
    ("/v1/accounts/{account}/holds/{id}/capture", "POST"),
    ("/v1/accounts/{account}/holds/{id}/extend", "POST"),
    ("/v1/accounts/{account}/holds/{id}/release", "POST"),
    ("/v1/accounts/{account}/ledger", "GET"),
    ("/v1/accounts/{account}/limits", "GET"),
    ("/v1/accounts/{account}/limits/{subject}", "PUT"),
    ("/v1/accounts/{account}/payments", "GET"),
    ("/v1/accounts/{account}/quotes", "POST"),
    ("/v1/accounts/{account}/sessions", "POST"),
    ("/v1/accounts/{account}/unfreeze", "POST"),
    ("/v1/accounts/{account}/usage", "GET"),
    ("/v1/me/auto-top-up", "DELETE, GET, OPTIONS, PUT"),
    ("/v1/me/balance", "GET, OPTIONS"),
    ("/v1/me/catalog", "GET, OPTIONS"),
    ("/v1/me/checkouts", "GET, OPTIONS, POST"),
    ("/v1/me/checkouts/{id}", "GET, OPTIONS"),
    ("/v1/me/ledger", "GET, OPTIONS"),
    ("/v1/me/limits", "GET, OPTIONS"),
    ("/v1/me/limits/{subject}", "OPTIONS, PUT"),
    ("/v1/me/packs", "GET, OPTIONS"),
    ("/v1/me/portal", "OPTIONS, POST"),
    ("/v1/me/subscriptions", "GET, OPTIONS, POST"),
    ("/v1/me/topup-plans", "GET, OPTIONS, POST"),
    ("/v1/me/usage", "GET, OPTIONS"),
    ("/v1/payments", "GET"),
    ("/v1/payments/{id}", "GET"),
    ("/v1/payments/{id}/dismiss", "POST"),
    ("/v1/payments/{id}/release", "POST"),
    ("/v1/stripe/webhook", "POST"),
];

/// The scope that a service key needs for a route. A route that is not here is for operators, who
/// sign with AWS. The second door of the template has these routes and no others; a test compares
/// them.
pub const SCOPES: [(&str, KeyScope); 18] = [
    ("GET /v1/accounts/{account}", KeyScope::Read),
    ("PUT /v1/accounts/{account}", KeyScope::Accounts),
    ("GET /v1/accounts/{account}/auto-top-up", KeyScope::Read),
    ("GET /v1/accounts/{account}/balance", KeyScope::Read),
    ("POST /v1/accounts/{account}/debits", KeyScope::Spend),
    ("POST /v1/accounts/{account}/debits/batch", KeyScope::Spend),
    ("POST /v1/accounts/{account}/debits/{id}/refund", KeyScope::Refund),
    ("POST /v1/accounts/{account}/holds", KeyScope::Spend),
    ("POST /v1/accounts/{account}/holds/{id}/capture", KeyScope::Spend),
    ("POST /v1/accounts/{account}/holds/{id}/extend", KeyScope::Spend),
    ("POST /v1/accounts/{account}/holds/{id}/release", KeyScope::Spend),
    ("GET /v1/accounts/{account}/ledger", KeyScope::Read),
    ("GET /v1/accounts/{account}/limits", KeyScope::Read),
    ("PUT /v1/accounts/{account}/limits/{subject}", KeyScope::Accounts),
    ("GET /v1/accounts/{account}/payments", KeyScope::Read),
    ("POST /v1/accounts/{account}/quotes", KeyScope::Spend),
    ("POST /v1/accounts/{account}/sessions", KeyScope::Sessions),
    ("GET /v1/accounts/{account}/usage", KeyScope::Read),
];

/// The name of a direct invocation of `debit`, where a request has its route.
pub const INVOCATION: &str = "lambda:InvokeFunction";

/// The methods of a path, by its parts. None: there is no such path.
pub(super) fn allowed(parts: &[&str]) -> Option<&'static str> {
    known(parts).map(|(_, methods)| methods)
}

/// The route of a request: `POST /v1/accounts/{account}/debits`. None: there is no such route.
pub(super) fn route(method: &str, parts: &[&str]) -> Option<String> {
    let (path, methods) = known(parts)?;
    methods.split(", ").any(|known| known == method).then(|| format!("{method} {path}"))
}

/// The scope that a service key needs for a request; `Some(None)`: none is enough. None: there is
/// no such route.
pub(super) fn scope(method: &str, parts: &[&str]) -> Option<Option<KeyScope>> {
    let route = route(method, parts)?;
    Some(SCOPES.iter().find(|(known, _)| *known == route).map(|(_, scope)| *scope))
}

/// The path of these parts, with its methods.
fn known(parts: &[&str]) -> Option<(&'static str, &'static str)> {
    let is = |path: &str| {
        let mut known = path.split('/').skip(1);
        let fits = |known: &str, part: &str| known.starts_with('{') || known == part;
        parts.iter().all(|part| known.next().is_some_and(|known| fits(known, part)))
            && known.next().is_none()
    };
    ROUTES.into_iter().find(|(path, _)| is(path))
}

/// Whether the gateway, or a function, asks for an identity on every route that begins with these
/// parts.
pub fn is_signed(parts: &[&str]) -> bool {
    matches!(parts, ["v1", "accounts" | "payments", ..])
}

//! Tenancy: every route of the template, by every caller, about its own, another's and a missing
//! resource.
//!
//! Another's order, hold, grant or debit gets the same bytes as one that does not exist, and no answer to
//! a customer contains a word of another tenant.

mod callers;
mod interleaved;
mod keys;

use std::collections::BTreeSet;

use lambda_http::RequestExt;
use local::template::{Route, Template};
use shared::http::routes::is_signed;

use crate::support::request;
use callers::{Case, NOTHING, ROLES, Role, Stage, TENANTS, body, is_page, routes, wants_session};

#[tokio::test]
async fn every_route_hides_other_tenants_from_every_caller() {
    let mut cases = 0;
    let mut open = BTreeSet::new();
    for (route, iam) in routes() {
        if !iam {
            open.insert(format!("{} {}", route.method, route.path));
        }
        cases += match (iam, wants_session(&route)) {
            (true, _) => by_iam(&route).await,
            (false, true) => by_session(&route).await,
            (false, false) => by_anybody(&route).await,
        };
        cases += elsewhere(&route).await;
    }
    // The complete list of routes that only a function's code protects.
    let known = |name: &String| {
        let methods = ["DELETE", "GET", "POST", "PUT", "OPTIONS"];
        let customers = methods.map(|method| format!("{method} /v1/me/"));
        let mut customers =
            customers.into_iter().chain(["GET /assets/", "GET /brand/"].map(str::to_owned));
        let others = ["GET /", "GET /enter", "POST /enter", "POST /leave", "GET /scrip.js"];
        let own = ["GET /scrip.json", "GET /statement", "POST /v1/stripe/webhook"];
        let others = [&others[..], &own].concat();
        customers.any(|start| name.starts_with(&start)) || others.contains(&name.as_str())
    };
    assert!(open.iter().all(known), "{open:?}");
    println!(
        "{cases} cases of {} routes, {} of them open to a browser",
        routes().len(),
        open.len()
    );
    assert!(cases > 500, "{cases} cases");
}

/// IAM decides who has access. Behind it a customer's session gives no rights, and another's hold,
/// grant or debit does not exist. Service keys are in `keys`.
async fn by_iam(route: &Route) -> usize {
    let body = body(route);
    fn case<'a>(
        account: &'a str,
        id: &'a str,
        headers: &'a [(&'static str, String)],
        body: &'a str,
    ) -> Case<'a> {
        Case { account, id, query: "", headers, body }
    }
    let mut cases = 0;
    for account in ["acme", "nobody"] {
        let stages = [Stage::new().await, Stage::new().await];
        let [own, other] = [0, 1].map(|n| Stage::id(&stages[0].tenants[n], &route.path).to_owned());
        if route.path.contains("{id}") {
            let theirs = stages[0].ask(route, &case(account, &other, &[], body)).await;
            let none = stages[1].ask(route, &case(account, NOTHING, &[], body)).await;
            let seen = (String::from_utf8_lossy(&theirs.body), String::from_utf8_lossy(&none.body));
            assert_eq!(theirs, none, "{route:?}: {seen:?}");
            assert!((400..500).contains(&theirs.status), "{route:?}: {}", theirs.text());
            cases += 2;
        }
        // Each on its own stage: some requests change it.
        let plain = Stage::new().await.ask(route, &case(account, &own, &[], body)).await;
        for role in ROLES {
            for tenant in TENANTS {
                let headers = role.headers(tenant);
                let asked =
                    Stage::new().await.ask(route, &case(account, &own, &headers, body)).await;
                // Without a gateway a request needs no key. One with a token must have a key's.
                match headers.iter().any(|(name, _)| *name == "authorization") {
                    true => assert_eq!(asked.code(), "key_refused", "{route:?} as {role:?}"),
                    false => assert_eq!(asked, plain, "{route:?} as {role:?} of {tenant}"),
                }
                cases += 1;
            }
        }
        let about_account = route.path.contains("{account}");
        if account == "acme" && about_account {
            // A tenant without debt has none to waive.
            let expected = if route.path.ends_with("/waive") { 409 } else { plain.status };
            assert_eq!(plain.status, expected, "{route:?}: {}", plain.text());
            assert!(plain.status < 300 || expected == 409, "{route:?}: {}", plain.text());
            assert!(!plain.text().contains("rival"), "{route:?}: {}", plain.text());
        } else if about_account && route.method != "PUT" {
            assert_eq!(plain.code(), "account_not_found", "{route:?}: {}", plain.text());
        }
    }
    cases
}

/// A session decides who has access, and to which account.
async fn by_session(route: &Route) -> usize {
    let body = body(route);
    let mut cases = 0;
    let nobody = {
        let stage = Stage::new().await;
        let id = stage.tenants[0].order.clone();
        let case = Case { account: "", id: &id, query: "", headers: &[], body };
        stage.ask(route, &case).await
    };
    // A change without a Bearer header counts as one by cookie, from a foreign page.
    let refused = if route.method == "GET" { 401 } else { 403 };
    assert_eq!(nobody.status, refused, "{route:?}: {}", nobody.text());
    for (own, other) in [(0, 1), (1, 0)] {
        for role in ROLES {
            let stage = Stage::new().await;
            let (mine, theirs) = (&stage.tenants[own], &stage.tenants[other]);
            let headers = role.headers(mine.account);
            let case = |id| Case { account: "", id, query: "", headers: &headers, body };
            let about_mine = stage.ask(route, &case(&mine.order)).await;
            let wrong = format!("{route:?} as {role:?} of {}: {}", mine.account, about_mine.text());
            match role {
                Role::Nobody => assert_eq!(about_mine, nobody, "{wrong}"),
                _ if !role.opens(route) => {
                    assert_eq!(about_mine.status, 401, "{wrong}");
                    if !is_page(route) {
                        assert_eq!(about_mine.code(), "session_required", "{wrong}");
                    }
                }
                Role::Viewer if route.method != "GET" => {
                    assert_eq!(about_mine.code(), "scope_required", "{wrong}");
                }
                _ if route.path == "/v1/me/portal" && route.method == "POST" => {
                    assert_eq!(about_mine.code(), "not_subscribed", "{wrong}");
                }
                _ => assert!((200..300).contains(&about_mine.status), "{wrong}"),
            }
            // No word of the other tenant.
            let resources = [&theirs.debit, &theirs.grant, &theirs.hold, &theirs.order];
            for word in resources.into_iter().map(String::as_str).chain([theirs.account]) {
                assert!(!about_mine.text().contains(word), "{word} in {wrong}");
            }
            cases += 1;
            if route.path.contains("{id}") {
                let about_theirs = stage.ask(route, &case(&theirs.order)).await;
                let about_none = stage.ask(route, &case(NOTHING)).await;
                assert_eq!(about_theirs, about_none, "{route:?} as {role:?}");
                let expected = if role.opens(route) { 404 } else { 401 };
                assert_eq!(about_theirs.status, expected, "{}", about_theirs.text());
                cases += 2;
            }
            // The session's account counts, even if the request names another.
            if route.method == "GET" {
                let named = [&headers[..], &[("x-account", theirs.account.to_owned())]].concat();
                let query = format!("?account={}", theirs.account);
                let id = mine.order.as_str();
                let named = Case { query: &query, headers: &named, ..case(id) };
                let asked = stage.ask(route, &named).await;
                let refused = asked.status == 400 && asked.code() == "invalid_request";
                assert!(asked == about_mine || refused, "{wrong}: {}", asked.text());
                cases += 1;
            } else if role.opens(route) {
                let id = mine.order.as_str();
                let account = format!(r#"{{"pack":"starter","account":"{}"}}"#, theirs.account);
                let asked = stage.ask(route, &Case { body: &account, ..case(id) }).await;
                assert!(matches!(asked.status, 400 | 403), "{}", asked.text());
                cases += 1;
            }
        }
    }
    cases
}

/// Anyone has access, and every caller gets the same answer: files, preflights, used links, a
/// webhook without a signature.
async fn by_anybody(route: &Route) -> usize {
    let mut cases = 0;
    let stage = Stage::new().await;
    let body = body(route);
    let ask = async |headers: &[(&'static str, String)]| {
        stage.ask(route, &Case { account: "", id: NOTHING, query: "", headers, body }).await
    };
    let plain = ask(&[]).await;
    for role in ROLES {
        for account in TENANTS {
            let mut headers = role.headers(account);
            // A preflight is about its origin; the origin does not identify the caller.
            headers.retain(|(name, _)| *name != "origin");
            let asked = ask(&headers).await;
            assert_eq!(asked, plain, "{route:?} as {role:?} of {account}: {}", asked.text());
            assert!(TENANTS.iter().all(|tenant| !asked.text().contains(tenant)), "{route:?}");
            cases += 1;
        }
    }
    cases
}

/// A function never answers another function's route.
async fn elsewhere(route: &Route) -> usize {
    let stage = Stage::new().await;
    let path = route.path.replace("{account}", "acme").replace("{id}", &stage.tenants[0].hold);
    let path = path.replace("{subject}", "user:ada");
    let mut cases = 0;
    for function in ["debit", "balance", "page", "accounts", "checkout", "webhook"] {
        // A preflight is the same for all customers' routes, and reveals nothing about one.
        if function == route.function || route.method == "OPTIONS" {
            continue;
        }
        let mut request = request(&route.method, &path, Some("asked once"), body(route));
        let headers = match is_signed(&route.path.split('/').skip(1).collect::<Vec<_>>()) {
            true => Role::Page.headers("acme"),
            false => Role::Buyer.headers("acme"),
        };
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        let reply = stage.reply(function, request.with_raw_http_path(path.clone())).await;
        let wrong = format!("{function} answers {route:?}: {}", reply.text());
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{wrong}");
        cases += 1;
    }
    cases
}

/// A token counts only in the places that the contract names.
#[tokio::test]
async fn a_token_in_the_wrong_place_is_ignored() {
    let stage = Stage::new().await;
    let token = Role::Buyer.headers("acme")[0].1.clone();
    let token = token.strip_prefix("Bearer ").expect("a token");
    let route = Template::load().routes().into_iter().find(|route| route.path == "/v1/me/balance");
    let route = route.expect("a route");
    for headers in [
        vec![("authorization", token.to_owned())],
        vec![("authorization", format!("Basic {token}"))],
        vec![("authorization", format!("Bearer {token} {token}"))],
        vec![("cookie", format!("scrip={token}"))],
        vec![("cookie", format!("__Host-scrip2={token}"))],
        vec![("x-authorization", format!("Bearer {token}"))],
    ] {
        let case = Case { account: "", id: "", query: "", headers: &headers, body: "" };
        let reply = stage.ask(&route, &case).await;
        assert_eq!(reply.code(), "session_required", "{headers:?}");
    }
    let case = Case { account: "", id: "", query: &format!("?t={token}"), headers: &[], body: "" };
    assert_eq!(stage.ask(&route, &case).await.code(), "session_required");
}

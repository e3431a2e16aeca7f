//! Service keys as callers: on every route that is not for strangers, a key gives what its scopes
//! and its limit allow, and the answers tell nothing else.

use local::template::Route;
use shared::domain::OperationId;
use shared::domain::instant::Span;
use shared::domain::service_key::{KeyLimit, KeyScope, ServiceKey};
use shared::http::routes::SCOPES;

use super::callers::{Case, NOTHING, NOW, OLD_KEYS, Reply, Role, Stage, body, routes};
use crate::support::canary::SERVICE_KEYS;
use crate::support::instant;
use crate::support::service_keys::sealed;

/// The headers of a caller with this key, sealed with `secret`, for so long from now.
fn headers(
    scopes: &[KeyScope],
    limit: KeyLimit,
    secret: &str,
    life_s: i64,
) -> Vec<(&'static str, String)> {
    let issued_at = instant(NOW) - Span::from_s(600);
    let key = ServiceKey {
        id: OperationId::parse(NOTHING).expect("an id"),
        name: "web".to_owned(),
        scopes: scopes.to_vec(),
        limit,
        issued_at,
        expires_at: instant(NOW) + Span::from_s(life_s),
    };
    vec![("authorization", format!("Bearer {}", sealed(&key, secret)))]
}

fn account(account: &str) -> KeyLimit {
    KeyLimit::Account(account.parse().expect("an account"))
}

/// A stage as deployed: who has no key is nobody.
async fn deployed() -> Stage {
    let mut stage = Stage::new().await;
    stage.shop.stack = stage.shop.stack.deployed();
    stage
}

async fn ask(
    stage: Stage,
    route: &Route,
    account: &str,
    headers: &[(&'static str, String)],
) -> Reply {
    let id = Stage::id(&stage.tenants[0], &route.path).to_owned();
    stage.ask(route, &Case { account, id: &id, query: "", headers, body: body(route) }).await
}

/// The scope that a key needs for the route.
fn scope(route: &Route) -> Option<KeyScope> {
    let name = format!("{} {}", route.method, route.path);
    SCOPES.iter().find(|(known, _)| *known == name).map(|(_, scope)| *scope)
}

#[tokio::test]
async fn a_key_does_what_its_scope_and_its_limit_allow_and_nothing_else() {
    let mut seen = 0;
    for (route, _) in routes().into_iter().filter(|(_, iam)| *iam) {
        let needed = scope(&route);
        for one in KeyScope::ALL {
            let by = headers(&[one], account("acme"), SERVICE_KEYS, 600);
            let reply = ask(deployed().await, &route, "acme", &by).await;
            if needed == Some(one) {
                // As it is for a signer; but an entry that names who made it names the key.
                let signed = ask(Stage::new().await, &route, "acme", &[]).await;
                let anonymous = reply.text().replace(&format!(r#""actor":"key:{NOTHING}","#), "");
                assert_eq!((reply.status, anonymous), (signed.status, signed.text()), "{route:?}");
            } else {
                let refused = (reply.status, reply.code());
                assert_eq!(refused, (403, "scope_required".to_owned()), "{route:?} by {one:?}");
                let scope = needed.map_or("operator", |scope| scope.name());
                assert!(
                    reply.text().contains(&format!(r#""scope":"{scope}""#)),
                    "{}",
                    reply.text()
                );
            }
        }
        let Some(needed) = needed else { continue };
        seen += 1;
        // Another's account is answered as one that does not exist, whatever the body.
        for limit in [account("acme"), KeyLimit::Prefix("acm".to_owned())] {
            let by = headers(&[needed], limit, SERVICE_KEYS, 600);
            assert!(ask(deployed().await, &route, "acme", &by).await.status < 300, "{route:?}");
            let theirs = ask(deployed().await, &route, "rival", &by).await;
            let none = ask(deployed().await, &route, "never", &by).await;
            assert_eq!(
                (theirs.status, theirs.code().as_str()),
                (404, "account_not_found"),
                "{route:?}"
            );
            assert_eq!(theirs.text().replace("rival", "never"), none.text(), "{route:?}");
        }
        let all = headers(&[needed], KeyLimit::All, SERVICE_KEYS, 600);
        let foreign = ask(deployed().await, &route, "rival", &all).await;
        assert_ne!(foreign.code(), "scope_required", "{route:?}");
        assert!(foreign.status < 300 || route.path.contains("{id}"), "{route:?}");
    }
    assert_eq!(seen, SCOPES.len());
    assert!(SCOPES.iter().all(|(route, _)| route.contains(" /v1/accounts/{account}")));
}

#[tokio::test]
async fn every_wrong_key_gets_the_same_bytes() {
    let (all, both) = (KeyLimit::All, [KeyScope::Spend, KeyScope::Read]);
    let right = headers(&KeyScope::ALL, all.clone(), SERVICE_KEYS, 600);
    let changed = |from: &str, to: &str| vec![("authorization", right[0].1.replace(from, to))];
    let token = right[0].1.strip_prefix("Bearer ").expect("a token").to_owned();
    let wrong = [
        headers(&both, all.clone(), SERVICE_KEYS, 0),
        headers(&both, all.clone(), OLD_KEYS, 600),
        // Of an id that the stack knows, but not its key.
        headers(&both, all, &OLD_KEYS.replace(r#""old""#, r#""test""#), 600),
        changed("scrip_sk_test.", "scrip_sk_test.A"),
        changed("scrip_sk_", "scrip_session_"),
        changed("Bearer ", "Basic "),
        changed("Bearer ", "Bearer Bearer "),
        vec![("authorization", token.clone())],
        vec![("x-api-key", token.clone())],
        vec![("cookie", format!("__Host-scrip={token}"))],
        Role::Buyer.headers("acme"),
        Role::Page.headers("acme"),
        Role::Link.headers("acme"),
    ];
    for (route, _) in routes().into_iter().filter(|(_, iam)| *iam) {
        let none = ask(deployed().await, &route, "acme", &[]).await;
        assert_eq!((none.status, none.code().as_str()), (401, "key_refused"), "{route:?}");
        let stage = deployed().await;
        for headers in &wrong {
            for account in ["acme", "never"] {
                let id = Stage::id(&stage.tenants[0], &route.path);
                let case = Case { account, id, query: "", headers, body: body(&route) };
                assert_eq!(stage.ask(&route, &case).await, none, "{route:?} {headers:?}");
            }
        }
        let right = ask(deployed().await, &route, "acme", &right).await;
        assert_ne!(right.status, 401, "{route:?}");
    }
}

//! Secrets from Secrets Manager stay in memory and are read again when they may have been replaced.

use lambda_http::RequestExt;
use shared::secrets::Secret;
use shared::stripe::signature;

use crate::support::secrets_manager::Vault;
use crate::support::shop::Shop;
use crate::support::{Answer, Stack, answer, request};

const WEBHOOK: &str = "StripeWebhookSecretArn";
const EVENT: &str = r#"{"id":"evt_1","object":"event","type":"nothing.known","data":{}}"#;

/// Sends an event to the webhook, signed now with `key`.
async fn bring(stack: &Stack, secret: &Secret, key: &str) -> Answer {
    let path = "/v1/stripe/webhook";
    let mut request = request("POST", path, None, EVENT);
    let header = signature::sign(EVENT.as_bytes(), key, stack.context().clock.now());
    request.headers_mut().insert("stripe-signature", header.parse().expect("a header"));
    let (context, stripe) = (stack.context(), stack.functions.stripe());
    answer(webhook::handle(context, stripe, secret, request.with_raw_http_path(path)).await)
}

#[tokio::test]
async fn a_replaced_secret_is_read_again_but_not_for_every_forgery() {
    let Shop { stack, .. } = Shop::noon().await;
    let vault = Vault::default();
    vault.put(WEBHOOK, "whsec_old");
    let secret = vault.secret(WEBHOOK, &stack.roles);
    for _ in 0..3 {
        assert_eq!(bring(&stack, &secret, "whsec_old").await.status, 200);
    }
    assert_eq!(vault.take_reads(), 1);
    stack.set_clock("2026-11-18T12:01:00Z");
    vault.put(WEBHOOK, "whsec_new");
    assert_eq!(bring(&stack, &secret, "whsec_new").await.status, 200);
    assert_eq!(vault.take_reads(), 1);
    // Forged signatures cause one read, however many arrive.
    for _ in 0..20 {
        let forged = bring(&stack, &secret, "whsec_forged").await;
        assert_eq!((forged.status, forged.code()), (400, "signature_invalid"));
    }
    assert!(vault.take_reads() <= 1);
    // A removed secret is refused after five minutes at the latest.
    stack.set_clock("2026-11-18T12:06:01Z");
    assert_eq!(bring(&stack, &secret, "whsec_old").await.code(), "signature_invalid");
}

#[tokio::test]
async fn without_secrets_manager_only_the_last_secret_read_is_accepted() {
    let Shop { stack, .. } = Shop::noon().await;
    let vault = Vault::default();
    vault.put(WEBHOOK, "whsec_known");
    let (secret, never) =
        (vault.secret(WEBHOOK, &stack.roles), vault.secret("missing", &stack.roles));
    assert_eq!(bring(&stack, &secret, "whsec_known").await.status, 200);
    vault.set_down(true);
    stack.set_clock("2026-11-18T13:00:00Z");
    assert_eq!(bring(&stack, &secret, "whsec_known").await.status, 200);
    let unread = bring(&stack, &never, "whsec_known").await;
    assert_eq!((unread.status, unread.headers.contains_key("retry-after")), (503, true));
}

//! The accounts that the local stack begins with.

use lambda_http::{Body, Request};

use crate::routes::Functions;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Account, plan, and the state that it shows.
pub const ACCOUNTS: [(&str, &str, &str); 3] = [
    ("acme", "pro", "2500 credits a month"),
    ("open", "free", "25 credits a week"),
    ("basic", "standard", "no AI"),
];

/// Opens the accounts, once: a stack that is started again has them already.
///
/// # Errors
/// If an account is not accepted.
pub async fn seed(functions: &Functions) -> Result<(), Error> {
    for (account, plan, _) in ACCOUNTS {
        let response = functions.answer(put(account, plan)?).await;
        if response.status() != 201 {
            let body: &[u8] = response.body();
            return Err(format!("seed {account}: {}", String::from_utf8_lossy(body)).into());
        }
    }
    Ok(())
}

fn put(account: &str, plan: &str) -> Result<Request, Error> {
    let body = serde_json::json!({ "plan": plan }).to_string();
    let request = http::Request::put(format!("/v1/accounts/{account}"))
        .header("idempotency-key", format!("seed-{account}"));
    Ok(request.body(Body::Text(body))?)
}

//! Requests of operators.

use super::{Answer, Stack, of};

impl Stack {
    /// Revokes the grant of this id.
    pub async fn revoke(&self, account: &str, key: &str, grant: &str) -> Answer {
        let path = of(account, &format!("/grants/{grant}/revoke"));
        self.post(&path, key, r#"{"reason":"test"}"#).await
    }
}

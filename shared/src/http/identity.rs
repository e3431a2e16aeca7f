//! Identity: who sent a request on a route that is not for strangers, and whether they may.
//!
//! Two doors lead to these routes. At the first, AWS checks a signature and says whose it is; the
//! second is open, and its requests bring a service key. A function cannot tell the doors apart and
//! does not try: without a signer's identity from the gateway, a request needs a key.

use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use super::{Call, Problem, routes};
use crate::command::service_key;
use crate::context::Context;
use crate::domain::Refusal;
use crate::metrics::Caller;

impl Call<'_> {
    /// Checks that the sender may send this request. A handler runs only after this.
    ///
    /// # Errors
    /// `key_refused` without a signer's identity and a valid service key; `scope_required` and
    /// `account_not_found` if the key is not for this route or this account.
    pub(super) async fn admit(&self, context: &Context) -> Result<(), Problem> {
        let (method, parts) = self.route();
        if !routes::is_signed(&parts) || self.principal().is_some() {
            return Ok(());
        }
        if self.config.allows_unsigned && self.is_without_key() {
            return Ok(());
        }
        let key = service_key::by_token(context, self.bearer()).await?;
        let key = self.key.get_or_init(|| key);
        let Some(needed) = routes::scope(method, &parts) else {
            // The handler says that there is no such route, or no such method.
            return Ok(());
        };
        if !needed.is_some_and(|scope| key.allows(scope)) {
            return Err(Refusal::KeyScopeRequired { scope: needed }.into());
        }
        // Each route that has a scope is of one account.
        match parts[..] {
            ["v1", "accounts", account, ..] if !key.limit.covers(account) => {
                // An id that no account can have is refused as for everybody.
                let account = self.account(account)?;
                Err(Refusal::no_account(&account).into())
            }
            _ => Ok(()),
        }
    }

    /// The IAM principal that signed the request, or the service key that it has. None: the request
    /// has neither, because it is a stranger's, or because the stack has no IAM.
    pub fn actor(&self) -> Option<String> {
        let key = || self.key.get().map(|key| format!("key:{}", key.id));
        self.principal().or_else(key)
    }

    /// The sender of the request, as far as an alarm has to know it. A request that nobody signed
    /// and that has no valid key is a stranger's, wherever it arrives.
    pub fn caller(&self) -> Caller {
        let signed = routes::is_signed(&self.route().1);
        match signed && (self.config.allows_unsigned || self.actor().is_some()) {
            true => Caller::Known,
            false => Caller::Stranger,
        }
    }

    /// Whether it has no Authorization, or a signature, which a stack without IAM cannot check. All
    /// else is a key, however badly sent: a deployed stack would refuse it.
    fn is_without_key(&self) -> bool {
        let mut sent = self.request.headers().get_all("authorization").iter();
        sent.all(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256"))
    }

    /// The IAM principal, as the gateway says. No caller can write into this part of a request.
    fn principal(&self) -> Option<String> {
        match self.request.request_context_ref()? {
            RequestContext::ApiGatewayV2(context) => {
                context.authorizer.as_ref()?.iam.as_ref()?.user_arn.clone()
            }
            _ => None,
        }
    }
}

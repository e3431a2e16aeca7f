//! Requests: bytes to values. After this, every value is valid.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use serde_json::Value;

use super::fields::Fields;
use super::{Problem, cursor};
use crate::config::Config;
use crate::decide::debit::{Charge, Debit};
use crate::decide::grant::GrantRequest;
use crate::decide::open::PlanRequest;
use crate::domain::period::Anchor;
use crate::domain::{AccountId, GrantKind, Key, Refusal, Status};
use crate::listing::From;
use crate::operate::Failure;

/// The largest body of a request, in bytes.
pub const MOST_BYTES: usize = 64 * 1024;
const USER_CHARS: usize = 64;
const REFERENCE_CHARS: usize = 64;
const REASON_CHARS: usize = 256;
const NAME_CHARS: usize = 64;
/// How many entries a listing has, and the most that may be asked for.
const LIMIT: usize = 50;
const MOST_ENTRIES: usize = 200;

/// One HTTP request with what is needed to answer what is wrong with it.
pub struct Call<'a> {
    request: &'a Request,
    config: &'a Config,
    path: String,
}

impl<'a> Call<'a> {
    pub fn new(request: &'a Request, config: &'a Config) -> Call<'a> {
        Call { request, config, path: request.raw_http_path().to_owned() }
    }

    /// The method and the parts of the path: `("POST", ["v1", "accounts", "acme", "debits"])`.
    pub fn route(&self) -> (&str, Vec<&str>) {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        (self.request.method().as_str(), path.split('/').collect())
    }

    pub fn problem(&self, failure: impl Into<Failure>) -> Problem {
        Problem::of(failure.into(), self.config)
    }

    pub fn account(&self, part: &str) -> Result<AccountId, Problem> {
        part.parse().map_err(|e: crate::domain::id::AccountIdError| {
            self.problem(Refusal::invalid("account", e.to_string()))
        })
    }

    /// The idempotency key. Required, never optional.
    pub fn key(&self) -> Result<Key, Problem> {
        const HEADER: &str = "Idempotency-Key";
        let refuse = |problem: &str| Err(self.problem(Refusal::invalid(HEADER, problem)));
        let mut sent = self.request.headers().get_all(HEADER).iter();
        let (first, second) = (sent.next(), sent.next());
        match (first, second) {
            (None, _) => refuse("is required: a header that names this operation for ever"),
            (Some(_), Some(_)) => refuse("is repeated"),
            (Some(key), None) => match key.to_str().unwrap_or_default().parse() {
                Ok(key) => Ok(key),
                Err(e) => refuse(&crate::domain::id::KeyError::to_string(&e)),
            },
        }
    }

    /// Where a listing goes on and how much of it is asked for: `?limit=&cursor=`.
    pub fn page(&self, account: &AccountId) -> Result<(Option<From>, usize), Problem> {
        let refuse = |field: &str, problem| Err(self.problem(Refusal::invalid(field, problem)));
        let (mut limit, mut from) = (None, None);
        let query = self.request.uri().query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let repeated = match &*name {
                "limit" => limit.replace(value.parse::<usize>().unwrap_or(0)).is_some(),
                "cursor" => {
                    let Some(sealed) = cursor::open(&value, account) else {
                        return refuse("cursor", "is not one that this account's ledger gave out");
                    };
                    from.replace(sealed).is_some()
                }
                unknown => return refuse(unknown, "is unknown"),
            };
            if repeated {
                return refuse(&name, "is repeated");
            }
        }
        match limit.unwrap_or(LIMIT) {
            limit @ 1..=MOST_ENTRIES => Ok((from, limit)),
            _ => refuse("limit", "must be from 1 to 200"),
        }
    }

    /// The value of a header that was sent once.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// The IAM principal that signed the request. None where there is no IAM.
    pub fn actor(&self) -> Option<String> {
        match self.request.request_context_ref()? {
            RequestContext::ApiGatewayV2(context) => {
                context.authorizer.as_ref()?.iam.as_ref()?.user_arn.clone()
            }
            _ => None,
        }
    }

    pub fn debit(&self, account: AccountId) -> Result<Debit, Problem> {
        let mut fields = self.fields()?;
        let debit = debit(&mut fields, Some(account));
        fields.finish(debit).map_err(|refusal| self.problem(refusal))
    }

    pub fn plan(&self) -> Result<PlanRequest, Problem> {
        let mut fields = self.fields()?;
        let plan = fields.text("plan", NAME_CHARS);
        let plan = fields.required("plan", plan);
        let statuses = "\"active\", \"past_due\" or \"canceled\"";
        let status = fields.parsed("status", statuses, |text| {
            Status::ALL.into_iter().find(|status| status.name() == text)
        });
        let anchor = fields.parsed("anchor", "a day such as \"2026-01-31\"", Anchor::parse);
        let request = plan.map(|plan| PlanRequest { plan, status, anchor });
        fields.finish(request).map_err(|refusal| self.problem(refusal))
    }

    pub fn grant(&self) -> Result<GrantRequest, Problem> {
        let mut fields = self.fields()?;
        let credits = fields.credits("credits");
        let credits = fields.required("credits", credits);
        let reason = fields.text("reason", REASON_CHARS);
        let reason = fields.required("reason", reason);
        let kinds = [GrantKind::Manual, GrantKind::Promotional];
        let kind = fields.parsed("kind", "\"manual\" or \"promotional\"", |text| {
            kinds.into_iter().find(|kind| kind.name() == text)
        });
        let kind = kind.unwrap_or(GrantKind::Manual);
        let reference = fields.text("reference", REFERENCE_CHARS);
        let expires_at = fields.instant("expires_at");
        let both = credits.zip(reason);
        let request = both.map(|(credits, reason)| GrantRequest {
            credits,
            reason,
            kind,
            reference,
            expires_at,
        });
        fields.finish(request).map_err(|refusal| self.problem(refusal))
    }

    /// The reason that an operator gives for freezing or thawing.
    pub fn reason(&self) -> Result<String, Problem> {
        let mut fields = self.fields()?;
        let reason = fields.text("reason", REASON_CHARS);
        let reason = fields.required("reason", reason);
        fields.finish(reason).map_err(|refusal| self.problem(refusal))
    }

    fn fields(&self) -> Result<Fields, Problem> {
        let body: &[u8] = self.request.body();
        if body.len() > MOST_BYTES {
            return Err(Problem::too_large(MOST_BYTES));
        }
        Fields::parse(body).map_err(|refusal| self.problem(refusal))
    }
}

/// A debit by direct `lambda:Invoke`: the same fields, with the account and the key, here `id`,
/// among them.
///
/// # Errors
/// [`Refusal::InvalidRequest`] naming every field that is wrong.
pub fn invocation(payload: &Value) -> Result<(Key, Debit), Refusal> {
    let mut fields = Fields::parse(payload.to_string().as_bytes())?;
    let account = fields.parsed("account", "an account's id", |text| text.parse().ok());
    let account = fields.required("account", account);
    let key = fields.parsed("id", "1 to 255 printable characters", |text| text.parse().ok());
    let key = fields.required("id", key);
    let debit = debit(&mut fields, account);
    fields.finish(key.zip(debit))
}

fn debit(fields: &mut Fields, account: Option<AccountId>) -> Option<Debit> {
    let action = fields.text("action", NAME_CHARS);
    let quantity = fields.quantity("quantity");
    let credits = fields.credits("credits");
    let user = fields.text("user", USER_CHARS);
    let reference = fields.text("reference", REFERENCE_CHARS);
    let charge = charge(fields, action, quantity, credits)?;
    Some(Debit { account: account?, charge, user, reference })
}

/// What is to be paid: an action with its quantity, or credits; never both, never neither.
fn charge(
    fields: &mut Fields,
    action: Option<String>,
    quantity: Option<u64>,
    credits: Option<crate::domain::Credits>,
) -> Option<Charge> {
    match (action, quantity, credits) {
        (Some(action), Some(quantity), None) => Some(Charge::Action { action, quantity }),
        (None, None, Some(credits)) => Some(Charge::Credits(credits)),
        (None, None, None) => {
            let wrong = ["action", "quantity", "credits"].iter().any(|f| fields.has_problem(f));
            if !wrong {
                fields.wrong("action", "is required, with quantity; or credits instead");
            }
            None
        }
        (action, quantity, None) => {
            fields.required("action", action);
            fields.required("quantity", quantity);
            None
        }
        (_, _, Some(_)) => {
            fields.wrong("credits", "excludes action and quantity");
            None
        }
    }
}

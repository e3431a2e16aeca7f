//! Requests: bytes to values. After this, every value is valid. What a query asks for is in `listing`.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use serde_json::Value;

use super::Problem;
use super::fields::Fields;
use crate::config::Config;
use crate::decide::debit::Charge;
use crate::decide::grant::GrantRequest;
use crate::decide::hold::{LONGEST_LIFE, Part, SHORTEST_LIFE, USUAL_LIFE};
use crate::decide::once;
use crate::decide::once::{Ask, Request as Asked};
use crate::decide::open::PlanRequest;
use crate::decide::refund::RefundRequest;
use crate::domain::entry::Explanation;
use crate::domain::instant::Span;
use crate::domain::period::{Anchor, Day};
use crate::domain::{AccountId, GrantKind, Key, OperationId, Refusal, Status};

/// The largest body of a request, in bytes.
pub const MOST_BYTES: usize = 64 * 1024;
/// The largest body that Stripe sends, in bytes.
pub const MOST_EVENT_BYTES: usize = 256 * 1024;
// In bytes, because an account is charged for by them: 64 letters of some scripts are 192 bytes.
const USER_BYTES: usize = 64;
const REFERENCE_BYTES: usize = 64;
const REASON_BYTES: usize = 256;
const MESSAGE_BYTES: usize = 256;
const NAME_BYTES: usize = 64;
/// What a key in a body must be.
const KEY: &str = "1 to 255 printable characters";
/// One HTTP request with what is needed to answer what is wrong with it.
pub struct Call<'a> {
    pub(super) request: &'a Request,
    pub(super) config: &'a Config,
    pub(super) path: String,
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

    pub fn account(&self, part: &str) -> Result<AccountId, Problem> {
        part.parse().map_err(|e: crate::domain::id::AccountIdError| {
            Refusal::invalid("account", e.to_string()).into()
        })
    }

    /// The idempotency key. Required, never optional.
    pub fn key(&self) -> Result<Key, Problem> {
        const HEADER: &str = "Idempotency-Key";
        let refuse = |problem: &str| Err(Refusal::invalid(HEADER, problem).into());
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

    /// The id of an operation that came before, from the route: as its receipt shows it.
    pub fn operation(&self, part: &str) -> Result<OperationId, Problem> {
        let id = OperationId::parse(part);
        id.ok_or_else(|| Refusal::invalid("id", "must be the id of a receipt").into())
    }

    pub fn debit(&self, account: AccountId) -> Result<Asked, Problem> {
        self.ask(account, |fields| charge(fields).map(Ask::Debit))
    }

    pub fn hold(&self, account: AccountId) -> Result<Asked, Problem> {
        self.ask(account, |fields| {
            let life = life(fields);
            let (charge, life) = (charge(fields)?, life.unwrap_or(USUAL_LIFE));
            Some(Ask::Hold { charge, life })
        })
    }

    pub fn capture(&self, account: AccountId, hold: OperationId) -> Result<Asked, Problem> {
        self.ask(account, |fields| {
            let ends = fields.flag("final").unwrap_or(true);
            Some(Ask::Capture { hold, part: part(fields)?, ends })
        })
    }

    pub fn release(&self, account: AccountId, hold: OperationId) -> Result<Asked, Problem> {
        self.ask(account, |_| Some(Ask::Release { hold }))
    }

    pub fn extend(&self, account: AccountId, hold: OperationId) -> Result<Asked, Problem> {
        self.ask(account, |fields| {
            let life = life(fields);
            let life = fields.required("expires_in_s", life)?;
            Some(Ask::Extend { hold, life })
        })
    }

    pub fn refund(&self, debit: OperationId) -> Result<RefundRequest, Problem> {
        let mut fields = self.fields()?;
        let credits = fields.credits("credits");
        let credits = fields.required("credits", credits);
        let explanation = explanation(&mut fields);
        let reference = fields.text("reference", REFERENCE_BYTES);
        let request = credits.zip(explanation).map(|(credits, explanation)| RefundRequest {
            debit,
            credits,
            explanation,
            reference,
        });
        fields.finish(request).map_err(Problem::from)
    }

    /// The debits of a batch, each with its key.
    pub fn batch(&self, account: &AccountId) -> Result<Vec<(Key, Asked)>, Problem> {
        let mut fields = self.fields()?;
        let mode = fields
            .parsed("mode", "\"all_or_nothing\"", |mode| (mode == "all_or_nothing").then_some(()));
        let mode = fields.required("mode", mode);
        let debits = fields.objects("debits", once::MOST_DEBITS, |fields| {
            let key = fields.parsed("id", KEY, |text| text.parse::<Key>().ok());
            let key = fields.required("id", key);
            let account = Some(account.clone());
            key.zip(asked(fields, account, |fields| charge(fields).map(Ask::Debit)))
        });
        if let Some(debits) = &debits {
            for (place, (key, _)) in debits.iter().enumerate() {
                if debits[..place].iter().any(|(other, _)| other == key) {
                    fields.wrong(&format!("debits[{place}].id"), "is repeated");
                }
            }
        }
        let debits = fields.required("debits", debits);
        let batch = mode.and(debits);
        fields.finish(batch).map_err(Problem::from)
    }

    /// A request of a service: what it asks, who it is for and what for.
    fn ask(
        &self,
        account: AccountId,
        ask: impl FnOnce(&mut Fields) -> Option<Ask>,
    ) -> Result<Asked, Problem> {
        let mut fields = self.fields()?;
        let asked = asked(&mut fields, Some(account), ask);
        fields.finish(asked).map_err(Problem::from)
    }

    pub fn plan(&self) -> Result<PlanRequest, Problem> {
        let mut fields = self.fields()?;
        let plan = fields.text("plan", NAME_BYTES);
        let plan = fields.required("plan", plan);
        let statuses = "\"active\", \"past_due\" or \"canceled\"";
        let status = fields.parsed("status", statuses, |text| {
            Status::ALL.into_iter().find(|status| status.name() == text)
        });
        let anchor = fields
            .parsed("anchor", "a day such as \"2026-01-31\"", |text| Day::parse(text).map(Anchor));
        let restart = fields.flag("restart").unwrap_or(false);
        let request = plan.map(|plan| PlanRequest { plan, status, anchor, restart });
        fields.finish(request).map_err(Problem::from)
    }

    pub fn grant(&self) -> Result<GrantRequest, Problem> {
        let mut fields = self.fields()?;
        let credits = fields.credits("credits");
        let credits = fields.required("credits", credits);
        let explanation = explanation(&mut fields);
        let kinds = [GrantKind::Manual, GrantKind::Promotional];
        let kind = fields.parsed("kind", "\"manual\" or \"promotional\"", |text| {
            kinds.into_iter().find(|kind| kind.name() == text)
        });
        let kind = kind.unwrap_or(GrantKind::Manual);
        let reference = fields.text("reference", REFERENCE_BYTES);
        let expires_at = fields.instant("expires_at");
        let request = credits.zip(explanation).map(|(credits, explanation)| GrantRequest {
            credits,
            explanation,
            kind,
            reference,
            expires_at,
        });
        fields.finish(request).map_err(Problem::from)
    }

    /// What Stripe sent, byte by byte: its signature is of these.
    pub fn event(&self) -> Result<&[u8], Problem> {
        let body: &[u8] = self.request.body();
        match body.len() > MOST_EVENT_BYTES {
            true => Err(Problem::too_large(MOST_EVENT_BYTES)),
            false => Ok(body),
        }
    }

    /// The pack that a customer wants.
    pub fn pack(&self) -> Result<String, Problem> {
        let mut fields = self.fields()?;
        let pack = fields.text("pack", NAME_BYTES);
        let pack = fields.required("pack", pack);
        fields.finish(pack).map_err(Problem::from)
    }

    /// What an operator says about what is all said by the route.
    pub fn explanation(&self) -> Result<Explanation, Problem> {
        let mut fields = self.fields()?;
        let explanation = explanation(&mut fields);
        fields.finish(explanation).map_err(Problem::from)
    }

    pub(super) fn fields(&self) -> Result<Fields, Problem> {
        let body: &[u8] = self.request.body();
        if body.len() > MOST_BYTES {
            return Err(Problem::too_large(MOST_BYTES));
        }
        Fields::parse(body).map_err(Problem::from)
    }
}

/// A debit by direct `lambda:Invoke`: the same fields, with the account and the key, here `id`,
/// among them.
///
/// # Errors
/// [`Refusal::InvalidRequest`] naming every field that is wrong.
pub fn invocation(payload: &Value) -> Result<(Key, Asked), Refusal> {
    let mut fields = Fields::parse(payload.to_string().as_bytes())?;
    let account = fields.parsed("account", "an account's id", |text| text.parse().ok());
    let account = fields.required("account", account);
    let key = fields.parsed("id", KEY, |text| text.parse().ok());
    let key = fields.required("id", key);
    let debit = asked(&mut fields, account, |fields| charge(fields).map(Ask::Debit));
    fields.finish(key.zip(debit))
}

fn asked(
    fields: &mut Fields,
    account: Option<AccountId>,
    ask: impl FnOnce(&mut Fields) -> Option<Ask>,
) -> Option<Asked> {
    let user = fields.text("user", USER_BYTES);
    let reference = fields.text("reference", REFERENCE_BYTES);
    let ask = ask(fields)?;
    Some(Asked { account: account?, ask, user, reference })
}

/// Why, for the company's own people, and what the customer reads of it.
fn explanation(fields: &mut Fields) -> Option<Explanation> {
    let reason = fields.text("reason", REASON_BYTES);
    let message = fields.text("message", MESSAGE_BYTES);
    let reason = fields.required("reason", reason)?;
    Some(Explanation { reason, message })
}

/// How long a hold is to live.
fn life(fields: &mut Fields) -> Option<Span> {
    let (shortest, longest) = (SHORTEST_LIFE.ms() / 1000, LONGEST_LIFE.ms() / 1000);
    let seconds = fields.integer("expires_in_s", shortest..=longest)?;
    Some(Span::from_s(seconds))
}

/// What of a hold is captured: a quantity of its action, or credits; never both, never neither.
fn part(fields: &mut Fields) -> Option<Part> {
    let (quantity, credits) = (fields.quantity("quantity"), fields.credits_or_none("credits"));
    match (quantity, credits) {
        (Some(quantity), None) => Some(Part::Quantity(quantity)),
        (None, Some(credits)) => Some(Part::Credits(credits)),
        (Some(_), Some(_)) => {
            fields.wrong("credits", "excludes quantity");
            None
        }
        (None, None) => {
            if !["quantity", "credits"].iter().any(|field| fields.has_problem(field)) {
                fields.wrong("quantity", "is required; or credits instead");
            }
            None
        }
    }
}

/// What is to be paid: an action with its quantity, or credits; never both, never neither.
fn charge(fields: &mut Fields) -> Option<Charge> {
    let action = fields.text("action", NAME_BYTES);
    let quantity = fields.quantity("quantity");
    let credits = fields.credits("credits");
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

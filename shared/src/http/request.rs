//! Requests: bytes to values. After this, every value is valid.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use serde_json::Value;

use super::fields::Fields;
use super::ledger::Form;
use super::{Problem, cursor};
use crate::config::Config;
use crate::decide::debit::Charge;
use crate::decide::grant::GrantRequest;
use crate::decide::hold::{LONGEST_LIFE, Part, SHORTEST_LIFE, USUAL_LIFE};
use crate::decide::once;
use crate::decide::once::{Ask, Request as Asked};
use crate::decide::open::PlanRequest;
use crate::decide::refund::RefundRequest;
use crate::domain::instant::Span;
use crate::domain::period::{Anchor, Day};
use crate::domain::{AccountId, Catalog, GrantKind, Instant, Key, OperationId, Refusal, Status};
use crate::query::ledger::{Filter, From, KINDS};

/// The largest body of a request, in bytes.
pub const MOST_BYTES: usize = 64 * 1024;
/// The largest body that Stripe sends, in bytes.
pub const MOST_EVENT_BYTES: usize = 256 * 1024;
const USER_CHARS: usize = 64;
const REFERENCE_CHARS: usize = 64;
const REASON_CHARS: usize = 256;
const NAME_CHARS: usize = 64;
/// What a key in a body must be.
const KEY: &str = "1 to 255 printable characters";
/// How many entries a listing has, and the most that may be asked for.
const LIMIT: usize = 50;
const MOST_ENTRIES: usize = 200;
/// How many days of usage are shown, and the most that may be asked for: a year.
const DAYS: u32 = 30;
const MOST_DAYS: usize = 366;

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

    /// Which entries are asked for, where the listing goes on and how much of it is asked for.
    pub fn page(
        &self,
        account: &AccountId,
        catalog: &Catalog,
    ) -> Result<(Filter, Option<From>, usize), Problem> {
        self.listed_by(&self.query().collect::<Vec<_>>(), account, catalog)
    }

    /// The same, by parameters that came in another way.
    pub fn listed_by(
        &self,
        parameters: &[(String, String)],
        account: &AccountId,
        catalog: &Catalog,
    ) -> Result<(Filter, Option<From>, usize), Problem> {
        let refuse = |field: &str, problem| Err(Refusal::invalid(field, problem).into());
        let (mut filter, mut from, mut limit) = (Filter::default(), None, LIMIT);
        let mut names = Vec::new();
        for (name, value) in parameters {
            if names.contains(&name) {
                return refuse(name, "is repeated");
            }
            let read = match name.as_str() {
                "limit" => count(value).map(|sent| limit = sent),
                "cursor" => place(value, account).map(|sent| from = Some(sent)),
                "format" => form(value).map(|_| ()),
                _ => narrow(&mut filter, name, value, catalog),
            };
            if let Err(problem) = read {
                return refuse(name, problem);
            }
            names.push(name);
        }
        Ok((filter, from, limit))
    }

    /// The parameters of the query, as they were sent.
    pub fn query(&self) -> impl Iterator<Item = (String, String)> {
        let query = self.request.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned()
    }

    /// What a listing is written as: by `format`, which a link can say, or by `Accept`.
    pub fn form(&self) -> Form {
        let named = self.query().find(|(name, _)| name == "format");
        let named = named.and_then(|(_, value)| form(&value).ok());
        named.unwrap_or_else(|| Form::of(self.header("accept")))
    }

    /// The days whose usage is asked for: from the first on, and before the second.
    pub fn days(&self, now: Instant) -> Result<(Day, Day), Problem> {
        const DAY: &str = "must be a day such as \"2026-11-23\"";
        let refuse = |field: &str, problem| Err(Refusal::invalid(field, problem).into());
        let (mut from, mut to) = (None, None);
        for (name, value) in self.query() {
            let asked = match &*name {
                "from" => &mut from,
                "to" => &mut to,
                _ => return refuse(&name, "is unknown"),
            };
            let Some(day) = Day::parse(&value) else { return refuse(&name, DAY) };
            if asked.replace(day).is_some() {
                return refuse(&name, "is repeated");
            }
        }
        let to = to.unwrap_or_else(|| Day::of(now).plus(1));
        let from = from.unwrap_or_else(|| to.minus(DAYS));
        match from.days()..to.days() {
            days if days.is_empty() => refuse("to", "must be a day after from"),
            days if days.len() > MOST_DAYS => refuse("from", "must be at most 366 days before to"),
            _ => Ok((from, to)),
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
        let reason = fields.text("reason", REASON_CHARS);
        let reason = fields.required("reason", reason);
        let reference = fields.text("reference", REFERENCE_CHARS);
        let both = credits.zip(reason);
        let request =
            both.map(|(credits, reason)| RefundRequest { debit, credits, reason, reference });
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
        let plan = fields.text("plan", NAME_CHARS);
        let plan = fields.required("plan", plan);
        let statuses = "\"active\", \"past_due\" or \"canceled\"";
        let status = fields.parsed("status", statuses, |text| {
            Status::ALL.into_iter().find(|status| status.name() == text)
        });
        let anchor = fields
            .parsed("anchor", "a day such as \"2026-01-31\"", |text| Day::parse(text).map(Anchor));
        let request = plan.map(|plan| PlanRequest { plan, status, anchor });
        fields.finish(request).map_err(Problem::from)
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
        let pack = fields.text("pack", NAME_CHARS);
        let pack = fields.required("pack", pack);
        fields.finish(pack).map_err(Problem::from)
    }

    /// That the query asks for parked payments: there is no other listing.
    pub fn parked(&self) -> Result<(), Problem> {
        let query = self.request.uri().query().unwrap_or_default();
        let sent: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        match sent.iter().all(|(name, value)| name == "state" && value == "parked")
            && sent.len() == 1
        {
            true => Ok(()),
            false => Err(Refusal::invalid("state", "must be parked").into()),
        }
    }

    /// The reason that an operator gives for freezing or thawing.
    pub fn reason(&self) -> Result<String, Problem> {
        let mut fields = self.fields()?;
        let reason = fields.text("reason", REASON_CHARS);
        let reason = fields.required("reason", reason);
        fields.finish(reason).map_err(Problem::from)
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

fn form(value: &str) -> Result<Form, &'static str> {
    match value {
        "json" => Ok(Form::Json),
        "csv" => Ok(Form::Csv),
        _ => Err("must be json or csv"),
    }
}

/// How many entries are asked for.
fn count(value: &str) -> Result<usize, &'static str> {
    let count = value.parse().ok().filter(|count| (1..=MOST_ENTRIES).contains(count));
    count.ok_or("must be from 1 to 200")
}

/// Where a listing goes on.
fn place(value: &str, account: &AccountId) -> Result<From, &'static str> {
    cursor::open(value, account).ok_or("is not one that this account's ledger gave out")
}

/// Narrows a listing by one parameter of its query.
fn narrow(
    filter: &mut Filter,
    name: &str,
    value: &str,
    catalog: &Catalog,
) -> Result<(), &'static str> {
    const TIME: &str = "must be a time such as \"2026-11-23T00:00:00Z\"";
    match name {
        "kind" => {
            let kind = KINDS.into_iter().find(|kind| *kind == value);
            filter.kind = Some(kind.ok_or("must be a kind of entry, such as \"debit\"")?);
        }
        "action" => {
            let action = catalog.actions.get(value).ok_or("is not in the catalog")?;
            filter.action = Some(action.number);
        }
        "user" => {
            let user = Some(value.to_owned()).filter(|user| !user.is_empty());
            filter.user = Some(user.ok_or("must not be empty")?);
        }
        "from" => filter.from = Some(Instant::parse(value).ok_or(TIME)?),
        "to" => filter.to = Some(Instant::parse(value).ok_or(TIME)?),
        _ => return Err("is unknown"),
    }
    Ok(())
}

fn asked(
    fields: &mut Fields,
    account: Option<AccountId>,
    ask: impl FnOnce(&mut Fields) -> Option<Ask>,
) -> Option<Asked> {
    let user = fields.text("user", USER_CHARS);
    let reference = fields.text("reference", REFERENCE_CHARS);
    let ask = ask(fields)?;
    Some(Asked { account: account?, ask, user, reference })
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
    let action = fields.text("action", NAME_CHARS);
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

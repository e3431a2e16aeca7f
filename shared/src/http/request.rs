//! Requests: parses bytes into valid values. Queries of listings are in `listing`.

use std::sync::OnceLock;

use lambda_http::{Request, RequestExt};
use serde_json::value::RawValue;

use super::charge::{charge, life, part};
use super::fields::{Fields, NAME_BYTES};
use super::limit::limited;
use super::{Problem, path, routes};
use crate::config::Config;
use crate::decide::batch::Mode;
use crate::decide::grant::GrantRequest;
use crate::decide::hold::USUAL_LIFE;
use crate::decide::operation;
use crate::decide::operation::{Ask, Request as Asked};
use crate::decide::refund::RefundRequest;
use crate::domain::entry::Explanation;
use crate::domain::id::KeyError;
use crate::domain::service_key::ServiceKey;
use crate::domain::{AccountId, Currency, GrantKind, Key, Limit, OperationId, Refusal, Subject};

/// The largest body of a request, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// The largest body that Stripe sends, in bytes.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;
// In bytes, because their bytes cost the account: 64 letters of some scripts are 192 bytes.
const USER_BYTES: usize = 64;
const REFERENCE_BYTES: usize = 64;
const REASON_BYTES: usize = 256;
const MESSAGE_BYTES: usize = 256;
/// Names of path parts, and of the body fields that replace them.
const ACCOUNT: &str = "account";
pub(super) const ID: &str = "id";
/// One HTTP request, with the configuration that its problems need.
pub struct Call<'a> {
    pub(super) request: &'a Request,
    pub(super) config: &'a Config,
    /// The parts of the path, decoded.
    parts: Vec<String>,
    /// The sender's service key, once it is accepted.
    pub(super) key: OnceLock<ServiceKey>,
}

/// The account of an operation, how to make it once, and its content.
pub type Keyed<T> = (AccountId, Once, T);

/// Several debits of one account, each with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub account: AccountId,
    pub mode: Mode,
    pub debits: Vec<(Key, Asked)>,
}

/// How to make an operation: once for its key, or only as a dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    pub key: Key,
    /// Whether to answer what the operation would change, and to change nothing.
    pub dry_run: bool,
}

impl<'a> Call<'a> {
    pub fn new(request: &'a Request, config: &'a Config) -> Call<'a> {
        let path = request.raw_http_path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let parts = path.split('/').map(path::decoded).collect();
        Call { request, config, parts, key: OnceLock::new() }
    }

    /// The method and the parts of the path: `("POST", ["v1", "accounts", "acme", "debits"])`.
    pub fn route(&self) -> (&str, Vec<&str>) {
        let parts = self.parts.iter().map(String::as_str);
        (self.request.method().as_str(), parts.collect())
    }

    /// The answer to a request that no arm of its function handles.
    pub fn no_route(&self) -> Problem {
        let (method, parts) = self.route();
        match routes::allowed(&parts) {
            Some(allowed) if allowed.split(", ").all(|known| known != method) => {
                Problem::method_not_allowed(allowed)
            }
            _ => Problem::no_route(),
        }
    }

    pub fn account(&self, part: &str) -> Result<AccountId, Problem> {
        let mut fields = Fields::default();
        let account = fields.checked(ACCOUNT, part.parse::<AccountId>());
        fields.finish(account).map_err(Problem::from)
    }

    /// The idempotency key. Required, never optional.
    pub(super) fn key(&self, fields: &mut Fields) -> Option<Key> {
        const HEADER: &str = "Idempotency-Key";
        let mut sent = self.request.headers().get_all(HEADER).iter();
        let key = match (sent.next(), sent.next()) {
            (None, _) => {
                Err("is a required header. Send the same key again to retry safely".to_owned())
            }
            (Some(_), Some(_)) => Err("is repeated".to_owned()),
            (Some(key), None) => {
                let key = key.to_str().unwrap_or_default().parse();
                key.map_err(|problem: KeyError| problem.to_string())
            }
        };
        fields.checked(HEADER, key)
    }

    /// The value of a header that was sent once.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// The token in the Bearer header.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// The id of an earlier operation, from the route, as its receipt shows it.
    pub fn operation(&self, part: &str) -> Result<OperationId, Problem> {
        let mut fields = Fields::default();
        let id = fields.checked(ID, operation(part));
        fields.finish(id).map_err(Problem::from)
    }

    pub fn debit(&self, account: &str) -> Result<(Key, Asked), Problem> {
        self.ask(account, |fields| charged(fields, |fields| charge(fields).map(Ask::Debit)))
    }

    /// A debit to quote: it has no key.
    pub fn quote(&self, account: &str) -> Result<Asked, Problem> {
        let mut fields = self.fields()?;
        let account = fields.checked(ACCOUNT, account.parse());
        let wanted = charged(&mut fields, |fields| charge(fields).map(Ask::Debit));
        let asked = account.zip(wanted).map(|(account, wanted)| wanted.of(account));
        fields.finish(asked).map_err(Problem::from)
    }

    pub fn hold(&self, account: &str) -> Result<(Key, Asked), Problem> {
        self.ask(account, |fields| {
            charged(fields, |fields| {
                let life = life(fields);
                let (charge, life) = (charge(fields)?, life.unwrap_or(USUAL_LIFE));
                Some(Ask::Hold { charge, life })
            })
        })
    }

    pub fn capture(&self, account: &str, hold: &str) -> Result<(Key, Asked), Problem> {
        self.of_hold(account, |fields| {
            let hold = fields.checked(ID, operation(hold));
            let ends = fields.flag("final").unwrap_or(true);
            let beyond = fields.flag("beyond").unwrap_or(false);
            let part = part(fields);
            Some(Ask::Capture { hold: hold?, part: part?, ends, beyond })
        })
    }

    pub fn release(&self, account: &str, hold: &str) -> Result<(Key, Asked), Problem> {
        self.of_hold(account, |fields| {
            fields.checked(ID, operation(hold)).map(|hold| Ask::Release { hold })
        })
    }

    pub fn extend(&self, account: &str, hold: &str) -> Result<(Key, Asked), Problem> {
        self.of_hold(account, |fields| {
            let (hold, life) = (fields.checked(ID, operation(hold)), life(fields));
            let life = fields.required("expires_in_s", life);
            Some(Ask::Extend { hold: hold?, life: life? })
        })
    }

    pub fn refund(&self, account: &str, debit: &str) -> Result<Keyed<RefundRequest>, Problem> {
        self.keyed(account, |fields| {
            let debit = fields.checked(ID, operation(debit));
            let credits = fields.credits("credits");
            let credits = fields.required("credits", credits);
            let explanation = explanation(fields);
            let reference = fields.text("reference", REFERENCE_BYTES);
            Some(RefundRequest {
                debit: debit?,
                credits: credits?,
                explanation: explanation?,
                reference,
            })
        })
    }

    /// The debits of a batch, each with its key.
    pub fn batch(&self, account: &str) -> Result<Batch, Problem> {
        let mut fields = self.fields()?;
        let account = fields.checked(ACCOUNT, account.parse::<AccountId>());
        let mode = fields.choice("mode", &Mode::ALL, Mode::name);
        let mode = fields.required("mode", mode);
        let debits = fields.objects("debits", operation::MAX_DEBITS, |fields| {
            (key(fields), charged(fields, |fields| charge(fields).map(Ask::Debit)))
        });
        let debits = fields.required("debits", debits).unwrap_or_default();
        let keys: Vec<_> =
            debits.iter().map(|debit| debit.as_ref().and_then(|(key, _)| key.as_ref())).collect();
        for place in 0..keys.len() {
            if keys[place].is_some() && keys[..place].contains(&keys[place]) {
                fields.wrong(&format!("debits[{place}].id"), "is repeated");
            }
        }
        let debits = debits.into_iter().map(|debit| debit.and_then(|(key, asked)| key.zip(asked)));
        let debits = debits.collect::<Option<Vec<_>>>();
        let batch = account.zip(mode).zip(debits).map(|((account, mode), debits)| {
            let of = |(key, wanted): (Key, Wanted)| (key, wanted.of(account.clone()));
            let debits = debits.into_iter().map(of).collect();
            Batch { account, mode, debits }
        });
        fields.finish(batch).map_err(Problem::from)
    }

    /// A service's request about a hold.
    fn of_hold(
        &self,
        account: &str,
        ask: impl FnOnce(&mut Fields) -> Option<Ask>,
    ) -> Result<(Key, Asked), Problem> {
        self.ask(account, |fields| wanted(fields, ask))
    }

    /// A service's request.
    fn ask(
        &self,
        account: &str,
        read: impl FnOnce(&mut Fields) -> Option<Wanted>,
    ) -> Result<(Key, Asked), Problem> {
        let (account, key, wanted) = self.of_account(account, read)?;
        Ok((key, wanted.of(account)))
    }

    /// Reads the body of a request that can be a dry run.
    pub(super) fn keyed<T>(
        &self,
        account: &str,
        read: impl FnOnce(&mut Fields) -> Option<T>,
    ) -> Result<Keyed<T>, Problem> {
        let (account, key, (dry_run, read)) = self.of_account(account, |fields| {
            let dry_run = dry_run(fields);
            Some((dry_run, read(fields)?))
        })?;
        Ok((account, Once { key, dry_run }, read))
    }

    /// Reads the body with `read`, for the account of the path and the key of the header. Errors in
    /// any of them are reported together.
    fn of_account<T>(
        &self,
        account: &str,
        read: impl FnOnce(&mut Fields) -> Option<T>,
    ) -> Result<(AccountId, Key, T), Problem> {
        let mut fields = self.fields()?;
        let account = fields.checked(ACCOUNT, account.parse());
        let key = self.key(&mut fields);
        let read = read(&mut fields);
        let keyed = account.zip(key).zip(read).map(|((account, key), read)| (account, key, read));
        fields.finish(keyed).map_err(Problem::from)
    }

    pub fn grant(&self, account: &str) -> Result<Keyed<GrantRequest>, Problem> {
        self.keyed(account, |fields| {
            let credits = fields.credits("credits");
            let credits = fields.required("credits", credits);
            let explanation = explanation(fields);
            let kinds = [GrantKind::Manual, GrantKind::Promotional];
            let kind = fields.choice("kind", &kinds, GrantKind::name);
            let kind = kind.unwrap_or(GrantKind::Manual);
            let reference = fields.text("reference", REFERENCE_BYTES);
            let expires_at = fields.instant("expires_at");
            let (credits, explanation) = (credits?, explanation?);
            Some(GrantRequest { credits, explanation, kind, reference, expires_at })
        })
    }

    /// The bytes that Stripe sent: they are what it signed.
    pub fn event(&self) -> Result<&[u8], Problem> {
        let body: &[u8] = self.request.body();
        match body.len() > MAX_EVENT_BYTES {
            true => Err(Problem::too_large(MAX_EVENT_BYTES)),
            false => Ok(body),
        }
    }

    /// The pack that a customer wants to buy, the currency to pay in, and the key of the order.
    pub fn pack(&self) -> Result<(Key, String, Option<Currency>), Problem> {
        let mut fields = self.fields()?;
        let key = self.key(&mut fields);
        let pack = fields.text("pack", NAME_BYTES);
        let pack = fields.required("pack", pack);
        let currency = fields.currency("currency");
        let asked = key.zip(pack).map(|(key, pack)| (key, pack, currency));
        fields.finish(asked).map_err(Problem::from)
    }

    /// The key of the request, and the top-up plan that it begins.
    pub fn topup(&self) -> Result<(Key, String), Problem> {
        let mut fields = self.fields()?;
        let key = self.key(&mut fields);
        let topup = fields.text("topup", NAME_BYTES);
        let topup = fields.required("topup", topup);
        fields.finish(key.zip(topup)).map_err(Problem::from)
    }

    /// An operator's explanation of a change to an account.
    pub fn explained(&self, account: &str) -> Result<Keyed<Explanation>, Problem> {
        self.keyed(account, explanation)
    }

    /// An operator's explanation of a decision, and whether the decision is a dry run.
    pub fn explanation(&self) -> Result<(Explanation, bool), Problem> {
        let mut fields = self.fields()?;
        let (dry_run, explanation) = (dry_run(&mut fields), explanation(&mut fields));
        let explained = explanation.map(|explanation| (explanation, dry_run));
        fields.finish(explained).map_err(Problem::from)
    }

    pub(super) fn fields(&self) -> Result<Fields, Problem> {
        let body: &[u8] = self.request.body();
        match body.len() > MAX_BYTES {
            true => Err(Problem::too_large(MAX_BYTES)),
            false => Ok(Fields::parse(body)),
        }
    }
}

/// A debit by direct `lambda:Invoke`: the same fields, with the account and the key, which is `id`
/// here, among them.
///
/// # Errors
/// [`Refusal::InvalidRequest`], which names every field that is wrong.
pub fn invocation(payload: &RawValue) -> Result<(Key, Asked), Refusal> {
    let mut fields = Fields::parse(payload.get().as_bytes());
    let account = fields.read(ACCOUNT);
    let (account, key) = (fields.required(ACCOUNT, account), key(&mut fields));
    let wanted = charged(&mut fields, |fields| charge(fields).map(Ask::Debit));
    let asked = account.zip(wanted).map(|(account, wanted)| wanted.of(account));
    fields.finish(key.zip(asked))
}

/// A service's operation, for any account.
struct Wanted {
    ask: Ask,
    user: Option<String>,
    reference: Option<String>,
    subjects: Vec<Subject>,
    limits: Vec<Limit>,
}

impl Wanted {
    fn of(self, account: AccountId) -> Asked {
        let Wanted { ask, user, reference, subjects, limits } = self;
        Asked { account, ask, user, reference, subjects, limits }
    }
}

fn wanted(fields: &mut Fields, ask: impl FnOnce(&mut Fields) -> Option<Ask>) -> Option<Wanted> {
    let user = fields.text("user", USER_BYTES);
    let reference = fields.text("reference", REFERENCE_BYTES);
    let (subjects, limits) = (Vec::new(), Vec::new());
    Some(Wanted { ask: ask(fields)?, user, reference, subjects, limits })
}

/// The same of one that charges, with the subjects that it counts for and the limits that it brings.
fn charged(fields: &mut Fields, ask: impl FnOnce(&mut Fields) -> Option<Ask>) -> Option<Wanted> {
    let wanted = wanted(fields, ask);
    let user = wanted.as_ref().and_then(|wanted| wanted.user.as_deref());
    let (subjects, limits) = limited(fields, user);
    Some(Wanted { subjects, limits, ..wanted? })
}

/// The key of a debit in a body.
fn key(fields: &mut Fields) -> Option<Key> {
    let key = fields.read(ID);
    fields.required(ID, key)
}

/// The id of an operation in a path.
fn operation(part: &str) -> Result<OperationId, &'static str> {
    OperationId::parse(part).ok_or("must be an id from a receipt")
}

/// Whether to change nothing.
fn dry_run(fields: &mut Fields) -> bool {
    fields.flag("dry_run").unwrap_or(false)
}

/// The reason, for the company's own people, and the message that the customer reads.
pub(super) fn explanation(fields: &mut Fields) -> Option<Explanation> {
    let (reason, message) =
        (fields.text("reason", REASON_BYTES), fields.text("message", MESSAGE_BYTES));
    Some(Explanation { reason: fields.required("reason", reason)?, message })
}

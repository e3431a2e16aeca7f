//! The operations of a service, each under one key until its outcome is known.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::answers::{
    BatchReceipt, CaptureReceipt, DebitReceipt, ExtendReceipt, HoldReceipt, LimitReceipt, Passed,
    RefundReceipt, ReleaseReceipt, result,
};
use crate::error::{Error, Problem};
use crate::path::{fields, in_account};
use crate::request::{BatchDebit, Part, Spend, Unpaid};
use crate::scrip::Scrip;
use crate::send::{Each, Key, Pending};

/// An operation that is sent when it is awaited. Its key is made then, unless the caller gives one:
/// the same key with the same content is the same operation, and never happens twice.
#[must_use = "an operation is sent when it is awaited"]
pub struct Operation<R> {
    scrip: Scrip,
    method: Method,
    path: String,
    body: Map<String, Value>,
    key: Option<String>,
    receipt: PhantomData<fn() -> R>,
}

impl<R> Operation<R> {
    fn new(scrip: &Scrip, path: String, body: &impl Serialize) -> Operation<R> {
        // What is a struct or an object has fields.
        let body = fields(body).unwrap_or_default();
        let (scrip, method) = (scrip.clone(), Method::POST);
        Operation { scrip, method, path, body, key: None, receipt: PhantomData }
    }

    /// Names the operation for good: by the id of a job, for example.
    pub fn key(self, key: impl Into<String>) -> Operation<R> {
        Operation { key: Some(key.into()), ..self }
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Operation<R> {
        self.body.insert(field.to_owned(), value.into());
        self
    }
}

impl<R: DeserializeOwned + Send + 'static> IntoFuture for Operation<R> {
    type Output = Result<R, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<R, Error>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Operation { scrip, method, path, body, key, .. } = self;
            let key = scrip.sender.key(key);
            scrip.send(&mut Pending::operation(path, body, key).by(method)).await
        })
    }
}

/// A debit that is sent when it is awaited.
#[must_use = "a debit is sent when it is awaited"]
pub struct Debit {
    scrip: Scrip,
    account: String,
    spend: Spend,
    key: Option<String>,
}

impl Debit {
    /// Names the debit for good: by the id of a job, for example.
    pub fn key(self, key: impl Into<String>) -> Debit {
        Debit { key: Some(key.into()), ..self }
    }

    /// Sends it, and hands it to the client's option `on_unpaid` if its outcome is not known at the
    /// deadline: then there is no receipt.
    ///
    /// # Errors
    /// [`Error`], but [`Error::OutcomeUnknown`] only if `on_unpaid` panics;
    /// [`Error::NeedsOnUnpaid`].
    pub async fn allow_unreachable(self) -> Result<Option<DebitReceipt>, Error> {
        if !self.scrip.takes_unpaid() {
            return Err(Error::NeedsOnUnpaid);
        }
        let (scrip, account, spend) =
            (self.scrip.clone(), self.account.clone(), self.spend.clone());
        match self.await {
            Err(Error::OutcomeUnknown { mut keys, cause }) if keys.len() == 1 => {
                let error = Error::OutcomeUnknown { keys: keys.clone(), cause };
                let key = keys.remove(0);
                let (hold, beyond, otherwise) = (None, false, None);
                let unpaid = Unpaid { key, account, spend, hold, beyond, otherwise };
                match scrip.hand_over(unpaid, error.clone()).await {
                    true => Ok(None),
                    false => Err(error),
                }
            }
            outcome => outcome.map(Some),
        }
    }
}

impl IntoFuture for Debit {
    type Output = Result<DebitReceipt, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<DebitReceipt, Error>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Debit { scrip, account, spend, key } = self;
            let key = scrip.sender.key(key);
            let body = fields(&spend)?;
            match &scrip.coalescer {
                Some(coalescer) => coalescer.debit(account, body, key, scrip.deadline).await,
                None => {
                    let path = in_account(&account, &["debits"]);
                    scrip.send(&mut Pending::operation(path, body, key)).await
                }
            }
        })
    }
}

impl Scrip {
    /// Spends credits.
    pub fn debit(&self, account: &str, spend: Spend) -> Debit {
        Debit { scrip: self.clone(), account: account.to_owned(), spend, key: None }
    }

    /// Spends credits for up to 24 debits at once: all of them happen, or none.
    ///
    /// # Errors
    /// [`Error`]: a refusal is of the whole batch.
    pub async fn batch(
        &self,
        account: &str,
        debits: impl IntoIterator<Item = impl Into<BatchDebit>>,
    ) -> Result<BatchReceipt, Error> {
        let (debits, keys) = self.debits(debits)?;
        let path = in_account(account, &["debits", "batch"]);
        self.send(&mut Pending::batch(path, "all_or_nothing", debits, keys)).await
    }

    /// Spends credits for up to 24 debits at once, each of which stands alone: as if they had been
    /// sent one after the other. The results are in the order of the debits.
    ///
    /// # Errors
    /// [`Error`], of the whole batch: it is malformed, or there is no such account.
    pub async fn batch_each(
        &self,
        account: &str,
        debits: impl IntoIterator<Item = impl Into<BatchDebit>>,
    ) -> Result<Vec<Result<Passed, Problem>>, Error> {
        let path = in_account(account, &["debits", "batch"]);
        let (debits, keys) = self.debits(debits)?;
        let mut results = vec![Value::Null; debits.len()];
        let mut each = Each { path, debits, keys, open_at: None };
        let settle = |index: usize, result| results[index] = result;
        self.sender.send_each(&mut each, self.deadline, settle).await?;
        results.into_iter().map(result).collect()
    }

    /// The fields of debits, and their keys.
    fn debits(
        &self,
        debits: impl IntoIterator<Item = impl Into<BatchDebit>>,
    ) -> Result<(Vec<Value>, Vec<Key>), Error> {
        let (mut bodies, mut keys) = (Vec::new(), Vec::new());
        for debit in debits {
            let BatchDebit { id, spend } = debit.into();
            bodies.push(Value::Object(fields(&spend)?));
            keys.push(self.sender.key(id));
        }
        Ok((bodies, keys))
    }

    /// Sets credits aside, until they are captured or released, or the hold lapses.
    pub fn hold(&self, account: &str, spend: Spend) -> Operation<HoldReceipt> {
        Operation::new(self, in_account(account, &["holds"]), &spend)
    }

    /// Spends a part of what is held, and gives the rest back.
    pub fn capture(&self, account: &str, hold: &str, part: Part) -> Operation<CaptureReceipt> {
        let body = match part {
            Part::Quantity(quantity) => json!({ "quantity": quantity }),
            Part::Credits(credits) => json!({ "credits": credits }),
            Part::Meters(meters) => json!({ "meters": meters }),
            Part::Usage(format, usage) => json!({ "usage": usage, "usage_format": format }),
        };
        Operation::new(self, in_account(account, &["holds", hold, "capture"]), &body)
    }

    /// Gives back what is held.
    pub fn release(&self, account: &str, hold: &str) -> Operation<ReleaseReceipt> {
        Operation::new(self, in_account(account, &["holds", hold, "release"]), &json!({}))
    }

    /// Keeps a hold for so many seconds from now; it never ends sooner because of it.
    pub fn extend(&self, account: &str, hold: &str, expires_in_s: u32) -> Operation<ExtendReceipt> {
        let body = json!({ "expires_in_s": expires_in_s });
        Operation::new(self, in_account(account, &["holds", hold, "extend"]), &body)
    }

    /// Gives back what a debit or a capture charged, or a part of it. The reason is for internal
    /// use: customers never see it.
    pub fn refund(
        &self,
        account: &str,
        debit: &str,
        credits: &str,
        reason: &str,
    ) -> Operation<RefundReceipt> {
        let body = json!({ "credits": credits, "reason": reason });
        Operation::new(self, in_account(account, &["debits", debit, "refund"]), &body)
    }

    /// Sets a limit of the account's own, or removes it by `None`. It takes the place of the plan's,
    /// and is one for all time, unless [`Operation::per`] is called.
    pub fn set_limit(
        &self,
        account: &str,
        subject: &str,
        at_most: Option<&str>,
    ) -> Operation<LimitReceipt> {
        let path = in_account(account, &["limits", subject]);
        let operation = Operation::new(self, path, &json!({ "at_most": at_most }));
        Operation { method: Method::PUT, ..operation }
    }

    /// Sends a charge whose outcome was not known: it happens once, however often this is called.
    /// What was held is captured; if the hold has lapsed, a debit takes its place. If Scrip cannot
    /// read the usage object, the charge's other meters take its place, and stderr says so.
    ///
    /// # Errors
    /// [`Error`]. If it is refused, the key stays free for another try.
    pub async fn pay(&self, unpaid: &Unpaid) -> Result<CaptureReceipt, Error> {
        let key = Key { text: unpaid.key.clone(), is_own: false };
        self.settle(unpaid, key).await.0
    }

    /// Pays, and says the key that it had at last.
    pub(crate) async fn settle(
        &self,
        unpaid: &Unpaid,
        key: Key,
    ) -> (Result<CaptureReceipt, Error>, String) {
        let is_own = key.is_own;
        let (outcome, key) = self.settle_as_told(unpaid, key).await;
        match (outcome, unpaid.otherwise.clone()) {
            (Err(Error::Refused(no)), Some(meters)) if is_unreadable(&no) => {
                let told = unpaid.spend.usage.clone().unwrap_or_default();
                let shown = json!(meters);
                eprintln!("scrip-client: {no}: charging {shown} in place of {told}");
                let mut readable = Unpaid { otherwise: None, ..unpaid.clone() };
                let spend = unpaid.spend.clone();
                readable.spend =
                    Spend { meters: Some(meters), usage: None, usage_format: None, ..spend };
                // A refusal took no key.
                self.settle_as_told(&readable, Key { text: key, is_own }).await
            }
            (outcome, _) => (outcome, key),
        }
    }

    async fn settle_as_told(
        &self,
        unpaid: &Unpaid,
        mut key: Key,
    ) -> (Result<CaptureReceipt, Error>, String) {
        let Unpaid { account, spend, hold, beyond, .. } = unpaid;
        let body = fields(spend).unwrap_or_default();
        if let Some(hold) = hold {
            let mut capture = body.clone();
            for of_hold in ["action", "model", "subjects", "limits"] {
                capture.shift_remove(of_hold);
            }
            if *beyond {
                capture.insert("beyond".to_owned(), Value::Bool(true));
            }
            let path = in_account(account, &["holds", hold, "capture"]);
            let mut pending = Pending::operation(path, capture, key);
            let outcome = self.send(&mut pending).await;
            key = pending.keys()[0].clone();
            if !outcome.as_ref().is_err_and(leaves_it_to_debit) {
                return (outcome, key.text);
            }
        }
        let mut pending = Pending::operation(in_account(account, &["debits"]), body, key);
        let outcome = self.send(&mut pending).await;
        (outcome, pending.keys()[0].text.clone())
    }
}

impl Operation<HoldReceipt> {
    /// How long the hold lives: 300 s if this is not called.
    pub fn expires_in_s(self, expires_in_s: u32) -> Operation<HoldReceipt> {
        self.with("expires_in_s", expires_in_s)
    }
}

impl Operation<CaptureReceipt> {
    /// Keeps the rest held.
    pub fn keep_rest(self) -> Operation<CaptureReceipt> {
        self.with("final", false)
    }

    /// May charge more than is held: all of the rest from what is available, or nothing of it.
    pub fn beyond(self) -> Operation<CaptureReceipt> {
        self.with("beyond", true)
    }

    /// The person it is for.
    pub fn user(self, user: &str) -> Operation<CaptureReceipt> {
        self.with("user", user)
    }

    /// A text for your own records.
    pub fn reference(self, reference: &str) -> Operation<CaptureReceipt> {
        self.with("reference", reference)
    }
}

impl Operation<LimitReceipt> {
    /// The kind of its windows: `day`, `week`, `month`, `period` or `ever`.
    pub fn per(self, per: &str) -> Operation<LimitReceipt> {
        self.with("per", per)
    }
}

impl Operation<RefundReceipt> {
    /// Tells the customer why.
    pub fn message(self, message: &str) -> Operation<RefundReceipt> {
        self.with("message", message)
    }
}

/// Whether a charge was refused because its usage object says nothing that Scrip can charge.
fn is_unreadable(no: &Problem) -> bool {
    no.status == 400 || no.code == "unknown_meter"
}

/// Whether a capture was refused because its hold lapsed, or because a debit has its key by now.
fn leaves_it_to_debit(error: &Error) -> bool {
    error.refused().is_some_and(|no| match no.code.as_str() {
        "hold_ended" => no.ended.as_deref() == Some("lapsed"),
        code => code == "operation_reused",
    })
}

//! The fields that tie together all that a request leaves behind: every log line and every document
//! of metrics that is written while it is at work has them.
//!
//! They belong to the task, and not to a span of `tracing`: documents of metrics are no events of
//! `tracing`, and a session names its account only in the middle of its request.

use std::cell::RefCell;
use std::fmt::{self, Display, Write as _};

use serde_json::Value;

tokio::task_local! {
    /// Not set: no request is at work, as while a function starts.
    static AT_WORK: RefCell<Correlation>;
}

/// The request that is at work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correlation {
    /// Its id: that of the gateway, or of Lambda if no gateway handed it over.
    pub request: String,
    /// The method and the pattern of the route, never the path as it was sent, which can contain
    /// anything. None: no route has this method and path, or no caller sent a request.
    pub route: Option<String>,
    /// None: it names no account, or none yet.
    pub account: Option<String>,
    /// The id of the operation. None: there is none, or none yet.
    pub operation: Option<String>,
    /// The id of the sender's service key. None: the sender has none, or none that was ever ours.
    pub key: Option<String>,
}

impl Correlation {
    /// An invocation with this id of Lambda's.
    pub fn of(request: &str) -> Correlation {
        Correlation { request: request.to_owned(), ..Correlation::default() }
    }
}

/// As fields of a JSON object, each after a comma.
impl Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Correlation { request, route, account, operation, key } = self;
        let fields = [
            ("request", Some(request)),
            ("route", route.as_ref()),
            ("account", account.as_ref()),
            ("operation", operation.as_ref()),
            ("key", key.as_ref()),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                write!(f, ",\"{name}\":{}", Value::from(value.as_str()))?;
            }
        }
        Ok(())
    }
}

/// Does the work of a request. It is boxed at once: each layer around a handler would keep another
/// copy of it, and its types would be nested deeper than the compiler follows them.
pub fn during<F: Future>(correlation: Correlation, work: F) -> impl Future<Output = F::Output> {
    AT_WORK.scope(RefCell::new(correlation), Box::pin(work))
}

/// The id of the request at work, if there is one.
pub fn request() -> Option<String> {
    AT_WORK.try_with(|at_work| at_work.borrow().request.clone()).ok()
}

/// Says which account the request at work is about. The first that is said stays: a link can be
/// opened in a browser that has the page of another account open.
pub fn account(account: &impl Display) {
    note(|at_work| {
        at_work.account.get_or_insert_with(|| account.to_string());
    });
}

/// Says which operation the request at work is.
pub fn operation(operation: &impl Display) {
    note(|at_work| at_work.operation = Some(operation.to_string()));
}

/// Says which service key the sender has.
pub fn key(key: &impl Display) {
    note(|at_work| at_work.key = Some(key.to_string()));
}

fn note(change: impl FnOnce(&mut Correlation)) {
    // Where no request is at work, nobody asks for it.
    let _ = AT_WORK.try_with(|at_work| change(&mut at_work.borrow_mut()));
}

/// The fields of the request at work, as in its [`Display`]; empty if there is none.
pub(crate) fn fields() -> String {
    let mut fields = String::new();
    let _ = AT_WORK.try_with(|at_work| write!(fields, "{}", at_work.borrow()));
    fields
}

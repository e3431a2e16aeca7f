//! Limits of an account over HTTP: requests that set them, and their listing.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::fields::Fields;
use super::request::Keyed;
use super::{Call, Problem, reply};
use crate::decide::own_limit::LimitRequest;
use crate::domain::limit::Per;
use crate::domain::{Credits, Instant, Key, Subject};
use crate::query::limits::{LimitNow, Limits};

impl Call<'_> {
    /// A limit that a service or an operator sets, or removes.
    pub fn set_limit(&self, account: &str, subject: &str) -> Result<Keyed<LimitRequest>, Problem> {
        self.keyed(account, |fields| limit_request(fields, subject))
    }

    /// A limit that a customer sets, or removes, and the key of the change.
    pub fn set_my_limit(&self, subject: &str) -> Result<(Key, LimitRequest), Problem> {
        let mut fields = self.fields()?;
        let key = self.key(&mut fields);
        let request = limit_request(&mut fields, subject);
        fields.finish(key.zip(request)).map_err(Problem::from)
    }
}

fn limit_request(fields: &mut Fields, subject: &str) -> Option<LimitRequest> {
    let of = match subject.contains(['/', '%']) {
        // A gateway decodes a path before it hands it over: it would name another subject.
        true => fields.checked("subject", Err("must not contain / or %")),
        false => fields.checked("subject", subject.parse::<Subject>().map_err(|e| e.to_string())),
    };
    let at_most = fields.credits_or_null("at_most");
    let per = fields.choice("per", &Per::ALL, Per::name).unwrap_or(Per::Ever);
    Some(LimitRequest { of: of?, per, at_most: at_most? })
}

#[derive(Serialize)]
struct Listing<'a> {
    limits: Vec<LimitShown<'a>>,
    defaults: Vec<Default<'a>>,
}

/// A limit in the window that runs now.
#[derive(Serialize)]
struct LimitShown<'a> {
    /// None: its name is not kept.
    of: Option<&'a Subject>,
    #[serde(flatten)]
    window: InWindow,
    source: &'static str,
}

/// A limit of a subject that is known, in the window that runs now.
#[derive(Serialize)]
pub(super) struct InWindow {
    per: Per,
    /// None: the number comes with each request.
    at_most: Option<Credits>,
    used: Credits,
    left: Option<Credits>,
    resets_at: Option<Instant>,
}

/// A limit of the plan, for every subject of a kind.
#[derive(Serialize)]
struct Default<'a> {
    of: &'a str,
    per: Per,
    at_most: Credits,
}

impl From<&LimitNow> for InWindow {
    fn from(limit: &LimitNow) -> InWindow {
        let LimitNow { per, at_most, used, resets_at, .. } = *limit;
        InWindow { per, at_most, used, left: limit.left(), resets_at }
    }
}

/// A 200 with the limits of an account.
pub fn limits(limits: &Limits) -> Response<Body> {
    let shown = limits.now.iter().map(|limit| LimitShown {
        of: limit.of.as_ref(),
        window: limit.into(),
        source: limit.source.name(),
    });
    let defaults = limits.defaults.iter();
    let defaults =
        defaults.map(|((of, per), at_most)| Default { of, per: *per, at_most: *at_most });
    reply::ok(&Listing { limits: shown.collect(), defaults: defaults.collect() })
}

//! Customers: who a browser's request is for, which page may ask it, and what a link leads to.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::{Call, Problem, reply};
use crate::command::session::{self, Opened, SessionRequest};
use crate::config::origin_of;
use crate::domain::instant::Span;
use crate::domain::{AccountId, Instant, Refusal};
use crate::session::{LONGEST, SHORTEST, Scope, Session};
use crate::world::World;

/// The cookie of the page. `__Host-`: a browser takes it from this host alone, over https alone (or
/// from loopback), and sends it nowhere else.
pub const COOKIE: &str = "__Host-scrip";
const SUBJECT_BYTES: usize = 64;
const RETURN_URL_BYTES: usize = 512;
/// For how long a browser remembers what a preflight said: two hours, the most that Chromium does.
const PREFLIGHT_S: u32 = 7200;

impl Call<'_> {
    /// The session of a customer's request: by its Bearer header, or else by its cookie. The
    /// account of the request is the session's; nothing else says one.
    ///
    /// A cookie is sent by the browser whoever asks, so a change by cookie has to come from our own
    /// page: its `Origin`, and a content type that no form can send. A Bearer header is put there
    /// by a script, so its page has to be of an origin in the list, or our own.
    ///
    /// # Errors
    /// `session_required`, `origin_refused`, `scope_required`; `invalid_request` for another
    /// content type.
    pub async fn customer(&self, world: &World, scope: Scope) -> Result<Session, Problem> {
        let origin = self.header("origin");
        let own = origin.is_none_or(|origin| origin == self.base());
        let token = match self.bearer() {
            Some(token) if own || self.origin_in_list().is_some() => token,
            Some(_) => return Err(Refusal::OriginRefused.into()),
            None => {
                let changes = !matches!(self.request.method().as_str(), "GET" | "HEAD");
                if !own || (changes && origin.is_none()) {
                    return Err(Refusal::OriginRefused.into());
                }
                let json = self.header("content-type").is_some_and(|kind| {
                    kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json")
                });
                if changes && !json {
                    let refusal = Refusal::invalid("Content-Type", "must be application/json");
                    return Err(refusal.into());
                }
                self.cookie().ok_or(Refusal::SessionRequired)?
            }
        };
        let session = session::open(world, token).await?;
        match session.allows(scope) {
            true => Ok(session),
            false => Err(Refusal::ScopeRequired { scope: scope.name() }.into()),
        }
    }

    /// What a service asks of a session.
    pub fn session(&self) -> Result<SessionRequest, Problem> {
        let mut fields = self.fields()?;
        let subject = fields.text("subject", SUBJECT_BYTES);
        let subject = fields.required("subject", subject);
        let origins = &self.config.origins;
        let url = "an https address of an origin that is allowed";
        let return_url = fields.parsed("return_url", url, |text| {
            let known = origin_of(text).is_some_and(|origin| origins.contains(&origin));
            (known && text.len() <= RETURN_URL_BYTES).then(|| text.to_owned())
        });
        let return_url = fields.required("return_url", return_url);
        let scopes = fields.words("scopes", &Scope::ALL.map(Scope::name));
        let scopes = scopes.map_or(vec![Scope::View], |names| {
            Scope::ALL.into_iter().filter(|scope| names.contains(&scope.name())).collect()
        });
        let (least, most) = (SHORTEST.ms() / 1000, LONGEST.ms() / 1000);
        let life = fields.integer("expires_in_s", least..=most).map_or(LONGEST, Span::from_s);
        let both = subject.zip(return_url);
        let request =
            both.map(|(subject, return_url)| SessionRequest { subject, scopes, return_url, life });
        fields.finish(request).map_err(Problem::from)
    }

    /// The token in the query of a link.
    pub fn link(&self) -> Result<String, Problem> {
        let token = self.query().find(|(name, _)| name == "t").map(|(_, token)| token);
        token.ok_or(Problem::from(Refusal::SessionRequired))
    }

    /// Under which origin this request came: what was configured, or the name it was sent to.
    pub fn base(&self) -> String {
        match &self.config.public_url {
            Some(url) => url.clone(),
            None => format!("https://{}", self.header("host").unwrap_or_default()),
        }
    }

    /// A browser asks before it sends a Bearer header across origins.
    pub fn preflight(&self) -> Result<Response<Body>, Problem> {
        if self.origin_in_list().is_none() {
            return Err(Refusal::OriginRefused.into());
        }
        let response = Response::builder()
            .status(204)
            .header("access-control-allow-methods", "GET, POST")
            .header(
                "access-control-allow-headers",
                "Authorization, Content-Type, Idempotency-Key, If-None-Match",
            )
            .header("access-control-max-age", PREFLIGHT_S);
        Ok(response.body(Body::Empty).expect("status and headers are valid"))
    }

    /// Lets a page of an origin in the list read the answer to a customer's request. Never with
    /// credentials: a page elsewhere brings its own token, and no cookie.
    pub fn shared(&self, mut response: Response<Body>) -> Response<Body> {
        if !self.path.starts_with("/v1/me/") {
            return response;
        }
        let headers = response.headers_mut();
        let value = |text: &str| text.parse().expect("a header was taken apart from one");
        headers.append("vary", value("Origin"));
        if let Some(origin) = self.origin_in_list() {
            headers.insert("access-control-allow-origin", value(origin));
            headers.insert("access-control-expose-headers", value("Date, ETag, Next-Cursor"));
        }
        response
    }

    fn origin_in_list(&self) -> Option<&str> {
        self.header("origin").filter(|origin| self.config.origins.iter().any(|our| our == origin))
    }

    fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    fn cookie(&self) -> Option<&str> {
        let headers = self.request.headers().get_all("cookie").iter();
        let mut cookies =
            headers.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(';'));
        cookies.find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
    }
}

#[derive(Serialize)]
struct Made<'a> {
    account: &'a AccountId,
    url: String,
    token: &'a str,
    expires_at: Instant,
}

/// A 201 with a session: the link to send the customer's browser to, and the widget's token.
pub fn made(opened: &Opened, base: &str) -> Response<Body> {
    let url = format!("{base}/enter?t={}", opened.link);
    let (account, expires_at) = (&opened.session.account, opened.session.expires_at);
    reply::made(&Made { account, url, token: &opened.token, expires_at })
}

/// A 303 to the page, with the cookie. Neither a cache nor a Referer keeps the link.
pub fn entered(opened: &Opened, now: Instant) -> Response<Body> {
    let left_s = (opened.session.expires_at - now).ms().max(0) / 1000;
    let token = &opened.token;
    let cookie =
        format!("{COOKIE}={token}; Path=/; Max-Age={left_s}; HttpOnly; Secure; SameSite=Lax");
    let response = Response::builder()
        .status(303)
        .header("location", "/")
        .header("set-cookie", cookie)
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-store");
    response.body(Body::Empty).expect("status and headers are valid")
}

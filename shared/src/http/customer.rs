//! Customers: the session of a browser's request, the pages that may send it, and links.

use lambda_http::{Body, RequestExt, Response};
use serde::Serialize;

use super::request::MAX_BYTES;
use super::{Call, Problem, reply};
use crate::command::session::{self, SessionRequest};
use crate::config::origin_of;
use crate::context::Context;
use crate::domain::instant::Span;
use crate::domain::{AccountId, Instant, Refusal};
use crate::session::{LONGEST, SHORTEST, Scope, Session};

/// The cookie of the page. With `__Host-` a browser accepts it from this host only, over https only
/// (or from loopback), and sends it nowhere else.
pub const COOKIE: &str = "__Host-scrip";
/// The header with which a request by cookie names the session of its page.
pub const HEADER: &str = "scrip-session";
/// The same in the query of a link, which cannot send headers.
const PARAMETER: &str = "session";
/// How long a browser keeps the cookie: longer than its session lives, so that a late customer is
/// led back to where they came from.
const COOKIE_S: i64 = 24 * 3600;
const SUBJECT_BYTES: usize = 64;
const RETURN_URL_BYTES: usize = 512;
/// The headers of answers that a page on another origin may read.
const EXPOSED: &str = "Date, ETag, Next-Cursor, X-Scrip-Request";
/// How long a browser remembers the answer to a preflight: two hours, Chromium's maximum.
const PREFLIGHT_S: u32 = 7200;

impl Call<'_> {
    /// The session of a customer's request: by its Bearer header, or else by its cookie. The
    /// account of the request is that of the session; nothing else names one.
    ///
    /// The browser sends a cookie with every page's request, and the cookie is that of the latest
    /// session. So a request by cookie names the session of its page, and a change has to come from
    /// our own page: its `Origin`, and a content type that no form can send. A script sets a Bearer
    /// header, so the origin of its page has to be in the list, or our own.
    ///
    /// # Errors
    /// `session_required`, `origin_refused`, `scope_required`, `session_changed` if it names another
    /// session; by cookie also `session_header_required`, and `invalid_request` for another content
    /// type.
    pub async fn customer(&self, context: &Context, scope: Scope) -> Result<Session, Problem> {
        let session = match self.bearer() {
            Some(token) if self.is_own() || self.origin_in_list().is_some() => {
                self.as_named(session::by_token(context, token).await?)?
            }
            Some(_) => return Err(self.origin_refused()),
            None => {
                if !self.is_own() {
                    return Err(self.origin_refused());
                }
                if !matches!(self.request.method().as_str(), "GET" | "HEAD") {
                    self.sent_by_our_script()?;
                }
                let session = self.visitor(context).await?;
                self.named().ok_or(Refusal::SessionHeaderRequired)?;
                session
            }
        };
        match session.allows(scope) {
            true => Ok(session),
            false => Err(Refusal::ScopeRequired { scope: scope.name() }.into()),
        }
    }

    /// The session that is open in the browser, for a request from any page. If the request names a
    /// session, it has to be this one.
    ///
    /// # Errors
    /// `session_required`, `session_changed`.
    pub async fn visitor(&self, context: &Context) -> Result<Session, Problem> {
        let cookie = self.cookie().ok_or(Refusal::SessionRequired { return_url: None })?;
        self.as_named(session::by_cookie(context, cookie).await?)
    }

    /// The session, if the request names it or none.
    fn as_named(&self, session: Session) -> Result<Session, Problem> {
        match self.named() {
            Some(named) if named != session.id.to_string() => Err(Refusal::SessionChanged.into()),
            _ => Ok(session),
        }
    }

    /// The fields of a form that one of our own pages sent. A browser that may send no referrer
    /// sends `null` as the origin; then `Sec-Fetch-Site` has to say that the page is of this
    /// origin.
    ///
    /// # Errors
    /// `origin_refused`; `body_too_large`; `invalid_request` for another content type.
    pub fn own_form(&self) -> Result<Vec<(String, String)>, Problem> {
        let own = match self.header("origin") {
            Some("null") => self.header("sec-fetch-site") == Some("same-origin"),
            Some(origin) => origin == self.base(),
            None => false,
        };
        if !own {
            return Err(self.origin_refused());
        }
        if self.request.body().len() > MAX_BYTES {
            return Err(Problem::too_large(MAX_BYTES));
        }
        const FORM: &str = "application/x-www-form-urlencoded";
        if self.content_type() != Some(FORM) {
            return Err(Refusal::invalid("Content-Type", format!("must be {FORM}")).into());
        }
        Ok(form_urlencoded::parse(self.request.body()).into_owned().collect())
    }

    /// Whether the browser only prefetches the page.
    pub fn is_ahead(&self) -> bool {
        let purpose = self.header("sec-purpose").or(self.header("purpose"));
        purpose.is_some_and(|purpose| purpose.contains("prefetch"))
    }

    /// Checks that a script of our own page sent it: no form can send this content type, and no
    /// other page has this origin.
    fn sent_by_our_script(&self) -> Result<(), Problem> {
        if self.header("origin").is_none() {
            return Err(self.origin_refused());
        }
        match self.content_type() {
            Some("application/json") => Ok(()),
            _ => Err(Refusal::invalid("Content-Type", "must be application/json").into()),
        }
    }

    /// Whether no other site's page sent it. A browser sends the origin with all that is not read
    /// only.
    fn is_own(&self) -> bool {
        self.header("origin").is_none_or(|origin| origin == self.base())
    }

    fn content_type(&self) -> Option<&str> {
        self.header("content-type")?.split(';').next().map(str::trim)
    }

    /// The session of the requesting page, as the request names it.
    fn named(&self) -> Option<String> {
        let header = self.header(HEADER).map(str::to_owned);
        let reads = self.request.method() == "GET";
        header.or_else(|| self.query().find(|(name, _)| reads && name == PARAMETER).map(|(_, v)| v))
    }

    /// A service's request for a session, with its account. If the origin of `return_url` is not in
    /// the list, the refusal names those that are: a service may know them.
    pub fn session(&self, account: &str) -> Result<(AccountId, SessionRequest), Problem> {
        let mut fields = self.fields()?;
        let account = fields.checked("account", account.parse());
        let subject = fields.text("subject", SUBJECT_BYTES);
        let subject = fields.required("subject", subject);
        let origins = &self.config.origins;
        let url = match origins.is_empty() {
            true => "a URL of an allowed origin, but no origin is allowed".to_owned(),
            false => format!(
                "a URL of at most {RETURN_URL_BYTES} bytes, of an allowed origin: {}",
                origins.join(", ")
            ),
        };
        let return_url = fields.parsed("return_url", &url, |text| {
            let known = origin_of(text).is_some_and(|origin| origins.contains(&origin));
            (known && text.len() <= RETURN_URL_BYTES).then(|| text.to_owned())
        });
        let return_url = fields.required("return_url", return_url);
        let scopes = fields.choices("scopes", &Scope::ALL, Scope::name);
        let scopes = scopes.map_or(vec![Scope::View], |chosen| {
            Scope::ALL.into_iter().filter(|scope| chosen.contains(scope)).collect()
        });
        let currency = fields.currency("currency");
        let locale = fields.read("locale");
        let (least, most) = (SHORTEST.ms() / 1000, LONGEST.ms() / 1000);
        let life = fields.integer("expires_in_s", least..=most).map_or(LONGEST, Span::from_s);
        let request = subject.zip(return_url).map(|(subject, return_url)| SessionRequest {
            subject,
            scopes,
            return_url,
            currency,
            locale,
            life,
        });
        fields.finish(account.zip(request)).map_err(Problem::from)
    }

    /// The token in the query of a link.
    pub fn link(&self) -> Result<String, Problem> {
        let token = self.query().find(|(name, _)| name == "t").map(|(_, token)| token);
        token.ok_or(Problem::from(Refusal::SessionRequired { return_url: None }))
    }

    /// The origin of the customers' page: the configured one, or that of the gateway's stage, or the
    /// host that this request was sent to. The door for service keys, whose host has no page, says
    /// it by its stage.
    pub fn base(&self) -> String {
        let stage = || self.request.stage_variables_ref()?.first("PUBLIC_URL").map(str::to_owned);
        let host = || format!("https://{}", self.header("host").unwrap_or_default());
        self.config.public_url.clone().or_else(stage).unwrap_or_else(host)
    }

    /// The answer to a preflight: a browser asks before it sends a Bearer header across origins.
    pub fn preflight(&self) -> Result<Response<Body>, Problem> {
        if self.origin_in_list().is_none() {
            return Err(self.origin_refused());
        }
        let response = Response::builder()
            .status(204)
            .header("access-control-allow-methods", "DELETE, GET, POST, PUT")
            .header(
                "access-control-allow-headers",
                "Authorization, Content-Type, Idempotency-Key, If-None-Match",
            )
            .header("access-control-max-age", PREFLIGHT_S);
        Ok(response.body(Body::Empty).expect("status and headers are valid"))
    }

    /// Lets a page whose origin is in the list read the answer to a customer's request. Never with
    /// credentials: such a page sends its own token, and no cookie.
    pub fn shared(&self, mut response: Response<Body>) -> Response<Body> {
        if !self.route().1.starts_with(&["v1", "me"]) {
            return response;
        }
        let headers = response.headers_mut();
        let value = |text: &str| text.parse().expect("a header was taken apart from one");
        headers.append("vary", value("Origin"));
        if let Some(origin) = self.origin_in_list() {
            headers.insert("access-control-allow-origin", value(origin));
            headers.insert("access-control-expose-headers", value(EXPOSED));
        }
        response
    }

    /// The refusal names the origin of the requesting page, but not the origins in the list.
    fn origin_refused(&self) -> Problem {
        Refusal::OriginRefused { origin: self.header("origin").map(str::to_owned) }.into()
    }

    fn origin_in_list(&self) -> Option<&str> {
        self.header("origin").filter(|origin| self.config.origins.iter().any(|our| our == origin))
    }

    fn cookie(&self) -> Option<&str> {
        let headers = self.request.headers().get_all("cookie").iter();
        let mut cookies =
            headers.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(';'));
        cookies.find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
    }
}

#[derive(Serialize)]
struct Opens<'a> {
    account: &'a AccountId,
    url: String,
    token: &'a str,
    expires_at: Instant,
}

/// A 201 with a session: the link to send the customer's browser to, and the widget's token.
pub fn made(made: &session::Made, base: &str) -> Response<Body> {
    let url = format!("{base}/enter?t={}", made.link);
    let (account, expires_at) = (&made.session.account, made.session.expires_at);
    reply::made(&Opens { account, url, token: &made.token, expires_at })
}

/// A 303 to the page, with the cookie of the session that is open from now on.
pub fn entered(token: &str) -> Response<Body> {
    let response = to_the_page().header("set-cookie", cookie(token, COOKIE_S));
    response.body(Body::Empty).expect("status and headers are valid")
}

/// A 303 to the page of the session that is open already.
pub fn is_open() -> Response<Body> {
    to_the_page().body(Body::Empty).expect("status and headers are valid")
}

fn to_the_page() -> lambda_http::http::response::Builder {
    Response::builder().status(303).header("location", "/").header("cache-control", "no-store")
}

/// The page's cookie, for `life_s` seconds; with 0 the browser deletes it.
pub fn cookie(token: &str, life_s: i64) -> String {
    format!("{COOKIE}={token}; Path=/; Max-Age={life_s}; HttpOnly; Secure; SameSite=Lax")
}

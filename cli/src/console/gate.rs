//! What the console lets through. It acts as the person who started it, so that other pages in the
//! browser, and other users of this machine, must not make it send anything.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

/// The header that has the token.
const TOKEN: HeaderName = HeaderName::from_static("scrip-console");

/// The routes of the API that the page uses: `{}` is one part of a path. The caller may be allowed
/// more, such as debits; the console does not send them.
pub const ROUTES: [(&str, &str); 17] = [
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/{}"),
    ("PUT", "/v1/accounts/{}"),
    ("GET", "/v1/accounts/{}/balance"),
    ("GET", "/v1/accounts/{}/ledger"),
    ("GET", "/v1/accounts/{}/payments"),
    ("GET", "/v1/accounts/{}/usage"),
    ("POST", "/v1/accounts/{}/debits/{}/refund"),
    ("POST", "/v1/accounts/{}/debt/waive"),
    ("POST", "/v1/accounts/{}/freeze"),
    ("POST", "/v1/accounts/{}/grants"),
    ("POST", "/v1/accounts/{}/grants/{}/revoke"),
    ("POST", "/v1/accounts/{}/sessions"),
    ("POST", "/v1/accounts/{}/unfreeze"),
    ("GET", "/v1/payments"),
    ("POST", "/v1/payments/{}/dismiss"),
    ("POST", "/v1/payments/{}/release"),
];

/// What a request has to show.
#[derive(Debug)]
pub struct Gate {
    /// The address of the console, as its `Host`.
    host: String,
    token: String,
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage<'a> {
    /// It is answered with the page's file of this name. A file has nothing of an account in it.
    File(&'a str),
    /// It is passed on to the API.
    Api,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("The console answers only at the address that it printed.")]
    Host,
    #[error("The console takes requests only from its own page.")]
    Origin,
    #[error("The token is missing or wrong: open the address that `scrip console` printed.")]
    Token,
    #[error("The console does not pass on this request: it has a fixed list.")]
    Route,
}

impl Denial {
    /// The stable code of the answer.
    pub fn code(self) -> &'static str {
        match self {
            Denial::Host => "console_host",
            Denial::Origin => "console_origin",
            Denial::Token => "console_token",
            Denial::Route => "console_route",
        }
    }
}

impl Gate {
    pub fn new(host: String, token: String) -> Gate {
        Gate { host, token }
    }

    /// What is done with a request.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn admit<'a>(&self, asked: &'a Parts) -> Result<Passage<'a>, Denial> {
        let (headers, path) = (&asked.headers, asked.uri.path());
        // Another name that leads to this address is that of another page (DNS rebinding).
        if only(headers, &HOST) != Some(self.host.as_str()) {
            return Err(Denial::Host);
        }
        let is_read = asked.method == Method::GET;
        if !path.starts_with("/v1/") {
            // A target without a slash, as of CONNECT, is no path.
            let file = path.strip_prefix('/').filter(|_| is_read);
            return file.map(Passage::File).ok_or(Denial::Route);
        }
        let ours = only(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"))
            == Some(self.host.as_str());
        // A browser names the origin of each change, and of a read for another site.
        if !ours && (!is_read || headers.contains_key(ORIGIN)) {
            return Err(Denial::Origin);
        }
        let token = only(headers, &TOKEN).unwrap_or_default();
        if !is_same(token.as_bytes(), self.token.as_bytes()) {
            return Err(Denial::Token);
        }
        let is_listed =
            |(method, route): &(&str, &str)| asked.method.as_str() == *method && is_on(path, route);
        if ROUTES.iter().any(is_listed) { Ok(Passage::Api) } else { Err(Denial::Route) }
    }
}

/// The value of a header that is sent once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

/// Whether both are the same; the time this takes depends on their lengths alone.
fn is_same(sent: &[u8], ours: &[u8]) -> bool {
    let differing = sent.iter().zip(ours).fold(0, |differing, (a, b)| differing | (a ^ b));
    sent.len() == ours.len() && differing == 0
}

/// Whether a path is on a route. No part of it names a parent, however it is encoded.
fn is_on(path: &str, route: &str) -> bool {
    let (mut parts, mut names) = (path.split('/'), route.split('/'));
    let is_part = |part: &str| {
        let plain = part.to_ascii_lowercase().replace("%2e", ".");
        !matches!(plain.as_str(), "" | "." | "..")
    };
    let fits = |part: &str, name: &str| if name == "{}" { is_part(part) } else { part == name };
    names.by_ref().all(|name| parts.next().is_some_and(|part| fits(part, name)))
        && parts.next().is_none()
}

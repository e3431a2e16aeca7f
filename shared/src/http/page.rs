//! The page: headers of the HTML and of its files.

use lambda_http::{Body, Response};

/// A page that was rendered.
pub struct Html {
    pub text: String,
    /// The SHA-256 of its one style, in base64.
    pub style: String,
}

/// Only our own files and our own routes, and the one style in the HTML; no script in it, and no
/// frame around it. `style`: the SHA-256 of the style, in base64.
fn policy(style: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'sha256-{style}'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// A page with `status`. No cache stores it. No other site learns its address or that of the link
/// before it; our own site learns where a form came from.
pub fn html(status: u16, html: Html) -> Response<Body> {
    let response = Response::builder()
        .status(status)
        .header("content-type", "text/html; charset=utf-8")
        .header("content-security-policy", policy(&html.style))
        .header("x-frame-options", "DENY")
        .header("referrer-policy", "same-origin")
        .header("cross-origin-opener-policy", "same-origin")
        .header("cache-control", "no-store");
    response.body(Body::Text(html.text)).expect("status and headers are valid")
}

/// The same, and the browser deletes the session's cookie.
pub fn left(ended: Html) -> Response<Body> {
    let mut response = html(200, ended);
    let forget = super::customer::cookie("", 0).parse().expect("a cookie is a header");
    response.headers_mut().insert("set-cookie", forget);
    response
}

/// A file whose address holds a hash: cached for good if the hash is `its`, else not at all. Pages
/// of any origin may read it, because it is the same for everybody.
pub fn file(kind: &'static str, text: &'static str, its: bool) -> Response<Body> {
    let keep = if its { "public, max-age=31536000, immutable" } else { "no-store" };
    asset(kind, keep, text.to_owned())
}

/// A file with a fixed address: a browser requests it again after five minutes.
pub fn module(text: String) -> Response<Body> {
    asset("text/javascript; charset=utf-8", "public, max-age=300", text)
}

fn asset(kind: &'static str, keep: &'static str, text: String) -> Response<Body> {
    let response = Response::builder()
        .status(200)
        .header("content-type", kind)
        .header("cache-control", keep)
        .header("access-control-allow-origin", "*")
        .header("cross-origin-resource-policy", "cross-origin");
    response.body(Body::Text(text)).expect("status and headers are valid")
}

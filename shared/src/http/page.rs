//! The page: headers of the HTML and of its files.

use lambda_http::{Body, Response};

/// A page that was rendered.
pub struct Html {
    pub text: String,
    /// The SHA-256 of its one style, in base64.
    pub style: String,
    /// The origin of the product's logo, if it is not ours.
    pub logo_origin: Option<String>,
}

/// Only our own files and our own routes, the one style in the HTML, and the logo; no script in it,
/// and no frame around it.
fn policy(html: &Html) -> String {
    let style = &html.style;
    let logo = html.logo_origin.as_ref().map_or(String::new(), |origin| format!(" {origin}"));
    format!(
        "default-src 'none'; script-src 'self'; style-src 'sha256-{style}'; img-src 'self'{logo}; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The policy of a logo that is opened by its own address: no script of it runs, it loads nothing,
/// and it has an origin of its own.
const LOGO_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// A page with `status`. No cache stores it. No other site learns its address or that of the link
/// before it; our own site learns where a form came from.
pub fn html(status: u16, html: Html) -> Response<Body> {
    let response = Response::builder()
        .status(status)
        .header("content-type", "text/html; charset=utf-8")
        .header("content-security-policy", policy(&html))
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
    asset(kind, kept(its), text.to_owned())
}

/// How caches keep a file whose address holds a hash, if that is `its`.
fn kept(its: bool) -> &'static str {
    if its { "public, max-age=31536000, immutable" } else { "no-store" }
}

/// The product's logo, an SVG. It is cached for good if the hash in its address is `its`, else not
/// at all.
pub fn logo(svg: String, its: bool) -> Response<Body> {
    let mut response = asset("image/svg+xml", kept(its), svg);
    let policy = lambda_http::http::HeaderValue::from_static(LOGO_POLICY);
    response.headers_mut().insert("content-security-policy", policy);
    response
}

/// A file with a fixed address: a browser requests it again after five minutes.
pub fn fixed(kind: &'static str, text: String) -> Response<Body> {
    asset(kind, "public, max-age=300", text)
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

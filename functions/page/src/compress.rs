//! Compresses answers for browsers that accept it: a page is a fifth of its size then.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use lambda_http::http::header::{CONTENT_ENCODING, ETAG, HeaderValue, VARY};
use lambda_http::{Body, Response};
use shared::http::Call;

/// A shorter answer fits one packet as it is.
const SHORT_BYTES: usize = 1000;

/// The answer with its text compressed, if that is worth it. An answer with an `ETag` stays as it
/// is: the tag is that of its bytes.
pub(super) fn rendered(call: &Call<'_>, response: Response<Body>) -> Response<Body> {
    let Body::Text(text) = response.body() else { return response };
    if text.len() < SHORT_BYTES || response.headers().contains_key(ETAG) {
        return response;
    }
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("memory")
    };
    either(call, response, gzip)
}

/// The answer as it is, or with what `gzip` makes of its text. Caches keep the two apart.
pub(super) fn either(
    call: &Call<'_>,
    mut response: Response<Body>,
    gzip: impl FnOnce(&str) -> Vec<u8>,
) -> Response<Body> {
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let Body::Text(text) = response.body() else { return response };
    if accepts_gzip(call.header("accept-encoding").unwrap_or_default()) {
        *response.body_mut() = Body::Binary(gzip(text));
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether an `Accept-Encoding` header names gzip with another quality than 0.
fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        // A quality of zero refuses it: q=0, or q=0.000.
        let refused = quality
            .trim()
            .strip_prefix("q=")
            .is_some_and(|q| q.trim_matches(['0', '.']).is_empty());
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

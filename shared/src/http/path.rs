//! Parts of a path: decoded once when a request arrives, and encoded in addresses.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All characters except the unreserved ones (RFC 3986, 2.3).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one part of a path: `auth0|64f0` is `auth0%7C64f0`.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// The decoded text of a path part. An invalid encoding stays as it was sent: no name of ours has a
/// `%`, so it is refused as an unknown name.
pub fn decoded(part: &str) -> String {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded.map_or_else(|_| part.to_owned(), Into::into)
}

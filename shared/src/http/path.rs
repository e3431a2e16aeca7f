//! Parts of a path: decoded once, where they come in, and encoded where an address is made of them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but what never means anything in an address (RFC 3986, 2.3).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one part of a path: `auth0|64f0` is `auth0%7C64f0`.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// What a part of a path stands for. What is no encoding stays as it was sent: nothing that we have a
/// name for has a `%` in it, so it is refused as what it is the name of.
pub fn decoded(part: &str) -> String {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded.map_or_else(|_| part.to_owned(), Into::into)
}

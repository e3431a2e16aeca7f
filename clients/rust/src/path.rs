//! Paths, queries and fields of requests.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;

/// Escapes all of a path's part except the unreserved characters of RFC 3986, 2.3.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The fields of a request.
pub(crate) fn fields(request: &impl Serialize) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(request) {
        Ok(Value::Object(fields)) => Ok(fields),
        other => Err(Error::Unreadable(format!("{other:?}"))),
    }
}

/// The path of what an account has: each part of it escaped.
pub(crate) fn in_account(account: &str, rest: &[&str]) -> String {
    let parts = [account].into_iter().chain(rest.iter().copied());
    let parts = parts.map(|part| utf8_percent_encode(part, PART).to_string());
    format!("/v1/accounts/{}", parts.collect::<Vec<_>>().join("/"))
}

/// The query of the filters that are set.
pub(crate) fn query(filters: &Map<String, Value>) -> String {
    let set = filters.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={}", utf8_percent_encode(&value, PART))
    });
    match set.collect::<Vec<_>>().join("&") {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    }
}

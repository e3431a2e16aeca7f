//! The console for account executives, which sends its requests to this stack.

use lambda_http::{Body, Response};
use serde_json::json;

use crate::reply::reply;

/// The folder of its files, without the last slash.
pub(super) const FOLDER: &str = "/_local/console";

/// Answers what follows [`FOLDER`] in a path: one of its files, or its page.
pub(super) fn answer(rest: &str) -> Response<Body> {
    let Some(name) = rest.strip_prefix('/') else {
        // The page names its files by relative addresses.
        let response = Response::builder().status(303).header("location", format!("{FOLDER}/"));
        return response.body(Body::Empty).expect("status and headers are valid");
    };
    let Some((kind, text)) = console_page::file(name, "") else {
        return reply(404, &json!({ "detail": "no such route" }));
    };
    let response = Response::builder().status(200).header("content-type", kind);
    let response = console_page::HEADERS
        .iter()
        .fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Body::Text(text)).expect("status and headers are valid")
}

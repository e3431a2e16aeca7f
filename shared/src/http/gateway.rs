//! The gateway's events and responses: payloads of version 2.0.

use std::collections::BTreeMap;
use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_http::http::header::{HOST, SET_COOKIE};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Error, LambdaEvent, Request, Response, lambda_runtime, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::IgnoredAny;
use serde_json::value::{RawValue, to_raw_value};

use super::Problem;
use crate::telemetry::correlation::{Correlation, during};

/// The characters that a query cannot hold unencoded (RFC 3986, 3.4), and neither can a path.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// The longest address, encoded: six times the gateway's limit, and within that of `http`.
const MAX_ADDRESS_BYTES: usize = 60 * 1024;
/// The further characters that a path cannot hold unencoded: `?` would begin the query, and a `%`
/// in the decoded path would be decoded again.
const PATH: &AsciiSet = &QUERY.add(b'?').add(b'%');

/// Answers the gateway's requests with `handle`, until the process ends.
///
/// # Errors
/// If the runtime of Lambda cannot be reached.
pub async fn serve(handle: impl AsyncFn(Request) -> Response<Body>) -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let invocation = Correlation::of(&event.context.request_id);
        let answered = answer(&event.payload, async |request| handle(request).await);
        Ok::<_, Infallible>(during(invocation, answered).await)
    }))
    .await
}

/// Answers a request with `handle`. An event that is no request of the gateway gets the answer for
/// an unknown route.
pub async fn answer(
    event: &RawValue,
    handle: impl AsyncFnOnce(Request) -> Response<Body>,
) -> Box<RawValue> {
    match request(event) {
        Some(request) => reply(handle(request).await),
        None => no_request(),
    }
}

/// Whether a payload is the gateway's, even if it is no request: the gateway always sets
/// `requestContext`; a service that invokes directly does not.
pub fn is_event(payload: &RawValue) -> bool {
    let fields = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(payload.get());
    fields.is_ok_and(|fields| fields.contains_key("requestContext"))
}

/// The answer to an event that is no request of the gateway.
pub fn no_request() -> Box<RawValue> {
    reply(super::finished(Problem::no_route().into_response()))
}

/// The request of an event. None: it is not from the gateway.
///
/// `lambda_http` panics on a path that makes no valid address, and on a body that claims to be
/// base64 and is not; a panic ends the process. The gateway sends the path decoded, so that `%20`
/// is a space: it is encoded again first. The client's own host and scheme are left out.
pub fn request(event: &RawValue) -> Option<Request> {
    // Not by `lambda_http`: it would parse the event once more, to detect its kind.
    let mut request: ApiGatewayV2httpRequest = serde_json::from_str(event.get()).ok()?;
    for (text, encoded) in [(&mut request.raw_path, PATH), (&mut request.raw_query_string, QUERY)] {
        *text = text.take().map(|text| utf8_percent_encode(&text, encoded).to_string());
    }
    let path = request.raw_path.as_deref().unwrap_or_default();
    let length = path.len() + request.raw_query_string.as_ref().map_or(0, String::len);
    let body = request.body.as_deref().filter(|_| request.is_base64_encoded).unwrap_or_default();
    if !path.starts_with('/') || length > MAX_ADDRESS_BYTES || STANDARD.decode(body).is_err() {
        return None;
    }
    let host = request.headers.remove(HOST);
    request.request_context.domain_name = None;
    let mut request: Request = LambdaRequest::ApiGatewayV2(request).into();
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    Some(request)
}

/// A response in the form that the gateway takes.
pub fn reply(response: Response<Body>) -> Box<RawValue> {
    let (mut parts, body) = response.into_parts();
    let cookies = parts.headers.get_all(SET_COOKIE).iter();
    let cookies = cookies.filter_map(|cookie| cookie.to_str().ok().map(str::to_owned)).collect();
    parts.headers.remove(SET_COOKIE);
    let mut reply = ApiGatewayV2httpResponse::default();
    reply.status_code = parts.status.as_u16().into();
    reply.headers = parts.headers;
    reply.cookies = cookies;
    reply.is_base64_encoded = matches!(body, Body::Binary(_));
    reply.body = Some(body).filter(|body| !matches!(body, Body::Empty));
    to_raw_value(&reply).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

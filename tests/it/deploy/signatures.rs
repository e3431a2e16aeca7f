//! Signatures of requests, as AWS checks them.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::http::HeaderMap;
use chrono::NaiveDateTime;

/// The caller whom the services know.
pub(super) const KEY: &str = "AKIDOPERATOR";
pub(super) const SECRET: &str = "a secret of the operator";
pub(super) const REGION: &str = "eu-central-1";

/// Signs the request again, as AWS does, and returns the service that the signature is for.
pub(super) fn verified(
    method: &str,
    uri: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<String, String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let sent = header("authorization").ok_or("the request is not signed")?;
    let part = |name: &str| {
        let (_, rest) = sent.split_once(&format!("{name}="))?;
        rest.split([',', ' ']).next()
    };
    let scope = part("Credential").ok_or("no credential")?;
    let [key, _, region, service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
        return Err(format!("a scope of another form: {scope}"));
    };
    if (key, region) != (KEY, REGION) {
        return Err(format!("nobody is called {key} in {region}"));
    }
    let at = header("x-amz-date").ok_or("no date")?;
    let at = NaiveDateTime::parse_from_str(at, "%Y%m%dT%H%M%SZ").map_err(|e| e.to_string())?;
    let at = u64::try_from(at.and_utc().timestamp()).map_err(|e| e.to_string())?;
    let identity = Credentials::new(KEY, SECRET, None, None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(at))
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let names = part("SignedHeaders").ok_or("no headers")?.split(';');
    // The signer adds these itself.
    let names = names.filter(|name| !["host", "x-amz-date"].contains(name));
    let signed = names.filter_map(|name| Some((name, header(name)?)));
    let signable = SignableRequest::new(method, uri, signed, SignableBody::Bytes(body));
    let signature = sign(signable.map_err(|error| error.to_string())?, &parameters);
    let (_, right) = signature.map_err(|error| error.to_string())?.into_parts();
    match part("Signature") == Some(right.as_str()) {
        true => Ok(service.to_owned()),
        false => Err("another signature".to_owned()),
    }
}

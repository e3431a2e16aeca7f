//! Signs requests with AWS Signature Version 4, for a stack that knows its callers by IAM.
//!
//! `SCRIP_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and perhaps
//! `AWS_SESSION_TOKEN` are in the environment. With the crate `aws-config`, ask its credentials
//! provider in each call instead: it renews them.

use std::env;
use std::error::Error;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::Request;
use scrip_client::{Options, SignError};

/// The request with its signature, of the stack's time.
///
/// # Errors
/// If it cannot be signed: then it is not sent, and tried again.
pub(crate) fn signed(
    mut request: Request<String>,
    at: SystemTime,
    credentials: &Credentials,
    region: &str,
) -> Result<Request<String>, SignError> {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("execute-api")
        .time(at)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers,
        SignableBody::Bytes(request.body().as_bytes()),
    )?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let region = env::var("AWS_REGION")?;
    let (id, secret) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
    let token = env::var("AWS_SESSION_TOKEN").ok();
    let credentials = Credentials::new(id, secret, token, None, "environment");
    let scrip = Options::new(env::var("SCRIP_URL")?)
        .sign(move |request, at| std::future::ready(signed(request, at, &credentials, &region)))
        .build()?;
    println!("{}", scrip.balance("acme").await?.available);
    Ok(())
}

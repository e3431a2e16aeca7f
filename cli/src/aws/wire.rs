//! Requests over HTTP as they are sent: signed as AWS asks (Signature Version 4), or not.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use shared::clock::Clock;

/// A request, before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    pub method: &'a str,
    /// The full address, percent-encoded.
    pub url: &'a str,
    /// Names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// An answer of any status.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answered {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = self.headers.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Outgoing<'_> {
    /// The request without a signature, for the local stack.
    ///
    /// # Errors
    /// Why it is no request, for a person.
    pub fn plain(&self) -> Result<HttpRequest, String> {
        HttpRequest::try_from(self.build()?).map_err(|error| error.to_string())
    }

    /// The request, signed by `credentials` for a service of a region.
    ///
    /// # Errors
    /// Why it cannot be signed, for a person.
    pub fn signed(
        &self,
        credentials: Credentials,
        region: &str,
        service: &str,
    ) -> Result<HttpRequest, String> {
        let now = u64::try_from(Clock::system().now().ms()).unwrap_or_default();
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(now))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let headers = self.headers.iter().copied();
        let body = SignableBody::Bytes(self.body);
        let signature = SignableRequest::new(self.method, self.url, headers, body)
            .and_then(|signable| sign(signable, &parameters));
        let (signature, _) = signature.map_err(|error| error.to_string())?.into_parts();
        let mut request = self.build()?;
        signature.apply_to_request_http1x(&mut request);
        HttpRequest::try_from(request).map_err(|error| error.to_string())
    }

    fn build(&self) -> Result<http::Request<SdkBody>, String> {
        let mut request = http::Request::builder().method(self.method).uri(self.url);
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        request.body(SdkBody::from(self.body)).map_err(|error| error.to_string())
    }
}

/// Sends a request once.
///
/// # Errors
/// Why no answer came, for a person. The request may have arrived.
pub async fn exchange(connector: &Connector, request: HttpRequest) -> Result<Answered, String> {
    let response = connector.call(request).await.map_err(|error| causes(&error))?;
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let body = ByteStream::new(response.into_body()).collect().await;
    let body = body.map_err(|error| causes(&error))?.into_bytes().to_vec();
    Ok(Answered { status, headers, body })
}

/// An error with its causes, in one line.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    // Some causes are lists of lines.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

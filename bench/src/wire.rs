//! The wire between the SDK and DynamoDB's tables: a meter counts its requests and loses replies.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::Value;

use crate::meter::{CALL, Meter};
use crate::units;

/// An HTTP client for the SDK that sends its requests by `inner`.
pub fn metered(inner: SharedHttpClient, meter: Meter) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        let inner = inner.http_connector(settings, components);
        SharedHttpConnector::new(Wire { inner, meter: meter.clone() })
    })
}

#[derive(Clone)]
struct Wire {
    inner: SharedHttpConnector,
    meter: Meter,
}

impl Wire {
    async fn carry(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        if !self.meter.counts() {
            return self.inner.call(request).await;
        }
        let lost = self.meter.round_trip();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let is_read = ["GetItem", "Query", "Scan"].iter().any(|read| target.ends_with(read));
        let mut sent = parsed(request.body().bytes());
        units::ask_for_units(&mut sent);
        tokio::time::sleep(CALL / 2).await;
        let mut response = self.inner.call(with_body(request, &sent)).await?;
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        let body = ByteStream::new(body).collect().await;
        let body = body.map_err(|e| ConnectorError::io(e.into()))?.into_bytes();
        let answer = parsed(Some(&body));
        let units = units::of(&sent, &answer);
        let reads = if is_read { units } else { units::read_again(&answer) };
        let writes = units - reads;
        self.meter.add_units(writes, reads);
        tokio::time::sleep(CALL / 2).await;
        if lost {
            return Err(ConnectorError::io("the reply is lost".into()));
        }
        *response.body_mut() = SdkBody::from(body);
        Ok(response)
    }
}

fn parsed(body: Option<&[u8]>) -> Value {
    serde_json::from_slice(body.unwrap_or_default()).unwrap_or_default()
}

fn with_body(mut request: HttpRequest, body: &Value) -> HttpRequest {
    let body = body.to_string();
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
    request
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().carry(request))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

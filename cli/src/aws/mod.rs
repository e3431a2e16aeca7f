//! Requests to AWS services that have no SDK in this workspace: signed, sent, and read.

mod identity;
mod service;
mod stack;
pub mod wire;
pub mod xml;

use std::error::Error as _;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::Connector;
use serde_json::Value;
use shared::context;

use wire::{Answered, Outgoing};

pub use service::Service;
pub use stack::Deployed;

/// The timeout of a request that starts no work.
const PATIENCE: Duration = Duration::from_secs(30);
/// The timeout of a function's invocation: the longest that Lambda lets one run.
const INVOCATION: Duration = Duration::from_secs(900);
/// How often a request is sent: the service may be busy.
const TRIES: u32 = 3;
/// The wait after the first try, doubled after each.
const WAIT: Duration = Duration::from_millis(200);

/// The AWS services of one region, as the caller reaches them.
#[derive(Debug)]
pub struct Aws {
    pub sdk: SdkConfig,
    pub region: String,
    connector: Connector,
}

/// Why AWS did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    #[error(
        "no AWS credentials: log in (`aws sso login`), name a profile in AWS_PROFILE, or set \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY ({0})"
    )]
    NoCredentials(String),
    #[error("no AWS region: give --region, set AWS_REGION, or name a profile that has one")]
    NoRegion,
    #[error("{service} does not answer at {endpoint}: {cause}")]
    Unreachable { service: &'static str, endpoint: String, cause: String },
    /// The service answered, and did not do it.
    #[error("{service} refused {action}: {code}: {message}{}", advice(code))]
    Refused { service: &'static str, action: String, code: String, message: String },
    #[error("{service} answered {action} in an unknown form: {cause}")]
    Unreadable { service: &'static str, action: String, cause: String },
    /// CloudFormation knows no such stack.
    #[error(
        "there is no stack {stack} in {region}: look at the region, the name and the AWS account"
    )]
    NoStack { stack: String, region: String },
    /// A stack that is not one of Scrip.
    #[error("the stack {stack} has no {part}: is it a stack of Scrip, fully deployed?")]
    NotOfScrip { stack: String, part: String },
}

/// What a caller does about a code of AWS.
fn advice(code: &str) -> &'static str {
    match code {
        "AccessDenied" | "AccessDeniedException" | "AuthorizationError" => {
            " (the caller's role does not allow it)"
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            " (log in again: `aws sso login`)"
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException" => " (the credentials are wrong)",
        _ => "",
    }
}

/// A request, before it is signed.
struct Ask<'a> {
    service: Service,
    /// Its name in errors.
    action: &'a str,
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'static str, &'a str)>,
    body: Vec<u8>,
    timeout: Duration,
    tries: u32,
}

impl Aws {
    /// The services of `region`, or of the region that the environment or the profile names, for
    /// the caller whom these identify.
    ///
    /// # Errors
    /// [`AwsError::NoRegion`], [`AwsError::NoCredentials`].
    pub async fn load(region: Option<String>) -> Result<Aws, AwsError> {
        let mut loader = context::aws_loader();
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        let sdk = identity::with_login(loader.load().await);
        let region = sdk.region().ok_or(AwsError::NoRegion)?.to_string();
        let aws = Aws { sdk, region, connector: context::https_connector() };
        // Asked first, so that no later error hides that nobody is logged in.
        aws.credentials().await?;
        Ok(aws)
    }

    async fn credentials(&self) -> Result<aws_credential_types::Credentials, AwsError> {
        let provider = self.sdk.credentials_provider();
        let provider = provider.ok_or_else(|| AwsError::NoCredentials("no provider".into()))?;
        let provided = provider.provide_credentials().await;
        // The cause alone: its own first words are those of the SDK's chain.
        provided.map_err(|error| {
            let cause = error.source().map(wire::causes);
            AwsError::NoCredentials(cause.unwrap_or_else(|| error.to_string()))
        })
    }

    /// Asks a service that has the Query protocol, with an XML answer.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn query(
        &self,
        service: Service,
        action: &str,
        parameters: &[(String, String)],
    ) -> Result<String, AwsError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", service.version());
        form.extend_pairs(parameters);
        let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let body = form.finish().into_bytes();
        let (path, timeout, tries) = ("/", PATIENCE, TRIES);
        let ask = Ask { service, action, method: "POST", path, headers, body, timeout, tries };
        self.send(ask).await.map(|(_, text)| text)
    }

    /// Asks SQS or Secrets Manager, which speak JSON.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn json(
        &self,
        service: Service,
        action: &str,
        body: &Value,
    ) -> Result<Value, AwsError> {
        let (prefix, version) = match service {
            Service::Sqs => ("AmazonSQS", "application/x-amz-json-1.0"),
            _ => (service.name(), "application/x-amz-json-1.1"),
        };
        let target = format!("{prefix}.{action}");
        let headers = vec![("content-type", version), ("x-amz-target", target.as_str())];
        let (path, timeout, tries) = ("/", PATIENCE, TRIES);
        let body = body.to_string().into_bytes();
        let ask = Ask { service, action, method: "POST", path, headers, body, timeout, tries };
        let (_, text) = self.send(ask).await?;
        match text.is_empty() {
            true => Ok(Value::Null),
            false => read(service, action, &text),
        }
    }

    /// Reads a resource of Lambda.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn lambda(&self, action: &str, path: &str) -> Result<Value, AwsError> {
        let (service, method) = (Service::Lambda, "GET");
        let (headers, body, timeout, tries) = (Vec::new(), Vec::new(), PATIENCE, TRIES);
        let ask = Ask { service, action, method, path, headers, body, timeout, tries };
        read(service, action, &self.send(ask).await?.1)
    }

    /// Invokes a function, or the version or alias `qualifier` of it. `waits` is whether the answer
    /// is waited for; without it Lambda takes the payload, tries it three times, and sends it to the
    /// function's dead-letter queue at last.
    ///
    /// # Errors
    /// [`AwsError`]; [`AwsError::Refused`] if the function itself failed, too.
    pub async fn invoke(
        &self,
        function: &str,
        qualifier: Option<&str>,
        payload: &Value,
        waits: bool,
    ) -> Result<Value, AwsError> {
        let (service, action, method) = (Service::Lambda, "Invoke", "POST");
        let version = qualifier.map(|name| format!("?Qualifier={name}")).unwrap_or_default();
        let path = format!("/2015-03-31/functions/{function}/invocations{version}");
        let kind = if waits { "RequestResponse" } else { "Event" };
        let headers = vec![("content-type", "application/json"), ("x-amz-invocation-type", kind)];
        let (body, path) = (payload.to_string().into_bytes(), path.as_str());
        // Once: a function that runs for long would run twice.
        let (timeout, tries) = (INVOCATION, 1);
        let ask = Ask { service, action, method, path, headers, body, timeout, tries };
        match self.send(ask).await? {
            (true, text) => {
                let action = format!("{action} of {function}");
                let code = "the function failed".to_owned();
                Err(AwsError::Refused { service: "lambda", action, code, message: text })
            }
            (false, text) if text.is_empty() => Ok(Value::Null),
            (false, text) => read(service, action, &text),
        }
    }

    /// Sends a request, again while the service is busy. Returns whether a function failed, and the
    /// body.
    async fn send(&self, ask: Ask<'_>) -> Result<(bool, String), AwsError> {
        let mut tried = 1;
        loop {
            let sent = tokio::time::timeout(ask.timeout, self.attempt(&ask)).await;
            let sent = sent.unwrap_or_else(|_| {
                let seconds = ask.timeout.as_secs();
                Err((true, ask.unreachable(&self.region, format!("no answer within {seconds} s"))))
            });
            match sent {
                Ok(answer) => return Ok(answer),
                Err((true, _)) if tried < ask.tries => {
                    tokio::time::sleep(WAIT * (1 << (tried - 1))).await;
                    tried += 1;
                }
                Err((_, error)) => return Err(error),
            }
        }
    }

    /// Sends a request once. An error has with it whether another try may succeed.
    async fn attempt(&self, ask: &Ask<'_>) -> Result<(bool, String), (bool, AwsError)> {
        let broken = |cause: String| ask.unreachable(&self.region, cause);
        let url = format!("{}{}", ask.service.endpoint(&self.region), ask.path);
        let (method, headers, body) = (ask.method, &*ask.headers, &*ask.body);
        let outgoing = Outgoing { method, url: &url, headers, body };
        let credentials = self.credentials().await.map_err(|error| (false, error))?;
        let request = outgoing.signed(credentials, &self.region, ask.service.name());
        let request = request.map_err(|cause| (false, broken(cause)))?;
        let answered = wire::exchange(&self.connector, request).await;
        let answered = answered.map_err(|cause| (true, broken(cause)))?;
        let (status, text) = (answered.status, answered.text());
        match status {
            200..=299 => Ok((answered.header("x-amz-function-error").is_some(), text)),
            _ => {
                let (code, message) = xml::problem(answered.header("x-amzn-errortype"), &text)
                    .unwrap_or_else(|| (format!("HTTP {status}"), text.clone()));
                let busy = status == 429 || status >= 500 || code.contains("Throttl");
                let (service, action) = (ask.service.name(), ask.action.to_owned());
                Err((busy, AwsError::Refused { service, action, code, message }))
            }
        }
    }

    /// Sends a request to an API of API Gateway once, signed by the caller. Any status is an
    /// answer.
    ///
    /// # Errors
    /// [`AwsError::NoCredentials`]; [`AwsError::Unreachable`] if no answer came: the request may
    /// have arrived.
    pub async fn execute(&self, outgoing: &Outgoing<'_>) -> Result<Answered, AwsError> {
        let service = "execute-api";
        let unreachable = |cause| {
            let endpoint = outgoing.url.to_owned();
            AwsError::Unreachable { service, endpoint, cause }
        };
        let request = outgoing.signed(self.credentials().await?, &self.region, service);
        let request = request.map_err(unreachable)?;
        wire::exchange(&self.connector, request).await.map_err(unreachable)
    }
}

impl Ask<'_> {
    fn unreachable(&self, region: &str, cause: String) -> AwsError {
        let (service, endpoint) = (self.service.name(), self.service.endpoint(region));
        AwsError::Unreachable { service, endpoint, cause }
    }
}

fn read(service: Service, action: &str, text: &str) -> Result<Value, AwsError> {
    serde_json::from_str(text).map_err(|error| unreadable(service, action, error))
}

/// The error about an answer that is neither the expected XML nor the expected JSON.
pub fn unreadable(service: Service, action: &str, cause: impl ToString) -> AwsError {
    let (service, action, cause) = (service.name(), action.to_owned(), cause.to_string());
    AwsError::Unreadable { service, action, cause }
}

//! The AWS services that are asked, and where they are.

/// A service: its name in endpoints and signatures, and the suffix of its `AWS_ENDPOINT_URL_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    CloudFormation,
    CloudWatch,
    Lambda,
    SecretsManager,
    Sns,
    Sqs,
    Sts,
}

impl Service {
    /// Its name in endpoints and in signatures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Service::CloudFormation => "cloudformation",
            Service::CloudWatch => "monitoring",
            Service::Lambda => "lambda",
            Service::SecretsManager => "secretsmanager",
            Service::Sns => "sns",
            Service::Sqs => "sqs",
            Service::Sts => "sts",
        }
    }

    /// The version of its Query API.
    pub(super) fn version(self) -> &'static str {
        match self {
            Service::CloudFormation => "2010-05-15",
            Service::CloudWatch => "2010-08-01",
            Service::Sns => "2010-03-31",
            Service::Sts => "2011-06-15",
            Service::Lambda | Service::SecretsManager | Service::Sqs => "",
        }
    }

    /// The name that the SDKs have for it in `AWS_ENDPOINT_URL_<NAME>`.
    fn variable(self) -> &'static str {
        match self {
            Service::CloudFormation => "AWS_ENDPOINT_URL_CLOUDFORMATION",
            Service::CloudWatch => "AWS_ENDPOINT_URL_CLOUDWATCH",
            Service::Lambda => "AWS_ENDPOINT_URL_LAMBDA",
            Service::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Service::Sns => "AWS_ENDPOINT_URL_SNS",
            Service::Sqs => "AWS_ENDPOINT_URL_SQS",
            Service::Sts => "AWS_ENDPOINT_URL_STS",
        }
    }

    /// Where it is asked: at the endpoint that the environment names, as the SDKs read it, or at
    /// the region's own.
    pub(super) fn endpoint(self, region: &str) -> String {
        let named = |name| std::env::var(name).ok().filter(|url: &String| !url.is_empty());
        let named = named(self.variable()).or_else(|| named("AWS_ENDPOINT_URL"));
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let own = || format!("https://{}.{region}.{suffix}", self.name());
        named.map_or_else(own, |url| url.trim_end_matches('/').to_owned())
    }
}

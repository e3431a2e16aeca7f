//! The AWS account: who asks, what the region has, the quota, the secrets, and who hears alarms.

use serde_json::json;

use super::finding::Finding;
use super::samconfig::Settings;
use crate::aws::{Aws, AwsError, Deployed, Service, xml};

/// The parameters that reserve instances, and for how many functions each.
pub const RESERVATIONS: [(&str, u64); 4] = [
    ("DebitConcurrency", 1),
    ("CustomerConcurrency", 2),
    ("WebhookConcurrency", 1),
    ("ReconcileConcurrency", 1),
];
/// How many instances Lambda keeps unreserved in every account.
const UNRESERVED: u64 = 100;
/// How many requests a second Lambda takes for each instance of a quota, however short they are.
const REQUESTS_PER_INSTANCE: u64 = 10;
/// What the template sets `RequestsPerSecond` to where nobody else does.
pub const REQUESTS_PER_SECOND: u64 = 1_000;
/// The types of the template that not every region has.
const TYPES: [&str; 4] = [
    "AWS::ApiGatewayV2::Api",
    "AWS::Events::EventBus",
    "AWS::Lambda::Function",
    "AWS::Scheduler::Schedule",
];

/// Looks at the account; `stack`: what is deployed already.
pub(super) async fn examine(
    aws: &Aws,
    settings: &Settings,
    stack: Option<&Deployed>,
) -> Vec<Finding> {
    let parameters = Parameters { settings, stack };
    let mut findings = vec![identity(aws).await];
    findings.extend(region(aws).await);
    findings.push(concurrency(aws, &parameters).await);
    findings.extend(stripe(aws, &parameters).await);
    findings.push(alarms(aws, &parameters).await);
    findings
}

/// The values of parameters: those of the next deploy before those of the last.
struct Parameters<'a> {
    settings: &'a Settings,
    stack: Option<&'a Deployed>,
}

impl Parameters<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let next = self.settings.parameter(name).map(str::to_owned);
        next.or_else(|| self.stack.and_then(|stack| stack.parameter(name)))
    }
}

/// The finding about something that could not be looked at.
fn unseen(what: &str, error: &AwsError) -> Finding {
    Finding::warn(format!("{what}: {error}"), "it could not be looked at")
}

async fn identity(aws: &Aws) -> Finding {
    match aws.query(Service::Sts, "GetCallerIdentity", &[]).await {
        Ok(text) => {
            let arn = xml::text(&text, "Arn").ok().flatten().unwrap_or_default();
            Finding::ok(format!("identity: {arn} in {}", aws.region))
        }
        Err(error) => Finding::fail(format!("identity: {error}"), "log in to AWS"),
    }
}

async fn region(aws: &Aws) -> Vec<Finding> {
    let mut findings = Vec::new();
    for kind in TYPES {
        let parameters = [("Type", "RESOURCE"), ("TypeName", kind)];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        match aws.query(Service::CloudFormation, "DescribeType", &parameters).await {
            Ok(_) => {}
            Err(AwsError::Refused { code, .. }) if code.starts_with("TypeNotFound") => {
                let text = format!("region: {} has no {kind}", aws.region);
                findings.push(Finding::fail(text, "choose another region"));
            }
            Err(error) => findings.push(unseen("region", &error)),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(format!("region: {} has what Scrip uses", aws.region)));
    }
    findings
}

async fn concurrency(aws: &Aws, parameters: &Parameters<'_>) -> Finding {
    let settings = match aws.lambda("GetAccountSettings", "/2016-08-19/account-settings/").await {
        Ok(settings) => settings,
        Err(error) => return unseen("concurrency", &error),
    };
    let limit = |name: &str| settings["AccountLimit"][name].as_u64().unwrap_or_default();
    let quota = limit("ConcurrentExecutions");
    // What this stack has reserved already is free for it.
    let own = parameters.stack.map(|stack| reserved(|name| stack.parameter(name)));
    let free = limit("UnreservedConcurrentExecutions") + own.unwrap_or_default();
    let wanted = reserved(|name| parameters.get(name));
    let text = format!("concurrency: a quota of {quota}, {free} not reserved, {wanted} to reserve");
    if wanted > 0 && wanted + UNRESERVED > free {
        let names = RESERVATIONS.map(|(name, _)| name).join(", ");
        let advice = format!(
            "Lambda keeps {UNRESERVED} unreserved: ask Service Quotas for more, or lower {names}"
        );
        return Finding::fail(text, advice);
    }
    let requests = parameters.get("RequestsPerSecond").and_then(|text| text.parse().ok());
    let (requests, taken) =
        (requests.unwrap_or(REQUESTS_PER_SECOND), quota.saturating_mul(REQUESTS_PER_INSTANCE));
    if taken < requests {
        let advice = format!(
            "Lambda takes {taken} requests a second with it, RequestsPerSecond is {requests}: ask \
             Service Quotas for {} at least, as all functions of the AWS account share it",
            requests.div_ceil(REQUESTS_PER_INSTANCE),
        );
        return Finding::warn(text, advice);
    }
    Finding::ok(text)
}

/// The instances that parameters reserve in all.
fn reserved(parameter: impl Fn(&str) -> Option<String>) -> u64 {
    let of = |(name, functions): (&str, u64)| {
        let each = parameter(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        each.saturating_mul(functions)
    };
    RESERVATIONS.into_iter().map(of).sum()
}

async fn stripe(aws: &Aws, parameters: &Parameters<'_>) -> Vec<Finding> {
    let names = ["StripeKeyArn", "StripeWebhookSecretArn"];
    let (key, webhook) = match names.map(|name| parameters.get(name)) {
        [Some(key), Some(webhook)] => (key, webhook),
        [None, None] => {
            let text = "stripe: no secrets are named";
            return vec![Finding::warn(
                text,
                "nobody can buy credits: see docs/operating/deploy.md",
            )];
        }
        _ => {
            let text = "stripe: one of two secrets is named";
            return vec![Finding::fail(text, format!("set both of {}", names.join(", ")))];
        }
    };
    let env = &parameters.settings.env;
    let is_deployed = parameters.stack.is_some();
    vec![
        secret(aws, names[0], &key, |text| stripe_key(text, env)).await,
        secret(aws, names[1], &webhook, |text| signing_secret(text, is_deployed)).await,
    ]
}

/// Reads a secret and looks at its form. The text is never shown.
async fn secret(aws: &Aws, name: &str, arn: &str, form: impl Fn(&str) -> Finding) -> Finding {
    // arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-RANDOM
    let parts: Vec<&str> = arn.split(':').collect();
    let suffix = arn.rsplit_once('-').map(|(_, suffix)| suffix).unwrap_or_default();
    let is_full = suffix.len() == 6 && suffix.chars().all(|letter| letter.is_ascii_alphanumeric());
    let [_, _, "secretsmanager", region, _, "secret", _] = parts[..] else {
        return Finding::fail(format!("{name}: it is no ARN of a secret"), "copy the secret's ARN");
    };
    if !is_full {
        let text = format!("{name}: the ARN has no six characters at its end");
        return Finding::fail(text, "copy the secret's full ARN: the functions may read only that");
    }
    if region != aws.region {
        let text = format!("{name}: the secret is in {region}, the stack in {}", aws.region);
        return Finding::fail(text, "make it in the stack's region");
    }
    let named = json!({ "SecretId": arn });
    match aws.json(Service::SecretsManager, "GetSecretValue", &named).await {
        Ok(answer) => match answer["SecretString"].as_str() {
            Some(text) => form(text),
            None => Finding::fail(format!("{name}: it is not plain text"), "store a plain text"),
        },
        Err(error @ AwsError::Refused { .. }) => {
            let text = format!("{name}: {error}");
            Finding::fail(text, "make the secret, or ask who may read it")
        }
        Err(error) => unseen(name, &error),
    }
}

fn stripe_key(text: &str, env: &str) -> Finding {
    let kind = ["rk_live_", "rk_test_", "sk_live_", "sk_test_"];
    let Some(kind) = kind.into_iter().find(|kind| text.starts_with(kind)) else {
        let advice = "store a restricted key of Stripe: rk_live_... or rk_test_...";
        return Finding::fail("StripeKeyArn: it holds no key of Stripe", advice);
    };
    if text.trim() != text {
        let advice = "store it without the space or the end of line";
        return Finding::fail("StripeKeyArn: there is space around the key", advice);
    }
    let found = format!("StripeKeyArn: a key {kind}...");
    match kind {
        kind if kind.starts_with("sk_") => {
            Finding::warn(found, "a restricted key (rk_) may do less if it is stolen")
        }
        "rk_test_" if env.starts_with("prod") => {
            Finding::warn(found, format!("a test key in {env}: no real money moves"))
        }
        _ => Finding::ok(found),
    }
}

fn signing_secret(text: &str, is_deployed: bool) -> Finding {
    let secrets: Vec<&str> = text.split(' ').collect();
    let name = "StripeWebhookSecretArn";
    if secrets.len() <= 2 && secrets.iter().all(|secret| secret.starts_with("whsec_")) {
        return Finding::ok(format!("{name}: {} signing secret", secrets.len()));
    }
    let text = format!("{name}: it holds no signing secret (whsec_...)");
    let advice = "make the webhook endpoint in Stripe and store its secret";
    // Before the first deploy the endpoint has no address yet.
    if is_deployed { Finding::fail(text, advice) } else { Finding::warn(text, advice) }
}

async fn alarms(aws: &Aws, parameters: &Parameters<'_>) -> Finding {
    let made = parameters.stack.and_then(|stack| {
        stack.of_type("AWS::SNS::Topic").next().map(|(_, topic)| topic.to_owned())
    });
    let Some(topic) = parameters.get("AlarmTopicArn").or(made) else {
        return match parameters.get("AlarmEmail") {
            Some(_) => Finding::ok("alarms: the deploy subscribes AlarmEmail"),
            None => Finding::fail("alarms: nobody hears them", "set AlarmEmail or AlarmTopicArn"),
        };
    };
    let named = [("TopicArn".to_owned(), topic)];
    let listed = match aws.query(Service::Sns, "ListSubscriptionsByTopic", &named).await {
        Ok(listed) => listed,
        Err(error) => return unseen("alarms", &error),
    };
    let subscriptions = xml::list(&listed, "Subscriptions").unwrap_or_default();
    let is_confirmed = |subscription: &xml::Record| {
        subscription.get("SubscriptionArn").is_some_and(|arn| arn.starts_with("arn:"))
    };
    let confirmed = subscriptions.iter().filter(|one| is_confirmed(one)).count();
    match (confirmed, subscriptions.len()) {
        (0, 0) => Finding::fail("alarms: nobody is subscribed", "set AlarmEmail"),
        (0, _) => {
            let advice = "follow the link in the mail that SNS sent";
            Finding::fail("alarms: no subscription is confirmed", advice)
        }
        (confirmed, _) => Finding::ok(format!("alarms: {confirmed} subscribed")),
    }
}

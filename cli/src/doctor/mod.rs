//! `doctor`: whether a stack can be deployed here, and whether a deployed one is complete.

mod account;
mod finding;
mod samconfig;
mod tools;

use std::path::PathBuf;

use crate::aws::{Aws, AwsError, Deployed};

pub use account::{REQUESTS_PER_SECOND, RESERVATIONS};
pub use finding::{Finding, Level};
pub use samconfig::{ConfigError, Settings};

/// What the doctor looks at.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The samconfig.toml, and the environment in it.
    pub samconfig: PathBuf,
    pub config_env: String,
    /// The stack, if it is not the one that the samconfig names.
    pub stack: Option<String>,
    pub region: Option<String>,
}

/// Looks at everything, and calls `told` with each finding.
///
/// # Errors
/// [`ConfigError`] if the samconfig cannot be read.
pub async fn examine(
    patient: &Patient,
    mut told: impl FnMut(&Finding),
) -> Result<Level, ConfigError> {
    let settings = Settings::read(&patient.samconfig, &patient.config_env)?;
    if let Some(stack) = &patient.stack
        && !settings.stack_name.is_empty()
        && *stack != settings.stack_name
    {
        let (env, of) = (settings.env, settings.stack_name);
        return Err(ConfigError::OtherStack { env, of, stack: stack.clone() });
    }
    let mut worst = Level::Ok;
    let mut tell = |findings: Vec<Finding>| {
        for finding in findings {
            told(&finding);
            worst = match (worst, finding.level) {
                (Level::Fail, _) | (_, Level::Fail) => Level::Fail,
                (Level::Warn, _) | (_, Level::Warn) => Level::Warn,
                (Level::Ok, Level::Ok) => Level::Ok,
            };
        }
    };
    tell(tools::examine(&settings).await);
    let aws = match Aws::load(patient.region.clone()).await {
        Ok(aws) => aws,
        Err(error) => {
            tell(vec![Finding::fail(error.to_string(), "nothing in AWS could be looked at")]);
            return Ok(worst);
        }
    };
    let name = patient.stack.as_ref().unwrap_or(&settings.stack_name);
    let stack = match Deployed::read(&aws, name).await {
        Ok(stack) => {
            tell(vec![deployed(&stack)]);
            Some(stack)
        }
        Err(AwsError::NoStack { stack, region }) => {
            tell(vec![Finding::ok(format!("stack: {stack} is not deployed in {region} yet"))]);
            None
        }
        Err(error) => {
            tell(vec![Finding::fail(format!("stack: {error}"), "look at the caller's role")]);
            None
        }
    };
    tell(account::examine(&aws, &settings, stack.as_ref()).await);
    Ok(worst)
}

fn deployed(stack: &Deployed) -> Finding {
    let text = format!("stack: {} is {}", stack.name, stack.status);
    match stack.status.as_str() {
        status if status.ends_with("_IN_PROGRESS") => {
            Finding::warn(text, "wait until CloudFormation is done")
        }
        status if status.ends_with("_FAILED") || status == "ROLLBACK_COMPLETE" => {
            Finding::fail(text, "CloudFormation's events of the stack say why")
        }
        _ => Finding::ok(text),
    }
}

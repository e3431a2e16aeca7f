//! The settings of an environment in samconfig.toml, as far as the doctor looks at them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: {source}: run it in a clone of Scrip, or give --samconfig", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", .path.display())]
    NotToml { path: PathBuf, source: toml::de::Error },
    #[error("{} has no [{env}.deploy.parameters]; it has: {}", .path.display(), known.join(", "))]
    NoEnvironment { path: PathBuf, env: String, known: Vec<String> },
    /// The environment deploys another stack than the one to look at.
    #[error("[{env}] deploys {of}, not {stack}: give --config-env")]
    OtherStack { env: String, of: String, stack: String },
}

/// The settings of one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub env: String,
    pub stack_name: String,
    parameters: BTreeMap<String, String>,
}

impl Settings {
    /// The settings of the environment `env`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path, env: &str) -> Result<Settings, ConfigError> {
        let path_of = || path.to_owned();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path_of(), source })?;
        let document: toml::Table = toml::from_str(&text)
            .map_err(|source| ConfigError::NotToml { path: path_of(), source })?;
        let deploy = |env: &str| document.get(env)?.get("deploy")?.get("parameters");
        let Some(parameters) = deploy(env) else {
            let known = document.keys().filter(|name| deploy(name).is_some()).cloned().collect();
            return Err(ConfigError::NoEnvironment { path: path_of(), env: env.to_owned(), known });
        };
        // Both of SAM's forms: a list, or one text with spaces between.
        let overrides: Vec<&str> = match parameters.get("parameter_overrides") {
            Some(toml::Value::Array(list)) => {
                list.iter().filter_map(|pair| pair.as_str()).collect()
            }
            Some(toml::Value::String(text)) => text.split_whitespace().collect(),
            _ => Vec::new(),
        };
        let name = parameters.get("stack_name").and_then(|name| name.as_str());
        let stack_name = name.unwrap_or_default().to_owned();
        let pairs = overrides.iter().filter_map(|pair| pair.split_once('='));
        let unquoted = |value: &str| value.trim_matches('"').to_owned();
        let parameters =
            pairs.map(|(name, value)| (name.trim().to_owned(), unquoted(value))).collect();
        Ok(Settings { env: env.to_owned(), stack_name, parameters })
    }

    /// A parameter that the next deploy sets. None: it is not set, or empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

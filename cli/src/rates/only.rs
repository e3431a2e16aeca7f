//! Which providers and models of a file are imported.

use std::str::FromStr;

/// A provider, or some models of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    provider: String,
    models: Models,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Models {
    Beginning(String),
    Named(String),
}

impl Only {
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Whether it means the model `id` of `provider`.
    pub fn means(&self, provider: &str, id: &str) -> bool {
        let model = match &self.models {
            Models::Beginning(prefix) => id.starts_with(prefix),
            Models::Named(name) => id == name,
        };
        model && self.provider == provider
    }
}

impl FromStr for Only {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Only, &'static str> {
        let (provider, models) = text.split_once(':').unwrap_or((text, ""));
        let models = match models.strip_prefix('=') {
            Some(name) => Models::Named(name.to_owned()),
            None => Models::Beginning(models.to_owned()),
        };
        match (provider, &models) {
            ("", _) => Err("names no provider"),
            (_, Models::Named(name)) if name.is_empty() => Err("names no model behind :="),
            _ => Ok(Only { provider: provider.to_owned(), models }),
        }
    }
}

impl std::fmt::Display for Only {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Only { provider, models } = self;
        match models {
            Models::Beginning(prefix) if prefix.is_empty() => f.write_str(provider),
            Models::Beginning(prefix) => write!(f, "{provider}:{prefix}"),
            Models::Named(name) => write!(f, "{provider}:={name}"),
        }
    }
}

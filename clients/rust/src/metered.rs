//! Charges by meters: the tokens that a model used, as counts or as its provider told them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tokens by meter. A token is counted by one meter alone; at most 10^12 each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meters {
    // Always there: a request needs a meter, if none has a count.
    pub input: u64,
    /// Read from the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input: u64,
    /// Written to it for 5 minutes.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Written to it for an hour.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// With those of thinking.
    #[serde(skip_serializing_if = "is_zero")]
    pub output: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub input_audio: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input_audio: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub output_audio: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub input_image: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub output_image: u64,
    /// The meters that this version of the client does not name.
    #[serde(flatten)]
    pub more: BTreeMap<String, u64>,
}

/// The provider whose usage object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageFormat {
    OpenAi,
    Anthropic,
    Google,
}

impl Meters {
    /// Whether nothing was used.
    pub(crate) fn is_nothing(&self) -> bool {
        let zeros = Meters::default();
        let more_is_zero = self.more.values().all(is_zero);
        more_is_zero && *self == Meters { more: self.more.clone(), ..zeros }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

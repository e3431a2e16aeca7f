//! Fields that hold either an id or the whole object.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Named {
    Id(String),
    Object { id: String },
}

impl Named {
    pub(super) fn id(self) -> String {
        let (Named::Id(id) | Named::Object { id }) = self;
        id
    }
}

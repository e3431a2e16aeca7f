//! The data of the start page that is not in the stack.

use super::lasting::Lasting;

/// The start page's own data.
#[derive(Clone, Debug, Default)]
pub struct Start {
    pub(super) lasting: Lasting,
    /// The editor's address: `http://127.0.0.1:3001`. None: there is no editor.
    pub(super) editor: Option<String>,
}

impl Start {
    /// A start page that links to an editor at this origin.
    pub fn with_editor(origin: String) -> Start {
        Start { editor: Some(origin), ..Start::default() }
    }
}

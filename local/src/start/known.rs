//! What the start page knows of the stack that it does not ask it.

use super::lasting::Lasting;

/// What the start page knows besides the stack.
#[derive(Clone, Debug, Default)]
pub struct Start {
    pub(super) lasting: Lasting,
    /// Where the small editor is: `http://127.0.0.1:3001`. None: there is none.
    pub(super) editor: Option<String>,
}

impl Start {
    /// One that leads to an editor at this origin.
    pub fn with_editor(origin: String) -> Start {
        Start { editor: Some(origin), ..Start::default() }
    }
}

//! Serves the files of `files/`, at an address with a hash of all of them.

use std::fmt::Write as _;
use std::sync::LazyLock;

use lambda_http::{Body, Response};
use sha2::{Digest, Sha256};
use shared::http::{Call, Problem, page};

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, content type and content of each file.
pub const FILES: [(&str, &str, &str); 7] = [
    ("en.js", SCRIPT, include_str!("../files/en.js")),
    ("icon.svg", "image/svg+xml", include_str!("../files/icon.svg")),
    ("page.css", "text/css; charset=utf-8", include_str!("../files/page.css")),
    ("page.js", SCRIPT, include_str!("../files/page.js")),
    ("say.js", SCRIPT, include_str!("../files/say.js")),
    ("scrip.js", SCRIPT, include_str!("../files/scrip.js")),
    ("watch.js", SCRIPT, include_str!("../files/watch.js")),
];

/// The folder of the files: its address changes whenever a file changes. The files name each other
/// by relative addresses, so none of them depends on it.
pub(super) static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, _, text) in FILES {
        hash.update(name);
        hash.update(text);
    }
    let digest = hash.finalize();
    digest[..8].iter().fold("/assets/".to_owned(), |mut folder, byte| {
        let _ = write!(folder, "{byte:02x}");
        folder
    })
});

/// One of the files, under a hash. During a deploy a page may ask with another version's hash: it
/// gets the file of this version, and no browser caches it under that hash.
pub(super) fn file(call: &Call<'_>, hash: &str, name: &str) -> Result<Response<Body>, Problem> {
    let found = FILES.iter().find(|(known, _, _)| *known == name);
    let (_, kind, text) = found.ok_or_else(|| call.no_route())?;
    let ours = FOLDER.strip_prefix("/assets/") == Some(hash);
    Ok(page::file(kind, text, ours))
}

/// The widget at a fixed address: one line that imports the current file.
pub(super) fn widget() -> Response<Body> {
    page::module(format!("import \".{}/scrip.js\";\n", *FOLDER))
}

//! Serves the elements for a product's pages, at a fixed address and at exact ones with their hash.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::{Body, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384};
use shared::http::{Call, page};

use super::files::{FILES, File, compressed, folder};

/// The elements of the release before; none: it is the first.
const PREVIOUS: &[File] = include!(concat!(env!("OUT_DIR"), "/previous.rs"));

/// The elements with their folders: those of today, and those of the release before if they differ.
static EXACT: LazyLock<Vec<(String, &'static File)>> = LazyLock::new(|| {
    let mut all = vec![(exact_folder(current()), current())];
    all.extend(PREVIOUS.iter().map(|file| (exact_folder(file), file)));
    all.dedup_by(|(one, _), (other, _)| one == other);
    all
});

fn current() -> &'static File {
    FILES.iter().find(|file| file.name == "scrip.js").expect("it is built")
}

/// The folder of a file of elements: its hash is of this file alone.
fn exact_folder(file: &File) -> String {
    folder(Sha256::new_with_prefix(file.text))
}

/// The elements at a fixed address.
pub(super) fn fixed(call: &Call<'_>) -> Response<Body> {
    let file = current();
    compressed(call, page::fixed(file.kind, file.text.to_owned()), file)
}

/// The elements under a hash. Another hash than of [`EXACT`] gets those of today, which no browser
/// caches under it; a page that names the file's hash refuses them.
pub(super) fn exact(call: &Call<'_>, hash: &str) -> Response<Body> {
    let found = EXACT.iter().find(|(folder, _)| folder.strip_prefix("/assets/") == Some(hash));
    let file = found.map_or_else(current, |(_, file)| file);
    compressed(call, page::file(file.kind, file.text, found.is_some()), file)
}

/// The exact addresses with their hashes, for pages that name them.
pub(super) fn addresses() -> Response<Body> {
    let mut each = EXACT.iter().map(|(folder, file)| {
        let integrity = format!("sha384-{}", STANDARD.encode(Sha384::digest(file.text)));
        json!({ "url": format!("{folder}/scrip.js"), "integrity": integrity })
    });
    let mut all = each.next().expect("those of today");
    all["previous"] = each.next().unwrap_or(Value::Null);
    page::fixed("application/json", all.to_string())
}

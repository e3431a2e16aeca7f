//! Serves the files that browsers load, at an address with a hash of all of them.

use std::fmt::Write as _;
use std::sync::LazyLock;

use lambda_http::{Body, Response};
use sha2::{Digest, Sha256};
use shared::http::{Call, Problem, page};

use super::compress;

/// A file that browsers load, as it is and compressed at build.
pub struct File {
    /// The last part of its address.
    pub name: &'static str,
    /// Its content type.
    pub kind: &'static str,
    pub text: &'static str,
    /// The text, compressed by gzip.
    pub gzip: &'static [u8],
}

/// The icon, the page's module in each language, and the module of the elements.
pub const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The folder of the files: its address changes whenever a file changes.
pub(super) static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for file in FILES {
        hash.update(file.name);
        hash.update(file.text);
    }
    folder(hash)
});

/// The address of a folder with this hash.
pub(super) fn folder(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest[..8].iter().fold("/assets/".to_owned(), |mut folder, byte| {
        let _ = write!(folder, "{byte:02x}");
        folder
    })
}

/// One of the files, under a hash. During a deploy a page may ask with another version's hash: it
/// gets the file of this version, and no browser caches it under that hash.
pub(super) fn file(call: &Call<'_>, hash: &str, name: &str) -> Result<Response<Body>, Problem> {
    let found = FILES.iter().find(|file| file.name == name).ok_or_else(|| call.no_route())?;
    let ours = FOLDER.strip_prefix("/assets/") == Some(hash);
    Ok(compressed(call, page::file(found.kind, found.text, ours), found))
}

/// The answer with the file's compressed text, for a browser that accepts it.
pub(super) fn compressed(call: &Call<'_>, response: Response<Body>, file: &File) -> Response<Body> {
    compress::either(call, response, |_| file.gzip.to_vec())
}

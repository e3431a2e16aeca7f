//! Prepares what the function serves: the list of its templates and languages, and its files, each
//! joined from its modules and compressed.

mod join;
mod pseudo;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};

const SCRIPT: &str = "text/javascript; charset=utf-8";

fn main() {
    for folder in ["build", "previous", "script", "templates", "texts"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let pseudo = pseudo::of(table(Path::new("texts/en.json")));
    fs::write(out.join("ar-XB.json"), pseudo.to_string()).expect("OUT_DIR is ours");
    let mut languages = below(&root.join("texts"));
    languages.push(("ar-XB.json".to_owned(), out.join("ar-XB.json")));
    let templates = below(&root.join("templates"));
    fs::write(out.join("templates.rs"), list(&templates)).expect("OUT_DIR is ours");
    fs::write(out.join("languages.rs"), list(&languages)).expect("OUT_DIR is ours");
    fs::write(out.join("files.rs"), files(&out, &pseudo)).expect("OUT_DIR is ours");
    fs::write(out.join("previous.rs"), previous(&out)).expect("OUT_DIR is ours");
}

/// The paths of the files below `folder`, in order.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is in this package");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    let below = |path: PathBuf| if path.is_dir() { paths(&path) } else { vec![path] };
    found.into_iter().flat_map(below).collect()
}

/// The files in `folder` and below: the name of each in it, and its path.
fn below(folder: &Path) -> Vec<(String, PathBuf)> {
    let named = |path: PathBuf| {
        let name = path.strip_prefix(folder).expect("it is below");
        (name.to_str().expect("a name is text").to_owned(), path)
    };
    paths(folder).into_iter().map(named).collect()
}

/// A list for Rust of the names and texts of files.
fn list(files: &[(String, PathBuf)]) -> String {
    let mut list = "&[\n".to_owned();
    for (name, path) in files {
        let _ = writeln!(list, "    ({name:?}, include_str!({path:?})),");
    }
    list + "]\n"
}

/// A list for Rust of the files that browsers load.
///
/// The elements do not speak the pseudo-language: each customer would load it.
fn files(out: &Path, pseudo: &Value) -> String {
    let tables: Vec<Value> = paths(Path::new("texts")).iter().map(|path| table(path)).collect();
    let mut list = "&[\n".to_owned();
    let mut add = |name: &str, kind: &str, text: &str| list.push_str(&row(out, name, kind, text));
    add("icon.svg", "image/svg+xml", &join::read("icon.svg"));
    for texts in tables.iter().chain([pseudo]) {
        let name = format!("page.{}.js", texts["lang"].as_str().expect("a tag"));
        let table = Value::Object(part(texts, &["element", "script"]));
        add(&name, SCRIPT, &join::joined("page.js", &format!("const t = {table};\n")));
    }
    let elements = tables.iter().map(|texts| {
        let lang = texts["lang"].as_str().expect("a tag").to_owned();
        (lang, Value::Object(part(texts, &["element"])))
    });
    let elements = Value::Object(elements.collect());
    add("scrip.js", SCRIPT, &join::joined("scrip.js", &format!("const tables = {elements};\n")));
    list + "]\n"
}

/// A list for Rust of the elements of the release before: one file, or none.
fn previous(out: &Path) -> String {
    let path = Path::new("previous/scrip.js");
    let text = path.exists().then(|| fs::read_to_string(path).expect("text"));
    let rows = text.map(|text| row(out, "previous.js", SCRIPT, &text)).unwrap_or_default();
    format!("&[\n{rows}]\n")
}

/// A file for Rust, as it is and compressed.
fn row(out: &Path, name: &str, kind: &str, text: &str) -> String {
    let (plain, packed) = (out.join(name), out.join(format!("{name}.gz")));
    fs::write(&plain, text).expect("OUT_DIR is ours");
    fs::write(&packed, compressed(text)).expect("OUT_DIR is ours");
    let (text, gzip) = (format!("include_str!({plain:?})"), format!("include_bytes!({packed:?})"));
    format!("    File {{ name: {name:?}, kind: {kind:?}, text: {text}, gzip: {gzip} }},\n")
}

fn table(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("it is listed");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts of some parts of a language, with its tag and direction.
fn part(texts: &Value, parts: &[&str]) -> Map<String, Value> {
    let own = ["lang", "dir"].map(|key| (key.to_owned(), texts[key].clone()));
    let texts = parts.iter().flat_map(|part| texts[part].as_object().expect("a part").clone());
    own.into_iter().chain(texts).collect()
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

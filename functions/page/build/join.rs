//! Joins modules into one file: a browser then sends one request for all of them.
//!
//! A module imports names of others on lines `import { a, b } from './x.js';` and declares each
//! export where it defines it. The joined modules share one scope, so their names differ. Comments
//! and indentation are left out: every customer loads them.

use std::fs;

/// The module of texts, which differs by language.
const TEXTS: &str = "texts.js";

/// The text of a file of `script/`.
pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(format!("script/{name}"))
        .unwrap_or_else(|error| panic!("script/{name}: {error}"))
}

/// The module `entry` behind all that it imports. `texts` is the module of texts.
pub(crate) fn joined(entry: &str, texts: &str) -> String {
    let (mut done, mut text) = (Vec::new(), String::new());
    add(entry, texts, &mut done, &mut text);
    text
}

fn add(name: &str, texts: &str, done: &mut Vec<String>, text: &mut String) {
    if done.iter().any(|known| known == name) {
        return;
    }
    done.push(name.to_owned());
    if name == TEXTS {
        text.push_str(texts);
        return;
    }
    let module = read(name);
    let is_import = |line: &&str| line.starts_with("import ");
    for line in module.lines().filter(is_import) {
        let from = line.strip_suffix("';").and_then(|line| line.split_once("} from './"));
        let (_, from) =
            from.unwrap_or_else(|| panic!("script/{name} imports in another way: {line}"));
        add(from, texts, done, text);
    }
    let mut in_comment = false;
    for line in module.lines().filter(|line| !is_import(line)).map(str::trim) {
        in_comment |= line.starts_with("/**");
        if !in_comment && !line.is_empty() && !line.starts_with("//") {
            text.push_str(line.strip_prefix("export ").unwrap_or(line));
            text.push('\n');
        }
        in_comment &= !line.ends_with("*/");
    }
}

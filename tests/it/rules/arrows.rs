//! Finds which file of a package names which other: it follows paths to the definition of a name,
//! through re-exports by `use`.
//!
//! `mod` is no arrow, and neither is a `pub use` that a module only passes on: a user of the name
//! depends on the file behind it.

use std::collections::{BTreeMap, BTreeSet};

/// Arrows between the files of a package, by name: from a file to the files that it names.
pub(super) type Arrows<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The arrows between files, each with its path below the package's source folder and its text.
pub(super) fn arrows(files: &[(String, String)]) -> Arrows<'_> {
    let package = Package::read(files);
    let names = package.modules.iter();
    names.map(|(place, module)| (module.file, package.named_by(place, module))).collect()
}

/// Circles of arrows: in each, a file names the next, and the last names the first. Removing the
/// last arrow of each leaves no circle.
pub(super) fn circles<'a>(mut arrows: Arrows<'a>) -> Vec<Vec<&'a str>> {
    let mut circles = Vec::new();
    while let Some(circle) = circle(&arrows) {
        let (first, last) = (circle[0], circle[circle.len() - 1]);
        arrows.get_mut(last).expect("a file").remove(first);
        circles.push(circle);
    }
    circles
}

fn circle<'a>(arrows: &Arrows<'a>) -> Option<Vec<&'a str>> {
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|file| circle_from(arrows, file, &mut Vec::new(), &mut done))
}

fn circle_from<'a>(
    arrows: &Arrows<'a>,
    file: &'a str,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(begins) = way.iter().position(|passed| *passed == file) {
        return Some(way[begins..].to_vec());
    }
    if !done.insert(file) {
        return None;
    }
    way.push(file);
    let mut named = arrows[file].iter();
    let found = named.find_map(|next| circle_from(arrows, next, way, done));
    way.pop();
    found
}

/// A module's place in its package: empty for the root.
type Place<'a> = Vec<&'a str>;

struct Package<'a> {
    modules: BTreeMap<Place<'a>, Module<'a>>,
}

struct Module<'a> {
    file: &'a str,
    /// The names that its `use` lines import.
    uses: Vec<Use<'a>>,
    /// Its other words.
    body: Vec<&'a str>,
}

struct Use<'a> {
    name: &'a str,
    path: Vec<&'a str>,
    /// Whether it is a re-export.
    public: bool,
}

/// The target of a path, within the package.
#[derive(Debug, PartialEq, Eq)]
enum End<'a> {
    Module(Place<'a>),
    /// A name that this module defines.
    In(Place<'a>),
}

impl<'a> Package<'a> {
    fn read(files: &'a [(String, String)]) -> Package<'a> {
        let root =
            ["lib.rs", "main.rs"].into_iter().find(|root| files.iter().any(|(f, _)| f == root));
        let place = |file: &'a str| if Some(file) == root { Vec::new() } else { place(file) };
        let modules = files.iter().map(|(file, text)| (place(file), Module::read(file, text)));
        Package { modules: modules.collect() }
    }

    fn named_by(&self, place: &Place<'a>, module: &Module<'a>) -> BTreeSet<&'a str> {
        let mut ends = Vec::new();
        let mut aliases = BTreeSet::new();
        for used in &module.uses {
            let said = module.body.contains(&used.name);
            match self.follow(place, &used.path) {
                Some(End::Module(_)) if said => drop(aliases.insert(used.name)),
                Some(end) if said || !used.public => ends.push(end),
                _ => {}
            }
        }
        let begins = |word: &&str| {
            matches!(*word, "crate" | "super" | "self")
                || aliases.contains(word)
                || self.modules.contains_key(&[place, &[*word][..]].concat())
        };
        for path in paths(&module.body, begins) {
            ends.extend(self.follow(place, &path));
        }
        let files =
            ends.iter().map(|(End::Module(place) | End::In(place))| self.modules[place].file);
        files.filter(|file| *file != module.file).collect()
    }

    /// The target of a path in the module at `from`. None: outside the package.
    fn follow(&self, from: &Place<'a>, path: &[&'a str]) -> Option<End<'a>> {
        let mut at = from.clone();
        for (n, word) in path.iter().enumerate() {
            let below = [&at[..], &[*word]].concat();
            match *word {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ if self.modules.contains_key(&below) => at = below,
                _ => return self.follow_used(&at, &path[n..], n > 0),
            }
        }
        Some(End::Module(at))
    }

    /// Follows a name that is no module below `at`: `at` imports it, or defines it.
    fn follow_used(&self, at: &Place<'a>, rest: &[&'a str], inside: bool) -> Option<End<'a>> {
        let module = &self.modules[at];
        let Some(used) = module.uses.iter().find(|used| used.name == rest[0]) else {
            // A path that begins with an unknown word begins in another package.
            return inside.then(|| End::In(at.clone()));
        };
        // The name of another package, imported by its own name.
        if used.path[0] == rest[0] && used.path.len() == 1 {
            return None;
        }
        match self.follow(at, &used.path)? {
            End::Module(place) if rest.len() > 1 => {
                let below = [&["self"], &rest[1..]].concat();
                self.follow(&place, &below)
            }
            end => Some(end),
        }
    }
}

impl<'a> Module<'a> {
    fn read(file: &'a str, text: &'a str) -> Module<'a> {
        let words = words(text);
        let (mut uses, mut body) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < words.len() {
            if words[at] != "use" {
                body.push(words[at]);
                at += 1;
                continue;
            }
            // `pub use`, or `pub(super) use`.
            let public = at > 0 && matches!(words[at - 1], "pub" | ")");
            let end = at + words[at..].iter().position(|word| *word == ";").expect("a use ends");
            let tree = &words[at + 1..end];
            let mut found = Vec::new();
            read_tree(tree, &mut 0, &[], &mut found);
            uses.extend(found.into_iter().map(|(path, name)| Use { name, path, public }));
            at = end + 1;
        }
        Module { file, uses, body }
    }
}

/// The module of a file, unless it is the root.
fn place(file: &str) -> Place<'_> {
    let mut place: Place<'_> = file.trim_end_matches(".rs").split('/').collect();
    if place.last() == Some(&"mod") {
        place.pop();
    }
    place
}

/// Reads the imports of a `use` from `words[*at]` on: each path, and its local name.
fn read_tree<'a>(
    words: &[&'a str],
    at: &mut usize,
    before: &[&'a str],
    found: &mut Vec<(Vec<&'a str>, &'a str)>,
) {
    let mut path = before.to_vec();
    while *at < words.len() {
        match words[*at] {
            "{" => {
                *at += 1;
                while words[*at] != "}" {
                    read_tree(words, at, &path, found);
                    if words[*at] == "," {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "," | "}" => break,
            "as" => {
                found.push((path, words[*at + 1]));
                *at += 2;
                return;
            }
            "::" => {}
            word => path.push(word),
        }
        *at += 1;
    }
    if path.last() == Some(&"self") {
        path.pop();
    }
    if let Some(name) = path.last().copied() {
        found.push((path, name));
    }
}

/// The paths of two words and more whose first word satisfies `begins`.
fn paths<'a>(words: &[&'a str], begins: impl Fn(&&str) -> bool) -> Vec<Vec<&'a str>> {
    let is_name = |word: &str| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut paths = Vec::new();
    for at in 0..words.len() {
        // `pub(in super::super)` sets the visibility, and names nothing.
        let first = !words[..at].ends_with(&["::"]) && !words[..at].ends_with(&["(", "in"]);
        if !first || words.get(at + 1) != Some(&"::") || !begins(&words[at]) {
            continue;
        }
        let mut path = vec![words[at]];
        for pair in words[at + 1..].chunks(2) {
            match *pair {
                ["::", name] if is_name(name) => path.push(name),
                _ => break,
            }
        }
        paths.push(path);
    }
    paths
}

/// The words of a Rust file, with `::` as one, without comments and quoted text.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = quoted(rest) {
            length
        } else if is_name(first) {
            rest.find(|c| !is_name(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(length);
        if !first.is_whitespace() && !word.starts_with("//") && quoted(rest).is_none() {
            words.push(word);
        }
        rest = after;
    }
    words
}

/// The length of the string or character literal that begins here. None: none does, or a lifetime.
fn quoted(rest: &str) -> Option<usize> {
    if let Some(raw) = rest.strip_prefix('r').filter(|raw| raw.starts_with(['"', '#'])) {
        let hashes = raw.find(|c| c != '#')?;
        let begin = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(rest.len() - begin.len() + begin.find(&end)? + end.len());
    }
    let mark = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    for (n, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return Some(n + 1),
            // `'a` without a second mark: a lifetime.
            _ if mark == '\'' && n > 1 && !rest.starts_with("'\\") => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn a_dependency_cycle_is_found_by_whatever_path() {
    let package = |files: &[(&str, &str)]| -> Vec<(String, String)> {
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    };
    let circle_of = |files: &[(&str, &str)]| {
        let files = package(files);
        let found = circles(arrows(&files)).into_iter().next();
        found.map(|found| found.join(" → "))
    };
    let root = ("lib.rs", "pub mod a; mod b; pub use a::{A, run as go};");
    let cases = [
        // Directly, by a `use` and by a path in the code.
        ("use crate::b::B; struct A;", "fn f() { crate::a::run(); }", true),
        // By a re-export of the root, also under another name.
        ("use crate::b::B;", "use crate::A;", true),
        ("use super::b;  fn run() { b::f() }", "fn f() { super::go() }", true),
        // By a group in a group, and by the module's name.
        ("use crate::{b::{self, B}}; fn f() { b::g() }", "use crate::a::A as Other;", true),
        // One way only; quoted text and comments are no names.
        ("use crate::b::B; struct A;", "struct B; // crate::a::A", false),
        (
            "use crate::b::B;",
            r#"const B: (&str, char) = ("crate::a::A", '"'); fn f<'a>() {}"#,
            false,
        ),
        ("use crate::b::B;", "pub(in crate::a) struct B;", false),
        // The root re-exports both, and names neither.
        ("struct A;", "use crate::A;", false),
    ];
    for (a, b, found) in cases {
        let circle = circle_of(&[root, ("a.rs", a), ("b.rs", b)]);
        assert_eq!(circle.as_deref(), found.then_some("a.rs → b.rs"), "{a} and {b}");
    }
    // A module that uses what a file below it defines, and the file what the module defines.
    let (above, below) = ("mod c; use c::C; pub struct A(C);", "use super::A; pub struct C;");
    let files = [("lib.rs", "mod a;"), ("a/mod.rs", above), ("a/c.rs", below)];
    assert_eq!(circle_of(&files).as_deref(), Some("a/c.rs → a/mod.rs"));
    // Re-exported, and not used in the module itself.
    let files = [files[0], ("a/mod.rs", "mod c; pub use c::C; pub struct A;"), files[2]];
    assert_eq!(circle_of(&files), None);
}

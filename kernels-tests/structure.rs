//! The house rules that can be read off the files: which way imports point, where things lie, how long
//! they are.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Rooms of the engine from the ground up: each may import those of the lines above it.
const FLOORS: [&[&str]; 11] = [
    &["gpu"],
    &["graph"],
    &["ops"],
    &["nn"],
    &["models"],
    &["loss", "optim"],
    &["infer"],
    &["train"],
    &["bench"],
    &["experiment"],
    &["cli"],
];

/// Rooms that know nothing of the engine, with the rooms they may import. From [`OPEN`] up all may be
/// imported.
const LEAVES: [(&str, &[&str]); 4] =
    [("io", &[]), ("metrics", &[]), ("data", &["io"]), ("report", &["io", "metrics"])];

/// The lowest room that may import leaves.
const OPEN: &str = "infer";

/// Imports that the order allows and that are still wrong.
const APART: [(&str, &str); 2] = [("nn", "gpu"), ("models", "gpu")];

/// Most lines of a source file.
const LINES: usize = 600;

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Whether `room` may import `other`; an error if one of them is unknown here.
fn allowed(room: &str, other: &str) -> Result<bool, String> {
    if other == "error" || other == room {
        return Ok(true);
    }
    let leaf = |name: &str| LEAVES.iter().find(|l| l.0 == name).map(|l| l.1);
    let unknown = |name: &str| format!("the room {name:?} is not in this test's lists; add it");
    match (floor(room), leaf(room)) {
        (Some(at), _) => match (floor(other), leaf(other)) {
            (Some(below), _) => Ok(below < at && !APART.contains(&(room, other))),
            (None, Some(_)) => Ok(floor(OPEN).is_some_and(|open| at >= open)),
            (None, None) => Err(unknown(other)),
        },
        (None, Some(may)) => Ok(may.contains(&other)),
        (None, None) => Err(unknown(room)),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` of the repository with one of the endings, as paths from the root.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a readable folder") {
            let path = folder.join(entry.expect("a readable folder").file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| endings.iter().any(|w| e == *w)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A path as it is written in Rust and on every system's command line.
fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The text with comments, strings and characters blanked out, line by line as long as before.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let starts = |i: usize, what: &str| what.chars().eq(chars[i..].iter().copied().take(what.len()));
    let mut out = String::new();
    let mut i = 0;
    while i < chars.len() {
        let word = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
        let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
        let end = if starts(i, "//") {
            chars[i..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| i + n)
        } else if starts(i, "/*") {
            (i + 2..chars.len()).find(|j| starts(*j, "*/")).map_or(chars.len(), |j| j + 2)
        } else if chars[i] == 'r' && !word && chars.get(i + 1 + hashes) == Some(&'"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let found = (i + 2 + hashes..chars.len()).find(|j| starts(*j, &close));
            found.map_or(chars.len(), |j| j + close.len())
        } else if chars[i] == '"' {
            quoted(&chars, i, '"')
        } else if chars[i] == '\'' && (chars.get(i + 1) == Some(&'\\') || chars.get(i + 2) == Some(&'\'')) {
            quoted(&chars, i, '\'')
        } else {
            out.push(chars[i]);
            i += 1;
            continue;
        };
        out.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    out
}

/// Where the literal that `quote` opens at `start` ends.
fn quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// The code without what is behind `#[cfg(test)]`, and the names of modules behind it that are files.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut out, mut modules) = (String::new(), Vec::new());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let open = item.find('{').unwrap_or(item.len());
        let semicolon = item.find(';').unwrap_or(item.len());
        let end = if semicolon < open {
            let words: Vec<&str> = item[MARK.len()..semicolon].split_whitespace().collect();
            if let [.., "mod", name] = words[..] {
                modules.push(name.to_string());
            }
            semicolon + 1
        } else {
            let mut depth = 0;
            let close = item.char_indices().find(|(_, c)| {
                depth += i32::from(*c == '{') - i32::from(*c == '}');
                *c == '}' && depth == 0
            });
            close.map_or(item.len(), |(i, _)| i + 1)
        };
        out.extend(item[..end].chars().filter(|c| *c == '\n'));
        rest = &item[end..];
    }
    out.push_str(rest);
    (out, modules)
}

/// The rooms that paths in `code` begin with, each with its line: `crate::room`, the members of
/// `crate::{...}`, and `super` from a module at `depth` as far up as the crate.
fn imports(code: &str, depth: usize) -> Vec<(usize, String)> {
    let flat = code.replace(char::is_whitespace, " ");
    let up = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", up.as_str()] {
        for (at, _) in flat.match_indices(start) {
            let line = code[..at].matches('\n').count() + 1;
            if flat[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let tail = &flat[at + start.len()..];
            let heads = if tail.starts_with('{') { members(tail) } else { vec![tail] };
            found.extend(heads.into_iter().map(|head| (line, leading_word(head))));
        }
    }
    // Types of the crate's root (`crate::Error`) are no rooms.
    found.retain(|(_, room)| room.starts_with(|c: char| c.is_lowercase()));
    found
}

/// Where each member of a group `{a, b::{c, d}}` begins.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut starts) = (0, Vec::new());
    for (i, c) in group.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 1 && (c == '{' || c == ',') {
            starts.push(&group[i + 1..]);
        } else if depth == 0 {
            break;
        }
    }
    starts
}

fn leading_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_point_one_way() {
    let (mut tests, mut sources) = (BTreeSet::new(), Vec::new());
    for path in files("src", &["rs"]) {
        let (code, modules) = without_tests(&code_only(&read(&path)));
        let folder = if path.ends_with("mod.rs") { path.with_file_name("") } else { path.with_extension("") };
        tests.extend(modules.iter().map(|m| folder.join(m).with_extension("rs")));
        sources.push((path, code));
    }
    let mut wrong = Vec::new();
    for (path, code) in sources.iter().filter(|(path, _)| !tests.contains(path)) {
        let parts: Vec<String> = slashed(path).split('/').skip(1).map(str::to_string).collect();
        let [room, .., last] = parts.as_slice() else { continue };
        let depth = parts.len() - usize::from(last == "mod.rs");
        for (line, other) in imports(code, depth) {
            let place = format!("{}:{line}", path.display());
            match allowed(room, &other) {
                Ok(true) => {}
                Ok(false) => wrong.push(format!("{place}: {room} may not import {other}")),
                Err(message) => wrong.push(format!("{place}: {message}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found() {
    let text = r##"
        use crate::{Error, gpu::{Context, Select},
            graph::Graph};
        // crate::cli
        const S: &str = "crate::cli";
        const R: &str = r#"crate::cli"#;
        fn f<'a>(c: char) -> bool { c == '"' || c == '\'' || crate::ops::g() }
        #[cfg(test)]
        mod tests { use crate::train::Trainer; fn g() {} }
        #[cfg(test)]
        mod aside;
        use super::super::nn;
        pub use self::super::there;
        use mycrate::cli;
    "##;
    let (code, modules) = without_tests(&code_only(text));
    assert_eq!(modules, ["aside"]);
    let found: Vec<(usize, String)> = imports(&code, 2);
    let want = [(2, "gpu"), (2, "graph"), (7, "ops"), (12, "nn")].map(|(l, r)| (l, r.to_string()));
    assert_eq!(found, want);
    assert_eq!(allowed("ops", "nn"), Ok(false));
    assert_eq!(allowed("train", "data"), Ok(true));
    assert_eq!(allowed("data", "gpu"), Ok(false));
    assert_eq!(allowed("graph", "io"), Ok(false));
    assert!(allowed("attic", "gpu").is_err());
}

/// Files among the operators that are none.
const HELPERS: [&str; 4] = ["mod", "check", "samples", "random"];

#[test]
fn operators_have_shaders_and_tests() {
    let mut missing = Vec::new();
    for path in files("src/ops", &["rs"]) {
        if path.file_stem().is_some_and(|stem| HELPERS.iter().any(|h| stem == *h)) {
            continue;
        }
        // A folder named as an operator holds the parts of that operator.
        if path.parent().is_some_and(|folder| root().join(folder.with_extension("rs")).is_file()) {
            continue;
        }
        let name = slashed(&path.strip_prefix("src/ops").expect("below it").with_extension(""));
        let shader = Path::new("shaders").join(&name);
        let test = Path::new("kernels-tests").join(&name).with_extension("rs");
        if !root().join(&shader).is_dir() && !root().join(shader.with_extension("wgsl")).is_file() {
            missing.push(format!("shaders/{name}.wgsl, or a folder shaders/{name}"));
        }
        if !root().join(&test).is_file() {
            missing.push(slashed(&test));
        }
    }
    assert!(missing.is_empty(), "operators lack {missing:#?}");
}

#[test]
fn files_are_short() {
    let all = ["src", "shaders", "kernels-tests"].into_iter().flat_map(|f| files(f, &["rs", "wgsl"]));
    let lines = all.map(|path| (read(&path).lines().count(), path));
    let long: Vec<_> = lines.filter(|(n, _)| *n > LINES).collect();
    assert!(long.is_empty(), "more than {LINES} lines: {long:?}");
}

#[test]
fn shaders_say_what_they_do() {
    let shaders = files("shaders", &["wgsl"]).into_iter().filter(|path| !path.starts_with("shaders/shared"));
    let silent: Vec<_> = shaders.filter(|path| !read(path).starts_with("// ")).collect();
    assert!(silent.is_empty(), "these open with no comment: {silent:?}");
}

//! `docs/papers.md` leaves no requirement out, and names files, commands and keys that there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use gyre::train::two_stage::TwoStageConfig;

/// How many requirements each paper has, and how many all of them imply.
const REQUIREMENTS: [(&str, usize); 5] = [("000", 40), ("001", 20), ("002", 12), ("003", 26), ("X", 6)];

/// What paths of the repository begin with.
const FOLDERS: [&str; 9] =
    ["src/", "shaders/", "tests/", "assets/", "docs/", "kernels-tests/", "benches/", "scripts/", "examples/"];

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/papers.md")).unwrap()
}

/// What stands between backticks.
fn code(page: &str) -> Vec<&str> {
    page.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// What stands between backticks in a column of the rows.
fn cells(page: &str, column: usize) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.starts_with("| ["));
    rows.flat_map(|row| row.trim_matches('|').split('|').nth(column).map(code).unwrap_or_default()).collect()
}

/// What the command says, where it succeeds.
fn told(args: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_gyre")).args(args).env("NO_COLOR", "1").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The keys that there are, each with the kind of its value.
fn keys() -> BTreeMap<String, String> {
    let text = told(&["config", "--explain"]).unwrap();
    let mut lines = text.lines().peekable();
    let mut keys = BTreeMap::new();
    while let Some(line) = lines.next() {
        if let (false, Some((key, _)), Some(kind)) =
            (line.starts_with(' '), line.split_once(" = "), lines.peek())
        {
            keys.insert(key.to_owned(), kind.trim().to_owned());
        }
    }
    keys
}

/// What is wrong with `key`, or `key = value`, if it is meant for a key.
fn wrong_key(keys: &BTreeMap<String, String>, text: &str) -> Option<String> {
    let (key, value) = text.split_once('=').map_or((text, ""), |(key, value)| (key.trim(), value.trim()));
    let (section, name) = key.split_once('.')?;
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !keys.keys().any(|k| k.split('.').next() == Some(section)) || !name.chars().all(is_word) {
        return None;
    }
    let Some(kind) = keys.get(key) else { return Some(format!("{text}: no such key")) };
    let value = value.trim_matches('"');
    let is_choice = kind.starts_with('"') && !value.is_empty();
    (is_choice && !kind.contains(&format!("\"{value}\""))).then(|| format!("{text}: {key} is {kind}"))
}

/// Each requirement has one row, in order, and no cell but the last is empty.
#[test]
fn every_requirement_has_a_row() {
    let page = page();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| [")).collect();
    let found: Vec<&str> = rows.iter().map(|row| &row[3..row.find(']').unwrap()]).collect();
    let all = REQUIREMENTS.iter().flat_map(|(paper, n)| (1..=*n).map(move |i| format!("{paper}-{i:02}")));
    let all: Vec<String> = all.collect();
    let times = |id: &String| found.iter().filter(|f| *f == id).count();
    let amiss: Vec<&String> = all.iter().filter(|id| times(id) != 1).collect();
    assert!(amiss.is_empty(), "missing or there twice: {amiss:?}");
    assert_eq!(found, all);
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 5 && cells[..4].iter().all(|cell| !cell.is_empty()), "{row}");
    }
}

#[test]
fn every_path_is_there() {
    let page = page();
    let is_path = |text: &&str| FOLDERS.iter().any(|folder| text.starts_with(folder));
    let paths: BTreeSet<&str> = code(&page).into_iter().filter(is_path).collect();
    assert!(paths.len() > 100);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // What a row says where it lives is a path, whatever it looks like.
    let paths = paths.into_iter().chain(cells(&page, 2));
    let lost: BTreeSet<_> = paths.filter(|path| !root.join(path).exists()).collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn every_key_is_known() {
    let (page, keys) = (page(), keys());
    let named = code(&page);
    let wrong: Vec<_> = named.iter().filter_map(|text| wrong_key(&keys, text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // How a requirement is run is a command or a key, whatever it looks like.
    let how = cells(&page, 3).into_iter().filter(|text| !text.starts_with("gyre "));
    let unknown: Vec<&str> =
        how.filter(|text| !keys.contains_key(text.split('=').next().unwrap().trim())).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(named.iter().filter(|text| keys.contains_key(**text)).count() > 100);
}

/// Subcommands and flags of every command, and the presets, experiments and keys it names.
#[test]
fn every_command_can_be_given() {
    let (page, keys) = (page(), keys());
    let presets = told(&["config", "--presets"]).unwrap();
    let mut helps: BTreeMap<Vec<&str>, Option<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let commands: BTreeSet<&str> = code(&page).into_iter().filter(|text| text.starts_with("gyre ")).collect();
    for command in &commands {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let before: Vec<&str> = words.iter().copied().take_while(|word| !word.starts_with('-')).collect();
        let args = before.iter().copied().chain(["--help"]).collect::<Vec<_>>();
        let Some(help) = helps.entry(before.clone()).or_insert_with(|| told(&args)) else {
            wrong.push(format!("{command}: no such subcommand"));
            continue;
        };
        let known: BTreeSet<&str> = help.split(|c: char| c.is_whitespace() || c == ',').collect();
        for (i, word) in words.iter().enumerate() {
            let next = words.get(i + 1).copied().unwrap_or_default();
            if word.starts_with('-') && !known.contains(word) {
                wrong.push(format!("{command}: no {word}"));
            } else if *word == "--preset" && !presets.lines().any(|l| l.starts_with(&format!("{next}:"))) {
                wrong.push(format!("{command}: no preset {next}"));
            } else if *word == "--set" && before[0] == "two-stage" {
                let sets = ["stage1=a", "stage2=b", next].map(str::to_owned);
                let odd = TwoStageConfig::from_toml("", &sets).err();
                wrong.extend(odd.map(|why| format!("{command}: {why}")));
            } else if *word == "--set" {
                wrong.extend(wrong_key(&keys, next).map(|why| format!("{command}: {why}")));
            }
        }
        if let ["experiment", experiments @ ..] = &before[..] {
            let named = experiments.iter().filter(|name| **name != "claims" && !name.ends_with(".toml"));
            let profile = words.iter().position(|word| *word == "--profile").map(|i| words[i + 1]);
            for name in named {
                let file = format!("{}/assets/experiments/{name}.toml", env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(file).unwrap_or_default();
                if text.is_empty() || profile.is_some_and(|p| !text.contains(&format!("[profiles.{p}]"))) {
                    wrong.push(format!("{command}: no such experiment or profile"));
                }
            }
        }
    }
    assert!(commands.len() > 40);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

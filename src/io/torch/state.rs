//! Finding the state dict in what a checkpoint holds.

use std::collections::{BTreeMap, HashSet};

use super::{
    Parsed,
    objects::{Heap, Object, Value},
    pickle::Loaded,
};

/// Keys under which programs keep the weights they mean; the first that holds any is taken.
const USUAL: [&str; 9] =
    ["state_dict", "model_state_dict", "model_state", "model", "net", "network", "params", "weights", "ema"];
/// How deep state dicts are looked for.
const DEEPEST: usize = 8;
/// How many places are listed where one must be chosen.
const LISTED: usize = 8;
/// What wrappers put before every name: `DataParallel`, and what `torch.compile` returns.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// A state dict.
#[derive(Debug)]
pub(super) struct State {
    /// Keys that lead to it, joined by `/`.
    pub key: String,
    /// Names, and the tensors' places in the heap.
    pub tensors: BTreeMap<String, Value>,
    /// Entries that are no tensors.
    pub others: Vec<String>,
}

/// Finds the state dict, under `key` where that is given.
///
/// # Errors
/// If there is none, or several.
pub(super) fn find(loaded: &Loaded, key: Option<&str>) -> Parsed<State> {
    let heap = &loaded.heap;
    if let Some(key) = key {
        let dict = key.split('/').try_fold(loaded.root, |at, part| entry(heap, at, part));
        let dict = dict.filter(|dict| has_tensors(heap, *dict));
        let dict = dict.ok_or_else(|| format!("holds no named tensors under {key:?}{}", hint(loaded)))?;
        return state(heap, dict, key.to_owned());
    }
    let mut found = search(loaded);
    match found.len() {
        0 => Err("holds no state dict (named tensors)".to_owned()),
        1 => {
            let (key, dict) = found.remove(0);
            state(heap, dict, key)
        }
        _ => Err(format!("holds several state dicts; choose one by --key{}", hint(loaded))),
    }
}

fn search(loaded: &Loaded) -> Vec<(String, Value)> {
    let mut search = Search { heap: &loaded.heap, seen: HashSet::new(), found: Vec::new() };
    search.visit(loaded.root, &mut Vec::new());
    search.found
}

/// Where state dicts are, for a message.
fn hint(loaded: &Loaded) -> String {
    let mut keys: Vec<String> = search(loaded).into_iter().map(|(key, _)| format!("{key:?}")).collect();
    if keys.is_empty() {
        return String::new();
    }
    let more = if keys.len() > LISTED { ", ..." } else { "" };
    keys.truncate(LISTED);
    format!(": {}{more}", keys.join(", "))
}

struct Search<'a> {
    heap: &'a Heap,
    /// Dicts may hold each other, or one many times.
    seen: HashSet<usize>,
    found: Vec<(String, Value)>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, at: Value, path: &mut Vec<&'a str>) {
        let (Value::Object(place), Some(entries)) = (at, self.heap.dict(at)) else { return };
        if path.len() > DEEPEST || self.found.len() > LISTED || !self.seen.insert(place) {
            return;
        }
        let before = self.found.len();
        for usual in USUAL {
            if let Some(inner) = entry(self.heap, at, usual) {
                self.enter(usual, inner, path);
                if self.found.len() > before {
                    return;
                }
            }
        }
        if has_tensors(self.heap, at) {
            self.found.push((path.join("/"), at));
            return;
        }
        for (key, value) in entries {
            match self.heap.text(*key) {
                // An optimiser's moments are no weights.
                Some(key) if !key.starts_with("optim") => self.enter(key, *value, path),
                _ => {}
            }
        }
    }

    fn enter(&mut self, key: &'a str, value: Value, path: &mut Vec<&'a str>) {
        path.push(key);
        self.visit(value, path);
        path.pop();
    }
}

fn is_tensor(heap: &Heap, value: Value) -> bool {
    matches!(heap.get(value), Some(Object::Tensor(_)))
}

fn has_tensors(heap: &Heap, dict: Value) -> bool {
    let entries = heap.dict(dict).unwrap_or_default();
    entries.iter().any(|(key, value)| heap.text(*key).is_some() && is_tensor(heap, *value))
}

/// The last entry of that key.
fn entry(heap: &Heap, dict: Value, key: &str) -> Option<Value> {
    let entry = heap.dict(dict)?.iter().rev().find(|(k, _)| heap.text(*k) == Some(key));
    entry.map(|(_, value)| *value)
}

fn state(heap: &Heap, dict: Value, key: String) -> Parsed<State> {
    let mut state = State { key, tensors: BTreeMap::new(), others: Vec::new() };
    let mut given: BTreeMap<String, &str> = BTreeMap::new();
    for (name, value) in heap.dict(dict).unwrap_or_default() {
        let Some(name) = heap.text(*name) else { continue };
        if !is_tensor(heap, *value) {
            state.others.push(name.to_owned());
            continue;
        }
        let short = PREFIXES.iter().fold(name, |name, prefix| name.strip_prefix(prefix).unwrap_or(name));
        if let Some(other) = given.insert(short.to_owned(), name).filter(|other| *other != name) {
            return Err(format!("{other:?} and {name:?} would both be called {short:?}"));
        }
        state.tensors.insert(short.to_owned(), *value);
    }
    Ok(state)
}

//! Who uses whom: paths are found in tokens, so that macros and attributes count too, and held against the table.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::tree::Source;

/// One row of the table.
pub struct Layer {
    /// How the paths of its files begin.
    pub files: &'static str,
    /// Modules of the crate that it may use.
    pub modules: &'static [&'static str],
    /// Dependencies that it may use.
    pub crates: &'static [&'static [&'static str]],
    /// Parts of std that it may not use.
    pub never: &'static [&'static str],
}

/// A path as it stands in the code, made absolute: `crate::…`, or a crate's name first.
#[derive(Debug, PartialEq)]
pub struct Used {
    /// Its segments.
    pub path: Vec<String>,
    /// Where it stands.
    pub line: usize,
}

impl Used {
    fn starts_with(&self, path: &str) -> bool {
        let mut own = self.path.iter();
        path.split("::").all(|segment| own.next().is_some_and(|part| part == segment))
    }
}

/// Finds what a file uses and its layer may not.
pub fn findings(source: &Source, layers: &[Layer], dependencies: &BTreeSet<String>) -> Vec<String> {
    let Source { path, tokens, .. } = source;
    if !path.starts_with("src/") {
        return Vec::new();
    }
    let fits = layers.iter().filter(|layer| path.starts_with(layer.files));
    let Some(layer) = fits.max_by_key(|layer| layer.files.len()) else {
        return vec![format!("{path}:1: belongs to no layer; add one to LAYERS in tests/tidy.rs")];
    };
    let mut findings = Vec::new();
    for used in used(tokens, &module_of(path)) {
        if let Some(why) = fault(&used, layer, dependencies) {
            findings.push(format!("{path}:{}: `{}` {why}", used.line, used.path.join("::")));
        }
    }
    findings
}

fn fault(used: &Used, layer: &Layer, dependencies: &BTreeSet<String>) -> Option<String> {
    let first = used.path[0].as_str();
    let inside = first == "crate" || first == "webjobd";
    if inside && used.path.len() > 1 {
        let below = Used { path: used.path[1..].to_vec(), line: used.line };
        let allowed = layer.modules.iter().any(|module| below.starts_with(module));
        return (!allowed).then(|| format!("is not for {}, which may use {:?}", layer.files, layer.modules));
    }
    if let Some(part) = layer.never.iter().find(|part| used.starts_with(part)) {
        return Some(format!("is not for {}: `{part}` touches the machine; take a value as an argument", layer.files));
    }
    let foreign = dependencies.contains(first) && !layer.crates.iter().any(|some| some.contains(&first));
    foreign.then(|| format!("is not for {}; its crates stand in LAYERS in tests/tidy.rs", layer.files))
}

/// Finds a file that no `mod` reaches: it would be compiled and tested by nobody.
pub fn unreachable(source: &Source, sources: &[Source]) -> Option<String> {
    let module = module_of(&source.path);
    if !source.path.starts_with("src/") || source.path.starts_with("src/bin/") || module.is_empty() {
        return None;
    }
    let (name, parent) = module.split_last().expect("a module below the crate has a name");
    let declares = |other: &Source| {
        let tokens: Vec<_> = other.tokens.clone().into_iter().map(|token| token.to_string()).collect();
        // From a file beside the folder of its modules, a path begins with that folder.
        let folder = parent.last().map_or(String::new(), |parent| format!("{parent}/"));
        let by_path = ["", &*folder].map(|folder| format!("path = \"{folder}{name}.rs\""));
        tokens.windows(3).any(|three| three == ["mod", name, ";"])
            || by_path.iter().any(|path| other.text.contains(path))
    };
    let reached = sources.iter().any(|other| {
        other.path.starts_with("src/")
            && other.path != source.path
            && module_of(&other.path) == parent
            && declares(other)
    });
    (!reached).then(|| format!("{}:1: no `mod {name};` reaches this file", source.path))
}

/// Returns every path that tokens use, in order.
pub fn used(tokens: &TokenStream, module: &[String]) -> Vec<Used> {
    let mut found = Vec::new();
    collect(tokens, module, &mut found);
    found
}

fn collect(tokens: &TokenStream, module: &[String], found: &mut Vec<Used>) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        match &trees[at] {
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (trees.get(at + 1), trees.get(at + 2))
                {
                    collect(&body.stream(), &[module, &[name.to_string()]].concat(), found);
                    at += 2;
                }
                at += 1;
            }
            TokenTree::Ident(_) => {
                let single = at > 0 && matches!(&trees[at - 1], TokenTree::Ident(word) if word == "use");
                let before = found.len();
                at = chain(&trees, at, &[], found);
                let absolute = found.drain(before..).filter_map(|used| (single || used.path.len() > 1).then_some(used));
                let absolute: Vec<_> = absolute.map(|used| resolve(used, module)).collect();
                found.extend(absolute);
            }
            TokenTree::Group(group) => {
                collect(&group.stream(), module, found);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// Reads one path, and a `use` tree to its leaves; returns where it ends.
fn chain(trees: &[TokenTree], start: usize, prefix: &[String], found: &mut Vec<Used>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = start;
    let line = trees[start].span().start().line;
    loop {
        match trees.get(at) {
            Some(TokenTree::Ident(word)) if word == "self" && !path.is_empty() => at += 1,
            Some(TokenTree::Ident(word)) => {
                path.push(word.to_string());
                at += 1;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && at > start => {
                leaves(&group.stream(), &path, found);
                return at + 1;
            }
            _ => break,
        }
        if !(is_colon(trees.get(at)) && is_colon(trees.get(at + 1))) {
            break;
        }
        at += 2;
    }
    found.push(Used { path, line });
    at.max(start + 1)
}

fn leaves(tree: &TokenStream, prefix: &[String], found: &mut Vec<Used>) {
    let trees: Vec<TokenTree> = tree.clone().into_iter().collect();
    let comma = |tree: &TokenTree| matches!(tree, TokenTree::Punct(mark) if mark.as_char() == ',');
    for leaf in trees.split(comma).filter(|leaf| !leaf.is_empty()) {
        chain(leaf, 0, prefix, found);
    }
}

fn is_colon(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Punct(mark)) if mark.as_char() == ':')
}

fn resolve(used: Used, module: &[String]) -> Used {
    let ups = used.path.iter().take_while(|part| *part == "super").count();
    if ups == 0 && used.path[0] != "self" {
        return used;
    }
    let skip = ups.max(1);
    let mut path = vec!["crate".to_owned()];
    path.extend_from_slice(&module[..module.len().saturating_sub(ups)]);
    path.extend_from_slice(&used.path[skip..]);
    Used { path, line: used.line }
}

fn module_of(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") || ["lib", "main"].contains(&inner) {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Layer] = &[
        Layer {
            files: "src/low/",
            modules: &["low"],
            crates: &[&["serde"]],
            never: &["std::fs", "std::time::Instant"],
        },
        Layer { files: "src/top/", modules: &["low::door", "top"], crates: &[&["serde", "tokio"]], never: &[] },
        Layer { files: "src/top/serve", modules: &["low", "top"], crates: &[&["tokio"]], never: &[] },
    ];

    const LOW: &str = "mod a;\nmod b { }\n#[cfg_attr(windows, path = \"d.rs\")]\nmod c;";

    fn check(path: &str, text: &str) -> Vec<usize> {
        let dependencies = ["serde", "tokio"].map(str::to_owned).into();
        let found = findings(&Source::new(path, text), TABLE, &dependencies);
        found.iter().map(|line| line.split(':').nth(1).and_then(|n| n.parse().ok()).expect(line)).collect()
    }

    #[test]
    fn a_lower_layer_cannot_use_a_higher_one_in_any_spelling() {
        for bad in [
            "use crate::top::X;",
            "use crate::{low::Y, top::{self}};",
            "use crate::top;",
            "fn f() { crate::top::x(); }",
            "use super::super::top::X;",
            "use super::{super::top};",
            "mod inner { use super::super::super::top::X; }",
            "fn f() { println!(\"{}\", crate::top::NAME); }",
            "pub use webjobd::top::X;",
            "#[derive(crate::top::Made)] struct S;",
        ] {
            assert_eq!(check("src/low/part.rs", bad), [1], "{bad}");
        }
        for good in ["use crate::low::Y;", "use super::Y;", "use self::inner::Y;", "pub(crate) struct S;", "mod top;"] {
            assert!(check("src/low/part.rs", good).is_empty(), "{good}");
        }
    }

    #[test]
    fn a_layer_may_be_let_in_by_one_door_only() {
        assert_eq!(check("src/top/a.rs", "use crate::low::{door, wall};\n\nuse crate::low;"), [1, 3]);
        assert!(check("src/top/a.rs", "use crate::low::door::Knob;").is_empty());
        assert!(check("src/top/serve.rs", "use crate::low::wall;").is_empty(), "the longest row wins");
    }

    #[test]
    fn a_crate_of_another_layer_is_found_even_inside_a_macro() {
        for bad in ["use tokio::sync;", "use tokio;", "fn f() { m!(a, tokio::spawn(b)); }", "#[tokio::test] fn f() {}"]
        {
            assert_eq!(check("src/low/a.rs", bad), [1], "{bad}");
        }
        assert!(check("src/low/a.rs", "use serde::Serialize; fn f(tokio: u8) { low::tokio(tokio) }").is_empty());
    }

    #[test]
    fn the_pure_layers_cannot_reach_the_machine_through_std() {
        for bad in ["use std::fs;", "use std::{fmt, fs::File};", "use std::time::{Duration, Instant};"] {
            assert_eq!(check("src/low/a.rs", bad), [1], "{bad}");
        }
        assert!(check("src/low/a.rs", "use std::{fmt, time::Duration};").is_empty());
    }

    #[test]
    fn a_file_without_a_layer_or_without_a_mod_is_found() {
        assert_eq!(check("src/side/a.rs", ""), [1]);
        let sources = [Source::new("src/lib.rs", "pub mod low;"), Source::new("src/low/mod.rs", LOW)];
        for (path, reached) in
            [("src/low/a.rs", true), ("src/low/d.rs", true), ("src/low/b.rs", false), ("src/c.rs", false)]
        {
            assert_eq!(unreachable(&Source::new(path, ""), &sources).is_none(), reached, "{path}");
        }
    }
}

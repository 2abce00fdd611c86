//! Rules about text: lengths, documentation, words and paths that should not be there, the list of dependencies.

use std::collections::BTreeSet;

use super::tree::{Source, Text};

/// Finds a file of more than `lines_max` lines.
pub fn long_file(source: &Source, lines_max: usize) -> Option<String> {
    let lines = source.text.lines().count();
    let hint = "split it by idea; tests may move to a file beside it";
    (lines > lines_max).then(|| format!("{}:{lines_max}: {lines} lines, {lines_max} at most; {hint}", source.path))
}

/// Finds a file that does not begin with what it is, or takes more than `lines_max` lines to say it.
pub fn module_docs(source: &Source, lines_max: usize) -> Option<String> {
    let code = |line: &&str| line.trim().is_empty() || line.starts_with("#!");
    let lines = source.text.lines().skip_while(code).take_while(|line| line.starts_with("//!")).count();
    let path = &source.path;
    match lines {
        0 => Some(format!("{path}:1: no module documentation; say in `//!` what it is and what it must never do")),
        lines if lines > lines_max => Some(format!("{path}:{lines_max}: {lines} lines of `//!`, {lines_max} at most")),
        _ => None,
    }
}

/// Finds words that mark what is not done yet.
pub fn unfinished(text: &Text) -> Vec<String> {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), "X".repeat(3)];
    let hit = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(|word| marks.iter().any(|mark| mark == word));
    lines(text, hit, "marks something unfinished; finish it, or say what is missing where users look")
}

/// Finds absolute paths below places where developers keep their files.
pub fn machine_paths(text: &Text) -> Vec<String> {
    let places = ["work", "root", "home"].map(|place| format!("/{place}/"));
    let hit = |line: &str| {
        let starts = places.iter().flat_map(|place| line.match_indices(place.as_str()).map(|(at, _)| at));
        let mut before = starts.map(|at| line[..at].chars().next_back());
        before.any(|c| c.is_none_or(|c| !c.is_alphanumeric() && !"_.-~})>/*".contains(c)))
    };
    lines(text, hit, "holds a path of one machine; use a relative one")
}

fn lines(text: &Text, hit: impl Fn(&str) -> bool, say: &str) -> Vec<String> {
    let numbered = text.text.lines().enumerate().filter(|(_, line)| hit(line));
    numbered.map(|(at, line)| format!("{}:{}: `{}` {say}", text.path, at + 1, line.trim())).collect()
}

/// Returns the names of the crates in the tables `kinds` of a manifest, of all platforms, spelled as in code.
pub fn dependencies(manifest: &str, kinds: &[&str]) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().expect("Cargo.toml is valid, or this test would not run");
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let platforms = targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    let tables = platforms.chain([&manifest]).flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)));
    let names = tables.filter_map(toml::Value::as_table).flat_map(|table| table.keys());
    names.map(|name| name.replace('-', "_")).collect()
}

/// Finds crates without a row in the table of dependencies, and rows without a crate.
pub fn undocumented(dependencies: &BTreeSet<String>, contributing: &str) -> Vec<String> {
    let section = contributing.split("\n## ").find(|section| section.starts_with("Dependencies"));
    let rows = section.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: BTreeSet<String> = rows.map(|(name, _)| name.replace('-', "_")).collect();
    let missing = dependencies
        .difference(&rows)
        .map(|name| format!("CONTRIBUTING.md:1: `{name}` has no row under Dependencies: what for, and why this one"));
    let stale = rows
        .difference(dependencies)
        .map(|name| format!("CONTRIBUTING.md:1: `{name}` has a row under Dependencies and is not in Cargo.toml"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Text {
        Text { path: "a.md".to_owned(), text: format!("first\n{line}") }
    }

    #[test]
    fn a_file_over_the_bound_is_found() {
        assert_eq!(long_file(&Source::new("src/a.rs", "\n\n\n"), 3), None);
        assert!(long_file(&Source::new("src/a.rs", "\n\n\n\n"), 3).is_some());
    }

    #[test]
    fn a_module_that_says_nothing_or_too_much_is_found() {
        let check = |text| module_docs(&Source::new("src/a.rs", text), 2);
        for good in ["//! A.\n", "#![cfg(unix)]\n\n//! A.\n//! B.\n\nfn f() {}"] {
            assert_eq!(check(good), None, "{good}");
        }
        for bad in ["", "// A.\n", "fn f() {}\n", "//! A.\n//!\n//! B."] {
            assert!(check(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_unfinished_place_is_found_by_word() {
        for bad in [["// TO", "DO: more"].concat(), ["FIX", "ME(ada)"].concat(), "X".repeat(3)] {
            assert_eq!(unfinished(&text(&bad)).len(), 1, "{bad}");
        }
        assert!(unfinished(&text("mktemp job.XXXXXX, mastodon")).is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for place in ["work", "root", "home"] {
            for bad in [format!("/{place}/ada/x"), format!("cd \"/{place}/x\""), format!("a=/{place}/$USER")] {
                assert_eq!(machine_paths(&text(&bad)).len(), 1, "{bad}");
            }
            for good in [format!("data/{place}/x"), format!("{{root}}/{place}/x"), format!("https://a.b/{place}/")] {
                assert!(machine_paths(&text(&good)).is_empty(), "{good}");
            }
        }
    }

    #[test]
    fn a_dependency_without_a_row_and_a_row_without_a_dependency_are_found() {
        let manifest = "[dependencies]\na-b = \"1\"\n[target.'cfg(unix)'.dependencies]\nc = { version = \"1\" }\n\
                        [dev-dependencies]\nd = \"1\"";
        assert_eq!(dependencies(manifest, &["dependencies"]), ["a_b", "c"].map(str::to_owned).into());
        let all = dependencies(manifest, &["dependencies", "dev-dependencies"]);
        let table = "# X\n| `z` | elsewhere |\n\n## Dependencies\n| `a-b` | x |\n| `c` | y |\n| `e` | z |\n\n## More\n";
        let found = undocumented(&all, table).join("\n");
        assert_eq!((found.lines().count(), found.contains("`d` has no"), found.contains("`e` has a")), (2, true, true));
    }
}

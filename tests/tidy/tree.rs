//! Reads the tree: every file that belongs to the project, and every Rust file with its tokens.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::TokenStream;

/// Folders and files that are made, not written.
const MADE: &[&str] = &[".git", "target", "data", "node_modules", "Cargo.lock", "LICENSE-APACHE"];

/// A text file: its path from the root, with `/`, and what it says.
pub struct Text {
    /// Path from the root.
    pub path: String,
    /// Everything in it.
    pub text: String,
}

/// A Rust file.
pub struct Source {
    /// Path from the root.
    pub path: String,
    /// Everything in it.
    pub text: String,
    /// The same, cut into tokens; documentation comments have become attributes, other comments are gone.
    pub tokens: TokenStream,
}

impl Source {
    /// Parses a file.
    pub fn new(path: &str, text: &str) -> Self {
        let tokens = text.parse().unwrap_or_else(|error| panic!("{path}: not Rust: {error}"));
        Self { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    /// Tells whether the whole file is test code.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

/// Reads one file below the root.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("failed to read `{path}`: {error}"))
}

/// Returns the Rust files of the library and of the tests, in the order of their paths.
pub fn sources() -> Vec<Source> {
    let rust = |text: &Text| {
        let place = text.path.starts_with("src/") || text.path.starts_with("tests/");
        place && Path::new(&text.path).extension().is_some_and(|extension| extension == "rs")
    };
    texts().iter().filter(|text| rust(text)).map(|text| Source::new(&text.path, &text.text)).collect()
}

/// Returns every text file of the project, in the order of their paths.
pub fn texts() -> Vec<Text> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project can be read") {
            let entry = entry.expect("a folder of the project can be read");
            if MADE.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let kind = entry.file_type().expect("an entry has a type");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.extend(text(&entry.path()));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn text(path: &Path) -> Option<Text> {
    let bytes = fs::read(path).expect("a file of the project can be read");
    let path = path.strip_prefix(root()).expect("it lies below the root");
    let text = String::from_utf8(bytes).ok()?;
    Some(Text { path: path.to_string_lossy().replace('\\', "/"), text })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

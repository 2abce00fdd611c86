//! Defects of a job's folder besides its script: what cannot be read, what will not be followed, what is too large.
//!
//! Each has a stable code; a message names the entry and says what to do. Only what makes a run wrong is fatal.

use super::problem;
use crate::model::{
    job::Problem,
    listing::{self, BYTES_LARGE, ENTRIES_LARGE, Entry, EntryKind, FolderListing, LinkTo, NotText},
    settings::Settings,
};

/// Problems of one sort that are listed one by one; the rest is counted.
const LISTED_MAX: usize = 5;

/// Returns the defects of the folder.
pub fn problems(listing: &FolderListing, dir: &str) -> Vec<Problem> {
    let mut found = unreadable(listing);
    found.extend(settings_read(listing, dir));
    found.extend(listed(listing.odd_names.iter().map(|name| {
        let message = "has a name that is not UTF-8; rename it, or programs may not find it".to_owned();
        problem("name_not_utf8", Some(name), message, false)
    })));
    let of = |wanted: fn(&Entry) -> bool| listing.entries.iter().filter(move |(_, entry)| wanted(entry));
    found.extend(listed(of(|entry| entry.kind == EntryKind::Link(LinkTo::Outside)).map(|(path, _)| {
        let message = "is a link that leads out of the job's folder: it stays a link, and changes behind it are not \
                       noticed; put the file itself here"
            .to_owned();
        problem("link_outside", Some(path), message, false)
    })));
    found.extend(listed(of(|entry| entry.kind == EntryKind::Other).map(|(path, _)| {
        let message = "is a socket, a pipe or a device; it is not copied".to_owned();
        problem("not_a_file", Some(path), message, false)
    })));
    found.extend(size(listing));
    found
}

/// Returns what is wrong with the `env_file` that the settings name.
pub fn env_file(listing: &FolderListing, dir: &str, settings: &Settings) -> Option<Problem> {
    let name = settings.env_file.as_deref()?;
    let Some(path) = resolve(dir, name) else {
        let message = format!("env_file `{name}` leads out of the job's folder; put the file into it");
        return Some(problem("env_file_outside", None, message, true));
    };
    if listing.entries.get(&path).is_some_and(Entry::is_file) {
        return None;
    }
    let message = format!("env_file `{name}` does not exist; add the file or remove the key");
    Some(problem("env_file_missing", Some(&path), message, true))
}

/// Resolves a path relative to `dir` within the job's folder; `None` when it leads out.
pub fn resolve(dir: &str, name: &str) -> Option<String> {
    if name.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn unreadable(listing: &FolderListing) -> Vec<Problem> {
    let all = listing.unreadable.iter().filter(|(path, _)| !listing::is_noise(path));
    listed(all.map(|(path, why)| {
        let (file, what) = if path.is_empty() { (None, "the folder") } else { (Some(path.as_str()), "it") };
        let message = format!("cannot be read ({why}); let the user that runs webjobd read {what}");
        let message = if file.is_none() { format!("the job's folder {message}") } else { message };
        problem("unreadable", file, message, true)
    }))
}

fn settings_read(listing: &FolderListing, dir: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    for (name, entry) in listing.children(dir).filter(|(name, _)| listing::is_settings(name)) {
        let path = listing::join(dir, name);
        if let Some(not_text) = listing.not_text.get(&path) {
            found.push(Problem { file: Some(path), ..not_utf8(*not_text) });
        } else if !listing.settings.contains_key(&path) && !listing.unreadable.contains_key(&path) {
            let what = if entry.is_file() { "is too long" } else { "is not a file" };
            let message = format!("{what}; it must be a file with a JSON object");
            found.push(problem("settings_unreadable", Some(&path), message, true));
        }
    }
    found
}

/// Returns the problem of settings that are not UTF-8.
pub fn not_utf8(not_text: NotText) -> Problem {
    let NotText { line, column, is_utf16 } = not_text;
    let what = if is_utf16 { "is UTF-16, not UTF-8" } else { "is not UTF-8 from here on" };
    let message = format!("the file {what}; save it as UTF-8");
    Problem { line: Some(line), column: Some(column), ..problem("not_utf8", None, message, true) }
}

fn size(listing: &FolderListing) -> Option<Problem> {
    let n_entries = listing.entries.len();
    let bytes: u64 = listing.entries.values().map(|entry| entry.size).sum();
    if n_entries <= ENTRIES_LARGE && bytes <= BYTES_LARGE {
        return None;
    }
    let message = format!(
        "the folder is large ({n_entries} entries, {} MiB): every change means reading and copying it; keep data elsewhere \
         (WEBJOBS_DATA_PATH), or set is_in_place",
        bytes >> 20
    );
    Some(problem("folder_large", None, message, false))
}

fn listed(problems: impl Iterator<Item = Problem>) -> Vec<Problem> {
    let mut all: Vec<_> = problems.collect();
    if all.len() > LISTED_MAX {
        let n_more = all.len() - LISTED_MAX;
        all.truncate(LISTED_MAX);
        if let Some(last) = all.last_mut() {
            last.message += &format!(" (and {n_more} more like this)");
        }
    }
    all
}

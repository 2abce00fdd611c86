//! Which changes mean a restart.
//!
//! A job's content is what its processes can see of their making: names, bytes and modes of its files, what is started
//! and where, and the settings that reach the process (`args`, `env`, `env_file`, `is_in_place`; `command` and the
//! interpreter through the script). Everything else (schedules, graces, limits of time, restart policy, history) takes
//! effect without a restart, but for one: a job that becomes a singleton starts anew, so that all hosts but one let go.
//!
//! A job that runs in its own folder may write there, and must not restart itself for ever. So for such a job
//! * files that look like output ([`is_output`]) do not count at all, and
//! * of the others only a changed file counts, not one that came or went, and
//! * one that changes after every start is the job's own in the end ([`super::writes`]).
//!
//! Therefore [`what_changed`], not a comparison of hashes, says whether a run is out of date.

use std::{collections::BTreeSet, fmt};

use crate::model::{
    job::{FileFact, Job, Manifest, Script},
    listing::{self, FolderListing},
    settings::Settings,
};

/// The first thing that makes a run out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file is new.
    Added(String),
    /// A file's bytes differ.
    Changed(String),
    /// A file's permission bits differ.
    Mode(String),
    /// A file is gone.
    Removed(String),
    /// Another file, or another program, is to be run.
    Script(String),
    /// A setting that reaches the process differs.
    Setting(&'static str),
    /// The job's folder is another one.
    Folder,
}

/// Reads on from "because".
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(path) => write!(f, "`{path}` was added"),
            Self::Changed(path) => write!(f, "`{path}` changed"),
            Self::Mode(path) => write!(f, "the mode of `{path}` changed"),
            Self::Removed(path) => write!(f, "`{path}` was removed"),
            Self::Script(command) => write!(f, "`{command}` is to be run now"),
            Self::Setting(key) => write!(f, "the setting `{key}` changed"),
            Self::Folder => f.write_str("its folder is another one"),
        }
    }
}

/// Returns the first thing that makes a run of `old` out of date, the script itself before other files; `None` when it
/// may go on.
pub fn what_changed(old: &Job, new: &Job) -> Option<Change> {
    what_changed_but(old, new, &BTreeSet::new())
}

/// The same without regard to changes of some files.
pub fn what_changed_but(old: &Job, new: &Job, but: &BTreeSet<String>) -> Option<Change> {
    // What runs on every host, and is to run on one alone from now on, has to start anew to find out on which.
    let alone = !old.settings.is_singleton && new.settings.is_singleton;
    if old.content == new.content && old.root == new.root && !alone {
        return None;
    }
    let setting = |key, differs: bool| differs.then_some(Change::Setting(key));
    let script = || {
        let differs = old.script.program != new.script.program || old.script.dir != new.script.dir;
        differs.then(|| Change::Script(new.script.run_command.clone()))
    };
    // First, because it decides which files count.
    setting("is_in_place", old.in_place() != new.in_place())
        .or_else(|| file_changed(old, new, but))
        .or_else(script)
        .or_else(|| setting("args", old.settings.args != new.settings.args))
        .or_else(|| setting("env", old.settings.env != new.settings.env))
        .or_else(|| setting("env_file", old.settings.env_file != new.settings.env_file))
        .or_else(|| setting("is_singleton", alone))
        .or_else(|| (old.root != new.root).then_some(Change::Folder))
}

/// Returns whether a file of a job that runs in its own folder looks like something that the job writes.
pub fn is_output(path: &str) -> bool {
    const FOLDERS: &[&str] = &["log", "logs", "tmp", "temp", "cache", ".cache", "data", "output", "__pycache__"];
    const EXTENSIONS: &[&str] = &[
        "log",
        "txt",
        "out",
        "err",
        "tmp",
        "temp",
        "pid",
        "lock",
        "db",
        "sqlite",
        "sqlite3",
        "db-wal",
        "db-shm",
        "db-journal",
        "csv",
        "tsv",
        "dat",
        "bak",
        "cache",
        "jsonl",
        "ndjson",
        "state",
        "stamp",
        "heartbeat",
        "pyc",
        "gz",
    ];
    let lower = path.to_ascii_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let stem = name.trim_start_matches('.');
    folders.split('/').any(|folder| FOLDERS.contains(&folder))
        || stem.rsplit_once('.').is_none_or(|(_, extension)| EXTENSIONS.contains(&extension))
}

/// Returns the files that count.
pub(super) fn manifest(listing: &FolderListing, script: &Script, in_place: bool) -> Manifest {
    let counts = |path: &str, fact: &FileFact| {
        let output = in_place && path != script.run_command && fact.mode & 0o111 == 0 && is_output(path);
        !listing::is_beside_content(path) && !output
    };
    let facts = listing.entries.iter().filter_map(|(path, entry)| Some((path, entry.fact()?)));
    facts.filter(|(path, fact)| counts(path, fact)).collect()
}

/// Returns everything whose change means a restart, as bytes to hash.
pub(super) fn bytes(files: &Manifest, script: &Script, settings: &Settings, in_place: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Every text is preceded by its length, every list by its count: no two contents are the same bytes.
    let count = |bytes: &mut Vec<u8>, n: usize| bytes.extend((n as u64).to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &str| {
        count(bytes, text.len());
        bytes.extend(text.as_bytes());
    };
    count(&mut bytes, files.iter().len());
    for (path, fact) in files.iter() {
        text(&mut bytes, path);
        bytes.extend(fact.hash.0);
        bytes.extend(fact.mode.to_le_bytes());
        bytes.extend(fact.size.to_le_bytes());
    }
    for list in [&script.program, &settings.args] {
        count(&mut bytes, list.len());
        list.iter().for_each(|word| text(&mut bytes, word));
    }
    count(&mut bytes, settings.env.len());
    for (key, value) in &settings.env {
        text(&mut bytes, key);
        text(&mut bytes, value);
    }
    text(&mut bytes, &script.dir.to_string_lossy());
    text(&mut bytes, settings.env_file.as_deref().unwrap_or(""));
    bytes.extend([in_place, settings.env_file.is_some()].map(u8::from));
    bytes
}

fn file_changed(old: &Job, new: &Job, but: &BTreeSet<String>) -> Option<Change> {
    let (in_place, own) = (new.in_place(), &new.script.run_command);
    let (old, new) = (&old.files, &new.files);
    let compare = |path: &str| match (old.get(path), new.get(path)) {
        _ if but.contains(path) => None,
        (Some(was), Some(is)) if was.hash != is.hash || was.size != is.size => Some(Change::Changed(path.to_owned())),
        (Some(was), Some(is)) if was.mode != is.mode => Some(Change::Mode(path.to_owned())),
        (Some(_), None) if !in_place => Some(Change::Removed(path.to_owned())),
        (None, Some(_)) if !in_place => Some(Change::Added(path.to_owned())),
        (None | Some(_), None | Some(_)) => None,
    };
    compare(own).or_else(|| new.paths().find_map(compare)).or_else(|| old.paths().find_map(compare))
}

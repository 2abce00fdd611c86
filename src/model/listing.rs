//! What a scan saw of one job folder, and the rules of names that scan, discovery and copies share.
//!
//! A listing is facts only: nothing in it says which file runs or what is wrong. It is complete: discovery decides from it
//! alone, without touching the disk again, so a folder that changes meanwhile cannot confuse a decision.
//!
//! It must never hold the bytes of files, but for the first line's worth of candidates and the text of `settings.job`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::model::{
    id::JobId,
    job::{ContentHash, FileFact},
};

/// Bytes kept of the beginning of a file that might be run.
pub const HEAD_BYTES_MAX: usize = 256;
/// Entries beyond which a folder is called too large, with a warning; it works all the same.
pub const ENTRIES_LARGE: usize = 100_000;
/// Bytes beyond which a folder is called too large, with a warning; it works all the same.
pub const BYTES_LARGE: u64 = 4 << 30;
/// Bytes of a `settings.job` that are read; a longer one is a problem.
pub const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// What a scan saw of one job folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderListing {
    /// The job's kind and name.
    pub id: JobId,
    /// Its folder, absolute.
    pub root: Arc<Path>,
    /// Everything below the folder, by its path relative to it, with `/` between parts.
    pub entries: BTreeMap<String, Entry>,
    /// The first bytes of the files in the script's folder, at most [`HEAD_BYTES_MAX`] of each.
    pub heads: BTreeMap<String, Vec<u8>>,
    /// The text of `settings.job` files in the script's folder, whatever the case of their names.
    pub settings: BTreeMap<String, String>,
    /// Those of them that are not text, and where that begins to show.
    pub not_text: BTreeMap<String, NotText>,
    /// Entries that could not be read, with the system's words; the folder itself is the empty path.
    pub unreadable: BTreeMap<String, String>,
    /// Entries whose names are not UTF-8, with replacement characters in them.
    pub odd_names: Vec<String>,
    /// Whether something changed while it was read, or so shortly before that more may follow.
    pub unsettled: bool,
}

/// Something in the place of a job's folder that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: UnusableWhy,
}

/// Why it cannot be a job's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusableWhy {
    /// Its name is none that a job may have.
    Name,
    /// Its name is not UTF-8.
    NotUtf8,
    /// It is a link that leads nowhere.
    Dangling,
}

/// Where bytes stop being UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotText {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Whether they begin as UTF-16 does.
    pub is_utf16: bool,
}

/// Returns bytes as a text without its mark of order, or where they stop being one.
///
/// # Errors
/// When they are not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, NotText> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.trim_start_matches('\u{feff}')),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let last = before.rsplit('\n').next().unwrap_or_default();
            let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
            Err(NotText {
                line: number(before.matches('\n').count()),
                column: number(last.trim_start_matches('\u{feff}').chars().count()),
                is_utf16: bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]),
            })
        }
    }
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Size in bytes; 0 for folders.
    pub size: u64,
    /// Permission bits; 0 where the system has none. A link has those of the file it leads to.
    pub mode: u32,
    /// Hash of a file's bytes or of a link's target; zero for the rest.
    pub hash: ContentHash,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link(LinkTo),
    /// A socket, a pipe, a device.
    Other,
}

/// Where a symbolic link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTo {
    /// To a file in the same job folder.
    File,
    /// To a folder in the same job folder.
    Folder,
    /// Nowhere.
    Nothing,
    /// Out of the job folder.
    Outside,
}

impl FolderListing {
    /// Returns a listing of an empty folder.
    pub fn empty(id: JobId, root: Arc<Path>) -> Self {
        Self {
            id,
            root,
            entries: BTreeMap::new(),
            heads: BTreeMap::new(),
            settings: BTreeMap::new(),
            not_text: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            odd_names: Vec::new(),
            unsettled: false,
        }
    }

    /// Returns the folder in which a script is looked for, relative to the job's: while a folder holds exactly one entry
    /// and that is a folder, it is the inner one (spec/kudu-webjobs 1.4). Empty for the job's own folder.
    pub fn script_dir(&self) -> String {
        let mut dir = String::new();
        loop {
            let mut children = self.children(&dir).filter(|(name, _)| !is_noise(name));
            match (children.next(), children.next()) {
                (Some((name, Entry { kind: EntryKind::Folder, .. })), None) => dir = join(&dir, name),
                (Some(_) | None, _) => return dir,
            }
        }
    }

    /// Returns the entries directly in `dir`, by name; `dir` is relative and empty for the job's own folder.
    pub fn children<'a>(&'a self, dir: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> + use<'a> {
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let own = prefix.clone();
        self.entries
            .range(prefix.clone()..)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(move |(path, entry)| (&path[own.len()..], entry))
            .filter(|(name, _)| !name.is_empty() && !name.contains('/'))
    }
}

impl Entry {
    /// Returns whether it is a file, or a link to one in the same job folder.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, EntryKind::File | EntryKind::Link(LinkTo::File))
    }

    /// Returns whether anybody may execute it.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }

    /// Returns the fact that a manifest keeps; `None` for what has no content.
    pub fn fact(&self) -> Option<FileFact> {
        match self.kind {
            EntryKind::File | EntryKind::Link(_) => {
                Some(FileFact { hash: self.hash, mode: self.mode, size: self.size })
            }
            EntryKind::Folder | EntryKind::Other => None,
        }
    }
}

/// Joins relative paths with `/`; an empty `dir` is the job's own folder.
pub fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// Returns the last part of a relative path.
pub fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns the folder of a relative path; empty for what lies in the job's own folder.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns whether a change of this file never means a new content: `settings.job` (its values are compared instead),
/// `disable.job`, and noise.
pub fn is_beside_content(path: &str) -> bool {
    let name = name_of(path);
    is_settings(name) || is_disable_marker(name) || is_noise(path)
}

/// Returns whether a file name means `settings.job`.
pub fn is_settings(name: &str) -> bool {
    name.eq_ignore_ascii_case("settings.job")
}

/// Returns whether a file name means `disable.job`.
pub fn is_disable_marker(name: &str) -> bool {
    name.eq_ignore_ascii_case("disable.job")
}

/// Returns whether a path is something that editors, version control or a desktop leave behind: it is neither run nor
/// compared.
pub fn is_noise(path: &str) -> bool {
    path.split('/').any(|name| {
        matches!(name, ".git" | ".hg" | ".svn" | ".DS_Store" | "Thumbs.db" | "desktop.ini" | "__MACOSX" | "4913")
            || name.ends_with('~')
            || name.starts_with(".#")
            || name.starts_with("._")
            || (name.starts_with('.') && [".swp", ".swx", ".swo"].iter().any(|end| name.ends_with(end)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobKind, JobName};

    #[test]
    fn a_chain_of_single_folders_leads_to_the_script() {
        for (paths, dir) in [
            (&["run.sh"][..], ""),
            (&["a/", "a/b/", "a/b/run.sh"], "a/b"),
            (&["a/", "a/run.sh", "settings.job"], ""),
            (&["a/", "a/x/", "a/y/"], "a"),
            (&["a/", ".DS_Store", "__MACOSX/", "a/run.sh"], "a"),
            (&["a/", "a/b/"], "a/b"),
            (&["a/", "a-b"], ""),
            (&[], ""),
        ] {
            assert_eq!(listing(paths).script_dir(), dir, "{paths:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_tell_their_place() {
        assert_eq!(text(b"\xef\xbb\xbf{}"), Ok("{}"));
        for (bytes, line, column, is_utf16) in [
            (&b"{\n  \"a\": \"\xc3\xa9t\xe9\"}"[..], 2, 11, false),
            (b"\xff\xfe{\0}\0", 1, 1, true),
            (b"\xfe\xff\0{\0}", 1, 1, true),
        ] {
            assert_eq!(text(bytes), Err(NotText { line, column, is_utf16 }), "{bytes:?}");
        }
    }

    #[test]
    fn children_are_those_directly_inside() {
        let listing = listing(&["a/", "a/b/", "a/b/c", "a/d", "a-x", "ab"]);
        let names = |dir| listing.children(dir).map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(""), ["a", "a-x", "ab"]);
        assert_eq!(names("a"), ["b", "d"]);
    }

    #[test]
    fn leftovers_of_editors_are_noise_and_scripts_are_not() {
        for path in [".git/HEAD", "a/.run.sh.swp", "run.sh~", "._run.sh", "a/.#x"] {
            assert!(is_noise(path), "{path}");
        }
        for path in ["run.sh", ".env", ".venv/bin/python", "git/a", "a.swp"] {
            assert!(!is_noise(path), "{path}");
        }
        assert!(is_beside_content("inner/Settings.Job") && !is_beside_content("settings.job/x"));
    }

    fn listing(paths: &[&str]) -> FolderListing {
        let id = JobId { kind: JobKind::Triggered, name: JobName::parse("j").expect("a name") };
        let mut listing = FolderListing::empty(id, Path::new("/jobs/triggered/j").into());
        for path in paths {
            let kind = if path.ends_with('/') { EntryKind::Folder } else { EntryKind::File };
            let entry = Entry { kind, size: 0, mode: 0o644, hash: ContentHash([0; 16]) };
            listing.entries.insert(path.trim_end_matches('/').to_owned(), entry);
        }
        listing
    }
}

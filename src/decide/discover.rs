//! From a folder's listing to a job, or to the reasons why there is none.
//!
//! ```text
//!  FolderListing ── script_dir ── settings ── command? ──┐
//!                                     └────── choose ────┤ script, problems
//!                                                        └── content hash ── Found
//! ```
//! Discovery never fails and never hides a folder: whatever is wrong becomes a problem, fatal when the job cannot run.
//! It never looks at the disk: whether a program exists is asked through [`Surroundings`].
//!
//! * [`choose`]: which file runs (spec/kudu-webjobs 1.4 and 1.5, told for Linux).
//! * [`command`]: how a chosen file, or an explicit command, is started.
//! * [`content`]: which changes mean a restart.
//! * [`writes`]: which changes of files a job that runs in its own folder made itself.
//! * [`folder`]: defects of the folder besides its script.

pub mod choose;
pub mod command;
pub mod content;
pub mod folder;
pub mod writes;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::{Map, Value};

use crate::model::{
    id::{JobId, JobKind},
    job::{ContentHash, Found, Job, Problem, Script},
    listing::{self, FolderListing, Unusable, UnusableWhy},
    settings::{Settings, WrittenSettings},
};

/// What reading a `settings.job` gives: its values, the map as written, and its problems.
pub type ReadSettings = (Settings, Map<String, Value>, Vec<Problem>);

/// The programs that run scripts, by extension without its dot and in lower case: program and leading arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreters {
    /// One for each extension; the script's name follows as an argument.
    pub by_extension: BTreeMap<String, Vec<String>>,
    /// Whether `.cmd`, `.bat` and `.exe` run, and modes and first lines mean nothing.
    pub windows: bool,
}

/// What discovery asks about besides the listing.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The programs that run scripts.
    pub interpreters: &'a Interpreters,
    /// Whether a program exists: a name to look up in `PATH`, or an absolute path.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// Hashes bytes; the same function for all jobs, for ever.
    pub hash: &'a dyn Fn(&[u8]) -> ContentHash,
    /// Reads the text of a `settings.job`.
    pub read_settings: &'a dyn Fn(&str, JobKind) -> ReadSettings,
    /// Gives a script out to be held by many: the same as an equal one before, where that is known.
    pub share: &'a dyn Fn(Script) -> Arc<Script>,
}

impl Default for Interpreters {
    fn default() -> Self {
        let windows = cfg!(windows);
        let python = if windows { "python" } else { "python3" };
        let table: &[(&str, &[&str])] = &[
            ("sh", &["bash"]),
            ("py", &[python]),
            ("php", &["php"]),
            ("js", &["node"]),
            ("mjs", &["node"]),
            ("ps1", if windows { &["pwsh", "-ExecutionPolicy", "RemoteSigned", "-File"] } else { &["pwsh", "-File"] }),
            ("fsx", &["dotnet", "fsi"]),
            ("jar", &["java", "-jar"]),
            ("rb", &["ruby"]),
            ("pl", &["perl"]),
            ("dll", &["dotnet"]),
        ];
        let own = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut by_extension: BTreeMap<_, _> =
            table.iter().map(|(ext, words)| ((*ext).to_owned(), own(words))).collect();
        if windows {
            by_extension.extend(["cmd", "bat"].map(|ext| (ext.to_owned(), own(&["cmd", "/c"]))));
        }
        Self { by_extension, windows }
    }
}

impl Interpreters {
    /// Returns the usual ones, with those of the host's configuration in their places.
    pub fn with(configured: &BTreeMap<String, Vec<String>>) -> Self {
        let mut usual = Self::default();
        usual.by_extension.extend(configured.iter().map(|(ext, words)| (ext.to_ascii_lowercase(), words.clone())));
        usual
    }
}

/// Works out what a folder holds: a job, and what is wrong with it, the worst first.
pub fn discover(listing: &FolderListing, around: &Surroundings<'_>) -> Found {
    let dir = listing.script_dir();
    let mut problems = folder::problems(listing, &dir);
    let (settings, raw_settings, mut defects) = read_settings(listing, &dir, around);
    problems.append(&mut defects);
    let (script, mut defects) = match &settings.command {
        Some(command) => command::explicit(listing, &dir, command, &settings, around),
        None => choose::script(listing, &dir, &settings, around),
    };
    problems.append(&mut defects);
    problems.extend(folder::env_file(listing, &dir, &settings));
    // Stable: among equals, the order of the checks above.
    problems.sort_by_key(|problem| !problem.fatal);
    let runs = script.filter(|_| !problems.iter().any(|problem| problem.fatal));
    let job = runs.map(|script| Arc::new(job(listing, &dir, script, settings, around)));
    let (id, root, dir) = (listing.id.clone(), Arc::clone(&listing.root), Path::new(&dir).into());
    Found { id, root, dir, job, problems, raw_settings: WrittenSettings::new(&raw_settings) }
}

/// Says of something in the place of a job's folder what is wrong with it.
pub fn unusable(id: &JobId, unusable: &Unusable) -> Found {
    let (code, message) = match unusable.why {
        UnusableWhy::Name => (
            "unusable_name",
            "the folder's name is none that a job may have: it must be without `\\` and control characters; rename it",
        ),
        UnusableWhy::NotUtf8 => ("unusable_name", "the folder's name is not UTF-8; rename it"),
        UnusableWhy::Dangling => (
            "link_to_nothing",
            "the job's folder is a link that leads nowhere; remove it, or make the folder that it leads to",
        ),
    };
    let problems = vec![problem(code, None, message.to_owned(), true)];
    let (id, root, dir) = (id.clone(), Arc::from(&*unusable.path), Path::new("").into());
    Found { id, root, dir, job: None, problems, raw_settings: WrittenSettings::default() }
}

fn job(listing: &FolderListing, dir: &str, script: Script, settings: Settings, around: &Surroundings<'_>) -> Job {
    let in_place = settings.is_in_place.unwrap_or(script.in_place_default);
    let files = content::manifest(listing, &script, in_place);
    Job {
        id: listing.id.clone(),
        root: Arc::clone(&listing.root),
        content: (around.hash)(&content::bytes(&files, &script, &settings, in_place)),
        disable_marker: listing.children(dir).any(|(name, _)| listing::is_disable_marker(name)),
        script: (around.share)(script),
        settings: settings.shared(),
        files,
    }
}

fn read_settings(listing: &FolderListing, dir: &str, around: &Surroundings<'_>) -> ReadSettings {
    let inside = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder) == dir;
    let mut candidates: Vec<_> = listing.settings.iter().filter(|(path, _)| inside(path)).collect();
    // The name as written in the documentation wins over other cases of it.
    candidates.sort_by_key(|(path, _)| !path.ends_with("settings.job"));
    let Some((path, text)) = candidates.first() else { return Default::default() };
    let (settings, raw, mut problems) = (around.read_settings)(text, listing.id.kind);
    for problem in &mut problems {
        problem.file.get_or_insert_with(|| (*path).clone());
    }
    for (other, _) in &candidates[1..] {
        let message = format!("is ignored, because `{path}` lies beside it; keep one of them");
        problems.push(problem("settings_twice", Some(other), message, false));
    }
    (settings, raw, problems)
}

/// Makes a problem without a position.
fn problem(code: &str, file: Option<&str>, message: String, fatal: bool) -> Problem {
    Problem { code: code.to_owned(), message, file: file.map(str::to_owned), line: None, column: None, fatal }
}

#[cfg(test)]
mod tests;

//! A job as found in its folder: what would run, and what is wrong with it.

use std::{cmp::Ordering, collections::BTreeMap, fmt, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::model::{
    id::{JobId, JobKind},
    settings::{GRACE_CONTINUOUS, GRACE_TRIGGERED, Settings, WrittenSettings},
};

/// A hash of content: equal hashes mean equal bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 16]);

impl ContentHash {
    /// Parses the 32 hexadecimal digits that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok()?;
        digits.then(|| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One file of a job's folder, as far as a change of it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFact {
    /// Hash of its bytes, or of a link's target.
    pub hash: ContentHash,
    /// Permission bits; 0 where the system has none.
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
}

/// The files of a job's folder, by their path relative to it, with `/` between parts. It takes no more room than they do,
/// in two pieces: there is one for each job, and some have a hundred thousand files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// All paths in their order, one after the other.
    paths: Box<str>,
    /// Where each path ends in them, and what is known of its file.
    files: Box<[(usize, FileFact)]>,
}

impl Manifest {
    /// Returns what is known of a file.
    pub fn get(&self, path: &str) -> Option<&FileFact> {
        self.position(path).map(|place| &self.files[place].1)
    }

    /// Returns which of [`Self::iter`] a file is, from 0.
    pub fn position(&self, path: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.files.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.path(middle).cmp(path) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// Returns the paths in their order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(path, _)| path)
    }

    /// Returns the files in the order of their paths.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &FileFact)> {
        self.files.iter().enumerate().map(|(place, (_, fact))| (self.path(place), fact))
    }

    fn path(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.files[before].0);
        &self.paths[start..self.files[place].0]
    }
}

impl<P: AsRef<str>> FromIterator<(P, FileFact)> for Manifest {
    /// Of files with the same path, the last one counts.
    fn from_iter<I: IntoIterator<Item = (P, FileFact)>>(files: I) -> Self {
        let mut by_path: Vec<(P, FileFact)> = files.into_iter().collect();
        by_path.sort_by(|(one, _), (other, _)| one.as_ref().cmp(other.as_ref()));
        by_path.dedup_by(|(path, fact), (kept_path, kept)| {
            let is_same = (*path).as_ref() == (*kept_path).as_ref();
            if is_same {
                kept.clone_from(fact);
            }
            is_same
        });
        let mut paths = String::with_capacity(by_path.iter().map(|(path, _)| path.as_ref().len()).sum());
        let files = by_path.into_iter().map(|(path, fact)| {
            paths.push_str(path.as_ref());
            (paths.len(), fact)
        });
        let files = files.collect();
        Self { paths: paths.into(), files }
    }
}

/// A job that can run.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its kind and name.
    pub id: JobId,
    /// Its folder, absolute.
    pub root: Arc<Path>,
    /// What runs. Jobs that are started alike share one.
    pub script: Arc<Script>,
    /// Its settings.
    pub settings: Arc<Settings>,
    /// Hash of everything whose change means a restart: names, bytes and modes of its files, settings that matter to the
    /// process.
    pub content: ContentHash,
    /// The files behind `content`.
    pub files: Manifest,
    /// Whether the user put a `disable.job` beside the script.
    pub disable_marker: bool,
}

impl Job {
    /// Returns the time from the first signal of a stop to the kill.
    pub fn grace(&self) -> std::time::Duration {
        self.settings.stopping_wait_time.unwrap_or(match self.id.kind {
            JobKind::Continuous => GRACE_CONTINUOUS,
            JobKind::Triggered => GRACE_TRIGGERED,
        })
    }

    /// Returns whether it runs in its own folder instead of a private copy.
    pub fn in_place(&self) -> bool {
        self.settings.is_in_place.unwrap_or(self.script.in_place_default)
    }
}

/// What runs: a program, its first arguments and the folder it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The script's path relative to the job's folder, with `/`: `run_command` of the API. With an explicit `command` in
    /// the settings it is that command's text.
    pub run_command: String,
    /// The folder of the script relative to the job's folder; empty for the folder itself.
    pub dir: Box<Path>,
    /// Kudu's name of what runs it, as logs show it: `BashScriptHost`, `PythonScriptHost`, …
    pub script_host: &'static str,
    /// Program and leading arguments. A program that starts with `./` lies in the working directory.
    pub program: Vec<String>,
    /// Whether the script runs in place when the settings don't say (Kudu does so with Node).
    pub in_place_default: bool,
}

/// A defect in a job's folder: shown, not thrown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = JobProblem)]
pub struct Problem {
    /// A stable word for programs, such as `no_script`.
    pub code: String,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// The file that has it, relative to the job's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Whether it keeps the job from running; else it is a warning.
    pub fatal: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": ")?;
        }
        f.write_str(&self.message)
    }
}

/// A folder below `jobs/` as discovery sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its kind and name.
    pub id: JobId,
    /// Its folder, absolute.
    pub root: Arc<Path>,
    /// The folder in which its script is looked for, relative to `root`, whatever is wrong with it; empty for `root`.
    pub dir: Box<Path>,
    /// The job, when it can run.
    pub job: Option<Arc<Job>>,
    /// What is wrong with it, the worst first.
    pub problems: Vec<Problem>,
    /// Settings as far as they could be read: for the lists of the API.
    pub raw_settings: WrittenSettings,
}

impl Found {
    /// Makes the same of pieces of its own, but for those that other jobs share.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { job: self.job.as_deref().map(|job| Arc::new(job.clone())), ..self.clone() }
    }
}

/// What should be: every folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Whether the folders were read at all; it may be that there is none.
    pub is_read: bool,
    /// Every job folder.
    pub jobs: BTreeMap<JobId, Arc<Found>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_manifest_is_an_ordered_map(files in prop::collection::vec(("[ab/é]{0,3}", 0..9_u32), 0..20)) {
            let facts = files.into_iter().map(|(path, mode)| (path, FileFact { hash: ContentHash([7; 16]), mode, size: 1 }));
            let facts: Vec<_> = facts.collect();
            let map: BTreeMap<_, _> = facts.iter().cloned().collect();
            let manifest: Manifest = facts.iter().cloned().collect();
            prop_assert!(manifest.iter().eq(map.iter().map(|(path, fact)| (path.as_str(), fact))));
            for path in facts.iter().map(|(path, _)| path.as_str()).chain(["c", "aa/a", ""]) {
                prop_assert_eq!(manifest.get(path), map.get(path));
                prop_assert_eq!(manifest.position(path), map.keys().position(|known| known == path));
            }
            prop_assert_eq!(&manifest, &map.into_iter().collect());
        }
    }
}

//! What lies on the simulated disk, and survives every host: job folders, records, journals, wishes. And the locks, which
//! do not.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use webjobd::{
    decide::{
        discover::{self, Interpreters, Surroundings},
        settings,
    },
    model::{
        id::{JobId, RunId},
        job::{ContentHash, Found},
        listing::{self, Entry, EntryKind, FolderListing},
        run::{Line, RunRecord},
        time::{Mono, Wall},
    },
};

/// A job's folder.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Texts by name.
    pub files: BTreeMap<String, String>,
    /// When it last changed.
    pub changed: Mono,
    /// Another one with every change.
    pub stamp: u64,
    found: Option<Arc<Found>>,
}

/// Everything that lies on disk.
#[derive(Debug, Default)]
pub struct Disk {
    /// By job.
    pub folders: BTreeMap<JobId, Folder>,
    /// Records of runs.
    pub records: BTreeMap<(JobId, RunId), RunRecord>,
    /// The newest run of each job, of whatever host.
    pub newest: BTreeMap<JobId, RunId>,
    /// How often each run was recorded as ended.
    pub ended: BTreeMap<(JobId, RunId), u32>,
    /// Runs that began and have not ended, by host.
    pub open: [BTreeSet<(JobId, RunId)>; 2],
    /// What became of due times.
    pub journals: BTreeMap<JobId, Vec<Line>>,
    /// Jobs that somebody stopped.
    pub stopped: BTreeMap<JobId, String>,
    /// Which host holds a job's run lock.
    pub run_locks: BTreeMap<JobId, usize>,
}

impl Disk {
    /// Returns up to when the due times of a job have their answers.
    pub fn served(&self, job: &JobId) -> Option<Wall> {
        self.journals.get(job)?.iter().rev().find_map(Line::served)
    }

    /// Tries for a job's run lock.
    pub fn try_lock(&mut self, job: &JobId, host: usize) -> bool {
        *self.run_locks.entry(job.clone()).or_insert(host) == host
    }

    /// Gives a job's run lock back.
    pub fn unlock(&mut self, job: &JobId, host: usize) {
        if self.run_locks.get(job) == Some(&host) {
            self.run_locks.remove(job);
        }
    }

    /// Fills a folder anew.
    pub fn fill(&mut self, id: &JobId, files: BTreeMap<String, String>, stamp: u64, now: Mono) {
        let found = Some(Arc::new(found(&list(id, &files))));
        self.folders.insert(id.clone(), Folder { files, changed: now, stamp, found });
    }

    /// Returns what discovery says of a folder as it is.
    pub fn found(&self, id: &JobId) -> Option<Arc<Found>> {
        self.folders.get(id)?.found.clone()
    }
}

fn list(id: &JobId, files: &BTreeMap<String, String>) -> FolderListing {
    let mut listing = FolderListing::empty(id.clone(), Path::new(&format!("/jobs/{id}")).into());
    for (name, text) in files {
        let (size, hash) = (text.len() as u64, hash(text.as_bytes()));
        listing.entries.insert(name.clone(), Entry { kind: EntryKind::File, size, mode: 0o755, hash });
        if listing::is_settings(name) {
            listing.settings.insert(name.clone(), text.clone());
        } else {
            listing.heads.insert(name.clone(), text.as_bytes().to_vec());
        }
    }
    listing
}

/// Works out what a folder holds.
fn found(listing: &FolderListing) -> Found {
    let read_settings = |text: &str, kind| {
        let reading = settings::read(text, kind);
        (reading.settings, reading.raw, reading.problems)
    };
    let interpreters = Interpreters::default();
    let around = Surroundings {
        interpreters: &interpreters,
        exists: &|_| true,
        hash: &hash,
        read_settings: &read_settings,
        share: &Arc::new,
    };
    discover::discover(listing, &around)
}

fn hash(bytes: &[u8]) -> ContentHash {
    let fnv = |seed: u64| bytes.iter().fold(seed, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut hash = [0; 16];
    hash[..8].copy_from_slice(&fnv(0xcbf2_9ce4_8422_2325).to_le_bytes());
    hash[8..].copy_from_slice(&fnv(0x1234_5678_9abc_def1).to_le_bytes());
    ContentHash(hash)
}

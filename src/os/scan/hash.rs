//! Hashes of files, and the memory of them.
//!
//! A hash is remembered under the file's device, inode, size, modification and change time. That is only safe when the
//! file cannot change any more without changing one of them: within the same tick of the file system's clock it could.
//! So a file whose times are younger than `RACY` is hashed, but not remembered; the next scan hashes it again.
//!
//! 32 bytes are kept for each file, without its path.

use std::{
    collections::BTreeMap,
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    path::Path,
};

use crate::model::{id::JobId, job::ContentHash, time::Wall};

/// Age below which a file may change without a change of its times: FAT has ticks of two seconds.
const RACY: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);
/// Bytes read at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// What was seen of every job folder.
#[derive(Debug, Default)]
pub struct HashCache {
    jobs: BTreeMap<JobId, Seen>,
}

/// What was seen of one job folder.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Of the whole folder, when it was at rest.
    fingerprint: Option<Fingerprint>,
    /// Whether every file is remembered.
    racy: bool,
    /// Keys and hashes of its files, in the order of keys.
    files: Vec<([u8; 16], ContentHash)>,
}

/// A value that differs when anything in a folder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 16]);

/// A file's hash.
pub(super) struct Hashed {
    pub hash: ContentHash,
    /// Whether it changed while it was read.
    pub changed: bool,
    /// Its beginning, where it was read for this.
    pub head: Option<Vec<u8>>,
    /// What its hash can be remembered under; nothing where it may change unseen.
    memory: Option<[u8; 16]>,
}

impl HashCache {
    /// Tells whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Forgets a job, so that its next scan is complete even when nothing differs.
    pub fn forget(&mut self, id: &JobId) {
        self.jobs.remove(id);
    }

    /// Keeps only jobs for which `keep` says so.
    pub fn retain(&mut self, keep: impl Fn(&JobId) -> bool) {
        self.jobs.retain(|id, _| keep(id));
    }

    /// Takes out what was seen of a job, to scan it, with the id under which it is to be put back: others hold that one, too.
    pub fn take(&mut self, id: &JobId) -> (JobId, Seen) {
        self.jobs.remove_entry(id).unwrap_or_else(|| (id.clone(), Seen::default()))
    }

    /// Puts back what was seen of many jobs, in less room than one by one.
    pub fn put_all(&mut self, seen: impl Iterator<Item = (JobId, Seen)>) {
        self.jobs.append(&mut seen.collect());
    }

    /// Puts back what was seen of a job.
    pub fn put(&mut self, id: JobId, seen: Seen) {
        self.jobs.insert(id, seen);
    }
}

impl Seen {
    pub(super) fn is_still(&self, fingerprint: &Fingerprint) -> bool {
        self.fingerprint.as_ref() == Some(fingerprint)
    }

    pub(super) fn remember(&mut self, fingerprint: Fingerprint) {
        self.fingerprint = (!self.racy).then_some(fingerprint);
    }

    /// Hashes a file, or remembers the hash. Of a file that is read, the first `head_max` bytes are kept.
    pub(super) fn hash(&self, (path, metadata): (&Path, &Metadata), head_max: usize, now: Wall) -> io::Result<Hashed> {
        let key = key(metadata);
        match self.files.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(place) => {
                let hash = self.files[place].1;
                Ok(Hashed { hash, changed: false, head: None, memory: Some(key) })
            }
            Err(_) => {
                let hashed = file(path, metadata, key, head_max)?;
                let memory = Some(key).filter(|_| !hashed.changed && !is_racy(metadata, now));
                Ok(Hashed { memory, ..hashed })
            }
        }
    }

    /// Keeps the hash of a file, if that can be relied on.
    pub(super) fn keep(&mut self, hashed: &Hashed) {
        match hashed.memory {
            Some(key) => self.files.push((key, hashed.hash)),
            None => self.racy = true,
        }
    }

    /// Ends the filling: from now on hashes are looked up.
    pub(super) fn seal(&mut self) {
        self.files.sort_unstable_by_key(|(key, _)| *key);
        self.files.shrink_to_fit();
    }
}

/// Hashes a link's target. No file has the same hash, short of one that holds just this.
pub fn link(target: &Path) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"link to ").update(target.as_os_str().as_encoded_bytes());
    short(&hasher)
}

/// Hashes bytes.
pub fn bytes(bytes: &[u8]) -> ContentHash {
    short(blake3::Hasher::new().update(bytes))
}

/// Ends a hash.
pub(in crate::os) fn short(hasher: &blake3::Hasher) -> ContentHash {
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    ContentHash(short)
}

/// Opens a file to read it, without waiting for anything and without following a last link.
pub(in crate::os) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    // Between the look and this, a pipe may have taken the file's place.
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    }
    options.open(path)
}

/// Returns the permission bits; 0 where the system has none.
pub(in crate::os) fn mode(metadata: &Metadata) -> u32 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        metadata.mode() & 0o7777
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        0
    }
}

/// Reads the beginning of a file: `expected` bytes are made room for, `limit` is the most.
pub(super) fn read_head(path: &Path, expected: u64, limit: u64, follow: bool) -> io::Result<Vec<u8>> {
    let file = if follow { open(&path.canonicalize()?)? } else { open(path)? };
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn fingerprint<'a>(entries: impl Iterator<Item = (&'a str, &'a Metadata)>) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
    for (path, metadata) in entries {
        hasher.update(path.as_bytes()).update(&[0, u8::from(metadata.is_dir())]);
        hasher.update(&mode(metadata).to_le_bytes());
        if !metadata.is_dir() {
            hasher.update(&key(metadata));
        }
    }
    Fingerprint(short(&hasher).0)
}

/// Reads a file as it was when it was met: `met` and `known` tell how that was.
fn file(path: &Path, met: &Metadata, known: [u8; 16], head_max: usize) -> io::Result<Hashed> {
    let mut file = open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut head = Vec::new();
    let room = usize::try_from(met.len().saturating_add(1)).map_or(CHUNK_BYTES, |room| room.min(CHUNK_BYTES));
    let mut chunk = vec![0; room];
    let mut n_bytes = 0;
    loop {
        let n_read = match file.read(&mut chunk) {
            Ok(n_read) => n_read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..n_read]);
        head.extend_from_slice(&chunk[..n_read.min(head_max - head.len())]);
        n_bytes += n_read as u64;
        // As long as it was, and there was room for more: that was all, unless it changed, which is looked at next.
        if n_read == 0 || (n_read < room && n_bytes == met.len()) {
            break;
        }
    }
    let after = file.metadata()?;
    if !after.is_file() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "not a file any more"));
    }
    let changed = known != key(&after) || n_bytes != after.len();
    Ok(Hashed { hash: short(&hasher), changed, head: Some(head), memory: None })
}

fn key(metadata: &Metadata) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut add = |number: i128| {
        hasher.update(&number.to_le_bytes());
    };
    add(metadata.len().into());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        [metadata.dev(), metadata.ino()].map(i128::from).into_iter().for_each(&mut add);
        times.map(i128::from).into_iter().for_each(add);
    }
    #[cfg(not(unix))]
    for time in [metadata.modified(), metadata.created()] {
        add(time.ok().and_then(|time| Wall::try_from(time).ok()).map_or(0, |time| time.as_nanosecond()));
    }
    short(&hasher).0
}

/// Returns whether the file may still change without a change of its times.
fn is_racy(metadata: &Metadata, now: Wall) -> bool {
    let modified = metadata.modified().ok().and_then(|time| Wall::try_from(time).ok());
    #[cfg(unix)]
    let changed = {
        use std::os::unix::fs::MetadataExt;
        Wall::from_second(metadata.ctime()).ok()
    };
    #[cfg(not(unix))]
    let changed = modified;
    modified.max(changed).is_none_or(|last| now.duration_since(last) < RACY)
}

//! Compresses rolled parts in the background, one at a time for the whole host.
//!
//! A part waits a while before its turn: of a job that prints faster than anybody can keep, most parts are pruned before
//! they would have cost anything. The thread exists only while something waits. A crash at any moment leaves the plain
//! part, or both files; either is whole, and opening the log again finishes the work.

use std::{
    collections::BTreeSet,
    fs::{self, File, FileTimes},
    io::{self, ErrorKind},
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

use crate::{model::log::PARTS_WAITING_MAX, os::file};

/// Shared by all logs of a host; clones are the same packer.
#[derive(Clone, Debug)]
pub struct Packer {
    /// How long a part waits at least.
    delay: Duration,
    /// What its thread does first.
    begin: fn(),
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<PathBuf>,
    is_working: bool,
}

impl Packer {
    /// Makes a packer that leaves each part alone for `delay`, and whose thread begins with `begin`.
    pub fn new(delay: Duration, begin: fn()) -> Self {
        Self { delay, begin, queue: Arc::default() }
    }

    /// Asks for a part to be compressed. A part that is already asked for, or too many of them, change nothing: what is
    /// not compressed now is when its log is opened again.
    pub fn submit(&self, part: PathBuf) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.len() < PARTS_WAITING_MAX {
            queue.waiting.insert(part);
        }
        if !queue.is_working {
            let packer = self.clone();
            let worker = thread::Builder::new().name("log packer".to_owned()).spawn(move || packer.work());
            queue.is_working = worker.is_ok();
        }
    }

    fn work(&self) {
        (self.begin)();
        loop {
            thread::park_timeout(self.delay);
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = mem::take(&mut queue.waiting);
            if batch.is_empty() {
                queue.is_working = false;
                return;
            }
            drop(queue);
            for part in batch {
                // A full disk or a folder that went away: the part stays as it is, readable.
                let _ = pack(&part);
            }
        }
    }
}

/// Compresses one part and removes the plain file. A part that is gone was pruned: nothing to do.
fn pack(part: &Path) -> io::Result<()> {
    let plain = match File::open(part) {
        Ok(plain) => plain,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let whole = with_suffix(part, ".gz");
    // A name of its own: on a shared folder another host may just be doing the same.
    let temp = file::temp_beside(&whole);
    // A part that was pruned meanwhile must not come back. If it goes after this look, it is pruned again at the next roll.
    let packed = compress(&plain, &temp).and_then(|()| fs::metadata(part)).and_then(|_| fs::rename(&temp, &whole));
    if packed.is_err() {
        let _ = fs::remove_file(&temp);
    }
    packed?;
    fs::remove_file(part)
}

fn compress(mut plain: &File, temp: &Path) -> io::Result<()> {
    let mut encoder = GzEncoder::new(File::create(temp)?, Compression::default());
    io::copy(&mut plain, &mut encoder)?;
    let file = encoder.finish()?;
    // The age of a part is the age of its last line.
    file.set_times(FileTimes::new().set_modified(plain.metadata()?.modified()?))?;
    file.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

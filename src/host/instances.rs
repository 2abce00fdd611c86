//! What other hosts on this root say of a continuous job, as Kudu shows it: one word for each host that lives.
//!
//! A host lives while it holds the lock of its instance; a word that a dead one left behind says nothing. It reads the
//! disk, so it is asked on threads that may wait.

use std::{
    fs, io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;

use crate::{
    host::handle::CommandError,
    model::{
        id::{Instance, JobId, RunId},
        run::RunPhase,
        time::Wall,
    },
    os::{
        file,
        lock::{Attempt, FileLock},
        machine,
    },
    store::{layout::Layout, record},
};

/// Longest text of a word's file, in bytes.
const WORD_BYTES_MAX: u64 = 4096;

/// Stands between a holder's process and its machine.
const ON: &str = " on ";

/// Time from one try for a lock that another host has for a moment to the next.
const BETWEEN: Duration = Duration::from_millis(20);

/// Longer than any file system takes its time from the same tick of a clock.
const SETTLED: Duration = Duration::from_secs(2);

/// How often a lock is tried that others only look at.
const LOOK_TRIES: u32 = 5;

/// How often a lock is tried while somebody mends: half a minute.
const MENDING_TRIES_MAX: u32 = 1500;

/// The file of a word (spec/kudu-webjobs 3.2).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WordFile {
    status: String,
}

/// Lists the other hosts that live.
pub fn others(layout: &Layout) -> Vec<Instance> {
    let folders = fs::read_dir(layout.hosts()).into_iter().flatten().flatten();
    let named = folders.filter_map(|folder| Some(Instance::new(folder.file_name().to_str()?)));
    named.filter(|instance| instance != layout.instance() && lives(layout, instance)).collect()
}

/// A host that is gone and has left something to mend. While this is kept, it does not come back.
#[derive(Debug)]
pub struct Gone {
    /// Its name.
    pub instance: Instance,
    /// The name of the machine that it ran on, when that is another one than this.
    pub elsewhere: Option<String>,
    _share: FileLock,
}

/// Lists the other hosts that are gone without having ended cleanly.
pub fn gone(layout: &Layout) -> Vec<Gone> {
    let folders = fs::read_dir(layout.hosts()).into_iter().flatten().flatten();
    let named = folders.filter_map(|folder| Some(Instance::new(folder.file_name().to_str()?)));
    let others = named.filter(|instance| instance != layout.instance() && has_left(layout, instance));
    others
        .filter_map(|instance| {
            let share = FileLock::try_shared(&layout.host_lock_of(&instance)).ok().flatten()?;
            Some(Gone { elsewhere: other_machine(&share.holder()), instance, _share: share })
        })
        .collect()
}

/// Looks whether hosts are gone, before each run that must be alone on all of them. As long as ours was the only host, and
/// the time of their folder tells that none has come since, nothing is listed.
#[derive(Debug, Default)]
pub struct GoneLook {
    /// When the folder was changed last while it held ours alone.
    alone: Mutex<Option<Wall>>,
}

impl GoneLook {
    /// Tells whether [`gone`] would list any. A look costs some 20 µs, and one that needs no list a tenth of that.
    pub fn any(&self, layout: &Layout, now: Wall) -> bool {
        let changed = fs::metadata(layout.hosts()).and_then(|folder| folder.modified());
        self.any_since(layout, changed.ok().and_then(|time| Wall::try_from(time).ok()), now)
    }

    fn any_since(&self, layout: &Layout, changed: Option<Wall>, now: Wall) -> bool {
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.is_some() && changed == *alone {
            return false;
        }
        // A folder that was changed a moment ago may change again without a later time.
        let is_settled = |changed: &Wall| *changed + SETTLED <= now;
        *alone = changed.filter(is_settled).filter(|_| count(layout) == 1);
        alone.is_none() && !gone(layout).is_empty()
    }
}

/// Counts the hosts that ever were on this root, ours too.
fn count(layout: &Layout) -> usize {
    fs::read_dir(layout.hosts()).map_or(0, Iterator::count)
}

/// Lists the other hosts that do not live and left deliveries to hooks, each with its lock: while that is kept, nobody else
/// takes them over, and the host does not come back.
pub fn with_deliveries(layout: &Layout) -> Vec<(Instance, FileLock)> {
    let folders = fs::read_dir(layout.hosts()).into_iter().flatten().flatten();
    let named = folders.filter_map(|folder| Some(Instance::new(folder.file_name().to_str()?)));
    let others = named.filter(|instance| instance != layout.instance() && layout.of(instance).waiting().exists());
    let locked = |instance: &Instance| FileLock::try_exclusive(&layout.host_lock_of(instance)).ok().flatten();
    others.filter_map(|instance| locked(&instance).map(|lock| (instance, lock))).collect()
}

/// Tells whether a host that ended has left something to mend: one that ended cleanly leaves an empty journal and no
/// `host.json`.
pub fn has_left(layout: &Layout, instance: &Instance) -> bool {
    let theirs = layout.of(instance);
    fs::metadata(theirs.open_runs()).is_ok_and(|file| file.len() > 0) || theirs.host_json().exists()
}

/// Describes this process as the holder of a host's lock.
pub fn holder() -> String {
    format!("process {}{ON}{}", machine::own_pid(), machine::host_name())
}

/// Returns the machine of a holder, unless it is this one or not told.
fn other_machine(holder: &str) -> Option<String> {
    let (_, name) = holder.split_once(ON)?;
    (name != machine::host_name()).then(|| name.to_owned())
}

/// Returns what another host does with a job, in Kudu's words.
pub fn word(layout: &Layout, job: &JobId, instance: &Instance) -> Option<String> {
    let text = file::read_bounded(&layout.instance_status(job, instance), WORD_BYTES_MAX).ok()??;
    serde_json::from_slice(&text).ok().map(|file: WordFile| file.status)
}

/// Says why a run that is not on its way here cannot be cancelled here.
pub fn no_run(layout: &Layout, job: &JobId, run: RunId) -> CommandError {
    let running = record::read(layout, job, run).filter(|record| !matches!(record.phase, RunPhase::Ended(_)));
    match running.map(|record| record.instance) {
        Some(instance) if instance != *layout.instance() && lives(layout, &instance) => {
            CommandError::Elsewhere(job.clone(), run, instance)
        }
        Some(_) | None => CommandError::NoRun(job.clone(), run),
    }
}

/// Tells whether a host lives.
pub fn lives(layout: &Layout, instance: &Instance) -> bool {
    matches!(FileLock::try_shared(&layout.host_lock_of(instance)), Ok(None))
}

/// Takes a host's own lock. Another host that looks whether this one lives shares in it for a moment, and one that mends
/// what an earlier life has left for as long as that takes: it is tried again.
///
/// # Errors
/// When the file cannot be made or locked at all.
pub async fn take_own(layout: &Layout) -> io::Result<Attempt> {
    let holder = holder();
    let mut tries = 1;
    loop {
        match FileLock::try_exclusive_as(&layout.host_lock(), &holder)? {
            taken @ Attempt::Taken(_) => return Ok(taken),
            held @ Attempt::Held(_) if tries >= MENDING_TRIES_MAX => return Ok(held),
            held @ Attempt::Held(_) => {
                let mended = layout.mending_lock_of(layout.instance());
                let is_mended = matches!(FileLock::try_shared(&mended), Ok(None));
                if tries >= LOOK_TRIES && !is_mended {
                    return Ok(held);
                }
            }
        }
        tries += 1;
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Becomes the one who mends what a host has left, or waits until another has done so; `None` when it takes too long.
///
/// # Errors
/// When the file cannot be made or locked at all.
pub async fn take_mending(layout: &Layout, instance: &Instance) -> io::Result<Option<FileLock>> {
    let path = layout.mending_lock_of(instance);
    for _ in 1..MENDING_TRIES_MAX {
        match FileLock::try_exclusive(&path)? {
            None => tokio::time::sleep(BETWEEN).await,
            taken @ Some(_) => return Ok(taken),
        }
    }
    FileLock::try_exclusive(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobKind, JobName};

    #[test]
    fn a_word_counts_while_its_host_lives() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = |name| Layout::new(folder.path().to_owned(), Instance::new(name));
        let (one, two) = (layout("one"), layout("two"));
        let job = JobId { kind: JobKind::Continuous, name: JobName::parse("a").expect("a name") };
        fs::create_dir_all(one.job(&job)).expect("a folder");
        fs::write(two.instance_status(&job, two.instance()), r#"{"Status":"PendingRestart"}"#).expect("it is written");
        let lock = FileLock::try_exclusive(&two.host_lock()).expect("a lock").expect("free");
        let own = FileLock::try_exclusive(&one.host_lock()).expect("a lock").expect("free");
        assert_eq!(others(&one), [two.instance().clone()]);
        assert_eq!(word(&one, &job, two.instance()).as_deref(), Some("PendingRestart"));
        assert_eq!(word(&one, &job, one.instance()), None);
        drop((lock, own));
        assert_eq!(others(&one), []);
    }

    #[test]
    fn who_is_gone_and_has_left_something_is_told_with_its_machine() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = |name| Layout::new(folder.path().to_owned(), Instance::new(name));
        let (one, two) = (layout("one"), layout("two"));
        let here = FileLock::try_exclusive_as(&two.host_lock(), &holder()).expect("a lock");
        fs::write(two.open_runs(), "+").expect("it is written");
        assert!(gone(&one).is_empty(), "it lives");
        drop(here);
        assert_eq!(gone(&one).pop().map(|gone| (gone.instance, gone.elsewhere)), Some((Instance::new("two"), None)));
        let there = FileLock::try_exclusive_as(&two.host_lock(), "process 7 on the moon").expect("a lock");
        drop(there);
        assert_eq!(gone(&one).pop().and_then(|gone| gone.elsewhere).as_deref(), Some("the moon"));
        fs::write(two.open_runs(), "").expect("it is written");
        assert!(gone(&one).is_empty(), "it ended cleanly");
    }

    #[test]
    fn a_host_that_came_and_went_is_seen_by_one_that_was_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = |name| Layout::new(folder.path().to_owned(), Instance::new(name));
        let (one, two) = (layout("one"), layout("two"));
        let _own = FileLock::try_exclusive(&one.host_lock()).expect("a lock").expect("free");
        let first = "2026-11-25T12:00:00Z".parse::<Wall>().expect("a time");
        let (later, last) = (first + SETTLED, first + 2 * SETTLED);
        let [settled, fresh, unknown] = std::array::from_fn(|_| GoneLook::default());
        assert!(!settled.any_since(&one, Some(first), later));
        assert!(!fresh.any_since(&one, Some(first), first) && !unknown.any_since(&one, None, later));
        drop(FileLock::try_exclusive(&two.host_lock()).expect("a lock"));
        fs::write(two.open_runs(), "+").expect("it is written");
        assert!(!settled.any_since(&one, Some(first), last), "the time is the same: nothing is listed");
        for now in [later, last] {
            assert!(settled.any_since(&one, Some(later), now), "the time tells of it");
            assert!(fresh.any_since(&one, Some(first), now), "a time that was fresh says nothing");
            assert!(unknown.any_since(&one, None, now), "nor does none");
        }
    }
}

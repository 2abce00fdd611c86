//! What other hosts on this root say of a continuous job, as Kudu shows it: one word for each host that lives.
//!
//! A host lives while it holds the lock of its instance; a word that a dead one left behind says nothing. It reads the
//! disk, so it is asked on threads that may wait.

use std::fs;

use serde::Deserialize;

use crate::{
    model::id::{Instance, JobId},
    os::{
        file,
        lock::{Attempt, FileLock},
    },
    store::layout::Layout,
};

/// Longest text of a word's file, in bytes.
const WORD_BYTES_MAX: u64 = 4096;

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

/// Lists the other hosts that are gone without having ended cleanly, each with its lock, which is held meanwhile.
pub fn gone(layout: &Layout) -> Vec<(Instance, FileLock)> {
    let folders = fs::read_dir(layout.hosts()).into_iter().flatten().flatten();
    // A host that ended cleanly has left no journal to mend by: see `recovery`.
    let named = folders.filter_map(|folder| Some(Instance::new(folder.file_name().to_str()?)));
    let others = named.filter(|instance| instance != layout.instance());
    others
        .filter_map(|instance| {
            let path = layout.host_lock_of(&instance);
            let lock = path.exists().then(|| FileLock::try_exclusive(&path).ok().flatten()).flatten()?;
            Some((instance, lock))
        })
        .collect()
}

/// Returns what another host does with a job, in Kudu's words.
pub fn word(layout: &Layout, job: &JobId, instance: &Instance) -> Option<String> {
    let text = file::read_bounded(&layout.instance_status(job, instance), WORD_BYTES_MAX).ok()??;
    serde_json::from_slice(&text).ok().map(|file: WordFile| file.status)
}

fn lives(layout: &Layout, instance: &Instance) -> bool {
    let path = layout.host_lock_of(instance);
    // Looking must not make a lock where there is none.
    path.exists() && matches!(FileLock::try_exclusive(&path), Ok(None))
}

/// Takes a host's own lock. Another host that looks whether this one lives holds it for a moment: it is tried again.
///
/// # Errors
/// When the file cannot be made or locked at all.
pub async fn take_own(layout: &Layout, holder: &str) -> std::io::Result<Attempt> {
    const TRIES: u32 = 5;
    const BETWEEN: std::time::Duration = std::time::Duration::from_millis(20);
    for _ in 1..TRIES {
        match FileLock::try_exclusive_as(&layout.host_lock(), holder)? {
            Attempt::Held(_) => tokio::time::sleep(BETWEEN).await,
            taken @ Attempt::Taken(_) => return Ok(taken),
        }
    }
    FileLock::try_exclusive_as(&layout.host_lock(), holder)
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
}

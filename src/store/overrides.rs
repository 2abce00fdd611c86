//! What people asked of jobs beyond their folders: `data/webjobd/overrides.json`. A job that was stopped stays stopped
//! over restarts of the host and over new content, because the wish is kept here and not in the user's folder.

use std::{
    collections::BTreeMap,
    mem,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    model::{
        id::JobId,
        time::Wall,
        wish::{Pause, Stopped, Switch, Wish, Wishes},
    },
    os::file::{self, Access, Durability, FileError},
};

/// Largest file that is read, in bytes.
const OVERRIDES_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    #[serde(default)]
    stopped: BTreeMap<String, Stopped>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    paused: BTreeMap<String, Pause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all_paused: Option<Pause>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    switched: BTreeMap<String, Switch>,
    /// What a later version keeps here; it stays.
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// The file and what it says.
#[derive(Debug)]
pub struct Overrides {
    path: PathBuf,
    content: Content,
    /// Stops that the disk did not take: they hold while this host lives, and are written with the next wish.
    unsaved: BTreeMap<String, Stopped>,
    /// Whether a change of this host brought in what another one had written.
    has_unheard: bool,
}

impl Overrides {
    /// Reads the file; an absent one says nothing.
    ///
    /// # Errors
    /// When it is there and cannot be read: better no start than jobs that somebody has stopped.
    pub fn open(path: PathBuf) -> Result<Self, FileError> {
        let content = read(&path)?;
        Ok(Self { path, content, unsaved: BTreeMap::new(), has_unheard: false })
    }

    /// Returns whether and by whom a job was stopped.
    pub fn stopped(&self, job: &JobId) -> Option<&Stopped> {
        self.content.stopped.get(&job.to_string())
    }

    /// Keeps that a job was stopped.
    ///
    /// # Errors
    /// When the disk does not take it; the job is stopped all the same, until this host ends.
    pub fn stop(&mut self, job: &JobId, stopped: Stopped) -> Result<(), FileError> {
        self.unsaved.insert(job.to_string(), stopped.clone());
        self.content.stopped.insert(job.to_string(), stopped);
        self.change(|_| ())
    }

    /// Forgets that a job was stopped.
    ///
    /// # Errors
    /// When the disk does not take it; the job then stays stopped.
    pub fn start(&mut self, job: &JobId) -> Result<(), FileError> {
        if self.stopped(job).is_none() {
            return Ok(());
        }
        let name = job.to_string();
        if self.unsaved.remove(&name).is_some() && !read(&self.path)?.stopped.contains_key(&name) {
            // It was never written, so there is nothing to take back.
            self.content.stopped.remove(&name);
            return Ok(());
        }
        self.change(|content| drop(content.stopped.remove(&job.to_string())))
    }

    /// Returns all that was asked of a job.
    pub fn wishes(&self, job: &JobId) -> Wishes {
        let (content, job) = (&self.content, job.to_string());
        Wishes {
            stopped: content.stopped.get(&job).cloned(),
            paused: content.paused.get(&job).cloned(),
            all_paused: content.all_paused.clone(),
            switch: content.switched.get(&job).cloned(),
        }
    }

    /// Keeps a wish for a job, or for all.
    ///
    /// # Errors
    /// When the disk does not take it; the wish is then not kept.
    pub fn wish(&mut self, job: Option<&JobId>, wish: &Wish, by: &str, at: Wall) -> Result<(), FileError> {
        self.change(|content| content.wish(job, wish, by, at))
    }

    /// Forgets all that was asked of a job.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn forget(&mut self, job: &JobId) -> Result<(), FileError> {
        let name = job.to_string();
        let content = &self.content;
        let is_known = content.stopped.contains_key(&name)
            || content.paused.contains_key(&name)
            || content.switched.contains_key(&name);
        if !is_known {
            return Ok(());
        }
        self.unsaved.remove(&name);
        self.change(|content| {
            content.stopped.remove(&name);
            content.paused.remove(&name);
            content.switched.remove(&name);
        })
    }

    /// Reads the file again, for what another host has written; tells whether it has written anything since the last time.
    ///
    /// # Errors
    /// When it cannot be read; what was known stays.
    pub fn refresh(&mut self) -> Result<bool, FileError> {
        let mut content = read(&self.path)?;
        content.stopped.extend(self.unsaved.clone());
        let is_other = content != self.content;
        self.content = content;
        Ok(mem::take(&mut self.has_unheard) || is_other)
    }

    fn change(&mut self, edit: impl FnOnce(&mut Content)) -> Result<(), FileError> {
        // Another host may have written since: its wishes stay.
        let mut content = read(&self.path)?;
        content.stopped.extend(self.unsaved.clone());
        let has_unheard = content != self.content;
        edit(&mut content);
        let text = serde_json::to_vec_pretty(&content).expect("names and times are JSON");
        file::write_whole(&self.path, &text, Durability::Synced, Access::Usual)?;
        self.has_unheard |= has_unheard;
        self.content = content;
        self.unsaved.clear();
        Ok(())
    }
}

impl Content {
    fn wish(&mut self, job: Option<&JobId>, wish: &Wish, by: &str, at: Wall) {
        let by = by.to_owned();
        let switch = |enabled, by| Switch { enabled, by, at };
        match (wish, job.map(JobId::to_string)) {
            (Wish::Pause { until, reason }, job) => {
                let pause = Pause { by, at, until: *until, reason: reason.clone() };
                match job {
                    Some(job) => drop(self.paused.insert(job, pause)),
                    None => self.all_paused = Some(pause),
                }
            }
            (Wish::Resume, Some(job)) => drop(self.paused.remove(&job)),
            // All: those that were paused one by one too.
            (Wish::Resume, None) => {
                self.all_paused = None;
                self.paused.clear();
            }
            (Wish::Enable, Some(job)) => drop(self.switched.insert(job, switch(true, by))),
            (Wish::Disable, Some(job)) => drop(self.switched.insert(job, switch(false, by))),
            // All jobs at once are neither enabled nor disabled.
            (Wish::Enable | Wish::Disable, None) => {}
        }
    }
}

fn read(path: &Path) -> Result<Content, FileError> {
    let Some(text) = file::read_bounded(path, OVERRIDES_BYTES_MAX)? else { return Ok(Content::default()) };
    serde_json::from_slice(&text).map_err(|error| FileError::Read { path: path.to_owned(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobKind, JobName};

    #[test]
    fn a_stop_is_kept_until_a_start_and_two_hosts_do_not_lose_each_others_wishes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("overrides.json");
        let job = |name| JobId { kind: JobKind::Continuous, name: JobName::parse(name).expect("a name") };
        let stopped = Stopped { by: "a test".to_owned(), at: Wall::UNIX_EPOCH };
        let mut one = Overrides::open(path.clone()).expect("it opens");
        let mut two = Overrides::open(path.clone()).expect("it opens");
        one.stop(&job("a"), stopped.clone()).expect("it is kept");
        two.stop(&job("b"), stopped.clone()).expect("it is kept");
        assert!(one.refresh().expect("it is read"));
        assert!(two.refresh().expect("it is read"), "the stop of a came in with the stop of b");
        assert!(!two.refresh().expect("it is read"), "what it wrote itself is known");
        assert!(one.stopped(&job("a")).is_some() && one.stopped(&job("b")).is_some());
        two.stop(&job("c"), stopped).expect("it is kept");
        one.start(&job("a")).expect("it is kept");
        assert!(one.refresh().expect("it is read"), "the stop of c came in with the start of a");
        assert!(!one.refresh().expect("it is read"));
        assert_eq!(Overrides::open(path).expect("it opens").stopped(&job("a")), None);
    }

    #[test]
    fn an_old_file_is_read_and_what_a_later_version_keeps_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("overrides.json");
        let old = r#"{"stopped":{"continuous/a":{"by":"ann","at":"2026-02-28T12:00:00Z"}},"later":[1]}"#;
        std::fs::write(&path, old).expect("it is written");
        let mut overrides = Overrides::open(path.clone()).expect("it opens");
        let job = |kind, name| JobId { kind, name: JobName::parse(name).expect("a name") };
        let (a, b) = (job(JobKind::Continuous, "a"), job(JobKind::Triggered, "b"));
        assert!(overrides.wishes(&a).stopped.is_some());
        let now = Wall::UNIX_EPOCH;
        let pause = Wish::Pause { until: Some(now), reason: None };
        overrides.wish(Some(&b), &pause, "ann", now).expect("it is kept");
        overrides.wish(None, &pause, "bob", now).expect("it is kept");
        overrides.wish(Some(&a), &Wish::Disable, "ann", now).expect("it is kept");
        let kept = Overrides::open(path.clone()).expect("it opens");
        let wishes = kept.wishes(&b);
        assert_eq!(wishes.paused.map(|pause| pause.by).as_deref(), Some("ann"));
        assert_eq!(wishes.all_paused.map(|pause| pause.by).as_deref(), Some("bob"));
        assert_eq!(kept.wishes(&a).switch.map(|switch| switch.enabled), Some(false));
        overrides.wish(None, &Wish::Resume, "bob", now).expect("it is kept");
        overrides.forget(&a).expect("it is kept");
        assert_eq!((overrides.wishes(&a), overrides.wishes(&b)), Default::default());
        assert!(std::fs::read_to_string(&path).expect("it is read").contains("\"later\""));
    }

    #[test]
    fn a_stop_that_the_disk_does_not_take_holds_and_is_written_with_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("missing/overrides.json");
        let job = |name| JobId { kind: JobKind::Continuous, name: JobName::parse(name).expect("a name") };
        let stopped = Stopped { by: "a test".to_owned(), at: Wall::UNIX_EPOCH };
        let mut overrides = Overrides::open(path.clone()).expect("it opens");
        for name in ["a", "b"] {
            assert!(overrides.stop(&job(name), stopped.clone()).is_err());
        }
        overrides.refresh().expect("there is no file");
        assert!(overrides.stopped(&job("a")).is_some(), "it is not forgotten");
        overrides.start(&job("b")).expect("it was never written");
        assert!(overrides.stopped(&job("b")).is_none());
        std::fs::create_dir(folder.path().join("missing")).expect("the disk has room again");
        overrides.stop(&job("c"), stopped).expect("it is kept");
        let read = Overrides::open(path).expect("it opens");
        assert_eq!(["a", "b", "c"].map(|name| read.stopped(&job(name)).is_some()), [true, false, true]);
    }
}

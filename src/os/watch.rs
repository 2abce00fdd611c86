//! Watches the roots of jobs, and turns what the system reports into hints.
//!
//! ```text
//!  notify's thread ── classify ──> dirty set ── wake ──> Watch::next ──> hints
//!        │ a root came, went or moved                        ▲
//!        └──────────> keeper thread: watches afresh ── "everything" ─┘
//! ```
//! The dirty set holds one hint for each job, so its size is bounded by the number of folders, and notify's thread never
//! waits for anybody. Hints may say too much, never too little: whenever events were lost, or a watch had to be set up
//! anew, everything is hinted at.
//!
//! * A root that goes or moves away tells so itself. While it does not exist, its nearest existing parent folder is
//!   watched; else none is, because everything that is written there would wake the host. A root that goes with a folder
//!   above it, by a rename, is noticed by [`Watch::look_again`], which is asked on a timer.
//! * When the system refuses further watches, the ones in place stay, and `Hint::Blind` asks for reading on a timer. A folder
//!   within a job's that we may not open is that job's own trouble: the job is hinted at, and what happens in the folder
//!   later is seen by the next reading of everything.
//! * Files behind linked folders are not seen, but for a job folder that is itself a link.
//!
//! Nothing else outside the roots is watched: not `data/`, not the working copies.

mod classify;
pub mod single;
pub mod tree;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use notify::{EventKindMask, RecursiveMode, Watcher};
use tokio::sync::Notify;

use self::classify::Seen;
use crate::{
    model::{
        hint::{Hint, HintKind},
        id::JobId,
    },
    os::file,
};

/// A watch on the roots of jobs. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    dirty: Arc<Dirty>,
    roots: Vec<PathBuf>,
    keeper: Option<mpsc::SyncSender<Watched>>,
}

/// How changes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// The system announces them.
    Events,
    /// They are found on a timer only: `next` says so once and then waits for ever.
    PollOnly,
}

/// Asks the keeper to watch afresh.
#[derive(Clone, Copy, Debug)]
struct Watched;

/// What changed since it was last taken.
#[derive(Debug, Default)]
struct Dirty {
    hints: Mutex<Hints>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct Hints {
    jobs: BTreeMap<JobId, (HintKind, Option<String>)>,
    everything: Option<String>,
    blind: Option<String>,
    closed: bool,
    /// The roots that are watched, or were to be; nothing before that.
    watched: Option<Vec<Identity>>,
}

/// Tells a folder from another of the same name; nothing when there is none.
type Identity = Option<(u64, u64)>;

impl Watch {
    /// Prepares to watch `roots`; nothing is watched before [`Self::begin`].
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn prepare(roots: Vec<PathBuf>, mode: WatchMode) -> io::Result<Self> {
        let dirty = Arc::new(Dirty::default());
        if mode == WatchMode::PollOnly {
            dirty.blind("watching is turned off, so changes are found on a timer only".to_owned());
            return Ok(Self { dirty, roots, keeper: None });
        }
        // One place is enough: a request that finds another one waiting is answered by that one.
        let (asks, asked) = mpsc::sync_channel(1);
        let keeper = Keeper { roots: roots.clone(), dirty: Arc::clone(&dirty), asks: asks.clone() };
        // Its watcher holds senders of its own: the end is told by `Dirty::close`.
        thread::Builder::new().name("watch".to_owned()).spawn(move || keeper.run(&asked))?;
        Ok(Self { dirty, roots, keeper: Some(asks) })
    }

    /// Begins to watch. The watches are set up on a thread of their own; when they are, everything is hinted at once, since
    /// what changed before was not seen.
    pub fn begin(&self) {
        if let Some(keeper) = &self.keeper {
            // Full: a request waits already.
            let _ = keeper.try_send(Watched);
        }
    }

    /// Watches afresh when a root is not the folder that is watched: it came, went or moved unseen. Costs a look at each.
    pub fn look_again(&self) {
        let watched = self.dirty.change(|hints| hints.watched.clone());
        if let Some(keeper) = &self.keeper
            && watched.is_some_and(|watched| watched != identities(&self.roots))
        {
            // Full: a request waits already, and will see the folders as they are then.
            let _ = keeper.try_send(Watched);
        }
    }

    /// Waits until there are hints, and takes them. Cancel-safe: hints are taken only when it returns.
    pub async fn next(&self) -> Vec<Hint> {
        loop {
            let hints = self.dirty.take();
            if !hints.is_empty() {
                return hints;
            }
            self.dirty.woken.notified().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.dirty.close();
        if let Some(keeper) = &self.keeper {
            let _ = keeper.try_send(Watched);
        }
    }
}

impl Dirty {
    fn take(&self) -> Vec<Hint> {
        let Hints { jobs, everything, blind, .. } = self.change(|hints| {
            let (closed, watched) = (hints.closed, hints.watched.take());
            std::mem::replace(hints, Hints { closed, watched, ..Hints::default() })
        });
        let blind = blind.map(|why| Hint::Blind { why });
        let everything = everything.map(|why| Hint::Everything { why });
        let jobs = jobs.into_iter().map(|(id, (kind, path))| Hint::Job { id, kind, path });
        blind.into_iter().chain(everything).chain(jobs).collect()
    }

    /// Adds a hint for a job. The newest kind counts, since it tells whether something is being written, but a mere
    /// touch does not hide that a folder was moved in; the path is the first that was seen.
    fn job(&self, id: JobId, kind: HintKind, path: Option<String>) {
        self.change(|hints| {
            let (newest, first) = hints.jobs.entry(id).or_insert((kind, None));
            if !(*newest == HintKind::MovedIn && kind == HintKind::Changed && path.is_none()) {
                *newest = kind;
            }
            *first = first.take().or(path);
        });
        self.woken.notify_one();
    }

    fn seen(&self, seen: Seen) {
        match seen {
            Seen::Job { id, kind, path, .. } => self.job(id, kind, path),
            Seen::Many => self.everything("events were lost, or many folders changed at once"),
            Seen::Root => self.everything("the folder of jobs came or went"),
        }
    }

    fn everything(&self, why: &str) {
        self.change(|hints| hints.everything.get_or_insert_with(|| why.to_owned()).len());
        self.woken.notify_one();
    }

    fn blind(&self, why: String) {
        self.change(|hints| hints.blind = Some(why));
        self.woken.notify_one();
    }

    fn close(&self) {
        self.change(|hints| hints.closed = true);
    }

    fn is_closed(&self) -> bool {
        self.change(|hints| hints.closed)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Hints) -> T) -> T {
        change(&mut self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Owns the watcher, because setting up watches waits for notify's thread, which therefore cannot do it by itself.
struct Keeper {
    roots: Vec<PathBuf>,
    dirty: Arc<Dirty>,
    asks: mpsc::SyncSender<Watched>,
}

impl Keeper {
    fn run(&self, asked: &mpsc::Receiver<Watched>) {
        let mut watcher = None;
        while let Ok(Watched) = asked.recv() {
            // A watcher of before holds watches on folders that moved away or are gone: none of it is kept.
            drop(watcher.take());
            if self.dirty.is_closed() {
                return;
            }
            let found = identities(&self.roots);
            self.dirty.change(|hints| hints.watched = Some(found.clone()));
            match self.watch() {
                Ok((fresh, parents)) => {
                    watcher = Some(fresh);
                    // What came or went before it was watched goes unseen: then this was for nothing.
                    if self.parents() != parents || identities(&self.roots) != found {
                        let _ = self.asks.try_send(Watched);
                    }
                }
                Err(error) => self.dirty.blind(explain(&error)),
            }
            self.dirty.everything("the folders are watched afresh");
        }
    }

    /// Makes a watcher, and returns it with the folders above the roots that it was to watch.
    fn watch(&self) -> notify::Result<(notify::RecommendedWatcher, Vec<PathBuf>)> {
        let handler = self.handler();
        let config = config().with_follow_symlinks(false);
        let mut watcher = notify::RecommendedWatcher::new(handler, config)?;
        let parents = self.parents();
        for parent in &parents {
            add(&mut watcher, parent, RecursiveMode::NonRecursive)
                .unwrap_or_else(|error| self.dirty.blind(explain(&error)));
        }
        for root in self.roots.iter().filter(|root| root.is_dir()) {
            add(&mut watcher, root, RecursiveMode::Recursive).unwrap_or_else(|error| self.dirty.blind(explain(&error)));
            for linked in linked_jobs(root) {
                // With the dot, the walk begins at the folder instead of the link; in events it makes no difference.
                match add(&mut watcher, &linked.join("."), RecursiveMode::Recursive) {
                    Err(error) if classify::refused(&error, &self.roots).is_none() => self.dirty.blind(explain(&error)),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok((watcher, parents))
    }

    /// The nearest existing folder above each root that is missing, but for those that are watched whole. Where a folder does
    /// not tell that it moves, also above those that exist.
    fn parents(&self) -> Vec<PathBuf> {
        let unheard = self.roots.iter().filter(|root| !cfg!(target_os = "linux") || !root.is_dir());
        let above = unheard.filter_map(|root| root.ancestors().skip(1).find(|folder| folder.is_dir()));
        let mut parents: Vec<_> = above.map(Path::to_owned).collect();
        parents.retain(|parent| !self.roots.iter().any(|root| parent.starts_with(root)));
        parents.sort();
        parents.dedup();
        parents
    }

    fn handler(&self) -> impl FnMut(notify::Result<notify::Event>) + Send + use<> {
        let (roots, dirty, asks) = (self.roots.clone(), Arc::clone(&self.dirty), self.asks.clone());
        let afresh = move || {
            // Full: a request waits already, and will see the folders as they are then.
            let _ = asks.try_send(Watched);
        };
        move |event| match event {
            Err(error) => match classify::refused(&error, &roots) {
                Some(seen) => seen.into_iter().for_each(|seen| dirty.seen(seen)),
                None => {
                    dirty.blind(explain(&error));
                    dirty.everything("the watch reported an error");
                }
            },
            Ok(event) => {
                for seen in classify::classify(&event, &roots) {
                    let is_link = || event.paths.iter().any(|path| path.is_symlink());
                    match &seen {
                        Seen::Job { itself: true, .. } if is_link() => afresh(),
                        Seen::Root => afresh(),
                        Seen::Job { .. } | Seen::Many => {}
                    }
                    dirty.seen(seen);
                }
            }
        }
    }
}

fn add(watcher: &mut notify::RecommendedWatcher, path: &Path, mode: RecursiveMode) -> notify::Result<()> {
    for attempt in 1.. {
        match watcher.watch(path, mode) {
            // One that goes while it is walked may be there again.
            Err(error) if is_gone(&error) && attempt < 5 => {}
            Err(error) if is_gone(&error) && !path.exists() => break,
            done => return done,
        }
    }
    Ok(())
}

/// Asks for what may change a folder. Files that are merely opened are passed over in the kernel: a job that reads its own
/// files, or a copy of its folder, would wake the host with each.
fn config() -> notify::Config {
    notify::Config::default().with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE)
}

fn identities(roots: &[PathBuf]) -> Vec<Identity> {
    roots.iter().map(|root| std::fs::metadata(root).ok().and_then(|folder| file::identity(&folder))).collect()
}

/// Job folders that are links to folders: a watch of the root does not see into them.
fn linked_jobs(root: &Path) -> Vec<PathBuf> {
    let folders = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let kinds = folders(root).filter(|kind| kind.is_dir());
    kinds.flat_map(|kind| folders(&kind).collect::<Vec<_>>()).filter(|job| job.is_symlink() && job.is_dir()).collect()
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn explain(error: &notify::Error) -> String {
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => "the system allows no more watches, so some changes are found on a timer \
                                             only; raise fs.inotify.max_user_watches"
            .to_owned(),
        _ => format!("the folders cannot be watched ({error}), so some changes are found on a timer only"),
    }
}

#[cfg(test)]
mod tests;

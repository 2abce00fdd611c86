//! The index over all runs of both kinds: which there are, whose, since when, and how they ended; the rest stands in
//! their records.
//!
//! ```text
//!  actors ── began, ended, gone ──> feed of this host ─┐
//!            feeds of other hosts on this root ────────┴─> index.db ──> pages, newest, oldest, counts
//!            records ── a thread of its own: builds it, holds it against them ──^
//! ```
//!
//! Telling appends a line to a file and waits for nothing else. Whoever asks first takes in what the feeds tell, so an
//! answer knows all that was told before the question. An index that is missing, damaged or of another version is built
//! anew beside everything else; until then, and where none can be kept, there is no answer (`None`), and the records are
//! asked instead. It never holds up a run, and nothing is lost with it.

mod build;
pub mod db;
pub mod feed;
pub mod records;

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
};

use tracing::{debug, info, warn};

use self::{
    db::{Db, DbError, Page},
    feed::{Change, Feed, Line},
};
use crate::{
    model::{
        history::{RunQuery, RunStatus},
        id::{Instance, JobId, RunId},
        run::{RunPhase, RunRecord},
        time::Wall,
    },
    store::layout::Layout,
};

/// Lines of this host's feed after which the thread takes them in, so that no question finds many.
const LINES_MAX: u32 = 64;

/// Size in bytes of what waits beside the file at which the thread writes it into it.
const WAITING_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Corrections that are taken in at once.
const CORRECTIONS_MAX: usize = 256;

/// How often an index is built in one life of the host: a disk that damages it again and again gets none until the next.
const BUILDS_MAX: u32 = 3;

/// The index, as the host keeps it.
#[derive(Debug)]
pub struct Index {
    shared: Arc<Shared>,
    /// Wakes the thread. One nudge at most waits: when there is one, another says nothing more and is dropped.
    nudge: SyncSender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    layout: Layout,
    /// The host's own feed; `None` where it cannot be written.
    feed: Mutex<Option<Feed>>,
    state: Mutex<State>,
    settled: Condvar,
    /// Lines that were told since the last nudge.
    told: AtomicU32,
    /// Whether something may have been missed, so that the records have to be looked at.
    is_behind: AtomicBool,
    is_ending: AtomicBool,
    /// The id of a run that would have begun when the host started.
    born: RunId,
}

#[derive(Debug)]
enum State {
    /// It is being built, or about to be.
    Building,
    /// It answers.
    Ready(Box<Db>),
    /// It cannot be kept.
    Off,
}

/// A job's oldest runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// The runs, oldest first.
    pub runs: Vec<(RunId, RunStatus)>,
    /// How many the job has in all.
    pub total: u64,
}

impl Index {
    /// Opens the index of this instance and starts its thread. It never fails: where there can be none, it answers
    /// nothing.
    pub fn start(layout: &Layout, now: Wall) -> Self {
        let feed = Feed::open(layout.host(), now);
        let feed = feed.inspect_err(|error| warn!(%error, "could not open the feed of runs: there is no index")).ok();
        let state = match Db::open(&layout.index()) {
            _ if feed.is_none() => State::Off,
            Ok(db) => State::Ready(Box::new(db)),
            Err(error) => {
                info!(reason = %chain(&error), "building the index of runs");
                State::Building
            }
        };
        let (nudge, nudged) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared {
            layout: layout.clone(),
            feed: Mutex::new(feed),
            state: Mutex::new(state),
            settled: Condvar::new(),
            told: AtomicU32::new(0),
            is_behind: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            born: RunId::at(now, None),
        });
        let live = Arc::clone(&shared);
        let thread = thread::Builder::new().name("index".to_owned()).spawn(move || live.live(&nudged));
        if let Err(error) = &thread {
            warn!(%error, "could not start the thread of the index");
            *shared.state() = State::Off;
        }
        Self { shared, nudge, thread: Mutex::new(thread.ok()) }
    }

    /// Lets the thread hold the index against the records, when the host has nothing more urgent to do.
    pub fn look(&self) {
        self.shared.is_behind.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Notes that a run began.
    pub fn began(&self, job: &JobId, run: RunId) {
        self.tell(job, run, Change::Is(RunStatus::Running));
    }

    /// Notes how a run ended, once its record says so.
    pub fn ended(&self, record: &RunRecord) {
        match record.phase {
            RunPhase::Ended(outcome) => self.tell(&record.job, record.id, Change::Is(RunStatus::Ended(outcome))),
            RunPhase::Initializing | RunPhase::Running => {}
        }
    }

    /// Notes that a run's record is removed.
    pub fn gone(&self, job: &JobId, run: RunId) {
        self.tell(job, run, Change::Gone);
    }

    /// Notes that all records of a job are removed, as of `now`.
    pub fn cleared(&self, job: &JobId, now: Wall) {
        self.tell(job, RunId::at(now, None), Change::Cleared);
    }

    fn tell(&self, job: &JobId, run: RunId, change: Change) {
        let line = Line { job: job.clone(), run, change };
        let mut feed = self.shared.feed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(feed) = feed.as_mut() else { return };
        if let Err(error) = feed.append(&line) {
            warn!(%job, %run, %error, "could not tell the index of a run; it looks at the records instead");
            self.look();
        }
        if self.shared.told.fetch_add(1, Ordering::Relaxed) >= LINES_MAX {
            self.wake();
        }
    }

    fn wake(&self) {
        self.shared.told.store(0, Ordering::Relaxed);
        match self.nudge.try_send(()) {
            // One that waits already means the same; a thread that has ended hears nothing.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    /// Returns at most `limit` runs that a question is about, newest first; `None` while there is no index. It reads the
    /// disk: ask on a thread that may wait.
    pub fn page(&self, query: &RunQuery, limit: usize) -> Option<Page> {
        self.ask(|db| db.page(query, limit))
    }

    /// Returns at most `limit` of a job's runs up to `last`, oldest first, and how many it has in all; `None` while there
    /// is no index.
    pub fn oldest(&self, job: &JobId, last: RunId, limit: impl FnOnce(u64) -> usize) -> Option<Oldest> {
        self.ask(|db| {
            let total = db.counts(job)?.values().sum();
            Ok(Oldest { runs: db.oldest(job, last, limit(total))?, total })
        })
    }

    /// Returns how many runs a job has, by how they stand; `None` while there is no index.
    pub fn counts(&self, job: &JobId) -> Option<BTreeMap<RunStatus, u64>> {
        self.ask(|db| db.counts(job))
    }

    fn ask<T>(&self, question: impl FnOnce(&Db) -> rusqlite::Result<T>) -> Option<T> {
        let answer = self.shared.ask(|db| question(db));
        if answer.is_none() || self.shared.is_behind.load(Ordering::Relaxed) {
            self.wake();
        }
        answer
    }

    /// Waits until the index answers, or it is known that it will not; returns whether it does.
    pub fn is_settled(&self) -> bool {
        let state = self.shared.state();
        let wait = self.shared.settled.wait_while(state, |state| matches!(state, State::Building));
        matches!(*wait.unwrap_or_else(PoisonError::into_inner), State::Ready(_))
    }

    /// Takes in what was told, and lets go of the file. Nothing is answered afterwards.
    pub fn close(&self) {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        self.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that panicked has told so already.
        drop(thread.map(JoinHandle::join));
        self.shared.ask(|_| Ok(()));
        *self.shared.state() = State::Off;
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // The thread ends in its own time.
        self.shared.is_ending.store(true, Ordering::Relaxed);
    }
}

/// Lists the hosts that use this root, or did.
fn instances(layout: &Layout) -> Vec<Instance> {
    let folders = fs::read_dir(layout.hosts()).into_iter().flatten().flatten();
    folders.filter_map(|folder| Some(Instance::new(folder.file_name().to_str()?))).collect()
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, state: State) {
        *self.state() = state;
        self.settled.notify_all();
    }

    /// Lets the index take in what the feeds tell, then asks it. One that fails is given up, and built anew.
    fn ask<T>(&self, question: impl FnOnce(&mut Db) -> rusqlite::Result<T>) -> Option<T> {
        let mut state = self.state();
        let State::Ready(db) = &mut *state else { return None };
        match self.catch_up(db).and_then(|()| question(db)) {
            Ok(answer) => Some(answer),
            Err(error) => {
                warn!(%error, "the index of runs is damaged: building it anew");
                *state = State::Building;
                None
            }
        }
    }

    fn catch_up(&self, db: &mut Db) -> rusqlite::Result<()> {
        for instance in instances(&self.layout) {
            let folder = self.layout.feed_of(&instance);
            loop {
                match feed::read(&folder, db.mark(&instance)) {
                    Ok(None) => break,
                    Ok(Some(chunk)) => {
                        if chunk.is_gap {
                            self.is_behind.store(true, Ordering::Relaxed);
                        }
                        db.take_in(&chunk.lines, &instance, chunk.mark)?;
                    }
                    Err(error) => {
                        debug!(%instance, %error, "could not read what a host tells of its runs");
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The thread: until the index is let go of.
    fn live(&self, nudged: &Receiver<()>) {
        let mut builds = 0;
        while !self.is_ending.load(Ordering::Relaxed) {
            let is_building = matches!(*self.state(), State::Building);
            if is_building && builds >= BUILDS_MAX {
                warn!("there is no index of runs until the next start; history is read from the records");
                self.settle(State::Off);
            } else if is_building {
                match build::build(&self.layout, &self.is_ending) {
                    Ok(Some(db)) => {
                        info!("the index of runs is built");
                        self.settle(State::Ready(Box::new(db)));
                    }
                    Ok(None) => return,
                    Err(error) => warn!(error = %chain(&error), "could not build the index of runs"),
                }
                builds += 1;
                continue;
            }
            if self.is_behind.swap(false, Ordering::Relaxed) {
                self.check();
            }
            if self.ask(|_| Ok(())).is_some() {
                self.checkpoint();
            }
            if !matches!(*self.state(), State::Building) && nudged.recv().is_err() {
                return;
            }
        }
    }

    /// Holds the index against the records, job by job; whoever asks meanwhile is answered between two of them.
    fn check(&self) {
        let Some(mut jobs) = self.ask(|db| Ok(db.jobs())) else { return };
        // A job with a million runs would hold up whoever asks, if it were read over the connection that answers.
        let Ok(reader) = Db::open(&self.layout.index()) else {
            self.is_behind.store(true, Ordering::Relaxed);
            return;
        };
        jobs.extend(records::jobs(&self.layout));
        jobs.sort_unstable();
        jobs.dedup();
        let mut mended = 0;
        for job in jobs {
            let known = match reader.all_of(&job) {
                Ok(known) => known,
                Err(error) => {
                    // As if it had failed whoever asks next.
                    let _ = self.ask(|_| rusqlite::Result::<()>::Err(error));
                    return;
                }
            };
            for some in build::differences(&self.layout, &job, &known, self.born).chunks(CORRECTIONS_MAX) {
                mended += some.len();
                self.ask(|db| db.correct(some));
            }
            if self.is_ending.load(Ordering::Relaxed) {
                return;
            }
        }
        if mended > 0 {
            info!(runs = mended, "the index of runs was mended");
        }
    }

    /// Writes what waits beside the file into it when that is much, over a connection of its own.
    fn checkpoint(&self) {
        let path = self.layout.index();
        let waits = fs::metadata(db::beside(&path, "-wal")).map_or(0, |metadata| metadata.len());
        if waits > WAITING_BYTES_MAX {
            let done = Db::open(&path).and_then(|db| Ok(db.checkpoint()?));
            if let Err(error) = done {
                warn!(error = %chain(&error), "could not tidy the index of runs");
            }
        }
    }
}

fn chain(error: &DbError) -> String {
    match error {
        DbError::Missing | DbError::OtherVersion => error.to_string(),
        DbError::Sql(source) => format!("{error}: {source}"),
        DbError::File(source) => format!("{error}: {source}"),
    }
}

#[cfg(test)]
mod tests;

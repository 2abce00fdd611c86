//! The actor that reads job folders: hints say when, the disk says what, and every round gives one picture of all.
//!
//! ```text
//!  os::watch ── hints ──> decide::settle ── due ──> os::scan ── listings ──> decide::discover ──> Desired
//!  a person, a signal, the slow timer ──────^
//! ```
//!
//! A hint is never a fact: losing all of them costs a minute, not a change. Scanning happens on threads that may wait for
//! the disk. Watching begins when the first picture is carried out, and with a reading of everything: the host is ready
//! sooner, and what changed in between is seen then.

mod reader;
mod scripts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task,
};
use tracing::{info, warn};

pub use self::reader::found;
use self::{
    reader::{Outcome, Read, Reader},
    scripts::Scripts,
};
use crate::{
    decide::{
        discover::{self, Interpreters},
        settle::{Due, DueJob, Settle, quiet_of},
    },
    host::{handle::Reply, machine::Machine, waits::until},
    model::{
        hint::Hint,
        id::{JobId, JobKind},
        job::{Desired, Found},
        time::Mono,
    },
    os::{
        clock::Clock,
        memory,
        scan::{JobFolders, hash::HashCache},
        watch::{Watch, WatchMode},
    },
};

/// Time from one reading of everything to the next, for changes that nobody announced (network shares).
pub const RESCAN: Duration = Duration::from_secs(60);
/// The same while changes are known not to be announced.
pub const RESCAN_BLIND: Duration = Duration::from_secs(5);
/// How long a host's start waits for folders that are just being written.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// How long folders are not watched while the jobs that were there are being started: to watch and read again takes a tenth
/// of both processors.
const BEGUN_MAX: Duration = Duration::from_secs(2);
/// Requests that wait for the scanner; when it is full, askers wait.
pub const REQUESTS_MAX: usize = 64;

/// A wish that folders be read now.
#[derive(Debug)]
pub struct ScanRequest {
    /// Which; all of them when `None`.
    pub job: Option<JobId>,
    /// Answered when what was read has been told to the actors.
    pub reply: Option<Reply<()>>,
}

/// What one round of reading gave.
///
/// Whoever carries it out lets go of the picture then: the next one is made in its place, instead of a copy of it.
#[derive(Debug)]
pub struct Round {
    /// Every job folder.
    pub desired: Arc<Desired>,
    /// The jobs that are to be looked at; nothing for all: those whose folders are other than in the round before, and those
    /// that somebody asked to be read, for whoever carries it out may have gone another way meanwhile.
    pub some: Option<BTreeSet<JobId>>,
    /// Who waits for this round to be carried out.
    pub replies: Vec<Reply<()>>,
}

/// The actor.
#[derive(Debug)]
pub struct Scanner {
    machine: Arc<Machine>,
    watch: Arc<Watch>,
    settle: Settle,
    reader: Option<Reader>,
    /// Shared with whoever was told of it, for as long as it is being carried out.
    desired: Arc<Desired>,
    /// Whom the next round is about; nothing for all.
    some: Option<BTreeSet<JobId>>,
    /// Whether somebody waits for what is being read.
    is_asked: bool,
    blind: bool,
    /// What was said of folders that are no jobs: it is said once.
    told: BTreeSet<String>,
    rounds: mpsc::Sender<Round>,
}

impl Scanner {
    /// Starts the actor; it ends when the receiver of rounds is gone.
    ///
    /// # Errors
    /// When no thread can be started to watch.
    pub fn spawn(
        machine: &Arc<Machine>,
        requested: mpsc::Receiver<ScanRequest>,
    ) -> std::io::Result<mpsc::Receiver<Round>> {
        // The reconciler takes one round at a time; the scanner waits for it.
        let (rounds, read) = mpsc::channel(1);
        let roots = vec![machine.config.jobs.clone()];
        let watch = Arc::new(Watch::prepare(roots.clone(), WatchMode::Events)?);
        let interpreters = Interpreters::with(&machine.config.interpreters);
        let reader = Reader { roots, interpreters, scripts: Scripts::default(), cache: HashCache::default() };
        let scanner = Self {
            machine: Arc::clone(machine),
            watch,
            settle: Settle::default(),
            reader: Some(reader),
            desired: Arc::default(),
            some: None,
            is_asked: false,
            blind: false,
            told: BTreeSet::new(),
            rounds,
        };
        tokio::spawn(scanner.live(requested));
        Ok(read)
    }

    async fn live(mut self, mut requested: mpsc::Receiver<ScanRequest>) {
        let clock = self.machine.clock.clone();
        let mut rescan_at = clock.now().mono + RESCAN;
        let mut first = vec![Due::Everything("the host started".to_owned())];
        loop {
            let mut replies = Vec::new();
            let mut due = std::mem::take(&mut first);
            if due.is_empty() {
                let deadline = self.settle.next_deadline().map_or(rescan_at, |deadline| deadline.min(rescan_at));
                tokio::select! {
                    biased;
                    // Cancel-safe: `recv` loses nothing. First, because somebody waits.
                    request = requested.recv() => match request {
                        Some(request) => due.push(self.request(request, &mut replies)),
                        None => return,
                    },
                    // Cancel-safe: hints are taken only when it returns.
                    hints = self.watch.next() => self.hints(hints, clock.now().mono),
                    // Cancel-safe: the deadline is asked for again.
                    () = until(&clock, Some(deadline)) => {}
                }
                // Many requests at once are one reading.
                while let Ok(request) = requested.try_recv() {
                    due.push(self.request(request, &mut replies));
                }
                due.extend(self.settle.take_due(clock.now().mono));
                if rescan_at <= clock.now().mono {
                    due.push(Due::Everything(String::new()));
                }
            }
            if due.is_empty() {
                continue;
            }
            let is_all = due.iter().any(|due| matches!(due, Due::Everything(_)));
            if is_all {
                // It is told in any case: what people asked of other hosts is looked up then, too.
                self.some = None;
                self.watch.look_again();
                rescan_at = clock.now().mono + if self.blind { RESCAN_BLIND } else { RESCAN };
            }
            self.is_asked = !replies.is_empty();
            let is_first = !self.desired.is_read;
            self.read(due).await;
            if is_first {
                self.read_unsettled(&clock).await;
                replies.push(self.watch_then());
            } else if is_all {
                // Read once more when folders are watched, which took tables of all.
                memory::is_over(memory::Last::Watched);
            }
            let is_news = self.some.as_ref().is_none_or(|some| !some.is_empty());
            if (is_news || !replies.is_empty()) && !self.tell(replies).await {
                return;
            }
        }
    }

    /// Begins to watch when what is returned is answered, or dropped, and the jobs that are there have been started.
    fn watch_then(&self) -> Reply<()> {
        let (reply, carried_out) = oneshot::channel();
        let (machine, watch) = (Arc::clone(&self.machine), Arc::clone(&self.watch));
        tokio::spawn(async move {
            // A host that stops meanwhile has no use for it, and no harm. Cancel-safe: it only looks.
            let _ = carried_out.await;
            let _ = tokio::time::timeout(BEGUN_MAX, machine.view.begun()).await;
            watch.begin();
        });
        reply
    }

    /// Reads folders that were just being written when the host started, as soon as they rest: they were there before it.
    async fn read_unsettled(&mut self, clock: &Clock) {
        let patience = clock.now().mono + FIRST_PATIENCE;
        while let Some(deadline) = self.settle.next_deadline().filter(|deadline| *deadline <= patience) {
            clock.sleep_until(deadline).await;
            let due = self.settle.take_due(clock.now().mono);
            self.read(due).await;
        }
    }

    fn request(&self, request: ScanRequest, replies: &mut Vec<Reply<()>>) -> Due {
        replies.extend(request.reply);
        match request.job {
            Some(id) => Due::Job(DueJob { id, since: self.machine.now().mono, quiet: Duration::ZERO, path: None }),
            None => Due::Everything("somebody asked for it".to_owned()),
        }
    }

    fn hints(&mut self, hints: Vec<Hint>, now: Mono) {
        for hint in hints {
            if let Hint::Blind { why } = &hint {
                warn!(%why, "changes of job folders are not announced");
                self.blind = true;
            }
            self.settle.hint(hint, now, |id| self.desired.jobs.contains_key(id));
        }
    }

    async fn tell(&mut self, replies: Vec<Reply<()>>) -> bool {
        let some = self.some.replace(BTreeSet::new());
        let desired = Arc::clone(&self.desired);
        self.rounds.send(Round { desired, some, replies }).await.is_ok()
    }

    /// Reads what is due, and notes what is other than before.
    async fn read(&mut self, due: Vec<Due>) {
        let Some(mut reader) = self.reader.take() else { return };
        self.forget_broken(&mut reader, &due);
        let (machine, known) = (Arc::clone(&self.machine), Arc::clone(&self.desired));
        let done = task::spawn_blocking(move || {
            let read = reader.read(&due, &machine.now(), &known);
            (reader, read)
        });
        let (reader, read) = match done.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.reader = Some(reader);
        match read {
            Read::Everything { folders, jobs } => self.take_all(&folders, jobs),
            Read::Jobs(jobs) => {
                for (due, outcome) in jobs {
                    self.take_one(due, outcome);
                }
            }
        }
        // The first picture is one, also when it is empty.
        if !self.desired.is_read {
            Arc::make_mut(&mut self.desired).is_read = true;
        }
    }

    /// Lets defective folders be read anew though nothing in them changed: what is wrong may lie outside of them, such as an
    /// interpreter that is installed now.
    fn forget_broken(&self, reader: &mut Reader, due: &[Due]) {
        let is_broken = |found: &&Arc<Found>| found.problems.iter().any(|problem| problem.fatal);
        for due in due {
            match due {
                Due::Everything(_) => {
                    self.desired.jobs.values().filter(is_broken).for_each(|found| reader.cache.forget(&found.id));
                }
                Due::Job(DueJob { id, .. }) => {
                    self.desired.jobs.get(id).filter(is_broken).into_iter().for_each(|_| reader.cache.forget(id));
                }
            }
        }
    }

    /// Makes the next round be about a job, too.
    fn name(&mut self, id: &JobId) {
        if let Some(some) = &mut self.some {
            some.insert(id.clone());
        }
    }

    /// Takes in what a job's folder holds now, or that there is none.
    fn set(&mut self, id: JobId, found: Option<Arc<Found>>) {
        let known = self.desired.jobs.get(&id);
        // One that is as it was stays the one that others hold.
        if known == found.as_ref() {
            return;
        }
        self.name(&id);
        let desired = Arc::make_mut(&mut self.desired);
        match found {
            Some(found) => drop(desired.jobs.insert(id, found)),
            None => drop(desired.jobs.remove(&id)),
        }
    }

    fn take_all(&mut self, folders: &JobFolders, jobs: Vec<(JobId, Outcome)>) {
        let notes: BTreeSet<String> = folders.notes.iter().chain(folders.unreadable.values()).cloned().collect();
        for note in notes.difference(&self.told) {
            warn!(%note, "a folder is not usable as a job");
        }
        self.told = notes;
        // Jobs in a folder that could not be read are unknown, not gone.
        let stays = |(id, found): &(&JobId, &Arc<Found>)| {
            folders.jobs.contains_key(id) || folders.unusable.contains_key(id) || folders.may_exist(&found.root)
        };
        let gone: Vec<_> = self.desired.jobs.iter().filter(|job| !stays(job)).map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.set(id, None);
        }
        for (id, unusable) in &folders.unusable {
            self.set(id.clone(), Some(Arc::new(discover::unusable(id, unusable))));
        }
        let now = self.machine.now().mono;
        for (id, outcome) in jobs {
            // One that waits for quiet is read in its time, and then as if it had not been read now.
            if !self.settle.is_waiting(&id) {
                let quiet = quiet_of(&id, &self.desired);
                self.take_one(DueJob { id, since: now, quiet, path: None }, outcome);
            } else if let Some(reader) = &mut self.reader {
                reader.cache.forget(&id);
            }
        }
    }

    fn take_one(&mut self, due: DueJob, outcome: Outcome) {
        // One that is still being written waits, unless it never rests.
        if matches!(outcome, Outcome::Found { unsettled: true, .. })
            && self.settle.put_off(&due, self.machine.now().mono)
        {
            return;
        }
        if self.is_asked {
            self.name(&due.id);
        }
        match outcome {
            Outcome::Unchanged => {}
            Outcome::Gone => {
                if self.desired.jobs.contains_key(&due.id) {
                    info!(job = %due.id, "a job is gone");
                    self.set(due.id, None);
                }
            }
            Outcome::Found { found, .. } => self.set(due.id, Some(found)),
        }
    }
}

/// Names the jobs of a picture, for the host's greeting: all, continuous, triggered, with problems.
pub fn census(jobs: &BTreeMap<JobId, Arc<Found>>) -> String {
    let n_kind = |kind| jobs.keys().filter(|id| id.kind == kind).count();
    let n_bad = jobs.values().filter(|found| found.problems.iter().any(|problem| problem.fatal)).count();
    let (n_continuous, n_triggered) = (n_kind(JobKind::Continuous), n_kind(JobKind::Triggered));
    let total = jobs.len();
    let noun = if total == 1 { "job" } else { "jobs" };
    format!("{total} {noun}: {n_continuous} continuous, {n_triggered} triggered, {n_bad} with problems")
}

//! The actor that reads job folders: hints say when, the disk says what, and every round gives one numbered picture.
//!
//! ```text
//!  os::watch ── hints ──> decide::settle ── due ──> os::scan ── listings ──> decide::discover ──> Desired
//!  a person, a signal, the slow timer ──────^
//! ```
//!
//! A hint is never a fact: losing all of them costs a minute, not a change. Scanning happens on threads that may wait for
//! the disk. Watching begins when the first picture is carried out, and with a reading of everything: the host is ready
//! sooner, and what changed in between is seen then.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task,
};
use tracing::{info, warn};

use crate::{
    decide::{
        discover::{self, Interpreters, Surroundings},
        reconcile, settings,
        settle::{Due, DueJob, Settle, quiet_of},
    },
    host::{handle::Reply, machine::Machine, supervisor::until},
    model::{
        hint::Hint,
        id::{JobId, JobKind},
        job::{Desired, Found},
        listing::FolderListing,
        time::{Mono, Now},
    },
    os::{
        clock::Clock,
        scan::{
            self, JobFolders, Scan, ScanTime,
            hash::{self, HashCache},
            programs::Programs,
        },
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
#[derive(Debug)]
pub struct Round {
    /// Every job folder.
    pub desired: Arc<Desired>,
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
    /// Shared with whoever was told of it; it is copied only when it changes.
    desired: Arc<Desired>,
    blind: bool,
    /// What was said of folders that are no jobs: it is said once.
    told: BTreeSet<String>,
    rounds: mpsc::Sender<Round>,
}

/// What reading needs; it moves to the thread that reads and back.
#[derive(Debug)]
struct Reader {
    roots: Vec<PathBuf>,
    interpreters: Interpreters,
    cache: HashCache,
}

/// What reading gave.
enum Read {
    Everything { folders: JobFolders, jobs: Vec<(JobId, Outcome)> },
    Jobs(Vec<(DueJob, Outcome)>),
}

/// What reading one folder gave.
enum Outcome {
    Gone,
    Unchanged,
    Found { found: Arc<Found>, unsettled: bool },
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
        let reader = Reader { roots, interpreters, cache: HashCache::default() };
        let scanner = Self {
            machine: Arc::clone(machine),
            watch,
            settle: Settle::default(),
            reader: Some(reader),
            desired: Arc::default(),
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
            let is_whole = due.iter().any(|due| matches!(due, Due::Everything(_)));
            if is_whole {
                self.watch.look_again();
                rescan_at = clock.now().mono + if self.blind { RESCAN_BLIND } else { RESCAN };
            }
            let is_first = self.desired.generation == 0;
            let mut changed = self.read(due).await;
            if is_first {
                changed |= self.read_unsettled(&clock).await;
                replies.push(self.watch_then());
            }
            // After a whole reading it is told in any case: what people asked of other hosts is looked up then, too.
            if (changed || is_whole || !replies.is_empty()) && !self.tell(replies).await {
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
    async fn read_unsettled(&mut self, clock: &Clock) -> bool {
        let patience = clock.now().mono + FIRST_PATIENCE;
        let mut changed = false;
        while let Some(deadline) = self.settle.next_deadline().filter(|deadline| *deadline <= patience) {
            clock.sleep_until(deadline).await;
            let due = self.settle.take_due(clock.now().mono);
            changed |= self.read(due).await;
        }
        changed
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
        let desired = Arc::clone(&self.desired);
        self.rounds.send(Round { desired, replies }).await.is_ok()
    }

    /// Reads what is due and returns whether anything is other than before.
    async fn read(&mut self, due: Vec<Due>) -> bool {
        let Some(mut reader) = self.reader.take() else { return false };
        // What is wrong may lie outside of the folder: an interpreter that is installed now.
        let broken = |found: &&Arc<Found>| found.problems.iter().any(|problem| problem.fatal);
        for found in self.desired.jobs.values().filter(broken) {
            reader.cache.forget(&found.id);
        }
        let (machine, known) = (Arc::clone(&self.machine), Arc::clone(&self.desired));
        let done = task::spawn_blocking(move || {
            let read = reader.read(&due, &machine.now(), |id| quiet_of(id, &known));
            (reader, read)
        });
        let (reader, read) = match done.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.reader = Some(reader);
        // When nothing changes, the two stay one.
        let before = Arc::clone(&self.desired);
        match read {
            Read::Everything { folders, jobs } => self.take_all(&folders, jobs),
            Read::Jobs(jobs) => {
                for (due, outcome) in jobs {
                    self.take_one(due, outcome);
                }
            }
        }
        let changed = !Arc::ptr_eq(&before, &self.desired) && !reconcile::are_same(&before.jobs, &self.desired.jobs);
        // The first picture is one, also when it is empty.
        if changed || self.desired.generation == 0 {
            drop(before);
            Arc::make_mut(&mut self.desired).generation += 1;
        }
        changed
    }

    fn take_all(&mut self, folders: &JobFolders, jobs: Vec<(JobId, Outcome)>) {
        let notes: BTreeSet<String> = folders.notes.iter().chain(folders.unreadable.values()).cloned().collect();
        for note in notes.difference(&self.told) {
            warn!(%note, "a folder is not usable as a job");
        }
        self.told = notes;
        // Jobs in a folder that could not be read are unknown, not gone.
        let stays = |(id, found): (&JobId, &Arc<Found>)| {
            folders.jobs.contains_key(id) || folders.unusable.contains_key(id) || folders.may_exist(&found.root)
        };
        if !self.desired.jobs.iter().all(stays) {
            Arc::make_mut(&mut self.desired).jobs.retain(|id, found| stays((id, found)));
        }
        for (id, unusable) in &folders.unusable {
            let found = Arc::new(discover::unusable(id, unusable));
            if self.desired.jobs.get(id).is_none_or(|known| *known != found) {
                Arc::make_mut(&mut self.desired).jobs.insert(id.clone(), found);
            }
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
        match outcome {
            Outcome::Unchanged => {}
            Outcome::Gone => {
                if self.desired.jobs.contains_key(&due.id) {
                    Arc::make_mut(&mut self.desired).jobs.remove(&due.id);
                    info!(job = %due.id, "a job is gone");
                }
            }
            Outcome::Found { found, unsettled } => {
                // One that is still being written waits, unless it never rests.
                if unsettled && self.settle.put_off(&due, self.machine.now().mono) {
                    return;
                }
                // One that is as it was stays the one that others hold.
                if self.desired.jobs.get(&due.id).is_none_or(|known| *known != found) {
                    Arc::make_mut(&mut self.desired).jobs.insert(due.id, found);
                }
            }
        }
    }
}

impl Reader {
    fn read(&mut self, due: &[Due], now: &Now, quiet: impl Fn(&JobId) -> Duration + Sync) -> Read {
        let programs = Programs::of_this_process();
        let folders = scan::job_folders(&self.roots);
        if due.iter().any(|due| matches!(due, Due::Everything(_))) {
            let time = |id: &JobId| ScanTime { now: now.wall, quiet: quiet(id) };
            let interpreters = &self.interpreters;
            self.cache.retain(|id| folders.jobs.contains_key(id));
            let jobs = scan::scan_all(&folders.jobs, &mut self.cache, time, |id, scan| {
                (id.clone(), conclude(interpreters, &programs, scan))
            });
            return Read::Everything { folders, jobs };
        }
        let jobs = due.iter().filter_map(|due| match due {
            Due::Everything(_) => None,
            Due::Job(job) => Some(job),
        });
        Read::Jobs(jobs.map(|due| (due.clone(), self.read_one(due, &folders, &programs, now))).collect())
    }

    fn read_one(&mut self, due: &DueJob, folders: &JobFolders, programs: &Programs, now: &Now) -> Outcome {
        let Some(root) = folders.jobs.get(&due.id) else {
            self.cache.forget(&due.id);
            let unusable = folders.unusable.get(&due.id).map(|unusable| discover::unusable(&due.id, unusable));
            let found = |found| Outcome::Found { found: Arc::new(found), unsettled: false };
            return unusable.map_or(Outcome::Gone, found);
        };
        let mut seen = self.cache.take(&due.id);
        let scan = scan::scan_job(&due.id, root, &mut seen, ScanTime { now: now.wall, quiet: due.quiet });
        self.cache.put(due.id.clone(), seen);
        conclude(&self.interpreters, programs, scan)
    }
}

fn conclude(interpreters: &Interpreters, programs: &Programs, scan: Scan) -> Outcome {
    match scan {
        Scan::Gone => Outcome::Gone,
        Scan::Unchanged => Outcome::Unchanged,
        Scan::Seen(listing) => {
            let found = Arc::new(found(interpreters, programs, &listing));
            Outcome::Found { found, unsettled: listing.unsettled }
        }
    }
}

/// Works out what a folder holds.
pub fn found(interpreters: &Interpreters, programs: &Programs, listing: &FolderListing) -> Found {
    let read_settings = |text: &str, kind: JobKind| {
        let reading = settings::read(text, kind);
        (reading.settings, reading.raw, reading.problems)
    };
    let exists = |program: &str| programs.exists(program);
    let around = Surroundings { interpreters, exists: &exists, hash: &hash::bytes, read_settings: &read_settings };
    discover::discover(listing, &around)
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

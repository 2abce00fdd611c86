//! One run's machinery: performs what its state machine asks for, and reports what happens.
//!
//! ```text
//!  Body (in the job's actor)            drive (a task of its own)
//!  Prepare ───────────────────────────> working copy ──── Prepared ──> actor (at once where that takes little)
//!  Spawn ───── go ────────────────────> process ───────── Spawned ───> actor (begun at once where that took little)
//!  Terminate, Kill ── group             exit ──────────── Exited ────> actor
//!  CutOutput ─ cut ───────────────────> pump ──────────── OutputClosed > actor
//!  Sweep ───── sweep ─────────────────> leftovers ─────── Swept ─────> actor
//! ```
//!
//! A run that prepares itself has a task for that, and another one from its start to its end; dropping its `Body` before that
//! kills the run. Nothing is decided here.

mod aside;
mod finish;
mod orders;
mod task;

use std::{path::PathBuf, sync::Arc};

use futures_channel::mpsc;
use tokio::sync::oneshot;
use tracing::warn;

pub use self::{finish::Finished, task::chain};
use self::{
    orders::{Order, Orders, Teller, orders},
    task::Task,
};
use crate::{
    decide::life::{LifeAction, LifeEvent},
    host::{machine::Machine, scanner::ScanRequest},
    model::{
        event,
        id::{JobId, JobKind, RunId},
        job::Job,
        log::Level,
        run::{RunPhase, RunRecord},
        time::Mono,
    },
    os::{file, output::Activity, process::Group, workcopy::WorkCopy},
    store::{log::LogWriter, record},
};

/// How often a folder that changes while it is copied is read again for one run.
const REREADS_MAX: u32 = 5;

/// Something that happened to a run.
#[derive(Debug)]
pub struct Fact {
    /// Which run.
    pub run: RunId,
    /// What.
    pub news: News,
}

/// What happened to a run.
#[derive(Debug)]
pub enum News {
    /// What its state machine knows.
    Event(LifeEvent),
    /// Its process is there.
    Spawned(Group),
    /// It has been on its way for a moment: from now on its record tells of it.
    Lasts,
    /// Its folder changed while it was copied, for this reason: it should be read again.
    Stale(String),
    /// The folder has been read again.
    Reread,
}

/// Where a run's facts go. Telling never waits: in its life a run tells of some ten, and of each reading of its folder.
#[derive(Clone, Debug)]
pub struct Facts(mpsc::UnboundedSender<Box<Fact>>);

/// Where they come from.
pub type FactsOfRuns = mpsc::UnboundedReceiver<Box<Fact>>;

impl Facts {
    /// Makes a channel that takes room only for what waits in it.
    pub fn open() -> (Self, FactsOfRuns) {
        let (facts, heard) = mpsc::unbounded();
        (Self(facts), heard)
    }

    /// Tells the actor. One that is gone has nothing to do with it any more.
    pub fn tell(&self, run: RunId, news: News) {
        let _ = self.0.unbounded_send(Box::new(Fact { run, news }));
    }
}

/// One run on its way, as its job's actor holds it.
#[derive(Debug)]
pub struct Body {
    machine: Arc<Machine>,
    job: Arc<Job>,
    log: Arc<LogWriter>,
    facts: Facts,
    /// Its record so far, as it was last published.
    pub record: Arc<RunRecord>,
    /// The port that it may listen on.
    pub port: Option<u16>,
    /// Whether the file that announces a stop was written.
    is_stop_announced: bool,
    /// How often its folder changed while it was copied.
    rereads: u32,
    /// When it was accepted.
    began: Mono,
    activity: Arc<Activity>,
    group: Option<Group>,
    /// The task of a run that is prepared, until its process is started.
    ready: Option<(Box<Task>, Option<WorkCopy>)>,
    /// Tells its task, once that is on its way.
    teller: Option<Teller>,
}

impl Body {
    /// Takes up a run: notes it in the journal, and keeps for its log to say so when it is started or takes a while.
    pub fn new(
        machine: &Arc<Machine>,
        job: &Arc<Job>,
        log: Arc<LogWriter>,
        facts: Facts,
        record: Arc<RunRecord>,
    ) -> Self {
        machine.note_begin(&job.id, record.id, &record.trigger);
        let now = machine.now();
        let word = match job.id.kind {
            JobKind::Continuous => "Starting",
            JobKind::Triggered => "Initializing",
        };
        log.sys_before(Level::Info, now, &format!("Status changed to {word}"));
        Self {
            machine: Arc::clone(machine),
            job: Arc::clone(job),
            log,
            facts,
            record,
            port: None,
            is_stop_announced: false,
            rereads: 0,
            began: now.mono,
            activity: Arc::new(Activity::new(now.mono)),
            group: None,
            ready: None,
            teller: None,
        }
    }

    /// Takes in the news, and returns what the state machine is to know of it.
    pub fn note(&mut self, news: News, job: &Arc<Job>) -> Option<LifeEvent> {
        match news {
            News::Event(event) => Some(event),
            News::Spawned(group) => {
                let pid = group.id();
                let record = Arc::make_mut(&mut self.record);
                record.phase = RunPhase::Running;
                record.pid = Some(pid);
                self.group = Some(group);
                self.machine.tell(event::News::RunStarted(Arc::clone(&self.record)));
                Some(LifeEvent::Spawned { pid })
            }
            News::Lasts => {
                self.keep();
                None
            }
            News::Stale(why) if self.rereads >= REREADS_MAX => Some(LifeEvent::StartFailed { why }),
            News::Stale(_) => {
                self.rereads += 1;
                self.reread();
                None
            }
            News::Reread => {
                self.job = Arc::clone(job);
                Arc::make_mut(&mut self.record).content = Some(job.content);
                self.prepare()
            }
        }
    }

    /// Asks for the folder to be read, and comes back when that is done.
    fn reread(&self) {
        let (facts, run) = (self.facts.clone(), self.record.id);
        let (scan, job) = (self.machine.scan.clone(), self.job.id.clone());
        tokio::spawn(async move {
            let (reply, done) = oneshot::channel();
            // A host that stops reads no more; the run is stopped as well.
            if scan.send(ScanRequest { job: Some(job), reply: Some(reply) }).await.is_ok() {
                let _ = done.await;
            }
            facts.tell(run, News::Reread);
        });
    }

    /// Does what the run's state machine asks for; returns what is known of it at once.
    pub fn perform(&mut self, action: LifeAction) -> Option<LifeEvent> {
        match action {
            LifeAction::Prepare => return self.prepare(),
            LifeAction::Spawn => return self.start(),
            LifeAction::Terminate(signal) => {
                if self.job.id.kind == JobKind::Continuous {
                    self.log.sys(Level::Info, self.machine.now(), "Status changed to Stopping");
                }
                self.announce_stop();
                if let Some(group) = &self.group
                    && let Err(error) = group.signal(signal)
                {
                    let text = format!("Failed to send {signal}: {error}");
                    self.log.sys(Level::Warn, self.machine.now(), &text);
                }
            }
            LifeAction::Kill => {
                self.log.sys(Level::Warn, self.machine.now(), "WebJob process is killed");
                if let Some(Err(error)) = self.group.as_ref().map(Group::kill) {
                    self.log.sys(Level::Warn, self.machine.now(), &format!("Failed to kill it: {error}"));
                }
            }
            LifeAction::AwaitGroup => self.await_group(),
            LifeAction::CutOutput => self.tell(Order::Cut),
            LifeAction::Measure => {
                let cpu = self.group.as_ref().and_then(Group::cpu_time);
                return Some(LifeEvent::Measured { last_output: Some(self.activity.last()), cpu });
            }
            LifeAction::Sweep => self.tell(Order::Sweep),
        }
        None
    }

    /// Writes the record of a run with arguments, before whoever asked for it has an answer. The journal says all that the
    /// record of any other would say after a crash.
    fn keep_arguments(&self) {
        if self.record.arguments.is_some() {
            self.keep();
        }
    }

    /// Writes the record, and tells whether it is written. One that is not does not stop the run.
    pub fn keep(&self) -> bool {
        if let Err(error) = record::write(&self.machine.layout, &self.record) {
            let chain = task::chain(&error);
            warn!(job = %self.job.id, run = %self.record.id, error = %chain, "could not write a run's record");
            self.log.sys(Level::Warn, self.machine.now(), &format!("The record of this run was not written: {chain}"));
            return false;
        }
        true
    }

    /// Prepares the run, and tells whether it is prepared already: its copy is there or takes next to nothing, and nobody has
    /// left anything to mend before it may start. Otherwise its task does it.
    fn prepare(&mut self) -> Option<LifeEvent> {
        self.port = match self.job.id.kind {
            JobKind::Continuous => free_port(),
            JobKind::Triggered => None,
        };
        let ready = self.machine.copies.at_once(&self.job);
        let waits = || {
            let Machine { layout, gone_look, .. } = &*self.machine;
            task::is_alone(&self.job) && gone_look.any(layout, self.machine.now().wall)
        };
        let is_prepared = ready.is_some() && !waits();
        let task = Box::new(Task {
            machine: Arc::clone(&self.machine),
            job: Arc::clone(&self.job),
            log: Arc::clone(&self.log),
            facts: self.facts.clone(),
            run: self.record.id,
            arguments: self.record.arguments.clone(),
            port: self.port,
            activity: Arc::clone(&self.activity),
        });
        if is_prepared {
            self.ready = Some((task, ready));
            return Some(LifeEvent::Prepared);
        }
        self.log.flush(self.machine.now());
        self.keep_arguments();
        tokio::spawn(task.drive(ready, self.orders()));
        None
    }

    /// Starts the process: here, so that the spawner works while whoever asked for the run gets an answer, or in the
    /// task that has made the copy.
    fn start(&mut self) -> Option<LifeEvent> {
        let Some((task, copy)) = self.ready.take() else {
            self.tell(Order::Go);
            return None;
        };
        let begun = task.begin(copy);
        // While the program is loaded; whoever is told of the run finds its log.
        self.log.flush(self.machine.now());
        self.keep_arguments();
        match begun {
            Ok(begun) => {
                tokio::spawn(begun.attend(self.orders()));
                None
            }
            Err(why) => Some(LifeEvent::StartFailed { why }),
        }
    }

    /// Returns what the run's task is told by, and keeps the other end.
    fn orders(&mut self) -> Orders {
        let (teller, orders) = orders();
        self.teller = Some(teller);
        orders
    }

    fn tell(&self, order: Order) {
        if let Some(teller) = &self.teller {
            teller.give(order);
        }
    }

    fn announce_stop(&mut self) {
        self.is_stop_announced = true;
        let text = self.machine.now().wall.to_string();
        // A job that looks for the file finds its folder since its start; a failure leaves it the signal.
        if let Err(error) = file::write_at_once(&shutdown_file(&self.machine, &self.job.id, self.record.id), &text) {
            let text = format!("Failed to write the shutdown file: {error}");
            self.log.sys(Level::Warn, self.machine.now(), &text);
        }
    }

    fn await_group(&self) {
        let Some(group) = self.group.clone() else { return };
        let (facts, run) = (self.facts.clone(), self.record.id);
        tokio::spawn(async move {
            group.emptied().await;
            facts.tell(run, News::Event(LifeEvent::GroupGone));
        });
    }
}

/// Returns the file that announces a run's stop. Its folder exists before the run, because programs watch it
/// (spec/kudu-webjobs 3.9).
fn shutdown_file(machine: &Machine, job: &JobId, run: RunId) -> PathBuf {
    machine.config.temp.join("shutdown").join(job.kind.as_str()).join(job.name.as_str()).join(run.to_string())
}

/// Finds a port on loopback that nobody has now.
fn free_port() -> Option<u16> {
    let socket = tokio::net::TcpSocket::new_v4().ok()?;
    socket.bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).ok()?;
    socket.local_addr().ok().map(|address| address.port())
}

//! The actor that owns one triggered job: its runs, its queue, its retries and its schedule.
//!
//! ```text
//!  reconciler ── JobMessage ──> inbox ─┐
//!  run tasks ─── Fact ────────> facts ─┤
//!  clock ────── deadline ──────────────┼─> Event ── Dispatch::step ──> Action ──> Body, lock, view
//!  clock ────── occurrence ── agenda ──┘
//! ```
//!
//! A job with nothing to do has no actor, unless it is due soon: one begins with its next message (`birth`).
//! Nothing is decided here: which trigger runs is `decide::dispatch`, what is due `decide::agenda`.

mod agenda;
mod birth;
mod effects;
mod rehearsals;
mod rest;
mod show;

use std::{collections::BTreeMap, sync::Arc};

use tracing::info;

use self::{agenda::Agenda, birth::Beginning};
pub use self::{
    birth::{Resting, Turn},
    rehearsals::Rehearsals,
};
use crate::{
    decide::{
        admit::Refusal,
        agenda::Fate,
        dispatch::{Action, Answer, Dispatch, Event, Policy, Request},
        reconcile, rehearsal,
        wanted::{self, Standing},
    },
    host::{
        handle::{CommandError, Reply, Ticket},
        instances,
        keeper::{Keeper, Past},
        machine::Machine,
        message::{Ask, Ending, JobMessage, Messages, Update},
        publish,
        run::{Body, Fact, Facts, FactsOfRuns},
        waits::{at, until},
    },
    model::{
        id::{JobId, RunId},
        job::{Found, Job},
        run::{RunRecord, Trigger},
        settings::Overlap,
        stop::StopReason,
        time::{Mono, Wall},
        wish::Asked,
    },
    os::{
        clock::Woke,
        lock::{Attempt, FileLock},
    },
};

/// The actor of one triggered job.
#[derive(Debug)]
pub struct Dispatcher {
    machine: Arc<Machine>,
    id: JobId,
    found: Arc<Found>,
    /// What runs: the last content without a defect.
    job: Option<Arc<Job>>,
    wishes: Asked,
    ending: Option<Ending>,
    dispatch: Dispatch,
    bodies: BTreeMap<RunId, Body>,
    /// Runs that wait, with their records.
    waiting: BTreeMap<RunId, Arc<RunRecord>>,
    /// What became of those, as far as the journal of due times has not been told.
    fates: Vec<(RunId, Fate)>,
    /// Shows other hosts that the job runs here.
    lock: Option<FileLock>,
    agenda: Agenda,
    rehearsal: rehearsal::Part,
    /// Whether there was something to do when that was asked last, and until when there was.
    is_busy: bool,
    busy_until: Option<Mono>,
    keeper: Keeper,
    latest: Option<Arc<RunRecord>>,
    since: Wall,
    facts: Facts,
}

/// What the loop waits for.
enum Heard {
    Message(Option<Box<JobMessage>>),
    Fact(Box<Fact>),
    Tick,
    /// A due time comes soon.
    Soon,
    Occurrence,
}

/// What an actor knows when it begins.
struct Told {
    found: Arc<Found>,
    job: Option<Arc<Job>>,
    wishes: Asked,
    past: Past,
    since: Wall,
    /// What was kept of its schedules while it rested.
    agenda: Option<Box<Agenda>>,
}

/// Whether it counts that the host's settings let nothing start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostStopped {
    Heeded,
    Unheeded,
}

impl Dispatcher {
    fn new(machine: &Arc<Machine>, told: Told, facts: Facts) -> Self {
        let Told { found, job, wishes, past, since, agenda } = told;
        let id = found.id.clone();
        let agenda = match (agenda, &job) {
            (Some(kept), Some(job)) => kept.take_up(machine, job),
            (None, Some(_)) if matches!(past, Past::Shown(_)) => Agenda::without_schedules(machine),
            _ => Agenda::new(machine, &id, &past),
        };
        let (keeper, latest) = Keeper::open(machine, &id, past);
        Self {
            machine: Arc::clone(machine),
            latest,
            keeper,
            agenda,
            rehearsal: rehearsal::Part::default(),
            is_busy: false,
            busy_until: None,
            id,
            job,
            found,
            wishes,
            ending: None,
            dispatch: Dispatch::default(),
            bodies: BTreeMap::new(),
            waiting: BTreeMap::new(),
            fates: Vec::new(),
            lock: None,
            since,
            facts,
        }
    }

    async fn live(
        mut self,
        mut inbox: Messages,
        mut facts: FactsOfRuns,
        beginning: Beginning,
        turn: Option<Turn>,
    ) -> Option<Resting> {
        match beginning {
            Beginning::Birth(trigger) => self.begin_life(&trigger),
            Beginning::Done => {}
        }
        // The next may begin.
        drop(turn);
        let mut is_told = true;
        loop {
            // The clock may be set at any time, in the midst of a rest or between two turns.
            if self.agenda.is_stale(&self.machine) {
                self.occur();
            }
            self.settle();
            self.publish();
            let clock = self.machine.clock.clone();
            let now = clock.now();
            let rests_at = self.rests_at(now);
            let may_rest = rests_at.is_some_and(|at| at <= now.mono);
            // A job that may rest has no other deadline.
            let deadline = self.dispatch.next_deadline().or(rests_at);
            let due = self.agenda.wake_at();
            let soon = self.rehearses_at(now.wall);
            let heard = tokio::select! {
                biased;
                // Cancel-safe: `recv` loses nothing. First, so that a stop is never behind output.
                message = inbox.recv(), if is_told => Heard::Message(message.ok()),
                // Cancel-safe: `recv` loses nothing. The sender lives in this actor, so it never ends.
                Ok(fact) = facts.recv() => Heard::Fact(fact),
                // Cancel-safe: there is nothing to wait for. After the messages, so that what has come is heard.
                () = std::future::ready(()), if may_rest => return Some(self.rest_from_now(inbox).await),
                // Cancel-safe: the deadline is in the state and is asked for again.
                () = until(&clock, deadline) => Heard::Tick,
                // Cancel-safe: the next occurrence is derived anew each time. A clock that was set wakes it too.
                woke = at(&clock, soon.or(due)) => match woke {
                    // Too late for one when this actor comes to hear of it after the due time.
                    Woke::Due if soon.is_some() && due.is_some_and(|due| clock.now().wall < due) => Heard::Soon,
                    Woke::Due | Woke::ClockStepped => Heard::Occurrence,
                },
            };
            match heard {
                Heard::Message(Some(message)) => self.message(*message),
                Heard::Message(None) => {
                    is_told = false;
                    // Without a reconciler there is no host. One that told to end before it let go has said enough.
                    if self.ending.is_none() {
                        self.end(Ending::HostKilled);
                    }
                }
                Heard::Fact(fact) => self.fact(*fact),
                Heard::Tick => drop(self.step(Event::Tick)),
                Heard::Soon => self.rehearse(),
                Heard::Occurrence => self.occur(),
            }
            if self.ending.is_some() && self.dispatch.is_idle() {
                break;
            }
        }
        self.settle();
        self.leave(inbox);
        None
    }

    fn leave(mut self, mut inbox: Messages) {
        self.rehearses_no_more();
        inbox.close();
        while let Ok(message) = inbox.try_recv() {
            message.refuse();
        }
        match self.ending {
            Some(Ending::Removed) => self.machine.view.remove(&self.id, self.machine.now().wall),
            Some(Ending::HostStopping | Ending::HostKilled) | None => self.publish(),
        }
    }

    fn message(&mut self, message: JobMessage) {
        match message {
            JobMessage::Update(update, reply) => {
                self.update(*update);
                self.publish();
                publish::answer(reply);
            }
            JobMessage::Run(ask) => self.run(*ask),
            // A triggered job is started by being freed, which an update before this message did.
            JobMessage::Start { reply, .. } => drop(reply.send(Ok(()))),
            restart @ JobMessage::Restart { .. } => {
                restart.invalid(&self.id, "it has nothing to restart; run it instead");
            }
            JobMessage::Cancel { run, who, reply } => self.cancel(run, who, reply),
            JobMessage::End(ending) => self.end(ending),
        }
    }

    fn run(&mut self, ask: Ask) {
        let Ask { arguments, who, reply } = ask;
        let answer = match (&self.job, self.barred()) {
            (None, _) => Err(CommandError::Problem(self.id.clone(), publish::worst(&self.found))),
            (Some(_), Some(reason)) => Err(CommandError::Barred(self.id.clone(), reason)),
            (Some(_), None) => match self.ask(Trigger::Api { user_agent: who }, arguments) {
                (run, Answer::Started) => Ok(Ticket { run, queued: false }),
                (run, Answer::Queued) => Ok(Ticket { run, queued: true }),
                (_, Answer::Refused(Refusal::Failed(why))) => {
                    Err(CommandError::Failed(format!("job `{}` was not started: {why}", self.id)))
                }
                (_, Answer::Refused(refusal)) => Err(CommandError::Refused(self.id.clone(), refusal)),
            },
        };
        self.publish();
        // Whoever no longer waits for an answer gets none.
        let _ = reply.send(answer);
    }

    fn cancel(&mut self, run: RunId, who: String, reply: Reply<()>) {
        let known = self.bodies.contains_key(&run) || self.waiting.contains_key(&run);
        let answer = if known {
            drop(self.step(Event::Cancel(run, StopReason::Request { who })));
            Ok(())
        } else {
            Err(instances::no_run(&self.machine.layout, &self.id, run))
        };
        self.publish();
        let _ = reply.send(answer);
    }

    fn end(&mut self, ending: Ending) {
        self.ending =
            Some(self.ending.map_or(ending, |known| if ending == Ending::HostKilled { ending } else { known }));
        self.agenda.clear();
        drop(self.step(match ending {
            Ending::Removed => Event::StopAll(StopReason::Removed),
            Ending::HostStopping => Event::StopAll(StopReason::HostStopping),
            Ending::HostKilled => Event::KillAll(StopReason::HostStopping),
        }));
    }

    fn update(&mut self, update: Update) {
        self.wishes = update.wishes;
        self.found = update.found;
        self.job = reconcile::valid(self.job.as_ref(), &self.found);
        let Some(job) = self.job.clone() else { return };
        self.plan();
        self.keeper.prune(&job);
        // That the host's settings let nothing start ends nothing: a run on its way may finish.
        let ending = self.barred_unless(HostStopped::Unheeded).filter(|_| !self.dispatch.is_idle());
        if let Some(reason) = ending {
            info!(job = %self.id, why = %reason, "stopping a job's runs");
            drop(self.step(Event::StopAll(reason)));
        }
        self.occur();
    }

    fn barred(&self) -> Option<StopReason> {
        self.barred_unless(HostStopped::Heeded)
    }

    fn barred_unless(&self, host_stopped: HostStopped) -> Option<StopReason> {
        if self.ending.is_some() {
            return Some(StopReason::HostStopping);
        }
        let standing = Standing {
            stopped_by: self.wishes.stopped.as_ref().map(|stopped| stopped.by.as_str()),
            switch: self.wishes.switch.as_ref(),
            host_stopped: host_stopped == HostStopped::Heeded && self.machine.engine().kudu.stopped,
            removed: false,
        };
        wanted::barred(self.job.as_ref()?, standing)
    }

    fn policy(&self, job: &Job) -> Policy {
        let settings = &job.settings;
        Policy {
            life: self.machine.life_policy(job),
            overlap: settings.overlap,
            max_concurrency: settings.max_concurrency,
            retries: settings.retries.clone(),
        }
    }

    /// Asks for a run and returns what became of it.
    fn ask(&mut self, trigger: Trigger, arguments: Option<String>) -> (RunId, Answer) {
        self.request(Request { trigger, arguments, attempt: 1 })
    }

    fn request(&mut self, request: Request) -> (RunId, Answer) {
        let id = self.keeper.fresh(self.machine.now().wall);
        let elsewhere = match self.elsewhere() {
            Ok(elsewhere) => elsewhere,
            Err(why) => return (id, Answer::Refused(Refusal::Failed(why))),
        };
        let refused = || Answer::Refused(Refusal::Stopped("it cannot run".to_owned()));
        let answer = self.step(Event::Ask { id, request, elsewhere });
        (id, answer.unwrap_or_else(refused))
    }

    /// Takes the run lock unless it is held already, and returns whether another host has it. A job whose runs may
    /// overlap needs none.
    fn elsewhere(&mut self) -> Result<bool, String> {
        let overlap = self.job.as_ref().map(|job| job.settings.overlap);
        if overlap == Some(Overlap::Allow) || self.lock.is_some() {
            return Ok(false);
        }
        let path = self.machine.layout.run_lock(&self.id);
        match FileLock::try_exclusive_as(&path, &publish::lock_text(&self.machine, &self.id)) {
            Ok(Attempt::Taken(lock)) => {
                self.lock = Some(lock);
                Ok(false)
            }
            Ok(Attempt::Held(_)) => Ok(true),
            // Without a lock there is no telling whether another host runs it.
            Err(error) => Err(format!("its run lock `{}` could not be taken: {error}", path.display())),
        }
    }

    fn fact(&mut self, fact: Fact) {
        // A run that was given up while it was being prepared tells of it in vain.
        let (Some(body), Some(job)) = (self.bodies.get_mut(&fact.run), self.job.clone()) else { return };
        if let Some(event) = body.note(fact.news, &job) {
            drop(self.step(Event::Life(fact.run, event)));
        }
    }

    /// Lets the dispatcher take an event, and performs what follows; returns the answer to an asker.
    fn step(&mut self, event: Event) -> Option<Answer> {
        let job = self.job.clone()?;
        let policy = self.policy(&job);
        let mut answer = None;
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let now = self.machine.now();
            for action in self.dispatch.step(event, now, &policy) {
                match action {
                    Action::Answer(_, told) => answer = Some(told),
                    Action::Again(request) => self.again(request),
                    action => events.extend(self.perform(action, &job)),
                }
            }
        }
        if self.dispatch.is_idle() {
            self.lock = None;
        }
        answer
    }
}

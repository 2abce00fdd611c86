//! A simulated host: reads folders when hints say so, keeps one actor a job, and mends what its last life left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use webjobd::{
    decide::{
        life::LifeEvent,
        reconcile::{self, Change, Observed},
        recover::{self, Traces},
        settle::{Due, DueJob, QUIET, Settle},
        supervise,
    },
    model::{
        hint::Hint,
        id::{JobId, JobKind, RunId},
        job::{Found, Job},
        run::{RunPhase, Trigger},
        stop::StopReason,
        time::Mono,
    },
};

use crate::{
    body::{self, Me},
    dispatcher::Dispatcher,
    machine::Machine,
    supervisor::Supervisor,
};

/// Time from one reading of everything to the next.
const RESCAN: Duration = Duration::from_secs(60);

/// One host while it lives.
#[derive(Debug)]
pub struct Host {
    /// Which.
    pub me: Me,
    settle: Settle,
    /// Stamps of folders that were read at rest.
    seen: BTreeMap<JobId, u64>,
    rescan_at: Mono,
    desired: BTreeMap<JobId, Arc<Found>>,
    observed: Observed,
    /// Actors by job.
    pub actors: BTreeMap<JobId, Actor>,
    leaving: Vec<(JobId, Actor)>,
    started: Mono,
    is_stopping: bool,
}

/// The actor of a job.
#[derive(Debug)]
pub enum Actor {
    /// Of a continuous one.
    Continuous(Supervisor),
    /// Of a triggered one.
    Triggered(Box<Dispatcher>),
}

/// What a person asks of a job.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    /// Run, or start again.
    Run,
    /// Stop it and keep it stopped.
    Stop,
    /// Start it.
    Start,
    /// Stop it and start it again, or cancel its run.
    Restart,
}

impl Host {
    /// Starts a host: mends what its last life left, then reads all folders.
    pub fn start(machine: &mut Machine, me: Me) -> Self {
        machine.tell(|| format!("host{} starts", me.host));
        recover(machine, &me);
        machine.ready.retain(|(host, ..)| *host != me.host);
        let mut host = Self {
            me,
            settle: Settle::default(),
            seen: BTreeMap::new(),
            rescan_at: machine.mono + RESCAN,
            desired: BTreeMap::new(),
            observed: Observed::new(),
            actors: BTreeMap::new(),
            leaving: Vec::new(),
            started: machine.mono,
            is_stopping: false,
        };
        host.read(machine, vec![Due::Everything("the host started".to_owned())]);
        host
    }

    /// Returns when it wakes up next.
    pub fn deadline(&self, machine: &Machine) -> Option<Mono> {
        let scan = self.settle.next_deadline().map_or(self.rescan_at, |at| at.min(self.rescan_at));
        let scan = (!self.is_stopping).then_some(scan);
        let actors = self.actors.values().chain(self.leaving.iter().map(|(_, actor)| actor));
        actors.filter_map(|actor| actor.deadline(machine)).chain(scan).min()
    }

    /// Does what is due now.
    pub fn wake(&mut self, machine: &mut Machine) {
        let now = machine.mono;
        if !self.is_stopping {
            let mut due = self.settle.take_due(now);
            if self.rescan_at <= now {
                due.push(Due::Everything(String::new()));
            }
            if !due.is_empty() {
                self.read(machine, due);
            }
        }
        for actor in self.actors.values_mut().chain(self.leaving.iter_mut().map(|(_, actor)| actor)) {
            actor.wake(machine);
        }
        self.part(machine);
    }

    /// Takes in a hint.
    pub fn hint(&mut self, hint: Hint, now: Mono) {
        self.settle.hint(hint, now, |id| self.desired.contains_key(id));
    }

    /// Passes a fact to the run's actor.
    pub fn fact(&mut self, machine: &mut Machine, job: &JobId, run: RunId, event: &LifeEvent) {
        let leaving = self.leaving.iter_mut().filter(|(id, _)| id == job).map(|(_, actor)| actor);
        for actor in self.actors.get_mut(job).into_iter().chain(leaving) {
            match actor {
                Actor::Continuous(actor) => actor.fact(machine, run, event.clone()),
                Actor::Triggered(actor) => actor.fact(machine, run, event.clone()),
            }
        }
        self.part(machine);
    }

    /// Tells all actors to end.
    pub fn stop(&mut self, machine: &mut Machine, kill: bool) {
        machine.tell(|| format!("host{} stops{}", self.me.host, if kill { " at once" } else { "" }));
        self.is_stopping = true;
        for actor in self.actors.values_mut().chain(self.leaving.iter_mut().map(|(_, actor)| actor)) {
            actor.end(machine, StopReason::HostStopping, kill);
        }
    }

    /// Tells whether it was stopped and nothing of it is left.
    pub fn has_ended(&self) -> bool {
        let actors = self.actors.values().chain(self.leaving.iter().map(|(_, actor)| actor));
        self.is_stopping && actors.into_iter().all(Actor::has_ended)
    }

    /// Tells whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Carries out what a person asks.
    pub fn ask(&mut self, machine: &mut Machine, job: &JobId, wish: Wish) {
        if self.is_stopping || !self.observed.contains_key(job) {
            return;
        }
        machine.tell(|| format!("host{} {job}: somebody asks for {wish:?}", self.me.host));
        match wish {
            Wish::Stop if machine.acts() => drop(machine.disk.stopped.insert(job.clone(), "ann".to_owned())),
            Wish::Start if machine.acts() => drop(machine.disk.stopped.remove(job)),
            Wish::Stop | Wish::Start => return,
            Wish::Run | Wish::Restart => {}
        }
        let (Some(found), stopped) = (self.observed.get(job).cloned(), machine.disk.stopped.get(job).cloned()) else {
            return;
        };
        let Some(actor) = self.actors.get_mut(job) else { return };
        match (wish, actor) {
            (Wish::Stop | Wish::Start, actor) => {
                actor.update(machine, &found, stopped);
                let start = supervise::Event::Start(Trigger::Api { user_agent: "ann".to_owned() });
                if let (Wish::Start, Actor::Continuous(actor)) = (wish, actor) {
                    actor.command(machine, &start);
                }
            }
            (Wish::Run, Actor::Triggered(actor)) => actor.run(machine),
            (Wish::Restart, Actor::Triggered(actor)) => actor.cancel(machine),
            (Wish::Run | Wish::Restart, Actor::Continuous(actor)) => {
                actor.command(machine, &supervise::Event::Restart { who: "ann".to_owned() });
            }
        }
    }

    /// Reads all folders because somebody asks for it.
    pub fn rescan(&mut self, machine: &mut Machine) {
        if !self.is_stopping {
            self.read(machine, vec![Due::Everything("somebody asked for it".to_owned())]);
        }
    }

    fn read(&mut self, machine: &mut Machine, due: Vec<Due>) {
        let now = machine.mono;
        let job = |due: &Due| if let Due::Job(due) = due { Some(due.id.clone()) } else { None };
        let some: Option<BTreeSet<JobId>> = due.iter().map(job).collect();
        for due in due {
            match due {
                Due::Job(due) => self.read_one(machine, due),
                Due::Everything(_) => {
                    self.rescan_at = now + RESCAN;
                    self.desired.retain(|id, _| machine.disk.folders.contains_key(id));
                    for id in machine.disk.folders.keys().cloned().collect::<Vec<_>>() {
                        // One that waits for quiet is read in its time.
                        if !self.settle.is_waiting(&id) {
                            self.read_one(machine, DueJob { id, since: now, quiet: QUIET, path: None });
                        }
                    }
                }
            }
        }
        self.carry_out(machine, some.as_ref());
    }

    fn read_one(&mut self, machine: &mut Machine, due: DueJob) {
        let Some(folder) = machine.disk.folders.get(&due.id) else {
            self.seen.remove(&due.id);
            self.desired.remove(&due.id);
            return;
        };
        let stamp = folder.stamp;
        let is_unsettled = machine.mono.since(folder.changed) < due.quiet;
        let has_problems = self.desired.get(&due.id).is_some_and(|found| !found.problems.is_empty());
        if self.seen.get(&due.id) == Some(&stamp) && !has_problems {
            return;
        }
        if is_unsettled {
            self.seen.remove(&due.id);
            if self.settle.put_off(&due, machine.mono) {
                return;
            }
        } else {
            self.seen.insert(due.id.clone(), stamp);
        }
        if let Some(found) = machine.disk.found(&due.id) {
            self.desired.insert(due.id, found);
        }
    }

    /// Carries out what some folders say, or all.
    fn carry_out(&mut self, machine: &mut Machine, some: Option<&BTreeSet<JobId>>) {
        for change in reconcile::plan(&self.observed, &self.desired, some) {
            match change {
                Change::Retire(id) => {
                    self.observed.remove(&id);
                    machine.ready.retain(|(host, job, _)| (*host, job) != (self.me.host, &id));
                    if let Some(mut actor) = self.actors.remove(&id) {
                        machine.tell(|| format!("host{} {id}: is gone", self.me.host));
                        actor.end(machine, StopReason::Removed, false);
                        self.leaving.push((id, actor));
                    }
                }
                Change::Add(found) => self.add(machine, &found),
                Change::Update(found) => {
                    machine.tell(|| format!("host{} {}: says something else", self.me.host, found.id));
                    self.observed.insert(found.id.clone(), Arc::clone(&found));
                    let stopped = machine.disk.stopped.get(&found.id).cloned();
                    if let Some(actor) = self.actors.get_mut(&found.id) {
                        actor.update(machine, &found, stopped);
                    }
                }
            }
        }
        self.leaving.retain(|(_, actor)| !actor.has_ended());
    }

    fn add(&mut self, machine: &mut Machine, found: &Arc<Found>) {
        let id = found.id.clone();
        if self.leaving.iter().any(|(leaving, actor)| *leaving == id && !actor.has_ended()) {
            return;
        }
        self.observed.insert(id.clone(), Arc::clone(found));
        let stopped = machine.disk.stopped.get(&id).cloned();
        let is_startup = machine.mono.since(self.started) < Duration::from_secs(5);
        let actor = match id.kind {
            JobKind::Continuous => {
                Actor::Continuous(Supervisor::spawn(machine, &self.me, found, stopped, Trigger::Startup))
            }
            JobKind::Triggered => {
                Actor::Triggered(Box::new(Dispatcher::spawn(machine, &self.me, found, stopped, is_startup)))
            }
        };
        self.actors.insert(id, actor);
    }

    /// Lets go of actors that have ended, and lets folders that came back meanwhile have new ones.
    fn part(&mut self, machine: &mut Machine) {
        let gone = self.leaving.iter().filter(|(_, actor)| actor.has_ended()).map(|(id, _)| id.clone());
        let gone: BTreeSet<JobId> = gone.collect();
        self.leaving.retain(|(_, actor)| !actor.has_ended());
        if !self.is_stopping {
            self.carry_out(machine, Some(&gone));
        }
    }

    /// Returns the jobs that are on their way out.
    pub fn leaving(&self) -> BTreeSet<JobId> {
        self.leaving.iter().map(|(id, _)| id.clone()).collect()
    }
}

impl Actor {
    /// Returns what runs, or would.
    pub fn job(&self) -> Option<&Arc<Job>> {
        match self {
            Self::Continuous(actor) => actor.job.as_ref(),
            Self::Triggered(actor) => actor.job.as_ref(),
        }
    }

    fn deadline(&self, machine: &Machine) -> Option<Mono> {
        match self {
            Self::Continuous(actor) => actor.deadline(),
            Self::Triggered(actor) => {
                let wall = actor.next().map(|next| machine.mono_of(next));
                actor.deadline().into_iter().chain(wall).min()
            }
        }
    }

    fn wake(&mut self, machine: &mut Machine) {
        match self {
            Self::Continuous(actor) => {
                if actor.deadline().is_some_and(|at| at <= machine.mono) {
                    actor.tick(machine);
                }
            }
            Self::Triggered(actor) => {
                if actor.deadline().is_some_and(|at| at <= machine.mono) {
                    actor.tick(machine);
                }
                if actor.next().is_some_and(|at| at <= machine.now().wall) {
                    actor.occur(machine);
                }
            }
        }
    }

    fn end(&mut self, machine: &mut Machine, reason: StopReason, kill: bool) {
        match self {
            Self::Continuous(actor) => actor.end(machine, reason, kill),
            Self::Triggered(actor) => actor.end(machine, reason, kill),
        }
    }

    fn update(&mut self, machine: &mut Machine, found: &Found, stopped: Option<String>) {
        match self {
            Self::Continuous(actor) => actor.update(machine, found, stopped),
            Self::Triggered(actor) => actor.update(machine, found, stopped),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Continuous(actor) => actor.has_ended(),
            Self::Triggered(actor) => actor.has_ended(),
        }
    }

    /// Tells it that the wall clock was set.
    pub fn clock_stepped(&mut self, machine: &mut Machine) {
        if let Self::Triggered(actor) = self {
            actor.occur(machine);
        }
    }
}

/// Ends what the last life of a host left, and closes its records.
fn recover(machine: &mut Machine, me: &Me) {
    let counts = machine.end_lost(me.host);
    for (job, run) in machine.disk.open[me.host].clone() {
        let record = machine.disk.records.get(&(job.clone(), run)).cloned();
        let open = record.filter(|record| !matches!(record.phase, RunPhase::Ended(_)));
        if let Some(record) = open {
            assert_eq!(record.instance, me.instance(), "an open run of {job} is another host's");
            let ended_now = counts.get(&(job.clone(), run)).copied().unwrap_or(0);
            let closed =
                recover::close(&record, Traces { ended_now, elsewhere: None, last_sign: None }, machine.now().wall);
            assert!(closed.ended >= Some(closed.started), "a lost run of {job} ended before it began");
            machine.tell(|| format!("host{} {job}: lost run {run} is closed", me.host));
            if !body::keep(machine, &closed) {
                continue;
            }
        }
        if machine.writes() {
            machine.disk.open[me.host].remove(&(job, run));
        }
    }
}

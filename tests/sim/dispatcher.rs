//! The actor of a triggered job, as `host::dispatcher` is, without tasks.

mod queue;

use std::{collections::BTreeMap, sync::Arc};

use webjobd::{
    decide::{
        admit::Refusal,
        agenda::{Agenda, Fate, Told},
        dispatch::{Action, Answer, Dispatch, Event, Policy, Request},
        life::{End, LifeEvent},
        reconcile,
        wanted::{self, Standing},
        zone::Zone,
    },
    model::{
        id::{JobId, RunId},
        job::{Found, Job},
        run::{Line, RunRecord, Trigger},
        settings::Overlap,
        stop::StopReason,
        time::{Mono, Wall},
    },
};

use crate::{
    body::{self, Body, Keeper, Me},
    check,
    machine::Machine,
};

/// The actor of one triggered job.
#[derive(Debug)]
pub struct Dispatcher {
    me: Me,
    id: JobId,
    /// What runs.
    pub job: Option<Arc<Job>>,
    stopped_by: Option<String>,
    ending: Option<StopReason>,
    dispatch: Dispatch,
    bodies: BTreeMap<RunId, Body>,
    waiting: BTreeMap<RunId, RunRecord>,
    fates: Vec<(RunId, Fate)>,
    is_settled: bool,
    is_serving: bool,
    has_lock: bool,
    agenda: Agenda,
    /// Since when its schedules are answered for, when the journal does not tell.
    since: Wall,
    /// When they were changed under its eyes.
    changed: Option<Wall>,
    is_mixed: bool,
    keeper: Keeper,
}

impl Dispatcher {
    /// Starts the actor.
    pub fn spawn(machine: &mut Machine, me: &Me, found: &Found, stopped_by: Option<String>, is_startup: bool) -> Self {
        let served = machine.disk.served(&found.id);
        let mut actor = Self {
            me: me.clone(),
            id: found.id.clone(),
            job: found.job.clone(),
            stopped_by,
            ending: None,
            dispatch: Dispatch::default(),
            bodies: BTreeMap::new(),
            waiting: BTreeMap::new(),
            fates: Vec::new(),
            is_settled: false,
            is_serving: false,
            has_lock: false,
            agenda: Agenda::new(served, machine.now().wall),
            since: machine.now().wall,
            changed: None,
            is_mixed: false,
            keeper: Keeper::open(machine, &found.id),
        };
        let Some(job) = actor.job.clone() else { return actor };
        actor.plan(machine, None);
        if job.settings.run_on_start && is_startup && actor.barred().is_none() {
            actor.ask(machine, Trigger::Startup, None);
        }
        actor.occur(machine);
        actor
    }

    /// Tells whether nothing of it runs any more and it was told to end.
    pub fn has_ended(&self) -> bool {
        self.ending.is_some() && self.dispatch.is_idle()
    }

    /// Returns when it wakes up by the monotonic clock.
    pub fn deadline(&self) -> Option<Mono> {
        self.dispatch.next_deadline()
    }

    /// Returns when it wakes up by the wall clock.
    pub fn next(&self) -> Option<Wall> {
        self.agenda.next()
    }

    /// Returns when its schedules were changed under its eyes.
    pub fn changed(&self) -> Option<Wall> {
        self.changed
    }

    /// Tells whether its schedules rest.
    pub fn rests(&self) -> bool {
        self.agenda.rests() || self.ending.is_some()
    }

    /// Returns how many of its runs began as the only one.
    pub fn n_exclusive(&self) -> usize {
        self.bodies.values().filter(|body| body.is_exclusive()).count()
    }

    /// Ends everything.
    pub fn end(&mut self, machine: &mut Machine, reason: StopReason, kill: bool) {
        self.ending = Some(reason.clone());
        self.agenda.clear();
        self.step(machine, if kill { Event::KillAll(reason) } else { Event::StopAll(reason) });
    }

    /// Takes in what its folder, or what people asked of it, says now.
    pub fn update(&mut self, machine: &mut Machine, found: &Found, stopped_by: Option<String>) {
        self.stopped_by = stopped_by;
        let before = std::mem::take(&mut self.job);
        self.job = reconcile::valid(before.as_ref(), found);
        if self.job.is_none() {
            return;
        }
        self.plan(machine, before.as_deref());
        if let Some(reason) = self.barred().filter(|_| !self.dispatch.is_idle()) {
            self.step(machine, Event::StopAll(reason));
        }
        self.occur(machine);
    }

    /// Runs it on request.
    pub fn run(&mut self, machine: &mut Machine) {
        if self.job.is_some() && self.barred().is_none() {
            self.ask(machine, Trigger::Api { user_agent: "ann".to_owned() }, None);
        }
    }

    /// Ends one run.
    pub fn cancel(&mut self, machine: &mut Machine) {
        let newest = self.bodies.keys().chain(self.waiting.keys()).max().copied();
        if let Some(run) = newest {
            self.step(machine, Event::Cancel(run, StopReason::Request { who: "ann".to_owned() }));
        }
    }

    /// Lets it see the time.
    pub fn tick(&mut self, machine: &mut Machine) {
        self.step(machine, Event::Tick);
    }

    /// Takes in a fact.
    pub fn fact(&mut self, machine: &mut Machine, run: RunId, event: LifeEvent) {
        let Some(body) = self.bodies.get_mut(&run) else { return };
        body.note(machine, &event);
        self.step(machine, Event::Life(run, event));
    }

    /// Serves what is due.
    pub fn occur(&mut self, machine: &mut Machine) {
        let Some(job) = self.job.clone().filter(|_| self.ending.is_none()) else { return };
        let now = machine.now().wall;
        let Some(owed) = self.owed(machine, now) else { return };
        if self.agenda.rests() || !machine.acts() {
            return;
        }
        let before = machine.disk.served(&self.id);
        // One that came under a wrong clock follows the journal.
        self.changed = self.changed.filter(|changed| *changed <= now + jiff::SignedDuration::from_hours(24));
        let told = Told { served: before, owed, knows_moment: false };
        let mut batch = self.agenda.due(&job, told, now);
        for note in std::mem::take(&mut batch.notes) {
            machine.tell(|| format!("host{} {}: {note}", self.me.host, self.id));
        }
        self.is_serving = true;
        for call in std::mem::take(&mut batch.calls) {
            let (run, answer) = self.ask(machine, call.trigger.clone(), call.arguments.clone());
            self.agenda.answer(&mut batch, &call, run, &answer);
        }
        self.is_serving = false;
        self.append(machine, &job, before, batch.into_lines());
        self.settle(machine);
    }

    fn append(&mut self, machine: &mut Machine, job: &Job, before: Option<Wall>, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        if !machine.writes() {
            if !machine.is_burnt {
                machine.torn.insert(self.id.clone());
            }
            return;
        }
        let told = before.unwrap_or(self.since).max(self.changed.unwrap_or(Wall::MIN));
        // What the full disk did not take leaves a hole; of two hosts, each has its own.
        let is_torn = machine.torn.contains(&self.id);
        if machine.n_hosts == 1 {
            machine.torn.remove(&self.id);
        }
        let newest = lines.iter().rev().find_map(Line::served);
        if before.is_some_and(|before| newest.is_some_and(|newest| newest < before)) {
            machine.resets.insert(self.id.clone());
        }
        // Of two hosts that disagree about a clock that was wrong by days, the one that was away may be mistaken.
        let is_sure = machine.n_hosts == 1 || !machine.resets.contains(&self.id);
        if !is_torn && is_sure && !std::mem::take(&mut self.is_mixed) {
            check::batch(machine, job, before, told, &lines);
        }
        if newest.is_some_and(|newest| newest < told) {
            self.changed = None;
        }
        machine.disk.journals.entry(self.id.clone()).or_default().extend(lines);
    }

    fn plan(&mut self, machine: &mut Machine, before: Option<&Job>) {
        let Some(job) = self.job.clone() else { return };
        let now = machine.now().wall;
        let barred = self.barred().map(|reason| reason.to_string());
        match before {
            None => self.since = now,
            Some(before) if before.settings.schedules != job.settings.schedules => {
                self.changed = Some(now);
                // Those that stay are answered for since before, the others since now.
                self.is_mixed |= before.settings.schedules.iter().any(|old| job.settings.schedules.contains(old));
            }
            Some(_) => {}
        }
        let planned = self.agenda.plan(&job, &Zone::utc(), now, barred);
        if let Some(why) = planned.freed {
            let served = machine.disk.served(&self.id);
            let told = Told { served, ..Told::default() };
            let lines = self.agenda.pass_over(&job, &why, &told, now);
            self.append(machine, &job, served, lines);
        }
    }

    fn barred(&self) -> Option<StopReason> {
        if self.ending.is_some() {
            return self.ending.clone();
        }
        let standing = Standing { stopped_by: self.stopped_by.as_deref(), ..Standing::default() };
        wanted::barred(self.job.as_ref()?, standing)
    }

    fn policy(job: &Job) -> Policy {
        let settings = &job.settings;
        Policy {
            life: body::life_policy(job),
            overlap: settings.overlap,
            max_concurrency: settings.max_concurrency,
            retries: settings.retries.clone(),
        }
    }

    fn ask(&mut self, machine: &mut Machine, trigger: Trigger, arguments: Option<String>) -> (RunId, Answer) {
        self.request(machine, Request { trigger, arguments, attempt: 1 })
    }

    fn request(&mut self, machine: &mut Machine, request: Request) -> (RunId, Answer) {
        let id = self.keeper.fresh(machine, &self.id);
        let elsewhere = self.elsewhere(machine);
        let answer = self.step(machine, Event::Ask { id, request, elsewhere });
        (id, answer.unwrap_or_else(|| Answer::Refused(Refusal::Stopped("it cannot run".to_owned()))))
    }

    fn elsewhere(&mut self, machine: &mut Machine) -> bool {
        let overlap = self.job.as_ref().map(|job| job.settings.overlap);
        if overlap == Some(Overlap::Allow) || self.has_lock {
            return false;
        }
        self.has_lock = machine.disk.try_lock(&self.id, self.me.host);
        !self.has_lock
    }

    fn step(&mut self, machine: &mut Machine, event: Event) -> Option<Answer> {
        let answer = self.take(machine, event);
        // Of one that is asked for by a schedule, the journal is told first that it waits.
        if !self.is_serving {
            self.settle(machine);
        }
        answer
    }

    fn take(&mut self, machine: &mut Machine, event: Event) -> Option<Answer> {
        let job = self.job.clone()?;
        let policy = Self::policy(&job);
        let mut answer = None;
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            if machine.is_burnt {
                return answer;
            }
            for action in self.dispatch.step(event, machine.now(), &policy) {
                match action {
                    Action::Answer(_, told) => assert!(answer.replace(told).is_none(), "an asker is answered twice"),
                    Action::Again(request) => self.again(machine, request),
                    action => events.extend(self.perform(machine, action, &job)),
                }
            }
        }
        if self.dispatch.is_idle() && std::mem::take(&mut self.has_lock) {
            machine.disk.unlock(&self.id, self.me.host);
        }
        answer
    }

    fn again(&mut self, machine: &mut Machine, request: Request) {
        if self.barred().is_none() {
            self.request(machine, request);
        }
    }

    fn perform(&mut self, machine: &mut Machine, action: Action, job: &Arc<Job>) -> Option<Event> {
        match action {
            Action::Begin(id, request) => self.begin(machine, id, request, job),
            Action::Hold(id, request) => {
                let record = self.record(machine, id, request, job);
                self.keeper.begun(machine, &self.id, id);
                body::note_begin(machine, &self.me, &record);
                body::keep(machine, &record);
                self.waiting.insert(id, record);
            }
            Action::Life(id, action) => {
                let event = self.bodies.get_mut(&id)?.perform(machine, action)?;
                return Some(Event::Life(id, event));
            }
            Action::Finish(id, end) => self.finish(machine, id, &end, job),
            Action::TryLock => return Some(Event::Lock { ours: !self.elsewhere(machine) }),
            Action::SayRetry(..) | Action::Unlock | Action::Answer(..) | Action::Again(_) => {}
        }
        None
    }

    fn record(&self, machine: &Machine, id: RunId, request: Request, job: &Job) -> RunRecord {
        let record = body::record(machine, &self.me, job, id, request.trigger);
        RunRecord { attempt: request.attempt, arguments: request.arguments, ..record }
    }

    fn begin(&mut self, machine: &mut Machine, id: RunId, request: Request, job: &Arc<Job>) {
        assert!(self.barred().is_none(), "{} runs although it may not: {:?}", self.id, self.barred());
        let record = match self.waiting.remove(&id) {
            Some(waited) => {
                self.fates.push((id, Fate::Began));
                RunRecord { content: Some(job.content), ..waited }
            }
            None => {
                self.keeper.begun(machine, &self.id, id);
                self.record(machine, id, request, job)
            }
        };
        let body = Body::new(machine, &self.me, job, record);
        assert!(self.bodies.insert(id, body).is_none(), "run {id} of {} begins twice", self.id);
        let bound = if job.settings.overlap == Overlap::Allow { job.settings.max_concurrency as usize } else { 1 };
        assert!(self.bodies.len() <= bound, "{} runs of {} at once, {bound} at most", self.bodies.len(), self.id);
    }

    fn finish(&mut self, machine: &mut Machine, id: RunId, end: &End, job: &Arc<Job>) {
        let body = match (self.bodies.remove(&id), self.waiting.remove(&id)) {
            (Some(body), _) => body,
            (None, Some(record)) => {
                let why = end.stop.clone().expect("what waited was stopped");
                self.fates.push((id, Fate::Dropped(why)));
                Body::new(machine, &self.me, job, record)
            }
            (None, None) => panic!("run {id} of {} is finished twice", self.id),
        };
        let record = body.finish(machine, end);
        self.keeper.ended(machine, &record, job);
    }
}

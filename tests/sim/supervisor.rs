//! The actor of a continuous job, as `host::supervisor` is, without tasks.

use std::{sync::Arc, time::Duration};

use webjobd::{
    decide::{
        discover::content::what_changed,
        jitter,
        life::LifeEvent,
        reconcile,
        restart::Restart,
        supervise::{Action, Event, IdleWhy, Policy, State},
        wanted::{self, Standing},
    },
    model::{
        id::{JobId, RunId},
        job::{Found, Job},
        run::Trigger,
        stop::StopReason,
        time::Mono,
    },
};

use crate::{
    body::{self, Body, Keeper, Me},
    machine::Machine,
};

/// The actor of one continuous job.
#[derive(Debug)]
pub struct Supervisor {
    me: Me,
    id: JobId,
    /// What runs, or would.
    pub job: Option<Arc<Job>>,
    stopped_by: Option<String>,
    ending: Option<StopReason>,
    /// Its copies.
    pub copies: Vec<Copy>,
    has_lease: bool,
    keeper: Keeper,
}

/// One copy.
#[derive(Debug)]
pub struct Copy {
    /// Where it is on its way.
    pub state: State,
    policy: Option<Policy>,
    /// The life on its way.
    pub body: Option<Body>,
    is_leaving: bool,
}

impl Copy {
    fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }
}

impl Supervisor {
    /// Starts the actor.
    pub fn spawn(machine: &mut Machine, me: &Me, found: &Found, stopped_by: Option<String>, trigger: Trigger) -> Self {
        let mut actor = Self {
            me: me.clone(),
            id: found.id.clone(),
            job: found.job.clone(),
            stopped_by,
            ending: None,
            copies: Vec::new(),
            has_lease: false,
            keeper: Keeper::open(machine, &found.id),
        };
        actor.set_copies(machine);
        match actor.barred() {
            None => actor.all(machine, &Event::Start(trigger)),
            Some(reason) => actor.all(machine, &Event::Stop(reason)),
        }
        actor
    }

    /// Tells whether nothing of it runs any more and it was told to end.
    pub fn has_ended(&self) -> bool {
        self.ending.is_some() && self.copies.iter().all(Copy::is_idle)
    }

    /// Returns when it wakes up.
    pub fn deadline(&self) -> Option<Mono> {
        self.copies.iter().filter_map(|copy| copy.state.next_deadline()).min()
    }

    /// Ends everything.
    pub fn end(&mut self, machine: &mut Machine, reason: StopReason, kill: bool) {
        self.ending = Some(reason.clone());
        self.all(machine, &if kill { Event::Kill(reason) } else { Event::Stop(reason) });
    }

    /// Takes in what its folder, or what people asked of it, says now.
    pub fn update(&mut self, machine: &mut Machine, found: &Found, stopped_by: Option<String>) {
        let barred = self.barred();
        let before = self.job.clone();
        self.stopped_by = stopped_by;
        self.job = reconcile::valid(before.as_ref(), found);
        let Some(job) = self.job.clone() else { return };
        self.set_copies(machine);
        match (barred, self.barred()) {
            (_, Some(reason)) => self.all(machine, &Event::Stop(reason)),
            (Some(_), None) => self.all(machine, &Event::Start(change("it was started again"))),
            (None, None) => match before {
                None => self.all(machine, &Event::Start(change("the job was added"))),
                Some(before) => {
                    if let Some(change) = what_changed(&before, &job) {
                        self.all(machine, &Event::Replace { what: change.to_string() });
                    }
                }
            },
        }
        // Copies that were added to ones that are done for good.
        for place in 0..self.copies.len() {
            if self.barred().is_none() && matches!(self.copies[place].state, State::Idle { why: IdleWhy::New }) {
                self.one(machine, place, Event::Start(change("`instances` became larger")));
            }
        }
        self.leave();
    }

    /// Carries out what a person asked for.
    pub fn command(&mut self, machine: &mut Machine, event: &Event) {
        if self.job.is_some() && self.barred().is_none() {
            self.all(machine, event);
        }
    }

    /// Lets all copies see the time.
    pub fn tick(&mut self, machine: &mut Machine) {
        self.all(machine, &Event::Tick);
        self.leave();
    }

    /// Takes in a fact.
    pub fn fact(&mut self, machine: &mut Machine, run: RunId, event: LifeEvent) {
        let place = self.copies.iter().position(|copy| copy.body.as_ref().is_some_and(|body| body.record.id == run));
        let Some(place) = place else { return };
        if let Some(body) = &mut self.copies[place].body {
            body.note(machine, &event);
        }
        self.one(machine, place, Event::Life(event));
        self.leave();
    }

    /// Returns what keeps the job from running.
    pub fn barred(&self) -> Option<StopReason> {
        let job = self.job.as_ref()?;
        if self.ending.is_some() {
            return self.ending.clone();
        }
        let standing = Standing { stopped_by: self.stopped_by.as_deref(), ..Standing::default() };
        wanted::barred(job, standing)
    }

    fn leave(&mut self) {
        // From the end, so that each copy keeps its place, which is its number.
        while self.copies.last().is_some_and(|copy| copy.is_leaving && copy.is_idle()) {
            self.copies.pop();
        }
    }

    fn set_copies(&mut self, machine: &mut Machine) {
        let Some(job) = self.job.clone() else { return };
        let wanted = job.settings.instances.max(1) as usize;
        while self.copies.len() < wanted {
            self.copies.push(Copy { state: State::new(), policy: None, body: None, is_leaving: false });
        }
        let up = self.copies.iter().any(|copy| !copy.is_idle());
        for place in 0..self.copies.len() {
            let leaves = place >= wanted;
            let returns = std::mem::replace(&mut self.copies[place].is_leaving, leaves) && !leaves;
            let is_new = matches!(self.copies[place].state, State::Idle { why: IdleWhy::New });
            if leaves {
                let what = "`instances` became smaller".to_owned();
                self.one(machine, place, Event::Stop(StopReason::Changed { what }));
            } else if up && (is_new || returns) && self.barred().is_none() {
                self.one(machine, place, Event::Start(change("`instances` became larger")));
            }
        }
    }

    fn policy(&self, job: &Job, place: usize) -> Policy {
        let restart = Restart { policy: job.settings.restart.clone(), fixed_delay: None };
        Policy { life: body::life_policy(job), restart, luck: jitter::luck(&self.id, place) }
    }

    fn all(&mut self, machine: &mut Machine, event: &Event) {
        for place in 0..self.copies.len() {
            // One that leaves is not started again.
            if !(self.copies[place].is_leaving && matches!(event, Event::Start(_))) {
                self.one(machine, place, event.clone());
            }
        }
    }

    fn one(&mut self, machine: &mut Machine, place: usize, event: Event) {
        let Some(job) = self.job.clone() else { return };
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            if machine.is_burnt {
                return;
            }
            let policy = match &self.copies[place].policy {
                Some(policy) => policy.clone(),
                None => self.policy(&job, place),
            };
            let (before, now) = (std::mem::take(&mut self.copies[place].state), machine.now());
            let (state, actions) = before.step(event, now, &policy);
            self.copies[place].state = state;
            for action in actions {
                if let Action::SayBackoff(delay) = &action {
                    let bound = policy.restart.policy.max_delay.max(Duration::from_secs(1)).mul_f64(1.1);
                    assert!(*delay <= bound, "{} waits longer than its policy allows", self.id);
                }
                events.extend(self.perform(machine, place, action, &job));
            }
        }
    }

    fn perform(&mut self, machine: &mut Machine, place: usize, action: Action, job: &Arc<Job>) -> Option<Event> {
        match action {
            Action::Claim => {
                let ours =
                    !job.settings.is_singleton || self.has_lease || machine.disk.try_lock(&self.id, self.me.host);
                self.has_lease |= ours && job.settings.is_singleton;
                return Some(if ours { Event::Claimed } else { Event::Refused });
            }
            Action::Release => {
                let others = self.copies.iter().enumerate().any(|(n, copy)| n != place && !copy.is_idle());
                if !others && std::mem::take(&mut self.has_lease) {
                    machine.disk.unlock(&self.id, self.me.host);
                }
            }
            Action::Begin(trigger) => self.begin(machine, place, trigger, job),
            Action::Life(action) => {
                let body = self.copies[place].body.as_mut()?;
                return body.perform(machine, action).map(Event::Life);
            }
            Action::Finish(end) => {
                self.copies[place].policy = None;
                let body = self.copies[place].body.take().expect("a life that ends was begun");
                let record = body.finish(machine, &end);
                self.keeper.ended(machine, &record, job);
            }
            Action::SayBackoff(_) | Action::SayDone(_) => {}
        }
        None
    }

    fn begin(&mut self, machine: &mut Machine, place: usize, trigger: Trigger, job: &Arc<Job>) {
        assert!(self.copies[place].body.is_none(), "a second life of copy {place} of {} begins", self.id);
        assert!(self.stopped_by.is_none(), "{} runs although it was stopped", self.id);
        let run = self.keeper.fresh(machine, &self.id);
        self.keeper.begun(machine, &self.id, run);
        let mut record = body::record(machine, &self.me, job, run, trigger);
        record.copy = u32::try_from(place).expect("few copies");
        self.copies[place].policy = Some(self.policy(job, place));
        self.copies[place].body = Some(Body::new(machine, &self.me, job, record));
    }
}

fn change(what: &str) -> Trigger {
    Trigger::Change { what: what.to_owned() }
}

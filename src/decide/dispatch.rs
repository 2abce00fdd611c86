//! The dispatcher of one triggered job: which of its triggers run, wait, or are refused, and what follows each run.
//!
//! It holds every run on its way, the queue, and the retries that are due later. As with the supervisor of a continuous
//! job it does nothing itself: it takes events and returns actions. A trigger is answered exactly once; a run that was
//! begun or held is finished exactly once.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::{
    decide::{
        admit::{self, Admission, Going, Refusal, admit, retry_after},
        life::{End, Life, LifeAction, LifeEvent, LifePolicy},
    },
    model::{
        id::RunId,
        run::{Outcome, Trigger},
        settings::{Overlap, Retries},
        stop::StopReason,
        time::{Mono, Now},
    },
};

/// Time from one try for a run lock that another host holds to the next, while triggers wait.
pub const LOCK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// What of a job's settings matters to its dispatcher.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// For one run.
    pub life: LifePolicy,
    /// What happens to a trigger while a run is on its way.
    pub overlap: Overlap,
    /// How many runs at once with `Overlap::Allow`.
    pub max_concurrency: u32,
    /// What happens after a failed run.
    pub retries: Option<Retries>,
}

/// What a run is asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Why it runs.
    pub trigger: Trigger,
    /// Its arguments as one text, when it brings some.
    pub arguments: Option<String>,
    /// 1, or more for a retry.
    pub attempt: u32,
}

/// What the asker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is on its way.
    Started,
    /// It waits for its turn.
    Queued,
    /// It does not run.
    Refused(Refusal),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A run is asked for. `id` is fresh.
    Ask {
        /// The id it has if it runs.
        id: RunId,
        /// What it is asked to be.
        request: Request,
        /// Whether another host holds the job's run lock.
        elsewhere: bool,
    },
    /// Something happened to a run on its way.
    Life(RunId, LifeEvent),
    /// One run, on its way or waiting, shall end.
    Cancel(RunId, StopReason),
    /// All runs shall end, and nothing waits any more.
    StopAll(StopReason),
    /// The same without grace.
    KillAll(StopReason),
    /// The answer to `Action::TryLock`.
    Lock {
        /// Whether it is ours now.
        ours: bool,
    },
    /// A deadline passed.
    Tick,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the asker of this run.
    Answer(RunId, Answer),
    /// Write the record of a run that waits.
    Hold(RunId, Request),
    /// Write the record of a run that begins.
    Begin(RunId, Request),
    /// Do this for a run on its way.
    Life(RunId, LifeAction),
    /// Close a run's record.
    Finish(RunId, End),
    /// Tell the run's log that it is tried again after this long.
    SayRetry(RunId, std::time::Duration),
    /// A retry is due: ask for it with a fresh id.
    Again(Request),
    /// Give the run lock back.
    Unlock,
    /// Try for the run lock and answer at once.
    TryLock,
}

/// A retry that is due later.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Later {
    at: Mono,
    request: Request,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Active {
    life: Life,
    request: Request,
}

/// One triggered job's runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispatch {
    active: BTreeMap<RunId, Active>,
    queue: VecDeque<(RunId, Request)>,
    later: Vec<Later>,
    /// Set while the queue waits for a lock that another host holds.
    lock_again_at: Option<Mono>,
}

impl Dispatch {
    /// Returns whether nothing runs and nothing waits to.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty() && self.queue.is_empty()
    }

    /// Returns the runs on their way, oldest first.
    pub fn lives(&self) -> impl Iterator<Item = (RunId, &Life)> {
        self.active.iter().map(|(id, active)| (*id, &active.life))
    }

    /// Returns the runs that wait, in their order.
    pub fn queued(&self) -> impl Iterator<Item = RunId> {
        self.queue.iter().map(|(id, _)| *id)
    }

    /// Returns when the next retry is due.
    pub fn next_retry(&self) -> Option<Mono> {
        self.later.iter().map(|later| later.at).min()
    }

    /// Returns when `Tick` shall be sent.
    pub fn next_deadline(&self) -> Option<Mono> {
        let lives = self.active.values().filter_map(|active| active.life.next_deadline());
        lives.chain(self.later.iter().map(|later| later.at)).chain(self.lock_again_at).min()
    }

    /// Takes up what an earlier life of the host owed: a run that ended so long ago is tried again when its time comes.
    pub fn resume(&mut self, id: RunId, request: Request, delay: std::time::Duration, now: Now) {
        self.later.push(Later { at: now.mono + delay, request: next_attempt(id, request) });
    }

    /// Takes one event and returns what to do.
    pub fn step(&mut self, event: Event, now: Now, policy: &Policy) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Ask { id, request, elsewhere } => self.ask(id, request, elsewhere, now, policy, &mut actions),
            Event::Life(id, event) => self.live(id, event, now, policy, &mut actions),
            Event::Cancel(id, reason) => self.cancel(id, reason, now, policy, &mut actions),
            Event::StopAll(reason) => {
                self.end_all(&reason, &LifeEvent::Stop(reason.clone()), now, policy, &mut actions)
            }
            Event::KillAll(reason) => {
                self.end_all(&reason, &LifeEvent::Kill(reason.clone()), now, policy, &mut actions)
            }
            Event::Lock { ours } => self.lock(ours, now, &mut actions),
            Event::Tick => self.tick(now, policy, &mut actions),
        }
        actions
    }

    fn ask(&mut self, id: RunId, request: Request, elsewhere: bool, now: Now, policy: &Policy, out: &mut Vec<Action>) {
        let going = Going { running: self.active.len(), queued: self.queue.len(), elsewhere };
        match admit(admit::overlap(policy.overlap, &request.trigger), policy.max_concurrency, going) {
            Admission::Start => {
                out.push(Action::Answer(id, Answer::Started));
                self.begin(id, request, out);
            }
            Admission::Queue => {
                out.push(Action::Answer(id, Answer::Queued));
                out.push(Action::Hold(id, request.clone()));
                self.queue.push_back((id, request));
                self.wait_for_lock(elsewhere, now);
            }
            Admission::Replace => {
                out.push(Action::Answer(id, Answer::Queued));
                out.push(Action::Hold(id, request.clone()));
                // Only the newest waits: what it replaces includes those that never came to run.
                for (id, _) in std::mem::take(&mut self.queue) {
                    out.push(Action::Finish(id, unborn(&StopReason::Replaced)));
                }
                self.queue.push_back((id, request));
                self.wait_for_lock(elsewhere, now);
                for id in self.active.keys().copied().collect::<Vec<_>>() {
                    self.live(id, LifeEvent::Stop(StopReason::Replaced), now, policy, out);
                }
            }
            Admission::Refuse(refusal) => out.push(Action::Answer(id, Answer::Refused(refusal))),
        }
    }

    fn wait_for_lock(&mut self, elsewhere: bool, now: Now) {
        if elsewhere && self.lock_again_at.is_none() {
            self.lock_again_at = Some(now.mono + LOCK_AGAIN);
        }
    }

    fn begin(&mut self, id: RunId, request: Request, out: &mut Vec<Action>) {
        let (life, actions) = Life::begin();
        out.push(Action::Begin(id, request.clone()));
        out.extend(actions.into_iter().map(|action| Action::Life(id, action)));
        self.active.insert(id, Active { life, request });
    }

    fn live(&mut self, id: RunId, event: LifeEvent, now: Now, policy: &Policy, out: &mut Vec<Action>) {
        let Some(Active { life, request }) = self.active.remove(&id) else { return };
        let (life, actions) = life.step(event, now, &policy.life);
        out.extend(actions.into_iter().map(|action| Action::Life(id, action)));
        match life {
            Life::Ended { end } => {
                let retry = retry_after(policy.retries.as_ref(), request.attempt, &end);
                out.push(Action::Finish(id, end));
                if let Some(delay) = retry {
                    out.push(Action::SayRetry(id, delay));
                    self.later.push(Later { at: now.mono + delay, request: next_attempt(id, request) });
                }
                self.next(out);
            }
            life @ (Life::Preparing
            | Life::Spawning { .. }
            | Life::Running { .. }
            | Life::Stopping { .. }
            | Life::Killing { .. }
            | Life::Draining { .. }
            | Life::Sweeping { .. }) => {
                self.active.insert(id, Active { life, request });
            }
        }
    }

    /// After a run's end: the next in the queue, or nobody. Another host may still have the lock: what ended here may
    /// have needed none.
    fn next(&mut self, out: &mut Vec<Action>) {
        let waits_for_lock = self.lock_again_at.is_some() && !self.queue.is_empty();
        if !self.active.is_empty() || waits_for_lock {
            return;
        }
        match self.queue.pop_front() {
            Some((id, request)) => self.begin(id, request, out),
            None => out.push(Action::Unlock),
        }
    }

    fn cancel(&mut self, id: RunId, reason: StopReason, now: Now, policy: &Policy, out: &mut Vec<Action>) {
        let before = self.queue.len();
        self.queue.retain(|(queued, _)| *queued != id);
        if self.queue.len() < before {
            out.push(Action::Finish(id, unborn(&reason)));
        } else {
            self.live(id, LifeEvent::Stop(reason), now, policy, out);
        }
    }

    fn end_all(&mut self, reason: &StopReason, event: &LifeEvent, now: Now, policy: &Policy, out: &mut Vec<Action>) {
        self.later.clear();
        self.lock_again_at = None;
        for (id, _) in std::mem::take(&mut self.queue) {
            out.push(Action::Finish(id, unborn(reason)));
        }
        for id in self.active.keys().copied().collect::<Vec<_>>() {
            self.live(id, event.clone(), now, policy, out);
        }
    }

    fn lock(&mut self, ours: bool, now: Now, out: &mut Vec<Action>) {
        if !ours {
            self.lock_again_at = (!self.queue.is_empty()).then(|| now.mono + LOCK_AGAIN);
            return;
        }
        self.lock_again_at = None;
        self.next(out);
    }

    fn tick(&mut self, now: Now, policy: &Policy, out: &mut Vec<Action>) {
        let late = |active: &Active| active.life.next_deadline().is_some_and(|due| due <= now.mono);
        let due: Vec<RunId> = self.active.iter().filter(|(_, active)| late(active)).map(|(id, _)| *id).collect();
        for id in due {
            self.live(id, LifeEvent::Tick, now, policy, out);
        }
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|later| later.at <= now.mono);
        self.later = later;
        let due: Vec<Later> = due;
        out.extend(due.into_iter().map(|later| Action::Again(later.request)));
        if self.lock_again_at.is_some_and(|at| at <= now.mono) {
            self.lock_again_at = None;
            if !self.queue.is_empty() {
                out.push(Action::TryLock);
            }
        }
    }
}

fn unborn(reason: &StopReason) -> End {
    End {
        outcome: Outcome::Stopped,
        exit: None,
        reason: format!("{reason}, while it waited in the queue"),
        stop: Some(reason.clone()),
        lived: std::time::Duration::ZERO,
    }
}

fn next_attempt(id: RunId, request: Request) -> Request {
    let of = match request.trigger {
        Trigger::Retry { of } => of,
        Trigger::Schedule { .. }
        | Trigger::RunAt { .. }
        | Trigger::Api { .. }
        | Trigger::Startup
        | Trigger::Restart
        | Trigger::Change { .. } => id,
    };
    Request { trigger: Trigger::Retry { of }, arguments: request.arguments, attempt: request.attempt + 1 }
}

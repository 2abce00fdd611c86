//! The actors of jobs: each begins with its job, rests where its job does, and begins again with the next message and before
//! its job is due.
//!
//! An actor that lets go closes its inbox first, tells that it rests, and gives back what is kept of its job as it ends. So
//! whoever finds an inbox closed has what it needs a moment later, and no message is lost.

#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use tokio::sync::Semaphore;
use tracing::debug;

use super::{Reconciler, STARTING};
use crate::{
    decide::at_rest,
    host::{
        dispatcher::{Dispatcher, Resting, Turn},
        handle::{Command, CommandError, Reply},
        keeper::Past,
        machine::Machine,
        message::{Inbox, JobMessage, Living, Update},
        publish,
        supervisor::Supervisor,
    },
    model::{
        id::{JobId, JobKind},
        run::Trigger,
        time::Wall,
        wish::Asked,
    },
    os::{memory, processors},
    store::index::records,
};

/// The actors of all jobs.
#[derive(Debug)]
pub(super) struct Actors {
    machine: Arc<Machine>,
    all: BTreeMap<JobId, Actor>,
    /// When jobs that rest have something to do next.
    due: BTreeSet<(Wall, JobId)>,
    /// Jobs whose actors are to begin in their turns.
    called: VecDeque<JobId>,
    turns: Arc<Semaphore>,
    /// The same for continuous jobs, whose programs are loaded meanwhile.
    starts: Arc<Semaphore>,
}

/// Actors that begin together where nothing is due and nobody asks: after a start or a step of the clock all would, and leave
/// holes in the heap among what stays.
const TURNS: usize = 32;

/// Continuous jobs whose first programs are being started together, at least: enough that no thread which starts programs waits,
/// and few enough that what they need is soon used again.
const STARTS_MIN: usize = 16;

/// A job's actor.
#[derive(Debug)]
pub(super) struct Actor {
    /// What it was told last of what people asked.
    wishes: Asked,
    pub(super) state: State,
}

/// Whether there is an actor.
#[derive(Debug)]
pub(super) enum State {
    Living(Living),
    /// The job rests.
    Resting(Resting),
    /// It ended, as one does that panicked.
    Gone,
}

impl Actors {
    /// Begins without any.
    pub(super) fn new(machine: &Arc<Machine>) -> Self {
        Self {
            machine: Arc::clone(machine),
            all: BTreeMap::new(),
            due: BTreeSet::new(),
            called: VecDeque::new(),
            turns: Arc::new(Semaphore::new(TURNS)),
            starts: Arc::new(Semaphore::new(STARTS_MIN.max(2 * processors::available()))),
        }
    }

    /// Lets a job begin.
    pub(super) fn begin(&mut self, id: JobId, update: Update, trigger: Trigger, past: Past) {
        let wishes = update.wishes.clone();
        let born = match id.kind {
            JobKind::Continuous => {
                Ok(Supervisor::spawn(&self.machine, update, trigger, past, Arc::clone(&self.starts)))
            }
            JobKind::Triggered => Dispatcher::born(&self.machine, update, trigger, past),
        };
        self.all.insert(id.clone(), Actor { wishes, state: State::Gone });
        self.put(&id, born);
    }

    /// Returns the jobs that have begun.
    pub(super) fn ids(&self) -> impl Iterator<Item = &JobId> {
        self.all.keys()
    }

    /// Returns what each job's actor was told last of what people asked.
    pub(super) fn wishes(&self) -> impl Iterator<Item = (&JobId, &Asked)> {
        self.all.iter().map(|(id, actor)| (id, &actor.wishes))
    }

    /// Tells whether a job has begun.
    pub(super) fn contains(&self, id: &JobId) -> bool {
        self.all.contains_key(id)
    }

    /// Takes a job's actor out.
    pub(super) fn remove(&mut self, id: &JobId) -> Option<State> {
        let actor = self.all.remove(id)?;
        self.due_no_more(id, &actor.state);
        Some(actor.state)
    }

    /// Takes all actors that live.
    pub(super) fn take_living(&mut self) -> Vec<Living> {
        self.due.clear();
        self.called.clear();
        let living = |actor: Actor| if let State::Living(living) = actor.state { Some(living) } else { None };
        std::mem::take(&mut self.all).into_values().filter_map(living).collect()
    }

    /// Returns a command, unless it asks something of a job for whose actor too much waits already: then that is the answer.
    pub(super) fn admit(&self, command: Command) -> Option<Command> {
        let full = command.asks().filter(|job| self.is_full(job)).cloned();
        match full {
            Some(job) => {
                command.refuse(|| CommandError::Busy(job));
                None
            }
            None => Some(command),
        }
    }

    fn is_full(&self, id: &JobId) -> bool {
        self.all.get(id).and_then(|actor| actor.state.inbox()).is_some_and(Inbox::is_full)
    }

    /// Returns where the actors that live are told.
    pub(super) fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        self.all.values().filter_map(|actor| actor.state.inbox())
    }

    /// Returns when an actor has to begin that rests.
    pub(super) fn wake_at(&self) -> Option<Wall> {
        self.due.first().map(|(due, _)| at_rest::wakes_at(*due))
    }

    /// Lets the actors begin of jobs that are due soon.
    pub(super) fn wake_due(&mut self, now: Wall) {
        while self.wake_at().is_some_and(|at| at <= now)
            && let Some((_, id)) = self.due.pop_first()
        {
            self.wake(&id, None);
        }
    }

    /// Calls the actors of all jobs that are due at some time: the clock was set, and they look at it anew.
    pub(super) fn call_scheduled(&mut self) {
        self.called.extend(self.due.iter().map(|(_, id)| id.clone()));
    }

    /// Tells whether an actor is to begin as soon as there is a turn.
    pub(super) fn is_called(&self) -> bool {
        !self.called.is_empty()
    }

    /// Takes a turn to begin, if there is one.
    pub(super) fn turn_at_once(&self) -> Option<Turn> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    /// Waits for a turn to begin. Cancel-safe: a turn that is dropped goes back.
    pub(super) fn turn(&self) -> impl Future<Output = Option<Turn>> + use<> {
        let turns = Arc::clone(&self.turns);
        async move { turns.acquire_owned().await.ok() }
    }

    /// Lets the actor begin that was called first. One that lives meanwhile has looked already.
    pub(super) fn wake_called(&mut self, turn: Turn) {
        if let Some(id) = self.called.pop_front() {
            self.wake(&id, Some(turn));
        }
    }

    /// Tells a job's actor something; one that rests begins for it.
    ///
    /// # Errors
    /// When there is no job, or its actor has ended: then the message comes back.
    pub(super) async fn send(
        &mut self,
        id: &JobId,
        message: impl Into<Box<JobMessage>>,
    ) -> Result<(), Box<JobMessage>> {
        let message = message.into();
        let Some(actor) = self.all.get_mut(id) else { return Err(message) };
        match &mut actor.state {
            State::Living(living) => match living.inbox.send(message) {
                Ok(()) => Ok(()),
                Err(late) => match self.left_by(id).await {
                    Some(mut resting) => {
                        resting.tell(*late);
                        self.settle(id, resting);
                        Ok(())
                    }
                    None => Err(late),
                },
            },
            State::Resting(resting) => {
                resting.tell(*message);
                self.wake(id, None);
                Ok(())
            }
            State::Gone => Err(message),
        }
    }

    /// Tells a job's actor what its folder says and what people ask of it. One that has ended needs no telling.
    pub(super) async fn tell(&mut self, id: &JobId, update: Update, reply: Option<Reply<()>>) {
        let Some(actor) = self.all.get_mut(id) else { return };
        let wishes = update.wishes.clone();
        let is_plain = matches!(&actor.state, State::Resting(resting) if !resting.has_schedules());
        let view = if is_plain { self.machine.view.job(id) } else { None };
        if let Some(view) = view {
            let born = Dispatcher::renew(&self.machine, &view, actor.wishes.clone(), update);
            self.put(id, born);
            publish::answer(reply);
        } else {
            let _ = self.send(id, JobMessage::Update(Box::new(update), reply)).await;
        }
        if let Some(actor) = self.all.get_mut(id) {
            actor.wishes = wishes;
        }
    }

    /// Notes that a job's actor has let go. One that began again meanwhile is left alone.
    pub(super) async fn let_rest(&mut self, id: &JobId) {
        let inbox = self.all.get(id).and_then(|actor| actor.state.inbox());
        if inbox.is_some_and(Inbox::is_closed)
            && let Some(resting) = self.left_by(id).await
        {
            self.settle(id, resting);
        }
    }

    /// Takes what an actor has left whose inbox is closed: to close it was the last thing it did. `None` when its job does
    /// not rest; one that panicked has told so already.
    async fn left_by(&mut self, id: &JobId) -> Option<Resting> {
        let actor = self.all.get_mut(id)?;
        match std::mem::replace(&mut actor.state, State::Gone) {
            State::Living(living) => living.life.await.ok().flatten(),
            State::Resting(resting) => Some(resting),
            State::Gone => None,
        }
    }

    /// Lets a job rest, unless something came at the last moment.
    fn settle(&mut self, id: &JobId, resting: Resting) {
        let is_needed = resting.is_needed(&self.machine);
        self.put(id, Err(resting));
        if is_needed {
            self.wake(id, None);
        }
    }

    /// Lets the actor begin of a job that rests.
    fn wake(&mut self, id: &JobId, turn: Option<Turn>) {
        let Some(actor) = self.all.get_mut(id) else { return };
        match std::mem::replace(&mut actor.state, State::Gone) {
            State::Resting(resting) => {
                // Published when it began, and taken out only when its folder is gone.
                let Some(view) = self.machine.view.job(id) else { return resting.refuse() };
                debug!(job = %id, "a job rests no more");
                let due = resting.due();
                let wishes = actor.wishes.clone();
                actor.state = State::Living(Dispatcher::wake(&self.machine, &view, wishes, resting, turn));
                if let Some(due) = due {
                    self.due.remove(&(due, id.clone()));
                }
            }
            state @ (State::Living(_) | State::Gone) => actor.state = state,
        }
    }

    fn put(&mut self, id: &JobId, born: Result<Living, Resting>) {
        let Some(actor) = self.all.get_mut(id) else { return };
        if let Err(resting) = &born {
            let due = resting.due();
            if resting.is_unborn() {
                self.called.push_back(id.clone());
            } else {
                debug!(job = %id, due = due.map(tracing::field::display), "a job rests");
            }
            self.due.extend(due.map(|due| (due, id.clone())));
        }
        actor.state = born.map_or_else(State::Resting, State::Living);
    }

    fn due_no_more(&mut self, id: &JobId, state: &State) {
        if let State::Resting(resting) = state
            && let Some(due) = resting.due()
        {
            self.due.remove(&(due, id.clone()));
        }
    }
}

impl State {
    /// Returns where it is told, when it lives.
    pub(super) fn inbox(&self) -> Option<&Inbox> {
        match self {
            Self::Living(living) => Some(&living.inbox),
            Self::Resting(_) | Self::Gone => None,
        }
    }
}

impl Reconciler {
    /// Attends to jobs that rest, after each message and in the midst of what takes long: nobody else calls those that are due.
    pub(super) async fn attend(&mut self) {
        while let Ok(id) = self.rests.try_recv() {
            self.rests(&id).await;
        }
        self.actors.wake_due(self.machine.now().wall);
        while self.actors.is_called()
            && let Some(turn) = self.actors.turn_at_once()
        {
            self.actors.wake_called(turn);
        }
    }

    /// Takes note that a job rests. When many do, memory is given back that their actors needed; after the start, when most of
    /// the program has been run through, that of its pages too.
    pub(super) async fn rests(&mut self, id: &JobId) {
        self.actors.let_rest(id).await;
        self.rested += 1;
        if self.rests.is_empty() && self.rested >= memory::THINGS_MANY {
            let rested = std::mem::take(&mut self.rested);
            let is_starting = self.machine.now().mono.since(self.started) < STARTING;
            tokio::task::spawn_blocking(move || {
                if is_starting {
                    memory::give_back();
                } else {
                    memory::tidy_after(rested);
                }
            });
        }
    }

    /// Lists which jobs have a data folder; `None` when that is not to be known.
    pub(super) async fn with_data(&self) -> Option<HashSet<JobId>> {
        let layout = self.machine.layout.clone();
        let listed = tokio::task::spawn_blocking(move || records::jobs_with_data(&layout)).await;
        match listed {
            Ok(Ok(jobs)) => Some(jobs),
            Ok(Err(error)) => {
                debug!(%error, "every job's data folder is looked into, since they could not be listed");
                None
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Returns whether a job may have records and journals.
    pub(super) fn past(&self, id: &JobId) -> Past {
        let has_data = match &self.had_data {
            Some(jobs) => jobs.contains(id),
            // To ask the index of a job that is new costs more than the start of its first run.
            None => self.machine.layout.job(id).try_exists().unwrap_or(true),
        };
        if has_data { Past::OnDisk } else { Past::None }
    }
}

//! The actor that owns one continuous job: a state machine for each copy, and the one loop where its effects happen.
//!
//! ```text
//!  reconciler ── JobMessage ──> inbox ─┐
//!  run tasks ─── Fact ────────> facts ─┼─> Event ── State::step ──> Action ──> Body, lease, view
//!  clock ────── deadline ─────────────-┘
//! ```
//!
//! Nothing is decided here: what keeps the job from running is `decide::wanted`, what follows an event `decide::supervise`.

mod copy;
mod effects;
mod renew;
mod start;
mod word;

use std::sync::Arc;

use self::{
    copy::Copy,
    start::{Beginning, Turns},
    word::Word,
};
use crate::{
    decide::{
        discover::writes::Writes,
        reconcile,
        supervise::Event,
        wanted::{self, Standing},
    },
    host::{
        dispatcher::{Resting, Turn},
        handle::{CommandError, Reply},
        instances,
        keeper::{Keeper, Past},
        machine::{KEEP_ALL, Machine, log_policy},
        message::{Ending, Inbox, JobMessage, Living, Messages, Update},
        publish,
        run::{Fact, Facts, FactsOfRuns, Finished},
        view::JobView,
        waits::until,
    },
    model::{
        id::{JobId, RunId},
        job::{Found, Job},
        log::Level,
        run::{RunRecord, Trigger},
        stop::StopReason,
        wish::Asked,
    },
    os::lock::FileLock,
    store::{
        layout::JOB_LOG,
        log::{LogWriter, Sharing},
    },
};

/// The actor of one continuous job.
#[derive(Debug)]
pub struct Supervisor {
    machine: Arc<Machine>,
    id: JobId,
    found: Arc<Found>,
    /// What runs, or would: the last content without a defect.
    job: Option<Arc<Job>>,
    wishes: Asked,
    /// Whether the host's settings let nothing start, as it was told last.
    host_stopped: bool,
    ending: Option<Ending>,
    copies: Vec<Copy>,
    lease: Option<FileLock>,
    log: Arc<LogWriter>,
    keeper: Keeper,
    latest: Option<Arc<RunRecord>>,
    /// The life that the event at hand has ended, until what follows is ordered.
    finished: Option<Finished>,
    restarts: u64,
    /// Held while its first start is on its way.
    turn: Option<Turn>,
    /// What it was seen to rewrite in its own folder, once that changed.
    writes: Option<Box<Writes>>,
    /// What other hosts are told of it.
    word: Word,
    facts: Facts,
}

/// What the loop waits for.
enum Heard {
    Message(Option<Box<JobMessage>>),
    Fact(Box<Fact>),
    Tick,
}

impl Supervisor {
    /// Starts the actor; it ends by `JobMessage::End` when nothing of its job runs any more.
    pub fn spawn(machine: &Arc<Machine>, update: Update, trigger: Trigger, past: Past, turns: Turns) -> Living {
        let (inbox, messages) = Inbox::open();
        let (facts, heard) = Facts::open();
        let mut actor = Self::new(machine, update, facts, past);
        // Before anybody sees it: a job without copies looks like one that cannot run.
        actor.set_copies();
        if let Some(reason) = actor.barred() {
            actor.all(&Event::Stop(reason));
        }
        actor.publish();
        Living { inbox, life: tokio::spawn(actor.live(messages, heard, Box::new(Beginning { trigger, turns }))) }
    }

    /// Boxed, for a task keeps what it is given twice.
    fn new(machine: &Arc<Machine>, update: Update, facts: Facts, past: Past) -> Box<Self> {
        let id = update.found.id.clone();
        let (keeper, latest) = Keeper::open(machine, &id, past);
        let policy = update.found.job.as_ref().map_or(KEEP_ALL, |job| log_policy(&job.settings.log));
        let log = machine.log_named(machine.layout.job(&id), JOB_LOG, Sharing::Shared, policy);
        Box::new(Self {
            machine: Arc::clone(machine),
            latest,
            log,
            keeper,
            id,
            job: update.found.job.clone(),
            found: update.found,
            wishes: update.wishes,
            host_stopped: machine.engine().kudu.stopped,
            ending: None,
            copies: Vec::new(),
            lease: None,
            finished: None,
            restarts: 0,
            turn: None,
            writes: None,
            word: Word::default(),
            facts,
        })
    }

    /// A job that is kept running never rests.
    async fn live(
        mut self: Box<Self>,
        mut inbox: Messages,
        mut facts: FactsOfRuns,
        beginning: Box<Beginning>,
    ) -> Option<Resting> {
        // Boxed, for a task keeps room for all that it may wait for.
        Box::pin(self.begin_life(beginning, &mut inbox)).await;
        let mut is_told = true;
        while !self.is_over() {
            self.turn = self.turn.take().filter(|_| self.restarts == 0 && self.copies.iter().any(Copy::is_spawning));
            let deadlines = self.copies.iter().filter_map(|copy| copy.state.next_deadline());
            let deadline = deadlines.chain(self.word.due()).min();
            let heard = tokio::select! {
                biased;
                // Cancel-safe: `recv` loses nothing. First, so that a stop is never behind output.
                message = inbox.recv(), if is_told => Heard::Message(message.ok()),
                // Cancel-safe: `recv` loses nothing. The sender lives in this actor, so it never ends.
                Ok(fact) = facts.recv() => Heard::Fact(fact),
                // Cancel-safe: the deadline is in the state and is asked for again.
                () = until(&self.machine.clock, deadline) => Heard::Tick,
            };
            match heard {
                Heard::Message(Some(message)) => self.message(*message),
                Heard::Message(None) => {
                    is_told = false;
                    self.hear_nobody();
                }
                Heard::Fact(fact) => self.fact(*fact),
                Heard::Tick => self.tick(),
            }
            if !self.is_over() {
                // From the end, so that a copy's place stays its number.
                while self.copies.last().is_some_and(|copy| copy.is_leaving && copy.is_idle()) {
                    self.copies.pop();
                }
                self.publish();
            }
        }
        self.leave(inbox);
        None
    }

    fn is_over(&self) -> bool {
        self.ending.is_some() && self.copies.iter().all(Copy::is_idle)
    }

    fn leave(mut self, mut inbox: Messages) {
        inbox.close();
        while let Ok(message) = inbox.try_recv() {
            message.refuse();
        }
        self.machine.view.publish_log(&self.id, None, None);
        match self.ending {
            Some(Ending::Removed) => {
                // A late line must not bring back the folder of a job that is deleted.
                self.log.retire();
                self.machine.view.remove(&self.id, self.machine.now().wall);
            }
            Some(Ending::HostStopping | Ending::HostKilled) | None => {
                self.log.release();
                self.publish();
                self.say_word();
            }
        }
    }

    fn message(&mut self, message: JobMessage) {
        match message {
            JobMessage::Update(update, reply) => {
                self.update(*update);
                self.publish();
                publish::answer(reply);
            }
            JobMessage::Start { who, reply } => self.command(reply, &Event::Start(Trigger::Api { user_agent: who })),
            JobMessage::Restart { who, reply } => self.command(reply, &Event::Restart { who }),
            JobMessage::Cancel { run, who, reply } => self.cancel(run, who, reply),
            run @ JobMessage::Run(_) => {
                run.invalid(&self.id, "it is kept running by itself; start, stop or restart it instead");
            }
            JobMessage::End(ending) => self.end(ending),
        }
    }

    /// Without a reconciler there is no host. One that told to end before it let go has said enough.
    fn hear_nobody(&mut self) {
        if self.ending.is_none() {
            self.end(Ending::HostKilled);
        }
    }

    /// Carries out what a person asked for, unless something stands in its way.
    fn command(&mut self, reply: Reply<()>, event: &Event) {
        let answer = match (&self.job, self.barred()) {
            (None, _) => Err(CommandError::Problem(self.id.clone(), publish::worst(&self.found))),
            (Some(_), Some(reason)) => Err(CommandError::Barred(self.id.clone(), reason)),
            (Some(_), None) => {
                self.all(event);
                Ok(())
            }
        };
        self.publish();
        // Whoever no longer waits for an answer gets none.
        let _ = reply.send(answer);
    }

    fn cancel(&mut self, run: RunId, who: String, reply: Reply<()>) {
        let place = self.copies.iter().position(|copy| copy.run() == Some(run));
        let answer = match place {
            None => Err(instances::no_run(&self.machine.layout, &self.id, run)),
            Some(place) => {
                self.one(place, Event::Restart { who });
                Ok(())
            }
        };
        let _ = reply.send(answer);
    }

    fn end(&mut self, ending: Ending) {
        self.ending = self.ending.filter(|_| ending != Ending::HostKilled).or(Some(ending));
        let event = match ending {
            Ending::Removed => Event::Stop(StopReason::Removed),
            Ending::HostStopping => Event::Stop(StopReason::HostStopping),
            Ending::HostKilled => Event::Kill(StopReason::HostStopping),
        };
        if ending == Ending::HostStopping && self.copies.iter().any(|copy| !copy.is_idle()) {
            self.log.sys_before(Level::Info, self.machine.now(), "WebJob is stopping due to website shutting down");
        }
        self.all(&event);
        self.log.flush(self.machine.now());
    }

    fn update(&mut self, update: Update) {
        let barred = self.barred();
        let before = self.job.clone();
        self.wishes = update.wishes;
        self.host_stopped = self.machine.engine().kudu.stopped;
        self.found = update.found;
        self.job = reconcile::valid(before.as_ref(), &self.found);
        let Some(job) = self.job.clone() else { return };
        if let Some(before) = before.as_deref().filter(|before| !std::ptr::eq(*before, &raw const *job)) {
            self.keep_policy(before);
        }
        self.log.set_policy(log_policy(&job.settings.log));
        self.set_copies();
        match (barred, self.barred()) {
            (_, Some(reason)) => self.bar(reason),
            (Some(_), None) => self.all(&Event::Start(self.freed_by())),
            // One that waits for its turn starts as it is then.
            (None, None) if before.is_some() && self.copies.iter().all(Copy::is_new) => {}
            (None, None) => self.renew(before.as_deref(), &job),
        }
        self.show_writes();
    }

    fn barred(&self) -> Option<StopReason> {
        let job = self.job.as_ref()?;
        let standing = Standing {
            stopped_by: self.wishes.stopped.as_ref().map(|stopped| stopped.by.as_str()),
            switch: self.wishes.switch.as_ref(),
            host_stopped: self.host_stopped,
            removed: self.ending == Some(Ending::Removed),
        };
        wanted::barred(job, standing)
    }

    fn tick(&mut self) {
        if self.word.due().is_some_and(|due| due <= self.machine.now().mono) {
            self.say_word();
        }
        self.all(&Event::Tick);
    }

    fn say_word(&mut self) {
        if let Some(word) = self.word.take() {
            publish::instance_status(&self.machine, &self.id, word);
        }
    }

    fn fact(&mut self, fact: Fact) {
        let place = self.copies.iter().position(|copy| copy.run() == Some(fact.run));
        // A run that was given up while it was being prepared tells of it in vain.
        let (Some(place), Some(job)) = (place, self.job.clone()) else { return };
        let event = self.copies[place].body.as_mut().and_then(|body| body.note(fact.news, &job));
        if let Some(event) = event {
            self.one(place, Event::Life(event));
        }
    }

    fn all(&mut self, event: &Event) {
        let starts = match event {
            Event::Start(_) | Event::Restart { .. } | Event::Replace { .. } => true,
            Event::Stop(_) | Event::Kill(_) | Event::Claimed | Event::Refused | Event::Life(_) | Event::Tick => false,
        };
        for place in 0..self.copies.len() {
            // One that the settings no longer ask for only goes.
            if !(starts && self.copies[place].is_leaving) {
                self.one(place, event.clone());
            }
        }
    }

    /// Lets one copy take an event, and performs what follows from it.
    fn one(&mut self, place: usize, event: Event) {
        let Some(job) = self.job.clone() else { return };
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let now = self.machine.now();
            let copy = &mut self.copies[place];
            let luck = copy.luck;
            let policy = match &copy.policy {
                Some(policy) => policy.as_ref().clone(),
                None => self.policy(&job, luck),
            };
            let copy = &mut self.copies[place];
            let (state, actions) = std::mem::take(&mut copy.state).step(event, now, &policy);
            copy.set(state, now);
            for action in actions {
                events.extend(self.perform(place, action, &job));
            }
        }
        self.close_finished(&job);
    }

    fn publish(&mut self) {
        let now = self.machine.now();
        let copies: Box<[_]> = self.copies.iter().map(|copy| copy.view(now)).collect();
        let bodies = self.copies.iter().filter_map(|copy| copy.body.as_ref());
        let active: Box<[_]> = bodies.map(|body| Arc::clone(&body.record)).collect();
        let status = publish::continuous(&self.found, self.job.is_some(), &copies, now.wall);
        self.word.set(status.state, now.mono);
        let view = JobView {
            found: Arc::clone(&self.found),
            job: self.job.clone(),
            status,
            latest: active.last().cloned().or_else(|| self.latest.clone()),
            copies,
            active,
            next: None,
            restarts: self.restarts,
            stopped_by: self.wishes.stopped.as_ref().map(|stopped| stopped.by.as_str().into()),
            paused: None,
        };
        self.machine.view.publish(view, now.wall);
    }
}

//! The actor that makes what is into what should be: one actor a job, told of every change, asked on behalf of people.
//!
//! It alone knows which actors there are and what people asked of jobs beyond their folders. It waits for no job, but for the
//! last moment of an actor that lets go: a job that takes long to stop is left to its actor, and a folder that comes back
//! meanwhile waits for it.

mod actors;
mod deleting;
mod heed;
mod unsaved;
mod wish;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::{info, warn};

use self::actors::{Actors, State};
use crate::{
    decide::reconcile::{self, Change, Observed},
    host::{
        dispatcher::Turn,
        handle::{Command, CommandError, Reply},
        machine::Machine,
        message::{Ask, Ending, Inbox, JobMessage, Living, Update},
        neighbours,
        scanner::{Round, ScanRequest},
        waits::at,
    },
    model::{
        id::JobId,
        job::{Desired, Found},
        run::Trigger,
        time::Mono,
        wish::Asked,
    },
    os::{
        clock::{Steps, Woke},
        watch::single::FileWatch,
    },
    store::overrides::Overrides,
};

/// A job found this soon after the host's start was there before it.
const STARTING: Duration = Duration::from_secs(5);

/// The actor.
#[derive(Debug)]
pub struct Reconciler {
    machine: Arc<Machine>,
    overrides: Overrides,
    /// Tells when another host has written what people asked of it.
    watch: Option<FileWatch>,
    observed: Observed,
    actors: Actors,
    /// Tell of jobs that rest from now on, and of steps of the clock, which those that rest do not hear.
    rests: mpsc::UnboundedReceiver<JobId>,
    /// How many went to rest since memory was given back for them.
    rested: usize,
    steps: Steps,
    /// Actors of folders that are gone; they end in their own time.
    leaving: JoinSet<JobId>,
    /// Their inboxes: an actor whose inbox is dropped takes it for the end of the host.
    left: BTreeMap<JobId, Inbox>,
    /// Folders that came back meanwhile, or while their jobs were being deleted.
    back: BTreeMap<JobId, Arc<Found>>,
    /// Jobs that are being deleted, with who waits until their actors have ended.
    deleting: BTreeMap<JobId, Option<Reply<()>>>,
    is_first: bool,
    /// Jobs that had a data folder when the host started; known while the first picture is carried out.
    had_data: Option<HashSet<JobId>>,
    started: Mono,
}

/// How far the host's stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// It runs.
    No,
    /// It stops, with every job's grace.
    Graceful,
    /// It stops at once.
    Now,
}

enum Heard {
    Stop,
    Command(Option<Command>),
    Round(Option<Round>),
    Left(JobId),
    Overrides,
    Rests(JobId),
    Turn(Turn),
    Woke(Woke),
    ClockStepped,
}

impl Reconciler {
    /// Makes the actor, which hears of jobs that rest by `rests`; the view is ready when the first picture has been carried out.
    pub fn new(machine: &Arc<Machine>, overrides: Overrides, rests: mpsc::UnboundedReceiver<JobId>) -> Self {
        let path = machine.layout.overrides();
        let watch = FileWatch::start(&path).inspect_err(|error| {
            warn!(path = %path.display(), %error, "what other hosts are asked is noticed on a timer only");
        });
        Self {
            machine: Arc::clone(machine),
            overrides,
            watch: watch.ok(),
            observed: Observed::new(),
            actors: Actors::new(machine),
            rests,
            rested: 0,
            steps: machine.clock.steps(),
            leaving: JoinSet::new(),
            left: BTreeMap::new(),
            back: BTreeMap::new(),
            deleting: BTreeMap::new(),
            is_first: true,
            had_data: None,
            started: machine.now().mono,
        }
    }

    /// Lives until the host stops; when it returns, no job runs any more.
    pub async fn live(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut rounds: mpsc::Receiver<Round>,
        mut stop: watch::Receiver<Stopping>,
    ) {
        loop {
            let heard = tokio::select! {
                biased;
                // Cancel-safe: the value stays in the watch.
                _ = stop.wait_for(|stop| *stop != Stopping::No) => Heard::Stop,
                // Cancel-safe: `recv` loses nothing.
                command = commands.recv() => Heard::Command(command),
                // Cancel-safe: `recv` loses nothing.
                round = rounds.recv() => Heard::Round(round),
                // Cancel-safe: an actor that ended stays in the set until it is taken.
                Some(Ok(id)) = self.leaving.join_next() => Heard::Left(id),
                // Cancel-safe: what was not told yet is told next.
                () = told(self.watch.as_ref()) => Heard::Overrides,
                // Cancel-safe: `recv` loses nothing. The machine keeps a sender.
                Some(id) = self.rests.recv() => Heard::Rests(id),
                // Cancel-safe: a turn that is dropped goes back.
                Some(turn) = self.actors.turn(), if self.actors.is_called() => Heard::Turn(turn),
                // Cancel-safe: a step between two turns is heard in the next.
                () = self.steps.next() => Heard::ClockStepped,
                // Cancel-safe: when the next is due is asked for again.
                woke = at(&self.machine.clock, self.actors.wake_at()) => Heard::Woke(woke),
            };
            match heard {
                Heard::Command(Some(command)) => self.command(command).await,
                Heard::Round(Some(round)) => self.round(round).await,
                Heard::Left(id) => self.has_left(&id),
                Heard::Overrides => self.heed_overrides(true).await,
                Heard::Turn(turn) => self.actors.wake_called(turn),
                Heard::Rests(id) => self.rests(&id).await,
                // Attended to below, as after everything else.
                Heard::Woke(Woke::Due) => {}
                Heard::Woke(Woke::ClockStepped) | Heard::ClockStepped => self.actors.call_scheduled(),
                Heard::Stop | Heard::Command(None) | Heard::Round(None) => break,
            }
            self.attend().await;
        }
        commands.close();
        while let Ok(command) = commands.try_recv() {
            command.refuse(|| CommandError::Stopping);
        }
        self.stop(&mut stop).await;
    }

    /// All jobs are told at once, and each has its grace.
    async fn stop(mut self, stop: &mut watch::Receiver<Stopping>) {
        let ending = |stopping| if stopping == Stopping::Now { Ending::HostKilled } else { Ending::HostStopping };
        // What other hosts ask from here on is not heeded.
        self.watch = None;
        let told = *stop.borrow_and_update();
        for inbox in self.actors.inboxes().chain(self.left.values()) {
            // One that has ended needs no telling.
            let _ = inbox.send(JobMessage::End(ending(told)));
        }
        let actors = self.actors.take_living();
        let left = std::mem::take(&mut self.left).into_values();
        let inboxes: Vec<_> = actors.iter().map(|living| living.inbox.clone()).chain(left).collect();
        let ended = async {
            for living in actors {
                // One that let go at this moment has nothing to end. One that panicked has told so already.
                if let Ok(Some(resting)) = living.life.await {
                    resting.refuse();
                }
            }
            while self.leaving.join_next().await.is_some() {}
        };
        let hurried = async {
            if told != Stopping::Now && stop.wait_for(|stop| *stop == Stopping::Now).await.is_ok() {
                for inbox in &inboxes {
                    let _ = inbox.send(JobMessage::End(Ending::HostKilled));
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = ended => {}
            () = hurried => {}
        }
    }

    async fn round(&mut self, round: Round) {
        let Round { desired, some, replies } = round;
        self.heed_overrides(some.is_none()).await;
        if self.machine.settings.refresh() {
            self.heed_settings(None).await;
        }
        if self.is_first {
            self.had_data = self.with_data().await;
        }
        self.carry_out(&desired, some.as_ref(), replies).await;
        // The scanner changes it in place, unless somebody still holds it.
        drop(desired);
        if std::mem::take(&mut self.is_first) {
            self.had_data = None;
            self.machine.view.publish_ready();
            self.machine.index.look();
        }
        let machine = Arc::clone(&self.machine);
        tokio::task::spawn_blocking(move || {
            neighbours::look(&machine);
            for (path, error) in machine.copies.collect() {
                warn!(path = %path.display(), %error, "could not remove an old working copy");
            }
        });
    }

    /// Carries out the difference, of `some` or of all, then answers those who wait for it.
    async fn carry_out(&mut self, desired: &Desired, some: Option<&BTreeSet<JobId>>, replies: Vec<Reply<()>>) {
        self.back.retain(|id, _| desired.jobs.contains_key(id));
        let mut told = Vec::new();
        for change in reconcile::plan(&self.observed, &desired.jobs, some) {
            match change {
                Change::Retire(id) => self.retire(&id),
                Change::Add(found) => self.add(found),
                Change::Update(found) => told.extend(self.update(found).await),
            }
            self.attend().await;
        }
        if replies.is_empty() {
            return;
        }
        tokio::spawn(async move {
            for told in told {
                let _ = told.await;
            }
            for reply in replies {
                let _ = reply.send(Ok(()));
            }
        });
    }

    /// Reads what people asked of any host, and tells the actors that were told otherwise: each is looked at when there is
    /// something new, or when `all` are to be.
    async fn heed_overrides(&mut self, all: bool) {
        let is_other = self.overrides.refresh().unwrap_or_else(|error| {
            warn!(%error, "could not read what people asked of jobs");
            false
        });
        if !is_other && !all {
            return;
        }
        let is_news = |(id, wishes): &(&JobId, &Asked)| self.overrides.wishes(id) != ***wishes;
        let news: Vec<JobId> = self.actors.wishes().filter(is_news).map(|(id, _)| id.clone()).collect();
        for id in news {
            let Some(found) = self.observed.get(&id).cloned() else { continue };
            let wishes = self.overrides.wishes(&id);
            info!(job = %id, stopped = wishes.stopped.is_some(), "another host was asked something of a job");
            self.actors.tell(&id, Update { found, wishes: wishes.into() }, None).await;
            self.attend().await;
        }
    }

    fn retire(&mut self, id: &JobId) {
        self.observed.remove(id);
        self.machine.copies.forget(id);
        let Living { inbox, life } = match self.actors.remove(id) {
            Some(State::Living(living)) => living,
            Some(State::Resting(_) | State::Gone) => return self.machine.view.remove(id, self.machine.now().wall),
            None => return,
        };
        let _ = inbox.send(JobMessage::End(Ending::Removed));
        self.left.insert(id.clone(), inbox);
        let (id, machine) = (id.clone(), Arc::clone(&self.machine));
        self.leaving.spawn(async move {
            // One that let go at this moment did not hear of it. One that panicked has told so already.
            if let Ok(Some(resting)) = life.await {
                resting.refuse();
                machine.view.remove(&id, machine.now().wall);
            }
            id
        });
    }

    fn add(&mut self, found: Arc<Found>) {
        let id = found.id.clone();
        if self.left.contains_key(&id) || self.deleting.contains_key(&id) {
            self.back.insert(id, found);
            return;
        }
        for problem in &found.problems {
            warn!(job = %id, %problem, "a job has a problem");
        }
        self.observed.insert(id.clone(), Arc::clone(&found));
        // A folder that was still being written when the host started is read a little later.
        let starting = self.is_first || self.machine.now().mono.since(self.started) < STARTING;
        let trigger =
            if starting { Trigger::Startup } else { Trigger::Change { what: "the job was added".to_owned() } };
        let update = Update { wishes: self.overrides.wishes(&id).into(), found };
        let past = self.past(&id);
        self.actors.begin(id.clone(), update, trigger, past);
        // Said afterwards: its process need not wait for a line of trace.
        if !self.is_first {
            info!(job = %id, "a job was added");
        }
    }

    async fn update(&mut self, found: Arc<Found>) -> Option<tokio::sync::oneshot::Receiver<Result<(), CommandError>>> {
        let id = found.id.clone();
        for problem in &found.problems {
            warn!(job = %id, %problem, "a job has a problem");
        }
        self.observed.insert(id.clone(), Arc::clone(&found));
        let update = Update { wishes: self.overrides.wishes(&id).into(), found };
        let (reply, told) = tokio::sync::oneshot::channel();
        self.actors.tell(&id, update, Some(reply)).await;
        Some(told)
    }

    async fn command(&mut self, command: Command) {
        // Before anything of it is done.
        let Some(command) = self.actors.admit(command) else { return };
        match command {
            Command::Run { job, arguments, who, reply } => {
                let ask = |reply| JobMessage::Run(Box::new(Ask { arguments, who, reply }));
                self.pass(&job, reply, ask).await;
            }
            Command::Restart { job, who, reply } => {
                self.pass(&job, reply, |reply| JobMessage::Restart { who, reply }).await;
            }
            Command::Cancel { job, run, who, reply } => {
                self.pass(&job, reply, |reply| JobMessage::Cancel { run, who, reply }).await;
            }
            Command::Start { job, who, reply } => self.start(job, who, reply).await,
            Command::Stop { job, who, reply } => self.stop_job(job, who, reply).await,
            Command::Wish { job, wish, who, reply } => self.wish(job, wish, who, reply).await,
            Command::LetGo { job, reply } => self.let_go(job, reply),
            Command::Forget { job, reply } => self.forget(&job, reply),
            Command::Heed { reply } => self.heed_settings(Some(reply)).await,
            // Whoever no longer waits for an answer gets none.
            Command::Ping { reply } => drop(reply.send(Ok(()))),
            Command::Refresh { job, reply } => self.look(job, reply),
        }
    }

    /// Lets a folder be read, or all, and answers when the actors know.
    fn look(&self, job: Option<JobId>, reply: Reply<()>) {
        let scan = self.machine.scan.clone();
        // Not awaited here: the scanner may be waiting for this actor to take its last round.
        tokio::spawn(async move {
            let asked = scan.send(ScanRequest { job, reply: Some(reply) }).await;
            if let Err(mpsc::error::SendError(ScanRequest { reply: Some(reply), .. })) = asked {
                let _ = reply.send(Err(CommandError::Stopping));
            }
        });
    }
}

async fn told(watch: Option<&FileWatch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

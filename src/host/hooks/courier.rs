//! The actor that makes deliveries: it takes what happened and what is published, keeps it in a journal, and sends out
//! what is due, each attempt as a task of its own.
//!
//! What an attempt's answer means and who goes next is decided by `decide::hooks`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::{self, JoinError, JoinSet},
    time,
};
use tracing::{info, warn};

use super::{
    Hooks, Order, feed, new_delivery,
    send::{self, Clients},
    told::Told,
};
use crate::{
    decide::hooks::{self as policy, DELAY_MAX, Verdict},
    host::{handle::ChangeError, instances, machine::Machine, waits::until},
    model::{
        event::EventId,
        hook::{Attempt, AttemptOutcome, Delivery, DeliveryId, Hook, HookId, LastCall},
        time::{Mono, Now},
    },
    os::{clock::Clock, file::FileError},
    store::{self, layout::Layout, waiting::Waiting},
};

/// Events that are looked at in one go: those of ten thousand jobs that begin are through in half a second.
const EVENTS_AT_ONCE: usize = 1024;

/// How soon after a look at events the next one comes at the earliest: a host on which much happens looks at many of them
/// at once, and reads the hooks once for them.
const LOOKS_APART: Duration = Duration::from_millis(50);

/// How long the host's stop waits for attempts that are on their way. What is cut off is made again after the next start.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The actor.
#[derive(Debug)]
pub struct Courier {
    machine: Arc<Machine>,
    hooks: Arc<Hooks>,
    clients: Arc<Clients>,
    waiting: Waiting,
    /// When each that waits is tried.
    due: BTreeMap<DeliveryId, Mono>,
    attempts: JoinSet<Option<(u32, Verdict)>>,
    on_way: BTreeMap<task::Id, (DeliveryId, HookId)>,
    told: Told,
    /// The last event that was looked at.
    seen: EventId,
    /// Before this moment no more are looked at.
    not_before: Mono,
    /// Whether the hooks could not be read last time, which is said once.
    is_blind: bool,
}

enum Heard {
    Stop,
    Order(Option<Order>),
    Done(Result<(task::Id, Option<(u32, Verdict)>), JoinError>),
    News(String),
    Due(DeliveryId),
}

impl Courier {
    /// Opens the journal, and takes over what hosts that are gone have left in theirs.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub fn open(machine: &Arc<Machine>, hooks: &Arc<Hooks>) -> Result<Self, FileError> {
        let mut waiting = Waiting::open(machine.layout.waiting())?;
        adopt(machine, &mut waiting);
        let now = machine.now();
        let due = waiting.held().values().map(|delivery| (delivery.id.clone(), due(delivery, now))).collect();
        Ok(Self {
            machine: Arc::clone(machine),
            hooks: Arc::clone(hooks),
            clients: Arc::default(),
            waiting,
            due,
            attempts: JoinSet::new(),
            on_way: BTreeMap::new(),
            told: Told::open(&machine.layout),
            // What happened before it was there is still told: the events are kept.
            seen: machine.first_event,
            not_before: now.mono,
            is_blind: false,
        })
    }

    /// Lives until it is told to end.
    pub async fn live(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut stop = self.hooks.stop.subscribe();
        let mut base = self.hooks.base.subscribe();
        let mut last = self.machine.view.events().last();
        loop {
            let clock = self.machine.clock.clone();
            let next = self.next();
            let (seen, is_busy) = (self.seen, !self.attempts.is_empty());
            let not_before = self.not_before;
            let heard = tokio::select! {
                biased;
                // Cancel-safe: the value stays in the watch.
                _ = stop.wait_for(|stop| *stop) => Heard::Stop,
                // Cancel-safe: a task that ended stays in the set until it is taken.
                Some(done) = self.attempts.join_next_with_id(), if is_busy => Heard::Done(done),
                // Cancel-safe: `recv` loses nothing.
                order = orders.recv() => Heard::Order(order),
                // Cancel-safe: both values stay in their watches, and the moment in the state.
                base = news(&mut base, &mut last, seen, &clock, not_before) => Heard::News(base),
                // Cancel-safe: the deadline is asked for again.
                () = until(&clock, next.as_ref().map(|(due, _)| *due)) => {
                    let Some((_, id)) = next else { continue };
                    Heard::Due(id)
                }
            };
            match heard {
                Heard::Done(done) => self.done(done),
                Heard::Order(Some(order)) => self.order(order).await,
                Heard::News(base) => self.news(&base).await,
                Heard::Due(id) => self.set_out(&id),
                Heard::Stop | Heard::Order(None) => break,
            }
        }
        self.leave().await;
    }

    /// What happened up to now is kept, and what is due has a moment to be told.
    async fn leave(mut self) {
        let base = self.hooks.base.borrow().clone();
        // A host whose API was never announced has told nobody of its hooks.
        if let Some(base) = base {
            while *self.machine.view.events().last().borrow() > self.seen {
                self.news(&base).await;
            }
        }
        let told = async {
            loop {
                let now = self.machine.now().mono;
                while let Some((_, id)) = self.next().filter(|(due, _)| *due <= now) {
                    self.set_out(&id);
                }
                let Some(done) = self.attempts.join_next_with_id().await else { return };
                self.done(done);
            }
        };
        if time::timeout(STOP_MAX, told).await.is_err() {
            info!("deliveries to hooks go on after the next start");
        }
    }

    /// Looks at events that are new.
    async fn news(&mut self, base: &str) {
        let since = self.machine.view.events().since(self.seen, EVENTS_AT_ONCE);
        if since.is_gap {
            warn!("hooks were not told of everything: more happened than is kept");
        }
        let last = since.events.last().map(|event| event.id);
        let read = self.hooks.all().await;
        if let (Err(error), false) = (&read, self.is_blind) {
            warn!(%error, "could not read the hooks; nobody is told of anything until they can be read");
        }
        self.is_blind = read.is_err();
        let all = read.unwrap_or_default();
        for event in since.events {
            let told = feed::news(&self.machine, &self.hooks, &mut self.told, &all, base, &event).await;
            if let Some((name, body)) = told {
                self.take(&all, name, &body);
            }
        }
        self.not_before = self.machine.now().mono + LOOKS_APART;
        // A gap without events behind it ends at the newest.
        self.seen = last.unwrap_or(*self.machine.view.events().last().borrow());
        self.machine.view.events().note_hooked(self.seen);
    }

    async fn order(&mut self, order: Order) {
        let count = self.hooks.all().await.map(|all| self.take(&all, &order.event, &order.body));
        // Whoever no longer waits for an answer gets none.
        let _ = order.reply.send(count);
    }

    /// Makes a delivery for every hook that waits for an event; returns how many.
    fn take(&mut self, all: &[Hook], event: &str, body: &str) -> usize {
        let now = self.machine.now();
        let mut made = Vec::new();
        for hook in all.iter().filter(|hook| hook.awaits(event)) {
            match self.delivery(hook, event, body, now, &made) {
                Ok(delivery) => made.push(delivery),
                Err(why) => self.drop_one(hook, event, &why, now),
            }
        }
        let count = made.len();
        self.due.extend(made.iter().map(|delivery| (delivery.id.clone(), now.mono)));
        if !made.is_empty()
            && let Err(error) = self.waiting.add(made)
        {
            warn!(%error, "deliveries to hooks would not outlive a crash of the host");
        }
        count
    }

    fn delivery(&self, hook: &Hook, event: &str, body: &str, now: Now, made: &[Delivery]) -> Result<Delivery, String> {
        let held = self.waiting.held();
        let all = || held.values().chain(made);
        let (each, bytes) = (all().filter(|one| one.hook == hook.id).count(), all().map(|one| one.body.len()).sum());
        policy::admit(each, held.len() + made.len(), bytes).map_err(str::to_owned)?;
        let id = new_delivery().map_err(|error| error.to_string())?;
        let (event, body) = (event.to_owned(), body.to_owned());
        Ok(Delivery { id, hook: hook.id, event, body, made: now.wall, attempts: 0, next: now.wall })
    }

    /// Records that there was no place for a delivery.
    fn drop_one(&self, hook: &Hook, event: &str, why: &str, now: Now) {
        warn!(hook = %hook.id, event, why, "a delivery to a hook was dropped");
        let attempt = Attempt {
            delivery: DeliveryId(String::new()),
            event: event.to_owned(),
            at: now.wall,
            attempt: 0,
            outcome: AttemptOutcome::Dropped,
            status: None,
            error: Some(why.to_owned()),
            duration_ms: 0,
            next: None,
            instance: self.machine.layout.instance().to_string(),
        };
        let (hooks, id) = (Arc::clone(&self.hooks), hook.id);
        tokio::spawn(async move { hooks.note(id, attempt, None).await });
    }

    /// Returns the next delivery to try, and when.
    fn next(&self) -> Option<(Mono, DeliveryId)> {
        let mut busy: BTreeMap<HookId, usize> = BTreeMap::new();
        for (_, hook) in self.on_way.values() {
            *busy.entry(*hook).or_default() += 1;
        }
        let waiting = self.due.iter().filter_map(|(id, due)| Some((id, self.waiting.held().get(id)?.hook, *due)));
        policy::next(waiting, &busy).map(|(due, id)| (due, id.clone()))
    }

    fn set_out(&mut self, id: &DeliveryId) {
        self.due.remove(id);
        let Some(delivery) = self.waiting.held().get(id).cloned() else { return };
        let hook = delivery.hook;
        let (machine, hooks, clients) = (Arc::clone(&self.machine), Arc::clone(&self.hooks), Arc::clone(&self.clients));
        let task = self.attempts.spawn(async move { attempt(&machine, &hooks, &clients, delivery).await });
        self.on_way.insert(task.id(), (id.clone(), hook));
    }

    fn done(&mut self, done: Result<(task::Id, Option<(u32, Verdict)>), JoinError>) {
        let (task, came) = match done {
            Ok(done) => done,
            // It has told so already; the delivery is not tried again, lest it does so for ever.
            Err(error) => (error.id(), None),
        };
        let Some((id, _)) = self.on_way.remove(&task) else { return };
        let now = self.machine.now();
        let noted = match came {
            Some((attempts, Verdict::Again(delay))) => {
                let next = now.after(delay);
                self.due.insert(id.clone(), next.mono);
                self.waiting.again(&id, attempts, next.wall)
            }
            Some((_, Verdict::Delivered | Verdict::Gone | Verdict::GivenUp)) | None => self.waiting.end(&id),
        };
        if let Err(error) = noted {
            warn!(%error, "a delivery to a hook may be made again after a crash of the host");
        }
    }
}

/// Makes one attempt and keeps how it went; returns its number and what follows, or `None` when nobody waits any more.
async fn attempt(machine: &Machine, hooks: &Hooks, clients: &Clients, delivery: Delivery) -> Option<(u32, Verdict)> {
    let number = delivery.attempts.saturating_add(1);
    let hook = match hooks.one(delivery.hook).await {
        Ok(hook) => hook?,
        Err(error) => {
            warn!(%error, "could not read the hooks");
            return Some((delivery.attempts, Verdict::Again(policy::DELAY_MAX / 60)));
        }
    };
    let begin = machine.now();
    let sent = send::send(clients, &hook, &delivery, begin.wall).await;
    let end = machine.now();
    let age = Duration::try_from(end.wall.duration_since(delivery.made)).unwrap_or_default();
    let verdict = policy::judge(sent.heard, number, age, luck());
    let (outcome, next) = match verdict {
        Verdict::Delivered => (AttemptOutcome::Delivered, None),
        Verdict::Gone => (AttemptOutcome::Gone, None),
        Verdict::GivenUp => (AttemptOutcome::GivenUp, None),
        Verdict::Again(delay) => (AttemptOutcome::Retried, Some(end.after(delay).wall)),
    };
    let status = sent.status.map(|status| status.as_u16());
    match outcome {
        AttemptOutcome::Delivered | AttemptOutcome::Gone => {
            info!(hook = %hook.id, event = delivery.event, ?status, ?outcome, "told a hook");
        }
        AttemptOutcome::Retried | AttemptOutcome::GivenUp | AttemptOutcome::Dropped => {
            warn!(hook = %hook.id, event = delivery.event, ?status, error = sent.error, ?outcome, "could not tell a hook");
        }
    }
    let last = last_call(&sent, &delivery, begin);
    let attempt = Attempt {
        delivery: delivery.id,
        event: delivery.event,
        at: begin.wall,
        attempt: number,
        outcome,
        status,
        error: sent.error,
        duration_ms: u64::try_from(end.mono.since(begin.mono).as_millis()).unwrap_or(u64::MAX),
        next,
        instance: machine.layout.instance().to_string(),
    };
    hooks.note(hook.id, attempt, Some(last)).await;
    if verdict == Verdict::Gone {
        unsubscribe(hooks, hook.id).await;
    }
    Some((number, verdict))
}

async fn unsubscribe(hooks: &Hooks, id: HookId) {
    match hooks.unsubscribe(id).await {
        Ok(()) => info!(hook = %id, "a receiver wants no more: its hook is gone"),
        Err(error) => warn!(hook = %id, %error, "could not remove a hook whose receiver wants no more"),
    }
}

fn last_call(sent: &send::Sent, delivery: &Delivery, begin: Now) -> LastCall {
    let (status, reason) = match sent.status {
        Some(status) => {
            let reason = status.canonical_reason();
            (policy::status_name(status.as_u16(), reason), reason.unwrap_or_default().to_owned())
        }
        None => ("Failure".to_owned(), sent.error.clone().unwrap_or_default()),
    };
    LastCall { status, reason, at: begin.wall, context: delivery.body.clone() }
}

/// Waits for news after `seen`, once it is known where links lead, and for the moment; returns where they lead.
async fn news(
    base: &mut watch::Receiver<Option<String>>,
    last: &mut watch::Receiver<EventId>,
    seen: EventId,
    clock: &Clock,
    not_before: Mono,
) -> String {
    let known = base.wait_for(Option::is_some).await.ok().and_then(|base| base.clone());
    let has_more = last.wait_for(|last| *last > seen).await.is_ok();
    until(clock, Some(not_before)).await;
    match known.filter(|_| has_more) {
        Some(base) => base,
        // Without their senders there is no host.
        None => std::future::pending().await,
    }
}

/// When a delivery is tried by the clock that does not jump. One that a clock ahead put far off is due within an hour.
fn due(delivery: &Delivery, now: Now) -> Mono {
    let left = Duration::try_from(delivery.next.duration_since(now.wall)).unwrap_or_default();
    now.mono + left.min(DELAY_MAX)
}

/// Where in the spread of a delay an attempt lies. Without random numbers all lie at its begin.
fn luck() -> f64 {
    let mut bytes = [0; 4];
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// Takes over what waits in the journals of hosts that are gone.
fn adopt(machine: &Machine, waiting: &mut Waiting) {
    for (instance, _lock) in instances::with_deliveries(&machine.layout) {
        let path = Layout::new(machine.layout.data().to_owned(), instance.clone()).waiting();
        let adopted = adopt_one(&path, waiting);
        match adopted {
            Ok(0) => {}
            Ok(count) => info!(%instance, count, "took over deliveries of a host that is gone"),
            Err(error) => warn!(%instance, %error, "could not take over deliveries of a host that is gone"),
        }
    }
}

fn adopt_one(path: &std::path::Path, waiting: &mut Waiting) -> Result<usize, ChangeError> {
    let left = store::waiting::read(path).map_err(|error| ChangeError::failed(&error))?;
    let count = left.len();
    if count > 0 {
        waiting.add(left.into_values().collect()).map_err(|error| ChangeError::failed(&error))?;
    }
    // It may never have been there.
    let _ = std::fs::remove_file(path);
    Ok(count)
}

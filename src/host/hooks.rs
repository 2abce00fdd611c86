//! Hooks: who wants to be told of what, and the courier that tells them.
//!
//! ```text
//!  API ── subscribe, unsubscribe ──> hooks.json (all hosts of the root, under hooks.lock)
//!  View events ──┐                       │
//!  publish ──────┴─> courier ── journal ──> attempts, in parallel ──> receivers
//!                       ^                        │
//!                       └──── again after … <────┴──> last_* of the hook, record of deliveries
//! ```
//! Each host tells of what happened on it, so a delivery is made by one host. Nothing that goes wrong here harms a job or
//! the host: it is recorded and traced. Neither an address nor a secret is ever traced.

mod courier;
mod feed;
mod payload;
mod send;
mod told;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task,
};
use tracing::warn;

pub use self::courier::Courier;
use crate::{
    decide::hooks::HOOKS_MAX,
    host::{handle::ChangeError, hold::hold},
    model::{
        hook::{Attempt, Hook, HookId, LastCall, Secret},
        time::Wall,
    },
    os::{file::Durability, lock::FileLock},
    store::{self, layout::Layout},
};

/// How long a change waits for another host that is writing (spec/kudu-webjobs 8.9).
const PATIENCE: Duration = Duration::from_secs(30);

/// Events to publish that wait for the courier; when it is full, the publisher waits.
const ORDERS_MAX: usize = 64;

/// A wish to be told.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The event.
    pub event: String,
    /// The address, an absolute URL.
    pub url: String,
    /// Whether any certificate will do.
    pub insecure_ssl: bool,
    /// What signs.
    pub secret: Option<Secret>,
}

/// What became of a subscription.
#[derive(Clone, Debug)]
pub enum Subscribed {
    /// It is new.
    New(Hook),
    /// The address is told of this event already; it stays as it was.
    Known(Hook),
    /// The address is told of another event.
    Taken,
}

/// A text to publish, with the place for the number of hooks that are told.
#[derive(Debug)]
pub struct Order {
    event: String,
    body: String,
    reply: oneshot::Sender<Result<usize, ChangeError>>,
}

/// The hooks of a root, as one host changes them.
#[derive(Debug)]
pub struct Hooks {
    layout: Layout,
    orders: mpsc::Sender<Order>,
    /// Where links in payloads lead, once that is known.
    base: watch::Sender<Option<String>>,
    /// Whether the courier is to end.
    stop: watch::Sender<bool>,
    writing: Mutex<()>,
}

impl Hooks {
    /// Opens the hooks; what is to be published comes out of the receiver.
    pub fn open(layout: Layout, public_url: Option<String>) -> (Self, mpsc::Receiver<Order>) {
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (base, stop) = (watch::Sender::new(public_url), watch::Sender::new(false));
        (Self { layout, orders, base, stop, writing: Mutex::default() }, ordered)
    }

    /// Says where the API is, for links. One that was configured stays.
    pub fn announce(&self, url: &str) {
        self.base.send_if_modified(|base| {
            let is_new = base.is_none();
            base.get_or_insert_with(|| url.to_owned());
            is_new
        });
    }

    /// Lets the courier end.
    pub fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Returns all hooks, in the order in which they came.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn all(&self) -> Result<Vec<Hook>, ChangeError> {
        let path = self.layout.hooks();
        blocking(move || store::hooks::read(&path).map_err(|error| ChangeError::failed(&error))).await
    }

    /// Returns one hook.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn one(&self, id: HookId) -> Result<Option<Hook>, ChangeError> {
        Ok(self.all().await?.into_iter().find(|hook| hook.id == id))
    }

    /// Subscribes at `now`.
    ///
    /// # Errors
    /// When there are too many, another host writes for too long, or the disk does not take it.
    pub async fn subscribe(&self, asked: Subscription, now: Wall) -> Result<Subscribed, ChangeError> {
        self.change(move |layout| {
            let mut hooks = store::hooks::read(&layout.hooks()).map_err(|error| ChangeError::failed(&error))?;
            if let Some(known) = hooks.iter().find(|hook| hook.is_at(&asked.url)) {
                let is_same = known.awaits(&asked.event);
                return Ok(if is_same { Subscribed::Known(known.clone()) } else { Subscribed::Taken });
            }
            if hooks.len() >= HOOKS_MAX {
                let text = format!("there may be no more than {HOOKS_MAX} hooks; delete some first");
                return Err(ChangeError::Invalid(text));
            }
            let Subscription { event, url, insecure_ssl, secret } = asked;
            let id = HookId::at(now, hooks.iter().map(|hook| hook.id).max());
            let hook = Hook { id, event, url, insecure_ssl, secret, last: None };
            hooks.push(hook.clone());
            let written = store::hooks::write(&layout.hooks(), hooks, Durability::Synced);
            written.map(|()| Subscribed::New(hook)).map_err(|error| ChangeError::failed(&error))
        })
        .await
    }

    /// Ends a subscription; one that is not there is fine. What waits for it is not delivered any more.
    ///
    /// # Errors
    /// When another host writes for too long, or the disk does not take it.
    pub async fn unsubscribe(&self, id: HookId) -> Result<(), ChangeError> {
        self.change(move |layout| unsubscribe(layout, id)).await
    }

    /// Publishes a text to those who wait for an event, and returns how many these are. What was accepted is delivered
    /// even when the host crashes.
    ///
    /// # Errors
    /// When the host stops, or the hooks cannot be read.
    pub async fn publish(&self, event: String, body: String) -> Result<usize, ChangeError> {
        let (reply, answer) = oneshot::channel();
        let stopping = || ChangeError::Failed("the host is stopping".to_owned());
        self.orders.send(Order { event, body, reply }).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Returns a hook's latest attempts, the newest first.
    ///
    /// # Errors
    /// When their record cannot be read.
    pub async fn attempts(&self, id: HookId, count: usize) -> Result<Vec<Attempt>, ChangeError> {
        let path = self.layout.deliveries(id);
        blocking(move || store::hooks::attempts(&path, count).map_err(|error| ChangeError::failed(&error))).await
    }

    /// Keeps how an attempt went: in the record of deliveries, and in the hook itself when it was made at all.
    async fn note(&self, id: HookId, attempt: Attempt, last: Option<LastCall>) {
        let noted = self.change(move |layout| {
            let mut hooks = store::hooks::read(&layout.hooks()).map_err(|error| ChangeError::failed(&error))?;
            // One that is gone meanwhile leaves no record behind.
            let Some(hook) = hooks.iter_mut().find(|hook| hook.id == id) else { return Ok(()) };
            if last.is_some() {
                hook.last = last;
                let written = store::hooks::write(&layout.hooks(), hooks, Durability::Lazy);
                written.map_err(|error| ChangeError::failed(&error))?;
            }
            store::hooks::note(&layout.deliveries(id), &attempt).map_err(|error| ChangeError::failed(&error))
        });
        if let Err(error) = noted.await {
            warn!(hook = %id, %error, "could not keep how a delivery went");
        }
    }

    /// Works on what all hosts share, one at a time.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let _turn = self.writing.lock().await;
        let lock: Option<FileLock> =
            hold(&self.layout.hooks_lock(), PATIENCE).await.map_err(|error| ChangeError::failed(&error))?;
        let Some(lock) = lock else { return Err(ChangeError::Busy("the hooks")) };
        let layout = self.layout.clone();
        blocking(move || {
            let done = work(&layout);
            drop(lock);
            done
        })
        .await
    }
}

fn unsubscribe(layout: &Layout, id: HookId) -> Result<(), ChangeError> {
    let mut hooks = store::hooks::read(&layout.hooks()).map_err(|error| ChangeError::failed(&error))?;
    let count = hooks.len();
    hooks.retain(|hook| hook.id != id);
    if hooks.len() < count {
        let written = store::hooks::write(&layout.hooks(), hooks, Durability::Synced);
        written.map_err(|error| ChangeError::failed(&error))?;
    }
    store::hooks::forget(&layout.deliveries(id)).map_err(|error| ChangeError::failed(&error))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChangeError> + Send + 'static,
) -> Result<T, ChangeError> {
    task::spawn_blocking(work).await.map_err(|error| ChangeError::failed(&error))?
}

/// Makes the number of a delivery. Without random numbers it cannot be told from others: that is an error.
fn new_delivery() -> Result<crate::model::hook::DeliveryId, ChangeError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| ChangeError::Failed(format!("there are no random numbers: {error}")))?;
    Ok(crate::model::hook::DeliveryId(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Starts the courier of a host.
///
/// # Errors
/// When the journal of what waits cannot be opened.
pub fn start(
    machine: &Arc<crate::host::machine::Machine>,
    hooks: &Arc<Hooks>,
    orders: mpsc::Receiver<Order>,
) -> Result<task::JoinHandle<()>, crate::os::file::FileError> {
    Ok(tokio::spawn(Courier::open(machine, hooks)?.live(orders)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;

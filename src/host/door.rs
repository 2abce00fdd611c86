//! The door to the API: who comes in, what they may do, and what is told of it.
//!
//! ```text
//!  names ── is it us whom this means? ──> login ── who is it? ──> permit ── may they? ──> audit ── what came of it
//!  decide::door::origin           Keys, decide::door::attempts  decide::door::permit      store::audit
//! ```
//!
//! It knows nothing of HTTP but words. Keys (credentials, users, tokens, the certificate) can be turned while it is in use;
//! everything else stays as it was at the start.

mod audit;
mod keys;
mod login;
mod remembered;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::sync::Semaphore;

use self::{audit::Book, remembered::Remembered};
pub use self::{
    audit::{Deed, Ending},
    keys::Keys,
    login::{Login, Refused},
};
pub use crate::decide::door::{
    forwarded::{Arrival, Front},
    origin::Page,
    permit::{Denied, Need},
};
use crate::{
    decide::door::{attempts::Attempts, forwarded, origin::Names, permit},
    host::handle::HostHandle,
    model::{
        access::Caller,
        config::Config,
        net::{Network, neighbourhood},
    },
};

/// Passwords that are checked at once: each takes a processor and 19 MiB.
const CHECKS_MAX: usize = 2;

/// Passwords that wait for their check; further ones are asked to come again.
const CHECKS_WAITING_MAX: usize = 32;

/// The door of a host. Clones are the same door.
#[derive(Clone)]
pub struct Door {
    shared: Arc<Shared>,
}

struct Shared {
    handle: HostHandle,
    keys: RwLock<Arc<Keys>>,
    attempts: Mutex<Attempts>,
    remembered: Mutex<Remembered>,
    checks: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    book: Book,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("keys", &self.keys()).finish_non_exhaustive()
    }
}

impl Door {
    /// Makes the door of a host, with its first keys.
    pub fn new(handle: HostHandle, keys: impl Into<Keys>) -> Self {
        let book = Book::new(&handle);
        let shared = Shared {
            handle,
            keys: RwLock::new(Arc::new(keys.into())),
            attempts: Mutex::default(),
            remembered: Mutex::default(),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
            waiting: Arc::new(Semaphore::new(CHECKS_WAITING_MAX + CHECKS_MAX)),
            book,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Turns the keys: from now on only these let in. Whoever is inside already stays until its answer ends.
    pub fn turn(&self, keys: Keys) {
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        // What the old keys had proved is worth nothing now.
        hold(&self.shared.remembered).forget_all();
    }

    /// Returns the keys.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.shared.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works out where a request comes from.
    pub fn front(&self, arrival: &Arrival<'_>) -> Front {
        forwarded::front(arrival, self.trusted_proxies())
    }

    /// Tells whether a request may name this host.
    pub fn knows(&self, host: &str) -> bool {
        self.names().knows(host)
    }

    /// Tells whether a page of this host asks, or no page at all.
    pub fn is_own(&self, page: Page<'_>) -> bool {
        self.names().is_own(page)
    }

    /// Returns what a request takes.
    pub fn need(&self, method: &str, segments: &[&str], job: Option<&str>) -> Need {
        permit::need(method, segments, job)
    }

    /// Decides whether a caller may.
    ///
    /// # Errors
    /// When it may not.
    pub fn permit(&self, caller: &Caller, need: &Need) -> Result<(), Denied> {
        permit::permit(&caller.rights, need, &|kind, name| self.shared.handle.find(kind, name))
    }

    /// Tells whether many may come from one address: the machine's own, or a proxy's.
    pub fn is_shared(&self, address: core::net::IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.trusted_proxies().iter().any(|network| network.contains(address))
    }

    /// Returns the address that stands for a client where clients are counted.
    pub fn client(&self, address: core::net::IpAddr) -> core::net::IpAddr {
        neighbourhood(address)
    }

    fn config(&self) -> &Config {
        self.shared.handle.config()
    }

    fn trusted_proxies(&self) -> &[Network] {
        &self.config().door.trusted_proxies
    }

    fn names(&self) -> Names<'_> {
        let config = self.config();
        Names {
            listen: config.listen,
            public_url: config.public_url.as_deref(),
            allowed_hosts: &config.door.allowed_hosts,
        }
    }
}

/// Takes a lock that nobody keeps for long. One who panicked with it has changed nothing by halves.
fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

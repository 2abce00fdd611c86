//! Places for connections: when they run short, whoever has asked for nothing the longest makes room.
//!
//! A connection is idle while no request of it is being answered: before its first, between two, and while the head of
//! one still trickles in. So slow clients, however many, keep nobody waiting. One address has only a part of the places,
//! unless it stands for many.

use core::net::IpAddr;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections.
    pub all: usize,
    /// Connections of one address.
    pub each: usize,
    /// Requests being answered.
    pub busy: usize,
}

/// All places.
pub struct Places {
    bounds: Bounds,
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default)]
struct Table {
    next: u64,
    connections: BTreeMap<u64, Connection>,
    /// Idle ones, the longest first.
    idle: BTreeMap<u64, u64>,
    each: BTreeMap<IpAddr, usize>,
    n_busy: usize,
}

struct Connection {
    /// Whose it is, where one address has only a part.
    client: Option<IpAddr>,
    /// Requests being answered: at most one, and the last piece of the one before.
    n_busy: usize,
    /// Its place among the idle ones.
    idle: Option<u64>,
    evicted: Arc<Notify>,
}

/// A connection's place; it is free again when this is dropped.
pub struct Place {
    places: Arc<Places>,
    id: u64,
    evicted: Arc<Notify>,
}

/// A request being answered; dropped with the last piece of its answer.
pub struct Busy {
    place: Arc<Place>,
}

impl fmt::Debug for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Busy").field(&self.place.id).finish()
    }
}

impl Places {
    /// Makes places, all of them free.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, table: Mutex::default(), freed: Notify::new() })
    }

    /// Waits until a place is free or can be made free.
    pub async fn room(&self) {
        loop {
            // Asked for before the look, so that a place which becomes free in between is not missed.
            let freed = self.freed.notified();
            {
                let table = self.table();
                if table.connections.len() < self.bounds.all || !table.idle.is_empty() {
                    return;
                }
            }
            freed.await;
        }
    }

    /// Takes a place; `client` is given where one address has only a part. Whoever is idle the longest goes, if need be;
    /// `None` when nobody is.
    pub fn take(self: &Arc<Self>, client: Option<IpAddr>) -> Option<Arc<Place>> {
        let mut table = self.table();
        if let Some(client) = client
            && table.each.get(&client).is_some_and(|n| *n >= self.bounds.each)
        {
            table.evict(|connection| connection.client == Some(client))?;
        }
        if table.connections.len() >= self.bounds.all {
            table.evict(|_| true)?;
        }
        let (id, evicted) = (table.number(), Arc::new(Notify::new()));
        table.idle.insert(id, id);
        table.connections.insert(id, Connection { client, n_busy: 0, idle: Some(id), evicted: Arc::clone(&evicted) });
        if let Some(client) = client {
            *table.each.entry(client).or_default() += 1;
        }
        drop(table);
        Some(Arc::new(Place { places: Arc::clone(self), id, evicted }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn evict(&mut self, fits: impl Fn(&Connection) -> bool) -> Option<()> {
        let mut idle = self.idle.values();
        let id = *idle.find(|id| self.connections.get(id).is_some_and(&fits))?;
        if let Some(connection) = self.remove(id) {
            connection.evicted.notify_one();
        }
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        if let Some(at) = connection.idle {
            self.idle.remove(&at);
        }
        self.n_busy -= connection.n_busy;
        if let Some(client) = connection.client
            && let Some(n) = self.each.get_mut(&client)
        {
            *n -= 1;
            if *n == 0 {
                self.each.remove(&client);
            }
        }
        Some(connection)
    }
}

impl Place {
    /// Waits until the place is needed by somebody else.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Begins to answer a request; `None` when too many are being answered, or the place is gone.
    pub fn begin(self: &Arc<Self>) -> Option<Busy> {
        let mut table = self.places.table();
        if table.n_busy >= self.places.bounds.busy {
            return None;
        }
        let connection = table.connections.get_mut(&self.id)?;
        connection.n_busy += 1;
        let idle = connection.idle.take();
        table.n_busy += 1;
        if let Some(at) = idle {
            table.idle.remove(&at);
        }
        Some(Busy { place: Arc::clone(self) })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut table = self.place.places.table();
        let at = table.number();
        let id = self.place.id;
        let Some(connection) = table.connections.get_mut(&id) else { return };
        connection.n_busy -= 1;
        let is_idle = connection.n_busy == 0;
        if is_idle {
            connection.idle = Some(at);
        }
        table.n_busy -= 1;
        if is_idle {
            table.idle.insert(at, id);
            self.place.places.freed.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // One that was evicted is gone already.
        drop(self.places.table().remove(self.id));
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const BOUNDS: Bounds = Bounds { all: 3, each: 2, busy: 2 };

    async fn is_evicted(place: &Place) -> bool {
        // A place that must go was told so before this looks.
        timeout(Duration::ZERO, place.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn whoever_is_idle_the_longest_makes_room() {
        let places = Places::new(BOUNDS);
        let [a, b, c] = [(); 3].map(|()| places.take(None).expect("a place"));
        drop(a.begin().expect("few are busy"));
        let busy = b.begin().expect("few are busy");
        let d = places.take(None).expect("c makes room");
        assert!(is_evicted(&c).await && !is_evicted(&a).await && !is_evicted(&b).await && !is_evicted(&d).await);
        assert!(c.begin().is_none(), "its place is gone");
        let _e = places.take(None).expect("a makes room");
        assert!(is_evicted(&a).await && !is_evicted(&b).await);
        drop((a, c));
        let _second = d.begin().expect("two may be busy");
        assert!(busy.place.begin().is_none(), "three may not");
        drop(busy);
        assert!(b.begin().is_some());
    }

    #[tokio::test]
    async fn nobody_who_is_answered_has_to_go() {
        let places = Places::new(Bounds { busy: 3, ..BOUNDS });
        let taken = [(); 3].map(|()| places.take(None).expect("a place"));
        let mut busy: Vec<Busy> = taken.iter().map(|place| place.begin().expect("few are busy")).collect();
        assert!(places.take(None).is_none());
        assert!(timeout(Duration::ZERO, places.room()).await.is_err());
        busy.pop();
        places.room().await;
        assert!(places.take(None).is_some());
        assert!(is_evicted(&taken[2]).await);
        drop((taken, busy));
        let table = places.table();
        assert_eq!((table.connections.len(), table.idle.len(), table.n_busy, table.each.len()), (0, 0, 0, 0));
    }

    #[tokio::test]
    async fn one_address_has_a_part_of_the_places() {
        let places = Places::new(BOUNDS);
        let (one, other) = (Some([192, 0, 2, 1].into()), Some([192, 0, 2, 2].into()));
        let a = places.take(one).expect("a place");
        let _b = places.take(one).expect("a place");
        let _busy = a.begin().expect("few are busy");
        let _c = places.take(one).expect("b makes room");
        let _d = places.take(other).expect("a place is free");
        assert!(!is_evicted(&a).await);
        let e = places.take(one).expect("c makes room");
        let _second = e.begin().expect("few are busy");
        assert!(places.take(one).is_none(), "both of its places are busy");
        assert!(places.take(other).is_some());
    }
}

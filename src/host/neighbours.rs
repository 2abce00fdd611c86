//! Other hosts on this root: their death is noticed when the system sets the locks free that they held.
//!
//! A thread waits for each: it costs some kilobytes and never wakes before that. What the dead one has left is mended then.
//! Where a share gives no such notice, the next reading of all folders, the next host that starts, or the next run that only
//! one host may have, looks.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use tracing::debug;

use crate::{
    host::{instances, machine::Machine, recovery},
    model::id::Instance,
    os::lock::FileLock,
};

/// Most hosts that are waited for.
const WATCHED_MAX: usize = 64;

const STACK_BYTES: usize = 256 * 1024;

/// Whom a thread waits for.
#[derive(Debug, Default)]
pub struct Neighbours {
    watched: Mutex<BTreeSet<Instance>>,
}

impl Neighbours {
    fn watched(&self) -> MutexGuard<'_, BTreeSet<Instance>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to wait for every host that lives and is not waited for yet, and lets those be mended that came and died since the
/// last look. Reads the disk; called within a runtime.
pub fn look(machine: &Arc<Machine>) {
    for instance in instances::others(&machine.layout) {
        let mut watched = machine.neighbours.watched();
        if watched.len() < WATCHED_MAX
            && watched.insert(instance.clone())
            && let Err(error) = wait_for(machine, &instance)
        {
            watched.remove(&instance);
            debug!(%instance, %error, "the death of another host is noticed late");
        }
    }
    if !instances::gone(&machine.layout).is_empty() {
        let machine = Arc::clone(machine);
        tokio::spawn(async move { recovery::mend_gone(&machine).await });
    }
}

fn wait_for(machine: &Arc<Machine>, instance: &Instance) -> std::io::Result<()> {
    let path = machine.layout.host_lock_of(instance);
    let (ours, instance) = (Arc::downgrade(machine), instance.clone());
    let runtime = tokio::runtime::Handle::current();
    let wait = move || {
        let ended = FileLock::wait_shared(&path).map(drop);
        // The host that wanted to know has ended first.
        let Some(machine) = ours.upgrade() else { return };
        machine.neighbours.watched().remove(&instance);
        match ended {
            Ok(()) => drop(runtime.spawn(async move { recovery::mend_gone(&machine).await })),
            Err(error) => debug!(%instance, %error, "the death of another host is noticed late"),
        }
    };
    thread::Builder::new().name("neighbour".to_owned()).stack_size(STACK_BYTES).spawn(wait).map(drop)
}

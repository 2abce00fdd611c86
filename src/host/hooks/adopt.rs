//! Deliveries that a host had still to make when it was gone: another one makes them.

use std::{fs, path::Path};

use tracing::{info, warn};

use crate::{
    host::{handle::ChangeError, instances, machine::Machine},
    store::{self, layout::Layout, waiting::Waiting},
};

/// Takes over what waits in the journals of hosts that are gone.
pub fn adopt(machine: &Machine, waiting: &mut Waiting) {
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

fn adopt_one(path: &Path, waiting: &mut Waiting) -> Result<usize, ChangeError> {
    let left = store::waiting::read(path).map_err(|error| ChangeError::failed(&error))?;
    let count = left.len();
    if count > 0 {
        waiting.add(left.into_values().collect()).map_err(|error| ChangeError::failed(&error))?;
    }
    // It may never have been there.
    let _ = fs::remove_file(path);
    Ok(count)
}

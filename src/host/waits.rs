//! Waiting for a moment that may never come. Boxed, for an actor keeps room for all that it may wait for, and most never wait
//! for a moment.

use crate::{
    model::time::{Mono, Wall},
    os::clock::{Clock, Woke},
};

/// Sleeps until the deadline, for ever without one.
pub async fn until(clock: &Clock, deadline: Option<Mono>) {
    match deadline {
        Some(deadline) => Box::pin(clock.sleep_until(deadline)).await,
        None => std::future::pending().await,
    }
}

/// Sleeps until the moment, or until the clock is set; for ever without one.
pub async fn at(clock: &Clock, moment: Option<Wall>) -> Woke {
    match moment {
        Some(moment) => Box::pin(clock.until(moment)).await,
        None => std::future::pending().await,
    }
}

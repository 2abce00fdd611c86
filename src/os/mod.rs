//! Touches the machine, decides nothing.
//!
//! Everything here is a door to one thing outside of the program: the clocks, processes, signals, locks, files, pipes,
//! folders. A door reports facts and does what it is told; when and why is decided in [`crate::decide`], which nothing
//! here may use. What differs between systems ends here: the rest of the crate has no `cfg(target_os)`.

pub mod clock;
pub mod file;
pub mod lock;
pub mod machine;
pub mod memory;
pub mod output;
pub mod poller;
pub mod process;
pub mod processors;
pub mod scan;
pub mod service;
pub mod signals;
pub mod terminal;
pub mod tls;
pub mod watch;
pub mod workcopy;

mod queue;
#[cfg(unix)]
mod readiness;

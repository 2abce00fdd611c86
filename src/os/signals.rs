//! What the system asks of the host itself.
//!
//! Signals become values of a stream; what they mean (a graceful stop, a second one that hurries) is not decided here.

#[cfg(unix)]
pub(super) mod held;
#[cfg(unix)]
pub(super) mod wire;

use std::io;

#[cfg(unix)]
pub use held::hold_ends_of_children;

#[cfg(unix)]
use {
    tokio::sync::watch,
    wire::{Signal, hear},
};

/// A request from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSignal {
    /// Stop: SIGTERM or SIGINT, control-C or a closing console.
    Stop,
    /// Read folders and configuration again: SIGHUP.
    Reload,
}

/// The stream of requests.
#[derive(Debug)]
pub struct HostSignals {
    #[cfg(unix)]
    terminate: watch::Receiver<()>,
    #[cfg(unix)]
    interrupt: watch::Receiver<()>,
    #[cfg(unix)]
    hang_up: watch::Receiver<()>,
    #[cfg(windows)]
    control_c: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    close: tokio::signal::windows::CtrlClose,
}

#[cfg(unix)]
impl HostSignals {
    /// Begins to listen; from now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: hear(Signal::Terminate)?,
            interrupt: hear(Signal::Interrupt)?,
            hang_up: hear(Signal::HangUp)?,
        })
    }

    /// Waits for the next request. Cancel-safe: a signal that arrives meanwhile is kept.
    pub async fn next(&mut self) -> HostSignal {
        tokio::select! {
            // All arms are cancel-safe: `changed` keeps what it has not returned. A stop goes before a reload.
            biased;
            _ = self.terminate.changed() => HostSignal::Stop,
            _ = self.interrupt.changed() => HostSignal::Stop,
            _ = self.hang_up.changed() => HostSignal::Reload,
        }
    }
}

/// Does nothing: there is no such signal here.
#[cfg(not(unix))]
pub fn hold_ends_of_children() {}

#[cfg(windows)]
impl HostSignals {
    /// Begins to listen; from now on control-C no longer ends the process by itself.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_c, ctrl_close};
        Ok(Self { control_c: ctrl_c()?, close: ctrl_close()? })
    }

    /// Waits for the next request. Cancel-safe: a signal that arrives meanwhile is kept.
    pub async fn next(&mut self) -> HostSignal {
        tokio::select! {
            // Both arms are cancel-safe: `recv` keeps what it has not returned.
            _ = self.control_c.recv() => HostSignal::Stop,
            _ = self.close.recv() => HostSignal::Stop,
        }
    }
}

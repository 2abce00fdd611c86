//! From a signal to whoever waits for it, over files whose numbers are known.
//!
//! ```text
//!  signal ── handler, on any thread ── one byte ──> a pair of sockets a signal ──> the thread `signals` ──> watch
//! ```
//!
//! A handler may run on a thread that has a table of files of its own. There the number that it writes to must mean the
//! same socket, so such a thread keeps `handler_files`. All pairs are made at once, each handler when it is first wanted:
//! until then a signal does what the system does with it.

#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, RawFd};
use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use tokio::sync::watch;

/// A signal that the host may handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::os) enum Signal {
    /// SIGCHLD.
    ChildEnded,
    /// SIGHUP.
    HangUp,
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// The signals that have a handler of ours, now or later.
#[cfg(target_os = "linux")]
pub(in crate::os) const HANDLED: [i32; 4] = [SIGCHLD, SIGHUP, SIGINT, SIGTERM];

/// The way of one signal.
#[derive(Debug)]
struct Line {
    came: watch::Sender<()>,
    /// The handler's end, until the handler has it.
    handler: Mutex<Option<UnixStream>>,
    #[cfg(target_os = "linux")]
    file: RawFd,
}

#[derive(Debug)]
struct Wire {
    lines: [Line; 4],
}

static WIRE: OnceLock<Wire> = OnceLock::new();
static MAKING: Mutex<()> = Mutex::new(());

/// Begins to handle a signal. What is returned changes each time it has come; several in a row may be one change.
///
/// # Errors
/// When the system refuses a handler, a socket or a thread.
pub(in crate::os) fn hear(signal: Signal) -> io::Result<watch::Receiver<()>> {
    let line = &wire()?.lines[signal as usize];
    let came = line.came.subscribe();
    let mut handler = line.handler.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(end) = handler.take() {
        signal_hook::low_level::pipe::register(signal.number(), end)?;
    }
    Ok(came)
}

/// Returns the numbers of the files that handlers write to, now or later.
///
/// # Errors
/// When they cannot be made.
#[cfg(target_os = "linux")]
pub(in crate::os) fn handler_files() -> io::Result<Vec<RawFd>> {
    Ok(wire()?.lines.iter().map(|line| line.file).collect())
}

impl Signal {
    fn number(self) -> i32 {
        match self {
            Self::ChildEnded => SIGCHLD,
            Self::HangUp => SIGHUP,
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
        }
    }
}

fn wire() -> io::Result<&'static Wire> {
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(wire) = WIRE.get() {
        return Ok(wire);
    }
    let pairs = [UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?];
    let (ends, handlers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let mut handlers = handlers.into_iter().map(|handler| Line {
        came: watch::Sender::new(()),
        #[cfg(target_os = "linux")]
        file: handler.as_raw_fd(),
        handler: Mutex::new(Some(handler)),
    });
    let lines = std::array::from_fn(|_| handlers.next().expect("a pair for each signal"));
    thread::Builder::new().name("signals".to_owned()).spawn(move || carry(&ends))?;
    Ok(WIRE.get_or_init(|| Wire { lines }))
}

/// Tells of what the handlers have written, for ever.
fn carry(ends: &[UnixStream]) {
    let mut bytes = [0; 64];
    loop {
        let mut polled: Vec<_> = ends.iter().map(|end| PollFd::new(end, PollFlags::IN)).collect();
        // An interrupted wait finds nothing, and begins anew.
        let _ = poll(&mut polled, None);
        let came: Vec<_> = polled.iter().map(|end| end.revents().contains(PollFlags::IN)).collect();
        for (n, mut end) in ends.iter().enumerate().filter(|(n, _)| came[*n]) {
            // It was just said to have some. Several may be one.
            let _ = end.read(&mut bytes);
            // It is there before any handler is.
            if let Some(wire) = WIRE.get() {
                wire.lines[n].came.send_replace(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_is_told_to_all_who_heard_before_it_came() {
        let (mut one, mut other) = (hear(Signal::HangUp).expect("a handler"), hear(Signal::HangUp).expect("a handler"));
        signal_hook::low_level::raise(SIGHUP).expect("a signal");
        one.changed().await.expect("it has come");
        other.changed().await.expect("it has come");
        assert!(!hear(Signal::HangUp).expect("a handler").has_changed().expect("a handler"), "that was before");
    }
}

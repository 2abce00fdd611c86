//! The exits of our children, by pid: looked at, waited for, taken. A pid is a child's until its exit is taken.

/// Tells whether a child of ours has exited. It is not reaped.
#[cfg(unix)]
pub(super) fn has_exited(pid: u32) -> bool {
    use rustix::process::WaitIdOptions as Options;
    wait(pid, Options::EXITED | Options::NOWAIT | Options::NOHANG).is_ok_and(|exit| exit.is_some())
}

/// Nobody can tell without taking the exit.
#[cfg(not(unix))]
pub(super) fn has_exited(_pid: u32) -> bool {
    false
}

/// Reaps a child of ours if it has exited; tells whether there is nothing left to reap.
#[cfg(unix)]
pub(super) fn reap(pid: u32) -> bool {
    use rustix::process::WaitIdOptions as Options;
    // An error means that it is no child of ours any more.
    !matches!(wait(pid, Options::EXITED | Options::NOHANG), Ok(None))
}

/// Nothing is to be reaped here.
#[cfg(not(unix))]
pub(super) fn reap(_pid: u32) -> bool {
    true
}

/// Waits for what `options` name, and returns the exit; `None` where there is none and they say not to wait.
///
/// # Errors
/// When it is no child of ours, or its exit was taken.
#[cfg(unix)]
pub(super) fn wait(
    pid: u32,
    options: rustix::process::WaitIdOptions,
) -> std::io::Result<Option<crate::model::exit::Exit>> {
    use rustix::process::{WaitId, waitid};

    use crate::model::exit::Exit;

    let pid = to_pid(pid).ok_or(std::io::ErrorKind::InvalidInput)?;
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options))?;
    Ok(status.map(|status| match status.terminating_signal() {
        Some(number) => Exit::Signal(number),
        None => Exit::Code(status.exit_status().unwrap_or(-1)),
    }))
}

#[cfg(unix)]
pub(super) fn to_pid(pid: u32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a bare program that waits for its input to end")]
    fn an_exit_is_seen_before_it_is_reaped() {
        let (input, end) = std::io::pipe().expect("a pipe");
        let child = duct::cmd!("cat").stdin_file(input).stdout_null().start().expect("a child");
        let pid = child.pids()[0];
        assert!(!has_exited(pid), "it waits for its input");
        drop(end);
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        wait(pid, options).expect("its exit");
        assert!(has_exited(pid), "it has ended and is not reaped");
        child.wait().expect("it is ours to reap");
        assert!(!has_exited(pid), "nobody of that number is ours any more");
    }
}

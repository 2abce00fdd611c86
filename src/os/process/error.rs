//! Why a program did not start, in words that say what to do.
//!
//! The system answers with one number, and the same one for different causes: "not found" may mean the program, its
//! interpreter, or an invisible carriage return. The cause is looked up where it can be seen, once, on failure.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Bytes of a script's first line that the kernel looks at.
const SHEBANG_BYTES_MAX: u64 = 256;

/// Why a program did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The execute bit is missing.
    #[error("`{0}` is not executable; run `chmod +x` on it, or deploy it with its modes kept", path.display())]
    NotExecutable {
        /// The program.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A folder stands where the program should be.
    #[error("`{0}` is a folder, not a program; name the file to run", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It has the execute bit, but the file, its interpreter, its folder or its file system refuses.
    #[error(
        "`{0}` may not be run; check that its folder, its interpreter and its mount (`noexec`) allow it",
        path.display()
    )]
    Refused {
        /// The program.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Neither a binary for this machine nor a script with a first line.
    #[error(
        "`{0}` is neither a program for this machine nor a script with a `#!` line; \
         add one, such as `#!/bin/sh`, or give it the extension of its language",
        path.display()
    )]
    NoInterpreterLine {
        /// The program.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The first line ends in a carriage return, which becomes part of the interpreter's name.
    #[error(
        "the `#!` line of `{0}` has a Windows line end; convert the file, for example with `sed -i 's/\\r$//'`",
        path.display()
    )]
    WindowsLineEnd {
        /// The script.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What the first line names does not exist.
    #[error("`{0}` wants `{1}`, which does not exist; install it or change the `#!` line", path.display(), interpreter)]
    NoInterpreter {
        /// The script.
        path: PathBuf,
        /// What its first line names.
        interpreter: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The binary needs a loader that this system does not have.
    #[error("`{0}` needs a system loader that is missing here; build it for this system or link it statically", path.display())]
    NoLoader {
        /// The program.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No such file, or no such command in `PATH`.
    #[error("`{0}` was not found; install it or correct the command", program.display())]
    NotFound {
        /// The program as it was asked for.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The working folder is missing or cannot be entered.
    #[error("the working folder `{0}` cannot be entered; deploy the job again", path.display())]
    NoWorkingFolder {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Arguments and environment together exceed what the system takes.
    #[error("the arguments and variables are too long for the system; pass long values in a file")]
    TooLong {
        /// The system's answer.
        source: io::Error,
    },
    /// Somebody kept the program open for writing, longer than a copy should take.
    #[error("`{0}` is still being written to; it will be tried again", path.display())]
    Busy {
        /// The program.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No process, memory or descriptor is left.
    #[error("the system is out of {what}; stop something or raise the limit of the host")]
    Exhausted {
        /// What there is none left of.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Anything else.
    #[error("failed to start `{0}`", program.display())]
    Other {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Finds out why `program` did not start in `cwd`.
pub(super) fn diagnose(program: &Path, cwd: &Path, source: io::Error) -> SpawnError {
    use io::ErrorKind as Kind;
    let path = program.to_owned();
    if let Some(what) = exhausted(&source) {
        return SpawnError::Exhausted { what, source };
    }
    match source.kind() {
        Kind::NotFound | Kind::NotADirectory | Kind::PermissionDenied if !can_enter(cwd) => {
            SpawnError::NoWorkingFolder { path: cwd.to_owned(), source }
        }
        Kind::NotFound if program.is_file() => missing_interpreter(path, source),
        Kind::NotFound | Kind::NotADirectory => SpawnError::NotFound { program: path, source },
        Kind::PermissionDenied if program.is_dir() => SpawnError::Folder { path, source },
        Kind::PermissionDenied if !has_execute_bit(program) => SpawnError::NotExecutable { path, source },
        Kind::PermissionDenied => SpawnError::Refused { path, source },
        Kind::ArgumentListTooLong => SpawnError::TooLong { source },
        Kind::ExecutableFileBusy => SpawnError::Busy { path, source },
        _ if is_exec_format(&source) => SpawnError::NoInterpreterLine { path, source },
        _ => SpawnError::Other { program: path, source },
    }
}

/// Tells apart why a file that exists was "not found".
fn missing_interpreter(path: PathBuf, source: io::Error) -> SpawnError {
    let mut head = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(SHEBANG_BYTES_MAX).read_to_end(&mut head));
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match line.strip_prefix(b"#!") {
        Some(line) if line.ends_with(b"\r") => SpawnError::WindowsLineEnd { path, source },
        Some(line) => {
            let text = String::from_utf8_lossy(line);
            let interpreter = text.split_whitespace().next().unwrap_or_default().to_owned();
            SpawnError::NoInterpreter { path, interpreter, source }
        }
        None if read.is_ok() && head.starts_with(b"\x7fELF") => SpawnError::NoLoader { path, source },
        None => SpawnError::NotFound { program: path, source },
    }
}

#[cfg(unix)]
fn exhausted(source: &io::Error) -> Option<&'static str> {
    use rustix::io::Errno;
    match Errno::from_io_error(source)? {
        Errno::AGAIN => Some("processes (`ulimit -u`, `pids.max`)"),
        Errno::NOMEM => Some("memory"),
        Errno::MFILE | Errno::NFILE => Some("file descriptors (`ulimit -n`)"),
        _ => None,
    }
}

#[cfg(not(unix))]
fn exhausted(source: &io::Error) -> Option<&'static str> {
    (source.kind() == io::ErrorKind::OutOfMemory).then_some("memory")
}

#[cfg(unix)]
fn is_exec_format(source: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(source) == Some(rustix::io::Errno::NOEXEC)
}

#[cfg(not(unix))]
fn is_exec_format(source: &io::Error) -> bool {
    const ERROR_BAD_EXE_FORMAT: i32 = 193;
    source.raw_os_error() == Some(ERROR_BAD_EXE_FORMAT)
}

#[cfg(unix)]
fn can_enter(folder: &Path) -> bool {
    folder.is_dir() && rustix::fs::access(folder, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn can_enter(folder: &Path) -> bool {
    folder.is_dir()
}

#[cfg(unix)]
fn has_execute_bit(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn has_execute_bit(_file: &Path) -> bool {
    true
}

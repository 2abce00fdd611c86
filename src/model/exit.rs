//! How a process ends: the signal that asks for it, and what the system reported.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A signal by which a stop may begin, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StopSignal(i32);

/// Names and numbers that are the same on every Unix (POSIX.1, `kill`), besides USR1 and USR2, which differ on some.
const NAMES: [(&str, i32); 9] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ABRT", 6),
    ("KILL", 9),
    ("TERM", 15),
    ("USR1", if cfg!(target_os = "macos") { 30 } else { 10 }),
    ("USR2", if cfg!(target_os = "macos") { 31 } else { 12 }),
    ("WINCH", 28),
];

/// Further signals that end a process, to name them in an exit (Linux numbers; elsewhere the number alone is shown).
const DEADLY: [(&str, i32); 9] = [
    ("ILL", 4),
    ("TRAP", 5),
    ("BUS", 7),
    ("FPE", 8),
    ("SEGV", 11),
    ("PIPE", 13),
    ("ALRM", 14),
    ("XCPU", 24),
    ("XFSZ", 25),
];

impl StopSignal {
    /// The polite request to end.
    pub const TERM: Self = Self(15);
    /// The end that no process can refuse.
    pub const KILL: Self = Self(9);

    /// Parses `SIGTERM`, `term` or `15`.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = bare.parse().ok();
        NAMES.iter().find(|(name, n)| *name == bare || Some(*n) == number).map(|(_, n)| Self(*n))
    }

    /// Returns every name that `parse` knows, for an error's help.
    pub fn names() -> impl Iterator<Item = String> {
        NAMES.iter().map(|(name, _)| format!("SIG{name}"))
    }

    /// Returns the number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&signal_name(self.0))
    }
}

/// What the system reported of a process's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It ended by itself, with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Exit {
    /// Returns the code as a shell shows it: a signal is 128 and its number.
    pub const fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => 128 + number,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => write!(f, "signal {number} ({})", signal_name(number)),
        }
    }
}

fn signal_name(number: i32) -> String {
    let known = NAMES.iter().chain(if cfg!(target_os = "linux") { &DEADLY[..] } else { &[] });
    match known.into_iter().find(|(_, n)| *n == number) {
        Some((name, _)) => format!("SIG{name}"),
        None => format!("SIG{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_signal_is_read_by_name_or_number() {
        for text in ["SIGTERM", "term", "15", " TERM "] {
            assert_eq!(StopSignal::parse(text), Some(StopSignal::TERM), "{text}");
        }
        assert_eq!(StopSignal::parse("SIGSEGV"), None);
        assert_eq!(StopSignal::parse("0"), None);
    }

    #[test]
    fn an_exit_reads_like_a_sentence() {
        assert_eq!(Exit::Code(3).to_string(), "exit code 3");
        assert_eq!(Exit::Signal(9).to_string(), "signal 9 (SIGKILL)");
        assert_eq!(Exit::Signal(9).shell_code(), 137);
    }
}

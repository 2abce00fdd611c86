//! A person at a terminal: asking for a secret without showing what is typed.

use std::io::{self, BufRead, IsTerminal, Write};

/// Tells whether a person types into standard input.
pub fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Reads a line of standard input, without its end; `None` when there is none. On a terminal it asks first, on standard
/// error, and shows nothing of what is typed.
///
/// # Errors
/// When standard input cannot be read.
pub fn read_secret(question: &str) -> io::Result<Option<String>> {
    let is_there = is_there();
    if is_there {
        let mut out = io::stderr().lock();
        // Nobody need see the question.
        let _ = write!(out, "{question}: ").and_then(|()| out.flush());
    }
    let hidden = is_there.then(Hidden::begin);
    let mut line = String::new();
    let n_bytes = io::stdin().lock().read_line(&mut line);
    drop(hidden);
    if is_there {
        let _ = writeln!(io::stderr());
    }
    let line = line.trim_end_matches(['\n', '\r']);
    Ok((n_bytes? > 0).then(|| line.to_owned()))
}

/// What is typed is not shown until this is dropped.
struct Hidden {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Hidden {
    fn begin() -> Self {
        #[cfg(unix)]
        {
            use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
            let before = tcgetattr(io::stdin()).ok();
            if let Some(mut modes) = before.clone() {
                modes.local_modes.remove(LocalModes::ECHO);
                // A terminal that cannot hide shows it; the person sees that.
                let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &modes);
            }
            Self { before }
        }
        #[cfg(not(unix))]
        Self {}
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
}

//! How a chosen file, or the settings' explicit `command`, is started, and what keeps it from starting.
//!
//! A shell script with a first line (`#!`) and the execute bit is started directly, with a first line alone through the
//! program named there, else through bash. Other scripts are an argument of their interpreter, so that neither mode nor
//! first line matters. The rest is executed by the system itself.

use std::path::Path;

use super::{Surroundings, choose::Chosen, folder, problem};
use crate::model::{
    job::{Problem, Script},
    listing::{self, Entry, FolderListing},
    settings::Settings,
};

/// The first bytes of what systems execute by themselves: ELF, and Mach-O in its byte orders.
const BINARIES: &[&[u8]] = &[b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];
/// What some editors put before the first character.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The first line of a script: the program that runs it, and that program's one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FirstLine {
    program: String,
    argument: Option<String>,
    /// Why the system would refuse it.
    defect: Option<Defect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    CarriageReturn,
    ByteOrderMark,
}

/// Returns how a chosen file is started; `None` when something keeps it from it.
pub(super) fn of_file(
    listing: &FolderListing,
    dir: &str,
    chosen: Chosen<'_>,
    settings: &Settings,
    around: &Surroundings<'_>,
) -> (Option<Script>, Vec<Problem>) {
    let path = listing::join(dir, chosen.name);
    let head = listing.heads.get(&path).map_or(&[][..], Vec::as_slice);
    let asking = Asking { listing, dir, settings, around };
    let started = match chosen.extension {
        Some("sh") if !around.interpreters.windows => asking.shell(chosen, &path, head),
        Some(ext) => asking.interpreted(ext, chosen.name, &path),
        None => asking.native(chosen, &path, head),
    };
    match started {
        Err(problem) => (None, vec![problem]),
        Ok(program) => {
            let script = Script {
                run_command: path.clone(),
                dir: Path::new(dir).into(),
                script_host: chosen.host,
                program,
                in_place_default: chosen.host == "NodeScriptHost",
            };
            (Some(script), line_ends(chosen, &path, head).into_iter().collect())
        }
    }
}

/// Returns how the settings' `command` is started; `None` when something keeps it from it.
pub(super) fn explicit(
    listing: &FolderListing,
    dir: &str,
    command: &[String],
    settings: &Settings,
    around: &Surroundings<'_>,
) -> (Option<Script>, Vec<Problem>) {
    let asking = Asking { listing, dir, settings, around };
    let Some((first, rest)) = command.split_first() else {
        return (None, vec![problem("command_missing", None, "`command` is empty; name a program".to_owned(), true)]);
    };
    match asking.named(first) {
        Err(problem) => (None, vec![problem]),
        Ok(program) => {
            let script = Script {
                run_command: command.join(" "),
                dir: Path::new(dir).into(),
                script_host: "CommandScriptHost",
                program: std::iter::once(program).chain(rest.iter().cloned()).collect(),
                in_place_default: false,
            };
            (Some(script), Vec::new())
        }
    }
}

/// Returns the first line's program, when a file begins with one.
pub(super) fn first_line(head: &[u8]) -> Option<FirstLine> {
    let (bare, marked) = match head.strip_prefix(BYTE_ORDER_MARK) {
        Some(bare) => (bare, true),
        None => (head, false),
    };
    let rest = bare.strip_prefix(b"#!")?;
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or(rest);
    let (line, returned) = line.strip_suffix(b"\r").map_or((line, false), |line| (line, true));
    let text = String::from_utf8_lossy(line);
    let (program, argument) = match text.trim().split_once([' ', '\t']) {
        Some((program, argument)) => (program, Some(argument.trim().to_owned())),
        None => (text.trim(), None),
    };
    let defect = match (marked, returned) {
        (true, _) => Some(Defect::ByteOrderMark),
        (false, true) => Some(Defect::CarriageReturn),
        (false, false) => None,
    };
    (!program.is_empty()).then(|| FirstLine { program: program.to_owned(), argument, defect })
}

/// Returns whether a file is a program of this kind of system.
pub(super) fn is_binary(head: &[u8]) -> bool {
    BINARIES.iter().any(|magic| head.starts_with(magic))
}

/// What the questions about a program need.
struct Asking<'a> {
    listing: &'a FolderListing,
    dir: &'a str,
    settings: &'a Settings,
    around: &'a Surroundings<'a>,
}

type Started = Result<Vec<String>, Problem>;

impl Asking<'_> {
    fn shell(&self, chosen: Chosen<'_>, path: &str, head: &[u8]) -> Started {
        let Some(line) = first_line(head) else { return self.interpreted("sh", chosen.name, path) };
        self.check(&line, path)?;
        if chosen.entry.is_executable() {
            return Ok(vec![format!("./{}", chosen.name)]);
        }
        Ok([Some(line.program), line.argument, Some(argument(chosen.name))].into_iter().flatten().collect())
    }

    fn interpreted(&self, ext: &str, name: &str, path: &str) -> Started {
        let Some(words) = self.around.interpreters.by_extension.get(ext).filter(|words| !words.is_empty()) else {
            return Ok(vec![format!("./{name}")]);
        };
        if !self.exists(&words[0]) {
            let message = format!(
                "needs `{program}`, which was not found: install it, or name another program in webjobd.toml \
                 ([interpreters] {ext} = \"/path/to/{program}\")",
                program = words[0]
            );
            return Err(problem("missing_interpreter", Some(path), message, true));
        }
        Ok(words.iter().cloned().chain([argument(name)]).collect())
    }

    fn native(&self, chosen: Chosen<'_>, path: &str, head: &[u8]) -> Started {
        let line = first_line(head);
        if line.is_none() && !is_binary(head) {
            let message =
                "is executable, but neither a program nor a script whose first line says what runs it; begin \
                           it with a line like `#!/bin/sh`"
                    .to_owned();
            return Err(problem("no_first_line", Some(path), message, true));
        }
        self.check_mode(chosen.entry, path)?;
        line.map_or(Ok(()), |line| self.check(&line, path))?;
        Ok(vec![format!("./{}", chosen.name)])
    }

    /// Checks the program that a `command` names, and returns it as it is started.
    fn named(&self, program: &str) -> Result<String, Problem> {
        let fatal = |code, file: Option<&str>, message| Err(problem(code, file, message, true));
        if program.starts_with('/') || !program.contains(['/', '\\']) {
            if self.exists(program) {
                return Ok(program.to_owned());
            }
            let inside = self.entry(program).is_some_and(|(_, entry)| entry.is_file());
            let advice = if inside {
                format!("to run the file of the job, write `./{program}`")
            } else {
                "install it, or write its whole path".to_owned()
            };
            return fatal("command_missing", None, format!("command `{program}` was not found: {advice}"));
        }
        if self.around.interpreters.windows && !program.starts_with("./") {
            return Ok(program.to_owned());
        }
        let Some(path) = folder::resolve(self.dir, program) else {
            return fatal(
                "command_outside",
                None,
                format!("command `{program}` leads out of the job's folder; write its whole path"),
            );
        };
        let Some(entry) = self.listing.entries.get(&path).filter(|entry| entry.is_file()) else {
            return fatal("command_missing", None, format!("command `{program}` was not found in the job's folder"));
        };
        self.check_mode(entry, &path)?;
        if let Some(line) = self.listing.heads.get(&path).and_then(|head| first_line(head)) {
            self.check(&line, &path)?;
        }
        Ok(if program.starts_with('.') { program.to_owned() } else { format!("./{program}") })
    }

    fn check_mode(&self, entry: &Entry, path: &str) -> Result<(), Problem> {
        if entry.is_executable() || self.around.interpreters.windows {
            return Ok(());
        }
        let message = format!("is not executable; run `chmod +x {}`", quoted(path));
        Err(problem("missing_execute_bit", Some(path), message, true))
    }

    /// Checks that the system, or we, can run what a first line names.
    fn check(&self, line: &FirstLine, path: &str) -> Result<(), Problem> {
        let fatal = |code, message| Err(problem(code, Some(path), message, true));
        match line.defect {
            Some(Defect::CarriageReturn) => {
                let name = quoted(path);
                return fatal(
                    "crlf_first_line",
                    format!(
                        "has Windows line ends, so that its first line names a program that does not exist; run \
                         `sed -i 's/\\r$//' {name}`"
                    ),
                );
            }
            Some(Defect::ByteOrderMark) => {
                let name = quoted(path);
                return fatal(
                    "bom_first_line",
                    format!(
                        "begins with a byte order mark, so that its first line is not seen; run \
                         `sed -i '1s/^\\xEF\\xBB\\xBF//' {name}`"
                    ),
                );
            }
            None => {}
        }
        let missing = [Some(line.program.as_str()), line.through_env()].into_iter().flatten().find(|p| !self.exists(p));
        match missing {
            None => Ok(()),
            Some(program) => fatal(
                "missing_interpreter",
                format!("begins with `#!` and `{program}`, which was not found: install it, or correct the first line"),
            ),
        }
    }

    fn exists(&self, program: &str) -> bool {
        if program.starts_with('/') {
            return (self.around.exists)(program);
        }
        if program.contains('/') {
            return self.entry(program).is_some();
        }
        // A job with its own PATH is searched along that, by the system; nobody can tell before.
        self.settings.env.contains_key("PATH") || self.settings.env_file.is_some() || (self.around.exists)(program)
    }

    fn entry(&self, name: &str) -> Option<(String, &Entry)> {
        let path = folder::resolve(self.dir, name)?;
        let entry = self.listing.entries.get(&path)?;
        Some((path, entry))
    }
}

impl FirstLine {
    /// The program that `env` looks up, when the first line goes through it.
    fn through_env(&self) -> Option<&str> {
        let is_env = self.program.rsplit('/').next() == Some("env");
        let mut words = self.argument.as_deref().filter(|_| is_env)?.split_whitespace();
        words.find(|word| !word.starts_with('-') && !word.contains('='))
    }
}

/// A script that its interpreter does not mind about, but whose line ends may hurt it.
fn line_ends(chosen: Chosen<'_>, path: &str, head: &[u8]) -> Option<Problem> {
    let hurts = chosen.extension == Some("sh") && head.windows(2).any(|pair| pair == b"\r\n");
    let message =
        format!("has Windows line ends, which a shell does not like; run `sed -i 's/\\r$//' {}`", quoted(path));
    hurts.then(|| problem("crlf", Some(path), message, false))
}

/// A script's name as an argument that no program mistakes for an option.
fn argument(name: &str) -> String {
    if name.starts_with('-') { format!("./{name}") } else { name.to_owned() }
}

fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

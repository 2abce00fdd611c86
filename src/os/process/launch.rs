//! Makes a process of a program: directly on a thread that stands apart from the host's files, by duct on any other.
//!
//! duct is right on every system, and slower: it cannot set a limit before the program runs, for what it could do in the
//! child would need a copy of the host's memory.

use std::{ffi::OsString, io, iter, path::PathBuf, process::Command, sync::Arc, thread, time::Duration};

use crate::os::process::{
    apart::Table,
    direct::{self, Starter},
    orphans, procfs,
    spawn::{OutputEnd, Outputs},
    usage,
};
#[cfg(unix)]
use crate::os::signals::held;

/// Waits between attempts on a program that is still open for writing, mostly by a copy in another process.
const BUSY_WAITS_MS: [u64; 5] = [1, 4, 15, 50, 100];

/// What is started, and how.
#[derive(Debug)]
pub(super) struct Program {
    /// Its file.
    pub(super) path: PathBuf,
    /// Its arguments, without its own name.
    pub(super) args: Vec<OsString>,
    /// What its environment begins with: each name once.
    pub(super) common_env: Arc<Vec<(OsString, OsString)>>,
    /// What its environment has besides. What comes later wins.
    pub(super) env: Vec<(OsString, OsString)>,
    /// Its working folder.
    pub(super) cwd: PathBuf,
    /// The number that it bears as a limit, see [`super::marks`].
    pub(super) number: u64,
}

/// Launches on the thread that it was made on.
#[derive(Debug)]
pub(super) struct Launcher {
    table: Table,
    /// Where it launches directly.
    starter: Option<Starter>,
}

/// A process that was made, and is ours to reap.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: u32,
    pub(super) handle: Handle,
}

/// By what a process was made, and so by what it is reaped.
#[derive(Debug)]
pub(super) enum Handle {
    /// By a call of our own; it has had its limits from the beginning.
    Direct,
    /// By duct.
    Duct(Box<duct::Handle>),
}

impl Launcher {
    /// Prepares the calling thread, which from then on owns no file of the host's: see [`super::apart`].
    pub(super) fn here() -> Self {
        let table = Table::leave();
        let starter = table.is_own().then(Starter::new).and_then(Result::ok);
        #[cfg(unix)]
        if starter.is_none() {
            // What duct makes inherits what this thread holds back.
            held::let_through();
        }
        Self { table, starter }
    }

    /// Takes over what a program is to write to: its output, then its errors.
    ///
    /// # Errors
    /// When no file can be opened any more.
    pub(super) fn adopt(&self, outputs: &Outputs) -> io::Result<[OutputEnd; 2]> {
        Ok([self.table.adopt(&outputs.stdout)?, self.table.adopt(&outputs.stderr)?])
    }

    /// Launches a program as the leader of a group of its own, with empty input, and closes here what it writes to. Tries
    /// again while the program's file is open for writing.
    ///
    /// # Errors
    /// The system's, when it does not start.
    #[expect(clippy::disallowed_methods, reason = "on a thread of our own, for a state that nobody reports the end of")]
    pub(super) fn launch(&mut self, program: &Program, ends: [OutputEnd; 2]) -> io::Result<Launched> {
        let mut waits = BUSY_WAITS_MS.into_iter();
        let mut again = |error: &io::Error| {
            let wait = (error.kind() == io::ErrorKind::ExecutableFileBusy).then(|| waits.next()).flatten();
            wait.map(|wait| thread::sleep(Duration::from_millis(wait))).is_some()
        };
        match &mut self.starter {
            Some(starter) => loop {
                match starter.start(program, &ends[0], &ends[1]) {
                    Err(error) if again(&error) => {}
                    answer => return answer.map(|pid| Launched { pid, handle: Handle::Direct }),
                }
            },
            None => {
                let expression = expression(program, ends);
                loop {
                    match expression.start() {
                        Err(error) if again(&error) => {}
                        answer => {
                            return answer.map(|handle| Launched {
                                pid: handle.pids()[0],
                                handle: Handle::Duct(Box::new(handle)),
                            });
                        }
                    }
                }
            }
        }
    }
}

impl Handle {
    /// Reaps a process that has ended, and returns the processor time that it and its children took who were waited for.
    pub(super) fn reap(&self, pid: u32) -> Duration {
        match self {
            // It has exited, but is not ours to reap as long as a debugger has it.
            Self::Direct => direct::reap(pid).or_else(|| {
                orphans::abandon(pid);
                None
            }),
            Self::Duct(handle) => {
                let cpu = procfs::stat(pid).as_ref().map(usage::cpu);
                // An error means that somebody else has reaped it.
                drop(handle.try_wait());
                cpu
            }
        }
        .unwrap_or_default()
    }

    /// Lets go of a process that nobody waits for any more.
    pub(super) fn abandon(&self, pid: u32) {
        match self {
            Self::Direct => orphans::abandon_leader(pid),
            // The handle, dropped next, reaps it now or when the next one is started by duct.
            Self::Duct(_) => orphans::forget_leader(pid, || ()),
        }
    }

    /// Returns duct's handle of a process that it has made.
    #[cfg(not(unix))]
    pub(super) fn duct(&self) -> Option<&duct::Handle> {
        match self {
            Self::Direct => None,
            Self::Duct(handle) => Some(handle),
        }
    }
}

/// Says to duct what to start. The environment is copied into the command alone: an expression would copy it twice more.
#[expect(clippy::disallowed_methods, reason = "the one place that makes commands")]
fn expression(program: &Program, [stdout, stderr]: [OutputEnd; 2]) -> duct::Expression {
    let (common, own) = (Arc::clone(&program.common_env), program.env.clone());
    let prepare = move |command: &mut Command| {
        command.envs(common.iter().chain(&own).map(|(name, value)| (name, value)));
        own_group(command);
        Ok(())
    };
    duct::cmd(program.path.as_os_str(), &program.args)
        .full_env(iter::empty::<(OsString, OsString)>())
        .dir(&program.cwd)
        .stdin_null()
        .stdout_file(stdout)
        .stderr_file(stderr)
        .unchecked()
        .before_spawn(prepare)
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(windows)]
fn own_group(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{io::Read, path::Path};

    use crate::os::process::exits;

    use rustix::process::{Signal, WaitIdOptions, getpgid, kill_process_group};

    use super::*;

    fn direct() -> Launcher {
        Launcher { table: Table::Shared, starter: Some(Starter::new().expect("an empty input")) }
    }

    fn by_duct() -> Launcher {
        Launcher { table: Table::Shared, starter: None }
    }

    /// Bash: other shells take all signals again that were held back from them.
    fn shell(script: &str, cwd: &Path) -> Program {
        let variable = |name: &str, value: &str| (name.into(), value.into());
        Program {
            path: "/bin/bash".into(),
            args: ["-c", script, "", "two words"].map(Into::into).into(),
            common_env: Arc::new(vec![
                variable("PATH", "/usr/bin:/bin"),
                variable("A", "common"),
                variable("B", "common"),
            ]),
            env: vec![variable("B", "first"), variable("EMPTY", ""), variable("B", "last")],
            cwd: cwd.to_owned(),
            number: 1 << 62 | 7,
        }
    }

    /// Launches, and returns with the process what it printed to both outputs.
    fn printed(launcher: &mut Launcher, program: &Program) -> (Launched, String) {
        let _starting = orphans::starting();
        let (mut end, written) = io::pipe().expect("a pipe");
        let outputs = Outputs { stdout: written.try_clone().expect("a copy").into(), stderr: written.into() };
        let ends = launcher.adopt(&outputs).expect("files");
        let launched = launcher.launch(program, ends).expect("it starts");
        orphans::register_leader(launched.pid);
        drop(outputs);
        let mut text = String::new();
        end.read_to_string(&mut text).expect("what it printed");
        (launched, text)
    }

    fn end(launched: &Launched) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        exits::wait(launched.pid, options).expect("its exit");
        let _ = orphans::forget_leader(launched.pid, || launched.handle.reap(launched.pid));
        assert!(exits::wait(launched.pid, options).is_err(), "it is reaped");
    }

    /// Of the signals that are ignored the first 28 are compared: the C library has its own way with its own.
    #[test]
    fn both_ways_make_the_same_of_a_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "cat; pwd -P; env -u PWD | sort; echo \"$1\" >&2; grep -E '^Sig(Blk|Cgt)' /proc/self/status; \
                      grep '^SigIgn' /proc/self/status | tail -c 8; \
                      ls /proc/self/fd; cut -d ' ' -f 5 /proc/$$/stat | grep -x $$ >&2 && echo leads";
        let program = shell(script, folder.path());
        let told = [direct(), by_duct()].map(|mut launcher| {
            let (launched, text) = printed(&mut launcher, &program);
            assert!(text.contains(&format!("{}\nleads\n", launched.pid)), "a group of its own: {text}");
            end(&launched);
            text.replace(&launched.pid.to_string(), "pid")
        });
        assert_eq!(told[0], told[1]);
        let folder = std::fs::canonicalize(folder.path()).expect("a path");
        for line in
            ["A=common", "B=last", "EMPTY=", "two words", "SigBlk:\t0000000000000000", &folder.to_string_lossy()]
        {
            assert!(told[0].lines().any(|printed| printed == line), "`{line}` is missing: {}", told[0]);
        }
    }

    #[test]
    fn one_that_is_launched_directly_has_the_variables_that_are_common_by_then() {
        let mut launcher = direct();
        let programs = ["A=common", "A=", "A=other"].map(|line| {
            let program = shell("echo A=$A B=$B", Path::new("/"));
            let value = line.strip_prefix("A=").expect("its name");
            let common_env = [("A".into(), value.into()), ("B".into(), "common".into())].into();
            (line, Program { common_env: Arc::new(common_env), ..program })
        });
        // The first one's come back at the end.
        for (line, program) in programs.iter().chain(&programs[..1]) {
            let (launched, text) = printed(&mut launcher, program);
            end(&launched);
            assert_eq!(text, format!("{line} B=last\n"));
        }
    }

    #[test]
    fn one_that_is_launched_directly_bears_its_number_from_the_beginning() {
        let program = shell("grep 'Max file locks' /proc/self/limits", Path::new("/"));
        let (launched, text) = printed(&mut direct(), &program);
        end(&launched);
        let words: Vec<_> = text.split_whitespace().collect();
        assert_eq!(words[3..5], ["4611686018427387911"; 2], "soft and hard: {text}");
    }

    #[test]
    fn both_ways_tell_why_a_program_does_not_start() {
        let missing = Program { path: "/none/tool".into(), ..shell("", Path::new("/")) };
        let folder = Program { cwd: "/none".into(), ..shell("", Path::new("/")) };
        let own = tempfile::tempdir().expect("a folder");
        std::fs::copy("/bin/true", own.path().join("tool")).expect("a program");
        let bare = Program { path: "tool".into(), ..shell("", own.path()) };
        let zero = Program { args: vec!["a\0b".into()], ..shell("", Path::new("/")) };
        for (program, kind) in [
            (missing, io::ErrorKind::NotFound),
            (folder, io::ErrorKind::NotFound),
            (bare, io::ErrorKind::NotFound),
            (zero, io::ErrorKind::InvalidInput),
        ] {
            for mut launcher in [direct(), by_duct()] {
                let (_end, written) = io::pipe().expect("a pipe");
                let ends = [written.try_clone().expect("a copy").into(), written.into()];
                let refused = launcher.launch(&program, ends).expect_err("it must not start");
                assert_eq!(refused.kind(), kind, "{program:?}");
            }
        }
    }

    #[test]
    fn one_that_is_abandoned_is_reaped_when_it_ends() {
        let (ended, _) = printed(&mut direct(), &shell("", Path::new("/")));
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        exits::wait(ended.pid, options).expect("its exit");
        ended.handle.abandon(ended.pid);
        assert!(exits::wait(ended.pid, options).is_err(), "it had ended");

        // Both let go of one that runs: the second as where a debugger holds one that has exited.
        let abandon = |runs: &Launched| runs.handle.abandon(runs.pid);
        let reap = |runs: &Launched| {
            assert_eq!(orphans::forget_leader(runs.pid, || runs.handle.reap(runs.pid)), Duration::ZERO);
        };
        for let_go in [&abandon as &dyn Fn(&Launched), &reap] {
            let (runs, _) = printed(&mut direct(), &shell("exec sleep 60 >/dev/null 2>&1", Path::new("/")));
            let_go(&runs);
            kill_and_be_reaped(&runs);
        }
    }

    fn kill_and_be_reaped(runs: &Launched) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let pid = exits::to_pid(runs.pid).expect("a pid");
        assert_eq!(getpgid(Some(pid)), Ok(pid), "it runs");
        kill_process_group(pid, Signal::KILL).expect("it is ours");
        // Whoever looks first takes it; an error means that it was another test's look.
        let _ = exits::wait(runs.pid, options);
        orphans::reap_orphans();
        assert!(exits::wait(runs.pid, options).is_err(), "nobody else would");
    }
}

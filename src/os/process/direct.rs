//! A start by system calls of our own: the child works on the host's memory until it is its program.
//!
//! So does the C library's `posix_spawn`, by which others start. But that one asks for and sets the handler of each of 64
//! signals in every child and cannot set limits, and those above it copy the environment five times. One start of
//! `/bin/true` with 45 variables (two processors of a virtual machine, median of 2,000): 195 µs by duct, 119 by
//! `posix_spawn`, 75 like this, when all variables are written anew. And a run bears its number before its first instruction.
//!
//! Between `clone` and `execve` the child shares our memory, on a stack of its own, and the thread that made it stands still.
//! There it makes system calls and nothing else: it takes no memory and no lock, and cannot panic. All signals are blocked
//! until those that have handlers here have none in the child.

use std::{
    ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_void},
    fs::File,
    io, iter, mem,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStrExt,
    },
    ptr,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use libc::{SIGBUS, SIGPIPE, SIGSEGV};
use rustix::{
    io::Errno,
    process::{Resource, Rlimit, WaitId, WaitIdOptions, chdir, setpgid, setrlimit, waitid},
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};

use crate::os::{
    process::{exits, launch::Program, limits, spawn::OutputEnd},
    signals::wire,
};

/// Signals that something handles here besides [`wire`]: the standard library, which ignores the first of them.
const HANDLED_BY_STD: [c_int; 3] = [SIGPIPE, SIGSEGV, SIGBUS];

/// After the last signal that a program may handle for itself; the C library's own begin here.
const SIGNALS_END: c_int = 32;

/// Units of 16 bytes, the alignment that every system wants for a stack. The C library takes 32 KiB, too.
const STACK_UNITS: usize = 2048;

/// What one thread needs to start with.
#[derive(Debug)]
pub(super) struct Starter {
    null: File,
    /// The signals that have a handler here, or may get one: in a child they have none.
    handled: Vec<c_int>,
    /// For each child in turn, until it is its program.
    stack: Vec<u128>,
    /// What environments begin with, as it was last, and its texts: mostly it is the same for start after start.
    common: (Arc<Variables>, Texts),
}

type Variables = Vec<(OsString, OsString)>;

/// Texts in one piece, each with a zero byte at its end.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    begins: Vec<usize>,
}

/// All that a child needs to become its program.
struct Plan<'a> {
    path: &'a CStr,
    /// As `execve` wants it: pointers to texts, the last one null.
    args: &'a [*const c_char],
    /// The same.
    env: &'a [*const c_char],
    cwd: &'a CStr,
    files: [BorrowedFd<'a>; 3],
    handled: &'a [c_int],
    n_files: Option<Rlimit>,
    number: Rlimit,
    /// Why it could not: the number of a system's error.
    failed: AtomicI32,
}

impl Starter {
    /// Prepares the calling thread.
    ///
    /// # Errors
    /// When the empty input of children cannot be opened.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            null: File::open("/dev/null")?,
            handled: handled(),
            stack: vec![0; STACK_UNITS],
            common: Default::default(),
        })
    }

    /// Starts a program, and returns its pid. It is a child of the calling thread, until it is reaped.
    ///
    /// # Errors
    /// The system's, and `InvalidInput` for a text with a zero byte in it.
    pub(super) fn start(&mut self, program: &Program, stdout: &OutputEnd, stderr: &OutputEnd) -> io::Result<u32> {
        let Program { path, args, common_env, env, cwd, number } = program;
        if !path.as_os_str().as_bytes().contains(&b'/') {
            // A bare name was looked for in the `PATH` already. Here it would mean a file of the working folder.
            return Err(io::ErrorKind::NotFound.into());
        }
        if !Arc::ptr_eq(&self.common.0, common_env) {
            self.common = (Arc::clone(common_env), variables(common_env)?);
        }
        let args = arguments(path.as_os_str(), args)?;
        let own = variables(env)?;
        let plan = Plan {
            path: &CString::new(path.as_os_str().as_bytes())?,
            args: &args.pointers(),
            env: &environment(&self.common, (env, &own)),
            cwd: &CString::new(cwd.as_os_str().as_bytes())?,
            files: [self.null.as_fd(), stdout.as_fd(), stderr.as_fd()],
            handled: &self.handled,
            n_files: limits::of_files(),
            number: limits::of_number(*number),
            failed: AtomicI32::new(0),
        };
        let pid = begin(&plan, &mut self.stack)?;
        match plan.failed.load(Ordering::Acquire) {
            0 => Ok(pid),
            number => {
                // It ends at once, and is no one's else to reap.
                if let Some(pid) = exits::to_pid(pid) {
                    let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED));
                }
                Err(io::Error::from_raw_os_error(number))
            }
        }
    }
}

/// Reaps a child that has ended, and returns the processor time that it and its children took who were waited for; `None`
/// when it has not ended, or somebody else has reaped it.
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
pub(super) fn reap(pid: u32) -> Option<Duration> {
    let pid_number = exits::to_pid(pid)?.as_raw_nonzero().get();
    // SAFETY: zeroes are a valid value of what is used, and the call writes nothing else.
    let used = unsafe {
        let mut used = mem::zeroed::<libc::rusage>();
        let reaped = libc::wait4(pid_number, ptr::null_mut(), libc::WNOHANG, &raw mut used);
        (reaped == pid_number).then_some(used)
    }?;
    let duration = |time: libc::timeval| {
        let seconds = Duration::from_secs(time.tv_sec.try_into().unwrap_or(0));
        seconds + Duration::from_micros(time.tv_usec.try_into().unwrap_or(0))
    };
    Some(duration(used.ru_utime) + duration(used.ru_stime))
}

/// Lists the signals that something handles here or will: ours, and those of whoever embeds a host.
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn handled() -> Vec<c_int> {
    let is_caught = |signal: &c_int| {
        // SAFETY: the call only writes to the action that it is given, of which zeroes are a valid value.
        let action = unsafe {
            let mut action = mem::zeroed::<libc::sigaction>();
            libc::sigaction(*signal, ptr::null(), &raw mut action);
            action
        };
        ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction)
    };
    let known: Vec<_> = wire::HANDLED.into_iter().chain(HANDLED_BY_STD).collect();
    let others: Vec<_> = (1..SIGNALS_END).filter(|signal| !known.contains(signal)).filter(is_caught).collect();
    [known, others].concat()
}

/// Makes the child. It has become its program, or has failed and is about to end, when this returns.
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn begin(plan: &Plan<'_>, stack: &mut [u128]) -> io::Result<u32> {
    const SHARED_UNTIL_EXEC: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let top = stack.as_mut_ptr_range().end.cast::<c_void>();
    let plan = ptr::from_ref(plan).cast_mut().cast::<c_void>();
    // SAFETY: sets of signals are plain numbers, and what the calls are given is ours. The child runs `child_of` on a stack
    // that nobody else uses, with a plan that nobody changes, and no handler of a signal runs on it: all are blocked. This
    // thread goes on when the child has left our memory (CLONE_VFORK), and has its own signals back then.
    let pid = unsafe {
        let (mut all, mut before) = (mem::zeroed(), mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let pid = libc::clone(child_of, top, SHARED_UNTIL_EXEC, plan);
        // Read before another call may change it.
        let pid = if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) };
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
        pid?
    };
    u32::try_from(pid).map_err(io::Error::other)
}

/// The child, from its first instruction to its program.
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
extern "C" fn child_of(plan: *mut c_void) -> c_int {
    // SAFETY: `begin` gives a plan and waits for us.
    let plan = unsafe { &*plan.cast::<Plan<'_>>() };
    let why = match prepare(plan) {
        Ok(()) => exec(plan),
        Err(error) => error.raw_os_error(),
    };
    plan.failed.store(why, Ordering::Release);
    // SAFETY: it ends this process and runs nothing of the host's.
    unsafe { libc::_exit(127) }
}

/// Makes the child what its program expects. Only system calls.
fn prepare(plan: &Plan<'_>) -> Result<(), Errno> {
    setpgid(None, None)?;
    let [stdin, stdout, stderr] = plan.files;
    dup2_stdin(stdin)?;
    dup2_stdout(stdout)?;
    dup2_stderr(stderr)?;
    chdir(plan.cwd)?;
    // Refused where an outer host has put a lower number on us: then that one holds.
    let _ = setrlimit(Resource::Locks, plan.number);
    if let Some(limit) = plan.n_files {
        let _ = setrlimit(Resource::Nofile, limit);
    }
    Ok(())
}

/// Lets signals through, none of them to a handler of the host's, and becomes the program. Returns why it could not.
#[expect(unsafe_code, reason = "what the compiler cannot check is said below")]
fn exec(plan: &Plan<'_>) -> c_int {
    // SAFETY: actions and sets of signals are plain numbers, zeroed they are the default and the empty one; the child has a
    // copy of the host's handlers to change. Path, arguments and environment are texts that end, and lists with a null at
    // their end.
    unsafe {
        let (default, mut none) = (mem::zeroed::<libc::sigaction>(), mem::zeroed());
        for signal in plan.handled {
            libc::sigaction(*signal, &raw const default, ptr::null_mut());
        }
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::execve(plan.path.as_ptr(), plan.args.as_ptr(), plan.env.as_ptr());
    }
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

impl Texts {
    fn add(&mut self, parts: &[&OsStr]) -> io::Result<()> {
        self.begins.push(self.bytes.len());
        for part in parts.iter().map(|part| part.as_bytes()) {
            if memchr::memchr(0, part).is_some() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a zero byte is in its arguments or its environment",
                ));
            }
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
        Ok(())
    }

    /// Returns pointers to the texts. They hold until the texts change.
    fn each(&self) -> impl Iterator<Item = *const c_char> {
        self.begins.iter().map(|begin| self.bytes[*begin..].as_ptr().cast())
    }

    /// Returns pointers to the texts, then a null. They hold until the texts change.
    fn pointers(&self) -> Vec<*const c_char> {
        self.each().chain(iter::once(ptr::null())).collect()
    }
}

fn arguments(path: &OsStr, args: &[OsString]) -> io::Result<Texts> {
    let mut texts = Texts::default();
    iter::once(path).chain(args.iter().map(OsString::as_os_str)).try_for_each(|arg| texts.add(&[arg]))?;
    Ok(texts)
}

/// Writes variables as an environment has them.
fn variables(variables: &[(OsString, OsString)]) -> io::Result<Texts> {
    let mut texts = Texts::default();
    variables.iter().try_for_each(|(name, value)| texts.add(&[name, OsStr::new("="), value]))?;
    Ok(texts)
}

/// Puts an environment together, as pointers to the texts of variables; of two variables of a name the later one counts.
fn environment(
    (common, common_texts): &(Arc<Variables>, Texts),
    (own, own_texts): (&Variables, &Texts),
) -> Vec<*const c_char> {
    let is_last = |place: usize, name: &OsString| !own[place..].iter().any(|(later, _)| later == name);
    let common = common.iter().zip(common_texts.each()).map(|pair| (0, pair));
    let all = common.chain((1..).zip(own.iter().zip(own_texts.each())));
    let counts = all.filter(|(next, ((name, _), _))| is_last(*next, name)).map(|(_, (_, text))| text);
    counts.chain(iter::once(ptr::null())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn read(texts: &Texts) -> Vec<&str> {
        let bytes =
            texts.bytes.split_inclusive(|byte| *byte == 0).map(|text| text.strip_suffix(b"\0").expect("its end"));
        bytes.map(|text| str::from_utf8(text).expect("text")).collect()
    }

    #[test]
    fn of_two_variables_of_a_name_the_later_one_counts() {
        let common = pairs(&[("A", "common"), ("B", "common"), ("C", "")]);
        let own = pairs(&[("B", "own"), ("D", "first"), ("BB", "x=y"), ("D", "second")]);
        let (common_texts, own_texts) =
            (variables(&common).expect("no zero byte"), variables(&own).expect("no zero byte"));
        assert_eq!(read(&own_texts), ["B=own", "D=first", "BB=x=y", "D=second"]);
        let (common_at, own_at): (Vec<_>, Vec<_>) = (common_texts.each().collect(), own_texts.each().collect());
        let environment = environment(&(Arc::new(common), common_texts), (&own, &own_texts));
        assert_eq!(environment, [common_at[0], common_at[2], own_at[0], own_at[2], own_at[3], ptr::null()]);
    }

    #[test]
    fn lists_point_to_each_text_and_end_with_a_null() {
        let texts = arguments("/bin/tool".as_ref(), &["".into(), "a b".into()]).expect("no zero byte");
        assert_eq!(read(&texts), ["/bin/tool", "", "a b"]);
        let offsets = texts.pointers().into_iter().map(|text| text.addr().checked_sub(texts.bytes.as_ptr().addr()));
        assert_eq!(offsets.collect::<Vec<_>>(), [Some(0), Some(10), Some(11), None]);
    }

    #[test]
    fn a_zero_byte_is_refused() {
        for (name, value) in [("A", "x\0y"), ("A\0", "x")] {
            let refused = variables(&pairs(&[(name, value)])).map(drop).expect_err("it would end there");
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn every_signal_that_something_handles_here_is_known() {
        for signal in [wire::Signal::ChildEnded, wire::Signal::HangUp, wire::Signal::Interrupt, wire::Signal::Terminate]
        {
            wire::hear(signal).expect("a handler");
        }
        // Somebody else's, such as a program that embeds a host.
        let flag = std::sync::Arc::default();
        signal_hook::flag::register(libc::SIGWINCH, flag).expect("a handler");
        let status = std::fs::read_to_string("/proc/self/status").expect("our status");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("what is handled");
        let caught = u64::from_str_radix(caught.trim(), 16).expect("a mask");
        let caught: Vec<_> = (1..SIGNALS_END).filter(|number| caught >> (number - 1) & 1 == 1).collect();
        let known = handled();
        assert!([libc::SIGCHLD, libc::SIGWINCH].iter().all(|number| caught.contains(number)), "{caught:?}");
        assert!(caught.iter().all(|number| known.contains(number)), "{caught:?} has more than {known:?}");
    }
}

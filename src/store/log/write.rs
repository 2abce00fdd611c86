//! Writes one log: blocks of lines from pumps, single lines of webjobd's own.
//!
//! Shared by all who write to a log in this process; a lock keeps their blocks apart. The file is opened with the first
//! line and stays open until it is released. What cannot be written is refused, and its owner keeps it: a pump waits,
//! webjobd's own lines wait here, up to a bound. Why it was refused can be asked.

use std::{
    fs::File,
    io, mem,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    current::Current,
    pack::Packer,
    parts::{self, LogName},
};
use crate::{
    model::{
        id::Instance,
        log::{Level, LineStyle, LogPolicy, SYS_HELD_BYTES_MAX, Source},
        time::Now,
    },
    os::file,
};

/// Whether other hosts may write a log of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The log of one run, or of a folder that no other host has.
    Sole,
    /// Whoever comes first has the name; another host writes to `job_log_{instance}.txt`.
    Shared,
}

/// What all logs have alike that one host writes.
#[derive(Clone, Debug)]
pub struct Alike {
    /// The instance's whole name, which its own log is called by.
    pub instance: Instance,
    /// How lines begin.
    pub style: Arc<LineStyle>,
    /// Who packs what was rolled.
    pub packer: Packer,
}

/// Which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The folder it lies in.
    pub dir: Arc<Path>,
    /// What its current file is called.
    pub name: LogName,
    /// Who else may want it.
    pub sharing: Sharing,
}

/// Where a log stands: kept by a run, so that its lines can be found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// The log that is really written, which on a shared folder may be this instance's own.
    pub name: LogName,
    /// The offset at which the next line goes.
    pub offset: u64,
}

/// Writes one log. There is one writer of a log in a process, shared by `Arc`.
#[derive(Debug)]
pub struct LogWriter {
    file: LogFile,
    alike: Arc<Alike>,
    state: Mutex<State>,
    end: Mutex<End>,
}

/// Where a log ends. Under a lock of its own: who asks does not wait for the disk.
#[derive(Debug, Default)]
struct End {
    /// 0 until the log is opened for the first time.
    offset: u64,
    /// Made for the first who wants to hear of it; most logs grow unheard.
    told: Option<watch::Sender<u64>>,
}

#[derive(Debug)]
struct State {
    policy: LogPolicy,
    current: Option<Current>,
    /// webjobd's own lines that are not written yet.
    held: Vec<u8>,
    /// Bytes of such lines beyond the bound.
    lost: usize,
    /// Why the last write failed, and why the last roll did.
    problem: Option<Box<str>>,
    roll_problem: Option<Box<str>>,
    is_retired: bool,
}

impl LogWriter {
    /// Makes the writer of a log; nothing is opened yet.
    pub fn new(file: LogFile, alike: Arc<Alike>, policy: LogPolicy) -> Self {
        let state = State {
            policy,
            current: None,
            held: Vec::new(),
            lost: 0,
            problem: None,
            roll_problem: None,
            is_retired: false,
        };
        Self { file, alike, state: Mutex::new(state), end: Mutex::default() }
    }

    /// Appends whole lines, and returns how many bytes of them were taken, at a line's end. Fewer than all means that
    /// the log cannot be written for now: [`Self::problem`] says why, and the rest is to be offered again.
    pub fn append(&self, lines: &[u8], now: Now) -> usize {
        let mut state = self.state();
        let mut taken = 0;
        let written = self.write_held(&mut state, now).and_then(|()| self.write(&mut state, lines, &mut taken, now));
        self.note(&mut state, written);
        if state.is_retired { lines.len() } else { taken }
    }

    /// Writes a line of webjobd's own. A text of several lines has one beginning. When it cannot be written now, it is
    /// kept and goes before the next line that can.
    pub fn sys(&self, level: Level, now: Now, text: &str) {
        self.sys_before(level, now, text);
        self.flush(now);
    }

    /// Keeps a line of webjobd's own for another that follows at once, or for [`Self::flush`]: they are written in one go.
    pub fn sys_before(&self, level: Level, now: Now, text: &str) {
        let mut state = self.state();
        if !state.is_retired {
            self.hold(&mut state, level, now, text);
        }
    }

    /// Writes the lines that were kept.
    pub fn flush(&self, now: Now) {
        let mut state = self.state();
        // Where nothing is written, nothing is learned of why the last write failed.
        if !state.is_retired && (!state.held.is_empty() || state.lost > 0) {
            let written = self.write_held(&mut state, now);
            self.note(&mut state, written);
        }
    }

    fn hold(&self, state: &mut State, level: Level, now: Now, text: &str) {
        let n_before = state.held.len();
        self.alike.style.prefix(&mut state.held, now.wall, Source::Sys, level);
        for (n, line) in text.trim_end().split('\n').enumerate() {
            state.held.extend_from_slice(if n > 0 { b"\n" } else { b"" });
            state.held.extend_from_slice(line.trim_end_matches('\r').as_bytes());
        }
        state.held.push(b'\n');
        if n_before > 0 && state.held.len() > SYS_HELD_BYTES_MAX {
            state.lost += state.held.len() - n_before;
            state.held.truncate(n_before);
        }
    }

    /// Returns the folder it lies in.
    pub fn dir(&self) -> &Arc<Path> {
        &self.file.dir
    }

    /// Returns what the log is called that nobody else may want.
    pub fn name(&self) -> &LogName {
        &self.file.name
    }

    /// Returns which log is written and where it stands; opens it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn position(&self, now: Now) -> io::Result<LogPosition> {
        let mut state = self.state();
        // What cannot be written now goes before the next line.
        let _ = self.write_held(&mut state, now);
        let current = self.opened(&mut state, now)?;
        let position = LogPosition { name: current.name().clone(), offset: current.end() };
        self.tell(&state);
        Ok(position)
    }

    /// Returns a channel that holds the offset at which the log ends; 0 until it is opened for the first time. A change
    /// means: look again.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        let End { offset, told } = &mut *self.end();
        told.get_or_insert_with(|| watch::Sender::new(*offset)).subscribe()
    }

    /// Says why the last write failed, as a sentence for people; `None` when it did not.
    pub fn problem(&self) -> Option<String> {
        let state = self.state();
        state.problem.as_ref().or(state.roll_problem.as_ref()).map(ToString::to_string)
    }

    /// Sets how much is kept from now on.
    pub fn set_policy(&self, policy: LogPolicy) {
        self.state().policy = policy;
    }

    /// Removes what the policy no longer keeps. Rolling does it too; this is for a log in which nothing happens.
    ///
    /// # Errors
    /// When a part cannot be removed.
    pub fn prune(&self, now: Now) -> io::Result<()> {
        let state = self.state();
        let name = state.current.as_ref().map_or(&self.file.name, Current::name);
        parts::prune(&self.file.dir, name, &state.policy, now.wall).map(drop)
    }

    /// Closes the file, and lets other hosts have the log; the next line opens it again.
    pub fn release(&self) {
        self.state().current = None;
    }

    /// Closes the log for good: its job was deleted, and a late line must not bring its folder back.
    pub fn retire(&self) {
        let mut state = self.state();
        state.is_retired = true;
        state.current = None;
        state.held = Vec::new();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_held(&self, state: &mut State, now: Now) -> io::Result<()> {
        if state.lost > 0 {
            self.alike.style.prefix(&mut state.held, now.wall, Source::Sys, Level::Warn);
            let text = format!("{} bytes of webjobd's own lines are missing here\n", state.lost);
            state.held.extend_from_slice(text.as_bytes());
            state.lost = 0;
        }
        let held = mem::take(&mut state.held);
        let mut taken = 0;
        let written = self.write(state, &held, &mut taken, now);
        if taken < held.len() {
            state.held = held[taken..].to_vec();
        }
        written
    }

    fn write(&self, state: &mut State, lines: &[u8], taken: &mut usize, now: Now) -> io::Result<()> {
        if state.is_retired || lines.is_empty() {
            return Ok(());
        }
        let mut size_max = state.policy.max_size.max(1);
        self.opened(state, now)?.look(now)?;
        while *taken < lines.len() {
            let rest = &lines[*taken..];
            let current = self.opened(state, now)?;
            let n = current.fitting(rest, size_max);
            if n > 0 {
                current.append(&rest[..n])?;
                *taken += n;
                continue;
            }
            let rolled = self.roll(state, now);
            if rolled.is_err() {
                // Better a file over its bound than a job that waits.
                size_max = u64::MAX;
            }
            state.roll_problem = rolled.err().map(|error| self.sentence("roll", &error));
        }
        Ok(())
    }

    fn roll(&self, state: &mut State, now: Now) -> io::Result<()> {
        let policy = state.policy;
        let current = self.opened(state, now)?;
        self.alike.packer.submit(current.roll()?);
        parts::prune(&self.file.dir, current.name(), &policy, now.wall)?.drop_aside();
        Ok(())
    }

    fn opened<'a>(&self, state: &'a mut State, now: Now) -> io::Result<&'a mut Current> {
        let current = match state.current.take() {
            Some(current) => current,
            None => self.open(&state.policy, now)?,
        };
        Ok(state.current.insert(current))
    }

    fn open(&self, policy: &LogPolicy, now: Now) -> io::Result<Current> {
        let dir = &self.file.dir;
        let is_made = file::create_missing(dir)?;
        let (name, lock, is_new) = match self.file.sharing {
            Sharing::Sole => (self.file.name.clone(), None, is_made),
            Sharing::Shared => choose(dir, &self.file.name, self.alike.instance.as_str(), is_made)?,
        };
        let (current, parts) = Current::open(dir, name, lock, is_new, now)?;
        if !parts.is_empty() {
            // What an earlier host left undone. A log that cannot be tidied can still be written.
            let _ = parts::remove_halves(dir, current.name());
            let _ = parts::prune(dir, current.name(), policy, now.wall);
            for part in parts.iter().filter(|part| part.is_plain && !part.is_empty()) {
                self.alike.packer.submit(dir.join(current.name().part(part.start, part.end)));
            }
        }
        Ok(current)
    }

    /// Remembers how a write went, and tells followers.
    fn note(&self, state: &mut State, written: io::Result<()>) {
        match written {
            Ok(()) => state.problem = None,
            Err(error) => state.problem = Some(self.sentence("write", &error)),
        }
        self.tell(state);
    }

    fn tell(&self, state: &State) {
        let Some(now) = state.current.as_ref().map(Current::end) else { return };
        let End { offset, told } = &mut *self.end();
        if mem::replace(offset, now) != now
            && let Some(told) = told
        {
            told.send_replace(now);
        }
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sentence(&self, verb: &str, error: &io::Error) -> Box<str> {
        let path = self.file.dir.join(self.file.name.current());
        format!("failed to {verb} the log `{}`: {error}", path.display()).into()
    }
}

/// Takes the log of this name, or this instance's own while another host has it; tells whether nobody wrote there before.
fn choose(dir: &Path, name: &LogName, instance: &str, is_new: bool) -> io::Result<(LogName, Option<File>, bool)> {
    let path = dir.join(name.lock());
    // Another host may have come and gone between the folder and its lock. It left the lock's file then.
    if is_new && let Some(lock) = file::try_lock_new(&path)? {
        return Ok((name.clone(), Some(lock), true));
    }
    match file::try_lock(&path)? {
        Some(lock) => Ok((name.clone(), Some(lock), false)),
        None => Ok((name.of_instance(instance), None, false)),
    }
}

#[cfg(test)]
mod tests;

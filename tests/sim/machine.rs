//! The simulated machine below the hosts: clocks, a queue of things to come, a disk, processes, and the tale of it all.
//!
//! Time passes only from one thing in the queue to the next.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use webjobd::{
    decide::life::LifeEvent,
    model::{
        hint::Hint,
        id::{JobId, RunId},
        job::ContentHash,
        time::{Mono, Now, Wall},
    },
};

use crate::{
    check::Check,
    disk::Disk,
    process::{Process, Run},
    random::Random,
    user::Edit,
};

/// How many events a failure shows.
const TOLD_MAX: usize = 60;

/// Which run, on which host.
pub type RunKey = (usize, JobId, RunId);

/// Something that will happen.
#[derive(Clone, Debug)]
pub enum Thing {
    /// A run's task tells its actor.
    Fact { host: usize, epoch: u32, job: JobId, run: RunId, event: LifeEvent },
    /// A host's spawner starts the process of a run.
    Spawn(RunKey, u32),
    /// A process ends, unless it has.
    Exit(u32, i32),
    /// A process closes its output.
    Close(u32),
    /// A folder is seen to change.
    Hint { host: usize, epoch: u32, hint: Hint },
    /// Somebody asks a host to read all folders.
    Rescan(usize),
    /// Somebody edits a folder.
    Edit(Edit),
    /// Somebody, or nature, does something.
    Deed,
    /// Somebody fills a folder anew.
    Upload(JobId),
    /// A host starts.
    Start(usize),
    /// Something must hold now.
    Check(Check),
}

/// How often things go wrong, in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A process cannot be started.
    pub spawn: u64,
    /// A working copy cannot be made.
    pub copy: u64,
    /// The disk takes no record and no journal line.
    pub full: u64,
    /// A change of a folder is not announced.
    pub deaf: u64,
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    /// All luck.
    pub random: Random,
    /// The monotonic clock.
    pub mono: Mono,
    /// By how much the wall clock is ahead of it.
    pub ahead: jiff::SignedDuration,
    queue: BTreeMap<(Mono, u64), Thing>,
    placed: u64,
    /// The disk.
    pub disk: Disk,
    /// Processes that live.
    pub processes: BTreeMap<u32, Process>,
    /// Runs that have tasks.
    pub runs: BTreeMap<RunKey, Run>,
    /// The newest process.
    pub pids: u32,
    /// Contents of which a host has a working copy.
    pub ready: BTreeSet<(usize, JobId, ContentHash)>,
    /// When each folder was last changed or removed.
    pub edited: BTreeMap<JobId, Mono>,
    /// When the newest fact of each run arrives.
    pub told: BTreeMap<RunKey, Mono>,
    /// How often things go wrong.
    pub faults: Faults,
    /// The host that acts is gone after so many more effects.
    pub fuse: Option<u32>,
    /// Whether the host that acts is gone.
    pub is_burnt: bool,
    /// Jobs whose journal did not take a line: their due times cannot be held to their promises.
    pub torn: BTreeSet<JobId>,
    /// Jobs whose journal was begun anew because the clock was wrong.
    pub resets: BTreeSet<JobId>,
    /// How many hosts there are.
    pub n_hosts: usize,
    tale: VecDeque<(Now, String)>,
    tells: bool,
}

impl Machine {
    /// Makes an empty machine.
    pub fn new(random: Random, wall: Wall, tells: bool) -> Self {
        Self {
            random,
            mono: Mono::at(Duration::from_secs(1000)),
            ahead: wall.duration_since(Wall::UNIX_EPOCH),
            queue: BTreeMap::new(),
            placed: 0,
            disk: Disk::default(),
            processes: BTreeMap::new(),
            runs: BTreeMap::new(),
            edited: BTreeMap::new(),
            told: BTreeMap::new(),
            pids: 100,
            ready: BTreeSet::new(),
            faults: Faults::default(),
            fuse: None,
            is_burnt: false,
            torn: BTreeSet::new(),
            resets: BTreeSet::new(),
            n_hosts: 1,
            tale: VecDeque::new(),
            tells,
        }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        Now { mono: self.mono, wall: self.wall_at(self.mono) }
    }

    fn wall_at(&self, mono: Mono) -> Wall {
        let since = jiff::SignedDuration::try_from(mono.since_start()).expect("a short time");
        Wall::UNIX_EPOCH + self.ahead + since
    }

    /// Returns when the wall clock will show `wall`.
    pub fn mono_of(&self, wall: Wall) -> Mono {
        let left = wall.duration_since(self.now().wall);
        self.mono + Duration::try_from(left).unwrap_or(Duration::ZERO)
    }

    /// Lets something happen after a while.
    pub fn after(&mut self, delay: Duration, thing: Thing) {
        self.placed += 1;
        self.queue.insert((self.mono + delay, self.placed), thing);
    }

    /// Returns when the next thing happens.
    pub fn next(&self) -> Option<Mono> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next thing.
    pub fn take(&mut self) -> Option<Thing> {
        let ((at, _), thing) = self.queue.pop_first()?;
        self.mono = self.mono.max(at);
        Some(thing)
    }

    /// Tells what happens.
    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        let event = (self.now(), text());
        if self.tells {
            eprint!("{}", line(&event));
        }
        if self.tale.len() == TOLD_MAX {
            self.tale.pop_front();
        }
        self.tale.push_back(event);
    }

    /// Returns the last that was told.
    pub fn tale(&self) -> String {
        self.tale.iter().map(line).collect()
    }

    /// Tells whether the host that acts may still do something: its crash may come between any two effects.
    pub fn acts(&mut self) -> bool {
        match &mut self.fuse {
            _ if self.is_burnt => return false,
            None => return true,
            Some(0) => {}
            Some(left) => {
                *left -= 1;
                return true;
            }
        }
        self.is_burnt = true;
        self.fuse = None;
        false
    }

    /// Tells whether the disk takes something now.
    pub fn writes(&mut self) -> bool {
        let full = self.faults.full;
        self.acts() && !self.random.per_mille(full)
    }

    /// Lets nobody do anything any more.
    pub fn drop_deeds(&mut self) {
        self.queue.retain(|_, thing| {
            !matches!(thing, Thing::Deed | Thing::Upload(_) | Thing::Edit(_) | Thing::Start(_) | Thing::Check(_))
        });
    }
}

fn line((now, text): &(Now, String)) -> String {
    format!("{:>12.3} {} {text}\n", now.mono.since_start().as_secs_f64(), now.wall.strftime("%m-%d %H:%M:%S"))
}

//! One copy of a continuous job: its state, the life on its way, and how it is shown.

use crate::{
    decide::{
        life::Life,
        supervise::{IdleWhy, Policy, State},
    },
    host::{publish, run::Body, view::CopyView},
    model::{
        id::RunId,
        status::{StateWord, Status},
        stop::StopReason,
        time::{Now, Wall},
    },
};

/// One copy.
#[derive(Debug)]
pub struct Copy {
    number: usize,
    /// Where in the spread of a delay it lies, in 0..1.
    pub luck: f64,
    /// Where it is on its way.
    pub state: State,
    /// The policy that the life on its way keeps, where the job's settings have moved on without it.
    pub policy: Option<Box<Policy>>,
    /// The life on its way.
    pub body: Option<Body>,
    /// Whether the settings no longer ask for it: it goes when it is idle.
    pub is_leaving: bool,
    /// Whether the settings ask for it again before it had gone.
    pub is_back: bool,
    since: Wall,
    word: StateWord,
}

impl Copy {
    /// Makes a copy that does nothing yet.
    pub fn new(number: usize, luck: f64, now: Wall) -> Self {
        Self {
            number,
            luck,
            state: State::new(),
            policy: None,
            body: None,
            is_leaving: false,
            is_back: false,
            since: now,
            word: StateWord::Initializing,
        }
    }

    /// Moves on to another state.
    pub fn set(&mut self, state: State, now: Now) {
        self.state = state;
        let word = word(&self.state);
        // A standby that tries again is still one.
        let tries = matches!(self.state, State::Claiming { .. }) && self.word == StateWord::Standby;
        if word != self.word && !tries {
            self.word = word;
            self.since = now.wall;
        }
    }

    /// Returns the life on its way.
    pub fn run(&self) -> Option<RunId> {
        self.body.as_ref().map(|body| body.record.id)
    }

    /// Tells whether nothing of it runs or will by itself.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// Tells whether it was never asked for.
    pub fn is_new(&self) -> bool {
        matches!(self.state, State::Idle { why: IdleWhy::New })
    }

    /// Tells whether its process is being started.
    pub fn is_spawning(&self) -> bool {
        matches!(self.state, State::Up { life: Life::Spawning { .. }, .. })
    }

    /// Shows it.
    pub fn view(&self, now: Now) -> CopyView {
        let until = self.state.next_deadline().filter(|_| shows_deadline(&self.state));
        let status = Status {
            state: self.word,
            reason: reason(&self.state).map(Into::into),
            since: self.since,
            until: until.map(|until| publish::wall_of(until, now)),
        };
        CopyView {
            copy: u32::try_from(self.number).unwrap_or(u32::MAX),
            status,
            pid: self.body.as_ref().and_then(|body| body.record.pid),
            run: self.run(),
            port: self.body.as_ref().and_then(|body| body.port),
        }
    }
}

fn word(state: &State) -> StateWord {
    match state {
        State::Idle { why } => match why {
            IdleWhy::New => StateWord::Initializing,
            IdleWhy::Stopped(StopReason::Disabled { .. }) => StateWord::Disabled,
            IdleWhy::Stopped(_) => StateWord::Stopped,
            IdleWhy::Done(_) => StateWord::Done,
        },
        State::Claiming { .. } => StateWord::Starting,
        State::Standby { .. } => StateWord::Standby,
        State::Up { life, .. } => publish::life_word(life),
        State::Backoff { .. } => StateWord::Backoff,
    }
}

fn reason(state: &State) -> Option<String> {
    match state {
        State::Idle { why } => match why {
            IdleWhy::New => None,
            IdleWhy::Stopped(reason) => Some(reason.to_string()),
            IdleWhy::Done(why) => Some(why.clone()),
        },
        State::Claiming { .. } => None,
        State::Standby { .. } => Some("another host runs it; this one takes over when that ends".to_owned()),
        State::Up { life, .. } => publish::life_reason(life),
        State::Backoff { in_a_row, why, .. } => Some(format!("{why}; restart {in_a_row} in a row is due")),
    }
}

/// A deadline of a healthy life (its timeout, the next look for idleness) is no news.
fn shows_deadline(state: &State) -> bool {
    match state {
        State::Up { life, .. } => !matches!(life, Life::Running { .. }),
        State::Idle { .. } | State::Claiming { .. } | State::Standby { .. } | State::Backoff { .. } => true,
    }
}

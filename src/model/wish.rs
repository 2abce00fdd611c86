//! What people asked of jobs beyond their folders: to stop, to pause, to be off. The host keeps it over restarts.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::model::time::Wall;

/// That a job was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Wall,
}

/// That schedules start no runs for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// By whom.
    pub by: String,
    /// Since when.
    pub at: Wall,
    /// Until when; until somebody says so, when not given. At this moment it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Wall>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// That a job was enabled or disabled, whatever its settings say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Which of both.
    pub enabled: bool,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Wall,
}

/// All that was asked of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// That it was stopped.
    pub stopped: Option<Stopped>,
    /// That it was paused, over or not.
    pub paused: Option<Pause>,
    /// That all jobs were.
    pub all_paused: Option<Pause>,
    /// That it was enabled or disabled.
    pub switch: Option<Switch>,
}

/// What was asked of one job, in next to no room while that is nothing, as it is for most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked(Option<Box<Wishes>>);

impl From<Wishes> for Asked {
    fn from(wishes: Wishes) -> Self {
        Self((wishes != NOTHING).then(|| Box::new(wishes)))
    }
}

impl Deref for Asked {
    type Target = Wishes;

    fn deref(&self) -> &Wishes {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

static NOTHING: Wishes = Wishes { stopped: None, paused: None, all_paused: None, switch: None };

/// Something to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Let schedules start no runs.
    Pause {
        /// Until when.
        until: Option<Wall>,
        /// Why, for people.
        reason: Option<String>,
    },
    /// Let schedules start runs again.
    Resume,
    /// Let the job run, whatever its settings say.
    Enable,
    /// Let the job not run, whatever its settings say.
    Disable,
}

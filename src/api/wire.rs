//! The shapes of `/api/v1` as JSON: what the command line and other programs read and write. Kudu's own shapes are in
//! `api::kudu`.
//!
//! Times are RFC 3339 in UTC. Members without a value are left out. New members may come; none changes its meaning.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{
    id::JobKind,
    job::Problem,
    run::{Occurrence, Outcome, Trigger},
    status::{StateWord, Status},
    time::Wall,
};

/// One job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobWire {
    /// Its kind.
    pub kind: JobKind,
    /// Its name.
    pub name: String,
    /// Its state's word.
    pub state: StateWord,
    /// Its state, with reason and deadline.
    pub status: Status,
    /// What `settings.job` says of it for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The script, relative to its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_command: Option<String>,
    /// Defects and warnings, the worst first.
    pub problems: Vec<Problem>,
    /// A continuous job's copies on this host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopyWire>,
    /// Runs on their way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active: Vec<RunWire>,
    /// The newest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<RunWire>,
    /// When it is due next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Wall>,
    /// Its schedules' expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<String>,
    /// Restarts since the host started.
    pub restarts: u64,
    /// `settings.job` as written.
    pub settings: Map<String, Value>,
}

/// One copy of a continuous job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CopyWire {
    /// Its number, from 0.
    pub copy: u32,
    /// Its state.
    #[serde(flatten)]
    pub status: Status,
    /// Its process group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its life on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunWire {
    /// Its id.
    pub id: String,
    /// Whose it is, as `kind/name`.
    pub job: String,
    /// Where it is on its way.
    pub phase: PhaseWire,
    /// What we conclude, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it ended, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its exit code as a shell shows it: a signal is 128 and its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The number of the signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why it began.
    pub trigger: Trigger,
    /// The same for people.
    pub trigger_text: String,
    /// 1, or more for a retry.
    pub attempt: u32,
    /// Its arguments as one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// When it was accepted.
    pub started: Wall,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Wall>,
    /// How long it took, or takes up to now, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The host it runs on.
    pub instance: String,
    /// Which copy of a continuous job.
    pub copy: u32,
    /// Its process group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Hash of the content that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Where a run is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseWire {
    /// Accepted; not running yet.
    Starting,
    /// Its process lives.
    Running,
    /// It has ended.
    Ended,
}

/// The body of a request for a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Its arguments, one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
}

/// A page of runs, newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunsWire {
    /// The runs.
    pub runs: Vec<RunWire>,
    /// What to ask with as `cursor` for the next page, when there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A due time to come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComingWire {
    /// Whose, as `kind/name`.
    pub job: String,
    /// When, in UTC.
    pub due: Wall,
    /// When, in the schedule's zone.
    pub local: String,
    /// The schedule's expression.
    pub expression: String,
    /// The schedule's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How a change of the clocks moves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// What became of due times, newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OccurrencesWire {
    /// The due times.
    pub occurrences: Vec<Occurrence>,
}

/// An error: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProblemWire {
    /// A stable word for programs.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, in few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here and what to do.
    pub detail: String,
}

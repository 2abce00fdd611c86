//! The shapes of `/api/v1` as JSON: what the command line and other programs read and write. Kudu's own shapes are in
//! `api::kudu`.
//!
//! Times are RFC 3339 in UTC. Members without a value are left out. New members may come; none changes its meaning.

pub mod line;
pub mod params;

pub use self::line::{EndedWire, FoundWire, LineWire, SearchedWire, SourceWire};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::model::{
    id::JobKind,
    job::Problem,
    run::{Occurrence, Outcome, Trigger},
    status::{StateWord, Status},
    time::Wall,
};

/// One job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
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
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next: Option<Wall>,
    /// That its schedules are paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<PauseWire>,
    /// Its schedules' expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<String>,
    /// Restarts since the host started.
    pub restarts: u64,
    /// `settings.job` as written.
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
}

/// That schedules start no runs for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseWire {
    /// By whom.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Wall,
    /// Until when; until somebody resumes it, when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Wall>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether all jobs are paused by it.
    pub all: bool,
}

/// The body of a request for a pause.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Until when, which must lie ahead; until somebody resumes it, when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Wall>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

/// One copy of a continuous job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Copy)]
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
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Run)]
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
    #[schema(value_type = String, format = DateTime)]
    pub started: Wall,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Phase)]
pub enum PhaseWire {
    /// Accepted; not running yet.
    Starting,
    /// Its process lives.
    Running,
    /// It has ended.
    Ended,
}

/// The body of a request for a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Its arguments, one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
}

/// Several runs, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Runs)]
pub struct RunsWire {
    /// The runs.
    pub runs: Vec<RunWire>,
}

/// A due time to come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Coming)]
pub struct ComingWire {
    /// Whose, as `kind/name`.
    pub job: String,
    /// When, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub due: Wall,
    /// When, in the schedule's zone.
    pub local: String,
    /// The schedule's expression.
    pub expression: String,
    /// The schedule's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How a change of the clocks moves it, or that it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// What became of due times, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Occurrences)]
pub struct OccurrencesWire {
    /// The due times.
    pub occurrences: Vec<Occurrence>,
    /// Where to go on, when there are more: `cursor` of the next question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What a text would mean as a `settings.job`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Checked)]
pub struct CheckedWire {
    /// Whether a job could run with it: no problem is fatal.
    pub usable: bool,
    /// Every problem, in the order of the text.
    pub problems: Vec<Problem>,
    /// The next due times, when it has schedules.
    pub next: Vec<ComingWire>,
}

/// Something that happened on the host: data of a server-sent event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Event)]
pub struct EventWire {
    /// Its number, which grows over restarts of the host.
    pub id: u64,
    /// What happened, in a word: `state_changed`, `removed`, `problems_changed`, `run_began`, `run_started`, `run_ended`,
    /// `occurred`.
    pub event: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Wall,
    /// Whose, as `kind/name`.
    pub job: String,
    /// Its state now, where that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Its problems now, where they have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problems: Option<Vec<Problem>>,
    /// The run that began, started or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunWire>,
    /// The due time that has its outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<Occurrence>,
}

/// An error: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
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
    /// The path that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The line in the body, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in that line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

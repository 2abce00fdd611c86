//! The shapes of lines of logs: followed, and found.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RunWire;
use crate::model::{log::Level, time::Wall};

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Source)]
pub enum SourceWire {
    /// The job, on standard output.
    Stdout,
    /// The job, on standard error.
    Stderr,
    /// webjobd.
    Sys,
}

/// One line of a log. `stamp` and `text` together are the line as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Line)]
pub struct LineWire {
    /// The offset of its first byte in the log, which never changes.
    pub offset: u64,
    /// The run that wrote it, where the log is that run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When it was written; missing for a line without a beginning of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub time: Option<Wall>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceWire>,
    /// How much it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Its beginning on disk: time, instance and level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// What it says.
    pub text: String,
}

/// That a run's log is over: data of the event `end`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Ended)]
pub struct EndedWire {
    /// The run.
    pub run: String,
    /// What became of it, while its record is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RunWire>,
}

/// A line that was found: one line of the answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Found)]
pub struct FoundWire {
    /// The line.
    #[serde(flatten)]
    pub line: LineWire,
    /// Lines before it, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<LineWire>,
    /// Lines after it, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<LineWire>,
}

/// The last line of the answer: the search was not broken off.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Searched)]
pub struct SearchedWire {
    /// Always true: so that it is told from a line that was found.
    pub end: bool,
    /// How many lines were found.
    pub found: u64,
    /// How many bytes were looked through.
    pub bytes: u64,
    /// Whether there may be more than `limit`.
    pub is_cut: bool,
}

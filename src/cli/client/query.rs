//! What the command line asks the API with: the parameters of its queries.

use serde::Serialize;

use crate::model::time::Wall;

/// Which runs are asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunQuery {
    /// Whose, as `kind/name`; everybody's when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Only those that failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// Only those that began at or after this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Wall>,
    /// Only those that stand like this: one status or several, by comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// At most so many, the newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where to go on: the `next_cursor` of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Which lines of a log are asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogQuery {
    /// Only those of this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// At most so many, the last ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<usize>,
    /// Only those written at or after this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Wall>,
    /// Only those that the job wrote to standard error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stderr: bool,
    /// Whether lines to come are sent too, until the run ends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
}

/// What is looked for in a log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SearchQuery {
    /// The regular expression.
    pub q: String,
    /// Always true.
    pub regex: bool,
    /// Whether case does not matter.
    pub ignore_case: bool,
    /// Only in this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Only lines written at or after this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Wall>,
    /// Only those that the job wrote to standard error.
    pub stderr: bool,
    /// So many lines before and after.
    pub context: usize,
    /// At most so many.
    pub limit: usize,
    /// `newest` or `oldest`, first.
    pub order: &'static str,
}

/// Which coming due times are asked for.
#[derive(Serialize)]
pub struct NextQuery {
    /// How many.
    pub count: usize,
    /// From when on; from now when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Wall>,
}

//! A deployment: a zip with jobs that somebody sent, and what became of it. Kept as JSON.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::time::Wall;

/// The name of a deployment: 32 hexadecimal digits, those of later ones being larger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentId(Box<str>);

/// A text is no name of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a deployment: it has 32 hexadecimal digits")]
pub struct NotADeployment(String);

/// How far a deployment is, with Kudu's numbers (spec/kudu-webjobs 8.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It has not begun.
    Pending = 0,
    /// Its zip is taken apart and looked at.
    Building = 1,
    /// Its jobs are put in place.
    Deploying = 2,
    /// It failed: every job is as it was.
    Failed = 3,
    /// Its jobs are in place.
    Success = 4,
}

/// Who sent a zip and why, as they say themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Who wrote what is in it.
    pub author: String,
    /// Where to reach them.
    pub author_email: String,
    /// What sent it.
    pub deployer: String,
    /// What it is.
    pub message: String,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its name.
    pub id: DeploymentId,
    /// How far it is.
    pub stage: Stage,
    /// What there is to say of that: why it failed, or what it does.
    pub text: String,
    /// Who and why.
    pub about: About,
    /// When the zip had come.
    pub received: Wall,
    /// When it was last begun.
    pub started: Option<Wall>,
    /// When it ended.
    pub ended: Option<Wall>,
    /// When it ended well, last.
    pub succeeded: Option<Wall>,
    /// The jobs that it put in place: `kind/name`.
    pub jobs: Vec<String>,
}

/// A line of what a deployment says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentLine {
    /// When.
    pub at: Wall,
    /// What.
    pub message: String,
    /// Whether it went wrong.
    pub is_error: bool,
}

impl DeploymentId {
    /// Makes a name of the moment and a random number.
    pub fn at(now: Wall, random: u64) -> Self {
        let micros = u64::try_from(now.as_microsecond()).unwrap_or(0);
        Self(format!("{micros:016x}{random:016x}").into())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deployment {
    /// Tells whether nothing more becomes of it.
    pub fn is_complete(&self) -> bool {
        match self.stage {
            Stage::Failed | Stage::Success => true,
            Stage::Pending | Stage::Building | Stage::Deploying => false,
        }
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DeploymentId {
    type Err = NotADeployment;

    fn from_str(text: &str) -> Result<Self, NotADeployment> {
        let is_id = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id { Ok(Self(text.into())) } else { Err(NotADeployment(text.to_owned())) }
    }
}

impl TryFrom<String> for DeploymentId {
    type Error = NotADeployment;

    fn try_from(text: String) -> Result<Self, NotADeployment> {
        text.parse()
    }
}

impl From<DeploymentId> for String {
    fn from(id: DeploymentId) -> Self {
        id.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_with_time_and_are_read_back() {
        let at = |text: &str, random| DeploymentId::at(text.parse().expect("a time"), random);
        let (first, second) = (at("2026-01-01T00:00:00Z", u64::MAX), at("2026-01-01T00:00:00.000001Z", 0));
        assert!(first < second && first.as_str().len() == 32, "{first} {second}");
        assert_eq!(first.as_str().parse(), Ok(first));
        for bad in ["", "latest", "../../../../etc/passwd", "0123456789ABCDEF0123456789ABCDEF", &"0".repeat(33)] {
            assert!(bad.parse::<DeploymentId>().is_err(), "{bad}");
        }
    }
}

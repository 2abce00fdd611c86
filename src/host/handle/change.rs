//! Why something that all hosts of a root share was not changed.

/// Why something that all hosts of a root share was not changed; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// What was sent makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Another host has been writing it for too long.
    #[error("another host is writing {0}; try again")]
    Busy(&'static str),
    /// The machine did not do it.
    #[error("{0}")]
    Failed(String),
}

impl ChangeError {
    /// Makes an error of what the machine reported, with its causes.
    pub fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        Self::Failed(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

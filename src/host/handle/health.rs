//! How the host itself is: for probes, for whoever started it, and its numbers.

use std::{error::Error, time::Duration};

use super::{Command, CommandError, HostHandle};
use crate::{
    host::{metrics::JobUsage, view::JobView},
    os::{
        file::{self, Access, Durability, FileError},
        process,
    },
};

/// How long the host may take to answer that it is alive. It answers within a millisecond, but for a disk that hangs.
pub const ANSWER_MAX: Duration = Duration::from_secs(5);

impl HostHandle {
    /// Tells whether the heart of the host beats: it takes commands and answers.
    pub async fn is_alive(&self) -> bool {
        let asked = self.ask(|reply| Command::Ping { reply });
        matches!(tokio::time::timeout(ANSWER_MAX, asked).await, Ok(Ok(())))
    }

    /// Tells whether the host can do its work: every folder has been read once, and its data folder takes a file.
    ///
    /// # Errors
    /// When it cannot: why, for people.
    pub async fn is_ready(&self) -> Result<(), String> {
        if !self.view().is_ready() {
            return Err("the job folders are being read for the first time".to_owned());
        }
        let path = self.layout().host().join("probe");
        let write = move || file::write_whole(&path, b"ready\n", Durability::Lazy, Access::Usual);
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Ok(()),
            // The cause alone: whoever asks need not be logged in, and paths are not for everybody.
            Ok(Err(error)) => Err(format!("the data folder takes no file: {}", cause(&error))),
            Err(error) => Err(format!("the data folder was not tried: {error}")),
        }
    }

    /// Returns the host's numbers, as text for a monitoring system.
    ///
    /// # Errors
    /// When the work was not done.
    pub async fn metrics(&self) -> Result<String, CommandError> {
        let handle = self.clone();
        let read = tokio::task::spawn_blocking(move || handle.metrics_now()).await;
        read.map_err(|error| CommandError::Failed(format!("the numbers could not be read: {error}")))
    }

    fn metrics_now(&self) -> String {
        let jobs = self.view().jobs();
        self.view().metrics().text(&jobs, usage)
    }
}

fn cause(error: &FileError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

fn usage(job: &JobView) -> Option<JobUsage> {
    let pids = job.active.iter().filter_map(|run| run.pid);
    pids.filter_map(process::usage)
        .map(|used| JobUsage { memory: used.memory, cpu: used.cpu })
        .reduce(|sum, one| JobUsage { memory: sum.memory + one.memory, cpu: sum.cpu + one.cpu })
}

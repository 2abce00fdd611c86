//! The processes of the host and of its jobs, as far as they descend from a run's leader.

use super::{CommandError, HostHandle};
use crate::{
    model::id::{JobId, RunId},
    os::{
        machine,
        process::{self, ProcessFacts},
    },
};

/// A process, and whose it is.
#[derive(Clone, Debug)]
pub struct HostProcess {
    /// What there is to tell of it.
    pub facts: ProcessFacts,
    /// The job and run that it belongs to; `None` for the host itself.
    pub run: Option<(JobId, RunId)>,
}

impl HostHandle {
    /// Lists the host's process, then those of its jobs' runs. It reads from the system: ask on a thread that may wait.
    pub fn processes(&self) -> Vec<HostProcess> {
        let own = process::facts(machine::own_pid()).map(|facts| HostProcess { facts, run: None });
        let jobs = self.view().jobs();
        let runs = jobs.iter().flat_map(|job| job.active.iter());
        let of_runs = runs.filter_map(|run| Some((run.pid?, (run.job.clone(), run.id)))).flat_map(|(leader, run)| {
            let members = process::family(leader).into_iter().filter_map(process::facts);
            members.map(move |facts| HostProcess { facts, run: Some(run.clone()) }).collect::<Vec<_>>()
        });
        own.into_iter().chain(of_runs).collect()
    }

    /// Kills one process of a run; what its run does about that is up to the run.
    ///
    /// # Errors
    /// When no run of this host has such a process, or the system refuses.
    pub async fn kill_process(&self, pid: u32, who: String) -> Result<(), CommandError> {
        let handle = self.clone();
        let kill = move || {
            let found = handle.processes().into_iter().find(|process| process.facts.id.pid == pid);
            let Some(HostProcess { facts, run: Some((job, run)) }) = found else {
                let text = format!("no run of this host has a process {pid}; GET /api/processes lists them");
                return Err(CommandError::Invalid(text));
            };
            tracing::info!(%job, %run, pid, %who, "killing a process on request");
            process::kill_one(facts.id)
                .map_err(|error| CommandError::Failed(format!("process {pid} could not be killed: {error}")))
        };
        let done = tokio::task::spawn_blocking(kill).await;
        done.map_err(|error| CommandError::Failed(format!("the work was not done: {error}")))?
    }
}

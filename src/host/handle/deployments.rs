//! Deployments: a site's zip whose jobs take their places all together, or none of them (spec/kudu-webjobs 8.12).
//!
//! ```text
//!  zip ── taken apart beside the jobs ── every job looked at ── each takes its place by one swap ── told to the host
//!                        │ a defect, or a swap that fails: all that were swapped are swapped back
//!                        └──> Failed, every job as it was
//! ```
//! One deployment runs at a time, on all hosts of a root: the lock says so, and goes with its holder. Whoever takes it next
//! marks what did not end as failed. A crash between two swaps leaves each job old or new, none in halves.

mod work;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use self::work::{Fault, Work};
use super::HostHandle;
use crate::{
    decide::deployment,
    host::deploy,
    model::{
        deployment::{About, Deployment, DeploymentId, DeploymentLine, Stage},
        dotnet,
        id::JobId,
        time::Wall,
    },
    os::lock::FileLock,
    store::{deployments::Shelf, layout::Layout},
};

/// Begins the names of folders, beside those of the kinds, in which deployments are laid out.
const STAGE: &str = ".deployment-";

/// Why a deployment did not begin, or a question about it has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Another one runs.
    #[error("a deployment is running; try again when it has ended")]
    Busy,
    /// There is no such deployment.
    #[error("there is no deployment `{0}`; GET /api/deployments lists those that are kept")]
    Missing(String),
    /// Its zip is not kept.
    #[error("the zip of deployment `{0}` is not kept any more; send it again")]
    NoPackage(DeploymentId),
    /// It is the one whose jobs are in place.
    #[error("deployment `{0}` is the active one and stays; delete it after another one succeeded")]
    Active(DeploymentId),
    /// The machine did not do it.
    #[error("{0}")]
    Failed(String),
}

/// A deployment that has begun.
#[derive(Debug)]
pub struct Deploying {
    /// What it is called.
    pub id: DeploymentId,
    /// Ends with it; it goes on when this is dropped.
    pub end: JoinHandle<Ended>,
}

/// How a deployment ended.
#[derive(Debug)]
pub struct Ended {
    /// Its record.
    pub deployment: Deployment,
    /// It failed for what was sent, not for this machine.
    pub is_senders_fault: bool,
}

impl HostHandle {
    /// Begins to deploy the zip at `package`, which it takes over.
    ///
    /// # Errors
    /// When another deployment runs, or the disk does not take it.
    pub async fn deploy(&self, package: PathBuf, about: About) -> Result<Deploying, DeployError> {
        let (host, now) = (self.clone(), self.now());
        let (lock, begun) = blocking(move || {
            let (shelf, lock) = host.lock_shelf(now)?;
            let mut random = [0; 8];
            // Without random numbers two hosts with one clock would have to begin in the same microsecond.
            let _ = getrandom::fill(&mut random);
            let deployment = Deployment {
                id: DeploymentId::at(now, u64::from_ne_bytes(random)),
                stage: Stage::Pending,
                text: String::new(),
                about,
                received: now,
                started: None,
                ended: None,
                succeeded: None,
                jobs: Vec::new(),
            };
            shelf.write(&deployment).map_err(told)?;
            let kept = shelf.take_package(&deployment.id, &package);
            kept.map_err(|error| DeployError::Failed(format!("failed to keep the zip: {error}")))?;
            Ok((lock, deployment))
        })
        .await?;
        Ok(self.begin(lock, begun))
    }

    /// Begins to deploy once more what was deployed before.
    ///
    /// # Errors
    /// When it or its zip is not kept, or another deployment runs.
    pub async fn redeploy(&self, id: &str) -> Result<Deploying, DeployError> {
        let (host, now, asked) = (self.clone(), self.now(), id.to_owned());
        let (lock, deployment) = blocking(move || {
            let (shelf, lock) = host.lock_shelf(now)?;
            let deployment = host.find_deployment(&asked)?;
            match shelf.package(&deployment.id).exists() {
                true => Ok((lock, deployment)),
                false => Err(DeployError::NoPackage(deployment.id)),
            }
        })
        .await?;
        Ok(self.begin(lock, deployment))
    }

    /// Returns the deployments that are kept, newest first, and which of them is active.
    pub async fn deployments(&self) -> (Vec<Deployment>, Option<DeploymentId>) {
        let shelf = self.shelf();
        let listed = blocking(move || Ok(shelf.list())).await.unwrap_or_default();
        let active = deployment::active(&listed).cloned();
        (listed, active)
    }

    /// Returns the lines that a deployment has said of itself.
    ///
    /// # Errors
    /// When there is no such deployment.
    pub async fn deployment_log(&self, id: &str) -> Result<(Deployment, Vec<DeploymentLine>), DeployError> {
        let (host, asked) = (self.clone(), id.to_owned());
        blocking(move || {
            let deployment = host.find_deployment(&asked)?;
            let lines = host.shelf().lines(&deployment.id);
            Ok((deployment, lines))
        })
        .await
    }

    /// Forgets a deployment; its jobs stay.
    ///
    /// # Errors
    /// When there is none, it is active or runs, or the disk does not do it.
    pub async fn forget_deployment(&self, id: &str) -> Result<(), DeployError> {
        let (host, now, asked) = (self.clone(), self.now(), id.to_owned());
        blocking(move || {
            let deployment = host.find_deployment(&asked)?;
            let (shelf, _lock) = host.lock_shelf(now)?;
            if deployment::active(&shelf.list()) == Some(&deployment.id) {
                return Err(DeployError::Active(deployment.id));
            }
            shelf.remove(&deployment.id).map_err(|error| DeployError::Failed(format!("failed to remove it: {error}")))
        })
        .await
    }

    fn shelf(&self) -> Shelf {
        Shelf::new(self.layout().deployments())
    }

    /// Finds a deployment by its id, or by `latest`.
    fn find_deployment(&self, id: &str) -> Result<Deployment, DeployError> {
        let found = match id.eq_ignore_ascii_case("latest") {
            true => self.shelf().list().into_iter().next(),
            false => id.to_ascii_lowercase().parse().ok().and_then(|id| self.shelf().read(&id)),
        };
        found.ok_or_else(|| DeployError::Missing(id.to_owned()))
    }

    fn lock_shelf(&self, now: Wall) -> Result<(Shelf, FileLock), DeployError> {
        lock(&self.config().jobs, self.layout(), now)?.ok_or(DeployError::Busy)
    }

    fn begin(&self, lock: FileLock, deployment: Deployment) -> Deploying {
        let (id, host) = (deployment.id.clone(), self.clone());
        // On its own: a client that goes does not end it.
        Deploying { id, end: tokio::spawn(async move { host.carry_out(lock, deployment).await }) }
    }

    async fn carry_out(self, lock: FileLock, mut deployment: Deployment) -> Ended {
        deployment.started = Some(self.now());
        let mut work = Work { host: self.clone(), shelf: self.shelf(), deployment: deployment.clone() };
        let placing = blocking(move || {
            let placed = work.place();
            Ok((work, placed))
        });
        let (mut work, placed) = match placing.await {
            Ok(done) => done,
            Err(error) => return Self::lost(deployment, &error),
        };
        let done = match placed {
            Ok(jobs) => self.refresh_all(&jobs).await,
            Err(fault) => Err(fault),
        };
        let is_senders_fault = matches!(done, Err(Fault::Sent(_)));
        let ending = blocking(move || {
            work.end(done.map_err(Fault::into_text));
            drop(lock);
            Ok(work.deployment)
        });
        match ending.await {
            Ok(deployment) => {
                if deployment.stage == Stage::Success {
                    self.deployed(&deployment).await;
                }
                Ended { deployment, is_senders_fault }
            }
            Err(error) => Self::lost(deployment, &error),
        }
    }

    /// A deployment whose thread was lost; the next one that begins writes that down.
    fn lost(deployment: Deployment, error: &DeployError) -> Ended {
        warn!(id = %deployment.id, %error, "a deployment was lost");
        let deployment = Deployment { stage: Stage::Failed, text: error.to_string(), ..deployment };
        Ended { deployment, is_senders_fault: false }
    }

    async fn refresh_all(&self, jobs: &[JobId]) -> Result<(), Fault> {
        for job in jobs {
            self.refresh(Some(job.clone())).await.map_err(|error| Fault::Machine(error.to_string()))?;
        }
        Ok(())
    }

    /// Tells hooks of a deployment that succeeded, as Kudu does: the event `PostDeployment`.
    async fn deployed(&self, deployment: &Deployment) {
        info!(id = %deployment.id, jobs = deployment.jobs.len(), deployer = %deployment.about.deployer, "deployed");
        if let Err(error) = self.publish("PostDeployment".to_owned(), payload(deployment)).await {
            warn!(id = %deployment.id, %error, "hooks were not told of a deployment");
        }
    }
}

/// What a hook is told of a deployment.
fn payload(deployment: &Deployment) -> String {
    let about = &deployment.about;
    let payload = serde_json::json!({
        "id": deployment.id.as_str(),
        "status": "success",
        "statusText": deployment.text,
        "authorEmail": about.author_email,
        "author": about.author,
        "message": about.message,
        "deployer": about.deployer,
        "receivedTime": dotnet::date(Some(deployment.received)),
        "startTime": dotnet::date(deployment.started),
        "endTime": dotnet::date(deployment.ended),
        "lastSuccessEndTime": dotnet::date(deployment.succeeded),
        "complete": true,
        "jobs": deployment.jobs,
    });
    format!("{payload:#}")
}

/// Takes the lock of all deployments, and marks as failed what a host that is gone left undone; `None` while another host
/// deploys.
fn lock(jobs: &Path, layout: &Layout, now: Wall) -> Result<Option<(Shelf, FileLock)>, DeployError> {
    let shelf = Shelf::new(layout.deployments());
    let path = shelf.lock().map_err(told)?;
    let failed = |error: io::Error| DeployError::Failed(format!("failed to lock `{}`: {error}", path.display()));
    let Some(lock) = FileLock::try_exclusive(&path).map_err(failed)? else { return Ok(None) };
    for deployment in shelf.list().into_iter().filter(|deployment| !deployment.is_complete()) {
        let text = "the host ended before the deployment did; each job is as it was or as it was sent".to_owned();
        let lost = Deployment { stage: Stage::Failed, text: text.clone(), ended: Some(now), ..deployment };
        let line = DeploymentLine { at: now, message: text, is_error: true };
        if let Err(error) = shelf.say(&lost.id, &line) {
            warn!(id = %lost.id, %error, "could not write the log of a deployment");
        }
        shelf.write(&lost).map_err(told)?;
    }
    let stages = fs::read_dir(jobs).into_iter().flatten().flatten();
    for stage in stages.filter(|entry| entry.file_name().to_string_lossy().starts_with(STAGE)) {
        if let Err(error) = deploy::remove(&stage.path()) {
            warn!(path = %stage.path().display(), %error, "could not remove what a deployment left");
        }
    }
    Ok(Some((shelf, lock)))
}

/// Puts right what a host that crashed left of its deployments, unless another one deploys.
pub fn mend(jobs: &Path, layout: &Layout, now: Wall) {
    // A root that never saw a deployment needs no lock.
    if !layout.deployments().exists() {
        return;
    }
    if let Err(error) = lock(jobs, layout, now) {
        warn!(%error, "could not look for deployments that did not end");
    }
}

fn told(error: impl std::error::Error) -> DeployError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    DeployError::Failed(format!("{error}{cause}"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeployError> + Send + 'static,
) -> Result<T, DeployError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| DeployError::Failed(format!("the work was not done: {error}")))?
}

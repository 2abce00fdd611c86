//! What people ask of jobs beyond their folders: kept on disk first, then told to the actors.

use std::{fs, sync::Arc};

use tokio::sync::oneshot;
use tracing::info;

use super::{Reconciler, unsaved};
use crate::{
    host::{
        handle::{CommandError, Reply},
        message::{JobMessage, Update},
        run::chain,
    },
    model::{
        id::{JobId, JobKind},
        job::Found,
        listing,
        wish::{Stopped, Wish},
    },
};

impl Reconciler {
    /// Tells a job's actor what somebody asks of it.
    pub(super) async fn pass<T>(&mut self, job: &JobId, reply: Reply<T>, message: impl FnOnce(Reply<T>) -> JobMessage) {
        if !self.actors.contains(job) {
            return drop(reply.send(Err(CommandError::NoJob(job.clone()))));
        }
        if let Err(message) = self.actors.send(job, message(reply)).await {
            message.refuse();
        }
    }

    pub(super) async fn start(&mut self, job: JobId, who: String, reply: Reply<()>) {
        let Some(found) = self.observed.get(&job).cloned() else {
            return drop(reply.send(Err(CommandError::NoJob(job))));
        };
        let freed = self.overrides.start(&job).map_err(|error| CommandError::Failed(chain(&error)));
        let found = freed.and_then(|()| self.without_marker(found));
        let found = match found {
            Ok(found) => found,
            Err(error) => return drop(reply.send(Err(error))),
        };
        info!(%job, %who, "starting a job on request");
        // An actor that has ended answers by the second message.
        drop(self.tell_wishes(&job, found).await);
        self.pass(&job, reply, |reply| JobMessage::Start { who, reply }).await;
    }

    pub(super) async fn stop_job(&mut self, job: JobId, who: String, reply: Reply<()>) {
        let Some(found) = self.observed.get(&job).cloned() else {
            return drop(reply.send(Err(CommandError::NoJob(job))));
        };
        let stopped = Stopped { by: who.clone(), at: self.machine.now().wall };
        // Carried out first: a disk that is full, perhaps by this very job, must not keep it running.
        let reply = match self.overrides.stop(&job, stopped) {
            Ok(()) => reply,
            Err(error) => unsaved::warning(&job, &error, reply),
        };
        info!(%job, %who, "stopping a job on request");
        let told = self.tell_wishes(&job, found).await;
        answer_when_told(told.into_iter().collect(), reply);
    }

    /// Keeps a wish for one job, or for all, and answers when the actors know.
    pub(super) async fn wish(&mut self, job: Option<JobId>, wish: Wish, who: String, reply: Reply<()>) {
        if let Err(error) = self.keep(job.as_ref(), &wish, &who) {
            return drop(reply.send(Err(error)));
        }
        info!(job = job.as_ref().map(tracing::field::display), ?wish, %who, "keeping what was asked");
        let ids = match &job {
            Some(job) => vec![job.clone()],
            None => self.actors.ids().cloned().collect(),
        };
        let mut told = Vec::new();
        for id in ids {
            let Some(found) = self.observed.get(&id).cloned() else { continue };
            let found = if wish == Wish::Enable { self.without_marker(found) } else { Ok(found) };
            match found {
                Ok(found) => told.extend(self.tell_wishes(&id, found).await),
                Err(error) => return drop(reply.send(Err(error))),
            }
            self.attend().await;
        }
        answer_when_told(told, reply);
    }

    fn keep(&mut self, job: Option<&JobId>, wish: &Wish, who: &str) -> Result<(), CommandError> {
        let now = self.machine.now().wall;
        if let Some(job) = job {
            let found = self.observed.get(job).ok_or_else(|| CommandError::NoJob(job.clone()))?;
            let is_pause = matches!(wish, Wish::Pause { .. } | Wish::Resume);
            if found.id.kind == JobKind::Continuous && is_pause {
                let text =
                    format!("job `{job}` is kept running and has no schedule to pause; stop or disable it instead");
                return Err(CommandError::Invalid(text));
            }
        }
        if let Wish::Pause { until: Some(until), .. } = wish
            && *until <= now
        {
            let text = format!("`until` is {until}, which has passed; it is {now} now");
            return Err(CommandError::Invalid(text));
        }
        self.overrides.wish(job, wish, who, now).map_err(|error| CommandError::Failed(chain(&error)))
    }

    /// Removes the marker that keeps a job from running, and lets its folder be read: who puts the marker back at once is heard.
    fn without_marker(&self, found: Arc<Found>) -> Result<Arc<Found>, CommandError> {
        let has_marker = found.job.as_ref().is_some_and(|job| job.disable_marker);
        let id = found.id.clone();
        let found = without_marker(found)?;
        if has_marker {
            let (reply, _) = oneshot::channel();
            self.look(Some(id), reply);
        }
        Ok(found)
    }

    /// Tells a job's actor what people ask of it now; what is returned is answered when it knows.
    async fn tell_wishes(
        &mut self,
        job: &JobId,
        found: Arc<Found>,
    ) -> Option<oneshot::Receiver<Result<(), CommandError>>> {
        self.observed.insert(job.clone(), Arc::clone(&found));
        let update = Update { found, wishes: self.overrides.wishes(job).into() };
        let (reply, told) = oneshot::channel();
        self.actors.tell(job, update, Some(reply)).await;
        Some(told)
    }
}

/// Answers once every actor knows, without keeping the host waiting.
fn answer_when_told(told: Vec<oneshot::Receiver<Result<(), CommandError>>>, reply: Reply<()>) {
    tokio::spawn(async move {
        for told in told {
            // One that has ended meanwhile needs to know nothing.
            let _ = told.await;
        }
        // Whoever no longer waits for an answer gets none.
        let _ = reply.send(Ok(()));
    });
}

/// Removes the marker that keeps a job from running, which is what Kudu's start does (spec/kudu-webjobs 3.7).
fn without_marker(found: Arc<Found>) -> Result<Arc<Found>, CommandError> {
    let Some(job) = found.job.as_ref().filter(|job| job.disable_marker) else { return Ok(found) };
    let folder = job.root.join(&job.script.dir);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(listing::is_disable_marker)) {
        let path = entry.path();
        fs::remove_file(&path)
            .map_err(|error| CommandError::Failed(format!("could not remove `{}`: {error}", path.display())))?;
    }
    let mut job = (**job).clone();
    job.disable_marker = false;
    Ok(Arc::new(Found { job: Some(Arc::new(job)), ..(*found).clone() }))
}

//! Jobs put in place, changed and taken away on request: as a whole or not at all.
//!
//! What was sent is first laid out in a hidden folder beside the job (a folder whose name begins with a dot is no job)
//! and looked at as discovery would. Only when it makes a job does it take the job's place, by a rename.

pub mod beside;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::time::timeout;

pub use self::beside::remove;
use self::beside::{Role, When, beside};
use crate::{
    decide::{discover::Interpreters, settings},
    host::{
        handle::{CommandError, HostHandle, Upload},
        scanner,
    },
    model::{
        id::{Instance, JobId, JobKind, JobName},
        job::{Found, Problem},
    },
    os::{
        file::{self, Access, Durability, exchange, modes},
        scan::{self, Scan, ScanTime, hash::Seen, programs::Programs},
    },
    store::unzip::{self, NAME_BYTES_MAX, ZipBounds},
};

/// Time for the end of what a deleted job ran, beyond its grace.
const END_MAX: Duration = Duration::from_secs(60);

/// Kudu's text for a folder without a script (spec/kudu-webjobs 8.3).
const NO_SCRIPT: &str = "No runnable script file was found.";

impl HostHandle {
    /// Replaces a job's folder as a whole, once what was sent is known to make a job; what runs is replaced then.
    ///
    /// # Errors
    /// `Invalid` when it makes no job (Kudu's text), `Failed` when the disk does not take it. The old folder is then
    /// still there.
    pub async fn put_job(&self, kind: JobKind, name: JobName, upload: Upload) -> Result<JobId, CommandError> {
        if name.as_str().starts_with('.') {
            let text = format!("`{name}` cannot be the name of a job: folders whose names begin with a dot are hidden");
            return Err(CommandError::Invalid(text));
        }
        let host = self.clone();
        to_its_end(async move {
            let _turn = host.turns().take(kind, name.as_str()).await;
            host.put(kind, name, upload).await
        })
        .await
    }

    async fn put(&self, kind: JobKind, name: JobName, upload: Upload) -> Result<JobId, CommandError> {
        let id = self.find(kind, name.as_str()).unwrap_or(JobId { kind, name });
        let folder = self.folder(&id);
        let interpreters = Interpreters::with(&self.config().interpreters);
        let (job, now) = (id.clone(), self.now());
        let (jobs, layout) = (self.config().jobs.clone(), self.layout().clone());
        let place = self.turns().place().await;
        blocking(move || {
            beside::sweep(&jobs, &layout, folder.file_name().and_then(|name| name.to_str()), When::Later);
            let stage = beside(&folder, Role::New, layout.instance());
            let put = lay_out(&stage, &upload)
                .and_then(|()| inspect(&job, &stage, &interpreters, now))
                .and_then(|()| take_place(&stage, &folder, layout.instance()));
            // What was there before is there now.
            remove(&stage).map_err(|error| failed("remove", &stage, &error))?;
            put.map(|_| ())
        })
        .await?;
        drop(place);
        self.refresh(Some(id.clone())).await?;
        Ok(id)
    }

    /// Stops a job and removes its folder and its data, logs and records included. A job of the same name that comes
    /// meanwhile begins after that.
    ///
    /// # Errors
    /// When something of it stays.
    pub async fn delete_job(&self, job: &JobId, who: String) -> Result<(), CommandError> {
        let (host, job) = (self.clone(), job.clone());
        to_its_end(async move {
            let _turn = host.turns().take(job.kind, job.name.as_str()).await;
            host.delete(&job, who).await
        })
        .await
    }

    async fn delete(&self, job: &JobId, who: String) -> Result<(), CommandError> {
        let (folder, data) = (self.folder(job), self.layout().job(job));
        let view = self.view().job(job);
        let grace = view.and_then(|view| Some(view.job.as_ref()?.grace())).unwrap_or_default();
        tracing::info!(%job, %who, "deleting a job on request");
        let (gone, instance) = (folder.clone(), self.layout().instance().clone());
        blocking(move || {
            // By a rename first: the job is gone at once, however long the removal takes.
            let trash = beside(&gone, Role::Gone, &instance);
            match fs::rename(&gone, &trash) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &gone, &error)),
                Ok(()) | Err(_) => {}
            }
            remove(&trash).map_err(|error| failed("remove", &trash, &error))
        })
        .await?;
        self.refresh(Some(job.clone())).await?;
        self.gone(job, grace + END_MAX).await?;
        let removed = blocking(move || remove(&data).map_err(|error| failed("remove", &data, &error))).await;
        if removed.is_ok() {
            self.index().cleared(job, self.now());
        }
        self.forget(job.clone()).await?;
        removed
    }

    /// Writes a job's `settings.job` as a whole, as it was sent.
    ///
    /// # Errors
    /// When there is no such job, a value is wrong, or the disk does not take it.
    pub async fn put_settings(&self, job: &JobId, sent: &str) -> Result<(), CommandError> {
        let (host, job, sent) = (self.clone(), job.clone(), sent.to_owned());
        to_its_end(async move {
            let _turn = host.turns().take(job.kind, job.name.as_str()).await;
            host.set(&job, &sent).await
        })
        .await
    }

    async fn set(&self, job: &JobId, sent: &str) -> Result<(), CommandError> {
        let view = self.view().job(job).ok_or_else(|| CommandError::NoJob(job.clone()))?;
        serde_json::from_str::<Map<String, Value>>(sent)
            .map_err(|error| CommandError::Invalid(format!("settings must be one JSON object: {error}")))?;
        // Read as they were sent, so that a place in them is one that the sender finds.
        if let Some(problem) = settings::read(sent, job.kind).problems.into_iter().find(|problem| problem.fatal) {
            let problem = Problem { file: Some("settings.job".to_owned()), ..problem };
            return Err(CommandError::Invalid(format!("the settings were not changed: {problem}")));
        }
        // Stored as they were sent, too: a number may have more digits than any reader here holds.
        let text = sent.to_owned();
        let path = view.found.root.join(&view.found.dir).join("settings.job");
        blocking(move || {
            let written = file::write_whole(&path, text.as_bytes(), Durability::Synced, Access::Usual);
            written.map_err(|error| CommandError::Failed(format!("{error}")))
        })
        .await?;
        self.refresh(Some(job.clone())).await
    }

    /// Waits until the job's actor has let go of it, for as long as that may take.
    async fn gone(&self, job: &JobId, longest: Duration) -> Result<(), CommandError> {
        timeout(longest, self.let_go(job.clone())).await.unwrap_or_else(|_| {
            Err(CommandError::Failed(format!(
                "the folder of job `{job}` was removed, but what it ran has not ended within {} s; its data stays until \
                 it is deleted again",
                longest.as_secs()
            )))
        })
    }

    /// Returns the folder of a job, or where it would be.
    pub fn folder(&self, job: &JobId) -> PathBuf {
        match self.view().job(job) {
            Some(view) => view.found.root.to_path_buf(),
            None => self.config().jobs.join(job.kind.as_str()).join(job.name.as_str()),
        }
    }
}

/// Does something to its end, even when whoever asked for it goes away meanwhile.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, CommandError>> + Send + 'static,
) -> Result<T, CommandError> {
    let done = tokio::spawn(work).await;
    done.map_err(|error| CommandError::Failed(format!("the work was not done: {error}")))?
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CommandError::Failed(format!("the work was not done: {error}")))?
}

fn failed(what: &str, path: &Path, error: &dyn std::error::Error) -> CommandError {
    CommandError::Failed(format!("failed to {what} `{}`: {error}", path.display()))
}

fn lay_out(stage: &Path, upload: &Upload) -> Result<(), CommandError> {
    file::create_folders(stage).map_err(|error| CommandError::Failed(error.to_string()))?;
    match upload {
        Upload::Zip(zip) => unzip::unzip(zip, stage, &ZipBounds::default()).map_err(|error| {
            let text = error.to_string();
            if error.is_the_zips_fault() { CommandError::Invalid(text) } else { CommandError::Failed(text) }
        }),
        Upload::File { name, .. } if name.len() > NAME_BYTES_MAX => {
            let begin: String = name.chars().take(60).collect();
            let text = format!("the file name `{begin}…` is too long: {NAME_BYTES_MAX} bytes are allowed");
            Err(CommandError::Invalid(text))
        }
        Upload::File { name, path } => {
            let place = stage.join(name);
            // A script that was sent alone has no mode of its own: it may be run.
            let copied = fs::copy(path, &place).and_then(|_| fs::File::open(&place));
            let done = copied.and_then(|file| modes::set(&file, modes::PROGRAM));
            done.map_err(|error| failed("write", &place, &error))
        }
    }
}

/// Refuses what makes no job. A job with another defect is taken: it is listed with what to do about it.
///
/// # Errors
/// When it makes none; Kudu's text.
pub fn inspect(
    id: &JobId,
    stage: &Path,
    interpreters: &Interpreters,
    now: crate::model::time::Wall,
) -> Result<(), CommandError> {
    let time = ScanTime { now, quiet: Duration::ZERO };
    let found: Option<Found> = match scan::scan_job(id, &stage.into(), &mut Seen::default(), time) {
        Scan::Seen(listing) => Some(scanner::found(interpreters, &Programs::of_this_process(), &Arc::new, &listing)),
        Scan::Gone | Scan::Unchanged => None,
    };
    let missing = |found: &Found| found.problems.iter().any(|problem| problem.code == "no_script");
    if found.is_none_or(|found| missing(&found)) {
        return Err(CommandError::Invalid(NO_SCRIPT.to_owned()));
    }
    Ok(())
}

/// Puts the new folder in place of the old one, which goes. At no moment is there neither, where the system can do that.
/// Tells whether there was an old one, which is then where the new one was.
///
/// # Errors
/// When the disk does not do it; both are then where they were.
pub fn take_place(stage: &Path, folder: &Path, instance: &Instance) -> Result<bool, CommandError> {
    let aside = beside(folder, Role::Old, instance);
    exchange::exchange(stage, folder, &aside).map_err(|error| failed("replace", folder, &error))?;
    Ok(stage.symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        decide::config,
        host::{handle::Command, view::View},
        model::{event::EventId, id::Instance},
        store::layout::Layout,
    };

    #[tokio::test]
    async fn a_delete_says_when_what_the_job_ran_does_not_end() {
        let (config, _) =
            config::resolve(None, &BTreeMap::new(), &config::Flags::default(), "here").expect("a configuration");
        let layout = Layout::new("/data".into(), Instance::new("here"));
        let (commands, mut heard) = mpsc::channel(1);
        let first = EventId::before_start("2026-01-01T00:00:00Z".parse().expect("a moment"));
        let host = HostHandle::for_tests(commands, Arc::new(View::new(first)), Arc::new(config), layout);
        let job = JobId { kind: JobKind::Continuous, name: JobName::parse("web").expect("a name") };
        let error = host.gone(&job, Duration::from_millis(1)).await.expect_err("nobody answers").to_string();
        assert!(error.contains("`continuous/web` was removed") && error.contains("has not ended"), "{error}");
        assert!(matches!(heard.recv().await, Some(Command::LetGo { job: asked, .. }) if asked == job));
    }
}

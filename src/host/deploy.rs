//! Jobs put in place, changed and taken away on request: as a whole or not at all.
//!
//! What was sent is first laid out in a hidden folder beside the job (a folder whose name begins with a dot is no job)
//! and looked at as discovery would. Only when it makes a job does it take the job's place, by a rename.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{
    decide::{discover::Interpreters, settings},
    host::{
        handle::{CommandError, HostHandle, Upload},
        scanner,
    },
    model::{
        id::{JobId, JobKind, JobName},
        job::{Found, Problem},
    },
    os::{
        file::{self, Access, Durability, modes},
        scan::{self, Scan, ScanTime, hash::Seen, programs::Programs},
    },
    store::unzip::{self, ZipBounds},
};

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
        let id = self.find(kind, name.as_str()).unwrap_or(JobId { kind, name });
        let folder = self.folder(&id);
        let interpreters = Interpreters::with(&self.config().interpreters);
        let (job, now) = (id.clone(), self.now());
        blocking(move || {
            let stage = beside(&folder, "new");
            let put = lay_out(&stage, &upload)
                .and_then(|()| inspect(&job, &stage, &interpreters, now))
                .and_then(|()| take_place(&stage, &folder));
            remove(&stage).map_err(|error| failed("remove", &stage, &error))?;
            put
        })
        .await?;
        self.refresh(Some(id.clone())).await?;
        Ok(id)
    }

    /// Stops a job and removes its folder and its data, logs and records included.
    ///
    /// # Errors
    /// When something of it stays.
    pub async fn delete_job(&self, job: &JobId, who: String) -> Result<(), CommandError> {
        let (folder, data) = (self.folder(job), self.layout().job(job));
        tracing::info!(%job, %who, "deleting a job on request");
        let gone = folder.clone();
        blocking(move || {
            // By a rename first: the job is gone at once, however long the removal takes.
            let trash = beside(&gone, "old");
            match fs::rename(&gone, &trash) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &gone, &error)),
                Ok(()) | Err(_) => {}
            }
            remove(&trash).map_err(|error| failed("remove", &trash, &error))
        })
        .await?;
        self.refresh(Some(job.clone())).await?;
        self.gone(job).await;
        self.forget(job.clone()).await?;
        blocking(move || remove(&data).map_err(|error| failed("remove", &data, &error))).await?;
        self.index().cleared(job, self.now());
        Ok(())
    }

    /// Writes a job's `settings.job` as a whole.
    ///
    /// # Errors
    /// When there is no such job, a value is wrong, or the disk does not take it.
    pub async fn put_settings(&self, job: &JobId, sent: &str) -> Result<(), CommandError> {
        let view = self.view().job(job).ok_or_else(|| CommandError::NoJob(job.clone()))?;
        let settings: Map<String, Value> = serde_json::from_str(sent)
            .map_err(|error| CommandError::Invalid(format!("settings must be one JSON object: {error}")))?;
        // Read as they were sent, so that a place in them is one that the sender finds.
        if let Some(problem) = settings::read(sent, job.kind).problems.into_iter().find(|problem| problem.fatal) {
            let problem = Problem { file: Some("settings.job".to_owned()), ..problem };
            return Err(CommandError::Invalid(format!("the settings were not changed: {problem}")));
        }
        let text = serde_json::to_string_pretty(&Value::Object(settings)).expect("JSON is JSON");
        let dir = view.found.job.as_ref().map(|found| found.script.dir.clone()).unwrap_or_default();
        let path = view.found.root.join(dir).join("settings.job");
        blocking(move || {
            let written = file::write_whole(&path, text.as_bytes(), Durability::Synced, Access::Usual);
            written.map_err(|error| CommandError::Failed(format!("{error}")))
        })
        .await?;
        self.refresh(Some(job.clone())).await
    }

    /// Waits until the job's actor has let go of it.
    async fn gone(&self, job: &JobId) {
        let mut changes = self.view().changes();
        // A view that nobody changes any more belongs to a host that has ended.
        let _ = changes.wait_for(|_| self.view().job(job).is_none()).await;
    }

    fn folder(&self, job: &JobId) -> PathBuf {
        match self.view().job(job) {
            Some(view) => view.found.root.clone(),
            None => self.config().jobs.join(job.kind.as_str()).join(job.name.as_str()),
        }
    }
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

/// A hidden folder beside a job's, for something new or something old.
fn beside(folder: &Path, what: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{what}-{}-{number}", crate::os::machine::own_pid()))
}

fn lay_out(stage: &Path, upload: &Upload) -> Result<(), CommandError> {
    file::create_folders(stage).map_err(|error| CommandError::Failed(error.to_string()))?;
    match upload {
        Upload::Zip(zip) => unzip::unzip(zip, stage, &ZipBounds::default()).map_err(|error| {
            let text = error.to_string();
            if error.is_the_zips_fault() { CommandError::Invalid(text) } else { CommandError::Failed(text) }
        }),
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
fn inspect(
    id: &JobId,
    stage: &Path,
    interpreters: &Interpreters,
    now: crate::model::time::Wall,
) -> Result<(), CommandError> {
    let time = ScanTime { now, quiet: std::time::Duration::ZERO };
    let found: Option<Found> = match scan::scan_job(id, stage, &mut Seen::default(), time) {
        Scan::Seen(listing) => Some(scanner::found(interpreters, &Programs::of_this_process(), &listing)),
        Scan::Gone | Scan::Unchanged => None,
    };
    let missing = |found: &Found| found.problems.iter().any(|problem| problem.code == "no_script");
    if found.is_none_or(|found| missing(&found)) {
        return Err(CommandError::Invalid(NO_SCRIPT.to_owned()));
    }
    Ok(())
}

/// Puts the new folder in place of the old one, which goes.
fn take_place(stage: &Path, folder: &Path) -> Result<(), CommandError> {
    let old = beside(folder, "old");
    let had_one = match fs::rename(folder, &old) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed("replace", folder, &error)),
    };
    if let Err(error) = fs::rename(stage, folder) {
        if had_one {
            fs::rename(&old, folder).map_err(|error| failed("put back", folder, &error))?;
        }
        return Err(failed("replace", folder, &error));
    }
    remove(&old).map_err(|error| failed("remove", &old, &error))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

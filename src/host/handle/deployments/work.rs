//! The work of a deployment, on a thread that may wait for the disk: lay the zip out, look at every job, let them take
//! their places, and write down how it went.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{HostHandle, STAGE};
use crate::{
    decide::{
        deployment::{self, Keep},
        discover::Interpreters,
    },
    host::{deploy, handle::CommandError},
    model::{
        deployment::{Deployment, DeploymentLine, Stage},
        id::JobId,
    },
    os::file,
    store::{
        deployments::Shelf,
        unzip::{self, ZipBounds},
    },
};

/// A job that is to take its place.
struct Placing {
    job: JobId,
    stage: PathBuf,
    folder: PathBuf,
}

/// A deployment at work.
pub struct Work {
    /// The host.
    pub host: HostHandle,
    /// Where deployments are kept.
    pub shelf: Shelf,
    /// Its record.
    pub deployment: Deployment,
}

/// Why it failed.
#[derive(Debug)]
pub enum Fault {
    /// For what was sent.
    Sent(String),
    /// For this machine.
    Machine(String),
}

impl Fault {
    /// Returns it in words.
    pub fn into_text(self) -> String {
        match self {
            Self::Sent(text) | Self::Machine(text) => text,
        }
    }
}

impl Work {
    /// Lays the zip out, looks at its jobs and puts them in place; returns them, or why all is as it was.
    pub fn place(&mut self) -> Result<Vec<JobId>, Fault> {
        self.reach(Stage::Building, "taking the zip apart");
        let stage = self.host.config().jobs.join(format!("{STAGE}{}", self.deployment.id));
        let placed = self.lay_out(&stage).and_then(|placings| {
            self.deployment.jobs = placings.iter().map(|placing| placing.job.to_string()).collect();
            self.reach(Stage::Deploying, &format!("putting {} jobs in place", placings.len()));
            self.swap(&placings)?;
            Ok(placings.into_iter().map(|placing| placing.job).collect())
        });
        if let Err(error) = deploy::remove(&stage) {
            warn!(path = %stage.display(), %error, "could not remove the folder of a deployment");
        }
        placed
    }

    fn lay_out(&self, stage: &Path) -> Result<Vec<Placing>, Fault> {
        let machine = |error: &dyn Error| Fault::Machine(format!("failed to use `{}`: {error}", stage.display()));
        deploy::remove(stage).map_err(|error| machine(&error))?;
        file::create_folders(stage).map_err(|error| machine(&error))?;
        let package = self.shelf.package(&self.deployment.id);
        unzip::unzip(&package, stage, &ZipBounds::default()).map_err(|error| match error.is_the_zips_fault() {
            true => Fault::Sent(error.to_string()),
            false => machine(&error),
        })?;
        let mut paths = Vec::new();
        list(stage, "", &mut paths).map_err(|error| machine(&error))?;
        let parts = deployment::jobs_in(&paths).map_err(Fault::Sent)?;
        let interpreters = Interpreters::with(&self.host.config().interpreters);
        let (mut placings, mut bad) = (Vec::new(), Vec::new());
        for part in parts {
            let known = self.host.find(part.kind, part.name.as_str());
            let job = known.unwrap_or(JobId { kind: part.kind, name: part.name });
            let stage = stage.join(&part.folder);
            match deploy::inspect(&job, &stage, &interpreters, self.host.now()) {
                Ok(()) => placings.push(Placing { folder: self.host.folder(&job), job, stage }),
                Err(error) => bad.push(format!("job `{job}`, in `{}` of the zip: {error}", part.folder)),
            }
        }
        if bad.is_empty() { Ok(placings) } else { Err(Fault::Sent(bad.join("; "))) }
    }

    /// Puts all in place, or none.
    fn swap(&self, placings: &[Placing]) -> Result<(), Fault> {
        let mut done: Vec<(&Placing, bool)> = Vec::new();
        for placing in placings {
            match deploy::take_place(&placing.stage, &placing.folder, self.host.layout().instance()) {
                Ok(had_one) => done.push((placing, had_one)),
                Err(error) => {
                    for (placing, had_one) in done.into_iter().rev() {
                        self.put_back(placing, had_one);
                    }
                    return Err(Fault::Machine(format!("job `{}`: {error}", placing.job)));
                }
            }
        }
        for (placing, had_one) in done {
            let word = if had_one { "replaced" } else { "is new" };
            self.say(&format!("job `{}` {word}", placing.job), false);
        }
        Ok(())
    }

    fn put_back(&self, placing: &Placing, had_one: bool) {
        let done = match had_one {
            true => deploy::take_place(&placing.stage, &placing.folder, self.host.layout().instance()).map(drop),
            false => {
                fs::rename(&placing.folder, &placing.stage).map_err(|error| CommandError::Failed(error.to_string()))
            }
        };
        if let Err(error) = done {
            self.say(&format!("job `{}` could not be put back: {error}", placing.job), true);
        }
    }

    /// Writes down how it ended, and forgets what is no longer kept.
    pub fn end(&mut self, done: Result<(), String>) {
        self.deployment.ended = Some(self.host.now());
        match done {
            Ok(()) => {
                self.deployment.succeeded = self.deployment.ended;
                self.reach(Stage::Success, "");
                self.say("Deployment successful.", false);
            }
            Err(why) => {
                self.say(&why, true);
                self.reach(Stage::Failed, &why);
            }
        }
        let listed = self.shelf.list();
        for (deployment, keep) in listed.iter().zip(deployment::keep(&listed)) {
            let tidied = match keep {
                Keep::All => Ok(()),
                Keep::Record => self.shelf.remove_package(&deployment.id),
                Keep::Nothing => self.shelf.remove(&deployment.id),
            };
            if let Err(error) = tidied {
                warn!(id = %deployment.id, %error, "could not remove an old deployment");
            }
        }
    }

    /// Notes how far it is. A record that is not written does not stop it.
    fn reach(&mut self, stage: Stage, text: &str) {
        (self.deployment.stage, self.deployment.text) = (stage, text.to_owned());
        if let Err(error) = self.shelf.write(&self.deployment) {
            warn!(id = %self.deployment.id, %error, "could not write the record of a deployment");
        }
        if !text.is_empty() && stage != Stage::Failed {
            self.say(text, false);
        }
    }

    fn say(&self, message: &str, is_error: bool) {
        let line = DeploymentLine { at: self.host.now(), message: message.to_owned(), is_error };
        if let Err(error) = self.shelf.say(&self.deployment.id, &line) {
            warn!(id = %self.deployment.id, %error, "could not write the log of a deployment");
        }
    }
}

/// Lists the files below a folder that is ours alone, by their paths with `/`.
fn list(folder: &Path, above: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{above}{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => list(&entry.path(), &format!("{path}/"), paths)?,
            false => paths.push(path),
        }
    }
    Ok(())
}

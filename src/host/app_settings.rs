//! Kudu's app settings while the host runs: read, written, shared with the other hosts of the root, and what follows from
//! them for all jobs.
//!
//! ```text
//!  API ── change ──> settings.json ──┐
//!  other hosts ── FileWatch ─────────┼── refresh ──> Engine ── Command::Heed ──> reconciler ──> actors
//! ```
//! The file is the truth: whatever is written is read back. Actors take the [`Engine`] as it is at each step and are told
//! when what matters to them is another.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{
    decide::{
        app_settings::{self, Written},
        config,
        zone::Zone,
    },
    host::{
        handle::{ChangeError, Command},
        hold::hold,
    },
    model::config::EngineSettings,
    os::{file::FileError, watch::single::FileWatch},
    store::{self, layout::Layout},
};

/// How long a change waits for another host that is writing (spec/kudu-webjobs 8.14).
const PATIENCE: Duration = Duration::from_secs(5);

/// What holds for all jobs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// What Kudu's settings say.
    pub kudu: EngineSettings,
    /// The zone of schedules that name none.
    pub zone: Zone,
    /// Every setting that was written: variables of runs that start from now on.
    pub written: Written,
}

/// The app settings of one host.
#[derive(Debug)]
pub struct AppSettings {
    path: PathBuf,
    lock: PathBuf,
    /// What holds where nothing is written.
    base: EngineSettings,
    zone: Zone,
    /// Those that are built in or come from the host's environment.
    inherited: Vec<(String, String)>,
    /// Also the order in which the file is read: what was read last holds.
    engine: Mutex<Arc<Engine>>,
    writing: tokio::sync::Mutex<()>,
}

impl Engine {
    /// Tells whether something else than `before` holds for the actors of jobs.
    fn is_other(&self, before: &Self) -> bool {
        (&self.kudu, &self.zone) != (&before.kudu, &before.zone)
    }
}

impl AppSettings {
    /// Reads what was written. `base` and `zone` hold where nothing is, `environment` is the host's.
    ///
    /// # Errors
    /// When the file is there and cannot be read: better no start than jobs that somebody has stopped.
    pub fn open(
        layout: &Layout,
        base: EngineSettings,
        zone: Zone,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, FileError> {
        let engine = Engine { kudu: base.clone(), zone: zone.clone(), written: Written::new() };
        let settings = Self {
            path: layout.app_settings(),
            lock: layout.app_settings_lock(),
            base,
            zone,
            inherited: app_settings::inherited(environment),
            engine: Mutex::new(Arc::new(engine)),
            writing: tokio::sync::Mutex::default(),
        };
        settings.read()?;
        Ok(settings)
    }

    /// Returns what holds for all jobs now.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns all settings as they hold.
    pub fn all(&self) -> Vec<(String, String)> {
        app_settings::merged(&self.inherited, &self.engine().written)
    }

    /// Returns a host's environment with the settings that it does not hold as variables already.
    pub fn with_environment(&self, host: Vec<(OsString, OsString)>) -> Vec<(OsString, OsString)> {
        let inherited = self.inherited.iter().map(|(name, value)| (name.into(), value.into()));
        let more: Vec<_> = inherited.filter(|(name, _)| !host.iter().any(|(known, _)| known == name)).collect();
        host.into_iter().chain(more).collect()
    }

    /// Reads the file again, for what another host has written; tells whether something else holds for the engine now.
    /// What cannot be read changes nothing.
    pub fn refresh(&self) -> bool {
        self.read().unwrap_or_else(|error| {
            warn!(error = &error as &dyn std::error::Error, "could not read the app settings");
            false
        })
    }

    /// Changes what is written; tells whether something else holds for the engine now.
    ///
    /// # Errors
    /// When `edit` refuses, another host writes for too long, or the disk does not take it.
    async fn change(&self, edit: impl FnOnce(&mut Written) -> Result<(), String>) -> Result<bool, ChangeError> {
        let _turn = self.writing.lock().await;
        let lock = hold(&self.lock, PATIENCE).await.map_err(|error| ChangeError::failed(&error))?;
        let Some(_lock) = lock else { return Err(ChangeError::Busy("the app settings")) };
        let before = self.engine();
        let mut written = store::app_settings::read(&self.path).map_err(|error| ChangeError::failed(&error))?;
        edit(&mut written).map_err(ChangeError::Invalid)?;
        store::app_settings::write(&self.path, &written).map_err(|error| ChangeError::failed(&error))?;
        self.read().map_err(|error| ChangeError::failed(&error))?;
        // Whoever follows the file may have read it first, and tells the actors later than the answer goes out.
        Ok(self.engine().is_other(&before))
    }

    /// Writes settings.
    ///
    /// # Errors
    /// When one is none that a process can have, or the disk does not take them; then all stay as they were.
    pub async fn write(&self, changes: Vec<(String, String)>) -> Result<bool, ChangeError> {
        self.change(|written| app_settings::write(written, changes)).await
    }

    /// Forgets what was written of a setting.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn delete(&self, name: &str) -> Result<bool, ChangeError> {
        self.change(|written| {
            app_settings::delete(written, name);
            Ok(())
        })
        .await
    }

    fn read(&self) -> Result<bool, FileError> {
        let mut known = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let written = store::app_settings::read(&self.path)?;
        if known.written == written {
            return Ok(false);
        }
        let (kudu, problems) = config::with_written(&self.base, &written);
        for problem in problems {
            warn!(%problem, "an app setting makes no sense");
        }
        // A name that was checked is the name of a zone.
        let zone = kudu.time_zone.as_deref().filter(|_| kudu.time_zone != self.base.time_zone);
        let zone = zone.and_then(|name| Zone::parse(name).ok()).unwrap_or_else(|| self.zone.clone());
        let engine = Engine { kudu, zone, written };
        let is_other = engine.is_other(&known);
        *known = Arc::new(engine);
        Ok(is_other)
    }
}

/// Follows what other hosts write, as long as the host lives.
pub async fn follow(settings: Arc<AppSettings>, commands: mpsc::Sender<Command>) {
    let watch = match FileWatch::start(&settings.path) {
        Ok(watch) => watch,
        Err(error) => return warn!(%error, "app settings that other hosts write are noticed on a timer only"),
    };
    loop {
        tokio::select! {
            // Cancel-safe: nothing is waited for after it.
            () = commands.closed() => return,
            // Cancel-safe: what was not told yet is told next.
            () = watch.changed() => {}
        }
        if settings.refresh() {
            info!("other app settings hold now");
            let (reply, _) = tokio::sync::oneshot::channel();
            // A host that stops needs them no more.
            let _ = commands.send(Command::Heed { reply }).await;
        }
    }
}

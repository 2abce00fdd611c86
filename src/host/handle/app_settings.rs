//! App settings through a handle: a change is answered when every job's actor knows of it.

use super::{ChangeError, Command, HostHandle};
use crate::{decide::app_settings, model::config::EngineSettings};

impl HostHandle {
    /// Returns what Kudu's settings say now of all jobs.
    pub fn engine(&self) -> EngineSettings {
        self.shared.settings.engine().kudu.clone()
    }

    /// Returns all app settings as they hold, in the order in which they came.
    pub fn app_settings(&self) -> Vec<(String, String)> {
        self.shared.settings.all()
    }

    /// Returns one app setting; its name counts without regard to case.
    pub fn app_setting(&self, name: &str) -> Option<String> {
        app_settings::find(&self.app_settings(), name).map(str::to_owned)
    }

    /// Writes app settings. Runs that start from now on see them; what they say to the engine holds at once.
    ///
    /// # Errors
    /// When one is none that a process can have, another host writes for too long, or the disk does not take them.
    pub async fn write_app_settings(&self, changes: Vec<(String, String)>) -> Result<(), ChangeError> {
        let is_other = self.shared.settings.write(changes).await?;
        self.heed(is_other).await
    }

    /// Forgets what was written of an app setting.
    ///
    /// # Errors
    /// When another host writes for too long, or the disk does not take it.
    pub async fn delete_app_setting(&self, name: &str) -> Result<(), ChangeError> {
        let is_other = self.shared.settings.delete(name).await?;
        self.heed(is_other).await
    }

    async fn heed(&self, is_other: bool) -> Result<(), ChangeError> {
        if !is_other {
            return Ok(());
        }
        tracing::info!("other app settings hold now");
        // A host on its way down starts nothing more: what was written holds from its next start on.
        let _ = self.ask(|reply| Command::Heed { reply }).await;
        Ok(())
    }
}

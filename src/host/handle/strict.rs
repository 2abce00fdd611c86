//! What Kudu does and webjobd does only when asked to be like it.

use std::path::Path;

use serde_json::{Map, Value};

use super::{CommandError, HostHandle};
use crate::{
    model::id::JobId,
    os::file::{self, Access, Durability},
};

impl HostHandle {
    /// Writes a job's `settings.job` as Kudu does (spec/kudu-webjobs 2.4): whatever was sent, unchecked, and the text
    /// `null` when it is no JSON object.
    ///
    /// # Errors
    /// When there is no such job, or the disk does not take it.
    pub async fn overwrite_settings(&self, job: &JobId, sent: &[u8]) -> Result<(), CommandError> {
        let view = self.view().job(job).ok_or_else(|| CommandError::NoJob(job.clone()))?;
        let settings = serde_json::from_slice::<Map<String, Value>>(sent).map_or(Value::Null, Value::Object);
        let dir = view.found.job.as_ref().map_or(Path::new(""), |found| &found.script.dir);
        let path = view.found.root.join(dir).join("settings.job");
        let write = move || {
            let text = settings.to_string();
            file::write_whole(&path, text.as_bytes(), Durability::Synced, Access::Usual)
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written =
            written.map_err(|error| CommandError::Failed(format!("the settings were not written: {error}")))?;
        written.map_err(|error| CommandError::Failed(error.to_string()))?;
        self.refresh(Some(job.clone())).await
    }
}

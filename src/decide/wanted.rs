//! Whether a job may run at all: what stands in its way, if anything does.

use crate::model::{job::Job, stop::StopReason, wish::Switch};

/// What is known besides the job itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Who stopped the job, when somebody did.
    pub stopped_by: Option<&'a str>,
    /// Whether somebody enabled or disabled it, whatever its settings say.
    pub switch: Option<&'a Switch>,
    /// Whether the host's settings let nothing start (`WEBJOBS_STOPPED`).
    pub host_stopped: bool,
    /// Whether the job's folder is gone.
    pub removed: bool,
}

/// Returns what keeps the job from running, the strongest reason first.
pub fn barred(job: &Job, standing: Standing<'_>) -> Option<StopReason> {
    let disabled = |by: &str| Some(StopReason::Disabled { by: by.to_owned() });
    if standing.removed {
        Some(StopReason::Removed)
    } else if let Some(who) = standing.stopped_by {
        Some(StopReason::Request { who: who.to_owned() })
    } else if standing.host_stopped {
        disabled("WEBJOBS_STOPPED of the host")
    } else if let Some(switch) = standing.switch.filter(|switch| !switch.enabled) {
        disabled(&format!("{}; `webjobd enable` enables it", switch.by))
    } else if job.disable_marker {
        disabled("the file disable.job in its folder; remove it to enable the job")
    } else if !job.settings.enabled && standing.switch.is_none() {
        disabled("`enabled` in its settings.job")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;
    use crate::model::{
        id::{JobId, JobKind, JobName},
        job::{ContentHash, Manifest, Script},
        time::Wall,
    };

    fn job() -> Job {
        let script = Script {
            run_command: "run.sh".to_owned(),
            dir: Path::new("").into(),
            script_host: "BashScriptHost",
            program: vec!["bash".to_owned(), "run.sh".to_owned()],
            in_place_default: false,
        };
        Job {
            id: JobId { kind: JobKind::Continuous, name: JobName::parse("a").expect("a name") },
            root: Path::new("/jobs/continuous/a").into(),
            script: script.into(),
            settings: Arc::default(),
            content: ContentHash([0; 16]),
            files: Manifest::default(),
            disable_marker: false,
        }
    }

    #[test]
    fn the_strongest_reason_is_told() {
        let mut job = job();
        let free = Standing::default();
        assert_eq!(barred(&job, free), None);
        let switch = |enabled| Switch { enabled, by: "bob".to_owned(), at: Wall::UNIX_EPOCH };
        let (on, off) = (switch(true), switch(false));
        let disabled = Standing { switch: Some(&off), ..free };
        assert!(barred(&job, disabled).is_some_and(|why| why.to_string().contains("disabled by bob")));
        Arc::make_mut(&mut job.settings).enabled = false;
        assert!(barred(&job, free).is_some_and(|why| why.to_string().contains("`enabled`")));
        assert_eq!(barred(&job, Standing { switch: Some(&on), ..free }), None);
        job.disable_marker = true;
        assert!(barred(&job, free).is_some_and(|why| why.to_string().contains("disable.job")));
        let stopped = Standing { host_stopped: true, ..free };
        assert!(barred(&job, stopped).is_some_and(|why| why.to_string().contains("WEBJOBS_STOPPED")));
        let asked = Standing { stopped_by: Some("ann"), ..stopped };
        assert_eq!(barred(&job, asked), Some(StopReason::Request { who: "ann".to_owned() }));
        assert_eq!(barred(&job, Standing { removed: true, ..asked }), Some(StopReason::Removed));
    }
}

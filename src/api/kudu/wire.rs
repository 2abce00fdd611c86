//! Kudu's JSON objects: the members, their order and their nulls (spec/kudu-webjobs 8.7), made of what the view shows.
//!
//! Where Kudu's outward words differ from ours, they are mapped here and nowhere else.

use std::time::Duration;

use serde::Serialize;

use super::{
    files::{JobFiles, RunFiles},
    text,
};
use crate::{
    api::links::Links,
    host::view::JobView,
    model::{
        dotnet,
        id::{Instance, JobKind, RunId},
        run::{RunPhase, RunRecord},
        settings::WrittenSettings,
        status::StateWord,
        time::Wall,
    },
    store::{layout, record},
};

/// A job.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum KuduJob<'a> {
    /// Kept running.
    Continuous(Box<KuduContinuous<'a>>),
    /// Run on a schedule or on request.
    Triggered(Box<KuduTriggered<'a>>),
}

/// A continuous job.
#[derive(Debug, Serialize)]
pub struct KuduContinuous<'a> {
    status: String,
    detailed_status: String,
    log_url: String,
    #[serde(flatten)]
    common: KuduCommon<'a>,
}

/// A triggered job.
#[derive(Debug, Serialize)]
pub struct KuduTriggered<'a> {
    latest_run: Option<KuduRun>,
    history_url: String,
    scheduler_logs_url: Option<String>,
    #[serde(flatten)]
    common: KuduCommon<'a>,
}

#[derive(Debug, Serialize)]
struct KuduCommon<'a> {
    name: &'a str,
    run_command: Option<&'a str>,
    url: String,
    extra_info_url: String,
    #[serde(rename = "type")]
    kind: JobKind,
    error: Option<String>,
    using_sdk: bool,
    settings: &'a WrittenSettings,
}

/// A run of a triggered job.
#[derive(Clone, Debug, Serialize)]
pub struct KuduRun {
    id: RunId,
    name: RunId,
    status: &'static str,
    start_time: String,
    end_time: String,
    duration: Option<String>,
    output_url: Option<String>,
    error_url: Option<String>,
    url: String,
    job_name: String,
    trigger: Option<String>,
}

/// A job's runs.
#[derive(Debug, Serialize)]
pub struct KuduHistory {
    /// The newest first.
    pub runs: Vec<KuduRun>,
}

impl KuduHistory {
    /// Returns what changes only when something happens: how long a run takes up to now does not count.
    pub fn lasting(&self) -> Self {
        let lasting = |run: &KuduRun| match run.end_time.as_str() {
            dotnet::NO_DATE => KuduRun { duration: None, ..run.clone() },
            _ => run.clone(),
        };
        Self { runs: self.runs.iter().map(lasting).collect() }
    }
}

/// What an answer needs beside the job: where links lead, who answers, when.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Makes the links.
    pub links: Links,
    /// The host that answers.
    pub instance: Instance,
    /// The time of the answer.
    pub now: Wall,
}

impl Frame {
    /// Shows a job as Kudu does; `elsewhere` tells what other hosts do with it.
    pub fn job<'a>(&self, view: &'a JobView, files: JobFiles, elsewhere: &[(Instance, String)]) -> KuduJob<'a> {
        let id = &view.found.id;
        let common = self.common(view, files.uses_sdk);
        match id.kind {
            JobKind::Continuous => KuduJob::Continuous(Box::new(KuduContinuous {
                status: status(view.status.state, elsewhere),
                detailed_status: self.detailed_status(view.status.state, elsewhere),
                log_url: self.links.data(id, files.log.as_deref().unwrap_or(layout::JOB_LOG)),
                common,
            })),
            JobKind::Triggered => KuduJob::Triggered(Box::new(KuduTriggered {
                latest_run: view.latest.as_ref().map(|run| self.run(run, files.latest)),
                history_url: self.links.history(id),
                scheduler_logs_url: files.has_scheduler_log.then(|| self.links.data(id, layout::SCHEDULER_LOG)),
                common,
            })),
        }
    }

    /// Shows a run as Kudu does.
    pub fn run(&self, run: &RunRecord, files: RunFiles) -> KuduRun {
        let link = |file: &str| self.links.data(&run.job, &format!("{}/{file}", run.id));
        KuduRun {
            id: run.id,
            name: run.id,
            status: record::status_word(run.phase),
            start_time: text::date(Some(run.started)),
            end_time: text::date(run.ended),
            duration: Some(text::duration(took(run, self.now))),
            output_url: files.has_output.then(|| link(layout::OUTPUT_LOG)),
            error_url: files.has_error.then(|| link(super::files::ERROR_LOG)),
            url: self.links.run(&run.job, run.id),
            job_name: run.job.name.to_string(),
            trigger: Some(run.trigger.to_string()),
        }
    }

    fn common<'a>(&self, view: &'a JobView, using_sdk: bool) -> KuduCommon<'a> {
        let found = &view.found;
        KuduCommon {
            name: found.id.name.as_str(),
            run_command: view.job.as_ref().map(|job| job.script.run_command.as_str()),
            url: self.links.job(&found.id),
            extra_info_url: self.links.page(&found.id),
            kind: found.id.kind,
            error: error_text(view),
            using_sdk,
            settings: &found.raw_settings,
        }
    }

    /// One line an instance, by name; no line end while nothing is known yet.
    fn detailed_status(&self, state: StateWord, elsewhere: &[(Instance, String)]) -> String {
        let own = (self.instance.short(), state.kudu());
        if state == StateWord::Initializing && elsewhere.is_empty() {
            return format!("{} - {}", own.0, own.1);
        }
        let mut all: Vec<(&str, &str)> = elsewhere.iter().map(|(one, word)| (one.short(), word.as_str())).collect();
        all.push(own);
        all.sort_unstable();
        all.iter().map(|(instance, word)| format!("{instance} - {word}\r\n")).collect()
    }
}

/// The whole job's word: a host that runs it speaks for one that stands by.
fn status(own: StateWord, elsewhere: &[(Instance, String)]) -> String {
    let active = elsewhere.iter().map(|(_, word)| word).find(|word| *word != StateWord::Standby.kudu());
    match active {
        Some(word) if own == StateWord::Standby => word.clone(),
        Some(_) | None => own.kudu().to_owned(),
    }
}

/// How long a run took: by its times, which Kudu's clients can check, or up to now while it has no end.
fn took(run: &RunRecord, now: Wall) -> Duration {
    let until = match run.phase {
        RunPhase::Ended(_) => run.ended,
        RunPhase::Initializing | RunPhase::Running => Some(now),
    };
    let by_times = until.and_then(|until| Duration::try_from(until.duration_since(run.started)).ok());
    by_times.unwrap_or(Duration::from_millis(run.duration_ms.unwrap_or(0)))
}

/// What keeps a job from running, in one text; `None` when nothing does.
fn error_text(view: &JobView) -> Option<String> {
    let fatal = view.found.problems.iter().filter(|problem| problem.fatal);
    let texts: Vec<String> = fatal.map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

#[cfg(test)]
mod tests;

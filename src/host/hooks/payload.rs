//! What receivers are told, in the manner of Kudu's `TriggeredJobFinished` (spec/kudu-webjobs 8.9): JSON objects, members
//! without a value left out.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::{
    model::{
        dotnet,
        exit::Exit,
        id::{Instance, JobId, JobKind, RunId},
        job::Problem,
        run::{Occurrence, RunRecord},
        time::Wall,
    },
    store::{
        layout::{JOB_LOG, OUTPUT_LOG},
        record,
    },
};

/// What is escaped in a part of a path, as in the links of answers.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'(')
    .remove(b')')
    .remove(b'!')
    .remove(b'\'')
    .remove(b',')
    .remove(b'@');

/// A run of a triggered job has ended: the run as Kudu's API shows it.
#[derive(Debug, Serialize)]
pub struct Finished<'a> {
    id: RunId,
    name: RunId,
    status: &'static str,
    start_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_url: Option<String>,
    url: String,
    job_name: &'a str,
    trigger: String,
}

/// A life of a continuous job has failed.
#[derive(Debug, Serialize)]
pub struct Failed<'a> {
    id: RunId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    start_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    log_url: String,
    url: String,
    job_name: &'a str,
    trigger: String,
    instance: &'a str,
}

/// A job's folder has a defect that keeps it from running.
#[derive(Debug, Serialize)]
pub struct Broken<'a> {
    url: String,
    job_name: &'a str,
    job_type: JobKind,
    problems: &'a [Problem],
    instance: &'a str,
}

/// Due times passed without a run.
#[derive(Debug, Serialize)]
pub struct Missed<'a> {
    url: String,
    job_name: &'a str,
    due: String,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    instance: &'a str,
}

/// Makes links for payloads.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a>(pub &'a str);

impl Links<'_> {
    fn job(self, job: &JobId) -> String {
        format!("{}/api/{}webjobs/{}", self.0, job.kind, escape(job))
    }

    fn data(self, job: &JobId, file: &str) -> String {
        format!("{}/vfs/data/jobs/{}/{}/{file}", self.0, job.kind, escape(job))
    }

    /// Tells of a run that has ended; `has_output` tells whether its log is there.
    pub fn finished(self, run: &RunRecord, has_output: bool) -> Finished<'_> {
        Finished {
            id: run.id,
            name: run.id,
            status: record::status_word(run.phase),
            start_time: dotnet::date(Some(run.started)),
            end_time: run.ended.map(|ended| dotnet::date(Some(ended))),
            duration: took(run.started, run.ended),
            output_url: has_output.then(|| self.data(&run.job, &format!("{}/{OUTPUT_LOG}", run.id))),
            url: format!("{}/history/{}", self.job(&run.job), run.id),
            job_name: run.job.name.as_str(),
            trigger: run.trigger.to_string(),
        }
    }

    /// Tells of a life that has failed.
    pub fn failed(self, run: &RunRecord) -> Failed<'_> {
        let log = run.log.as_ref().and_then(|log| log.name.as_deref()).unwrap_or(JOB_LOG);
        Failed {
            id: run.id,
            status: record::status_word(run.phase),
            reason: run.reason.as_deref(),
            exit_code: run.exit.map(Exit::shell_code),
            start_time: dotnet::date(Some(run.started)),
            end_time: run.ended.map(|ended| dotnet::date(Some(ended))),
            duration: took(run.started, run.ended),
            log_url: self.data(&run.job, log),
            url: self.job(&run.job),
            job_name: run.job.name.as_str(),
            trigger: run.trigger.to_string(),
            instance: run.instance.as_str(),
        }
    }

    /// Tells of defects.
    pub fn broken<'b>(self, job: &'b JobId, problems: &'b [Problem], instance: &'b Instance) -> Broken<'b> {
        let (job_name, instance) = (job.name.as_str(), instance.as_str());
        Broken { url: self.job(job), job_name, job_type: job.kind, problems, instance }
    }

    /// Tells of due times that were missed.
    pub fn missed<'b>(self, job: &'b JobId, occurrence: &'b Occurrence, instance: &'b Instance) -> Missed<'b> {
        Missed {
            url: self.job(job),
            job_name: job.name.as_str(),
            due: dotnet::date(Some(occurrence.due)),
            count: occurrence.count.unwrap_or(1),
            reason: occurrence.reason.as_deref(),
            instance: instance.as_str(),
        }
    }
}

/// Writes a payload as Kudu does: with indents.
pub fn text(payload: &impl Serialize) -> String {
    serde_json::to_string_pretty(payload).expect("payloads hold nothing that JSON cannot")
}

fn took(started: Wall, ended: Option<Wall>) -> Option<String> {
    let span = Duration::try_from(ended?.duration_since(started)).ok()?;
    Some(dotnet::duration(span))
}

fn escape(job: &JobId) -> String {
    utf8_percent_encode(job.name.as_str(), ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        id::JobName,
        run::{OccurrenceOutcome, Outcome, RunPhase, Trigger},
    };

    fn run(kind: JobKind, phase: RunPhase) -> RunRecord {
        RunRecord {
            id: RunId::parse("201510200336425903").expect("18 digits"),
            job: JobId { kind, name: JobName::parse("Queue Updates(x)").expect("a name") },
            copy: 0,
            instance: Instance::new("aabbccdd"),
            trigger: Trigger::Api { user_agent: "Mozilla/5.0 ...".to_owned() },
            attempt: 1,
            arguments: None,
            phase,
            started: "2015-10-20T03:36:42.5903978Z".parse().expect("a time"),
            ended: "2015-10-20T03:37:02.8328967Z".parse().ok(),
            duration_ms: Some(7),
            exit: Some(Exit::Code(3)),
            reason: Some("exit code 3".to_owned()),
            content: None,
            pid: None,
            log: None,
        }
    }

    const LINKS: Links<'_> = Links("https://site.scm.example");

    #[test]
    fn a_finished_run_is_told_as_kudu_tells_it() {
        let run = run(JobKind::Triggered, RunPhase::Ended(Outcome::Succeeded));
        let expected = r#"{
  "id": "201510200336425903",
  "name": "201510200336425903",
  "status": "Success",
  "start_time": "2015-10-20T03:36:42.5903978Z",
  "end_time": "2015-10-20T03:37:02.8328967Z",
  "duration": "00:00:20.2424989",
  "output_url": "https://site.scm.example/vfs/data/jobs/triggered/Queue%20Updates(x)/201510200336425903/output_log.txt",
  "url": "https://site.scm.example/api/triggeredwebjobs/Queue%20Updates(x)/history/201510200336425903",
  "job_name": "Queue Updates(x)",
  "trigger": "External - Mozilla/5.0 ..."
}"#;
        assert_eq!(text(&LINKS.finished(&run, true)), expected);
        assert!(!text(&LINKS.finished(&run, false)).contains("output_url"));
    }

    #[test]
    fn the_other_events_are_told_in_the_same_manner() {
        let run = run(JobKind::Continuous, RunPhase::Ended(Outcome::Failed));
        let expected = r#"{
  "id": "201510200336425903",
  "status": "Failed",
  "reason": "exit code 3",
  "exit_code": 3,
  "start_time": "2015-10-20T03:36:42.5903978Z",
  "end_time": "2015-10-20T03:37:02.8328967Z",
  "duration": "00:00:20.2424989",
  "log_url": "https://site.scm.example/vfs/data/jobs/continuous/Queue%20Updates(x)/job_log.txt",
  "url": "https://site.scm.example/api/continuouswebjobs/Queue%20Updates(x)",
  "job_name": "Queue Updates(x)",
  "trigger": "External - Mozilla/5.0 ...",
  "instance": "aabbccdd"
}"#;
        assert_eq!(text(&LINKS.failed(&run)), expected);
        let occurrence = Occurrence {
            due: run.started,
            at: run.started,
            outcome: OccurrenceOutcome::Missed,
            reason: Some("no host ran".to_owned()),
            run: None,
            count: Some(3),
            first: None,
            corrects: None,
        };
        let expected = r#"{
  "url": "https://site.scm.example/api/continuouswebjobs/Queue%20Updates(x)",
  "job_name": "Queue Updates(x)",
  "due": "2015-10-20T03:36:42.5903978Z",
  "count": 3,
  "reason": "no host ran",
  "instance": "aabbccdd"
}"#;
        assert_eq!(text(&LINKS.missed(&run.job, &occurrence, &run.instance)), expected);
    }
}

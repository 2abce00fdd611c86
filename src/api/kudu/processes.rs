//! The processes of the host and its jobs, with Kudu's members (spec/kudu-webjobs 8.14). Never their environment, which
//! holds secrets; never the processes of others.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Serialize;

use super::text;
use crate::{
    api::{Api, answer, blocking, job_path::Who, links::Links},
    host::handle::{CommandError, processes::HostProcess},
};

/// A process in a list.
#[derive(Debug, Serialize)]
struct Brief {
    id: u32,
    name: String,
    href: String,
}

/// One process.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    brief: Brief,
    parent: String,
    children: Vec<String>,
    file_name: Option<String>,
    command_line: String,
    start_time: String,
    total_cpu_time: String,
    working_set: u64,
    thread_count: usize,
    handle_count: Option<usize>,
    is_scm_site: bool,
    is_webjob: bool,
    description: Option<String>,
}

/// Lists them.
pub async fn list(State(api): State<Api>, links: Links) -> Response {
    let all = blocking(move || api.handle.processes()).await;
    let shown: Vec<Brief> = all.iter().map(|process| brief(process, &links)).collect();
    answer::json(StatusCode::OK, &shown)
}

/// Shows one; 0 is the host itself.
pub async fn one(State(api): State<Api>, Path(id): Path<String>, links: Links) -> Response {
    let all = blocking(move || api.handle.processes()).await;
    match find(&all, &id) {
        Some(process) => answer::json(StatusCode::OK, &whole(process, &all, &links)),
        None => missing(&id),
    }
}

/// Kills one of a run's. The host itself is stopped by a signal, not over its own API.
pub async fn kill(State(api): State<Api>, Path(id): Path<String>, Who(who): Who) -> Response {
    let handle = api.handle.clone();
    let all = blocking(move || handle.processes()).await;
    match find(&all, &id) {
        None => missing(&id),
        Some(HostProcess { run: None, .. }) => {
            answer::message(StatusCode::CONFLICT, "this is the host itself; stop it with a TERM signal")
        }
        Some(process) => match api.handle.kill_process(process.facts.id.pid, who).await {
            Ok(()) => answer::empty(StatusCode::NO_CONTENT),
            Err(CommandError::Invalid(_)) => missing(&id),
            Err(error) => answer::message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
    }
}

fn find<'a>(all: &'a [HostProcess], id: &str) -> Option<&'a HostProcess> {
    let pid: u32 = id.parse().ok()?;
    all.iter().find(|process| if pid == 0 { process.run.is_none() } else { process.facts.id.pid == pid })
}

fn missing(id: &str) -> Response {
    answer::message(StatusCode::NOT_FOUND, &format!("Process with an Id of {id} is not running."))
}

fn brief(process: &HostProcess, links: &Links) -> Brief {
    let id = process.facts.id.pid;
    Brief { id, name: process.facts.name.clone(), href: links.process(id) }
}

fn whole(process: &HostProcess, all: &[HostProcess], links: &Links) -> Whole {
    let facts = &process.facts;
    let children = all.iter().filter(|other| other.facts.parent == facts.id.pid);
    Whole {
        brief: brief(process, links),
        parent: links.process(facts.parent),
        children: children.map(|child| links.process(child.facts.id.pid)).collect(),
        file_name: facts.program.clone(),
        command_line: facts.command_line.join(" "),
        start_time: text::date(facts.started),
        total_cpu_time: text::duration(facts.cpu),
        working_set: facts.memory,
        thread_count: facts.n_threads,
        handle_count: facts.n_files,
        is_scm_site: process.run.is_none(),
        is_webjob: process.run.is_some(),
        description: process.run.as_ref().map(|(job, _)| format!("WebJob: {}, Type: {}", job.name, job.kind)),
    }
}

//! The one HTTP client of the command line: a typed call for each route of `/api/v1`, errors with their exit codes.
//!
//! It never goes through a proxy to reach this machine, never follows a redirect, and sends its credentials nowhere but
//! to the host it was made for.

mod query;
mod trust;

use std::{error::Error, time::Duration};

use reqwest::{Certificate, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpStream, time::timeout};

use self::query::NextQuery;
pub use self::query::{LogQuery, RunQuery, SearchQuery};
use crate::{
    api::wire::{ComingWire, JobWire, OccurrencesWire, PhaseWire, ProblemWire, RunRequest, RunWire, RunsWire},
    cli::{
        error::{CliError, Exit},
        place::{Login, Place, Target},
    },
    model::{id::JobKind, time::Wall},
    os::tls,
};

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for an answer that the host does not hold back.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Seconds for which the host may hold back the answer about a run that has not ended.
const WAIT_SECONDS: u64 = 30;
/// How programs see this one.
const USER_AGENT: &str = concat!("webjobd/", env!("CARGO_PKG_VERSION"));

/// A connection to one host.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    target: Target,
    start_hint: String,
}

/// What is asked of a job as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Let it run.
    Start,
    /// Let it not run.
    Stop,
    /// Stop it and let it run again.
    Restart,
    /// Let it run, whatever its settings say.
    Enable,
    /// Let it not run, whatever its settings say.
    Disable,
}

impl Client {
    /// Finds the host of a place: the only one, or the first that takes a connection.
    ///
    /// # Errors
    /// When there is none, or nothing says how to log in.
    pub async fn open(place: &Place) -> Result<Self, CliError> {
        let mut targets = place.targets()?;
        let mut chosen = 0;
        if targets.len() > 1 {
            for (at, target) in targets.iter().enumerate() {
                if takes_connections(&target.url).await {
                    chosen = at;
                    break;
                }
            }
        }
        Self::new(targets.swap_remove(chosen), trust::of(place)?, place.start_hint())
    }

    fn new(target: Target, ca: Option<Vec<Certificate>>, start_hint: String) -> Result<Self, CliError> {
        tls::choose_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_MAX)
            .redirect(redirect::Policy::none());
        if is_loopback(&target.url) {
            builder = builder.no_proxy();
        }
        builder = trust::apply(builder, &target, ca)?;
        let http = builder.build().map_err(|error| CliError::new(Exit::Failed, root_cause(&error)))?;
        Ok(Self { http, target, start_hint })
    }

    /// Returns every job.
    ///
    /// # Errors
    /// As every call: when the host does not answer, or does not do it.
    pub async fn jobs(&self) -> Result<Vec<JobWire>, CliError> {
        self.get(&["jobs"], &()).await
    }

    /// Returns one job, if there is one.
    ///
    /// # Errors
    /// As every call.
    pub async fn job(&self, kind: JobKind, name: &str) -> Result<Option<JobWire>, CliError> {
        match self.get(&["jobs", kind.as_str(), name], &()).await {
            Ok(job) => Ok(Some(job)),
            Err(CliError::Told(Exit::NotFound, _)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets the host read a job's folder now.
    ///
    /// # Errors
    /// As every call.
    pub async fn refresh(&self, kind: JobKind, name: &str) -> Result<(), CliError> {
        let asked = self.request(Method::POST, &["refresh"]).query(&[("job", format!("{kind}/{name}"))]);
        self.send(asked.timeout(ANSWER_MAX)).await.map(drop)
    }

    /// Asks for a run.
    ///
    /// # Errors
    /// As every call.
    pub async fn run(&self, job: &JobWire, request: &RunRequest) -> Result<RunWire, CliError> {
        let asked = self.request(Method::POST, &of(job, &["runs"])).json(request).timeout(ANSWER_MAX);
        self.read(asked).await
    }

    /// Returns runs, newest first: as many as asked for, page by page.
    ///
    /// # Errors
    /// As every call.
    pub async fn runs(&self, query: &RunQuery) -> Result<Vec<RunWire>, CliError> {
        let mut query = query.clone();
        let mut runs = Vec::new();
        loop {
            let page: RunsWire = self.get(&["runs"], &query).await?;
            runs.extend(page.runs);
            let left = query.limit.map(|limit| limit.saturating_sub(runs.len()));
            match page.next_cursor {
                Some(next) if left.is_some_and(|left| left > 0) => {
                    (query.limit, query.cursor) = (left, Some(next));
                }
                Some(_) | None => return Ok(runs),
            }
        }
    }

    /// Returns one run.
    ///
    /// # Errors
    /// As every call.
    pub async fn one_run(&self, job: &JobWire, run: &str) -> Result<RunWire, CliError> {
        self.get(&of(job, &["runs", run]), &()).await.map_err(|error| about_run(error, job, run))
    }

    /// Waits until a run has ended, and returns it.
    ///
    /// # Errors
    /// As every call.
    pub async fn ended(&self, job: &JobWire, run: &str) -> Result<RunWire, CliError> {
        loop {
            let asked = self.request(Method::GET, &of(job, &["runs", run])).query(&[("wait", WAIT_SECONDS)]);
            let asked = asked.timeout(ANSWER_MAX + Duration::from_secs(WAIT_SECONDS));
            let read: RunWire = self.read(asked).await.map_err(|error| about_run(error, job, run))?;
            if read.phase == PhaseWire::Ended {
                return Ok(read);
            }
        }
    }

    /// Ends one run.
    ///
    /// # Errors
    /// As every call.
    pub async fn cancel(&self, job: &JobWire, run: &str) -> Result<(), CliError> {
        let asked = self.request(Method::POST, &of(job, &["runs", run, "cancel"])).timeout(ANSWER_MAX);
        self.send(asked).await.map(drop)
    }

    /// Asks something of a job as a whole, and returns the job as it is then.
    ///
    /// # Errors
    /// As every call.
    pub async fn wish(&self, job: &JobWire, wish: Wish) -> Result<JobWire, CliError> {
        let verb = match wish {
            Wish::Start => "start",
            Wish::Stop => "stop",
            Wish::Restart => "restart",
            Wish::Enable => "enable",
            Wish::Disable => "disable",
        };
        self.read(self.request(Method::POST, &of(job, &[verb])).timeout(ANSWER_MAX)).await
    }

    /// Posts a body to a path below `/api/v1`.
    ///
    /// # Errors
    /// As every call.
    pub async fn post(&self, path: &[&str], body: &impl Serialize) -> Result<(), CliError> {
        self.send(self.request(Method::POST, path).json(body).timeout(ANSWER_MAX)).await.map(drop)
    }

    /// Returns a job's coming due times, from the moment `from` on or after now.
    ///
    /// # Errors
    /// As every call.
    pub async fn next(&self, job: &JobWire, count: usize, from: Option<Wall>) -> Result<Vec<ComingWire>, CliError> {
        self.get(&of(job, &["next"]), &NextQuery { count, from }).await
    }

    /// Returns what became of a job's latest due times, newest first.
    ///
    /// # Errors
    /// As every call.
    pub async fn occurrences(&self, job: &JobWire, limit: usize) -> Result<OccurrencesWire, CliError> {
        self.get(&of(job, &["occurrences"]), &[("limit", limit)]).await
    }

    /// Opens a job's log; the answer's body is its lines.
    ///
    /// # Errors
    /// As every call.
    pub async fn log(&self, job: &JobWire, query: &LogQuery) -> Result<Response, CliError> {
        let sent = self.send(self.request(Method::GET, &of(job, &["log"])).query(query)).await;
        sent.map_err(|error| match &query.run {
            Some(run) => about_run(error, job, run),
            None => error,
        })
    }

    /// Looks for something in a job's log; the answer's body is one JSON object a line.
    ///
    /// # Errors
    /// As every call.
    pub async fn search(&self, job: &JobWire, query: &SearchQuery) -> Result<Response, CliError> {
        self.send(self.request(Method::GET, &of(job, &["log", "search"])).query(query)).await
    }

    /// Makes an error of a body that broke off.
    pub fn broken(&self, error: &reqwest::Error) -> CliError {
        let text = format!("the host at {} broke off: {}", self.target.url, root_cause(error));
        CliError::new(Exit::NoHost, text)
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &impl Serialize) -> Result<T, CliError> {
        self.read(self.request(Method::GET, path).query(query).timeout(ANSWER_MAX)).await
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        let body = self.send(request).await?.bytes().await.map_err(|error| self.broken(&error))?;
        serde_json::from_slice(&body).map_err(|error| {
            let text = format!("the answer of {} is not understood: {error}; is it a webjobd?", self.target.url);
            CliError::new(Exit::Failed, text)
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(refusal(status, &body, &self.target.url))
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.target.url.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(["api", "v1"]).extend(path);
        let request = self.http.request(method, url);
        match &self.target.login {
            Login::Nobody => request,
            Login::User(user, secret) => request.basic_auth(user, Some(secret)),
            Login::Token(token) => request.bearer_auth(token),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let (url, hint) = (&self.target.url, &self.start_hint);
        let text = match &self.target.file {
            _ if error.is_timeout() => format!("the host at {url} did not answer in time"),
            Some(file) if error.is_connect() && !trust::is_denied(error) => format!(
                "host `{}` (process {}) was at {url}, but nothing answers there: it has probably crashed; {hint}",
                file.instance, file.pid
            ),
            _ if trust::is_denied(error) => format!(
                "the host at {url} is not believed to be the one that is meant: {}; --ca names the certificates that sign \
                 its own",
                root_cause(error)
            ),
            Some(_) | None => format!("no host answers at {url}: {}", root_cause(error)),
        };
        CliError::new(Exit::NoHost, text)
    }
}

async fn takes_connections(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = (host, url.port_or_known_default().unwrap_or(80));
    timeout(CONNECT_MAX, TcpStream::connect(address)).await.is_ok_and(|connected| connected.is_ok())
}

fn of<'a>(job: &'a JobWire, rest: &[&'a str]) -> Vec<&'a str> {
    [&["jobs", job.kind.as_str(), &job.name], rest].concat()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback() || ip.is_unspecified())
}

/// Makes an error of an answer that is not a success.
fn refusal(status: StatusCode, body: &[u8], url: &Url) -> CliError {
    let exit = match status.as_u16() {
        401 | 403 | 429 => Exit::NotAllowed,
        404 | 410 => Exit::NotFound,
        409 | 423 => Exit::Conflict,
        503 => Exit::NoHost,
        400..=499 => Exit::Usage,
        _ => Exit::Failed,
    };
    let problem = serde_json::from_slice::<ProblemWire>(body).ok();
    let text = match (status.as_u16(), problem) {
        (401, _) => format!(
            "the host at {url} does not know these credentials; `webjobd credentials` on its machine shows them, \
             and WEBJOBD_CREDENTIALS=user:secret passes them on"
        ),
        (_, Some(problem)) => problem.detail,
        (_, None) => format!("the host at {url} answers {status}"),
    };
    CliError::new(exit, text)
}

/// Says of a run that is not there what helps on the command line.
fn about_run(error: CliError, job: &JobWire, run: &str) -> CliError {
    match error {
        CliError::Told(Exit::NotFound, _) => {
            let text =
                format!("job \"{0}\" has no run {run}; `webjobd history {0}` lists those that are kept", job.name);
            CliError::new(Exit::NotFound, text)
        }
        told @ (CliError::Told(..) | CliError::Output(_)) => told,
    }
}

/// Returns the words of an error's first cause: what a person can act on.
fn root_cause(error: &dyn Error) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

#[cfg(test)]
mod tests;

//! The job that a path names, looked up without regard to case.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use serde::Deserialize;

use super::{Api, answer, path::Sent};
use crate::{
    host::view::JobView,
    model::id::{JobId, JobKind},
};

/// What stands in a path for a job, and for a run of it.
#[derive(Clone, Debug, Deserialize)]
pub struct JobPath {
    /// `continuous` or `triggered`, or neither; empty where the route says it.
    #[serde(default)]
    pub kind: String,
    /// A name as it was sent.
    pub name: String,
    /// A run's id as it was sent.
    #[serde(default)]
    pub run: String,
}

impl JobPath {
    /// Finds the job.
    pub fn find(&self, api: &Api) -> Option<JobId> {
        self.find_of(api, self.kind.parse().ok()?)
    }

    /// Finds the job of a kind.
    pub fn find_of(&self, api: &Api, kind: JobKind) -> Option<JobId> {
        api.handle.find(kind, &self.name)
    }

    /// Finds the job and what it is doing.
    pub fn view(&self, api: &Api) -> Option<Arc<JobView>> {
        api.handle.view().job(&self.find(api)?)
    }
}

/// A kind of jobs in a path of Kudu's; a path with anything else in its place is no route.
#[derive(Clone, Copy, Debug)]
pub struct KindPath(pub JobKind);

impl FromRequestParts<Api> for KindPath {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Response> {
        let path = Path::<BTreeMap<String, String>>::from_request_parts(parts, api).await;
        let kind = path.ok().and_then(|Path(values)| values.get("kind")?.parse().ok());
        kind.map(Self).ok_or_else(|| answer::no_route_to(parts.extensions.get::<Sent>()))
    }
}

/// Who asks: the `User-Agent` of a request, empty when it has none.
#[derive(Clone, Debug)]
pub struct Who(pub String);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

impl Who {
    /// Reads it from the headers of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT);
        Self(agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned()).unwrap_or_default())
    }
}

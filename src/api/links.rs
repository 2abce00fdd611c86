//! Links in answers: where this host is reached, and what lies where below it.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{request::Parts, uri::Authority},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::Api;
use crate::{
    host::door::Front,
    model::{
        config::Config,
        id::{JobId, RunId},
    },
};

/// What is escaped in a part of a path: everything but RFC 3986's unreserved characters, parentheses and a few more.
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

/// Makes links for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    base: String,
}

impl Links {
    /// Takes the address from the configuration, or else from the request: the name under which its client asks.
    pub fn new(config: &Config, front: Option<&Front>) -> Self {
        let scheme = if front.is_some_and(|front| front.tls) { "https" } else { "http" };
        let named = front.and_then(|front| Authority::try_from(front.host.as_deref()?).ok());
        // What stands before an `@` would be a login, which belongs into no link.
        let host = named.filter(|host| !host.as_str().contains('@'));
        let own = || match host {
            Some(host) => format!("{scheme}://{host}"),
            None => format!("{scheme}://{}", config.listen),
        };
        Self { base: config.public_url.clone().unwrap_or_else(own) }
    }

    /// Links to a job of Kudu's API.
    pub fn job(&self, job: &JobId) -> String {
        format!("{}/api/{}webjobs/{}", self.base, job.kind, escaped(job.name.as_str()))
    }

    /// Links to all runs of a job.
    pub fn history(&self, job: &JobId) -> String {
        format!("{}/api/{}webjobs/{}/history", self.base, job.kind, escaped(job.name.as_str()))
    }

    /// Links to one run.
    pub fn run(&self, job: &JobId, run: RunId) -> String {
        format!("{}/history/{run}", self.job(job))
    }

    /// Links to the page that Kudu's dashboard has of a job.
    pub fn page(&self, job: &JobId) -> String {
        format!("{}/azurejobs/#/jobs/{}/{}", self.base, job.kind, escaped(job.name.as_str()))
    }

    /// Links to a file in a job's data folder, by Kudu's older path.
    pub fn data(&self, job: &JobId, file: &str) -> String {
        format!("{}/vfs/data/jobs/{}/{}/{file}", self.base, job.kind, escaped(job.name.as_str()))
    }

    /// Links to a run in our own API.
    pub fn own_run(&self, job: &JobId, run: RunId) -> String {
        format!("{}/api/v1/jobs/{}/{}/runs/{run}", self.base, job.kind, escape(job.name.as_str()))
    }

    /// Links to a process.
    pub fn process(&self, pid: u32) -> String {
        format!("{}/api/processes/{pid}", self.base)
    }

    /// Links to a path of this host, with its query.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Links to a path below the files.
    pub fn file(&self, path: &str) -> String {
        let parts: Vec<String> = path.split('/').map(escape).collect();
        format!("{}/api/vfs/{}", self.base, parts.join("/"))
    }
}

impl FromRequestParts<Api> for Links {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        Ok(Self::new(api.handle.config(), parts.extensions.get()))
    }
}

/// Escapes one part of a path.
pub fn escape(part: &str) -> String {
    escaped(part).to_string()
}

fn escaped(part: &str) -> PercentEncode<'_> {
    utf8_percent_encode(part, ESCAPED)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::model::id::{JobKind, JobName};

    /// Links as they are in the written examples.
    pub fn example() -> Links {
        Links { base: "https://site.scm.example".to_owned() }
    }

    #[test]
    fn names_are_escaped_in_links() {
        let job = |name| JobId { kind: JobKind::Triggered, name: JobName::parse(name).expect("a name") };
        for (name, link) in [
            ("nightly", "https://site.scm.example/api/triggeredwebjobs/nightly"),
            ("daas(sitepinger)", "https://site.scm.example/api/triggeredwebjobs/daas(sitepinger)"),
            ("a b?#%ü", "https://site.scm.example/api/triggeredwebjobs/a%20b%3F%23%25%C3%BC"),
        ] {
            assert_eq!(example().job(&job(name)), link);
        }
    }
}

//! A deployment as Kudu shows it: its members, in its order, with its words.

use serde::Serialize;

use crate::{
    api::{Api, kudu::text, links::Links},
    model::{
        deployment::{Deployment, DeploymentId, DeploymentLine, Stage},
        time::Wall,
    },
};

/// What all deployments of an answer have in common.
pub struct Frame {
    links: Links,
    active: Option<DeploymentId>,
    site: String,
}

/// A deployment.
#[derive(Debug, Serialize)]
pub struct KuduDeployment {
    id: String,
    status: u8,
    status_text: String,
    author_email: String,
    author: String,
    deployer: String,
    message: String,
    progress: String,
    received_time: String,
    start_time: Option<String>,
    end_time: Option<String>,
    last_success_end_time: Option<String>,
    complete: bool,
    active: bool,
    is_temp: bool,
    is_readonly: bool,
    url: String,
    log_url: String,
    site_name: String,
}

/// A line of a deployment's log.
#[derive(Debug, Serialize)]
pub struct KuduLine {
    log_time: String,
    id: String,
    message: String,
    /// 0 as expected, 2 went wrong.
    #[serde(rename = "type")]
    kind: u8,
    details_url: Option<String>,
}

impl Frame {
    /// Takes what deployments have in common.
    pub fn new(api: &Api, links: Links, active: Option<DeploymentId>) -> Self {
        Self { links, active, site: api.handle.config().instance.to_string() }
    }

    /// Links to a deployment.
    pub fn link(&self, deployment: &Deployment) -> String {
        self.links.path(&format!("/api/deployments/{}", deployment.id))
    }

    /// Shows a deployment.
    pub fn deployment(&self, deployment: &Deployment) -> KuduDeployment {
        let Deployment { id, stage, text, about, received, started, ended, succeeded, jobs: _ } = deployment;
        let date = |moment: Option<Wall>| moment.map(|moment| text::date(Some(moment)));
        let is_failed = *stage == Stage::Failed;
        KuduDeployment {
            id: id.to_string(),
            status: *stage as u8,
            status_text: if is_failed { text.clone() } else { String::new() },
            author_email: about.author_email.clone(),
            author: about.author.clone(),
            deployer: about.deployer.clone(),
            message: about.message.clone(),
            progress: if deployment.is_complete() { String::new() } else { text.clone() },
            received_time: text::date(Some(*received)),
            start_time: date(*started),
            end_time: date(*ended),
            last_success_end_time: date(*succeeded),
            complete: deployment.is_complete(),
            active: self.active.as_ref() == Some(id),
            is_temp: false,
            is_readonly: true,
            url: self.link(deployment),
            log_url: format!("{}/log", self.link(deployment)),
            site_name: self.site.clone(),
        }
    }
}

/// Shows the lines of a log.
pub fn lines(lines: &[DeploymentLine]) -> Vec<KuduLine> {
    let shape = |(at, line): (usize, &DeploymentLine)| KuduLine {
        log_time: text::date(Some(line.at)),
        id: at.to_string(),
        message: line.message.clone(),
        kind: if line.is_error { 2 } else { 0 },
        details_url: None,
    };
    lines.iter().enumerate().map(shape).collect()
}

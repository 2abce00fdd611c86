//! Deployments of a site's zip, as Kudu has them (spec/kudu-webjobs 8.12), with one difference: jobs that are not in the
//! zip stay.
//!
//! A deployment goes on when its client has gone; `/api/deployments/latest` tells of it.

mod wire;

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post},
};

use self::wire::Frame;
use super::{
    Api, UPLOAD_BYTES_MAX, answer,
    links::{Links, escape},
    query::Params,
    uploads, zips,
};
use crate::{
    host::handle::deployments::{DeployError, Deploying},
    model::deployment::{About, Stage},
};

/// Seconds after which a client is to ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Names the deployment that a request began.
const DEPLOYMENT_ID: HeaderName = HeaderName::from_static("scm-deployment-id");

/// Returns the routes.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/api/zipdeploy", post(zipdeploy).put(zipdeploy))
        .route("/api/publish", post(publish).put(publish))
        .route("/api/deployments", get(list))
        .route("/api/deployments/{id}", get(one).put(redeploy).delete(forget))
        .route("/api/deployments/{id}/log", get(log))
        .route("/api/deployments/{id}/log/{line}", get(log_line))
}

async fn zipdeploy(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    links: Links,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some(refusal) = zips::refuse_fetch(&headers) {
        return refusal;
    }
    let params = Params::parse(query.as_deref());
    for flag in ["isAsync", "clean", "trackDeploymentProgress", "restart", "async"] {
        if params.flag(flag).is_err() {
            return answer::message(StatusCode::BAD_REQUEST, &format!("`{flag}` must be true or false"));
        }
    }
    let uploaded = match uploads::receive(api.handle.layout(), body, UPLOAD_BYTES_MAX).await {
        Ok(uploaded) => uploaded,
        Err(error) => return answer::text(uploads::status(&error), error.to_string()),
    };
    match api.handle.deploy(uploaded.path().to_owned(), about(&params)).await {
        Ok(deploying) => begun(&links, &params, deploying).await,
        Err(error) => refuse(&error),
    }
}

/// OneDeploy: the same for a zip, and nothing else.
async fn publish(
    state: State<Api>,
    RawQuery(query): RawQuery,
    links: Links,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let kind = Params::parse(query.as_deref()).get("type").unwrap_or_default().to_owned();
    if !kind.eq_ignore_ascii_case("zip") {
        let text = format!("`type={kind}` is not supported: this host takes `type=zip` with jobs in it");
        return answer::text(StatusCode::BAD_REQUEST, text);
    }
    zipdeploy(state, RawQuery(query), links, headers, body).await
}

fn about(params: &Params) -> About {
    // As much as a person writes; more is none of anybody's business.
    let text = |name: &str| params.get(name).unwrap_or_default().chars().take(1000).collect::<String>();
    let deployer = text("deployer");
    About {
        author: text("author"),
        author_email: text("authorEmail"),
        deployer: if deployer.is_empty() { "ZipDeploy".to_owned() } else { deployer },
        message: text("message"),
    }
}

/// Answers at once where that is wanted, else when the deployment has ended.
async fn begun(links: &Links, params: &Params, deploying: Deploying) -> Response {
    let is_async = params.flag("isAsync").unwrap_or_default() || params.flag("async").unwrap_or_default();
    let id = HeaderValue::from_str(deploying.id.as_str()).expect("hexadecimal digits");
    let mut response = match is_async {
        true => {
            let deployer = escape(params.get("deployer").filter(|text| !text.is_empty()).unwrap_or("ZipDeploy"));
            let mut response = answer::empty(StatusCode::ACCEPTED);
            answer::locate(&mut response, &links.path(&format!("/api/deployments/latest?deployer={deployer}")));
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            response
        }
        false => match deploying.end.await {
            Ok(ended) if ended.deployment.stage == Stage::Success => answer::empty(StatusCode::OK),
            Ok(ended) if ended.is_senders_fault => {
                answer::message(StatusCode::BAD_REQUEST, &failure(&ended.deployment.text))
            }
            Ok(ended) => answer::message(StatusCode::INTERNAL_SERVER_ERROR, &failure(&ended.deployment.text)),
            Err(error) => answer::message(StatusCode::INTERNAL_SERVER_ERROR, &failure(&error.to_string())),
        },
    };
    response.headers_mut().insert(DEPLOYMENT_ID, id);
    response
}

fn failure(why: &str) -> String {
    format!("the deployment failed, and every job is as it was: {why}")
}

async fn list(State(api): State<Api>, links: Links) -> Response {
    let (deployments, active) = api.handle.deployments().await;
    let frame = Frame::new(&api, links, active);
    let shown: Vec<_> = deployments.iter().map(|deployment| frame.deployment(deployment)).collect();
    answer::json(StatusCode::OK, &shown)
}

async fn one(State(api): State<Api>, Path(id): Path<String>, links: Links) -> Response {
    match api.handle.deployment_log(&id).await {
        Ok((deployment, _)) => {
            let (_, active) = api.handle.deployments().await;
            let frame = Frame::new(&api, links, active);
            let shown = frame.deployment(&deployment);
            if deployment.is_complete() {
                return answer::json(StatusCode::OK, &shown);
            }
            let mut response = answer::json(StatusCode::ACCEPTED, &shown);
            answer::locate(&mut response, &frame.link(&deployment));
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            response
        }
        Err(error) => refuse(&error),
    }
}

async fn redeploy(State(api): State<Api>, Path(id): Path<String>, RawQuery(query): RawQuery, links: Links) -> Response {
    match api.handle.redeploy(&id).await {
        Ok(deploying) => begun(&links, &Params::parse(query.as_deref()), deploying).await,
        Err(error) => refuse(&error),
    }
}

async fn forget(State(api): State<Api>, Path(id): Path<String>) -> Response {
    match api.handle.forget_deployment(&id).await {
        Ok(()) => answer::empty(StatusCode::NO_CONTENT),
        Err(error) => refuse(&error),
    }
}

async fn log(State(api): State<Api>, Path(id): Path<String>) -> Response {
    match api.handle.deployment_log(&id).await {
        Ok((_, lines)) => answer::json(StatusCode::OK, &wire::lines(&lines)),
        Err(error) => refuse(&error),
    }
}

/// What a line has below it: nothing, as each tells all it has to tell.
async fn log_line(State(api): State<Api>, Path((id, line)): Path<(String, String)>) -> Response {
    match api.handle.deployment_log(&id).await {
        Ok((_, lines)) if line.parse().is_ok_and(|line: usize| line < lines.len()) => {
            answer::json(StatusCode::OK, &Vec::<()>::new())
        }
        Ok(_) => answer::message(StatusCode::NOT_FOUND, &format!("the log of deployment `{id}` has no line `{line}`")),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &DeployError) -> Response {
    let status = match error {
        DeployError::Missing(_) => StatusCode::NOT_FOUND,
        DeployError::Busy | DeployError::NoPackage(_) | DeployError::Active(_) => StatusCode::CONFLICT,
        DeployError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    answer::message(status, &error.to_string())
}

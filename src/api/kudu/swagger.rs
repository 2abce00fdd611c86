//! The Swagger 2.0 document of triggered jobs, one path each, as flow designers read it (spec/kudu-webjobs 8.8).

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use crate::{
    api::{Api, answer},
    model::id::JobKind,
};

/// Answers with the document.
pub async fn document(State(api): State<Api>) -> Response {
    let jobs = api.handle.view().jobs();
    let triggered = jobs.iter().filter(|job| job.found.id.kind == JobKind::Triggered);
    let names = triggered.map(|job| job.found.id.name.as_str());
    answer::json(StatusCode::OK, &describe(names))
}

fn describe<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let paths: Map<String, Value> = names.map(|name| (format!("/api/triggeredjobs/{name}/run"), run(name))).collect();
    json!({
        "swagger": "2.0",
        "info": { "version": "v1", "title": "WebJobs" },
        "host": "placeHolder",
        "schemes": ["https"],
        "paths": paths,
    })
}

fn run(name: &str) -> Value {
    json!({
        "post": {
            "deprecated": false,
            "operationId": name,
            "consumes": [],
            "produces": [],
            "responses": { "200": { "description": "Success" }, "default": { "description": "Success" } },
            "parameters": [{
                "name": "arguments",
                "in": "query",
                "description": "Web Job Arguments",
                "required": false,
                "type": "string",
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_as_it_is_written_down() {
        let written = r#"{"swagger":"2.0","info":{"version":"v1","title":"WebJobs"},"host":"placeHolder","schemes":["https"],"paths":{"/api/triggeredjobs/nightly/run":{"post":{"deprecated":false,"operationId":"nightly","consumes":[],"produces":[],"responses":{"200":{"description":"Success"},"default":{"description":"Success"}},"parameters":[{"name":"arguments","in":"query","description":"Web Job Arguments","required":false,"type":"string"}]}}}}"#;
        assert_eq!(describe(["nightly"].into_iter()).to_string(), written);
    }
}

//! Resources as Azure's management API shows them (spec/kudu-webjobs 8.10): every answer in an envelope with an id, a type
//! and a name that follow from the path.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The type of what lies at a path that is not one of the management API.
const TYPE_OF_SITE: &str = "Microsoft.Web/sites";

/// Where a request was sent, as far as its answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The path by which the client knows the resource, without a slash at its end.
    pub id: String,
    /// The value of `x-ms-geo-location`; empty when there is none.
    pub location: String,
}

/// One resource in its envelope.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Envelope {
    id: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    location: String,
    properties: Value,
}

impl Scope {
    /// Puts an answer of Kudu's into envelopes; one that is no resource, nor a list of them, stays what it is.
    pub fn wrap(&self, answer: Value) -> Value {
        match answer {
            Value::Array(items) => self.list(items),
            Value::Object(mut members) => match members.remove("runs") {
                Some(Value::Array(runs)) if members.is_empty() => self.list(runs),
                Some(runs) => {
                    members.insert("runs".to_owned(), runs);
                    self.one(members)
                }
                None => self.one(members),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => answer,
        }
    }

    /// Makes the body of an error.
    pub fn error(code: &str, message: &str) -> Value {
        json!({ "error": { "code": code, "message": message } })
    }

    fn one(&self, members: Map<String, Value>) -> Value {
        match members.get("name").and_then(Value::as_str).map(str::to_owned) {
            Some(name) => self.envelope(self.id.clone(), &name, members),
            None => Value::Object(members),
        }
    }

    fn list(&self, items: Vec<Value>) -> Value {
        let wrap = |item| match item {
            Value::Object(members) => match members.get("name").and_then(Value::as_str).map(str::to_owned) {
                Some(name) => self.envelope(format!("{}/{name}", self.id), &name, members),
                None => Value::Object(members),
            },
            other => other,
        };
        json!({ "value": items.into_iter().map(wrap).collect::<Vec<_>>() })
    }

    fn envelope(&self, id: String, own_name: &str, mut members: Map<String, Value>) -> Value {
        let (kind, name) = type_and_name(&id).unwrap_or_else(|| (TYPE_OF_SITE.to_owned(), own_name.to_owned()));
        // Kudu says `type`, which the management API's clients do not read (spec/kudu-webjobs 8.10).
        let job_kind = match members.get("type").and_then(Value::as_str) {
            Some("continuous") => Some("Continuous"),
            Some("triggered") => Some("Triggered"),
            Some(_) | None => None,
        };
        if let Some(job_kind) = job_kind {
            members.insert("web_job_type".to_owned(), job_kind.into());
        }
        let envelope = Envelope { id, name, kind, location: self.location.clone(), properties: members.into() };
        serde_json::to_value(envelope).expect("texts and JSON are JSON")
    }
}

/// Reads type and name from the id of a resource: the provider and every second word after it, and those between them.
fn type_and_name(id: &str) -> Option<(String, String)> {
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    segments.find(|segment| segment.eq_ignore_ascii_case("providers"))?;
    let mut kind = vec![segments.next()?];
    let mut name = Vec::new();
    for (n, segment) in segments.enumerate() {
        if n % 2 == 0 { kind.push(segment) } else { name.push(segment) }
    }
    (!name.is_empty()).then(|| (kind.join("/"), name.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/site";

    fn scope(id: &str) -> Scope {
        Scope { id: id.to_owned(), location: "West US".to_owned() }
    }

    #[test]
    fn type_and_name_take_turns_in_an_id() {
        for (path, kind, name) in [
            ("/triggeredwebjobs/nightly", "Microsoft.Web/sites/triggeredwebjobs", "site/nightly"),
            (
                "/triggeredwebjobs/nightly/history/201510200336425903",
                "Microsoft.Web/sites/triggeredwebjobs/history",
                "site/nightly/201510200336425903",
            ),
            ("/slots/stage/continuouswebjobs/w", "Microsoft.Web/sites/slots/continuouswebjobs", "site/stage/w"),
        ] {
            assert_eq!(type_and_name(&format!("{SITE}{path}")), Some((kind.to_owned(), name.to_owned())));
        }
        assert_eq!(type_and_name("/api/triggeredwebjobs/nightly"), None);
        assert_eq!(type_and_name("/subscriptions/s/providers/Microsoft.Web"), None);
    }

    #[test]
    fn a_job_a_list_and_a_history_are_wrapped() {
        let id = format!("{SITE}/triggeredwebjobs/nightly");
        let one = scope(&id).wrap(json!({ "name": "nightly", "type": "triggered", "error": null }));
        let wrapped = json!({
            "id": id,
            "name": "site/nightly",
            "type": "Microsoft.Web/sites/triggeredwebjobs",
            "location": "West US",
            "properties": { "name": "nightly", "type": "triggered", "error": null, "web_job_type": "Triggered" },
        });
        assert_eq!(one, wrapped);
        let list = scope(&format!("{SITE}/triggeredwebjobs"));
        assert_eq!(
            list.wrap(json!([{ "name": "nightly", "type": "triggered", "error": null }])),
            json!({ "value": [wrapped] })
        );
        let history = scope(&format!("{id}/history")).wrap(json!({ "runs": [{ "name": "201510200336425903" }] }));
        assert_eq!(history["value"][0]["id"], format!("{id}/history/201510200336425903"));
        assert_eq!(history["value"][0]["type"], "Microsoft.Web/sites/triggeredwebjobs/history");
        assert_eq!(scope(SITE).wrap(json!({ "runs": [] })), json!({ "value": [] }));
    }

    #[test]
    fn what_is_no_resource_stays_what_it_is() {
        for answer in [json!("a text"), json!({ "schedule": "0 0 * * * *" }), json!(null)] {
            assert_eq!(scope("/api/x").wrap(answer.clone()), answer);
        }
        let other = scope("/api/triggeredwebjobs").wrap(json!([{ "name": "n" }]));
        assert_eq!((&other["value"][0]["type"], &other["value"][0]["name"]), (&json!(TYPE_OF_SITE), &json!("n")));
    }
}

//! The book of the door: what was done, tried and failed, written before the answer goes out.
//!
//! Lines about whoever has proved to be somebody are all written; those about strangers only so many a minute, with a
//! count of the others. A line that cannot be written is told in the trace; the answer goes out all the same.

use std::sync::Mutex;

use tracing::error;

use super::{Door, hold};
use crate::{
    decide::door::audit::{self, Quota},
    host::handle::HostHandle,
    model::access::{Caller, Rights},
    store::audit::{Audit, AuditLine},
};

pub use crate::store::audit::AuditOutcome as Ending;

/// Longest text of a program about itself that is kept, in characters.
const AGENT_CHARS_MAX: usize = 200;

/// What is asked for, and from where.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Who, once that is known.
    pub caller: Option<Caller>,
    /// A known name that somebody failed to log in as.
    pub claimed: Option<String>,
    /// The client's address.
    pub from: String,
    /// The proxy that says so.
    pub via: Option<String>,
    /// The method.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query, taken apart and decoded.
    pub query: Vec<(String, String)>,
    /// The program, by its own account.
    pub agent: String,
}

/// Where it is written.
pub struct Book {
    /// One line after the other, so that they stand in order.
    log: Mutex<Audit>,
    quota: Mutex<Quota>,
}

impl Book {
    /// Opens the book of a host.
    pub fn new(handle: &HostHandle) -> Self {
        Self { log: Mutex::new(Audit::new(handle.layout().audit())), quota: Mutex::default() }
    }
}

impl Door {
    /// Writes that a client went before its answer.
    pub fn note_abandoned(&self, deed: &Deed) {
        self.note(deed, Ending::Abandoned, None, None);
    }

    /// Writes what came of a deed. A line is one write to a file that is open, as short as a job's own lines in its log:
    /// done at once, it keeps others waiting for less than a thread of its own would.
    pub fn note(&self, deed: &Deed, ending: Ending, status: Option<u16>, reason: Option<&str>) {
        let now = self.shared.handle.clock().now();
        let left_out = match deed.caller {
            Some(_) => 0,
            None => match hold(&self.shared.book.quota).take(now.mono) {
                Some(left_out) => left_out,
                None => return,
            },
        };
        let pairs = deed.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query = audit::masked(pairs);
        let agent: String = deed.agent.chars().take(AGENT_CHARS_MAX).collect();
        let line = AuditLine {
            at: now.wall,
            instance: self.config().instance.clone(),
            who: deed.caller.as_ref().map(|caller| caller.name.clone()).or_else(|| deed.claimed.clone()),
            role: deed.caller.as_ref().map(role),
            from: deed.from.clone(),
            via: deed.via.clone(),
            method: audit::short(&deed.method),
            path: audit::short(&deed.path),
            query: Some(query).filter(|query| !query.is_empty()),
            agent: Some(agent).filter(|agent| !agent.is_empty()),
            outcome: ending,
            status,
            reason: reason.map(str::to_owned),
            left_out,
        };
        if let Err(error) = hold(&self.shared.book.log).append(&line) {
            error!(%error, who = line.who, method = line.method, path = line.path, "the audit log was not written");
        }
    }
}

fn role(caller: &Caller) -> String {
    match &caller.rights {
        Rights::Role(role) => role.to_string(),
        Rights::Token(_) => "token".to_owned(),
    }
}

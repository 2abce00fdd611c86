//! From what an actor knows to what everybody may see.

use serde::Serialize;

use crate::{
    decide::life::Life,
    host::{handle::Reply, machine::Machine, view::CopyView},
    model::{
        id::JobId,
        job::Found,
        status::{StateWord, Status},
        time::{Mono, Now, Wall},
    },
    os::file,
};

/// Returns the moment of the wall clock that a deadline is expected at.
pub fn wall_of(deadline: Mono, now: Now) -> Wall {
    now.after(deadline.since(now.mono)).wall
}

/// Returns the word for a life on its way.
pub fn life_word(life: &Life) -> StateWord {
    match life {
        Life::Preparing | Life::Spawning { .. } => StateWord::Starting,
        Life::Running { .. } => StateWord::Running,
        Life::Stopping { .. } | Life::Killing { .. } | Life::Sweeping { .. } | Life::Ended { .. } => {
            StateWord::Stopping
        }
        Life::Draining { why, .. } => {
            if why.is_some() {
                StateWord::Stopping
            } else {
                StateWord::Running
            }
        }
    }
}

/// Returns what there is to say of a life on its way.
pub fn life_reason(life: &Life) -> Option<String> {
    match life {
        Life::Preparing => Some("its working copy is being made".to_owned()),
        Life::Spawning { .. } => Some("its process is being started".to_owned()),
        Life::Running { .. } | Life::Ended { .. } => None,
        Life::Stopping { why, .. } => Some(why.to_string()),
        Life::Killing { why, .. } => Some(format!("{why}; it was killed and has not gone yet")),
        Life::Draining { exit, .. } => Some(format!("ended with {exit}; somebody still holds its output open")),
        Life::Sweeping { .. } => Some("what it left behind is being ended".to_owned()),
    }
}

/// Returns a continuous job's state: that of the copy that tells most.
pub fn continuous(found: &Found, runs: bool, copies: &[CopyView], now: Wall) -> Status {
    // A job with a defect may still run its last good content: then that is its state.
    let telling = copies.iter().map(|copy| &copy.status).max_by_key(|status| weight(status.state));
    match telling {
        Some(status) if runs => status.clone(),
        // Its actor has not begun yet.
        None if runs => Status { state: StateWord::Initializing, reason: None, since: now, until: None },
        Some(_) | None => {
            Status { state: StateWord::Problem, reason: Some(worst(found).into()), since: now, until: None }
        }
    }
}

/// What goes wrong weighs most, what runs least of what is up.
fn weight(word: StateWord) -> u8 {
    match word {
        StateWord::Problem => 9,
        StateWord::Backoff => 8,
        StateWord::Stopping => 7,
        StateWord::Starting => 6,
        StateWord::Running => 5,
        StateWord::Standby => 4,
        StateWord::Done => 3,
        StateWord::Stopped | StateWord::Disabled => 2,
        StateWord::Initializing | StateWord::Idle => 1,
    }
}

/// Returns what is wrong with a folder, in one line.
pub fn worst(found: &Found) -> String {
    let fatal = found.problems.iter().find(|problem| problem.fatal).or(found.problems.first());
    fatal.map_or_else(|| "it was not read yet".to_owned(), ToString::to_string)
}

/// What a lock says of its holder, with Kudu's members (spec/kudu-webjobs 3.6).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LockText<'a> {
    operation_name: String,
    acquired_date_time: Wall,
    stack_trace: &'static str,
    instance_id: &'a str,
}

/// Returns what a lock says of its holder.
pub fn lock_text(machine: &Machine, job: &JobId) -> String {
    let text = LockText {
        operation_name: format!("Starting {} {} WebJob", job.name, job.kind),
        acquired_date_time: machine.now().wall,
        stack_trace: "",
        instance_id: machine.layout.instance().as_str(),
    };
    serde_json::to_string(&text).expect("names and a time")
}

/// Writes the word by which other hosts know what the job does here (spec/kudu-webjobs 3.2).
pub fn instance_status(machine: &Machine, job: &JobId, word: &str) {
    let path = machine.layout.instance_status(job, machine.layout.instance());
    let text = format!("{{\"Status\":\"{word}\"}}");
    // A job that never ran has no folder yet, and other hosts take what they cannot read for nothing.
    let _ = file::write_at_once(&path, &text);
}

/// Tells whoever waits that it is done.
pub fn answer(reply: Option<Reply<()>>) {
    // Whoever no longer waits for an answer gets none.
    drop(reply.map(|reply| reply.send(Ok(()))));
}

//! `webjobd logs JOB --grep RE`: the lines of a log that match, as they lie on disk, with their surroundings.

use std::collections::VecDeque;

use crate::{
    api::wire::{FoundWire, JobWire, LineWire, SearchedWire},
    cli::{
        client::{Client, SearchQuery},
        error::{CliError, Exit},
        look::Session,
    },
};

/// Stands between lines that do not follow each other.
const GAP: &str = "--\n";

/// Prints what is found, and returns how many lines that were.
///
/// # Errors
/// When the host refuses or breaks off, or standard output takes no more.
pub async fn grep(client: &Client, job: &JobWire, query: &SearchQuery, session: &Session) -> Result<usize, CliError> {
    let mut body = client.search(job, query).await?;
    let (mut rest, mut is_whole, mut n_found) = (Vec::new(), false, 0);
    // The newest were asked for first: they are shown in the order in which they were written.
    let mut held = VecDeque::new();
    let mut printer = Printer { context: query.context, last: None };
    while let Some(chunk) = body.chunk().await.map_err(|error| client.broken(&error))? {
        rest.extend_from_slice(&chunk);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in
            rest.drain(..whole).collect::<Vec<u8>>().split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
        {
            let Ok(found) = serde_json::from_slice::<FoundWire>(line) else {
                is_whole = serde_json::from_slice::<SearchedWire>(line).is_ok();
                continue;
            };
            n_found += 1;
            match query.order {
                "newest" => held.push_front(found),
                _ => session.print(&printer.lines(&found))?,
            }
        }
    }
    for found in &held {
        session.print(&printer.lines(found))?;
    }
    if is_whole {
        Ok(n_found)
    } else {
        Err(CliError::new(Exit::NoHost, "the host broke off before all was searched".to_owned()))
    }
}

/// Joins the surroundings of lines that lie close together.
struct Printer {
    context: usize,
    /// The run and the offset of the line printed last.
    last: Option<(Option<String>, u64)>,
}

impl Printer {
    fn lines(&mut self, found: &FoundWire) -> String {
        let run = &found.line.run;
        let mut text = String::new();
        let mut is_first = true;
        for line in found.before.iter().chain([&found.line]).chain(&found.after) {
            if self.last.as_ref().is_some_and(|(last, offset)| last == run && *offset >= line.offset) {
                is_first = false;
                continue;
            }
            if std::mem::take(&mut is_first) && self.context > 0 && self.last.is_some() && !self.follows(found) {
                text.push_str(GAP);
            }
            text.push_str(&whole(line));
            self.last = Some((run.clone(), line.offset));
        }
        text
    }

    /// Tells whether the lines around a finding touch those printed last.
    fn follows(&self, found: &FoundWire) -> bool {
        // Fewer lines before it than were asked for are there only at the beginning of a log.
        let first = found.before.first().unwrap_or(&found.line);
        self.last.as_ref().is_some_and(|(run, offset)| *run == found.line.run && *offset >= first.offset)
    }
}

/// The line as it lies on disk.
fn whole(line: &LineWire) -> String {
    format!("{}{}\n", line.stamp.as_deref().unwrap_or_default(), line.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(offset: u64) -> LineWire {
        let (run, time, source, level, stamp) = (None, None, None, None, Some("[x] ".to_owned()));
        LineWire { offset, run, time, source, level, stamp, text: offset.to_string() }
    }

    fn found(before: &[u64], at: u64, after: &[u64]) -> FoundWire {
        let lines = |offsets: &[u64]| offsets.iter().map(|offset| line(*offset)).collect();
        FoundWire { line: line(at), before: lines(before), after: lines(after) }
    }

    #[test]
    fn lines_around_findings_are_printed_once_with_a_mark_between_groups() {
        let mut printer = Printer { context: 2, last: None };
        let mut text = String::new();
        for one in [found(&[1, 2], 3, &[4, 5]), found(&[3, 4], 5, &[6, 7]), found(&[20, 21], 22, &[])] {
            text.push_str(&printer.lines(&one));
        }
        assert_eq!(text.replace("[x] ", ""), "1\n2\n3\n4\n5\n6\n7\n--\n20\n21\n22\n");
    }
}

//! One stream: what it says of itself, in Kudu's words (spec/kudu-webjobs 8.13), and the lines between.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use jiff::tz::Offset;
use tokio::time::{self, Sleep};

use super::source::Source;
use crate::api::Api;

/// Time without a line after which a stream says so.
pub const IDLE: Duration = Duration::from_secs(60);

/// A stream on its way to its reader.
pub struct Session {
    api: Api,
    source: Source,
    /// In lower case.
    filter: Option<String>,
    idle: Duration,
    quiet: Pin<Box<Sleep>>,
    limit: Duration,
    end: Pin<Box<Sleep>>,
    /// Minutes since the last line.
    minutes: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begins,
    Follows,
    Over,
}

impl Session {
    /// Makes a stream that says after each `idle` that nothing came.
    pub fn new(api: Api, source: Source, filter: Option<String>, idle: Duration) -> Self {
        let limit = api.handle.engine().logstream_timeout;
        Self {
            api,
            source,
            filter: filter.filter(|text| !text.is_empty()).map(|text| text.to_lowercase()),
            idle,
            quiet: Box::pin(time::sleep(idle)),
            limit,
            end: Box::pin(time::sleep(limit)),
            minutes: 0,
            state: State::Begins,
        }
    }

    /// Returns what comes next; `None` when the stream is over.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::Over => None,
            State::Begins => {
                self.state = State::Follows;
                Some(self.say(
                    "Welcome, you are now connected to log-streaming service. The default timeout is 2 hours. Change \
                     the timeout with the App Setting SCM_LOGSTREAM_TIMEOUT (in seconds). ",
                ))
            }
            State::Follows => Some(self.follow().await),
        }
    }

    async fn follow(&mut self) -> Bytes {
        loop {
            tokio::select! {
                biased;
                // Done once and not asked again: the stream is over after either.
                () = self.api.stopped() => return self.stop(),
                () = &mut self.end => {
                    self.state = State::Over;
                    let minutes = self.limit.as_secs() / 60;
                    return self.say(&format!("The log-streaming session has ended due to timeout {minutes} min(s)."));
                }
                // Cancel-safe: a piece that is not taken stays.
                piece = self.source.next() => match piece {
                    Some(Ok(lines)) => {
                        let lines = self.sieve(lines);
                        if !lines.is_empty() {
                            (self.quiet, self.minutes) = (Box::pin(time::sleep(self.idle)), 0);
                            return lines;
                        }
                    }
                    Some(Err(error)) => {
                        self.state = State::Over;
                        return self.say(&format!("Error has occurred and stream is terminated. {error}"));
                    }
                    None => return self.stop(),
                },
                // Set anew below.
                () = &mut self.quiet => {
                    (self.quiet, self.minutes) = (Box::pin(time::sleep(self.idle)), self.minutes + 1);
                    return self.say(&format!("No new trace in the past {} min(s).", self.minutes));
                }
            }
        }
    }

    fn stop(&mut self) -> Bytes {
        self.state = State::Over;
        let text = "The log-streaming session has ended. Please reconnect to continue streaming logs.";
        [b"\n", &self.say(text)[..]].concat().into()
    }

    fn say(&self, text: &str) -> Bytes {
        let utc = Offset::UTC.to_datetime(self.api.handle.now());
        format!("{}  {text}\n", utc.strftime("%Y-%m-%dT%H:%M:%S")).into()
    }

    /// Keeps the lines that have the wanted text in them, whatever its case.
    fn sieve(&self, lines: Bytes) -> Bytes {
        let Some(filter) = &self.filter else { return lines };
        let has = |line: &&[u8]| String::from_utf8_lossy(line).to_lowercase().contains(filter);
        lines.split_inclusive(|byte| *byte == b'\n').filter(has).flatten().copied().collect()
    }
}

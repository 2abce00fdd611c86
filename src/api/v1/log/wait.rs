//! How a reader of a log waits for more lines: on whoever writes it here, on the next run, on the end of the host.

use std::{pin::Pin, time::Duration};

use tokio::time::{self, Sleep};

use super::{LogStream, Reading, Subject};

/// Time between looks at a log that another host writes, which nothing reports.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Why a wait for lines is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woke {
    /// There may be some.
    Look,
    /// There were none for long.
    Quiet,
    /// The host stops.
    Stop,
}

impl LogStream {
    /// Waits until there may be more lines.
    pub(super) async fn wait(&mut self) -> Woke {
        let sees_runs = self.subject != Subject::Job;
        let reading = self.reading.as_mut().filter(|reading| !reading.is_over);
        if let Some(reading) = &reading
            && reading.grown.is_none()
            && let Some(live) = self.api.handle.live_log(&self.job, reading.run)
            && live.name == reading.name
            && let grown @ Some(_) = live.grown()
        {
            // Only now somebody began to write it here: what came before that is still to be read.
            self.reading.iter_mut().for_each(|reading| reading.grown.clone_from(&grown));
            return Woke::Look;
        }
        let woke = tokio::select! {
            biased;
            // All arms are cancel-safe: they take nothing but the news that there is something to look at.
            () = self.api.stopped() => Woke::Stop,
            () = more(reading) => Woke::Look,
            Ok(()) = self.changes.changed(), if sees_runs => Woke::Look,
            () = over(self.silence.as_mut()) => Woke::Quiet,
        };
        if woke == Woke::Quiet {
            self.beats();
        }
        woke
    }
}

/// Waits until the time is over; for ever without one.
async fn over(silence: Option<&mut Pin<Box<Sleep>>>) {
    match silence {
        Some(silence) => silence.await,
        None => std::future::pending().await,
    }
}

/// Waits until there may be more lines in a log; for ever when it is read to its end.
async fn more(reading: Option<&mut Reading>) {
    let Some(reading) = reading else { return std::future::pending().await };
    match &mut reading.grown {
        Some(grown) => {
            if grown.changed().await.is_err() {
                // Whoever wrote it is gone; who comes next is asked for at the next wait.
                reading.grown = None;
            }
        }
        None => time::sleep(LOOK_AGAIN).await,
    }
}

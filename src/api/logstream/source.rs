//! Where the lines of a stream come from: a task that reads them, and hands over one piece at a time. It ends when its
//! reader has gone.

use std::{io, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time,
};
use tracing::debug;

use crate::{
    api::{Api, blocking, v1::log},
    host::view::Listening,
    model::id::JobId,
    store::tails::Tails,
};

/// Pieces that wait for the reader, of 256 KiB at most; when there are as many, nothing is read.
const PIECES_MAX: usize = 4;

/// The folder of the application log.
const APPLICATION: &str = "Application";

/// Time between looks at files of which the system announces no changes.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The lines of a stream.
pub struct Source {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    /// The application log is written as long as this is here.
    _listening: Option<Listening>,
}

impl Source {
    /// Begins to read: a job's log, or the files below a folder of `LogFiles`; `None` when there is no such job.
    pub async fn open(api: &Api, parts: &[String]) -> Option<Self> {
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        match parts {
            [jobs, kind, name] if jobs.eq_ignore_ascii_case("jobs") => {
                let job = api.handle.find(kind.to_ascii_lowercase().parse().ok()?, name)?;
                tokio::spawn(read_job(api.clone(), job, sender));
                Some(Self { pieces, _listening: None })
            }
            [jobs, ..] if jobs.eq_ignore_ascii_case("jobs") => None,
            _ => {
                let is_app = parts.first().is_none_or(|first| first.eq_ignore_ascii_case(APPLICATION));
                let (handle, mut below) = (api.handle.clone(), parts.to_vec());
                if let Some(first) = below.first_mut().filter(|_| is_app) {
                    // Kudu's disk does not know case.
                    APPLICATION.clone_into(first);
                }
                // Opened before the answer begins: what is written from then on is seen.
                let (tails, changes) = blocking(move || {
                    let changes = handle.log_changes();
                    (handle.log_tails(&below), changes)
                })
                .await;
                tokio::spawn(read_files(tails, changes, sender));
                Some(Self { pieces, _listening: is_app.then(|| api.handle.listen()) })
            }
        }
    }

    /// Returns the next lines; `None` when there will be no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.pieces.recv().await
    }

    /// Makes a source of what is sent.
    #[cfg(test)]
    pub fn of(pieces: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { pieces, _listening: None }
    }
}

async fn read_job(api: Api, job: JobId, sender: mpsc::Sender<io::Result<Bytes>>) {
    let reading = async {
        let mut stream = match log::follow(&api, job).await {
            Ok(stream) => stream,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        loop {
            let piece = match stream.next().await {
                Ok(Some(lines)) => Ok(lines),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let is_last = piece.is_err();
            if sender.send(piece).await.is_err() || is_last {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        // What is read is of no use to anybody any more.
        () = sender.closed() => debug!("the reader of a log stream has gone"),
        () = reading => {}
    }
}

async fn read_files(mut tails: Tails, changes: Option<watch::Receiver<u64>>, sender: mpsc::Sender<io::Result<Bytes>>) {
    let mut changes = changes;
    loop {
        if let Some(changes) = &mut changes {
            changes.mark_unchanged();
        }
        let read = blocking(move || {
            let lines = tails.more();
            (tails, lines)
        });
        let (back, lines) = read.await;
        tails = back;
        let lines = match lines {
            Ok(lines) if lines.is_empty() => {
                tokio::select! {
                    biased;
                    // Cancel-safe, all: they take nothing.
                    () = sender.closed() => return,
                    () = changed(&mut changes) => continue,
                }
            }
            Ok(lines) => Ok(lines.into()),
            Err(error) => Err(error),
        };
        let is_last = lines.is_err();
        if sender.send(lines).await.is_err() || is_last {
            return;
        }
    }
}

/// Waits until there may be something new.
async fn changed(changes: &mut Option<watch::Receiver<u64>>) {
    let is_told = match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !is_told {
        *changes = None;
        time::sleep(LOOK_AGAIN).await;
    }
}

//! The application log: what all jobs print, in one place, each line with its job's name (spec/kudu-webjobs 5.3).
//!
//! A second copy, for those who follow all jobs at once. It is written while somebody follows it, or all the time where the
//! settings say so; else a line costs one look at a number. It never holds a job up: when its disk is slow, what does not
//! fit between is left out and counted, and stands in the job's own log.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::mpsc;

use crate::{
    host::{app_settings::AppSettings, view::View},
    model::{
        id::{JobId, JobKind},
        log::{Level, LogPolicy},
        time::Now,
    },
    store::{
        layout::Layout,
        log::{Alike, LogFile, LogName, LogWriter, Sharing},
    },
};

/// Blocks of lines that wait to be written; further ones are left out.
const BLOCKS_MAX: usize = 64;

/// Name of the log.
const NAME: &str = "application.log";

/// The way into the application log.
#[derive(Debug)]
pub struct AppLog {
    settings: Arc<AppSettings>,
    view: Arc<View>,
    blocks: mpsc::Sender<Block>,
    /// Bytes that were left out and not told of yet.
    left_out: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Block {
    job: JobId,
    lines: Vec<u8>,
    now: Now,
}

impl AppLog {
    /// Starts what writes the log. Called within a runtime.
    pub fn start(settings: &Arc<AppSettings>, layout: &Layout, alike: &Arc<Alike>, view: &Arc<View>) -> Self {
        let file = LogFile { dir: layout.application_log().into(), name: LogName::new(NAME), sharing: Sharing::Shared };
        let writer = LogWriter::new(file, Arc::clone(alike), LogPolicy::default());
        let (blocks, written) = mpsc::channel(BLOCKS_MAX);
        let left_out = Arc::new(AtomicU64::new(0));
        tokio::spawn(write(writer, written, Arc::clone(&left_out)));
        Self { settings: Arc::clone(settings), view: Arc::clone(view), blocks, left_out }
    }

    /// Adds whole lines of a job.
    pub fn add(&self, job: &JobId, lines: &[u8], now: Now) {
        if lines.is_empty() {
            return;
        }
        let kudu = &self.settings.engine().kudu;
        let is_wanted = kudu.application_log || self.view.app_log().are_there();
        if !is_wanted || (job.kind == JobKind::Triggered && !kudu.log_triggered_to_app_logs) {
            return;
        }
        let block = Block { job: job.clone(), lines: lines.to_vec(), now };
        if self.blocks.try_send(block).is_err() {
            self.left_out.fetch_add(lines.len() as u64, Ordering::Relaxed);
        }
    }
}

async fn write(writer: LogWriter, mut blocks: mpsc::Receiver<Block>, left_out: Arc<AtomicU64>) {
    while let Some(Block { job, lines, now }) = blocks.recv().await {
        let lost = left_out.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} bytes of output are left out here; they are in the logs of their jobs");
            writer.sys(Level::Warn, now, &text);
        }
        let named = with_name(&job.to_string(), &lines);
        let taken = writer.append(&named, now);
        if taken < named.len() {
            left_out.fetch_add((named.len() - taken) as u64, Ordering::Relaxed);
        }
    }
}

/// Puts a job's name before the text of each line.
fn with_name(job: &str, lines: &[u8]) -> Vec<u8> {
    let mut named = Vec::with_capacity(lines.len() + 64);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        // The beginning of a line ends with the first `] `; a line without one belongs to the one before.
        let text = line.windows(2).position(|two| two == b"] ").map_or(0, |at| at + 2);
        named.extend_from_slice(&line[..text]);
        named.extend_from_slice(job.as_bytes());
        named.extend_from_slice(b": ");
        named.extend_from_slice(&line[text..]);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_gets_the_name_of_its_job_before_its_text() {
        let lines = b"[t > h: INFO] one ] two\n[t > h: ERR ] \nodd\n";
        let named = "[t > h: INFO] continuous/a: one ] two\n[t > h: ERR ] continuous/a: \ncontinuous/a: odd\n";
        assert_eq!(String::from_utf8_lossy(&with_name("continuous/a", lines)), named);
    }
}

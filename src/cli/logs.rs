//! `webjobd logs JOB`: what a job printed, and with `-f` what it prints.
//!
//! Lines go through as the host sends them; on a terminal errors and webjobd's own lines have a colour.

use bytes::Bytes;
use clap::Args;

use crate::{
    api::wire::JobWire,
    cli::{
        client::{Client, LogQuery, SearchQuery},
        complete,
        error::{CliError, Exit, Outcome},
        grep,
        job::{self, JobRef, RunRef},
        look::Session,
        table::Tone,
        when::{self, Direction},
    },
};

/// Bytes of one line that are kept back to colour it as a whole; a longer one is shown as it comes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Lines that are shown when nothing else bounds them.
const LINES: usize = 100;

/// The arguments of `logs`.
#[derive(Args, Debug)]
pub struct LogsArgs {
    /// Name of the job, or kind/name
    #[arg(value_name = "JOB", add = complete::jobs())]
    job: JobRef,
    /// Follow: show lines to come too
    #[arg(short, long)]
    follow: bool,
    /// Show the last N lines [default: 100; with --since or --run all]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Show lines written since then, such as 1h, 2d, today or 2026-02-28T14:30
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show the lines of this run; `last` is the newest
    #[arg(long, value_name = "RUN")]
    run: Option<RunRef>,
    /// Show what was written to standard error only
    #[arg(long)]
    stderr: bool,
    /// Show lines that match this regular expression, of all that is kept; ends with 1 when there are none
    #[arg(long, value_name = "RE", conflicts_with = "follow")]
    grep: Option<String>,
    /// With --grep: upper and lower case are the same
    #[arg(short, long, requires = "grep")]
    ignore_case: bool,
    /// With --grep: show N lines before and after each
    #[arg(long, value_name = "N", requires = "grep", default_value_t = 0)]
    context: usize,
}

/// Most lines that a search shows.
const FOUND_MAX: usize = 100_000;

/// Shows a job's log.
///
/// # Errors
/// When there is no such job or run, or no host answers.
pub async fn logs(args: LogsArgs, session: &Session) -> Outcome {
    let read = |text: &String| when::moment(text, session.now, &session.zone, Direction::Past);
    let since = args.since.as_ref().map(read).transpose().map_err(|why| CliError::new(Exit::Usage, why))?;
    let client = Client::open(&session.place).await?;
    let job = job::find(&client, &args.job).await?;
    let run = match args.run {
        Some(run) => Some(run.id(&client, &job).await?),
        None => None,
    };
    if let Some(q) = args.grep {
        let (limit, order) = args.lines.map_or((FOUND_MAX, "oldest"), |lines| (lines, "newest"));
        let (ignore_case, context, stderr) = (args.ignore_case, args.context, args.stderr);
        let query = SearchQuery { q, regex: true, ignore_case, run, since, stderr, context, limit, order };
        let n_found = grep::grep(&client, &job, &query, session).await?;
        return Ok(if n_found > 0 { super::FINE } else { Exit::Failed.into() });
    }
    let is_bounded = since.is_some() || run.is_some();
    let lines = args.lines.or((!is_bounded).then_some(LINES));
    let query = LogQuery { run, lines, since, stderr: args.stderr, follow: args.follow };
    copy(&client, &job, &query, session).await?;
    Ok(super::FINE)
}

/// Copies a job's log to standard output, until it ends.
///
/// # Errors
/// When the host refuses or breaks off, or standard output takes no more.
pub async fn copy(client: &Client, job: &JobWire, query: &LogQuery, session: &Session) -> Result<(), CliError> {
    let mut body = client.log(job, query).await?;
    let mut tint = session.is_colored().then(Tint::default);
    while let Some(chunk) = body.chunk().await.map_err(|error| client.broken(&error))? {
        match &mut tint {
            Some(tint) => session.print_bytes(&tint.lines(&chunk))?,
            None => session.print_bytes(&chunk)?,
        }
    }
    tint.map_or(Ok(()), |tint| session.print_bytes(&tint.rest))
}

/// Colours whole lines by their level.
#[derive(Debug, Default)]
struct Tint {
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
}

impl Tint {
    /// Returns the lines that are whole now, coloured.
    fn lines(&mut self, chunk: &Bytes) -> Vec<u8> {
        self.rest.extend_from_slice(chunk);
        let is_long = self.rest.len() > LINE_BYTES_MAX;
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let cut = if whole == 0 && is_long { self.rest.len() } else { whole };
        let lines: Vec<u8> = self.rest.drain(..cut).collect();
        lines.split_inclusive(|byte| *byte == b'\n').flat_map(tinted).collect()
    }
}

fn tinted(line: &[u8]) -> Vec<u8> {
    let tone = tone(line);
    let text = String::from_utf8_lossy(line);
    match text.strip_suffix('\n') {
        Some(text) if tone != Tone::Plain => format!("{}\n", tone.paint(text, true)).into_bytes(),
        Some(_) | None => line.to_vec(),
    }
}

/// Returns the tone of a line's level, which stands before the first `]`: `[time > host: LEVEL] text`.
fn tone(line: &[u8]) -> Tone {
    let stamp = line.split(|byte| *byte == b']').next().unwrap_or_default();
    match stamp.rsplit(|byte| *byte == b' ').next() {
        _ if !line.starts_with(b"[") => Tone::Plain,
        Some(b"ERR") => Tone::Bad,
        Some(b"WARN") => Tone::Warn,
        Some(_) if stamp.windows(6).any(|six| six == b": SYS ") => Tone::Dim,
        Some(_) | None => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_coloured_by_its_level_once_it_is_whole() {
        let mut tint = Tint::default();
        let mut feed = |text: &'static str| String::from_utf8(tint.lines(&Bytes::from(text))).unwrap();
        assert_eq!(feed("[t > h: INFO] a\n[t > h: E"), "[t > h: INFO] a\n");
        assert_eq!(feed("RR] b\nc"), "\x1b[31m[t > h: ERR] b\x1b[0m\n");
        assert_eq!(feed("\n[t > h: SYS INFO] d\n"), "c\n\x1b[2m[t > h: SYS INFO] d\x1b[0m\n");
        assert_eq!(feed("[t > h: SYS ERR] e\n"), "\x1b[31m[t > h: SYS ERR] e\x1b[0m\n");
    }

    #[test]
    fn a_line_without_end_is_not_kept_back_for_ever() {
        let mut tint = Tint::default();
        let long = Bytes::from(vec![b'x'; LINE_BYTES_MAX + 1]);
        assert_eq!(tint.lines(&long).len(), LINE_BYTES_MAX + 1);
        assert!(tint.rest.is_empty());
    }
}

//! `webjobd check [PATH]`: every problem of every job in one go, without a host.
//!
//! A path may be a root, a folder of job folders, one job's folder, or a `settings.job`. Each line begins with a place
//! that editors can jump to: `jobs/triggered/x/settings.job:3:14: what is wrong`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{self, Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        error::{CliError, Exit, Outcome},
        look::{Form, OutputArgs, Session},
        place::Place,
        serve::{ServeArgs, Sources},
        table::{Tone, clean},
    },
    decide::{
        config,
        discover::{self, Interpreters, Surroundings, folder},
        settings,
    },
    model::{
        id::{JobId, JobKind, JobName},
        job::{Found, Problem},
        listing,
    },
    os::scan::{
        self, JobFolders, Scan, ScanTime,
        hash::{self, HashCache},
        programs::Programs,
    },
};

/// The arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// A root, a folder of jobs, one job's folder, or a settings.job [default: the root]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Print the JSON Schema of settings.job instead
    #[arg(long, conflicts_with = "path")]
    schema: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was checked.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// How many jobs of each kind were seen.
    jobs: BTreeMap<JobKind, usize>,
    /// How many of them cannot run.
    broken: usize,
    /// Everything that is wrong.
    problems: Vec<Placed>,
}

/// A problem, and where it is.
#[derive(Debug, Serialize)]
struct Placed {
    /// The file or folder that has it, as seen from the working directory.
    path: String,
    /// Whose it is, as `kind/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// What it is; its `file` is said by `path`.
    #[serde(flatten)]
    problem: Problem,
}

/// Checks folders and settings.
///
/// # Errors
/// When there is nothing to check.
pub fn check(args: &CheckArgs, session: &Session) -> Outcome {
    if args.schema {
        let schema = serde_json::to_string_pretty(&settings::schema()).expect("a schema is JSON");
        session.print(&format!("{schema}\n"))?;
        return Ok(super::FINE);
    }
    let report = report(args.path.as_deref(), session)?;
    let is_bad = report.problems.iter().any(|placed| placed.problem.fatal);
    let color = session.is_colored();
    match args.output.form() {
        Form::Json => session.answer(args.output, &report, |_| String::new())?,
        Form::Table | Form::Wide => session.print(&render(&report, color))?,
    }
    Ok(if is_bad { Exit::Failed.into() } else { ExitCode::SUCCESS })
}

fn report(path: Option<&Path>, session: &Session) -> Result<Report, CliError> {
    let here = env::current_dir().context("failed to find the working directory")?;
    let mut place = session.place.clone();
    if let Some(path) = path {
        let is_there = fs::metadata(path).with_context(|| format!("failed to read `{}`", path.display()));
        let is_folder = is_there.map_err(|cause| CliError::Told(Exit::Usage, cause))?.is_dir();
        let path = path::absolute(path).context("failed to find the path")?;
        if !is_folder {
            return check_settings(&path, session, &here);
        }
        if !is_root(&path) {
            let interpreters = Interpreters::default();
            let mut report = Report::default();
            let folders = match (has_kinds(&path), kind_folder(&path)) {
                (true, _) => scan::job_folders(std::slice::from_ref(&path)),
                (false, Some((jobs, kind))) => jobs_of_kind(jobs, kind),
                (false, None) => JobFolders { jobs: [one_job(&path)?].into(), ..JobFolders::default() },
            };
            check_folders(&path, folders, &interpreters, session, &here, &mut report);
            return Ok(report);
        }
        place = Place { root: Some(path), data: None, ..place };
    }
    check_root(&place, session, &here)
}

fn has_kinds(path: &Path) -> bool {
    JobKind::ALL.iter().any(|kind| path.join(kind.as_str()).is_dir())
}

/// Takes a folder for that of all jobs of a kind when its name says so; returns the one above it, and the kind. A job
/// may have such a name as well, but lies below the folder of its kind.
fn kind_folder(path: &Path) -> Option<(&Path, JobKind)> {
    let kind = |path: &Path| path.file_name()?.to_str()?.to_ascii_lowercase().parse().ok();
    let above = path.parent()?;
    kind(path).filter(|_| kind(above).is_none()).map(|kind| (above, kind))
}

/// Lists the job folders of one kind only.
fn jobs_of_kind(jobs: &Path, kind: JobKind) -> JobFolders {
    let mut folders = scan::job_folders(&[jobs.to_owned()]);
    folders.jobs.retain(|id, _| id.kind == kind);
    folders.unreadable.retain(|folder, _| kind_of(folder.join("job").as_path()) == kind);
    folders
}

fn is_root(path: &Path) -> bool {
    path.join("jobs").is_dir() || path.join(config::CONFIG_FILE).is_file()
}

fn check_root(place: &Place, session: &Session, here: &Path) -> Result<Report, CliError> {
    let sources = Sources::read(&ServeArgs::default(), place)?;
    let mut report = Report::default();
    let text = sources.file.as_ref().map(|(_, text)| text.as_str());
    let (jobs, interpreters) = match config::resolve(text, &sources.environment, &sources.flags, "host") {
        Ok((config, warnings)) => {
            report.add(&sources.root, None, warnings, here);
            (config.jobs, Interpreters::with(&config.interpreters))
        }
        Err(error) => {
            report.add(&sources.root, None, error.problems, here);
            (sources.root.join("jobs"), Interpreters::default())
        }
    };
    if !jobs.is_dir() {
        let text = format!("there is no folder `{}`; say which with --root", shown(&jobs, here));
        return Err(CliError::new(Exit::Usage, text));
    }
    let folders = scan::job_folders(std::slice::from_ref(&jobs));
    check_folders(&jobs, folders, &interpreters, session, here, &mut report);
    Ok(report)
}

/// Checks job folders that were found in the folder `jobs`.
fn check_folders(
    jobs: &Path,
    folders: JobFolders,
    interpreters: &Interpreters,
    session: &Session,
    here: &Path,
    report: &mut Report,
) {
    for note in folders.notes {
        report.add(jobs, None, vec![problem("not_a_job", note, false)], here);
    }
    for (folder, why) in folders.unreadable {
        report.add(&folder, None, vec![problem("unreadable", format!("cannot be read: {why}"), true)], here);
    }
    for (id, unusable) in &folders.unusable {
        *report.jobs.entry(id.kind).or_default() += 1;
        report.broken += 1;
        report.add(&unusable.path, Some(id), discover::unusable(id, unusable).problems, here);
    }
    check_all(&folders.jobs, interpreters, session, here, report);
}

fn check_all(
    folders: &BTreeMap<JobId, Arc<Path>>,
    interpreters: &Interpreters,
    session: &Session,
    here: &Path,
    report: &mut Report,
) {
    let programs = Programs::of_this_process();
    let now = session.now;
    let read_settings = |text: &str, kind: JobKind| {
        let reading = settings::read_at(text, kind, now);
        (reading.settings, reading.raw, reading.problems)
    };
    let time = |_: &JobId| ScanTime { now, quiet: Duration::ZERO };
    let look = |_: &JobId, scan: Scan| match scan {
        Scan::Seen(listing) => {
            let exists = |program: &str| programs.exists(program);
            let (hash, read_settings) = (&hash::bytes, &read_settings);
            let around = Surroundings { interpreters, exists: &exists, hash, read_settings, share: &Arc::new };
            Some(discover::discover(&listing, &around))
        }
        Scan::Gone | Scan::Unchanged => None,
    };
    let mut found: Vec<Found> =
        scan::scan_all(folders, &mut HashCache::default(), time, look).into_iter().flatten().collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    for found in found {
        *report.jobs.entry(found.id.kind).or_default() += 1;
        report.broken += usize::from(found.job.is_none());
        report.add(&found.root, Some(&found.id), found.problems, here);
    }
}

/// Takes a folder for a job: of the kind that the folder above it names, else a triggered one.
fn one_job(path: &Path) -> Result<(JobId, Arc<Path>), CliError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = JobName::parse(&name).map_err(|error| CliError::new(Exit::Usage, error))?;
    Ok((JobId { kind: kind_of(path), name }, path.into()))
}

/// Returns the kind that a path names, the innermost first; triggered when it names none.
fn kind_of(path: &Path) -> JobKind {
    let names = path.ancestors().skip(1).filter_map(Path::file_name);
    let mut kinds = names.filter_map(|name| name.to_str()?.to_ascii_lowercase().parse().ok());
    kinds.next().unwrap_or(JobKind::Triggered)
}

fn check_settings(path: &Path, session: &Session, here: &Path) -> Result<Report, CliError> {
    let bytes = fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let problems = match listing::text(&bytes) {
        Ok(text) => settings::read_at(text, kind_of(path), session.now).problems,
        Err(not_text) => vec![folder::not_utf8(not_text)],
    };
    let mut report = Report::default();
    report.add(path, None, problems, here);
    Ok(report)
}

impl Report {
    fn add(&mut self, base: &Path, job: Option<&JobId>, problems: Vec<Problem>, here: &Path) {
        for mut problem in problems {
            let path = problem.file.take().map_or_else(|| base.to_owned(), |file| base.join(file));
            self.problems.push(Placed { path: shown(&path, here), job: job.map(ToString::to_string), problem });
        }
    }
}

fn problem(code: &str, message: String, fatal: bool) -> Problem {
    Problem { code: code.to_owned(), message, file: None, line: None, column: None, fatal }
}

/// Writes a path as seen from the working directory.
fn shown(path: &Path, here: &Path) -> String {
    let path: PathBuf = path.components().collect();
    let short = path.strip_prefix(here).unwrap_or(&path).display().to_string();
    if short.is_empty() { ".".to_owned() } else { short }
}

fn render(report: &Report, color: bool) -> String {
    let mut text = String::new();
    for Placed { path, problem, .. } in &report.problems {
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{path}:{line}:{column}"),
            (Some(line), None) => format!("{path}:{line}"),
            (None, _) => path.clone(),
        };
        let (word, tone) = if problem.fatal { ("", Tone::Plain) } else { ("warning: ", Tone::Warn) };
        let word = tone.paint(word, color);
        text.push_str(&format!("{}: {word}{}\n", clean(&place), clean(&problem.message)));
    }
    text.push_str(&summary(report));
    text
}

fn summary(report: &Report) -> String {
    let n_fatal = report.problems.iter().filter(|placed| placed.problem.fatal).count();
    let counted = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let mut parts: Vec<String> = report.jobs.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    if report.broken > 0 {
        parts.push(format!("{} cannot run", report.broken));
    }
    let wrong = match (n_fatal, report.problems.len() - n_fatal) {
        (0, 0) => "no problems".to_owned(),
        (0, warnings) => counted(warnings, "warning"),
        (problems, 0) => counted(problems, "problem"),
        (problems, warnings) => format!("{}, {}", counted(problems, "problem"), counted(warnings, "warning")),
    };
    match report.jobs.values().sum::<usize>() {
        0 => format!("{wrong}\n"),
        n => format!("{}: {}; {wrong}\n", counted(n, "job"), parts.join(", ")),
    }
}

#[cfg(test)]
mod tests;

//! What one event of the watcher means for the roots of jobs.
//!
//! Of accesses, only the end of a writing counts: where reading a folder makes events, too, every scan would ask for the
//! next.

use std::{
    io,
    path::{Path, PathBuf},
};

use notify::{
    ErrorKind, Event, EventKind,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};

use crate::model::{
    hint::HintKind,
    id::{JobId, JobKind, JobName},
    listing,
};

/// What an event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Something in a job's folder, or the folder itself.
    Job {
        id: JobId,
        kind: HintKind,
        path: Option<String>,
        /// Whether it is about the job's folder itself, which may be a link now.
        itself: bool,
    },
    /// Any number of jobs.
    Many,
    /// A root or a folder above it came, went or moved.
    Root,
}

/// How something changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Created,
    MovedIn,
    Removed,
    Writing,
    Written,
    Touched,
}

/// Returns what an event means; nothing when it is of no interest.
pub(super) fn classify(event: &Event, roots: &[PathBuf]) -> Vec<Seen> {
    if event.need_rescan() {
        return vec![Seen::Many];
    }
    let Some(how) = how(event.kind) else { return Vec::new() };
    event.paths.iter().filter_map(|path| of_path(path, how, roots)).collect()
}

/// Returns what it means that the system refuses to watch a folder within some job's, or one that became something else
/// meanwhile; `None` for any other error: then changes go unannounced from now on.
pub(super) fn refused(error: &notify::Error, roots: &[PathBuf]) -> Option<Vec<Seen>> {
    let ErrorKind::Io(source) = &error.kind else { return None };
    if !matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory) {
        return None;
    }
    if error.paths.is_empty() {
        // It was one of a new folder, whichever.
        return Some(vec![Seen::Many]);
    }
    let is_in_a_job = |path: &PathBuf| {
        let inside = roots.iter().find_map(|root| path.strip_prefix(root).ok());
        inside.is_some_and(|inside| inside.iter().count() >= 2)
    };
    let all = error.paths.iter().all(is_in_a_job);
    all.then(|| error.paths.iter().filter_map(|path| of_path(path, How::Touched, roots)).collect())
}

fn how(kind: EventKind) -> Option<How> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(How::Written),
        EventKind::Access(_) => None,
        // Whether more follows is not known yet: a link is complete, a file is written next, which is an event of its own.
        EventKind::Create(_) => Some(How::Created),
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Some(How::Removed),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(How::MovedIn),
        // Both halves of it were reported by themselves.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Modify(ModifyKind::Data(_)) => Some(How::Writing),
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => Some(How::Touched),
    }
}

fn of_path(path: &Path, how: How, roots: &[PathBuf]) -> Option<Seen> {
    let comes_or_goes = matches!(how, How::Created | How::MovedIn | How::Removed);
    let Some(inside) = roots.iter().find_map(|root| path.strip_prefix(root).ok()) else {
        let above = roots.iter().any(|root| root.starts_with(path));
        return (above && comes_or_goes).then_some(Seen::Root);
    };
    let parts: Option<Vec<&str>> = inside.iter().map(|part| part.to_str()).collect();
    let Some(parts) = parts else {
        // Some name is not UTF-8. If the job's name is, a hint for it would do, but this is rare.
        return Some(Seen::Many);
    };
    match parts[..] {
        [] => comes_or_goes.then_some(Seen::Root),
        [kind] => (comes_or_goes && kind_of(kind).is_some()).then_some(Seen::Many),
        [kind, job, ref rest @ ..] => in_job(kind_of(kind)?, job, rest, how),
    }
}

fn in_job(kind: JobKind, job: &str, rest: &[&str], how: How) -> Option<Seen> {
    // One with a name that is not usable is listed under one that is.
    let id = JobId { kind, name: JobName::parse(job).or_else(|_| JobName::escaped(job.as_bytes())).ok()? };
    let itself = rest.is_empty();
    let path = (!itself).then(|| rest.join("/"));
    if path.as_deref().is_some_and(listing::is_noise) {
        return None;
    }
    let kind = match how {
        How::Created if itself => HintKind::Created,
        How::MovedIn if itself => HintKind::MovedIn,
        How::Removed if itself => HintKind::Removed,
        How::Writing => HintKind::Writing,
        How::Created | How::MovedIn | How::Removed | How::Written | How::Touched => HintKind::Changed,
    };
    Some(Seen::Job { id, kind, path, itself })
}

fn kind_of(name: &str) -> Option<JobKind> {
    JobKind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, MetadataKind, RemoveKind};

    use super::*;

    #[test]
    fn a_folder_that_may_not_be_opened_is_its_jobs_own_trouble_and_all_else_lasts() {
        let roots = [PathBuf::from("/r/jobs")];
        let io = |kind: io::ErrorKind| ErrorKind::Io(kind.into());
        let denied = || io(io::ErrorKind::PermissionDenied);
        let jobs = |kind, paths: &[&str]| {
            let error = paths.iter().fold(notify::Error::new(kind), |error, path| error.add_path(path.into()));
            let seen = refused(&error, &roots)?;
            Some(seen.iter().filter(|seen| matches!(seen, Seen::Job { kind: HintKind::Changed, .. })).count())
        };
        assert_eq!(jobs(denied(), &["/r/jobs/triggered/a/closed"]), Some(1));
        assert_eq!(jobs(io(io::ErrorKind::NotADirectory), &["/r/jobs/triggered/a", "/r/jobs/triggered/b"]), Some(2));
        assert_eq!(jobs(denied(), &["/r/jobs/triggered/a/.git"]), Some(0));
        assert_eq!(refused(&notify::Error::new(denied()), &roots), Some(vec![Seen::Many]));
        for (kind, paths) in [
            (denied(), &["/r/jobs/triggered"][..]),
            (denied(), &["/r/jobs/triggered/a", "/r/jobs"]),
            (denied(), &["/elsewhere/x"]),
            (io(io::ErrorKind::Other), &["/r/jobs/triggered/a"]),
            (ErrorKind::MaxFilesWatch, &["/r/jobs/triggered/a"]),
        ] {
            assert_eq!(jobs(kind, paths), None, "{paths:?}");
        }
    }

    #[test]
    fn each_event_has_its_meaning() {
        use HintKind::{Changed, Created, MovedIn, Removed, Writing};
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let mode = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        let to = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let from = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        let made = EventKind::Create(CreateKind::Folder);
        let gone = EventKind::Remove(RemoveKind::Folder);
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let job = |kind, path: Option<&str>| {
            let id = JobId { kind: JobKind::Continuous, name: JobName::parse("a").expect("a name") };
            Some(Seen::Job { id, kind, path: path.map(str::to_owned), itself: path.is_none() })
        };
        for (kind, path, expected) in [
            (made, "/r/jobs/continuous/a", job(Created, None)),
            (to, "/r/jobs/Continuous/a", job(MovedIn, None)),
            (from, "/r/jobs/continuous/a", job(Removed, None)),
            (gone, "/r/jobs/continuous/a", job(Removed, None)),
            (mode, "/r/jobs/continuous/a", job(Changed, None)),
            (data, "/r/jobs/continuous/a/run.sh", job(Writing, Some("run.sh"))),
            (EventKind::Create(CreateKind::File), "/r/jobs/continuous/a/l", job(Changed, Some("l"))),
            (closed, "/r/jobs/continuous/a/x/run.sh", job(Changed, Some("x/run.sh"))),
            (to, "/r/jobs/continuous/a/run.sh", job(Changed, Some("run.sh"))),
            (opened, "/r/jobs/continuous/a/run.sh", None),
            (data, "/r/jobs/continuous/a/.run.sh.swp", None),
            (made, "/r/jobs/other/a", None),
            (made, "/r/jobs/continuous", Some(Seen::Many)),
            (mode, "/r/jobs/continuous", None),
            (gone, "/r/jobs", Some(Seen::Root)),
            (to, "/r", Some(Seen::Root)),
            (made, "/r/data", None),
            (data, "/r/webjobd.toml", None),
        ] {
            let seen = classify(&Event::new(kind).add_path(path.into()), &["/r/jobs".into()]);
            assert_eq!(seen, expected.into_iter().collect::<Vec<_>>(), "{kind:?} {path}");
        }
    }

    #[test]
    fn lost_events_mean_everything() {
        let event = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert_eq!(classify(&event, &["/r/jobs".into()]), [Seen::Many]);
    }
}

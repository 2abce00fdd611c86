//! After a crash of the host: the runs whose end nobody saw are found and ended, and their records are closed.

use std::{fs, sync::Arc, time::Duration};

use tracing::{info, warn};

use crate::{
    decide::recover::{self, Traces},
    host::{
        instances::{self, Gone},
        machine::{KEEP_ALL, Machine, sharing},
    },
    model::{
        event::News,
        id::{Instance, JobId, JobKind, JobName},
        log::Level,
        run::{RunPhase, RunRecord},
        time::Wall,
    },
    os::process::{self, Ended, RunMark},
    store::{
        open_runs::{Open, OpenRuns},
        record,
    },
};

/// Ends what earlier lives left running, of this instance and of those that are gone, and closes the records of their
/// runs. `open` is what this instance's journal tells; `None` when there was none, so that every record is looked at.
pub async fn recover(machine: &Arc<Machine>, open: Option<Open>) {
    of_instance(machine, machine.layout.instance(), None, open).await;
    if let Some(cgroups) = &machine.cgroups {
        // Whoever belongs to no run that is known. Ours are counted by now.
        tell_ended(cgroups.end_leftovers().await);
    }
    // A machine that comes back under another name, as containers do, would never look for its own.
    mend_gone(machine).await;
}

/// Mends what other hosts have left that are gone, or waits until whoever does so is done. A look costs some 20 µs a host
/// when there is nothing to do. What only one host may run is started after this.
pub async fn mend_gone(machine: &Arc<Machine>) {
    for gone in instances::gone(&machine.layout) {
        let instance = &gone.instance;
        let mending = match instances::take_mending(&machine.layout, instance).await {
            Ok(Some(mending)) => mending,
            Ok(None) => {
                warn!(%instance, "another host takes long to mend what this one has left; going on without");
                continue;
            }
            Err(error) => {
                warn!(%instance, %error, "could not mend what a host that is gone has left");
                continue;
            }
        };
        // Another may have done it meanwhile.
        if instances::has_left(&machine.layout, instance) {
            mend(machine, &gone).await;
        }
        drop(mending);
    }
}

async fn mend(machine: &Arc<Machine>, gone: &Gone) {
    let Gone { instance, elsewhere, .. } = gone;
    let theirs = machine.layout.of(instance);
    let is_mended = match OpenRuns::read(&theirs.open_runs()) {
        Ok(Some(open)) if !open.is_empty() => {
            info!(%instance, "mending what a host that is gone has left");
            of_instance(machine, instance, elsewhere.as_deref(), Some(open)).await
        }
        Ok(_) => true,
        Err(error) => {
            warn!(%instance, %error, "could not read the journal of a host that is gone");
            false
        }
    };
    let journal = is_mended.then(|| theirs.open_runs());
    for path in journal.into_iter().chain([theirs.host_json()]) {
        // It may never have been there.
        let _ = fs::remove_file(path);
    }
}

/// Returns whether every record is closed. Those on another machine than this, `elsewhere`, have processes out of reach.
async fn of_instance(machine: &Arc<Machine>, instance: &Instance, elsewhere: Option<&str>, open: Option<Open>) -> bool {
    let root = machine.layout.data().to_owned();
    let listed = {
        let (machine, instance) = (Arc::clone(machine), instance.clone());
        let read = move || {
            let records = unfinished(&machine, &instance, open);
            let mark = |record: &RunRecord| {
                let data_path = machine.layout.job(&record.job).into();
                RunMark { instance: instance.clone(), run: record.id, data_path }
            };
            let marks: Vec<RunMark> = records.iter().map(mark).collect();
            let counts = process::count_lost(&marks, machine.cgroups.as_ref());
            (records, marks, counts)
        };
        tokio::task::spawn_blocking(read).await
    };
    let (records, marks, counts) = match listed {
        Ok(listed) => listed,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    tell_ended(process::end_lost(&root, instance, &marks, machine.cgroups.as_ref(), Duration::ZERO).await);
    if let Some(there) = elsewhere.filter(|_| !records.is_empty()) {
        warn!(%instance, machine = %there, "what a host has left on another machine cannot be ended from here");
    }
    let (machine, elsewhere) = (Arc::clone(machine), elsewhere.map(str::to_owned));
    let close_all = move || {
        let mut is_closed = true;
        for (record, ended_now) in records.iter().zip(counts) {
            let elsewhere = elsewhere.as_deref();
            let traces = Traces { ended_now, elsewhere, last_sign: last_sign(&machine, record) };
            is_closed &= close(&machine, record, traces);
        }
        is_closed
    };
    match tokio::task::spawn_blocking(close_all).await {
        Ok(is_closed) => is_closed,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn tell_ended(ended: Ended) {
    if ended.killed > 0 || ended.left > 0 {
        warn!(killed = ended.killed, left = ended.left, "ended processes that an earlier host had left");
    }
}

/// Tells whether the record is closed.
fn close(machine: &Machine, record: &RunRecord, traces: Traces<'_>) -> bool {
    let now = machine.now();
    let closed = recover::close(record, traces, now.wall);
    let reason = closed.reason.as_deref().unwrap_or_default();
    info!(job = %closed.job, run = %closed.id, %reason, "closed the record of a lost run");
    if let Err(error) = record::write(&machine.layout, &closed) {
        warn!(job = %closed.job, run = %closed.id, %error, "could not close the record of a lost run");
        return false;
    }
    let (dir, name) = machine.layout.run_log(&closed.job, closed.id);
    let log = machine.log_named(dir, name, sharing(closed.job.kind), KEEP_ALL);
    log.sys(Level::Err, now, &format!("WebJob run was lost: {reason}"));
    log.sys(Level::Info, now, "Status changed to Aborted");
    log.release();
    machine.note_closed(&closed);
    machine.tell(News::RunEnded(Arc::new(closed)));
    true
}

/// When the run's log was last written.
fn last_sign(machine: &Machine, record: &RunRecord) -> Option<Wall> {
    let (folder, name) = machine.layout.run_log(&record.job, record.id);
    let modified = fs::metadata(folder.join(name)).ok()?.modified().ok()?;
    Wall::try_from(modified).ok()
}

/// Returns the records of an instance's runs that are not closed.
fn unfinished(machine: &Machine, instance: &Instance, open: Option<Open>) -> Vec<RunRecord> {
    // Where the journal tells nothing, there is nothing to take out of it.
    let is_told = open.is_some();
    let listed = open.unwrap_or_else(|| every_run(machine));
    let mut records = Vec::new();
    for ((job, run), trigger) in listed {
        match (record::read(&machine.layout, &job, run), trigger) {
            (Some(record), _) if matches!(record.phase, RunPhase::Ended(_)) && is_told => machine.note_closed(&record),
            (Some(record), _) if matches!(record.phase, RunPhase::Ended(_)) => {}
            (Some(record), _) if record.instance == *instance => records.push(record),
            // It was accepted and had not come to its record.
            (None, Some(trigger)) => records.push(RunRecord::accepted(run, job, instance.clone(), trigger)),
            // A run of another host.
            (Some(_) | None, _) => machine.note_end(&job, run),
        }
    }
    records
}

/// Lists every run that has a folder.
fn every_run(machine: &Machine) -> Open {
    let mut runs = Open::new();
    for kind in JobKind::ALL {
        let folders = fs::read_dir(machine.layout.kind(kind)).into_iter().flatten().flatten();
        for name in folders.filter_map(|folder| JobName::parse(folder.file_name().to_str()?).ok()) {
            let job = JobId { kind, name };
            let listed = record::list(&machine.layout, &job).unwrap_or_default();
            runs.extend(listed.into_iter().map(|run| ((job.clone(), run), None)));
        }
    }
    runs
}

//! After a crash of the host: the runs whose end nobody saw are found and ended, and their records are closed.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use tracing::{info, warn};

use crate::{
    decide::recover::{self, Traces},
    host::{
        instances,
        machine::{KEEP_ALL, Machine, sharing},
    },
    model::{
        event::News,
        id::{Instance, JobId, JobKind, JobName, RunId},
        log::Level,
        run::{RunPhase, RunRecord, Trigger},
        time::Wall,
    },
    os::process::{self, RunMark},
    store::{
        layout::Layout,
        open_runs::{Open, OpenRuns},
        record,
    },
};

/// Ends what earlier lives left running, of this instance and of those that are gone, and closes the records of their
/// runs. `open` is what this instance's journal tells; `None` when there was none, so that every record is looked at.
pub async fn recover(machine: &Arc<Machine>, open: Option<Open>) {
    of_instance(machine, machine.layout.instance(), open).await;
    // A machine that comes back under another name, as containers do, would never look for its own.
    for (instance, lock) in instances::gone(&machine.layout) {
        let layout = Layout::new(machine.layout.data().to_owned(), instance.clone());
        match OpenRuns::open(layout.open_runs()) {
            Ok((journal, Some(open))) if !open.is_empty() => {
                drop(journal);
                info!(%instance, "mending what a host that is gone has left");
                of_instance(machine, &instance, Some(open)).await;
            }
            Ok(_) => {}
            Err(error) => warn!(%instance, %error, "could not read the journal of a host that is gone"),
        }
        for path in [layout.open_runs(), layout.host_json()] {
            // It may never have been there.
            let _ = fs::remove_file(path);
        }
        drop(lock);
    }
}

async fn of_instance(machine: &Arc<Machine>, instance: &Instance, open: Option<Open>) {
    let layout = machine.layout.clone();
    let root = layout.data().to_owned();
    let listed = {
        let (machine, instance, root) = (Arc::clone(machine), instance.clone(), root.clone());
        let read = move || (unfinished(&machine, &instance, open), process::lost_processes(&root, &instance));
        tokio::task::spawn_blocking(read).await
    };
    let Ok((records, lost)) = listed else { return };
    let mut counts: BTreeMap<(JobId, RunId), usize> = BTreeMap::new();
    for process in &lost {
        *counts.entry((process.job.clone(), process.run)).or_default() += 1;
    }
    let mark =
        |record: &RunRecord| RunMark { instance: instance.clone(), run: record.id, data_path: layout.job(&record.job) };
    let marks: Vec<RunMark> = records.iter().map(mark).collect();
    let ended = process::end_lost(&root, instance, &marks, Duration::ZERO).await;
    if ended.killed > 0 || ended.left > 0 {
        warn!(killed = ended.killed, left = ended.left, "ended processes that an earlier host had left");
    }
    let machine = Arc::clone(machine);
    let close = move || {
        for record in records {
            close(&machine, &record, counts.get(&(record.job.clone(), record.id)).copied().unwrap_or(0));
        }
    };
    if let Err(error) = tokio::task::spawn_blocking(close).await {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn close(machine: &Machine, record: &RunRecord, ended_now: usize) {
    let now = machine.now();
    let traces = Traces { ended_now, last_sign: last_sign(machine, record) };
    let closed = recover::close(record, traces, now.wall);
    let reason = closed.reason.as_deref().unwrap_or_default();
    info!(job = %closed.job, run = %closed.id, %reason, "closed the record of a lost run");
    if let Err(error) = record::write(&machine.layout, &closed) {
        warn!(job = %closed.job, run = %closed.id, %error, "could not close the record of a lost run");
        return;
    }
    let (dir, name) = machine.layout.run_log(&closed.job, closed.id);
    let log = machine.log_named(dir, name, sharing(closed.job.kind), KEEP_ALL);
    log.sys(Level::Err, now, &format!("WebJob run was lost: {reason}"));
    log.sys(Level::Info, now, "Status changed to Aborted");
    log.release();
    machine.note_closed(&closed);
    machine.tell(News::RunEnded(Arc::new(closed)));
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
            (None, Some(trigger)) => records.push(unwritten(job, run, instance, trigger)),
            // A run of another host.
            (Some(_) | None, _) => machine.note_end(&job, run),
        }
    }
    records
}

fn unwritten(job: JobId, id: RunId, instance: &Instance, trigger: Trigger) -> RunRecord {
    RunRecord {
        id,
        job,
        copy: 0,
        instance: instance.clone(),
        trigger,
        attempt: 1,
        arguments: None,
        phase: RunPhase::Initializing,
        started: id.began(),
        ended: None,
        duration_ms: None,
        exit: None,
        reason: None,
        content: None,
        pid: None,
        log: None,
    }
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

//! What must hold in a world: after every step, a while after a deed, and at the end.

use std::{collections::BTreeMap, time::Duration};

use webjobd::{
    decide::{
        life::Life,
        supervise::{IdleWhy, State},
    },
    model::{
        id::{JobId, JobKind},
        settings::RestartWhen,
        time::Mono,
    },
};

use super::World;
use crate::{
    body::Body,
    check::{self, Check},
    host::{Actor, Host},
    process::Process,
    supervisor::Copy,
};

impl World {
    /// What must hold after every step.
    pub(super) fn hold(&self) {
        let mut copies: BTreeMap<(usize, &JobId, u32), &Process> = BTreeMap::new();
        let mut singles = BTreeMap::new();
        for process in self.machine.processes.values().filter(|process| process.is_leader) {
            let (host, job, run) = &process.run;
            if self.hosts[*host].is_none() || self.epochs[*host] != process.epoch || job.kind == JobKind::Triggered {
                continue;
            }
            let other = copies.insert((*host, job, process.copy), process);
            assert!(other.is_none(), "two lives of {job} copy {} on host{host}: {run} and another", process.copy);
        }
        for (host, job, copy) in self.copies() {
            if let Some(body) = copy.body.as_ref().filter(|body| body.is_single()) {
                let other = singles.insert(job, host).filter(|other| *other != host);
                assert!(other.is_none(), "{job} runs on two hosts: {}", body.record.id);
            }
        }
        for job in self.jobs.iter().filter(|job| job.kind == JobKind::Triggered) {
            let exclusive = |host: &Host| match host.actors.get(job) {
                Some(Actor::Triggered(actor)) => actor.n_exclusive(),
                Some(Actor::Continuous(_)) | None => 0,
            };
            let runs: usize = self.hosts.iter().flatten().map(exclusive).sum();
            assert!(runs <= 1, "{runs} runs of {job} at once");
        }
        for host in self.hosts.iter().flatten().filter(|host| !host.is_stopping()) {
            host.actors.iter().for_each(|(id, actor)| self.keeps_running(host, id, actor));
        }
    }

    fn copies(&self) -> impl Iterator<Item = (usize, &JobId, &Copy)> {
        let actors = self
            .hosts
            .iter()
            .flatten()
            .flat_map(|host| host.actors.iter().map(move |(id, actor)| (host.me.host, id, actor)));
        actors.flat_map(|(host, id, actor)| {
            let copies = match actor {
                Actor::Continuous(actor) => actor.copies.as_slice(),
                Actor::Triggered(_) => &[],
            };
            copies.iter().map(move |copy| (host, id, copy))
        })
    }

    /// A job that shall run for ever waits for something whose coming is certain.
    fn keeps_running(&self, host: &Host, id: &JobId, actor: &Actor) {
        let Actor::Continuous(actor) = actor else { return };
        let Some(job) = actor.job.as_ref().filter(|_| actor.barred().is_none()) else { return };
        let restart = &job.settings.restart;
        let ever = restart.when == RestartWhen::Always && restart.give_up_after.is_none();
        for (place, copy) in actor.copies.iter().enumerate().take(job.settings.instances as usize) {
            let waits_for_task = match &copy.state {
                State::Idle { why } => {
                    let ended = matches!(why, IdleWhy::Done(_));
                    assert!(!ever || ended, "copy {place} of {id} rests on host{}: {why:?}", host.me.host);
                    false
                }
                State::Claiming { .. } => panic!("copy {place} of {id} waits for a lease for ever"),
                State::Standby { .. } | State::Backoff { .. } => false,
                State::Up { life, .. } => {
                    !matches!(life, Life::Preparing | Life::Ended { .. }) && life.next_deadline().is_none()
                }
            };
            let run = copy.body.as_ref().map(|body| body.record.id);
            let has_body = matches!(copy.state, State::Up { .. }) == run.is_some();
            assert!(has_body, "copy {place} of {id}: a life and its body belong together: {:?}", copy.state);
            assert!(!waits_for_task || run.is_some(), "copy {place} of {id} waits for nobody");
        }
    }

    pub(super) fn check(&self, check: &Check) {
        match check {
            Check::Content { job, since } => self.check_content(job, *since),
            Check::Dead { job, host, epoch, since } => {
                let same = self.hosts[*host].is_some() && self.epochs[*host] == *epoch && self.frozen[*host] < *since;
                if same && self.machine.disk.stopped.contains_key(job) {
                    let lives =
                        self.machine.processes.values().any(|process| process.run.0 == *host && process.run.1 == *job);
                    assert!(!lives, "{job} was stopped on host{host}, and something of it lives");
                }
            }
            Check::Gone { host, epoch, since } => {
                if self.frozen[*host] < *since && self.crashed[*host] < *since {
                    let left = self.machine.processes.values().any(|p| p.run.0 == *host && p.epoch == *epoch);
                    assert!(!left, "host{host} was stopped, and something of it lives");
                    let ended = self.hosts[*host].is_none() || self.epochs[*host] != *epoch;
                    assert!(ended, "host{host} was stopped, and has not ended");
                }
            }
        }
    }

    fn check_content(&self, job: &JobId, since: Mono) {
        if self.machine.edited.get(job) != Some(&since) {
            return;
        }
        for host in self.hosts.iter().flatten().filter(|host| !host.is_stopping()) {
            if self.frozen[host.me.host] + Duration::from_secs(140) > self.machine.mono {
                continue;
            }
            let actor = host.actors.get(job);
            let Some(found) = self.machine.disk.found(job) else {
                assert!(actor.is_none(), "{job} is gone, and host{} knows it", host.me.host);
                continue;
            };
            let Some(wanted) = found.job.clone() else { continue };
            let known = actor.and_then(Actor::job).map(|job| job.content);
            let is_leaving = host.leaving().contains(job);
            assert!(
                known == Some(wanted.content) || is_leaving,
                "host{} does not know the content of {job} since {since:?}",
                host.me.host
            );
            if let Some(Actor::Continuous(actor)) = actor {
                for body in actor
                    .copies
                    .iter()
                    .filter(|copy| matches!(&copy.state, State::Up { life: Life::Running { .. }, .. }))
                {
                    let runs = body.body.as_ref().and_then(|body| body.record.content);
                    assert_eq!(runs, Some(wanted.content), "{job} runs old content on host{}", host.me.host);
                    let single = !wanted.settings.is_singleton || body.body.as_ref().is_none_or(Body::is_single);
                    assert!(single, "{job} has become a singleton, and host{} does not care", host.me.host);
                }
            }
        }
    }

    /// No due time of a job on a host that is awake is left without an answer.
    pub(super) fn served(&self) {
        for host in self.hosts.iter().flatten().filter(|host| !host.is_stopping()) {
            let awake = self.frozen[host.me.host] + Duration::from_secs(60) < self.machine.mono;
            for (id, actor) in &host.actors {
                let Actor::Triggered(actor) = actor else { continue };
                let Some(job) =
                    actor.job.as_ref().filter(|_| awake && !actor.rests() && !self.machine.torn.contains(id))
                else {
                    continue;
                };
                let Some(served) = self.machine.disk.served(id) else { continue };
                let served = actor.changed().map_or(served, |changed| changed.max(served));
                let latest =
                    self.machine.now().wall - jiff::SignedDuration::try_from(job.settings.jitter).expect("short");
                let late: u64 = check::calendars(job)
                    .iter()
                    .map(|schedule| check::number(schedule, served, latest - jiff::SignedDuration::from_secs(5)))
                    .sum();
                assert_eq!(late, 0, "{late} due times of {id} after {served} have no answer");
            }
        }
    }
}

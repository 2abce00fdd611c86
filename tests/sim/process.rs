//! Fake processes: what they do, and what a run's task tells of them.
//!
//! A leader may end, crash, ignore the stop, fork a child that holds the output open, leave the group, close its output
//! early, or hang until it is killed.

use std::time::Duration;

use webjobd::{
    decide::life::LifeEvent,
    model::{exit::Exit, id::JobId},
};

use crate::machine::{Machine, RunKey, Thing};

/// A process that lives.
#[derive(Clone, Debug)]
pub struct Process {
    /// Whose it is.
    pub run: RunKey,
    /// Of which life of its host.
    pub epoch: u32,
    /// Of which copy.
    pub copy: u32,
    /// Whether the run waits for its exit.
    pub is_leader: bool,
    in_group: bool,
    holds_output: bool,
    ignores_stop: bool,
}

/// A run as its task sees it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Of which life of its host.
    pub epoch: u32,
    /// Of which copy.
    pub copy: u32,
    leader: Option<u32>,
    is_output_told: bool,
    is_cut: bool,
    awaits_group: bool,
    sweeps: bool,
    prints: bool,
}

impl Run {
    /// Tells whether it has a process that was not swept.
    pub fn leads(&self) -> bool {
        self.leader.is_some()
    }

    /// Makes a run whose process is to come.
    pub fn new(epoch: u32, copy: u32) -> Self {
        let (leader, no) = (None, false);
        Self { epoch, copy, leader, is_output_told: no, is_cut: no, awaits_group: no, sweeps: no, prints: no }
    }
}

impl Machine {
    /// Tells an actor of its run, a moment later, but never out of order.
    pub fn fact(&mut self, key: &RunKey, epoch: u32, delay: Duration, event: LifeEvent) {
        let (host, job, run) = key.clone();
        let at = self.told.get(key).copied().unwrap_or_default().max(self.mono + delay);
        self.told.insert(key.clone(), at);
        let delay = at.since(self.mono);
        self.after(delay, Thing::Fact { host, epoch, job, run, event });
    }

    /// Starts the process of a run, as far as nothing keeps it from starting.
    pub fn start_process(&mut self, key: &RunKey, epoch: u32) {
        let Some(run) = self.runs.get(key).filter(|run| run.epoch == epoch).cloned() else { return };
        let delay = self.random.ms(0, 30);
        if self.random.per_mille(self.faults.spawn) {
            self.runs.remove(key);
            return self.fact(key, epoch, delay, LifeEvent::StartFailed { why: "no more processes".to_owned() });
        }
        let pid = self.fork(key, &run, true);
        if let Some(run) = self.runs.get_mut(key) {
            run.leader = Some(pid);
        }
        self.tell(|| format!("host{} {}: run {} is process {pid}", key.0, key.1, key.2));
        self.fact(key, epoch, delay, LifeEvent::Spawned { pid });
        self.behave(key, &run, pid);
    }

    fn fork(&mut self, key: &RunKey, run: &Run, is_leader: bool) -> u32 {
        self.pids += 1;
        let pid = self.pids;
        let process = Process {
            run: key.clone(),
            epoch: run.epoch,
            copy: run.copy,
            is_leader,
            in_group: is_leader || self.random.per_mille(700),
            holds_output: is_leader || self.random.per_mille(700),
            ignores_stop: self.random.per_mille(250),
        };
        self.processes.insert(pid, process);
        pid
    }

    /// Chooses what a new leader will do.
    fn behave(&mut self, key: &RunKey, run: &Run, pid: u32) {
        let short = self.random.ms(1, 4_000);
        let long = self.random.ms(1_000, 200_000);
        match self.random.below(10) {
            0 => self.after(short, Thing::Exit(pid, 0)),
            1 => self.after(short, Thing::Exit(pid, 1)),
            2 => self.after(short, Thing::Exit(pid, -11)),
            3 | 4 => self.after(long, Thing::Exit(pid, 0)),
            5 => {
                self.after(short, Thing::Close(pid));
                self.after(long, Thing::Exit(pid, 3));
            }
            6 | 7 => {
                let child = self.fork(key, run, false);
                self.after(short, Thing::Exit(pid, 0));
                if self.random.per_mille(500) {
                    self.after(long, Thing::Exit(child, 0));
                }
            }
            8 => {
                if let Some(run) = self.runs.get_mut(key) {
                    run.prints = true;
                }
            }
            _ => {}
        }
    }

    /// Ends a process; a negative code is a signal.
    pub fn exit(&mut self, pid: u32, code: i32) {
        let Some(process) = self.processes.remove(&pid) else { return };
        let key = process.run;
        self.tell(|| format!("host{} {}: process {pid} ends with {code}", key.0, key.1));
        if process.is_leader {
            let exit = if code < 0 { Exit::Signal(-code) } else { Exit::Code(code) };
            let delay = self.random.ms(0, 10);
            self.fact(&key, process.epoch, delay, LifeEvent::Exited { exit });
        }
        self.look_at(&key);
    }

    /// Lets a process close its output.
    pub fn close(&mut self, pid: u32) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.holds_output = false;
        let key = process.run.clone();
        self.look_at(&key);
    }

    /// Tells what has become true of a run.
    fn look_at(&mut self, key: &RunKey) {
        let Some(mut run) = self.runs.remove(key) else { return };
        let members = || self.processes.iter().filter(|(_, process)| process.run == *key);
        let output_open = members().any(|(_, process)| process.holds_output);
        let group_lives = members().any(|(_, process)| process.in_group);
        let leader_lives = members().any(|(_, process)| process.is_leader);
        let left: Vec<u32> = members().map(|(pid, _)| *pid).collect();
        let delay = self.random.ms(0, 10);
        if !run.is_output_told && (run.is_cut || !output_open) {
            run.is_output_told = true;
            self.fact(key, run.epoch, delay, LifeEvent::OutputClosed);
        }
        if run.awaits_group && !group_lives {
            run.awaits_group = false;
            self.fact(key, run.epoch, delay, LifeEvent::GroupGone);
        }
        if run.sweeps && !leader_lives {
            left.iter().for_each(|pid| drop(self.processes.remove(pid)));
            if !run.is_output_told {
                self.fact(key, run.epoch, delay, LifeEvent::OutputClosed);
            }
            return self.fact(key, run.epoch, delay, LifeEvent::Swept { survivors: left.len() });
        }
        self.runs.insert(key.clone(), run);
    }

    /// Signals the group of a run.
    pub fn signal(&mut self, key: &RunKey, kill: bool) {
        let members: Vec<(u32, bool)> = self
            .processes
            .iter()
            .filter(|(_, process)| process.run == *key && process.in_group)
            .map(|(pid, process)| (*pid, process.ignores_stop))
            .collect();
        for (pid, ignores) in members {
            let takes = self.random.ms(0, 2_000);
            match (kill, ignores) {
                (true, _) => self.after(Duration::from_millis(1), Thing::Exit(pid, -9)),
                (false, false) => self.after(takes, Thing::Exit(pid, -15)),
                (false, true) => {}
            }
        }
    }

    /// Gives an order to a run's task.
    pub fn order(&mut self, key: &RunKey, order: Order) {
        let Some(run) = self.runs.get_mut(key) else { return };
        match order {
            Order::AwaitGroup => run.awaits_group = true,
            Order::Cut => run.is_cut = true,
            Order::Sweep => run.sweeps = true,
        }
        self.look_at(key);
    }

    /// Tells whether a run prints without end.
    pub fn prints(&self, key: &RunKey) -> bool {
        self.runs.get(key).is_some_and(|run| run.prints)
    }

    /// Ends everything that earlier lives of a host left; returns how many of each run.
    pub fn end_lost(&mut self, host: usize) -> std::collections::BTreeMap<(JobId, webjobd::model::id::RunId), usize> {
        let mut counts = std::collections::BTreeMap::new();
        for process in self.processes.values().filter(|process| process.run.0 == host) {
            *counts.entry((process.run.1.clone(), process.run.2)).or_default() += 1;
        }
        self.processes.retain(|_, process| process.run.0 != host);
        self.runs.retain(|key, _| key.0 != host);
        self.told.retain(|key, _| key.0 != host);
        counts
    }
}

/// What a run's task is told.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Tell when the group is gone.
    AwaitGroup,
    /// Wait no longer for output.
    Cut,
    /// End whatever is left once the leader is gone.
    Sweep,
}

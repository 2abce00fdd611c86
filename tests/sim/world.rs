//! The simulated world: hosts on one machine, what happens to them, and what must hold after every step.

#[path = "hold.rs"]
mod hold;

use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use webjobd::{
    decide::life::DRAIN,
    model::{
        id::{JobId, JobKind},
        run::RunPhase,
        time::{Mono, Wall},
    },
};

use crate::{
    body::Me,
    check::Check,
    host::{Host, Wish},
    machine::{Machine, Thing},
    random::Random,
    user,
};

/// Most events without time passing.
const STILL_MAX: u32 = 5_000;

/// How a world is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where all luck comes from.
    pub seed: u64,
    /// How long it lasts.
    pub lasts: Duration,
    /// Longest time between two deeds.
    pub calm: Duration,
}

/// One world.
pub struct World {
    machine: Machine,
    hosts: Vec<Option<Host>>,
    epochs: Vec<u32>,
    /// Until when a host gets no processor.
    frozen: Vec<Mono>,
    /// When each host last crashed.
    crashed: Vec<Mono>,
    jobs: Vec<JobId>,
    schedules: BTreeMap<JobId, String>,
    ends: Mono,
    calm: Duration,
    still: u32,
}

/// Lets a world pass; panics with its tale when something does not hold.
pub fn pass(plan: Plan) {
    let tells = std::env::var_os("WEBJOBD_SIM_TELL").is_some();
    let mut random = Random::new(plan.seed);
    let mut start = Wall::from_second(1_774_000_000).expect("a time");
    start += jiff::SignedDuration::from_secs(i64::try_from(random.below(20_000_000)).expect("small"));
    let mut machine = Machine::new(random, start, tells);
    let n_hosts = if machine.random.per_mille(400) { 2 } else { 1 };
    machine.n_hosts = n_hosts;
    let mut world = World {
        ends: machine.mono + plan.lasts,
        machine,
        hosts: (0..n_hosts).map(|_| None).collect(),
        epochs: vec![0; n_hosts],
        frozen: vec![Mono::default(); n_hosts],
        crashed: vec![Mono::default(); n_hosts],
        jobs: Vec::new(),
        schedules: BTreeMap::new(),
        calm: plan.calm,
        still: 0,
    };
    let passed = panic::catch_unwind(AssertUnwindSafe(|| world.pass()));
    if let Err(panic) = passed {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        let Plan { seed, lasts, calm } = plan;
        panic!(
            "{}\n{text}\n\nReplay: WEBJOBD_SIM_SEED={seed},{},{} cargo test --test sim replay\n",
            world.machine.tale(),
            lasts.as_secs(),
            calm.as_secs()
        );
    }
}

impl World {
    fn pass(&mut self) {
        self.found();
        while self.step() {}
        self.finish();
    }

    fn found(&mut self) {
        let mut kinds = vec![(JobKind::Continuous, "worker"), (JobKind::Triggered, "report")];
        kinds.push(*self.machine.random.pick(&[(JobKind::Continuous, "single"), (JobKind::Triggered, "sync")]));
        for (kind, name) in kinds {
            let job = user::job(kind, name);
            let schedules = user::schedules(&mut self.machine.random);
            self.schedules.insert(job.clone(), schedules);
            let settings = self.settings(&job);
            self.machine.upload(&job, Some(settings));
            self.jobs.push(job);
        }
        for host in 0..self.hosts.len() {
            let delay = self.machine.random.ms(0, 5_000);
            self.machine.after(delay, Thing::Start(host));
        }
        self.machine.after(Duration::from_secs(10), Thing::Deed);
    }

    /// Chooses a job's settings. Two hosts hear of a change at different times: what they serve meanwhile depends on who
    /// is first, so with two hosts schedules stay as they are.
    fn settings(&mut self, job: &JobId) -> String {
        let mut settings = user::settings(&mut self.machine.random, job.kind);
        if job.name.as_str() == "single" {
            settings = settings.replacen('{', "{\"is_singleton\": true, ", 1);
        }
        if job.kind == JobKind::Triggered {
            if self.hosts.len() == 1 && self.machine.random.per_mille(500) {
                let schedules = user::schedules(&mut self.machine.random);
                self.schedules.insert(job.clone(), schedules);
            }
            settings = settings.replacen('{', &format!("{{\"schedules\": {}, ", self.schedules[job]), 1);
        }
        settings
    }

    /// Lets the next thing happen; tells whether there is one.
    fn step(&mut self) -> bool {
        let before = self.machine.mono;
        let queued = self.machine.next();
        let wakes = (0..self.hosts.len()).filter_map(|host| Some((self.wake_at(host)?, host))).min();
        let at = queued.into_iter().chain(wakes.map(|(at, _)| at)).min();
        if at.is_none_or(|at| at > self.ends) {
            self.machine.mono = self.ends;
            return false;
        }
        match (queued, wakes) {
            (queued, Some((at, host))) if queued.is_none_or(|queued| at < queued) => {
                // Nothing is ever quite in time.
                let late = self.machine.random.ms(0, 3);
                let due = self.machine.mono.max(at);
                self.machine.mono = queued.map_or(due + late, |queued| queued.min(due + late));
                self.act(host, Host::wake);
            }
            _ => self.take(),
        }
        self.still = if self.machine.mono == before { self.still + 1 } else { 0 };
        assert!(self.still < STILL_MAX, "something happens again and again, and no time passes");
        self.hold();
        true
    }

    fn wake_at(&self, host: usize) -> Option<Mono> {
        let at = self.hosts[host].as_ref()?.deadline(&self.machine)?;
        Some(at.max(self.frozen[host]))
    }

    /// Lets a host act; it may crash on the way.
    fn act(&mut self, host: usize, act: impl FnOnce(&mut Host, &mut Machine)) {
        let Some(one) = &mut self.hosts[host] else { return };
        act(one, &mut self.machine);
        let has_ended = one.has_ended();
        if std::mem::take(&mut self.machine.is_burnt) {
            self.crash(host);
        } else if has_ended {
            self.machine.tell(|| format!("host{host} has ended"));
            self.gone(host);
        }
        self.machine.fuse = None;
    }

    fn crash(&mut self, host: usize) {
        self.machine.tell(|| format!("host{host} crashes"));
        self.crashed[host] = self.machine.mono;
        self.gone(host);
    }

    fn gone(&mut self, host: usize) {
        self.hosts[host] = None;
        self.machine.disk.run_locks.retain(|_, holder| *holder != host);
        let delay = self.machine.random.ms(0, 600_000);
        self.machine.after(delay, Thing::Start(host));
    }

    fn take(&mut self) {
        let Some(thing) = self.machine.take() else { return };
        let is_frozen = |host: usize| self.frozen[host] > self.machine.mono;
        match thing {
            Thing::Fact { host, .. } | Thing::Hint { host, .. } if is_frozen(host) => {
                let left = self.frozen[host].since(self.machine.mono);
                self.machine.after(left, thing);
            }
            Thing::Fact { host, epoch, job, run, event } => {
                if self.epochs[host] == epoch {
                    self.act(host, |host, machine| host.fact(machine, &job, run, &event));
                }
            }
            Thing::Hint { host, epoch, hint } => {
                if self.epochs[host] == epoch {
                    self.act(host, |host, machine| host.hint(hint, machine.mono));
                }
            }
            Thing::Spawn(key, epoch) => {
                if self.epochs[key.0] == epoch && self.hosts[key.0].is_some() {
                    self.machine.start_process(&key, epoch);
                }
            }
            Thing::Exit(pid, code) => self.machine.exit(pid, code),
            Thing::Close(pid) => self.machine.close(pid),
            Thing::Edit(edit) => {
                let hosts: Vec<_> = (0..self.hosts.len()).map(|host| (host, self.epochs[host])).collect();
                self.machine.edit(edit, &hosts);
            }
            Thing::Start(host) => self.start(host),
            Thing::Rescan(host) if !is_frozen(host) => self.act(host, Host::rescan),
            Thing::Rescan(_) => {}
            Thing::Upload(job) => {
                let settings = self.settings(&job);
                self.machine.upload(&job, Some(settings));
            }
            Thing::Deed => self.deed(),
            Thing::Check(check) => self.check(&check),
        }
    }

    fn start(&mut self, host: usize) {
        if self.hosts[host].is_none() {
            self.epochs[host] += 1;
            let me = Me { host, epoch: self.epochs[host] };
            self.hosts[host] = Some(Host::start(&mut self.machine, me));
            self.act(host, |_, _| {});
        }
    }

    fn deed(&mut self) {
        let calm = u64::try_from(self.calm.as_millis()).expect("short");
        let next = self.machine.random.ms(1, calm);
        self.machine.after(next, Thing::Deed);
        let job = self.machine.random.pick(&self.jobs).clone();
        let host = usize::try_from(self.machine.random.below(self.hosts.len() as u64)).expect("few hosts");
        match self.machine.random.below(24) {
            0..=3 => self.machine.upload(&job, None),
            4 => {
                let settings = self.settings(&job);
                self.machine.upload(&job, Some(settings));
            }
            5 => {
                self.machine.remove(&job);
                let back = self.machine.random.ms(0, 20_000);
                self.machine.after(back, Thing::Upload(job));
            }
            6..=8 => self.ask(host, &job, Wish::Run),
            9 => self.ask(host, &job, Wish::Stop),
            10 | 11 => self.ask(host, &job, Wish::Start),
            12 => self.ask(host, &job, Wish::Restart),
            13 | 14 => {
                // The host crashes somewhere in what it does next.
                let fuse = u32::try_from(self.machine.random.below(6)).expect("small");
                let act = |host: &mut Host, machine: &mut Machine| {
                    machine.fuse = Some(fuse);
                    host.ask(machine, &job, Wish::Run);
                };
                self.act(host, act);
            }
            15 => self.act(host, |_, machine| machine.is_burnt = true),
            16 => self.stop(host),
            17 | 18 => self.set_clock(),
            19 | 20 => {
                let seconds = self.machine.random.ms(100, 400_000);
                self.machine.tell(|| format!("host{host} is frozen for {seconds:?}"));
                self.frozen[host] = self.frozen[host].max(self.machine.mono + seconds);
            }
            _ => self.machine.choose_faults(),
        }
    }

    fn ask(&mut self, host: usize, job: &JobId, wish: Wish) {
        if self.frozen[host] > self.machine.mono {
            return;
        }
        self.act(host, |host, machine| host.ask(machine, job, wish));
        if let (Wish::Stop, Some(_)) = (wish, &self.hosts[host]) {
            let check = Check::Dead { job: job.clone(), host, epoch: self.epochs[host], since: self.machine.mono };
            self.machine.after(Duration::from_secs(38) + DRAIN, Thing::Check(check));
        }
    }

    fn stop(&mut self, host: usize) {
        if self.frozen[host] > self.machine.mono || self.hosts[host].is_none() {
            return;
        }
        let kill = self.machine.random.per_mille(300);
        let check = Check::Gone { host, epoch: self.epochs[host], since: self.machine.mono };
        self.machine.after(Duration::from_secs(38) + DRAIN, Thing::Check(check));
        self.act(host, |host, machine| host.stop(machine, kill));
    }

    fn set_clock(&mut self) {
        let amount = match self.machine.random.below(4) {
            0 => self.machine.random.ms(10, 5_000),
            1 => self.machine.random.ms(60_000, 7_200_000),
            2 => self.machine.random.ms(7_200_000, 86_000_000),
            _ => self.machine.random.ms(86_400_000, 400_000_000),
        };
        let amount = jiff::SignedDuration::try_from(amount).expect("short");
        let amount = if self.machine.random.per_mille(500) { -amount } else { amount };
        self.machine.ahead += amount;
        self.machine.tell(|| format!("the clock is set by {amount:#}"));
        for host in 0..self.hosts.len() {
            if self.frozen[host] <= self.machine.mono {
                self.act(host, |host, machine| host.actors.values_mut().for_each(|actor| actor.clock_stepped(machine)));
            }
        }
    }

    /// Everything ends, and everything that began is recorded as ended, once.
    fn finish(&mut self) {
        self.machine.faults = crate::machine::Faults::default();
        self.served();
        for host in 0..self.hosts.len() {
            self.frozen[host] = Mono::default();
            self.act(host, |_, machine| machine.is_burnt = true);
            self.start(host);
            self.act(host, |host, machine| host.stop(machine, false));
        }
        let ends = self.ends + Duration::from_secs(60);
        while self.hosts.iter().any(Option::is_some) {
            self.ends = ends;
            assert!(self.step_without_deeds(), "the hosts do not end");
        }
        assert!(self.machine.processes.is_empty(), "something outlives all hosts: {:?}", self.machine.processes);
        for (key, record) in &self.machine.disk.records {
            assert!(matches!(record.phase, RunPhase::Ended(_)), "run {} of {} never ended", key.1, key.0);
        }
        for ((job, run), times) in &self.machine.disk.ended {
            assert_eq!(*times, 1, "run {run} of {job} was recorded as ended {times} times");
        }
    }

    fn step_without_deeds(&mut self) -> bool {
        self.machine.drop_deeds();
        self.step()
    }
}

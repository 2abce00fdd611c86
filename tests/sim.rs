//! The simulated world: hosts, folders, processes and clocks that misbehave, driven through simulated days by luck.
//!
//! The pure cores of `decide` are the real ones; everything around them is played: what `host` performs, what the machine
//! does, what people ask. No process is started, no clock is read and nobody sleeps, so a day passes in a moment, and the
//! same seed gives the same day. After every step the promises of the product are checked.
//!
//! A world that fails tells its last events and how to replay it:
//! `WEBJOBD_SIM_SEED=seed,seconds,calm cargo test --test sim replay`, with `WEBJOBD_SIM_TELL=1` for all events.
//! `WEBJOBD_TEST_LONG=1` lets twenty times as many worlds pass.

#[path = "sim/body.rs"]
mod body;
#[path = "sim/check.rs"]
mod check;
#[path = "sim/disk.rs"]
mod disk;
#[path = "sim/dispatcher.rs"]
mod dispatcher;
#[path = "sim/host.rs"]
mod host;
#[path = "sim/machine.rs"]
mod machine;
#[path = "sim/process.rs"]
mod process;
#[path = "sim/random.rs"]
mod random;
#[path = "sim/supervisor.rs"]
mod supervisor;
#[path = "sim/user.rs"]
mod user;
#[path = "sim/world.rs"]
mod world;

use std::time::Duration;

use world::{Plan, pass};

const HOUR: Duration = Duration::from_secs(3_600);

fn short(seed: u64) -> Plan {
    Plan { seed, lasts: HOUR / 2, calm: Duration::from_secs(20) }
}

fn days(seed: u64) -> Plan {
    Plan { seed, lasts: 3 * 24 * HOUR, calm: HOUR / 2 }
}

fn times() -> u64 {
    if std::env::var_os("WEBJOBD_TEST_LONG").is_some() { 20 } else { 1 }
}

#[test]
fn short_worlds_keep_every_promise() {
    for seed in 0..120 * times() {
        pass(short(seed));
    }
}

#[test]
fn days_keep_every_promise() {
    for seed in 0..3 * times() {
        pass(days(seed));
    }
}

/// Worlds that once broke a promise: seed, and whether it is a long one.
const BROKE: &[(u64, bool)] = &[
    // The clock went back while a job rested.
    (0, true),
    // A job became a singleton while it ran on two hosts.
    (7, false),
    // Schedules were taken away and came back while the job rested.
    (23, false),
    // Two hosts, and a clock that was wrong by hours.
    (62, false),
    // Two hosts, and a clock that was wrong by days.
    (120, false),
    (186, false),
    // Schedules of which some stay, some come and go; copies that come back.
    (378, false),
    (489, false),
    (1241, false),
    // A schedule that came under a clock that was ahead, and rested until it was put back.
    (1519, false),
    // A disk that was full for hours.
    (62, true),
];

#[test]
fn worlds_that_once_broke_a_promise_keep_it() {
    for &(seed, is_long) in BROKE {
        pass(if is_long { days(seed) } else { short(seed) });
    }
}

#[test]
fn replay() {
    let Ok(text) = std::env::var("WEBJOBD_SIM_SEED") else { return };
    let mut numbers = text.split(',').map(|number| number.parse().expect("seed,seconds,calm"));
    let seed = numbers.next().expect("a seed");
    let lasts = Duration::from_secs(numbers.next().unwrap_or(1_800));
    let calm = Duration::from_secs(numbers.next().unwrap_or(20));
    pass(Plan { seed, lasts, calm });
}

//! Spreads the starts of jobs that are due at the same moment.
//!
//! A job with `jitter` lives a little behind the clock, always by the same amount: it asks what is due at
//! `now - jitter` and adds `jitter` to the next occurrence. Its occurrences, and so its records, keep their own times.
//! The amount is a hash of the job's id: it must never change between runs, versions or machines, so it uses neither
//! randomness nor a hasher whose result the standard library may change.

use std::time::Duration;

use crate::model::id::JobId;

/// Returns how much later than its occurrences a job starts: from zero up to, not including, `spread`.
pub fn jitter_of(job: &JobId, spread: Duration) -> Duration {
    // 32 bits of the hash are fine enough, and their product with any spread fits.
    let nanos = (u128::from(hash(&job.to_string()) >> 32) * spread.as_nanos()) >> 32;
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Duration::new(
        u64::try_from(seconds).expect("less than `spread`, whose seconds fit"),
        u32::try_from(rest).expect("less than a second"),
    )
}

/// Returns where in a spread, from 0 up to 1, one copy of a job lies.
pub fn luck(job: &JobId, copy: usize) -> f64 {
    // 32 bits are exact as a float.
    f64::from(u32::try_from(hash(&format!("{job} {copy}")) >> 32).expect("32 bits")) / 4_294_967_296.0
}

/// FNV-1a, its bits then mixed so that names that differ in the last letter only lie far apart.
fn hash(text: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut mixed = text.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    for (shift, factor) in [(33, 0xff51_afd7_ed55_8ccd), (33, 0xc4ce_b9fe_1a85_ec53)] {
        mixed = (mixed ^ (mixed >> shift)).wrapping_mul(factor);
    }
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobKind, JobName};

    fn job(name: &str) -> JobId {
        JobId { kind: JobKind::Triggered, name: JobName::parse(name).expect("a name") }
    }

    #[test]
    fn the_jitter_of_a_job_never_changes() {
        let spread = Duration::from_secs(600);
        assert_eq!(jitter_of(&job("report"), spread).as_millis(), JITTER_OF_REPORT_MS);
        assert_eq!(jitter_of(&job("report"), Duration::ZERO), Duration::ZERO);
        assert!(jitter_of(&job("report"), Duration::MAX) < Duration::MAX);
    }

    #[test]
    fn copies_of_a_job_lie_apart_within_the_spread() {
        let lucks: Vec<f64> = (0..4).map(|copy| luck(&job("report"), copy)).collect();
        assert!(lucks.iter().all(|luck| (0.0..1.0).contains(luck)));
        assert!(lucks.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 1e-6), "{lucks:?}");
    }

    #[test]
    fn a_thousand_jobs_are_spread_evenly() {
        let spread = Duration::from_secs(10);
        let mut per_second = [0; 10];
        for number in 0..1_000 {
            let jitter = jitter_of(&job(&format!("job-{number}")), spread);
            per_second[usize::try_from(jitter.as_secs()).expect("small")] += 1;
        }
        assert!(per_second.iter().all(|&jobs| (60..140).contains(&jobs)), "{per_second:?}");
    }

    const JITTER_OF_REPORT_MS: u128 = 589_035;
}

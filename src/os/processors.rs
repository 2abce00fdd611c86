//! Work that all processors share, and work that lets others go first.

use std::{
    iter, panic,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

/// Threads that help at the moment, in the whole process: no more than there are other processors, or a host that reads and
/// copies many large folders at once would start one for each processor and each folder.
static HELPERS: AtomicUsize = AtomicUsize::new(0);

/// Returns how many processors there are for us.
pub fn available() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The place of one that helps; it is free again when this goes.
struct Place;

impl Place {
    /// Takes one of as many places as there are other processors.
    fn take(others: usize) -> Option<Self> {
        let more = |helpers| (helpers < others).then_some(helpers + 1);
        HELPERS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        HELPERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does one thing with each of `all`, given with its place, and returns what came of it in no order. Another thread helps
/// for each `a_thread` of them, as long as there are processors that nobody else's help uses when it begins; a call with few of them starts
/// none. The first error ends it.
///
/// # Errors
/// The error of `each`, when it has one.
pub fn try_each<T: Sync, D: Send, E: Send>(
    all: &[T],
    a_thread: usize,
    each: impl Fn(usize, &T) -> Result<D, E> + Sync,
) -> Result<Vec<D>, E> {
    let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut done = Vec::new();
        while !has_failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(place) else { break };
            done.push(each(place, one).inspect_err(|_| has_failed.store(true, Ordering::Relaxed))?);
        }
        Ok(done)
    };
    let n_helpers = (all.len() / a_thread.max(1)).saturating_sub(1);
    if n_helpers == 0 {
        return work();
    }
    let others = available() - 1;
    let places: Vec<Place> = (0..n_helpers).map_while(|_| Place::take(others)).collect();
    let work = &work;
    thread::scope(|scope| {
        let begin = |place: Place| {
            let help = move || {
                let _place = place;
                work()
            };
            // Without a helper it takes longer, and that is all.
            thread::Builder::new().name("helper".to_owned()).spawn_scoped(scope, help).ok()
        };
        let helpers: Vec<_> = places.into_iter().map_while(begin).collect();
        let own = work();
        let helped =
            helpers.into_iter().map(|helper| helper.join().unwrap_or_else(|cause| panic::resume_unwind(cause)));
        let done: Result<Vec<Vec<D>>, E> = iter::once(own).chain(helped).collect();
        done.map(|all| all.into_iter().flatten().collect())
    })
}

/// What a thread that gives way gets of a processor that another one wants: a tenth.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lets everybody else go first who wants a processor, such as the jobs: the calling thread does what nobody waits for. Where
/// the system has no such thing for a thread, nothing happens.
pub fn give_way() {
    // On Linux it is the thread's own.
    #[cfg(target_os = "linux")]
    if rustix::process::getpriority_process(None).is_ok_and(|nice| nice < NICE) {
        let _ = rustix::process::setpriority_process(None, NICE);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn each_is_done_once_by_however_many() {
        for n in [0, 1, 9, 10, 1000] {
            let all: Vec<usize> = (0..n).map(|n| n * 2).collect();
            let Ok(mut done) = try_each(&all, 5, |place, one| Ok::<_, Infallible>((place, *one)));
            done.sort_unstable();
            assert_eq!(done, all.iter().copied().enumerate().collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_more_help_than_there_are_processors() {
        let others = available() - 1;
        let all = vec![(); 64];
        let Ok(seen) = try_each(&all, 1, |_, ()| {
            let inner = try_each(&all, 1, |_, ()| Ok::<_, Infallible>(HELPERS.load(Ordering::Relaxed)));
            Ok::<_, Infallible>(inner.map_or(0, |helpers| helpers.into_iter().max().unwrap_or(0)))
        });
        assert!(seen.into_iter().all(|helpers| helpers <= others));
        // Places are free again; those of other tests will be.
        let is_free = |_| {
            thread::yield_now();
            Place::take(others).is_some()
        };
        assert!(others == 0 || (0..10_000_000).any(is_free));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn one_thread_gives_way_and_the_others_do_not() {
        let priority = || rustix::process::getpriority_process(None).expect("it is known");
        let before = priority();
        let given = thread::spawn(move || {
            give_way();
            priority()
        });
        assert_eq!(given.join().expect("no panic"), NICE.max(before));
        assert_eq!(priority(), before);
    }

    #[test]
    fn an_error_ends_it() {
        let all: Vec<usize> = (0..1_000_000).collect();
        let (n_tried, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let failed = try_each(&all, 5, |_, one| {
            n_tried.fetch_add(1, Ordering::Relaxed);
            if *one == 10 {
                has_failed.store(true, Ordering::Relaxed);
                return Err(*one);
            }
            // Whoever helps goes on when that is known.
            while *one > 10 && !has_failed.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Ok(())
        });
        assert_eq!(failed, Err(10));
        assert!(n_tried.into_inner() < all.len(), "what was left was not tried");
    }
}

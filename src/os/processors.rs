//! Work that all processors share, and work that lets others go first.

use std::{
    iter, panic,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

/// Does one thing with each of `all`, given with its place, and returns what came of it in no order. Another thread helps
/// for each `a_thread` of them, as long as there are processors; a call with few of them starts none. The first error ends
/// it.
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
    let n_threads = all.len() / a_thread.max(1);
    if n_threads < 2 {
        return work();
    }
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(n_threads);
    thread::scope(|scope| {
        // Without a helper it takes longer, and that is all.
        let begin = |_| thread::Builder::new().name("helper".to_owned()).spawn_scoped(scope, work).ok();
        let helpers: Vec<_> = (1..n_threads).map_while(begin).collect();
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
    use std::{convert::Infallible, sync::Mutex};

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
        let all: Vec<usize> = (0..1000).collect();
        let tried = Mutex::new(Vec::new());
        let failed = try_each(&all, 5, |place, one| {
            tried.lock().expect("no panic").push(place);
            if *one < 10 { Ok(()) } else { Err(*one) }
        });
        assert!(failed.is_err_and(|one| one >= 10));
        // Each thread tries at most one that fails.
        let threads = thread::available_parallelism().map_or(1, usize::from);
        assert!(tried.into_inner().expect("no panic").len() <= 10 + threads);
    }
}

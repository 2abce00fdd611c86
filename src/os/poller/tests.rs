//! Real pipes.

use std::{
    future::poll_fn,
    io::{self, PipeReader, PipeWriter, Write},
    os::fd::OwnedFd,
    sync::mpsc,
    thread,
    time::Duration,
};

use futures_util::FutureExt;

use super::*;

fn watched(poller: &Poller) -> (Watched, PipeWriter) {
    let (reader, writer): (PipeReader, PipeWriter) = io::pipe().expect("a pipe");
    (watch(poller, reader.into()), writer)
}

fn watch(poller: &Poller, pipe: OwnedFd) -> Watched {
    rustix::io::ioctl_fionbio(&pipe, true).expect("it need not block");
    poller.watch(pipe).expect("it is watched")
}

async fn ready(pipe: &Watched) {
    let told = poll_fn(|cx| pipe.poll_ready(cx));
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("it is told in time");
}

/// Reads at most so many bytes.
fn read(pipe: &Watched, bytes: usize) -> io::Result<Vec<u8>> {
    let mut block = vec![0; bytes];
    let n = pipe.try_io(|fd| Ok(rustix::io::read(fd, &mut block)?))?;
    block.truncate(n);
    Ok(block)
}

fn would_block(got: io::Result<Vec<u8>>) -> bool {
    got.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn what_comes_is_told_until_a_read_would_block() {
    let poller = Poller::start().expect("a poller");
    let (pipe, mut writer) = watched(&poller);
    assert!(poll_fn(|cx| pipe.poll_ready(cx)).now_or_never().is_none());
    writer.write_all(b"one two").expect("it is written");
    ready(&pipe).await;
    assert_eq!(read(&pipe, 4).expect("bytes"), b"one ");
    // There is more, and it is told once only.
    ready(&pipe).await;
    assert_eq!(read(&pipe, 4).expect("bytes"), b"two");
    assert!(would_block(read(&pipe, 4)));
    assert!(poll_fn(|cx| pipe.poll_ready(cx)).now_or_never().is_none());
    writer.write_all(b"three").expect("it is written");
    ready(&pipe).await;
    assert_eq!(read(&pipe, 9).expect("bytes"), b"three");
}

#[tokio::test]
async fn nothing_is_read_before_something_was_heard() {
    let poller = Poller::start().expect("a poller");
    let (pipe, mut writer) = watched(&poller);
    writer.write_all(b"unheard").expect("it is written");
    // The task that hears of it has not run: this thread is the only one, and did not wait.
    assert!(would_block(read(&pipe, 9)));
    ready(&pipe).await;
    assert_eq!(read(&pipe, 9).expect("bytes"), b"unheard");
}

#[tokio::test]
async fn an_end_is_seen_behind_the_last_bytes_although_it_was_told_with_them() {
    let poller = Poller::start().expect("a poller");
    let (pipe, mut writer) = watched(&poller);
    writer.write_all(b"last").expect("it is written");
    drop(writer);
    ready(&pipe).await;
    // A reader that takes a short read for all there is says so.
    let mut block = [0; 9];
    let got = pipe.try_io(|fd| {
        rustix::io::read(fd, &mut block)?;
        Err::<(), _>(io::ErrorKind::WouldBlock.into())
    });
    assert!(got.is_err() && block.starts_with(b"last"));
    ready(&pipe).await;
    assert_eq!(read(&pipe, 9).expect("its end"), b"");
}

#[tokio::test]
async fn all_are_told_however_many_there_are() {
    let poller = Poller::start().expect("a poller");
    let mut pipes: Vec<_> = (0..100).map(|_| watched(&poller)).collect();
    for (n, (_, writer)) in pipes.iter_mut().enumerate() {
        writer.write_all(n.to_string().as_bytes()).expect("it is written");
    }
    for (n, (pipe, _)) in pipes.iter().enumerate().rev() {
        ready(pipe).await;
        assert_eq!(read(pipe, 9).expect("bytes"), n.to_string().as_bytes());
    }
}

#[tokio::test]
async fn what_is_watched_again_tells_what_lies_there() {
    let poller = Poller::start().expect("a poller");
    let (pipe, mut writer) = watched(&poller);
    let pipe = pipe.into_inner();
    writer.write_all(b"meanwhile").expect("it is written");
    let pipe = watch(&poller, pipe);
    ready(&pipe).await;
    assert_eq!(read(&pipe, 9).expect("bytes"), b"meanwhile");
}

/// On several threads, with what comes at any moment of a reading, of a wait and of a new watch. Every other writer waits until what
/// it wrote was read, so that nothing that comes later makes up for what was not told.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_a_read_and_the_wait_after_it() {
    const LINES: usize = 20_000;
    let poller = Poller::start().expect("a poller");
    let readers = (0..8).map(|number: usize| {
        let (mut pipe, mut writer) = watched(&poller);
        let poller = poller.clone();
        let waits = number.is_multiple_of(2);
        let (answer, answers) = mpsc::channel();
        let writes = thread::spawn(move || {
            for n in 0..LINES {
                writer.write_all(&[n as u8; 7]).expect("somebody reads");
                if waits {
                    answers.recv().expect("it is read");
                } else if n % (number + 2) == 0 {
                    thread::yield_now();
                }
            }
        });
        tokio::spawn(async move {
            let (mut bytes, mut looks) = (0, 0_usize);
            loop {
                ready(&pipe).await;
                // A block that is full now and then, and mostly is not: then it is all there is, as for a tap.
                let mut block = [0; 64];
                let mut n = 0;
                let got = pipe.try_io(|fd| {
                    n = rustix::io::read(fd, &mut block)?;
                    if n > 0 && n < block.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
                });
                bytes += n;
                match got {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
                if waits && n > 0 {
                    answer.send(()).expect("it waits");
                }
                looks += 1;
                if looks % 100 == number {
                    pipe = watch(&poller, pipe.into_inner());
                }
            }
            writes.join().expect("no panic");
            bytes
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.expect("no panic"), 7 * LINES);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_cannot_be_watched_comes_back() {
    use std::os::fd::AsFd;

    let poller = Poller::start().expect("a poller");
    let file = OwnedFd::from(tempfile::tempfile().expect("a file"));
    let Err((file, error)) = poller.watch(file) else { panic!("a file of a disk is always ready") };
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::PERM.raw_os_error()));
    assert!(rustix::fs::fstat(file.as_fd()).is_ok(), "it is open");
    // Its place is another's.
    let (pipe, mut writer) = watched(&poller);
    writer.write_all(b"next").expect("it is written");
    ready(&pipe).await;
}

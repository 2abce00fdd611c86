//! Real pipes, real blocks, a sink in memory.

use std::{future, io::Write, sync::Mutex, thread};

use tokio::{runtime, sync::oneshot};

use super::*;
use crate::model::log::{LINE_BYTES_MAX, LogLine, SPLIT_MARK};

const DEADLINE: Duration = Duration::from_secs(30);

fn clock() -> Now {
    Now { mono: Mono::at(Duration::from_secs(7)), wall: "2026-01-02T03:04:05Z".parse().expect("a time") }
}

fn pipes() -> (Pipes, io::PipeWriter, io::PipeWriter) {
    let (stdout, out) = pipe_pair().unwrap();
    let (stderr, err) = pipe_pair().unwrap();
    (Pipes { stdout, stderr }, out, err)
}

fn pump(pipes: Pipes, activity: &Arc<Activity>) -> Pump<fn() -> Now> {
    let style = LineStyle { instance: "host01".into(), format: Default::default() };
    Pump::new(pipes, Arc::new(style), Arc::clone(activity), clock as fn() -> Now, &Poller::start().unwrap()).unwrap()
}

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { time::timeout(DEADLINE, work).await.expect("it ends in time") })
}

/// Collects all lines of a run whose output `print` makes on a thread of its own.
fn collect(print: impl FnOnce(io::PipeWriter, io::PipeWriter) + Send + 'static) -> (Vec<u8>, PumpEnd, Arc<Activity>) {
    let activity = Arc::new(Activity::new(Mono::default()));
    let mut taken = Vec::new();
    let end = on_runtime(async {
        let (pipes, out, err) = pipes();
        let mut pump = pump(pipes, &activity);
        let printer = thread::spawn(move || print(out, err));
        let sink = |lines: &[u8], _: Now| {
            assert_eq!(lines.last(), Some(&b'\n'), "whole lines only");
            taken.extend_from_slice(lines);
            lines.len()
        };
        let end = pump.run(sink, future::pending()).await;
        printer.join().unwrap();
        end
    });
    (taken, end, activity)
}

#[test]
fn both_streams_arrive_stamped_with_their_level_and_the_last_line_needs_no_end() {
    let (lines, end, activity) = collect(|mut out, mut err| {
        out.write_all(b"hello\nwor").unwrap();
        err.write_all(b"oops").unwrap();
        out.write_all(b"ld").unwrap();
    });
    assert_eq!(end, PumpEnd { is_cut: false, bytes_lost: 0 });
    assert_eq!((activity.bytes(), activity.last()), (15, clock().mono));
    let mut lines: Vec<&str> = str::from_utf8(&lines).unwrap().lines().collect();
    lines.sort_unstable();
    let stamp = "[01/02/2026 03:04:05 > host01:";
    assert_eq!(lines, [format!("{stamp} ERR ] oops"), format!("{stamp} INFO] hello"), format!("{stamp} INFO] world")]);
}

#[test]
fn a_flood_arrives_whole_and_in_order() {
    let (lines, ..) = collect(|mut out, _err| {
        let text: Vec<u8> = (0..200_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        text.chunks(4096).for_each(|block| out.write_all(block).unwrap());
    });
    let mut next = 0;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        assert_eq!(LogLine::parse(line).unwrap().text, format!("line {next}"));
        next += 1;
    }
    assert_eq!(next, 200_000);
}

#[test]
fn a_job_that_never_ends_its_line_costs_bounded_memory_and_loses_nothing() {
    let (mut n_bytes, mut n_pieces, mut longest) = (0, 0, 0);
    on_runtime(async {
        let (pipes, mut out, err) = pipes();
        drop(err);
        let mut pump = pump(pipes, &Arc::default());
        let printer = thread::spawn(move || (0..64).for_each(|_| out.write_all(&[b'x'; 1024 * 1024]).unwrap()));
        let sink = |lines: &[u8], _: Now| {
            longest = longest.max(lines.len());
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let text = LogLine::parse(line).unwrap().text;
                n_bytes += text.strip_suffix(SPLIT_MARK).unwrap_or(text).len();
                n_pieces += 1;
            }
            lines.len()
        };
        pump.run(sink, future::pending()).await;
        printer.join().unwrap();
    });
    assert_eq!((n_bytes, n_pieces), (64 << 20, (64 << 20) / LINE_BYTES_MAX));
    assert!(longest < 4 << 20, "{longest}");
}

#[test]
fn a_cut_takes_what_lies_in_the_pipes_and_ends_though_they_are_held_open() {
    let (pipes, mut out, mut err) = pipes();
    let mut taken = Vec::new();
    let end = on_runtime(async {
        let mut pump = pump(pipes, &Arc::default());
        let (cut, told) = oneshot::channel();
        out.write_all(b"one\npart").unwrap();
        err.write_all(b"two\n").unwrap();
        cut.send(()).unwrap();
        let sink = |lines: &[u8], _: Now| {
            taken.extend_from_slice(lines);
            lines.len()
        };
        let end = pump.run(sink, async { told.await.unwrap() }).await;
        // The pump is still there, and nobody reads any more.
        for writer in [&mut out, &mut err] {
            assert_eq!(writer.write_all(b"more").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
        end
    });
    assert_eq!(end, PumpEnd { is_cut: true, bytes_lost: 0 });
    let texts: Vec<&str> = str::from_utf8(&taken).unwrap().lines().map(|line| &line[37..]).collect();
    assert_eq!(texts, ["one", "two", "part"]);
}

#[test]
fn a_line_of_one_stream_is_there_while_the_other_is_quiet() {
    for stream in Stream::ALL {
        let (pipes, mut out, mut err) = pipes();
        on_runtime(async {
            let mut pump = pump(pipes, &Arc::default());
            let (told, heard) = oneshot::channel();
            let mut told = Some(told);
            let sink = |lines: &[u8], _: Now| {
                told.take().into_iter().for_each(|told| told.send(()).unwrap());
                lines.len()
            };
            let prints = async {
                let writer = if stream == Stream::Stdout { &mut out } else { &mut err };
                writer.write_all(b"line\n").unwrap();
                // Both are open until it was heard.
                heard.await.unwrap();
                drop((out, err));
            };
            tokio::join!(pump.run(sink, future::pending()), prints);
        });
    }
}

#[test]
fn an_endless_printer_can_be_cut() {
    let (pipes, mut out, _err) = pipes();
    let printer = thread::spawn(move || while out.write_all(&[b'\n'; 4096]).is_ok() {});
    let (cut, told) = oneshot::channel();
    let (mut cut, mut n_bytes) = (Some(cut), 0);
    let end = on_runtime(async {
        let mut pump = pump(pipes, &Arc::default());
        let sink = |lines: &[u8], _: Now| {
            n_bytes += lines.len();
            if n_bytes > 10 << 20
                && let Some(cut) = cut.take()
            {
                cut.send(()).unwrap();
            }
            lines.len()
        };
        pump.run(sink, async { told.await.unwrap() }).await
    });
    assert!(end.is_cut);
    printer.join().unwrap();
}

#[test]
fn a_sink_that_refuses_is_asked_again_and_nothing_is_read_meanwhile() {
    let mut n_asked = 0;
    let mut taken = Vec::new();
    on_runtime(async {
        let (pipes, mut out, err) = pipes();
        drop(err);
        let printer = thread::spawn(move || (0..20_000).for_each(|n| writeln!(out, "{n}").unwrap()));
        let sink = |lines: &[u8], _: Now| {
            n_asked += 1;
            if n_asked % 3 != 0 {
                return 0;
            }
            let first = lines.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let n = if n_asked % 2 == 0 { first } else { lines.len() };
            taken.extend_from_slice(&lines[..n]);
            n
        };
        pump(pipes, &Arc::default()).run(sink, future::pending()).await;
        printer.join().unwrap();
    });
    let numbers = str::from_utf8(&taken).unwrap().lines().map(|line| line[37..].parse::<u32>().unwrap());
    assert!(numbers.eq(0..20_000));
}

#[test]
fn what_a_refusing_sink_never_took_is_counted() {
    let (pipes, mut out, _err) = pipes();
    let (cut, told) = oneshot::channel();
    let cut = Mutex::new(Some(cut));
    let end = on_runtime(async {
        out.write_all(b"lost\n").unwrap();
        let sink = |_: &[u8], _: Now| {
            if let Some(cut) = cut.lock().unwrap().take() {
                cut.send(()).unwrap();
            }
            0
        };
        pump(pipes, &Arc::default()).run(sink, async { told.await.unwrap() }).await
    });
    assert_eq!(end, PumpEnd { is_cut: true, bytes_lost: 42 });
}

#[cfg(unix)]
#[test]
fn a_pipe_read_by_a_thread_gives_the_same_bytes() {
    let (reader, mut writer) = pipe_pair().unwrap();
    let text: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    let expected = text.clone();
    let printer = thread::spawn(move || writer.write_all(&text).unwrap());
    let got = on_runtime(async {
        let mut tap = tap::thread::Tap::new(reader, &Poller::start().unwrap()).unwrap();
        let (mut got, mut block) = (Vec::new(), [0; 1000]);
        while tap.is_open() {
            future::poll_fn(|cx| tap.poll_readable(cx)).await;
            let n = tap.read(&mut block);
            got.extend_from_slice(&block[..n]);
        }
        got
    });
    printer.join().unwrap();
    assert!(got == expected);
}

#[test]
fn a_line_without_an_end_is_written_after_a_moment_of_quiet() {
    let (pipes, mut out, mut err) = pipes();
    let taken = Mutex::new(Vec::new());
    let end = on_runtime(async {
        let clock = crate::os::clock::Clock::start();
        let style = LineStyle { instance: "host01".into(), format: Default::default() };
        let mut pump =
            Pump::new(pipes, Arc::new(style), Arc::default(), move || clock.now(), &Poller::start().unwrap()).unwrap();
        out.write_all(b"ready?").unwrap();
        let (told, asked) = oneshot::channel();
        let mut told = Some(told);
        let sink = |lines: &[u8], _: Now| {
            taken.lock().unwrap().extend_from_slice(lines);
            told.take().into_iter().for_each(|told| told.send(()).unwrap());
            lines.len()
        };
        let answer = async {
            // Only what is written lets it go on.
            asked.await.unwrap();
            out.write_all(b" yes\nnext").unwrap();
            err.write_all(b"").unwrap();
            drop((out, err));
        };
        tokio::join!(pump.run(sink, future::pending()), answer).0
    });
    assert!(!end.is_cut);
    let taken = taken.into_inner().unwrap();
    let texts: Vec<&str> = str::from_utf8(&taken).unwrap().lines().map(|line| &line[37..]).collect();
    assert_eq!(texts, ["ready? [line continues]", "[line continued]  yes", "next"]);
}

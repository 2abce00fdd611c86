//! The line pump: what a run prints, on its way from two pipes to a log.
//!
//! ```text
//!  stdout ──> tap ──┐  one read each, in turn      ┌──> sink(block of whole stamped lines)
//!                   ├──> framer ──> one buffer ────┤
//!  stderr ──> tap ──┘                              └──> held and tried again while the sink takes nothing
//! ```
//!
//! One task a run and no thread. A run that prints nothing holds no buffer: buffers are lent by a small pool for the time
//! between a read and its write. While the sink refuses (a full disk), nothing more is read, so that the job waits at its
//! next print instead of losing it. The pump never decides when a run is over: it ends when both pipes are closed, or
//! when it is told to cut. It never sees a file.

use std::{
    io, mem,
    ops::ControlFlow,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::time;

use self::{
    buffers::{Buffers, OUT_BYTES},
    framer::{LineFramer, Stamps},
    nap::Napper,
    pace::{LARGE_BYTES, Next, Pace, Turn},
    pauses::Pauses,
    tap::Tap,
    wait::{pass_on, unless_cut},
};
use crate::{
    model::{
        log::{LineStyle, Stream},
        time::{Mono, Now},
    },
    os::{clock::Ticks, poller::Poller},
};

mod buffers;
mod framer;
mod nap;
mod pace;
mod pauses;
mod tap;
mod wait;

/// Bytes that are framed at once; bounds how far a block of empty lines can swell.
const FRAME_BYTES: usize = 32 * 1024;
/// Bytes that are still read after a cut; more than two full pipes hold.
const CUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The first and the longest wait before a refused block is offered again.
const RETRY_FIRST: Duration = Duration::from_millis(10);
const RETRY_LONGEST: Duration = Duration::from_secs(1);

/// The read ends of what one run prints.
#[derive(Debug)]
pub struct Pipes {
    /// Of standard output.
    pub stdout: io::PipeReader,
    /// Of standard error.
    pub stderr: io::PipeReader,
}

/// Makes a pipe whose ends no child inherits by accident; the read end is for [`Pipes`], the write end for a child.
///
/// # Errors
/// When the process has no file descriptors left.
pub fn pipe_pair() -> io::Result<(io::PipeReader, io::PipeWriter)> {
    io::pipe()
}

/// When a run last printed, and how much. Written by the pump, read by whoever waits for quiet.
#[derive(Debug, Default)]
pub struct Activity {
    last_ns: AtomicU64,
    bytes: AtomicU64,
}

impl Activity {
    /// Counts from `now`: a run that has not printed yet is quiet since its start.
    pub fn new(now: Mono) -> Self {
        let activity = Self::default();
        activity.note(now, 0);
        activity
    }

    /// Returns when output was last seen.
    pub fn last(&self) -> Mono {
        Mono::at(Duration::from_nanos(self.last_ns.load(Ordering::Relaxed)))
    }

    /// Returns how many bytes the run has printed on both streams.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn note(&self, now: Mono, bytes: usize) {
        self.last_ns.store(u64::try_from(now.since_start().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// How a pump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PumpEnd {
    /// It was told to cut while somebody still held a pipe open.
    pub is_cut: bool,
    /// Bytes of lines that the sink had not taken when it was told to cut.
    pub bytes_lost: u64,
}

/// Carries what one run prints to a sink.
#[derive(Debug)]
pub struct Pump<C> {
    taps: [Tap; 2],
    framers: [LineFramer; 2],
    pauses: Pauses,
    pace: Pace,
    napper: Napper,
    stamps: Stamps,
    activity: Arc<Activity>,
    clock: C,
    poller: Poller,
}

impl<C: Ticks> Pump<C> {
    /// Takes over the pipes of a run.
    ///
    /// # Errors
    /// When the pipes cannot be watched.
    pub fn new(
        pipes: Pipes,
        style: Arc<LineStyle>,
        activity: Arc<Activity>,
        clock: C,
        poller: &Poller,
    ) -> io::Result<Self> {
        Ok(Self {
            taps: [Tap::new(pipes.stdout, poller)?, Tap::new(pipes.stderr, poller)?],
            framers: Default::default(),
            pauses: Pauses::default(),
            pace: Pace::default(),
            napper: Napper::default(),
            stamps: Stamps::new(style),
            activity,
            clock,
            poller: poller.clone(),
        })
    }

    /// Pumps until both pipes are closed, or until `cut` is done: then what lies in the pipes is read without waiting.
    ///
    /// `sink` gets whole lines and answers how many bytes it took, at a line's end; what it did not take is offered again
    /// after a growing wait, and nothing is read in the meantime.
    pub async fn run(
        &mut self,
        mut sink: impl FnMut(&[u8], Now) -> usize + Send,
        cut: impl Future<Output = ()> + Send,
    ) -> PumpEnd {
        let mut cut = pin!(cut);
        let mut turn = Turn::default();
        loop {
            let then = match self.look(&mut sink, &mut turn) {
                (None, then) => then,
                // Boxed, for a task keeps room for all that it may wait for.
                (Some(held), then) => match Box::pin(self.offer_again(held, &mut sink, cut.as_mut())).await {
                    ControlFlow::Break(held) => return self.end(held, &mut sink),
                    ControlFlow::Continue(()) => then,
                },
            };
            let go_on = match then {
                Then::End => return PumpEnd { is_cut: false, bytes_lost: 0 },
                Then::PassOn => pass_on(cut.as_mut()).await,
                Then::Go(Next::Nap) => self.nap(cut.as_mut()).await,
                Then::Go(Next::Look) => ControlFlow::Continue(()),
                Then::Go(Next::Wait) => self.wait(cut.as_mut()).await,
            };
            if go_on.is_break() {
                return self.end(Vec::new(), &mut sink);
            }
        }
    }

    /// Looks at both pipes; returns what the sink refused, and what comes next.
    fn look(&mut self, sink: &mut impl FnMut(&[u8], Now) -> usize, turn: &mut Turn) -> (Option<Vec<u8>>, Then) {
        let Round { now, bytes, held, is_refused: _ } = self.round(sink);
        let then = if !self.taps.iter().any(Tap::is_open) {
            Then::End
        } else {
            match self.step(bytes, now) {
                Next::Look | Next::Wait if turn.is_over(bytes[0] + bytes[1]) => Then::PassOn,
                next @ (Next::Look | Next::Nap | Next::Wait) => Then::Go(next),
            }
        };
        (Some(held).filter(|held| !held.is_empty()), then)
    }

    /// Reads at most one block of each stream and offers its lines to the sink.
    fn round(&mut self, sink: &mut impl FnMut(&[u8], Now) -> usize) -> Round {
        let mut lent = Buffers::borrow();
        let (block, out) = lent.split();
        let now = self.clock.now();
        let mut round = Round::new(now.mono);
        for (index, stream) in Stream::ALL.into_iter().enumerate() {
            let (tap, framer) = (&mut self.taps[index], &mut self.framers[index]);
            let was_open = tap.is_open();
            let n = tap.read(block);
            let is_due = n == 0 && self.pauses.is_due(index, now.mono);
            if n > 0 || is_due || (was_open && !tap.is_open()) {
                self.stamps.set(now.wall);
            }
            for piece in block[..n].chunks(FRAME_BYTES) {
                framer.feed(piece, self.stamps.prefix(stream), out);
                if out.len() >= OUT_BYTES {
                    round.offer(out, now, sink);
                }
            }
            if was_open && !tap.is_open() {
                framer.finish(self.stamps.prefix(stream), out);
            } else if is_due {
                framer.pause(self.stamps.prefix(stream), out);
            }
            if is_due {
                self.pauses.is_over(index);
            } else if n > 0 {
                self.pauses.read(index, framer.is_waiting(), now.mono);
            }
            round.bytes[index] = n;
        }
        if round.bytes() > 0 {
            self.activity.note(now.mono, round.bytes());
        }
        round.offer(out, now, sink);
        if !out.is_empty() {
            round.held = mem::take(out);
        }
        round
    }

    /// Says what comes after a round, and takes the pipes of a job that became busy from the poller, or gives them back.
    fn step(&mut self, bytes: [usize; 2], now: Mono) -> Next {
        let was_calm = self.pace.is_calm();
        let next = self.pace.step(bytes[0] + bytes[1], now);
        let mut read = self.taps.iter_mut().zip(bytes);
        match (was_calm, self.pace.is_calm()) {
            (true, true) => {}
            (true, false) => {
                if !read.all(|(tap, bytes)| bytes == 0 || tap.enlarge()) {
                    // A pipe that a nap would fill stays watched.
                    self.pace = Pace::default();
                    return Next::Wait;
                }
                self.taps.iter_mut().for_each(Tap::unwatch);
            }
            (false, false) => read.filter(|(_, bytes)| *bytes >= LARGE_BYTES).for_each(|(tap, _)| _ = tap.enlarge()),
            (false, true) => {
                if !self.taps.iter_mut().all(|tap| tap.watch(&self.poller)) {
                    self.pace = Pace::Busy { has_napped: true };
                    return Next::Nap;
                }
                self.napper = Napper::default();
            }
        }
        next
    }

    /// Lets the lines of a busy job gather.
    async fn nap(&mut self, cut: Pin<&mut impl Future<Output = ()>>) -> ControlFlow<()> {
        self.napper.begin();
        // The next nap begins anew: nothing is lost with this one.
        unless_cut(cut, |cx| self.napper.poll_over(cx)).await
    }

    /// Waits until one of the pipes has something to read.
    async fn wait(&mut self, cut: Pin<&mut impl Future<Output = ()>>) -> ControlFlow<()> {
        self.framers.iter_mut().for_each(LineFramer::relax);
        let pause = self.pauses.next_due();
        // A new timer each time, and none while no line is begun. The round looks whose time it is.
        let mut pause = pause.map(|until| Box::pin(time::sleep(until.since(self.clock.now().mono))));
        let taps = &mut self.taps;
        // They only look. Which of the two is first does not matter, the round reads both.
        unless_cut(cut, |cx| {
            let is_readable = taps.iter_mut().any(|tap| tap.is_open() && tap.poll_readable(cx).is_ready());
            if is_readable {
                return Poll::Ready(());
            }
            pause.as_mut().map_or(Poll::Pending, |pause| pause.as_mut().poll(cx))
        })
        .await
    }

    /// Offers what the sink refused until it takes all of it; breaks with what is left when told to cut.
    async fn offer_again(
        &self,
        mut held: Vec<u8>,
        sink: &mut impl FnMut(&[u8], Now) -> usize,
        mut cut: Pin<&mut impl Future<Output = ()>>,
    ) -> ControlFlow<Vec<u8>> {
        let mut delay = RETRY_FIRST;
        while !held.is_empty() {
            tokio::select! {
                biased;
                // Done once and not asked again: the pump ends after it.
                () = cut.as_mut() => return ControlFlow::Break(held),
                // A new timer each time: nothing is lost with it.
                () = time::sleep(delay) => {}
            }
            let taken = sink(&held, self.clock.now());
            held.drain(..taken);
            delay = (delay * 2).min(RETRY_LONGEST);
        }
        ControlFlow::Continue(())
    }

    /// Reads what lies in the pipes without waiting, and ends. What the sink refuses now is lost, and counted.
    fn end(&mut self, mut held: Vec<u8>, sink: &mut impl FnMut(&[u8], Now) -> usize) -> PumpEnd {
        self.taps.iter_mut().for_each(Tap::look_again);
        let mut bytes = 0;
        while held.is_empty() && bytes < CUT_BYTES_MAX {
            let round = self.round(sink);
            if round.bytes() == 0 {
                break;
            }
            bytes += round.bytes();
            held = round.held;
        }
        let now = self.clock.now();
        self.stamps.set(now.wall);
        for (stream, framer) in Stream::ALL.into_iter().zip(&mut self.framers) {
            framer.finish(self.stamps.prefix(stream), &mut held);
        }
        let taken = if held.is_empty() { 0 } else { sink(&held, now) };
        let is_cut = self.taps.iter().any(Tap::is_open);
        // Whoever still writes learns that nobody reads.
        self.taps.iter_mut().for_each(Tap::close);
        PumpEnd { is_cut, bytes_lost: (held.len() - taken) as u64 }
    }
}

/// What comes after a look at both pipes.
enum Then {
    /// Both are closed.
    End,
    /// Others have their turn.
    PassOn,
    /// The next look, in its time.
    Go(Next),
}

/// What one look at both pipes brought.
struct Round {
    now: Mono,
    bytes: [usize; 2],
    held: Vec<u8>,
    is_refused: bool,
}

impl Round {
    fn new(now: Mono) -> Self {
        Self { now, bytes: [0; 2], held: Vec::new(), is_refused: false }
    }

    /// Bytes of both streams.
    fn bytes(&self) -> usize {
        self.bytes[0] + self.bytes[1]
    }

    /// Offers lines to the sink, unless it refused some in this round: order is kept.
    fn offer(&mut self, lines: &mut Vec<u8>, now: Now, sink: &mut impl FnMut(&[u8], Now) -> usize) {
        if lines.is_empty() || self.is_refused {
            return;
        }
        let taken = sink(lines, now);
        self.is_refused = taken < lines.len();
        lines.drain(..taken);
    }
}

#[cfg(test)]
mod tests;

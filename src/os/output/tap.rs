//! One pipe that is read without blocking.
//!
//! On Unix the host's poller watches the pipe. Elsewhere a thread a pipe reads and hands blocks over through a channel of
//! two blocks: when it is full, the thread waits, and with it the job. A pipe that cannot be read counts as closed.

#[cfg(not(unix))]
pub use self::thread::Tap;
#[cfg(unix)]
pub use self::unix::Tap;

#[cfg(unix)]
mod unix {
    use std::{
        io::{self, ErrorKind},
        mem,
        os::fd::{AsFd, BorrowedFd, OwnedFd},
        task::{Context, Poll},
    };

    use crate::os::poller::{Poller, Watched};

    /// Bytes a pipe holds as the system makes it.
    const PIPE_BYTES: usize = 64 * 1024;
    /// Bytes of a busy job's pipe, and the least that a nap does not fill.
    const PIPE_BYTES_BUSY: [usize; 2] = [1024 * 1024, 256 * 1024];

    /// A pipe, watched while its job prints now and then.
    #[derive(Debug)]
    pub struct Tap {
        pipe: Pipe,
        is_large: bool,
        is_last_look: bool,
    }

    #[derive(Debug)]
    enum Pipe {
        Watched(Watched),
        Unwatched(OwnedFd),
        Closed,
    }

    impl Tap {
        /// Takes over a pipe; its write end, held by the job, stays as it is.
        pub fn new(reader: io::PipeReader, poller: &Poller) -> io::Result<Self> {
            let fd = OwnedFd::from(reader);
            rustix::io::ioctl_fionbio(&fd, true)?;
            let pipe = Pipe::Watched(poller.watch(fd).map_err(|(_, error)| error)?);
            Ok(Self { pipe, is_large: false, is_last_look: false })
        }

        /// Says whether somebody may still write.
        pub fn is_open(&self) -> bool {
            !matches!(self.pipe, Pipe::Closed)
        }

        /// Closes the pipe.
        pub fn close(&mut self) {
            self.pipe = Pipe::Closed;
        }

        /// Waits for bytes or for the end. A pipe that nobody watches is looked at again at once.
        pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
            match &self.pipe {
                Pipe::Watched(pipe) => pipe.poll_ready(cx),
                Pipe::Unwatched(_) | Pipe::Closed => Poll::Ready(()),
            }
        }

        /// Asks the pipe itself from now on, not what was last heard of it: for a reader that waits no more.
        pub fn look_again(&mut self) {
            self.is_last_look = true;
        }

        /// Takes the pipe of a busy job from the poller, so that its writes wake nobody, and makes it large.
        pub fn unwatch(&mut self) {
            self.pipe = match mem::replace(&mut self.pipe, Pipe::Closed) {
                Pipe::Watched(pipe) => Pipe::Unwatched(pipe.into_inner()),
                same @ (Pipe::Unwatched(_) | Pipe::Closed) => same,
            };
        }

        /// Gives the pipe back to the poller, at the size it was made with: large ones are few for an ordinary user.
        /// Says whether it took it.
        pub fn watch(&mut self, poller: &Poller) -> bool {
            if self.is_large
                && let Some(fd) = self.fd()
            {
                self.is_large = !resize(fd, PIPE_BYTES);
            }
            let (pipe, is_watched) = match mem::replace(&mut self.pipe, Pipe::Closed) {
                Pipe::Unwatched(fd) => match poller.watch(fd) {
                    Ok(pipe) => (Pipe::Watched(pipe), true),
                    Err((fd, _)) => (Pipe::Unwatched(fd), false),
                },
                same @ (Pipe::Watched(_) | Pipe::Closed) => (same, true),
            };
            self.pipe = pipe;
            is_watched
        }

        /// Makes the pipe large. A refusal (the user's share of pipe memory is used up) is told.
        pub fn enlarge(&mut self) -> bool {
            if !self.is_large
                && let Some(fd) = self.fd()
            {
                self.is_large = PIPE_BYTES_BUSY.into_iter().any(|bytes| resize(fd, bytes));
            }
            self.is_large
        }

        /// Reads what is there; 0 when there is nothing, or when the pipe was closed.
        pub fn read(&mut self, block: &mut [u8]) -> usize {
            let got = match &self.pipe {
                Pipe::Watched(pipe) if !self.is_last_look => read_watched(pipe, block),
                Pipe::Watched(pipe) => read(pipe.as_fd(), block),
                Pipe::Unwatched(fd) => read(fd.as_fd(), block),
                Pipe::Closed => return 0,
            };
            match got {
                Ok(n) if n > 0 => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Ok(_) | Err(_) => {
                    self.pipe = Pipe::Closed;
                    0
                }
            }
        }

        fn fd(&self) -> Option<BorrowedFd<'_>> {
            match &self.pipe {
                Pipe::Watched(pipe) => Some(pipe.as_fd()),
                Pipe::Unwatched(fd) => Some(fd.as_fd()),
                Pipe::Closed => None,
            }
        }
    }

    /// Reads if bytes were heard of. Less than was asked for is all there is: what comes after it is told anew.
    fn read_watched(pipe: &Watched, block: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        let got = pipe.try_io(|fd| {
            n = read(fd, block)?;
            if n > 0 && n < block.len() { Err(ErrorKind::WouldBlock.into()) } else { Ok(n) }
        });
        if n > 0 { Ok(n) } else { got }
    }

    fn read(fd: BorrowedFd<'_>, block: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(fd, &mut *block) {
                Err(rustix::io::Errno::INTR) => {}
                got => return Ok(got?),
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn resize(fd: BorrowedFd<'_>, bytes: usize) -> bool {
        rustix::pipe::fcntl_setpipe_size(fd, bytes).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn resize(_: BorrowedFd<'_>, _: usize) -> bool {
        false
    }
}

#[cfg(any(test, not(unix)))]
pub mod thread {
    use std::{
        io::{self, Read},
        task::{Context, Poll, ready},
        thread,
    };

    use tokio::sync::mpsc;

    use crate::os::poller::Poller;

    const BLOCK_BYTES: usize = 64 * 1024;
    const BLOCKS_WAITING_MAX: usize = 2;

    /// A pipe, read by a thread.
    #[derive(Debug)]
    pub struct Tap {
        blocks: Option<mpsc::Receiver<Vec<u8>>>,
        ready: Vec<u8>,
    }

    impl Tap {
        /// Starts the thread that reads the pipe; it ends with the pipe.
        pub fn new(mut reader: io::PipeReader, _: &Poller) -> io::Result<Self> {
            let (sender, blocks) = mpsc::channel(BLOCKS_WAITING_MAX);
            thread::Builder::new().name("output".to_owned()).spawn(move || {
                let mut block = vec![0; BLOCK_BYTES];
                while let Ok(n) = reader.read(&mut block) {
                    if n == 0 || sender.blocking_send(block[..n].to_vec()).is_err() {
                        break;
                    }
                }
            })?;
            Ok(Self { blocks: Some(blocks), ready: Vec::new() })
        }

        /// Says whether somebody may still write.
        pub fn is_open(&self) -> bool {
            self.blocks.is_some()
        }

        /// Closes the pipe, once the thread has read what it waits for.
        #[cfg(not(unix))]
        pub fn close(&mut self) {
            self.blocks = None;
        }

        /// Waits for bytes or for the end. A block that was received is kept here.
        pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            if self.ready.is_empty()
                && let Some(blocks) = &mut self.blocks
                && let Some(block) = ready!(blocks.poll_recv(cx))
            {
                self.ready = block;
            }
            Poll::Ready(())
        }

        /// Does nothing: nobody watches a pipe here.
        #[cfg(not(unix))]
        pub fn unwatch(&mut self) {}

        /// Says that nothing stands in the way of waiting.
        #[cfg(not(unix))]
        pub fn watch(&mut self, _: &Poller) -> bool {
            true
        }

        /// Refuses: a pipe stays as it was made.
        #[cfg(not(unix))]
        pub fn enlarge(&mut self) -> bool {
            false
        }

        /// Does nothing: what the thread has read is always seen.
        #[cfg(not(unix))]
        pub fn look_again(&mut self) {}

        /// Reads what is there; 0 when there is nothing, or when the pipe was closed.
        pub fn read(&mut self, block: &mut [u8]) -> usize {
            let Some(blocks) = &mut self.blocks else { return 0 };
            if self.ready.is_empty() {
                match blocks.try_recv() {
                    Ok(ready) => self.ready = ready,
                    Err(mpsc::error::TryRecvError::Empty) => {}
                    Err(mpsc::error::TryRecvError::Disconnected) => self.blocks = None,
                }
            }
            let n = self.ready.len().min(block.len());
            block[..n].copy_from_slice(&self.ready[..n]);
            self.ready.drain(..n);
            n
        }
    }
}

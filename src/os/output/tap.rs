//! One pipe that is read without blocking.
//!
//! On Unix the runtime watches the pipe itself. Elsewhere a thread a pipe reads and hands blocks over through a channel of
//! two blocks: when it is full, the thread waits, and with it the job. A pipe that cannot be read counts as closed.

#[cfg(not(unix))]
pub use self::thread::Tap;
#[cfg(unix)]
pub use self::unix::Tap;

#[cfg(unix)]
mod unix {
    use std::{
        io::{self, ErrorKind},
        os::fd::OwnedFd,
    };

    use tokio::net::unix::pipe;

    use crate::os::output::buffers::BLOCK_BYTES;

    /// A read of this many bytes says that the pipe, 64 KiB as it is made, is too small for its job.
    const BUSY_BYTES: usize = 32 * 1024;

    /// A pipe, watched by the runtime.
    #[derive(Debug)]
    pub struct Tap {
        pipe: Option<pipe::Receiver>,
        is_large: bool,
        is_last_look: bool,
    }

    impl Tap {
        /// Takes over a pipe; its write end, held by the job, stays as it is.
        pub fn new(reader: io::PipeReader) -> io::Result<Self> {
            let pipe = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
            Ok(Self { pipe: Some(pipe), is_large: false, is_last_look: false })
        }

        /// Says whether somebody may still write.
        pub fn is_open(&self) -> bool {
            self.pipe.is_some()
        }

        /// Waits for bytes or for the end.
        pub async fn readable(&self) {
            if let Some(pipe) = &self.pipe {
                // The read that follows tells what is wrong with it.
                let _ = pipe.readable().await;
            }
        }

        /// Asks the pipe itself from now on, not what the runtime last heard of it: for a reader that waits no more.
        pub fn look_again(&mut self) {
            self.is_last_look = true;
        }

        /// Reads what is there; 0 when there is nothing, or when the pipe was closed.
        pub fn read(&mut self, block: &mut [u8]) -> usize {
            let Some(pipe) = &self.pipe else { return 0 };
            let n = loop {
                let got = match self.is_last_look {
                    true => rustix::io::read(pipe, &mut *block).map_err(io::Error::from),
                    false => pipe.try_read(block),
                };
                match got {
                    Ok(n) if n > 0 => break n,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
                    Ok(_) | Err(_) => {
                        self.pipe = None;
                        return 0;
                    }
                }
            };
            if n >= BUSY_BYTES && !self.is_large {
                self.is_large = true;
                enlarge(pipe);
            }
            n
        }
    }

    /// Makes the pipe as large as a block. A refusal (the user's share of pipe memory is used up) is no harm.
    fn enlarge(pipe: &pipe::Receiver) {
        #[cfg(target_os = "linux")]
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, BLOCK_BYTES);
        #[cfg(not(target_os = "linux"))]
        let _ = (pipe, BLOCK_BYTES);
    }
}

#[cfg(any(test, not(unix)))]
pub mod thread {
    use std::{
        io::{self, Read},
        thread,
    };

    use tokio::sync::mpsc;

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
        pub fn new(mut reader: io::PipeReader) -> io::Result<Self> {
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

        /// Waits for bytes or for the end. Cancel-safe: a block that was received is kept here.
        pub async fn readable(&mut self) {
            if self.ready.is_empty()
                && let Some(blocks) = &mut self.blocks
                && let Some(block) = blocks.recv().await
            {
                self.ready = block;
            }
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

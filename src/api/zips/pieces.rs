//! Bytes on their way from a thread that may wait to the body of an answer, in pieces, as fast as the client takes them.

use std::{
    io::{self, Write},
    mem,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{runtime::Handle, sync::mpsc, time};

/// Bytes of a piece.
const PIECE_BYTES: usize = 64 * 1024;

/// A piece of a body, or why there will be no more; an empty one says that the body is whole.
pub type Piece = io::Result<Bytes>;

/// Returns the pieces up to the one that says that the body is whole. A writer that goes before makes an error, so that
/// half a body is never taken for a whole one.
pub fn whole(receiver: mpsc::Receiver<Piece>) -> impl Stream<Item = Piece> {
    stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Ok(piece)) if piece.is_empty() => None,
            Some(Ok(piece)) => Some((Ok(piece), Some(receiver))),
            Some(Err(error)) => Some((Err(error), None)),
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    })
}

/// Writes to a channel of pieces.
#[derive(Debug)]
pub struct Pieces<'a> {
    sender: &'a mpsc::Sender<Piece>,
    runtime: &'a Handle,
    time_max: Duration,
    filling: Vec<u8>,
}

impl<'a> Pieces<'a> {
    /// Writes to `sender`, and waits for at most `time_max` for a place in it.
    pub fn new(sender: &'a mpsc::Sender<Piece>, runtime: &'a Handle, time_max: Duration) -> Self {
        Self { sender, runtime, time_max, filling: Vec::new() }
    }

    /// Sends what was not sent yet, and says that it was all.
    ///
    /// # Errors
    /// When the client has gone or takes nothing.
    pub fn end(&mut self) -> io::Result<()> {
        if !self.filling.is_empty() {
            self.send()?;
        }
        self.put(Ok(Bytes::new()))
    }

    /// Ends the body too early, so that nobody takes it for whole.
    pub fn fail(&mut self, error: io::Error) {
        // A client that has gone needs to know nothing.
        let _ = self.put(Err(error));
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = mem::take(&mut self.filling);
        self.put(Ok(piece.into()))
    }

    fn put(&self, piece: Piece) -> io::Result<()> {
        let sent = self.runtime.block_on(async { time::timeout(self.time_max, self.sender.send(piece)).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.filling.extend_from_slice(bytes);
        if self.filling.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! What a job's actor may be told. Both kinds of actors take the same messages; each does what fits its kind.

use std::sync::Arc;

use futures_channel::mpsc;
use tokio::task::JoinHandle;

use crate::{
    host::{
        dispatcher::Resting,
        handle::{CommandError, Reply, Ticket},
    },
    model::{
        id::{JobId, RunId},
        job::Found,
        wish::Asked,
    },
};

/// Messages that wait for an actor before nobody may ask more of it. What its folder says, and stops, it is told all the same.
pub const WAITING_MAX: usize = 1024;

/// Where an actor's messages go. Its channel makes room when a message comes: most actors never get one. Telling never waits, so
/// that a job that is busy holds up no other.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::UnboundedSender<Box<JobMessage>>);

/// Where an actor takes its messages from.
pub type Messages = mpsc::UnboundedReceiver<Box<JobMessage>>;

impl Inbox {
    /// Makes an empty one.
    pub fn open() -> (Self, Messages) {
        Self::with(Vec::new())
    }

    /// Makes one with messages in it.
    pub fn with(waiting: Vec<JobMessage>) -> (Self, Messages) {
        let (inbox, messages) = mpsc::unbounded();
        let inbox = Self(inbox);
        for message in waiting {
            // There is somebody to take them.
            if let Err(left) = inbox.send(message) {
                left.refuse();
            }
        }
        (inbox, messages)
    }

    /// Tells whether the actor takes no more messages.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Tells whether so much waits that nobody may ask more of the actor. One that has ended waits for nothing.
    pub fn is_full(&self) -> bool {
        self.0.len() >= WAITING_MAX && !self.is_closed()
    }

    /// Tells the actor.
    ///
    /// # Errors
    /// When it has ended: then the message comes back.
    pub fn send(&self, message: impl Into<Box<JobMessage>>) -> Result<(), Box<JobMessage>> {
        self.0.unbounded_send(message.into()).map_err(mpsc::TrySendError::into_inner)
    }
}

/// A message to a job's actor.
#[derive(Debug)]
pub enum JobMessage {
    /// Its folder, or what people asked of it, says something else.
    Update(Box<Update>, Option<Reply<()>>),
    /// Run it.
    Run(Box<Ask>),
    /// Start it, although nothing it was told says something else: it ended, and its policy left it there.
    Start {
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// Stop it and start it again.
    Restart {
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// End one run.
    Cancel {
        /// Which.
        run: RunId,
        /// Who asks.
        who: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// The host stops, or the job's folder is gone: end everything, then yourself.
    End(Ending),
}

/// An actor that lives.
#[derive(Debug)]
pub struct Living {
    /// Where it is told.
    pub inbox: Inbox,
    /// Ends when nothing of its job runs any more; where the job then rests, with what is kept of it.
    pub life: JoinHandle<Option<Resting>>,
}

/// Why an actor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The job's folder is gone.
    Removed,
    /// The host stops.
    HostStopping,
    /// The host stops without grace.
    HostKilled,
}

/// What a job's actor is told of its job.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its folder as last read.
    pub found: Arc<Found>,
    /// What people asked of it.
    pub wishes: Asked,
}

/// A request for a run.
#[derive(Debug)]
pub struct Ask {
    /// Its arguments as one text.
    pub arguments: Option<String>,
    /// Who asks.
    pub who: String,
    /// The answer.
    pub reply: Reply<Ticket>,
}

impl JobMessage {
    /// Answers whoever waits for this message that the host is on its way down.
    pub fn refuse(self) {
        self.answer(|| CommandError::Stopping);
    }

    /// Answers whoever waits for this message that the job does not take it.
    pub fn invalid(self, job: &JobId, what: &str) {
        self.answer(|| CommandError::Invalid(format!("job `{job}` is {}: {what}", job.kind)));
    }

    fn answer(self, error: impl FnOnce() -> CommandError) {
        match self {
            // Whoever no longer waits for an answer gets none.
            Self::Run(ask) => drop(ask.reply.send(Err(error()))),
            Self::Start { reply, .. } | Self::Restart { reply, .. } | Self::Cancel { reply, .. } => {
                let _ = reply.send(Err(error()));
            }
            Self::Update(_, Some(reply)) => drop(reply.send(Err(error()))),
            Self::Update(_, None) | Self::End(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_inbox_is_full_until_a_message_is_taken_or_nobody_takes_them() {
        let (inbox, mut messages) = Inbox::open();
        let send = || inbox.send(JobMessage::End(Ending::Removed));
        for _ in 0..WAITING_MAX {
            assert!(!inbox.is_full());
            send().expect("it lives");
        }
        assert!(inbox.is_full());
        send().expect("it is told all the same");
        for _ in 0..2 {
            assert!(inbox.is_full());
            messages.recv().await.expect("one that waits");
        }
        assert!(!inbox.is_full());
        send().expect("it lives");
        messages.close();
        assert!(!inbox.is_full(), "whoever asks finds that it has ended");
        assert!(send().is_err());
    }
}

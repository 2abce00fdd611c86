//! Telling every job's actor that something else holds for all jobs.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Reconciler;
use crate::host::{
    handle::Reply,
    message::{JobMessage, Update},
};

impl Reconciler {
    /// Tells every actor to look at its job again, and answers when all have.
    pub(super) async fn heed_settings(&self, reply: Option<Reply<()>>) {
        let mut told = Vec::new();
        for (id, actor) in &self.actors {
            let Some(found) = self.observed.get(id) else { continue };
            let update = Update { found: Arc::clone(found), wishes: actor.wishes.clone() };
            let (heard, hears) = oneshot::channel();
            // One that has ended needs no telling.
            let _ = actor.inbox.send(JobMessage::Update(Box::new(update), Some(heard))).await;
            told.push(hears);
        }
        let Some(reply) = reply else { return };
        tokio::spawn(async move {
            for hears in told {
                let _ = hears.await;
            }
            // Whoever no longer waits for an answer gets none.
            let _ = reply.send(Ok(()));
        });
    }
}

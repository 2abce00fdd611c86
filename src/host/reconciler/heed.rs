//! Telling every job's actor that something else holds for all jobs.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Reconciler;
use crate::{
    host::{handle::Reply, message::Update},
    model::id::JobId,
};

impl Reconciler {
    /// Tells every actor to look at its job again, and answers when all have.
    pub(super) async fn heed_settings(&mut self, reply: Option<Reply<()>>) {
        let mut told = Vec::new();
        let ids: Vec<JobId> = self.actors.keys().cloned().collect();
        for id in ids {
            let (Some(actor), Some(found)) = (self.actors.get(&id), self.observed.get(&id)) else { continue };
            let update = Update { found: Arc::clone(found), wishes: actor.wishes().clone() };
            let (heard, hears) = oneshot::channel();
            self.tell(&id, update, Some(heard)).await;
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

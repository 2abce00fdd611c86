//! Telling every job's actor that something else holds for all jobs.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Reconciler;
use crate::{
    host::{handle::Reply, message::Update},
    model::{id::JobId, wish::Asked},
};

impl Reconciler {
    /// Tells every actor to look at its job again, and answers when all have.
    pub(super) async fn heed_settings(&mut self, reply: Option<Reply<()>>) {
        let mut told = Vec::new();
        let all: Vec<(JobId, Asked)> = self.actors.wishes().map(|(id, wishes)| (id.clone(), wishes.clone())).collect();
        for (id, wishes) in all {
            let Some(found) = self.observed.get(&id) else { continue };
            let update = Update { found: Arc::clone(found), wishes };
            let (heard, hears) = oneshot::channel();
            self.actors.tell(&id, update, Some(heard)).await;
            told.push(hears);
            self.attend().await;
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

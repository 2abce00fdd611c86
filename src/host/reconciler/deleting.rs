//! Jobs that are being deleted: their actors end first, then their data goes, and only then may a new job of the name begin.

use super::Reconciler;
use crate::{
    host::{
        handle::{CommandError, Reply},
        run::chain,
    },
    model::id::JobId,
};

impl Reconciler {
    /// Answers as soon as no actor of the job is left; none begins then before the job is forgotten.
    pub(super) fn let_go(&mut self, job: JobId, reply: Reply<()>) {
        if self.actors.contains(&job) {
            let text = format!("the folder of job `{job}` came back while it was being deleted; the job runs on");
            return drop(reply.send(Err(CommandError::Failed(text))));
        }
        if self.left.contains_key(&job) {
            self.deleting.insert(job, Some(reply));
        } else if reply.send(Ok(())).is_ok() {
            self.deleting.insert(job, None);
        }
    }

    /// Notes that the actor of a folder that is gone has ended.
    pub(super) fn has_left(&mut self, job: &JobId) {
        self.left.remove(job);
        let waiting = self.deleting.get_mut(job).and_then(Option::take);
        // One who no longer waits will not tell it to forget the job either.
        if waiting.is_some_and(|reply| reply.send(Ok(())).is_err()) {
            self.deleting.remove(job);
        }
        self.come_back(job);
    }

    /// Forgets what people asked of a job, and that it was being deleted.
    pub(super) fn forget(&mut self, job: &JobId, reply: Reply<()>) {
        let done = self.overrides.forget(job).map_err(|error| CommandError::Failed(chain(&error)));
        self.deleting.remove(job);
        self.come_back(job);
        // Whoever no longer waits for an answer gets none.
        let _ = reply.send(done);
    }

    /// Lets a job begin whose folder came back, as soon as nothing is in its way.
    fn come_back(&mut self, job: &JobId) {
        if let Some(found) = self.back.remove(job) {
            self.add(found);
        }
    }
}

//! Hooks through a handle.

use super::{ChangeError, HostHandle};
use crate::{
    decide::hooks::BODY_BYTES_MAX,
    model::hook::{Attempt, Hook, HookId},
};

pub use crate::host::hooks::{Subscribed, Subscription};

impl HostHandle {
    /// Returns all hooks, in the order in which they came.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn hooks(&self) -> Result<Vec<Hook>, ChangeError> {
        self.shared.hooks.all().await
    }

    /// Returns one hook.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn hook(&self, id: HookId) -> Result<Option<Hook>, ChangeError> {
        self.shared.hooks.one(id).await
    }

    /// Subscribes an address to an event.
    ///
    /// # Errors
    /// When there are too many, another host writes for too long, or the disk does not take it.
    pub async fn subscribe(&self, asked: Subscription) -> Result<Subscribed, ChangeError> {
        let now = self.now();
        self.shared.hooks.subscribe(asked, now).await
    }

    /// Ends a subscription; one that is not there is fine.
    ///
    /// # Errors
    /// When another host writes for too long, or the disk does not take it.
    pub async fn unsubscribe(&self, id: HookId) -> Result<(), ChangeError> {
        self.shared.hooks.unsubscribe(id).await
    }

    /// Tells everybody who waits for an event, and returns how many these are. It answers when the text is kept, not
    /// when it was delivered.
    ///
    /// # Errors
    /// When the text is too large, the host stops, or the hooks cannot be read.
    pub async fn publish(&self, event: String, body: String) -> Result<usize, ChangeError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(ChangeError::Invalid(format!(
                "what is published may have no more than {BODY_BYTES_MAX} bytes"
            )));
        }
        self.shared.hooks.publish(event, body).await
    }

    /// Returns the latest attempts to tell a hook, the newest first.
    ///
    /// # Errors
    /// When their record cannot be read.
    pub async fn deliveries(&self, id: HookId, count: usize) -> Result<Vec<Attempt>, ChangeError> {
        self.shared.hooks.attempts(id, count).await
    }
}

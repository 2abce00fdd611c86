//! Work that is done beside what a task is about, and takes no room in it once it is done.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// Work beside something else. It never ends, so that in a `select!` the other arm does; when the work is done, it is
/// dropped: a task keeps room for all that it may ever wait for.
pub struct Aside<'a>(Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>);

impl<'a> Aside<'a> {
    /// Takes up work, which begins when this is polled.
    pub fn new(work: impl Future<Output = ()> + Send + 'a) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl Future for Aside<'_> {
    type Output = Infallible;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        if let Some(work) = &mut self.0
            && work.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Arc};

    use super::*;

    #[tokio::test]
    async fn what_is_done_is_dropped_and_the_other_goes_on() {
        let held = Arc::new(());
        let (theirs, ours) = (Arc::clone(&held), Arc::clone(&held));
        // Keeps what it has until it is dropped.
        let aside = Aside::new(poll_fn(move |_| {
            let _kept = &theirs;
            Poll::Ready(())
        }));
        let other = async move {
            tokio::task::yield_now().await;
            Arc::strong_count(&ours)
        };
        let n = tokio::select! {
            biased;
            never = aside => match never {},
            n = other => n,
        };
        assert_eq!(n, 2, "of three who held it");
    }
}

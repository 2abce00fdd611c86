//! Waiting for something, or for the cut. By hand: a `select!` keeps room for each of its arms as long as the task lives.

use std::{
    future::poll_fn,
    ops::ControlFlow,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::task;

/// Lets other tasks run, and hears of a cut.
pub async fn pass_on(cut: Pin<&mut impl Future<Output = ()>>) -> ControlFlow<()> {
    let mut others = pin!(task::yield_now());
    unless_cut(cut, |cx| others.as_mut().poll(cx)).await
}

/// Waits for something, or for the cut. The cut is done once and not asked again, for the pump ends after it; and it is asked first,
/// so that endless output cannot hide it.
pub fn unless_cut<F: Future<Output = ()>>(
    mut cut: Pin<&mut F>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> impl Future<Output = ControlFlow<()>> {
    poll_fn(move |cx| match cut.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(ControlFlow::Break(())),
        Poll::Pending => poll(cx).map(ControlFlow::Continue),
    })
}

//! What the actor of a job tells the task of a run.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

/// What the task is told.
pub struct Orders {
    /// Not to wait any longer for the end of its output.
    pub cut: Cut,
    /// To end what it left behind.
    pub sweep: oneshot::Receiver<()>,
}

/// What the actor tells it by.
pub struct Tellers {
    /// To cut.
    pub cut: oneshot::Sender<()>,
    /// To sweep.
    pub sweep: oneshot::Sender<()>,
}

/// The order not to wait any longer for the end of a run's output. Without anybody who could give it, it never comes: then the run
/// is killed, and its output ends with it.
pub struct Cut(Option<oneshot::Receiver<()>>);

/// Makes the orders of one run.
pub fn orders() -> (Tellers, Orders) {
    let ((cut, is_cut), (sweep, is_swept)) = (oneshot::channel(), oneshot::channel());
    (Tellers { cut, sweep }, Orders { cut: Cut(Some(is_cut)), sweep: is_swept })
}

impl Future for Cut {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(order) = &mut self.0 else { return Poll::Pending };
        let given = ready!(Pin::new(order).poll(cx));
        self.0 = None;
        if given.is_ok() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_cut_comes_when_it_is_given_and_never_from_nobody() {
        let (tellers, Orders { mut cut, .. }) = orders();
        assert!((&mut cut).now_or_never().is_none());
        tellers.cut.send(()).expect("it is waited for");
        cut.await;

        let (tellers, Orders { mut cut, .. }) = orders();
        drop(tellers);
        assert!((&mut cut).now_or_never().is_none());
        assert!((&mut cut).now_or_never().is_none(), "asked once more");
    }
}

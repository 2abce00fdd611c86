//! What the actor of a job tells the task of a run: in one piece of memory, for each job that runs has one.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures_util::task::AtomicWaker;

/// What the task may be told, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// To start the process of a run that has prepared itself.
    Go = 1,
    /// Not to wait any longer for the end of its output.
    Cut = 2,
    /// To end what it left behind.
    Sweep = 4,
}

/// Beside the orders: nobody is there any more who could give one.
const GONE: u8 = 8;

#[derive(Debug, Default)]
struct Cell {
    /// The orders that were given, each a bit.
    given: AtomicU8,
    task: AtomicWaker,
}

impl Cell {
    fn note(&self, bit: u8) {
        self.given.fetch_or(bit, Ordering::AcqRel);
        self.task.wake();
    }
}

/// Gives the orders of one run.
#[derive(Debug)]
pub struct Teller(Arc<Cell>);

impl Teller {
    /// Gives one. A task that has ended needs none.
    pub fn give(&self, order: Order) {
        self.0.note(order as u8);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.note(GONE);
    }
}

/// Hears the orders of one run. All who wait are to be of one task: who asked last is woken, and with it the task.
#[derive(Debug)]
pub struct Orders(Arc<Cell>);

/// Makes the orders of one run.
pub fn orders() -> (Teller, Orders) {
    let cell = Arc::<Cell>::default();
    (Teller(Arc::clone(&cell)), Orders(cell))
}

impl Orders {
    /// Waits for an order, and tells whether it was given; it was not where nobody is there who could give it. It may be asked for
    /// again. Cancel-safe.
    pub fn given(&self, order: Order) -> impl Future<Output = bool> + Unpin {
        poll_fn(move |cx| self.poll(order, cx))
    }

    /// Waits for the order not to wait for the end of the output. From nobody it never comes: then the run is killed, and its
    /// output ends with it. Cancel-safe.
    pub fn cut(&self) -> impl Future<Output = ()> + Unpin {
        poll_fn(|cx| if ready!(self.poll(Order::Cut, cx)) { Poll::Ready(()) } else { Poll::Pending })
    }

    /// By hand, for a task keeps room for what it waits for, some of it twice.
    fn poll(&self, order: Order, cx: &Context<'_>) -> Poll<bool> {
        // First, so that an order that comes meanwhile is seen or wakes.
        self.0.task.register(cx.waker());
        match self.0.given.load(Ordering::Acquire) {
            given if given & order as u8 != 0 => Poll::Ready(true),
            given if given & GONE != 0 => Poll::Ready(false),
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn each_order_is_heard_by_who_waits_for_it() {
        let (teller, orders) = orders();
        for order in [Order::Go, Order::Cut, Order::Sweep] {
            assert_eq!(orders.given(order).now_or_never(), None, "{order:?}");
        }
        teller.give(Order::Sweep);
        assert!(orders.given(Order::Sweep).await && orders.given(Order::Sweep).await, "asked for again");
        assert_eq!(orders.given(Order::Go).now_or_never(), None);
        teller.give(Order::Go);
        assert!(orders.given(Order::Go).await);
    }

    #[tokio::test]
    async fn an_order_wakes_a_task_that_waits_for_two() {
        let (teller, orders) = orders();
        let (waits, mut told) = tokio::sync::mpsc::unbounded_channel();
        let (asks, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let swept = async {
                assert!(orders.given(Order::Sweep).await);
                waits.send("swept").expect("it is heard");
            };
            let cut = async {
                orders.cut().await;
                waits.send("cut").expect("it is heard");
            };
            let both_wait = async { asks.send(()).expect("it is heard") };
            tokio::join!(swept, cut, both_wait);
        });
        asked.recv().await.expect("both wait");
        teller.give(Order::Cut);
        assert_eq!(told.recv().await, Some("cut"));
        teller.give(Order::Sweep);
        assert_eq!(told.recv().await, Some("swept"));
        task.await.expect("it ends");
    }

    #[tokio::test]
    async fn nobody_gives_no_order_and_never_cuts() {
        let (teller, orders) = orders();
        teller.give(Order::Go);
        drop(teller);
        assert!(orders.given(Order::Go).await, "it was given before");
        assert!(!orders.given(Order::Sweep).await);
        assert!(orders.cut().now_or_never().is_none());
    }
}

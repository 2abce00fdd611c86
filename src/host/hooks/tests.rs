//! The courier on a machine without a host.

use std::{sync::Arc, time::Duration};

use tokio::{task, time};

use super::{Hooks, start};
use crate::{
    host::trial,
    model::{
        event::News,
        id::{JobId, JobKind, JobName},
    },
};

#[tokio::test]
async fn events_go_once_hooks_were_told_until_somebody_follows() {
    let root = tempfile::tempdir().expect("a folder");
    let (machine, _rests) = trial::machine(root.path());
    let (hooks, orders) = Hooks::open(machine.layout.clone(), None);
    let hooks = Arc::new(hooks);
    let courier = start(&machine, &hooks, orders).expect("a journal of deliveries");
    let removed = || {
        let job = JobId { kind: JobKind::Triggered, name: JobName::parse("a").expect("a name") };
        machine.tell(News::Removed { job });
        *machine.view.events().last().borrow()
    };
    let is_gone =
        |id| machine.view.events().since(machine.first_event, usize::MAX).events.iter().all(|one| one.id > id);

    let first = removed();
    assert!(!is_gone(first), "nobody was told");
    hooks.announce("http://127.0.0.1:1");
    let told = async {
        while !is_gone(first) {
            task::yield_now().await;
        }
    };
    time::timeout(Duration::from_secs(60), told).await.expect("the courier tells what it has looked at");
    let (second, _) = (removed(), removed());
    assert!(!is_gone(second), "nobody was told of this one");
    machine.view.events().follow();
    let later = removed();
    hooks.end();
    courier.await.expect("it ends, and has looked at all before");
    assert!(!is_gone(later));
}

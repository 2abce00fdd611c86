//! The actors of jobs: each begins with its job, or with the first message where its job rests until then.

use std::{collections::BTreeSet, sync::Arc};

use tracing::debug;

use super::Reconciler;
use crate::{
    host::{
        dispatcher::Dispatcher,
        handle::Reply,
        keeper::Past,
        machine::Machine,
        message::{Inbox, JobMessage, Living, Update},
        publish,
        supervisor::Supervisor,
    },
    model::{
        id::{JobId, JobKind},
        run::Trigger,
        wish::Asked,
    },
    store::index::records,
};

/// A job's actor.
#[derive(Debug)]
pub(super) struct Actor {
    /// What it was told last of what people asked.
    wishes: Asked,
    /// Nothing while its job rests.
    pub(super) living: Option<Living>,
}

impl Actor {
    /// Lets a job begin.
    pub(super) fn begin(machine: &Arc<Machine>, update: Update, trigger: Trigger, past: Past) -> Self {
        let wishes = update.wishes.clone();
        let living = match update.found.id.kind {
            JobKind::Continuous => Some(Supervisor::spawn(machine, update, trigger, past)),
            JobKind::Triggered => Dispatcher::born(machine, update, trigger, past),
        };
        Self { wishes, living }
    }

    /// Returns what it was told last of what people asked.
    pub(super) fn wishes(&self) -> &Asked {
        &self.wishes
    }

    /// Returns where it is told, when it lives.
    pub(super) fn inbox(&mut self) -> Option<&mut Inbox> {
        self.living.as_mut().map(|living| &mut living.inbox)
    }

    /// Returns where it is told; a job that rested has its actor from now on.
    pub(super) fn awake(&mut self, machine: &Arc<Machine>, id: &JobId) -> Option<&mut Inbox> {
        if self.living.is_none() {
            // Published when it began, and taken out only when its folder is gone.
            let view = machine.view.job(id)?;
            self.living = Some(Dispatcher::wake(machine, &view, self.wishes.clone()));
        }
        self.inbox()
    }
}

impl Reconciler {
    /// Tells a job's actor what its folder says and what people ask of it. One that has ended needs no telling.
    pub(super) async fn tell(&mut self, id: &JobId, update: Update, reply: Option<Reply<()>>) {
        let Some(actor) = self.actors.get_mut(id) else { return };
        let before = std::mem::replace(&mut actor.wishes, update.wishes.clone());
        if let Some(living) = &mut actor.living {
            let _ = living.inbox.send(JobMessage::Update(Box::new(update), reply)).await;
        } else if let Some(view) = self.machine.view.job(id) {
            actor.living = Dispatcher::renew(&self.machine, &view, before, update);
            publish::answer(reply);
        }
    }

    /// Lists which jobs have a data folder; `None` when that is not to be known.
    pub(super) async fn with_data(&self) -> Option<BTreeSet<JobId>> {
        let layout = self.machine.layout.clone();
        let listed = tokio::task::spawn_blocking(move || records::jobs_with_data(&layout)).await;
        match listed {
            Ok(Ok(jobs)) => Some(jobs),
            Ok(Err(error)) => {
                debug!(%error, "every job's data folder is looked into, since they could not be listed");
                None
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Returns whether a job may have records and journals.
    pub(super) fn past(&self, id: &JobId) -> Past {
        let has_data = match &self.had_data {
            Some(jobs) => jobs.contains(id),
            // To ask the index of a job that is new costs more than the start of its first run.
            None => self.machine.layout.job(id).try_exists().unwrap_or(true),
        };
        if has_data { Past::OnDisk } else { Past::None }
    }
}

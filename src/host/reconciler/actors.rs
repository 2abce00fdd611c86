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
        wish::Wishes,
    },
    store::index::records,
};

/// A job's actor.
#[derive(Debug)]
pub(super) struct Actor {
    /// What it was told last of what people asked; nothing for most.
    wishes: Option<Box<Wishes>>,
    /// Nothing while its job rests.
    pub(super) living: Option<Living>,
}

/// Nothing that people asked.
static NONE: Wishes = Wishes { stopped: None, paused: None, all_paused: None, switch: None };

impl Actor {
    /// Lets a job begin.
    pub(super) fn begin(machine: &Arc<Machine>, update: Update, trigger: Trigger, past: Past) -> Self {
        let wishes = kept(&update.wishes);
        let living = match update.found.id.kind {
            JobKind::Continuous => Some(Supervisor::spawn(machine, update, trigger, past)),
            JobKind::Triggered => Dispatcher::born(machine, update, trigger, past),
        };
        Self { wishes, living }
    }

    /// Returns what it was told last of what people asked.
    pub(super) fn wishes(&self) -> &Wishes {
        self.wishes.as_deref().unwrap_or(&NONE)
    }

    /// Returns where it is told, when it lives.
    pub(super) fn inbox(&self) -> Option<&Inbox> {
        self.living.as_ref().map(|living| &living.inbox)
    }

    /// Returns where it is told; a job that rested has its actor from now on.
    pub(super) fn awake(&mut self, machine: &Arc<Machine>, id: &JobId) -> Option<&Inbox> {
        if self.living.is_none() {
            // Published when it began, and taken out only when its folder is gone.
            let view = machine.view.job(id)?;
            self.living = Some(Dispatcher::wake(machine, &view, self.wishes().clone()));
        }
        self.inbox()
    }
}

impl Reconciler {
    /// Tells a job's actor what its folder says and what people ask of it. One that has ended needs no telling.
    pub(super) async fn tell(&mut self, id: &JobId, update: Update, reply: Option<Reply<()>>) {
        let Some(actor) = self.actors.get_mut(id) else { return };
        let before = std::mem::replace(&mut actor.wishes, kept(&update.wishes));
        if let Some(living) = &actor.living {
            let _ = living.inbox.send(JobMessage::Update(Box::new(update), reply)).await;
        } else if let Some(view) = self.machine.view.job(id) {
            let before = before.map_or_else(Wishes::default, |before| *before);
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
        match &self.had_data {
            Some(jobs) if !jobs.contains(id) => Past::None,
            Some(_) | None => Past::OnDisk,
        }
    }
}

fn kept(wishes: &Wishes) -> Option<Box<Wishes>> {
    (*wishes != NONE).then(|| Box::new(wishes.clone()))
}

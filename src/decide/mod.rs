//! The verbs of webjobd: pure functions over the nouns of `model`.
//!
//! What should happen is decided here only; `os` and `store` do, `host` joins the two. A function of this module takes
//! all it needs as an argument, time and zone included, and answers with a value. It never sees a clock or another layer.
//!
//! | Module | Question it answers |
//! | --- | --- |
//! | [`settle`] | something changed: when is the folder read? |
//! | [`discover`] | what job is in this folder, and what is wrong with it? |
//! | [`settings`] | what does this `settings.job` say? |
//! | [`form`] | which keys may a document have, and what is wrong with this one? |
//! | [`near`] | which word did the user mean? |
//! | [`config`] | how is this host set up? |
//! | [`mod@env`] | which variables does a run see? |
//! | [`files`] | which path is what, and who may change it? |
//! | [`reconcile`] | what leads from what is to what should be? |
//! | [`wanted`], [`pause`] | what keeps a job from running? |
//! | [`supervise`], [`restart`] | what does a continuous job's copy do next? when does it start again? |
//! | [`dispatch`], [`at_rest`] | which runs of a triggered job are on their way? when does it need no actor? |
//! | [`admit`] | does this trigger run, wait, or is it refused? |
//! | [`life`] | how does one run proceed, and how does it end? |
//! | [`ncrontab`] | what does this schedule expression mean? |
//! | [`zone`] | which time zone does this name mean? |
//! | [`schedule`] | when does it occur next, across daylight saving time? |
//! | [`agenda`] | what becomes of the due times of all schedules of a job? |
//! | [`catchup`], [`rehearsal`] | what is due now, run late, or missed? when is it looked at beforehand? |
//! | [`jitter`] | by how much does this job start later than the others? |
//! | [`app_settings`], [`hooks`] | which app settings hold? when is a hook told again? |
//! | [`recover`], [`retain`] | what are runs whose end nobody saw? which records are kept? |
//! | [`door`] | who may do what through the API? |

pub mod admit;
pub mod agenda;
pub mod app_settings;
pub mod at_rest;
pub mod catchup;
pub mod config;
pub mod deployment;
pub mod discover;
pub mod dispatch;
pub mod door;
pub mod env;
pub mod files;
pub mod form;
pub mod hooks;
pub mod jitter;
pub mod life;
pub mod ncrontab;
pub mod near;
pub mod pause;
pub mod reconcile;
pub mod recover;
pub mod rehearsal;
pub mod restart;
pub mod retain;
pub mod schedule;
pub mod settings;
pub mod settle;
pub mod supervise;
pub mod wanted;
pub mod zone;

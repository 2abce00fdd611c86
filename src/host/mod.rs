//! The actors: they receive, call `decide`, and perform. Only here do decisions meet the machine.
//!
//! ```text
//!                    HostHandle (commands) ───────┐
//!  scanner ── Round{Desired} ──────────────> reconciler ── JobMessage ──> supervisor   (one a continuous job)
//!     ^                                           └────── JobMessage ──> dispatcher   (one a triggered job)
//!  os::watch                                                                 │ run::Body ── task a run
//!                    View <──────────────────── published by the actors <────┘
//! ```
//!
//! A failure in an actor becomes an event, a problem or a line in the trace; it never ends the loop. The host ends only
//! for what it cannot live without: its data folder, its lock, its listener.

pub mod app_log;
pub mod app_settings;
pub mod deploy;
pub mod dispatcher;
pub mod door;
pub mod environment;
mod events;
pub mod handle;
pub mod hold;
pub mod hooks;
pub mod instances;
pub mod keeper;
pub mod machine;
pub mod message;
pub mod metrics;
pub mod neighbours;
pub mod publish;
pub mod reconciler;
pub mod recovery;
pub mod run;
pub mod scanner;
pub mod start;
pub mod supervisor;
pub mod trace;
#[cfg(all(test, target_os = "linux"))]
mod trial;
pub mod turns;
pub mod view;
mod waits;

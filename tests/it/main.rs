//! Tests of the real program: real folders, scripts, processes and sockets.
//!
//! Each test has a root of its own and a host of its own, and waits with `eventually` on a value, never for a time.

mod ask;
mod receiver;
mod world;

mod azure;
mod basics;
mod cli;
mod continuous;
mod crash;
mod deploy;
mod discovery;
mod door;
mod files;
mod health;
mod hook_events;
mod hooks;
mod hostile;
mod hosts;
mod index;
mod kudu;
mod login;
mod logs;
mod logstream;
mod mend;
mod own;
mod own_api;
mod promises;
mod put;
mod rests;
mod schedules;
mod settings;
mod shown;
mod stream;
mod strict;
mod tls;
mod trees;
mod triggered;
mod vfs;
mod zipdeploy;
mod zips;

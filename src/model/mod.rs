//! The nouns of webjobd: plain data that every other layer speaks.
//!
//! Nothing here does I/O, waits, or reads a clock. A value of these types is valid by construction: text is parsed once
//! at the door (`JobName::parse`, `RunId::parse`), and inside the house nobody checks again.

pub mod access;
pub mod args;
pub mod config;
pub mod deployment;
pub mod dotnet;
pub mod event;
pub mod exit;
pub mod hint;
pub mod hook;
pub mod id;
pub mod job;
pub mod journal;
pub mod listing;
pub mod log;
pub mod net;
pub mod run;
pub mod settings;
pub mod status;
pub mod stop;
pub mod time;
pub mod trace;
pub mod wish;

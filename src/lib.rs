//! webjobd: the WebJobs host that anybody can run.
//!
//! Read the modules in this order; each uses only those above it (`tests/tidy.rs` holds that):
//!
//! 1. [`model`]: the nouns. Plain data: no I/O, no async, no clock.
//! 2. [`decide`]: the verbs. Pure functions over the nouns; `now` is an argument.
//! 3. [`os`]: touches the machine, decides nothing.
//! 4. [`store`]: what lies on disk: paths, records, logs.
//! 5. [`host`]: the actors that join `decide` with `os` and `store`.
//! 6. [`api`]: HTTP over a `HostHandle` and a `View`.
//! 7. [`cli`]: one verb a file; talks HTTP, except `serve` and `check`.

pub mod model;

pub mod decide;

pub mod os;

pub mod store;

pub mod host;

pub mod api;

pub mod cli;

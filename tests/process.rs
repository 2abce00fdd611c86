//! Real processes through the one door: how they start, how they end, and that nobody is left behind.
//!
//! The scripts misbehave on purpose. What is process-wide (subreaper, orphans) is shared by all tests of this binary;
//! each looks at its own marks only, and whoever must be alone takes [`world::World::alone`].

#![cfg(target_os = "linux")]

#[path = "process/world.rs"]
mod world;

#[path = "process/ends.rs"]
mod ends;

#[path = "process/escapes.rs"]
mod escapes;

#[path = "process/starts.rs"]
mod starts;

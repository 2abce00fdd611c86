//! The one door to processes: starting, signalling, waiting, and finding those who slipped away.
//!
//! ```text
//!  SpawnRequest ──> Spawner (a few threads) ────────> Child ── exited() ──> Exit       the leader's zombie is kept
//!                                                      │  └── group() ───> Group       signals go to the whole group
//!                                                      └── finish() ─────> Ended       group killed, survivors killed,
//!                                                                                      then the leader is reaped
//! ```
//!
//! * A run is a process group whose id is its leader's pid. Until [`Child::finish`] reaps the leader, that number cannot
//!   belong to anybody else, and after it nothing is signalled. A single process is signalled only through a descriptor
//!   whose identity was checked. **Never a bare pid, never `waitpid(-1)`.**
//! * Whoever leaves the group (`setsid`, a daemon) is still found: as descendant, as orphan that the kernel hands to us
//!   ([`become_subreaper`]), by the marks in its environment ([`RunMark`]), or in its cgroup where one can be had.
//! * No thread per child, no timer, no polling. Elsewhere than on Linux a child costs a small thread, and escapees that
//!   left the group are not found.

mod apart;
mod cgroup;
mod child;
#[cfg_attr(not(target_os = "linux"), path = "direct_none.rs")]
mod direct;
mod error;
mod exits;
mod facts;
mod launch;
mod limits;
mod lost;
mod marks;
mod orphans;
#[cfg_attr(not(target_os = "linux"), path = "procfs_none.rs")]
mod procfs;
mod spawn;
mod tree;
mod usage;

pub use cgroup::Cgroups;
pub use child::{Child, Group};
pub use error::SpawnError;
pub use facts::{ProcessFacts, facts, family, kill_one};
pub use limits::{make_room_for_files, raise_file_limit};
pub use lost::{LostProcess, count_lost, end_lost, lost_processes};
pub use marks::{INSTANCE_VARIABLE, RunMark};
pub use orphans::{OrphanReaper, become_subreaper, end_all_children};
pub use procfs::ProcessId;
pub use spawn::{OutputEnd, Outputs, SpawnRequest, Spawner, Starting};
pub use tree::Ended;
pub use usage::{Usage, usage};

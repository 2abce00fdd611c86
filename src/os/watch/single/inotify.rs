//! Asks the kernel itself, for what ends a change alone: the neighbours of the file are written many times a second, and
//! are never told. No thread: the runtime waits.

use std::{
    ffi::{CString, OsStr},
    io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::{io::unix::AsyncFd, runtime::Handle};

use crate::os::readiness;

/// Room for events in bytes: some with the longest name.
const EVENTS_BYTES: usize = 4096;

/// A watch on a folder, for one name in it.
#[derive(Debug)]
pub struct FolderWatch {
    /// There until it is dropped.
    events: Option<AsyncFd<OwnedFd>>,
    name: CString,
}

impl FolderWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the system gives no watch.
    pub fn start(folder: &Path, name: &OsStr) -> io::Result<Self> {
        let name = CString::new(name.as_bytes())?;
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let whole = WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&fd, folder, whole | WatchFlags::MOVED_FROM | WatchFlags::DELETE)?;
        Ok(Self { events: Some(readiness::register(fd)?), name })
    }

    /// Waits until something happened to the name.
    pub async fn changed(&self) {
        let Some(events) = &self.events else { return std::future::pending().await };
        loop {
            // A runtime that ends waits for nothing any more.
            let Ok(mut ready) = events.readable().await else { return std::future::pending().await };
            match ready.try_io(|fd| self.take(fd.get_ref())) {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => return,
                // It tells nothing more.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_would_block) => {}
            }
        }
    }

    /// Takes events until one concerns the file, or there are no more.
    fn take(&self, fd: &OwnedFd) -> io::Result<bool> {
        let mut room = [MaybeUninit::uninit(); EVENTS_BYTES];
        let mut reader = inotify::Reader::new(fd, &mut room);
        loop {
            let event = reader.next()?;
            let is_lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            if is_lost || event.file_name() == Some(self.name.as_c_str()) {
                // Those that were read with it mean no more than it does.
                return Ok(true);
            }
        }
    }
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        let fd = self.events.take().map(AsyncFd::into_inner);
        // The kernel closes it when nobody can be reading its watches any more, which takes some 20 ms.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(fd));
        }
    }
}

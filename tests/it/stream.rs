//! An answer that goes on, and a command that goes on: read while they come.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::world::{Host, Root, eventually, signal_pid, webjobd};

/// What came so far, and whether it is all.
#[derive(Clone, Default)]
pub struct Coming(Arc<Mutex<(Vec<u8>, bool)>>);

impl Coming {
    /// Reads a stream on a thread of its own until it ends.
    pub fn of(mut stream: impl Read + Send + 'static) -> Self {
        let coming = Self::default();
        let into = coming.clone();
        thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut block) {
                into.0.lock().expect("no panic").0.extend_from_slice(&block[..n]);
            }
            into.0.lock().expect("no panic").1 = true;
        });
        coming
    }

    /// Returns what came so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic").0).into_owned()
    }

    /// Waits until a text has come.
    #[track_caller]
    pub fn until(&self, text: &str) {
        eventually(&format!("`{text}` comes"), || self.text().contains(text).then_some(()));
    }

    /// Waits until it is over, and returns all of it.
    #[track_caller]
    pub fn all(&self) -> String {
        eventually("it is over", || self.0.lock().expect("no panic").1.then_some(()));
        self.text()
    }
}

/// Gets a path whose answer goes on; what comes has the head and the sizes of chunks in it.
pub fn follow(root: &Root, host: &Host, path: &str) -> Coming {
    let pair = root.read("data/webjobd/credentials");
    let secret = pair.trim().split_once(':').expect("user:secret").1.to_owned();
    let mut stream = TcpStream::connect(&host.address).expect("a connection");
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {secret}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it is sent");
    Coming::of(stream)
}

/// A command of the command line that runs.
pub struct Running {
    child: Child,
    /// Its standard output.
    pub out: Coming,
    /// Its standard error.
    pub errors: Coming,
}

impl Running {
    /// Starts a verb on a root.
    pub fn start(root: &Root, arguments: &[&str]) -> Self {
        let mut command: Command = webjobd();
        command.arg("--root").arg(root.path("")).args(arguments).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let out = Coming::of(child.stdout.take().expect("its output"));
        let errors = Coming::of(child.stderr.take().expect("its errors"));
        Self { child, out, errors }
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        signal_pid(self.child.id(), name);
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        eventually("the command ends", || self.child.try_wait().expect("it can be asked"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended needs neither.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A root in a temporary folder, hosts that run on it, and what tests ask of them.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    panic,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long a test waits for something that should happen soon.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` gives a value.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "the one place that waits for something nobody announces")]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A root with its jobs and data, in a folder that goes with it.
pub struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// Makes an empty root.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("webjobd-it-").tempdir().expect("a folder");
        for kind in ["continuous", "triggered"] {
            fs::create_dir_all(folder.path().join("jobs").join(kind)).expect("a folder");
        }
        Self { folder }
    }

    /// Returns a path below the root.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes a file below the root with mode 755; makes its folders.
    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("its folder");
        fs::write(&path, text).expect("the file is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode is set");
    }

    /// Puts a job in place by one rename: `files` are names and texts. `job` is `kind/name`.
    pub fn job(&self, job: &str, files: &[(&str, &str)]) {
        let stage = format!("stage-{}", job.replace('/', "-"));
        for (name, text) in files {
            self.write(&format!("{stage}/{name}"), text);
        }
        fs::rename(self.path(&stage), self.path("jobs").join(job)).expect("the job is moved in");
    }

    /// Reads a file below the root; empty when there is none.
    pub fn read(&self, below: &str) -> String {
        fs::read(self.path(below)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Reads a continuous job's log.
    pub fn job_log(&self, name: &str) -> String {
        self.read(&format!("data/jobs/continuous/{name}/job_log.txt"))
    }

    /// Starts a host and waits for its greeting.
    pub fn host(&self) -> Host {
        self.host_with(&[], &[])
    }

    /// Starts a host with further arguments and variables, and waits for its greeting.
    pub fn host_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Host {
        let mut command = webjobd();
        command.arg("serve").arg("--root").arg(self.folder.path());
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        // Names under which tests ask, beside loopback's own.
        command.env("WEBJOBD_ALLOWED_HOSTS", "x,scm.example");
        command.args(arguments).envs(variables.iter().copied());
        // Its temporary folder goes with the root.
        command.env("TMPDIR", self.path("tmp"));
        fs::create_dir_all(self.path("tmp")).expect("a folder");
        Host::start(command, self.path("data/webjobd/credentials"))
    }

    /// Runs a verb of the command line on this root.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = webjobd();
        command.args(arguments).arg("--root").arg(self.folder.path()).stdin(Stdio::null());
        command.output().expect("the program runs")
    }
}

/// What a crashed host left, or a failed test, goes with the root.
impl Drop for Root {
    fn drop(&mut self) {
        for pid in processes_of(self) {
            signal_pid(pid, "KILL");
        }
    }
}

/// Returns the command of the program itself, free of the environment's settings.
#[expect(clippy::disallowed_methods, reason = "the program under test is a process")]
pub fn webjobd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webjobd"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("WEBJOB") || text.starts_with("WEBSITE_") {
            command.env_remove(&name);
        }
    }
    command
}

/// A host that runs. Dropped, it is killed, and with it whatever it started.
pub struct Host {
    child: Child,
    /// Where its API is: `127.0.0.1:port`.
    pub address: String,
    credentials: PathBuf,
    trace: Arc<Mutex<String>>,
}

impl Host {
    fn start(mut command: Command, credentials: PathBuf) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the host starts");
        let errors = collect(child.stderr.take().expect("its standard error"));
        let lines = BufReader::new(child.stdout.take().expect("its standard output")).lines();
        let (told, greeting) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok).filter(|line| line.starts_with("listening on")) {
                // A test that no longer listens has its address.
                let _ = told.send(line);
            }
        });
        let Ok(line) = greeting.recv_timeout(PATIENCE) else {
            let ended = child.try_wait();
            let _ = child.kill();
            panic!("the host did not greet ({ended:?}): {}", errors.lock().expect("no panic").as_str());
        };
        let url = line.split_whitespace().nth(2).expect("an address").to_owned();
        let address = url.trim_start_matches("http://").trim_start_matches("https://").to_owned();
        Self { child, address, credentials, trace: errors }
    }

    /// Returns what the host has said of itself so far.
    pub fn trace(&self) -> String {
        self.trace.lock().expect("no panic").clone()
    }

    /// Returns the host's pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the host alone.
    pub fn signal(&self, signal: &str) {
        signal_pid(self.pid(), signal);
    }

    /// Asks the host to stop, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        eventually("the host ends", || self.child.try_wait().expect("it can be asked"))
    }

    /// Waits until the host has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        eventually("the host ends", || self.child.try_wait().expect("it can be asked"))
    }

    /// Kills the host, and nobody else, as a crash would.
    pub fn crash(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// Sends a request with the host's credentials; returns status, head and body.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let login = fs::read_to_string(&self.credentials).expect("credentials");
        let login = format!("Basic {}", base64(login.trim().as_bytes()));
        let mut all = vec![("Authorization", login.as_str())];
        all.extend(headers);
        request(&self.address, method, path, &all, body)
    }

    /// Gets a path.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Posts nothing to a path.
    pub fn post(&self, path: &str) -> Answer {
        self.send("POST", path, &[], b"")
    }

    /// Gets a job of our own API.
    pub fn job(&self, job: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{job}")).json()
    }

    /// Waits until a job's state is `state`, and returns the job.
    #[track_caller]
    pub fn until_state(&self, job: &str, state: &str) -> Value {
        eventually(&format!("{job} is {state}"), || Some(self.job(job)).filter(|job| job["state"] == state))
    }

    /// Runs a triggered job and returns the run's id.
    #[track_caller]
    pub fn run(&self, name: &str) -> String {
        let answer = self.post(&format!("/api/triggeredwebjobs/{name}/run"));
        assert_eq!(answer.status, 202, "{}", answer.text());
        let location = answer.header("location").expect("where the run is");
        location.rsplit('/').next().expect("an id").to_owned()
    }

    /// Lists a job's runs, newest first.
    pub fn runs(&self, job: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/v1/jobs/{job}/runs")).json();
        answer["runs"].as_array().cloned().unwrap_or_default()
    }

    /// Lets the host read a job's folder as it is now, and returns when its actor knows.
    #[track_caller]
    pub fn refresh(&self, job: &str) {
        let answer = self.post(&format!("/api/v1/refresh?job={job}"));
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Waits until a run has ended, and returns it.
    #[track_caller]
    pub fn until_ended(&self, job: &str, run: &str) -> Value {
        eventually(&format!("run {run} of {job} ends"), || {
            let answer = self.get(&format!("/api/v1/jobs/{job}/runs/{run}"));
            Some(answer.json()).filter(|run| run["phase"] == "ended")
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Gracefully, so that no job is left behind by a failed test; again and again, so that it ends.
        let ended = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            eventually("the host ends", || {
                let ended = self.child.try_wait().ok()?;
                if ended.is_none() {
                    signal_pid(self.pid(), "TERM");
                }
                ended
            })
        }));
        if ended.is_err() {
            // It does not hear; nothing more can be done for its jobs.
            let _ = self.child.kill();
        }
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(n) = stream.read(&mut block) {
            if n == 0 {
                return;
            }
            into.lock().expect("no panic").push_str(&String::from_utf8_lossy(&block[..n]));
        }
    });
    text
}

/// Sends a signal, by its name, to one process.
#[expect(clippy::disallowed_methods, reason = "signals from outside")]
pub fn signal_pid(pid: u32, signal: &str) {
    // One that has ended needs none.
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

/// Tells whether a process lives; a zombie does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Lists the living processes whose environment says that they belong to jobs of this root.
pub fn processes_of(root: &Root) -> Vec<u32> {
    let data = format!("WEBJOBS_DATA_PATH={}", root.path("data").display());
    let pids = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        is_alive(*pid) && environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(data.as_bytes()))
    })
    .collect()
}

/// Reads a pid that a script wrote into a file below the root.
#[track_caller]
pub fn pid_in(root: &Root, below: &str) -> u32 {
    eventually(&format!("a pid in {below}"), || root.read(below).trim().parse().ok())
}

/// An answer of the API.
pub struct Answer {
    /// The status code.
    pub status: u16,
    head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends one request on a connection of its own.
pub fn request(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).expect("the head is sent");
    // A host that refuses early may close before it has read everything; its answer counts.
    let _ = stream.write_all(body);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(all.len().saturating_sub(4));
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = all.get(end + 4..).unwrap_or_default().to_vec();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Answer { status, head, body: if chunked { unchunk(&body) } else { body } }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { break };
        whole.extend_from_slice(rest.get(end + 2..end + 2 + size).unwrap_or_default());
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}

/// Writes bytes as Basic credentials do.
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Tells whether a path exists.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

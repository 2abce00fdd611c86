//! The life of `webjobd serve`: the host, its API, and the signals that end them.
//!
//! ```text
//!  trace ─> lock, recovery, jobs (host) ─> listener, host.json ─> greeting ─> signals ─> stop: API, then all jobs
//! ```
//! Standard output has the greeting; what webjobd says of itself goes to standard error.

use std::{io, net::SocketAddr, thread, time::Duration};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    runtime,
    sync::watch,
    task::{self, JoinError, JoinHandle},
};
use tracing::{error, info, warn};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    api,
    cli::{
        FINE,
        error::{CliError, Exit, Outcome, say},
        serve::{keys::KeyRing, recent::Recent},
    },
    decide::zone::Zone,
    host::{
        door::Door,
        handle::HostHandle,
        start::{Host, StartError},
    },
    model::config::Config,
    os::{
        memory, process,
        service::{self, Stage},
        signals::{self, HostSignal, HostSignals},
    },
};

/// Threads of the runtime. Starting programs has threads of its own, and little else blocks: what is written to logs and
/// records, and a copy of a little folder on a disk of this machine.
const THREADS: usize = 2;

/// How long jobs that begin with the host are waited for before the start's memory is given back.
const BEGUN_MAX: Duration = Duration::from_secs(10);

/// From their start to that moment: most of them have their cgroups then.
const REST: Duration = Duration::from_millis(1300);

/// Sends what webjobd says of itself to standard error; `RUST_LOG` chooses how much.
pub fn trace() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,notify=warn,mio=warn"));
    let colours = io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let printed = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colours).with_target(false);
    let trace = tracing_subscriber::registry().with(filter).with(printed).with(Recent::new());
    // A program that embeds the library has set up its own.
    let _ = trace.try_init();
}

/// Runs a host until it is told to stop.
pub fn run(config: Config, zone: Zone, keys: KeyRing) -> Outcome {
    memory::spare_least();
    process::make_room_for_files();
    signals::hold_ends_of_children();
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let outcome = runtime.block_on(live(config, zone, keys));
    // Whatever still runs on a blocking thread has nothing to lose.
    runtime.shutdown_background();
    outcome
}

async fn live(config: Config, zone: Zone, ring: KeyRing) -> Outcome {
    // Before anything runs, so that a signal that comes early is not lost.
    let mut signals = HostSignals::listen().context("failed to listen for signals")?;
    let listener = listen(config.listen).await?;
    let host = Host::start(config, zone).await.map_err(start_error)?;
    let handle = host.handle();
    let keys = ring.read(&handle.config().door, &handle.layout().credentials()).map_err(set_up_error)?;
    let api = ServedApi::start(&host, listener, Entry { door: Door::new(handle, keys), ring })?;
    tokio::select! {
        biased;
        // Cancel-safe: whoever is not ready yet is asked no more.
        census = host.ready() => {
            api.entry.announce(&host, &api.url);
            greet(&census, &api.url, &host.handle().layout().credentials().display().to_string());
            service::tell(&Stage::Ready(census));
            tokio::spawn(give_back(host.handle()));
            attend(&mut signals, &host, &api).await;
        }
        // Cancel-safe: a signal that is not taken stays.
        () = stop_asked(&mut signals) => {}
    }
    service::tell(&Stage::Stopping(host.patience()));
    api.end.send_replace(true);
    host.stop(async { stop_asked(&mut signals).await }).await;
    ended(api.task.await);
    Ok(FINE)
}

/// Who comes in, and where that is read.
struct Entry {
    door: Door,
    ring: KeyRing,
}

/// The API as it is served: probes are answered from the first moment on, everybody else when every job is known.
struct ServedApi {
    url: String,
    entry: Entry,
    end: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl ServedApi {
    fn start(host: &Host, listener: TcpListener, entry: Entry) -> Result<Self, CliError> {
        let address = listener.local_addr().context("failed to find the address of the API")?;
        let scheme = if entry.door.keys().tls().is_some() { "https" } else { "http" };
        let (end, mut ending) = watch::channel(false);
        let task = tokio::spawn(api::serve(listener, host.handle(), entry.door.clone(), async move {
            // A host that is gone ends the API too.
            let _ = ending.wait_for(|end| *end).await;
        }));
        Ok(Self { url: format!("{scheme}://{address}"), entry, end, task })
    }
}

fn ended(api: Result<io::Result<()>, JoinError>) {
    match api {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => warn!(error = %cause, "the API ended with an error"),
        Err(cause) => error!(error = %cause, "the API ended unexpectedly"),
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, CliError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|cause| {
        let help = "choose another address with --listen, such as 127.0.0.1:0 for any free port";
        CliError::new(Exit::Failed, format!("cannot listen on {address}: {cause}; {help}"))
    })
}

/// What cannot be used is for whoever set the host up to mend.
fn set_up_error(cause: anyhow::Error) -> CliError {
    CliError::Told(Exit::Usage, cause)
}

fn start_error(cause: StartError) -> CliError {
    let exit = match &cause {
        StartError::Taken { .. } => Exit::Conflict,
        StartError::Failed { .. } => Exit::Failed,
    };
    CliError::Told(exit, cause.into())
}

fn greet(census: &str, url: &str, credentials: &str) {
    use io::Write;
    let mut out = io::stdout().lock();
    let text = format!("{census}\nlistening on {url} (credentials: {credentials})\n");
    // Nobody need read the greeting.
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        say(&text);
    }
    info!(%census, %url, "the host is ready");
}

/// Serves signals until one asks for a stop, and tells that the host is alive where somebody waits for that.
async fn attend(signals: &mut HostSignals, host: &Host, api: &ServedApi) {
    let handle = host.handle();
    // Twice as often as it is waited for: one sign that is late does no harm.
    let pulse = service::watchdog().map(|patience| patience / 2);
    loop {
        let signal = tokio::select! {
            biased;
            // Cancel-safe: a signal that is not taken stays.
            signal = signals.next() => signal,
            // Cancel-safe: a wait that is begun anew is one sign of life later.
            () = pause(pulse) => {
                if handle.is_alive().await {
                    service::tell(&Stage::Alive);
                }
                continue;
            }
        };
        match signal {
            HostSignal::Stop => return,
            HostSignal::Reload => reload(host, api).await,
        }
    }
}

async fn reload(host: &Host, api: &ServedApi) {
    info!("reading all job folders, users, tokens and certificates again");
    service::tell(&Stage::Reloading);
    api.entry.turn(host, &api.url).await;
    if let Err(cause) = host.handle().refresh(None).await {
        warn!(error = %cause, "could not read the job folders again");
    }
    service::tell(&Stage::Ready("all was read again".to_owned()));
}

/// Gives back what the start needed, when it is over for good.
async fn give_back(host: HostHandle) {
    // One that takes longer to start is not waited for.
    let _ = tokio::time::timeout(BEGUN_MAX, host.view().begun()).await;
    pause(Some(REST)).await;
    let give_back = || {
        memory::give_back();
        memory::is_over(memory::Last::Begun);
    };
    // A thread of its own, which is waited for by nobody: what comes after it would be mapped again at once, half a megabyte of the
    // runtime. Without one nothing is lost but memory.
    if thread::Builder::new().name("give-back".to_owned()).spawn(give_back).is_err() {
        memory::is_over(memory::Last::Begun);
    }
}

/// Waits for so long; for ever without a time.
async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

impl Entry {
    fn certificate(&self) -> Option<String> {
        self.door.keys().tls().map(|tls| tls.certificate().to_owned())
    }

    /// Reads the keys again and turns them. What is wrong leaves the old ones in place.
    async fn turn(&self, host: &Host, url: &str) {
        let (ring, had_tls) = (self.ring.clone(), self.door.keys().tls().is_some());
        let path = host.handle().layout().credentials();
        match task::spawn_blocking(move || ring.read_again(had_tls, &path)).await {
            Ok(Ok(keys)) => self.door.turn(keys),
            Ok(Err(cause)) => {
                let cause = format!("{cause:#}");
                return warn!(%cause, "users, tokens and certificates stay as they were");
            }
            Err(cause) => return error!(error = %cause, "users, tokens and certificates were not read again"),
        }
        self.announce(host, url);
    }

    /// Tells commands where the host is, and its certificate, by which those of this machine know it. A full disk must not
    /// keep the jobs from running.
    fn announce(&self, host: &Host, url: &str) {
        if let Err(error) = host.announce(url.to_owned(), self.certificate()) {
            warn!(error = %format!("{:#}", anyhow::Error::from(error)), "commands find this host by --url only");
        }
    }
}

async fn stop_asked(signals: &mut HostSignals) {
    while signals.next().await != HostSignal::Stop {}
}

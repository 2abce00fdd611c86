//! The life of `webjobd serve`: the host, its API, and the signals that end them.
//!
//! ```text
//!  trace ─> lock, recovery, jobs (host) ─> listener, host.json ─> greeting ─> signals ─> stop: API, then all jobs
//! ```
//! Standard output has the greeting; what webjobd says of itself goes to standard error.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    runtime,
    sync::watch,
    task::{JoinError, JoinHandle},
};
use tracing::{error, info, warn};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    api,
    cli::{
        FINE,
        error::{CliError, Exit, Outcome, say},
        serve::recent::Recent,
    },
    decide::zone::Zone,
    host::{
        handle::HostHandle,
        start::{Host, StartError},
    },
    model::config::Config,
    os::{
        service::{self, Stage},
        signals::{HostSignal, HostSignals},
    },
    store::credentials::Credentials,
};

/// Threads of the runtime. Starting programs has threads of its own, and nothing else blocks.
const THREADS: usize = 2;

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
pub fn run(config: Config, zone: Zone) -> Outcome {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let outcome = runtime.block_on(live(config, zone));
    // Whatever still runs on a blocking thread has nothing to lose.
    runtime.shutdown_background();
    outcome
}

async fn live(config: Config, zone: Zone) -> Outcome {
    // Before anything runs, so that a signal that comes early is not lost.
    let mut signals = HostSignals::listen().context("failed to listen for signals")?;
    let listener = listen(config.listen).await?;
    let host = Host::start(config, zone).await.map_err(start_error)?;
    let api = ServedApi::start(&host, listener, credentials(&host)?)?;
    tokio::select! {
        biased;
        // Cancel-safe: whoever is not ready yet is asked no more.
        census = host.ready() => {
            if let Err(error) = host.announce(api.url.clone()) {
                // A full disk must not keep the jobs from running.
                warn!(error = %format!("{:#}", anyhow::Error::from(error)), "commands find this host by --url only");
            }
            greet(&census, &api.url, &host.handle().layout().credentials().display().to_string());
            service::tell(&Stage::Ready(census));
            attend(&mut signals, &host.handle()).await;
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

/// The API as it is served: probes are answered from the first moment on, everybody else when every job is known.
struct ServedApi {
    url: String,
    end: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl ServedApi {
    fn start(host: &Host, listener: TcpListener, credentials: Credentials) -> Result<Self, CliError> {
        let address = listener.local_addr().context("failed to find the address of the API")?;
        let (end, mut ending) = watch::channel(false);
        let task = tokio::spawn(api::serve(listener, host.handle(), credentials, async move {
            // A host that is gone ends the API too.
            let _ = ending.wait_for(|end| *end).await;
        }));
        Ok(Self { url: format!("http://{address}"), end, task })
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

fn credentials(host: &Host) -> Result<Credentials, CliError> {
    let path = host.handle().layout().credentials();
    Credentials::open(&path).map_err(|cause| anyhow::Error::new(cause).context("failed to open the credentials").into())
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
async fn attend(signals: &mut HostSignals, handle: &HostHandle) {
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
            HostSignal::Reload => reload(handle).await,
        }
    }
}

async fn reload(handle: &HostHandle) {
    info!("reading all job folders again");
    service::tell(&Stage::Reloading);
    if let Err(cause) = handle.refresh(None).await {
        warn!(error = %cause, "could not read the job folders again");
    }
    service::tell(&Stage::Ready("all job folders were read again".to_owned()));
}

/// Waits for so long; for ever without a time.
async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

async fn stop_asked(signals: &mut HostSignals) {
    while signals.next().await != HostSignal::Stop {}
}

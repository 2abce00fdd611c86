//! The life of `webjobd serve`: the host, its API, and the signals that end them.
//!
//! ```text
//!  trace ─> lock, recovery, jobs (host) ─> listener, host.json ─> greeting ─> signals ─> stop: API, then all jobs
//! ```
//! Standard output has the greeting; what webjobd says of itself goes to standard error.

use std::{io, net::SocketAddr};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    runtime,
    sync::watch,
    task::{JoinError, JoinHandle},
};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::{
    api,
    cli::{
        FINE,
        error::{CliError, Exit, Outcome, say},
    },
    decide::zone::Zone,
    host::start::{Host, StartError},
    model::config::Config,
    os::signals::{HostSignal, HostSignals},
    store::credentials::Credentials,
};

/// Threads of the runtime. Starting programs has threads of its own, and nothing else blocks.
const THREADS: usize = 2;

/// Sends what webjobd says of itself to standard error; `RUST_LOG` chooses how much.
pub fn trace() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,notify=warn,mio=warn"));
    let colours = io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let trace = tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(filter).with_ansi(colours);
    // A program that embeds the library has set up its own.
    let _ = trace.with_target(false).try_init();
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
    let mut host = Host::start(config, zone).await.map_err(start_error)?;
    let credentials = credentials(&host)?;
    let api = tokio::select! {
        biased;
        // Cancel-safe: whoever is not ready yet is asked no more.
        census = host.ready() => Some(serve_api(&host, listener, credentials, &census, &mut signals).await?),
        // Cancel-safe: a signal that is not taken stays.
        () = stop_asked(&mut signals) => None,
    };
    host.stop(async { stop_asked(&mut signals).await }).await;
    if let Some(api) = api {
        ended(api.await);
    }
    Ok(FINE)
}

/// Serves the API until a signal asks for a stop, and returns what is left of it to wait for. Who has connected before is answered now, when every job is known.
async fn serve_api(
    host: &Host,
    listener: TcpListener,
    credentials: Credentials,
    census: &str,
    signals: &mut HostSignals,
) -> Result<JoinHandle<io::Result<()>>, CliError> {
    let address = listener.local_addr().context("failed to find the address of the API")?;
    let url = format!("http://{address}");
    let handle = host.handle();
    let (end_api, end) = watch::channel(false);
    let api = tokio::spawn(api::serve(listener, handle.clone(), credentials, async move {
        let mut end = end;
        // A host that is gone ends the API too.
        let _ = end.wait_for(|end| *end).await;
    }));
    if let Err(error) = host.announce(url.clone()) {
        // A full disk must not keep the jobs from running.
        warn!(error = %format!("{:#}", anyhow::Error::from(error)), "commands find this host by --url only");
    }
    greet(census, &url, &handle.layout().credentials().display().to_string());
    attend(signals, &handle).await;
    end_api.send_replace(true);
    Ok(api)
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

/// Serves signals until one asks for a stop.
async fn attend(signals: &mut HostSignals, handle: &crate::host::handle::HostHandle) {
    loop {
        match signals.next().await {
            HostSignal::Stop => return,
            HostSignal::Reload => {
                info!("reading all job folders again");
                if let Err(cause) = handle.refresh(None).await {
                    warn!(error = %cause, "could not read the job folders again");
                }
            }
        }
    }
}

async fn stop_asked(signals: &mut HostSignals) {
    while signals.next().await != HostSignal::Stop {}
}

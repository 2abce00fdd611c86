//! Runs a host inside another program, without its API: `cargo run --example embed`.
//!
//! It makes a root with one job in a temporary folder, runs the job, prints its record, and stops.

use std::{collections::BTreeMap, error::Error, fs};

use webjobd::{
    decide::{
        config::{self, Flags},
        zone::Zone,
    },
    host::start::Host,
    model::{id::JobKind, run::RunPhase},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let root = tempfile::tempdir()?;
    let job = root.path().join("jobs/triggered/hello");
    fs::create_dir_all(&job)?;
    fs::write(job.join("run.sh"), "echo \"hello $1\"\n")?;
    let flags =
        Flags { working_directory: root.path().to_owned(), temp: Some(root.path().join("temp")), ..Flags::default() };
    let (config, _warnings) = config::resolve(None, &BTreeMap::new(), &flags, "embedded")?;
    let host = Host::start(config, Zone::utc()).await?;
    println!("{}", host.ready().await);
    let handle = host.handle();
    let hello = handle.find(JobKind::Triggered, "hello").ok_or("the job was not found")?;
    let ticket = handle.run(hello.clone(), Some("world".to_owned()), "an example".to_owned()).await?;
    let mut changes = handle.view().changes();
    let record = loop {
        let record = handle.record(&hello, ticket.run).await.ok_or("the run has no record")?;
        if matches!(record.phase, RunPhase::Ended(_)) {
            break record;
        }
        changes.changed().await?;
    };
    println!("{record:#?}");
    let (folder, log) = handle.layout().run_log(&hello, ticket.run);
    print!("{}", fs::read_to_string(folder.join(log))?);
    host.stop(std::future::pending()).await;
    Ok(())
}

//! What a log stream says of itself, and which lines it lets pass.

use std::io;

use bytes::Bytes;

use super::*;
use crate::api::logstream::{
    session::{IDLE, Session},
    source::Source,
};

/// Takes the moment off a line of the stream's own: `yyyy-MM-ddTHH:mm:ss` and two blanks.
fn own(bytes: Option<Bytes>) -> String {
    let text = String::from_utf8(bytes.expect("it goes on").to_vec()).expect("text");
    let (blank, line) = match text.strip_prefix('\n') {
        Some(line) => ("\n", line),
        None => ("", text.as_str()),
    };
    let (moment, rest) = line.split_once("  ").expect("a moment and two blanks");
    assert!(moment.len() == 19 && moment.parse::<jiff::civil::DateTime>().is_ok(), "{moment}");
    format!("{blank}{rest}")
}

#[tokio::test]
async fn a_stream_welcomes_counts_its_quiet_minutes_and_sieves() {
    let site = Site::new();
    let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(4);
    let mut session =
        Session::new(site.api.clone(), Source::of(pieces), Some("ERR".to_owned()), Duration::from_millis(1));
    assert_eq!(
        own(session.next().await),
        "Welcome, you are now connected to log-streaming service. The default timeout is 2 hours. Change the timeout with \
         the App Setting SCM_LOGSTREAM_TIMEOUT (in seconds). \n"
    );
    assert_eq!(own(session.next().await), "No new trace in the past 1 min(s).\n");
    assert_eq!(own(session.next().await), "No new trace in the past 2 min(s).\n");
    sender.send(Ok("one\ntwo err\nthree Error\n".into())).await.expect("it is taken");
    let mut lines = session.next().await.expect("it goes on");
    while lines.ends_with(b"min(s).\n") {
        lines = session.next().await.expect("it goes on");
    }
    assert_eq!(lines, "two err\nthree Error\n");
    assert_eq!(own(session.next().await), "No new trace in the past 1 min(s).\n");
}

#[tokio::test]
async fn a_stream_says_why_it_ends() {
    let site = Site::new();
    let session = || {
        let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(4);
        (sender, Session::new(site.api.clone(), Source::of(pieces), None, IDLE))
    };
    let (sender, mut failing) = session();
    sender.send(Err(io::Error::other("the disk is gone"))).await.expect("it is taken");
    own(failing.next().await);
    assert_eq!(own(failing.next().await), "Error has occurred and stream is terminated. the disk is gone\n");
    assert_eq!(failing.next().await, None);
    let (_sender, mut stopped) = session();
    own(stopped.next().await);
    site.stop.send_replace(true);
    let text = "\nThe log-streaming session has ended. Please reconnect to continue streaming logs.\n";
    assert_eq!(own(stopped.next().await), text);
    assert_eq!(stopped.next().await, None);
}

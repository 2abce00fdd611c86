//! A receiver of hooks: a small HTTP server that keeps what it gets and answers as it is told.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::world::eventually;

/// How a receiver answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With a status line's rest and further lines of the head.
    Status(&'static str),
    /// By closing the connection.
    HangUp,
    /// Not at all.
    Never,
}

/// What a receiver got.
#[derive(Clone, Debug)]
pub struct Got {
    head: String,
    /// The body.
    pub body: String,
}

type Answers = dyn FnMut(&Got) -> Reply + Send;

/// A receiver; it lives as long as the test's process.
pub struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Box<Answers>>>,
}

impl Got {
    /// Returns the request's first line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Receiver {
    /// Starts one that answers 200.
    pub fn start() -> Self {
        Self::serve(Some)
    }

    /// Starts one that speaks TLS with a certificate that nobody vouches for.
    pub fn start_tls() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate");
        let config = Arc::new(config);
        Self::serve(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(StreamOwned::new(connection, stream))
        })
    }

    fn serve<S: Read + Write>(dress: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answers: Box<Answers> = Box::new(|_| Reply::Status("200 OK"));
        let receiver = Self { port, got: Arc::default(), answers: Arc::new(Mutex::new(answers)) };
        let (got, answers, dress) = (Arc::clone(&receiver.got), Arc::clone(&receiver.answers), Arc::new(dress));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (got, answers, dress) = (Arc::clone(&got), Arc::clone(&answers), Arc::clone(&dress));
                thread::spawn(move || dress(stream).map(|stream| serve_one(stream, &got, &answers)));
            }
        });
        receiver
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answers: impl FnMut(&Got) -> Reply + Send + 'static) {
        *self.answers.lock().expect("no panic") = Box::new(answers);
    }

    /// Returns the address of a path, with a login such as `user:secret@`.
    pub fn url(&self, login: &str, path: &str) -> String {
        format!("http://{login}127.0.0.1:{}{path}", self.port)
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns what it got.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().expect("no panic").clone()
    }

    /// Waits until it got so much, and returns all.
    #[track_caller]
    pub fn until(&self, count: usize) -> Vec<Got> {
        eventually(&format!("{count} deliveries"), || Some(self.got()).filter(|got| got.len() >= count))
    }
}

fn serve_one(mut stream: impl Read + Write, got: &Mutex<Vec<Got>>, answers: &Mutex<Box<Answers>>) {
    let mut all = Vec::new();
    let Some(request) = read(&mut stream, &mut all) else { return };
    // What is kept before the answer is decided may be counted by it.
    got.lock().expect("no panic").push(request.clone());
    let reply = answers.lock().expect("no panic")(&request);
    match reply {
        Reply::Status(status) => {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            // A host that is gone hears nothing.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.flush());
        }
        Reply::HangUp => {}
        Reply::Never => {
            // Until the other side has gone.
            let _ = stream.read(&mut [0; 1]);
        }
    }
}

fn read(stream: &mut impl Read, all: &mut Vec<u8>) -> Option<Got> {
    let mut block = [0; 4096];
    loop {
        if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).into_owned();
            let got = Got { head, body: String::new() };
            let length: usize = got.header("content-length")?.parse().ok()?;
            if all.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&all[end + 4..end + 4 + length]).into_owned();
                return Some(Got { body, ..got });
            }
        }
        match stream.read(&mut block) {
            Ok(n @ 1..) => all.extend_from_slice(&block[..n]),
            Ok(0) | Err(_) => return None,
        }
    }
}

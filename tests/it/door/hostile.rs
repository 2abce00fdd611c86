//! Clients that mean no good, by the bounds of the door: slow heads, huge heads, huge bodies, and very many of them.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::root;
use crate::world::{Host, eventually};

/// More than the host has places.
const CROWD: usize = 1_200;

fn connect(host: &Host) -> TcpStream {
    TcpStream::connect(&host.address).expect("a connection")
}

/// Lets this process, which plays all clients, have so many connections.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum.or(Some(1 << 20)), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("as many as the system lets");
}

/// Tells whether the host has closed a connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("it can be set");
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[test]
fn a_crowd_of_idle_and_slow_connections_keeps_nobody_waiting() {
    raise_file_limit();
    let root = root();
    let host = root.host();
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| connect(&host)).collect();
    for slow in crowd.iter_mut().step_by(2) {
        // One that was closed already hears nothing.
        let _ = slow.write_all(b"GET /api/webjobs HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    }
    for _ in 0..5 {
        assert_eq!(host.get("/api/webjobs").status, 200);
    }
    eventually("those that came first have made room", || is_closed(&mut crowd[0]).then_some(()));
    let n_open = crowd.iter_mut().filter_map(|stream| (!is_closed(stream)).then_some(())).count();
    assert!(n_open > CROWD / 2, "nobody waited until the time of the others was over: {n_open} are open");
    drop(crowd);
    assert!(host.stop().success());
}

#[test]
fn a_head_over_its_bounds_is_431() {
    let root = root();
    let host = root.host();
    for head in [
        format!("GET /api/webjobs HTTP/1.1\r\nHost: x\r\nX-Huge: {}\r\n\r\n", "x".repeat(65 * 1024)),
        format!("GET /api/webjobs HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: y\r\n".repeat(200)),
    ] {
        let mut stream = connect(&host);
        stream.write_all(head.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        // A connection that is reset has refused it too.
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let long = format!("/api/webjobs?x={}", "y".repeat(8192));
    assert_eq!(host.get(&long).status, 200, "what Kudu takes is taken");
}

#[test]
fn a_body_of_a_stranger_is_not_read() {
    let root = root();
    let host = root.host();
    let mut stream = connect(&host);
    let head = "PUT /api/zipdeploy HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("it is sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("it answers before the body has come");
    assert_eq!(&answer, b"HTTP/1.1 401");
}

#[test]
fn many_wrong_logins_at_once_keep_nobody_waiting() {
    let root = root();
    root.write(
        "webjobd.toml",
        &format!("[users.ada]\nrole = \"viewer\"\npassword = \"{}\"\n", super::hash("a password")),
    );
    let host = root.host();
    std::thread::scope(|scope| {
        for n in 0..16 {
            let host = &host;
            scope.spawn(move || {
                for m in 0..5 {
                    let answer = super::ask(host, &super::basic("ada", &format!("{n} {m}")), "GET", "/api/webjobs");
                    assert!([401, 429, 503].contains(&answer.status), "{}", answer.status);
                }
            });
        }
        assert_eq!(host.get("/api/webjobs").status, 200, "the first credentials need no turn");
    });
    assert_eq!(host.get("/api/webjobs").status, 200);
}

//! The network between pgdeck and a server: closed, silent, cut and mended, and servers that
//! are not what they should be.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use pgdeck_engine::api::{ErrorCode, InstanceState};
use pgdeck_tests::{Deck, Major, StopMode, TestInstance, Watcher};

/// Forwards bytes between clients and a server until it is cut.
struct Proxy {
    port: u16,
    server: Arc<AtomicU16>,
    is_cut: Arc<AtomicBool>,
}

impl Proxy {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let server = Arc::new(AtomicU16::new(port));
        let is_cut = Arc::new(AtomicBool::new(false));
        let (to, cut) = (Arc::clone(&server), Arc::clone(&is_cut));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) =
                    TcpStream::connect((Ipv4Addr::LOCALHOST, to.load(Ordering::SeqCst)))
                else {
                    continue;
                };
                forward(client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&cut));
                forward(server, client, Arc::clone(&cut));
            }
        });
        Self { port: own, server, is_cut }
    }

    /// Packets vanish from now on: nothing is forwarded, nothing is closed.
    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    fn dsn(&self) -> String {
        format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=disable connect_timeout=2",
            self.port
        )
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, is_cut: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while is_cut.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // The other side learns of the end.
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// A server that says at once what it was given, and nothing else.
fn fake_server(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut packet = [0; 1024];
            let _ = client.read(&mut packet);
            let _ = client.write_all(&answer);
            // Until the client leaves.
            let _ = client.read(&mut packet);
        }
    });
    port
}

/// `AuthenticationOk`, the version as a parameter, `BackendKeyData`, `ReadyForQuery`
/// ("Message Formats" in the manual).
fn greeting(version: &str) -> Vec<u8> {
    let mut bytes = b"R\0\0\0\x08\0\0\0\0".to_vec();
    let length = u8::try_from(4 + "server_version".len() + 1 + version.len() + 1).unwrap();
    bytes.extend([b'S', 0, 0, 0, length]);
    bytes.extend(b"server_version\0");
    bytes.extend(version.as_bytes());
    bytes.push(0);
    bytes.extend(b"K\0\0\0\x0c\0\0\0\x07\0\0\0\x08Z\0\0\0\x05I");
    bytes
}

fn tcp(host: &str, port: u16) -> Deck {
    Deck::dsn(&format!(
        "host={host} port={port} user=me dbname=postgres sslmode=disable connect_timeout=2"
    ))
}

#[track_caller]
fn expect(deck: &Deck, code: ErrorCode) -> String {
    let status = deck.status();
    let error = &status.instance["connect_error"];
    assert_eq!(error["code"], code.as_str(), "{:#}", status.instance);
    assert_eq!((status.state(), status.code), ("unreachable", 2));
    format!("{error:#}")
}

#[test]
fn nobody_listens() {
    let instance = TestInstance::builder(Major::V15).create();
    expect(&tcp("127.0.0.1", instance.port()), ErrorCode::ConnectRefused);
    let directory = instance.socket_directory().to_str().unwrap();
    let said = expect(&tcp(directory, instance.port()), ErrorCode::ConnectRefused);
    assert!(said.contains(".s.PGSQL."), "{said}");
    expect(&tcp("no-such-host.invalid", 5432), ErrorCode::HostNotFound);
}

#[test]
fn a_server_that_does_not_answer() {
    let instance = TestInstance::start_plain(Major::V17);
    instance.sigstop();
    let began = Instant::now();
    expect(&tcp("127.0.0.1", instance.port()), ErrorCode::ConnectTimeout);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    instance.sigcont();
    instance.allow_log("role \"me\" does not exist");
}

#[test]
fn servers_of_other_versions_and_other_kinds() {
    for version in ["12.22", "9.6.24", "19beta1"] {
        let said = expect(
            &tcp("127.0.0.1", fake_server(greeting(version))),
            ErrorCode::VersionUnsupported,
        );
        assert!(said.contains(version), "{said}");
    }
    // Something else listens there.
    let status = tcp("127.0.0.1", fake_server(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())).status();
    assert_eq!((status.state(), status.code), ("unreachable", 2), "{:#}", status.instance);
}

#[test]
fn a_cut_network_is_seen_and_so_is_its_end() {
    let instance = TestInstance::start_plain(Major::V18);
    let proxy = Proxy::to(instance.port());
    let deck = Deck::dsn(&proxy.dsn());
    let watcher = Watcher::remote(&proxy.dsn(), &deck);
    watcher.wait("a full look", |one| {
        one.connected && one.sessions.get().is_some() && one.rates.get().is_some()
    });
    proxy.cut();
    let snapshot = watcher.wait("the cut", |one| {
        one.status.state == InstanceState::Unreachable && one.sessions.is_stale()
    });
    // What was known stays on the screen.
    assert!(snapshot.server.is_stale() && snapshot.server.get().is_some());
    let error = watcher.wait("the reason", |one| {
        let error = one.status.connect_error.as_ref();
        error.is_some_and(|error| error.code == ErrorCode::ConnectTimeout)
    });
    assert!(error.messages.iter().any(|one| one.code.as_str() == "instance_unreachable"));
    proxy.mend();
    watcher.wait("the end of the cut", |one| {
        one.connected && one.status.state == InstanceState::Started && !one.sessions.is_stale()
    });
}

#[test]
fn a_server_that_goes_and_comes_back_elsewhere() {
    let first = TestInstance::start_plain(Major::V14);
    let second = TestInstance::start_plain(Major::V16);
    let proxy = Proxy::to(first.port());
    let deck = Deck::dsn(&proxy.dsn());
    let watcher = Watcher::remote(&proxy.dsn(), &deck);
    watcher.wait("the first", |one| {
        one.connected && one.server.get().is_some_and(|server| server.version.major() == 14)
    });
    first.stop(StopMode::Fast);
    watcher.wait("unreachable", |one| one.status.state == InstanceState::Unreachable);
    proxy.server.store(second.port(), Ordering::SeqCst);
    watcher.wait("the second", |one| {
        one.connected && one.server.get().is_some_and(|server| server.version.major() == 16)
    });
}

#[test]
fn a_server_that_is_not_ready() {
    let instance = TestInstance::builder(Major::V15).setting("hot_standby", "off").create();
    instance.allow_log("specified neither primary_conninfo nor restore_command");
    instance.allow_log("the database system is not accepting connections");
    instance.write_empty("standby.signal");
    instance.start();
    let deck = Deck::dsn(&instance.tcp_conninfo());
    let status = deck.status();
    assert_eq!(status.state(), "in recovery", "{:#}", status.instance);
    let refusal = deck.refused(&["connections"]);
    assert!(refusal.fact.contains("takes no connections now"), "{refusal:?}");
    let watcher = Watcher::remote(&instance.tcp_conninfo(), &deck);
    watcher.wait("not ready", |one| one.status.state == InstanceState::InRecovery);
    instance.stop(StopMode::Fast);
    watcher.wait("gone", |one| {
        let error = one.status.connect_error.as_ref();
        error.is_some_and(|error| error.code == ErrorCode::ConnectRefused)
    });
}

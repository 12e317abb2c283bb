//! Servers that are there and never answer.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::PathBuf;

use pgdeck_tests::Home;

/// An address of the loopback range that nobody else binds.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 153);

/// Takes connections, as the kernel does for every listener, and says nothing.
pub(crate) struct SilentServer {
    listener: TcpListener,
}

impl SilentServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        Self { listener }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().expect("it is bound").port()
    }
}

/// A name server that takes questions and never answers, and what makes one program ask it.
pub(crate) struct SilentNames {
    _socket: UdpSocket,
    configuration: PathBuf,
    home: Home,
}

impl SilentNames {
    /// # Errors
    /// Why there can be none: the name service's port and mount namespaces are root's.
    pub(crate) fn start() -> Result<Self, String> {
        let socket = UdpSocket::bind((NAME_SERVER, 53))
            .map_err(|error| format!("no name server can be played here: {error}"))?;
        let home = Home::new();
        let text = format!("nameserver {NAME_SERVER}\noptions timeout:30 attempts:1\n");
        let configuration = home.write("resolv.conf", &text);
        let names = Self { _socket: socket, configuration, home };
        let outcome = std::process::Command::new("unshare").args(["-m", "true"]).output();
        match outcome {
            Ok(output) if output.status.success() => Ok(names),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("unshare: {error}")),
        }
    }

    /// The command that runs another one where this name server is the only one.
    pub(crate) fn under(&self) -> Vec<String> {
        let script = format!(
            "mount --bind {} /etc/resolv.conf && exec \"$@\"",
            self.configuration.display()
        );
        let home = format!("HOME={}", self.home.path().display());
        ["unshare", "-m", "env", &home, "sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
    }
}

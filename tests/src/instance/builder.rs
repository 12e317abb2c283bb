//! How an instance is asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use super::TestInstance;
use crate::majors::Major;
use crate::tls::TlsMaterial;
use crate::{account, place, template};

/// Attempts to start with another port each.
const START_ATTEMPTS: u32 = 5;

/// Settings of every instance; a test's own come after them and win.
const BASE_SETTINGS: [(&str, &str); 5] = [
    ("listen_addresses", "127.0.0.1"),
    ("fsync", "off"),
    ("max_prepared_transactions", "64"),
    ("log_timezone", "UTC"),
    // Files in the data directory: what a killed server leaves is removed with it.
    ("dynamic_shared_memory_type", "mmap"),
];

/// An instance to be made. See [`TestInstance::builder`].
#[must_use]
pub struct InstanceBuilder {
    major: Major,
    name: String,
    settings: Vec<(String, String)>,
    hba: Option<String>,
    initdb: Vec<String>,
    wal_elsewhere: bool,
    configuration_elsewhere: bool,
    tls: Option<TlsMaterial>,
    allowed: Vec<String>,
}

impl InstanceBuilder {
    pub(super) fn new(major: Major) -> Self {
        Self {
            major,
            name: "data".to_owned(),
            settings: Vec::new(),
            hba: None,
            initdb: Vec::new(),
            wal_elsewhere: false,
            configuration_elsewhere: false,
            tls: None,
            allowed: Vec::new(),
        }
    }

    /// The last part of the data directory's path, by which pgdeck names the instance.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// A setting for `postgresql.conf`; the value without quotes.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The whole of `pg_hba.conf`; without it everybody is trusted.
    pub fn hba(mut self, text: &str) -> Self {
        self.hba = Some(text.to_owned());
        self
    }

    /// An option for `initdb`, such as `--data-checksums`. Each set of options is another
    /// template, made once.
    pub fn initdb_option(mut self, option: &str) -> Self {
        self.initdb.push(option.to_owned());
        self
    }

    /// Turns the logging collector on, with this `log_destination`, such as
    /// `stderr,csvlog`; its files stand in `log` in the data directory.
    pub fn logging_collector(self, destination: &str) -> Self {
        self.setting("logging_collector", "on").setting("log_destination", destination)
    }

    /// Puts `pg_wal` outside of the data directory, behind a symbolic link.
    pub fn wal_elsewhere(mut self) -> Self {
        self.wal_elsewhere = true;
        self
    }

    /// Keeps its configuration files in a directory of their own, as Debian does: the data
    /// directory has none, and the server is told where they are when it is started.
    pub fn configuration_elsewhere(mut self) -> Self {
        self.configuration_elsewhere = true;
        self
    }

    /// Takes encrypted connections with this certificate.
    pub fn tls(mut self, material: TlsMaterial) -> Self {
        self.tls = Some(material);
        self
    }

    /// Expects log lines with this text. See [`TestInstance::allow_log`].
    pub fn allow_log(mut self, text: &str) -> Self {
        self.allowed.push(text.to_owned());
        self
    }

    /// Makes the instance and starts it.
    ///
    /// # Panics
    /// When it does not start, with its log.
    #[must_use]
    pub fn start(self) -> TestInstance {
        let mut instance = self.create();
        let mut reason = String::new();
        for _ in 0..START_ATTEMPTS {
            match instance.try_start() {
                Ok(()) => return instance,
                Err(text) => reason = text,
            }
            // Somebody who knows nothing of our locks may have taken the port.
            if !reason.contains("could not create any TCP/IP sockets") {
                break;
            }
            instance.port = place::reserve_port();
            instance.set("port", &instance.port.number.to_string());
            fs::write(instance.log_file(), "").expect("the server log can be emptied");
        }
        panic!("PostgreSQL {} does not start: {reason}", instance.major);
    }

    /// Makes the instance and leaves it stopped.
    #[must_use]
    pub fn create(self) -> TestInstance {
        let directory = place::make();
        let data = directory.join(&self.name);
        template::copy_to(&data, self.major, &self.initdb);
        if self.wal_elsewhere {
            move_wal(&data, &directory.join("wal"));
        }
        let mut instance = TestInstance {
            major: self.major,
            name: self.name,
            port: place::reserve_port(),
            log_directory: last_value(&self.settings, "log_directory").unwrap_or("log").to_owned(),
            allowed: Mutex::new(self.allowed),
            tls: self.tls,
            configuration: data.clone(),
            data,
            directory,
            closed: false,
        };
        for (name, value) in BASE_SETTINGS {
            instance.set(name, value);
        }
        instance.set("port", &instance.port.number.to_string());
        let sockets = instance.socket_directory().to_str().expect("the path is plain text");
        instance.set("unix_socket_directories", sockets);
        if let Some(material) = &instance.tls {
            write_tls(&instance, material);
        }
        for (name, value) in &self.settings {
            instance.set(name, value);
        }
        if let Some(hba) = &self.hba {
            instance.set_hba(hba);
        }
        if self.configuration_elsewhere {
            move_configuration(&mut instance);
        }
        instance
    }
}

fn last_value<'a>(settings: &'a [(String, String)], name: &str) -> Option<&'a str> {
    settings.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn move_wal(data: &Path, wal: &Path) {
    let inside = data.join("pg_wal");
    fs::rename(&inside, wal).expect("pg_wal can be moved");
    std::os::unix::fs::symlink(wal, &inside).expect("pg_wal can be linked");
    account::give(&inside);
}

/// As `pg_createcluster` of Debian lays it out.
fn move_configuration(instance: &mut TestInstance) {
    let place = instance.make_directory("etc");
    for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
        fs::rename(instance.data.join(name), place.join(name)).expect("a file can be moved");
    }
    let data = instance.data.clone();
    instance.configuration.clone_from(&place);
    for (name, path) in [
        ("data_directory", data),
        ("hba_file", place.join("pg_hba.conf")),
        ("ident_file", place.join("pg_ident.conf")),
        ("external_pid_file", place.with_file_name("external.pid")),
    ] {
        instance.set(name, path.to_str().expect("the path is plain text"));
    }
}

/// Certificates go into the data directory; the key may be read by its owner only, or the
/// server refuses it (`check_ssl_key_file_permissions`).
fn write_tls(instance: &TestInstance, material: &TlsMaterial) {
    let write = |name: &str, text: &str, mode: u32| {
        let path = instance.data_directory().join(name);
        fs::write(&path, text).expect("a certificate can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
        account::give(&path);
    };
    write("root.crt", &material.authority_pem(), 0o600);
    write("server.crt", &material.server().certificate_pem, 0o600);
    write("server.key", &material.server().key_pem, 0o600);
    fs::write(instance.authority_file(), material.authority_pem())
        .expect("the authority can be written");
    instance.set("ssl", "on");
    instance.set("ssl_ca_file", "root.crt");
}

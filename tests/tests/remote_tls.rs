//! Encrypted connections: every `sslmode` against good, foreign, expired and misnamed
//! certificates, as libpq treats them.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use pgdeck_engine::api::ErrorCode;
use pgdeck_tests::{Deck, Home, Major, Status, TestInstance, TlsMaterial};

/// The only name in the certificate.
const HOST: &str = "localhost";

fn server(material: TlsMaterial, hba: &str) -> TestInstance {
    TestInstance::builder(Major::V18)
        .tls(material)
        .hba(&format!("local all all trust\n{hba}\n"))
        .allow_log("could not accept SSL connection")
        .allow_log("FATAL:  ")
        .start()
}

fn status(instance: &TestInstance, host: &str, rest: &str) -> Status {
    let port = instance.port();
    Deck::dsn(&format!("host={host} port={port} user=postgres dbname=postgres {rest}")).status()
}

#[track_caller]
fn gets_in(instance: &TestInstance, host: &str, rest: &str) {
    let status = status(instance, host, rest);
    assert_eq!(status.state(), "started", "{host} {rest}: {:#}", status.instance);
}

#[track_caller]
fn fails(instance: &TestInstance, host: &str, rest: &str, code: ErrorCode) -> String {
    let status = status(instance, host, rest);
    let error = &status.instance["connect_error"];
    assert_eq!(error["code"], code.as_str(), "{host} {rest}: {:#}", status.instance);
    format!("{} {}", error["fact"].as_str().unwrap(), error["detail"].as_str().unwrap())
}

#[test]
fn every_mode_with_a_good_certificate() {
    let instance = server(TlsMaterial::generate(&[HOST]), "host all all 127.0.0.1/32 trust");
    let root = format!("sslrootcert={}", instance.authority_file().display());
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        gets_in(&instance, HOST, &format!("sslmode={mode} {root}"));
    }
    // The name counts under verify-full only.
    gets_in(&instance, "127.0.0.1", &format!("sslmode=verify-ca {root}"));
    let full = format!("sslmode=verify-full {root}");
    let said = fails(&instance, "127.0.0.1", &full, ErrorCode::TlsFailed);
    assert!(said.contains(HOST), "it names the names of the certificate: {said}");
    gets_in(&instance, HOST, &format!("hostaddr=127.0.0.1 {full}"));

    // Encryption alone asks for no authority; checking without one cannot be.
    gets_in(&instance, HOST, "sslmode=require");
    let said = fails(&instance, HOST, "sslmode=verify-full", ErrorCode::TlsFailed);
    assert!(said.contains("root.crt"), "{said}");
    fails(&instance, HOST, "sslmode=verify-ca sslrootcert=/nonexistent", ErrorCode::TlsFailed);
}

#[test]
fn a_foreign_authority() {
    let instance = server(TlsMaterial::generate(&[HOST]), "host all all 127.0.0.1/32 trust");
    let home = Home::new();
    let other = home.write("other.crt", &TlsMaterial::generate(&[HOST]).authority_pem());
    let root = format!("sslrootcert={}", other.display());
    for mode in ["verify-ca", "verify-full"] {
        fails(&instance, HOST, &format!("sslmode={mode} {root}"), ErrorCode::TlsFailed);
    }
    // With a root certificate libpq checks under require as well.
    fails(&instance, HOST, &format!("sslmode=require {root}"), ErrorCode::TlsFailed);
    gets_in(&instance, HOST, &format!("sslmode=disable {root}"));
}

#[test]
fn an_expired_certificate() {
    let material = TlsMaterial::generate_expired(&[HOST]);
    let instance = server(material, "host all all 127.0.0.1/32 trust");
    let root = format!("sslrootcert={}", instance.authority_file().display());
    for mode in ["verify-ca", "verify-full"] {
        let rest = format!("sslmode={mode} {root}");
        let said = fails(&instance, HOST, &rest, ErrorCode::TlsFailed);
        assert!(said.contains("expired"), "{said}");
    }
    gets_in(&instance, HOST, "sslmode=require");
}

#[test]
fn a_server_that_insists() {
    let instance = server(TlsMaterial::generate(&[HOST]), "hostssl all all 127.0.0.1/32 trust");
    fails(&instance, HOST, "sslmode=disable", ErrorCode::AuthenticationRefused);
    for mode in ["allow", "prefer", "require"] {
        gets_in(&instance, HOST, &format!("sslmode={mode}"));
    }
    let status = status(&instance, HOST, "sslmode=require");
    assert_eq!(status.instance["version"], Major::V18.version().as_str());
}

#[test]
fn a_client_certificate() {
    let instance = server(TlsMaterial::generate(&[HOST]), "hostssl all all 127.0.0.1/32 cert");
    let home = Home::new();
    let mine = instance.tls_material().issue_client("postgres");
    let certificate = home.write("mine.crt", &mine.certificate_pem);
    let key = home.write("mine.key", &mine.key_pem);
    let with =
        format!("sslmode=require sslcert={} sslkey={}", certificate.display(), key.display());
    gets_in(&instance, HOST, &with);
    fails(&instance, HOST, "sslmode=require", ErrorCode::AuthenticationRefused);
    let other = instance.tls_material().issue_client("somebody");
    home.write("mine.crt", &other.certificate_pem);
    home.write("mine.key", &other.key_pem);
    fails(&instance, HOST, &with, ErrorCode::AuthenticationRefused);
}

//! The fixture's certificates: a client that verifies in full accepts the right ones only.

// Clippy excuses functions marked as tests, not the helpers beside them.
#![allow(clippy::unwrap_used)]

use pgdeck_tests::{Major, TestInstance, TlsMaterial};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Connects as libpq does with `sslmode=verify-full`; the version of TLS or an error.
async fn verify_full(instance: &TestInstance, host: &str, root: &str) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut config = tokio_postgres::Config::new();
    config.host(host).hostaddr([127, 0, 0, 1].into()).port(instance.port());
    config.user("postgres").ssl_mode(SslMode::Require);
    let connected = config.connect(MakeRustlsConnect::new(tls)).await;
    let (client, connection) = connected.map_err(|error| format!("{error:?}"))?;
    tokio::spawn(connection);
    let query = "select version from pg_stat_ssl where pid = pg_backend_pid()";
    Ok(client.query_one(query, &[]).await.unwrap().get(0))
}

#[tokio::test]
async fn a_certificate_fits_its_hosts_and_its_authority() {
    let instance = TestInstance::builder(Major::V15)
        .tls(TlsMaterial::generate(&["localhost", "db.example"]))
        .start();
    let root = std::fs::read_to_string(instance.authority_file()).unwrap();
    assert_eq!(root, instance.tls_material().authority_pem());
    assert_eq!(verify_full(&instance, "localhost", &root).await.unwrap(), "TLSv1.3");
    assert_eq!(verify_full(&instance, "db.example", &root).await.unwrap(), "TLSv1.3");
    let error = verify_full(&instance, "other.example", &root).await.unwrap_err();
    assert!(error.contains("NotValidForName"), "{error}");
    let stranger = TlsMaterial::generate(&["localhost"]).authority_pem();
    let error = verify_full(&instance, "localhost", &stranger).await.unwrap_err();
    assert!(error.contains("InvalidCertificate"), "{error}");
    instance.finish().unwrap();
}

#[tokio::test]
async fn an_expired_certificate_is_expired() {
    let instance = TestInstance::builder(Major::V18)
        .tls(TlsMaterial::generate_expired(&["localhost"]))
        .start();
    let root = instance.tls_material().authority_pem();
    let error = verify_full(&instance, "localhost", &root).await.unwrap_err();
    assert!(error.contains("Expired"), "{error}");
    instance.finish().unwrap();
}

#[test]
fn clients_get_certificates_of_the_same_authority() {
    let client = TlsMaterial::generate(&["localhost"]).issue_client("monitor");
    assert!(client.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(client.key_pem.contains("PRIVATE KEY"));
}

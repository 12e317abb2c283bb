//! Certificates that are accepted and refused, and what is said of the refused ones.
//!
//! The `manual-*` certificates were made by the commands of "Creating Certificates" in the
//! PostgreSQL manual with OpenSSL 3.0; checks run at a moment when they are valid.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};

use super::*;
use crate::pg::files::fake::FakeFiles;

/// 2026-12-01, when every certificate here but the odd ones is valid.
const NOW: u64 = 1_796_083_200;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn server(names: &[&str], issuer: &Issuer, change: impl FnOnce(&mut CertificateParams)) -> String {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    change(&mut params);
    params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().pem()
}

fn ssl(mode: SslMode) -> SslParams {
    let file = |path: &str| SslFile { path: path.into(), is_explicit: true };
    SslParams {
        mode,
        negotiation: crate::pg::conninfo::SslNegotiation::Postgres,
        root_cert: RootCert::File(file("/root.crt")),
        cert: Some(file("/client.crt")),
        key: Some(file("/client.key")),
        crl: Some(file("/root.crl")),
        sni: true,
        min_version: TlsVersion::V12,
        max_version: TlsVersion::V13,
    }
}

/// What is said of a server's certificate: `ok`, or why not.
fn check(mode: SslMode, files: &FakeFiles, certificate: &str, host: &str) -> String {
    let provider = Arc::new(ring::default_provider());
    let trust = trust(&ssl(mode), files, &provider).unwrap();
    let verifier = Verifier { trust, algorithms: provider.signature_verification_algorithms };
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    match verifier.verify_server_cert(&certificate, &[], &name, &[], now) {
        Ok(_) => "ok".to_owned(),
        Err(error) => explain(&error).detail,
    }
}

fn roots(content: impl AsRef<[u8]>) -> FakeFiles {
    FakeFiles::default().with("/root.crt", content)
}

#[test]
fn chain_and_name_are_checked_as_far_as_the_mode_asks() {
    let ca = authority("Example CA");
    let certificate = server(&["db1.example", "10.0.0.1"], &ca, |_| ());
    let files = roots(ca.pem());
    for mode in [SslMode::Prefer, SslMode::Require, SslMode::VerifyCa] {
        assert_eq!(check(mode, &files, &certificate, "elsewhere"), "ok", "{mode:?}");
    }
    let full = |host: &str| check(SslMode::VerifyFull, &files, &certificate, host);
    assert_eq!(full("db1.example"), "ok");
    assert_eq!(full("10.0.0.1"), "ok");
    assert_eq!(
        full("db2.example"),
        "the server's certificate is for \"db1.example\", \"10.0.0.1\" and not for \"db2.example\""
    );
}

#[test]
fn without_a_root_certificate_everything_is_accepted() {
    let certificate = server(&["db1"], &authority("Unknown"), |_| ());
    let files = FakeFiles::default();
    assert_eq!(check(SslMode::Require, &files, &certificate, "elsewhere"), "ok");
}

#[test]
fn another_authority_is_named() {
    let certificate = server(&["db1"], &authority("Other CA"), |_| ());
    let files = roots(authority("Example CA").pem());
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        assert_eq!(
            check(mode, &files, &certificate, "db1"),
            "the server's certificate is signed by \"CN=Other CA\", which is not trusted"
        );
    }
}

#[test]
fn time_is_told_in_full() {
    let ca = authority("Example CA");
    let files = roots(ca.pem());
    let old = server(&["db1"], &ca, |p| p.not_after = date_time_ymd(2021, 1, 1));
    assert_eq!(
        check(SslMode::VerifyCa, &files, &old, "db1"),
        "the server's certificate expired on 2021-01-01 00:00:00 UTC; it is now 2026-12-01 00:00:00 UTC"
    );
    let new = server(&["db1"], &ca, |p| p.not_before = date_time_ymd(2030, 1, 1));
    assert_eq!(
        check(SslMode::VerifyCa, &files, &new, "db1"),
        "the server's certificate is valid from 2030-01-01 00:00:00 UTC on; it is now 2026-12-01 00:00:00 UTC"
    );
}

#[test]
fn a_client_certificate_is_none_for_a_server() {
    let ca = authority("Example CA");
    let client = server(&["db1"], &ca, |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(
        check(SslMode::VerifyCa, &roots(ca.pem()), &client, "db1"),
        "the server's certificate is not made for a server (extended key usage)"
    );
}

#[test]
fn certificates_of_the_manual_are_accepted() {
    let root = include_str!("../../../tests/data/tls/manual-root.crt");
    let version_1 = include_str!("../../../tests/data/tls/manual-server-v1.crt");
    let self_signed = include_str!("../../../tests/data/tls/manual-self-signed.crt");
    let full = |root: &str, certificate: &str, host: &str| {
        check(SslMode::VerifyFull, &roots(root), certificate, host)
    };
    assert_eq!(full(root, version_1, "localhost"), "ok");
    assert_eq!(full(self_signed, self_signed, "localhost"), "ok");
    assert_eq!(
        full(root, version_1, "db1"),
        "the server's certificate is for \"localhost\" and not for \"db1\""
    );
    assert_eq!(
        full(self_signed, version_1, "localhost"),
        "the server's certificate is signed by \"CN=root.example\", which is not trusted"
    );
    assert_eq!(
        full(root, self_signed, "localhost"),
        "the server's certificate is signed by itself and not among the trusted ones"
    );
}

#[test]
fn a_forged_version_1_certificate_is_refused() {
    let root = include_str!("../../../tests/data/tls/manual-root.crt");
    let genuine = include_str!("../../../tests/data/tls/manual-server-v1.crt");
    let mut der = CertificateDer::from_pem_slice(genuine.as_bytes()).unwrap().to_vec();
    let provider = Arc::new(ring::default_provider());
    let trust = trust(&ssl(SslMode::VerifyCa), &roots(root), &provider).unwrap();
    let verifier = Verifier { trust, algorithms: provider.signature_verification_algorithms };
    let name = ServerName::try_from("localhost").unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let verify = |der: &[u8]| {
        verifier.verify_server_cert(&CertificateDer::from(der), &[], &name, &[], now).is_ok()
    };
    assert!(verify(&der));
    // One byte of the name, which only the signature protects.
    let at = der.windows(9).position(|bytes| bytes == b"localhost").unwrap();
    der[at] = b'x';
    assert!(!verify(&der));
}

#[test]
fn old_certificates_of_the_manual_expire() {
    let root = include_str!("../../../tests/data/tls/manual-root.crt");
    let version_1 = include_str!("../../../tests/data/tls/manual-server-v1.crt");
    let provider = Arc::new(ring::default_provider());
    let trust = trust(&ssl(SslMode::VerifyCa), &roots(root), &provider).unwrap();
    let verifier = Verifier { trust, algorithms: provider.signature_verification_algorithms };
    let certificate = CertificateDer::from_pem_slice(version_1.as_bytes()).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    for (seconds, expected) in [(NOW * 2, "expired on"), (NOW / 2, "is valid from")] {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let error = verifier.verify_server_cert(&certificate, &[], &name, &[], now).unwrap_err();
        assert!(explain(&error).detail.contains(expected), "{error}");
    }
}

#[test]
fn revocation() {
    let ca = authority("Example CA");
    let good = server(&["db1"], &ca, |p| p.serial_number = Some(SerialNumber::from(7_u64)));
    let revoked = server(&["db1"], &ca, |p| p.serial_number = Some(SerialNumber::from(8_u64)));
    let list = |next: i32| {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(next, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(8_u64),
                revocation_time: date_time_ymd(2021, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        roots(ca.pem()).with("/root.crl", params.signed_by(&ca).unwrap().pem().unwrap())
    };
    assert_eq!(check(SslMode::VerifyCa, &list(2040), &good, "db1"), "ok");
    assert_eq!(
        check(SslMode::VerifyCa, &list(2040), &revoked, "db1"),
        "the server's certificate has been revoked"
    );
    assert_eq!(
        check(SslMode::VerifyCa, &list(2021), &good, "db1"),
        "the certificate revocation list is out of date"
    );
}

/// Why a setup fails, as fact and detail.
fn refused(ssl: &SslParams, files: &FakeFiles) -> String {
    let TlsSetup::Failed(error) = TlsSetup::load(ssl, files) else { panic!("accepted") };
    assert_eq!(error.code, ErrorCode::TlsFailed);
    format!("{} ({})", error.fact, error.detail)
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let full = ssl(SslMode::VerifyFull);
    assert_eq!(
        refused(&full, &FakeFiles::default()),
        "root certificate file \"/root.crt\" does not exist (sslmode=verify-full needs it)"
    );
    assert_eq!(
        refused(&full, &roots("")),
        "root certificate file \"/root.crt\" holds no certificate ()"
    );
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let said = refused(&full, &roots(broken));
    assert!(said.starts_with("certificate file \"/root.crt\" is not in PEM form"), "{said}");
    let system = SslParams {
        root_cert: RootCert::System { bundle: Some("/gone".into()) },
        ..ssl(SslMode::VerifyFull)
    };
    assert_eq!(
        refused(&system, &FakeFiles::default()),
        "the system's trusted certificates were not found (sslmode=verify-full needs it)"
    );
    let crl = roots(authority("Example CA").pem()).with("/root.crl", broken);
    let said = refused(&full, &crl);
    assert!(said.starts_with("certificate revocation list \"/root.crl\" is not in PEM form"));
}

#[test]
fn client_certificates_need_their_own_private_key() {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["me".into()]).unwrap().self_signed(&key).unwrap().pem();
    let require = ssl(SslMode::Require);
    let files = |mode: u32, key: &str| {
        FakeFiles::default().with("/client.crt", &certificate).with_mode("/client.key", key, mode)
    };
    let ready = |files: &FakeFiles| matches!(TlsSetup::load(&require, files), TlsSetup::Ready(_));
    assert!(ready(&FakeFiles::default()), "no certificate is fine");
    assert!(ready(&files(0o600, &key.serialize_pem())));
    assert_eq!(
        refused(&require, &files(0o640, &key.serialize_pem())),
        "private key file \"/client.key\" has group or world access (its mode is 0640)"
    );
    assert_eq!(
        refused(&require, &files(0o600, &KeyPair::generate().unwrap().serialize_pem())),
        "client certificate \"/client.crt\" cannot be used (it does not belong to its private key)"
    );
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(
        refused(&require, &files(0o600, encrypted)),
        "private key file \"/client.key\" is under a passphrase (pgdeck opens only keys without one)"
    );
    let said = refused(&require, &FakeFiles::default().with("/client.crt", &certificate));
    assert!(said.starts_with("private key file \"/client.key\" cannot be read"), "{said}");
}

#[test]
fn a_key_of_root_may_be_readable_by_its_group() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["me".into()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    for (mode, expected) in [(0o640, true), (0o600, true), (0o644, false), (0o660, false)] {
        let mut files = FakeFiles::default().with("/client.crt", &certificate).with_mode(
            "/client.key",
            key.serialize_pem(),
            mode,
        );
        files.0.get_mut(Path::new("/client.key")).unwrap().1.owner = 0;
        let setup = TlsSetup::load(&ssl(SslMode::Require), &files);
        assert_eq!(matches!(setup, TlsSetup::Ready(_)), expected, "{mode:o}");
    }
}

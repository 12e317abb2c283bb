//! Encryption of connections: certificates, keys and whom to trust, for each `sslmode`.
//!
//! Owns what libpq does in `fe-secure-openssl.c`, done with rustls. Reads files only
//! through [`ReadFiles`]; opens no socket.

mod certificate;
mod explain;
#[cfg(test)]
mod tests;
mod verify;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

use crate::api::{Error, ErrorCode};

use super::conninfo::{RootCert, SslFile, SslMode, SslParams, TlsVersion};
use super::files::{FileKind, ReadFiles};
use certificate::Certificate;
use verify::{Trust, Verifier};

pub(super) use explain::explain;

/// Where operating systems keep the certificates they trust: Debian, Red Hat, SUSE, Alpine.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The protocol name in the handshake (`PG_ALPN_PROTOCOL` in `pqcomm.h`); 17 and later ask
/// for it when encryption begins at once, older servers pay no heed.
const ALPN_PROTOCOL: &[u8] = b"postgresql";

/// What encryption of a connection works with.
#[derive(Clone, Debug)]
pub enum TlsSetup {
    /// `sslmode=disable`, or only Unix sockets, which are never encrypted.
    NotNeeded,
    /// Ready to use.
    Ready(Arc<ClientConfig>),
    /// A file is missing, unreadable or wrong: matters once encryption is tried.
    Failed(Error),
}

impl TlsSetup {
    /// Reads the files that `ssl` names.
    #[must_use]
    pub fn load(ssl: &SslParams, files: &dyn ReadFiles) -> Self {
        match client_config(ssl, files) {
            Ok(config) => Self::Ready(Arc::new(config)),
            Err(error) => Self::Failed(error),
        }
    }
}

fn failed(fact: String) -> Error {
    Error::new(ErrorCode::TlsFailed, fact)
}

/// Puts the client's side of TLS together.
///
/// # Errors
/// [`ErrorCode::TlsFailed`]: a file that must be there is not, cannot be read or holds no
/// certificate or key; the key is open to others, encrypted, or not that of the certificate.
fn client_config(ssl: &SslParams, files: &dyn ReadFiles) -> Result<ClientConfig, Error> {
    // Named here, because no provider is installed for the whole process.
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier {
        trust: trust(ssl, files, &provider)?,
        algorithms: provider.signature_verification_algorithms,
    };
    let all: [(TlsVersion, &'static SupportedProtocolVersion); 2] =
        [(TlsVersion::V12, &version::TLS12), (TlsVersion::V13, &version::TLS13)];
    let allowed = ssl.min_version..=ssl.max_version;
    let versions: Vec<_> =
        all.into_iter().filter(|(v, _)| allowed.contains(v)).map(|(_, v)| v).collect();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| failed("TLS cannot be set up".to_owned()).detail(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client_certificate(ssl, files)? {
        None => builder.with_no_client_auth(),
        Some(certificate) => builder.with_client_cert_resolver(certificate.resolver(&provider)?),
    };
    config.enable_sni = ssl.sni;
    config.alpn_protocols = vec![ALPN_PROTOCOL.to_vec()];
    Ok(config)
}

/// Whom to trust; `None` accepts every certificate.
///
/// A root certificate file that exists is used in every mode, as `initialize_SSL()` does.
fn trust(
    ssl: &SslParams,
    files: &dyn ReadFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Trust>, Error> {
    let Some((source, roots)) = roots(ssl, files)? else { return Ok(None) };
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(roots.iter().cloned());
    if usable == 0 {
        let fact = format!("root certificate file \"{}\" holds no certificate", source.display());
        return Err(failed(fact).hint("It must hold certificates in PEM form."));
    }
    let lists = revocation_lists(ssl, files)?;
    let has_revocation_lists = !lists.is_empty();
    let chains = WebPkiServerVerifier::builder_with_provider(store.into(), Arc::clone(provider))
        .with_crls(lists)
        .enforce_revocation_expiration()
        .build()
        .map_err(|error| {
            failed("the trusted certificates cannot be used".to_owned()).detail(error.to_string())
        })?;
    let checks_name = ssl.mode == SslMode::VerifyFull;
    Ok(Some(Trust { chains, roots, has_revocation_lists, checks_name }))
}

type Roots = (PathBuf, Vec<CertificateDer<'static>>);

/// The trusted certificates and where they are from; `None` when there are none to check by.
fn roots(ssl: &SslParams, files: &dyn ReadFiles) -> Result<Option<Roots>, Error> {
    let candidates: Vec<PathBuf> = match &ssl.root_cert {
        RootCert::None => Vec::new(),
        RootCert::File(file) => vec![file.path.clone()],
        RootCert::System { bundle: Some(path) } => vec![path.clone()],
        RootCert::System { bundle: None } => SYSTEM_BUNDLES.map(PathBuf::from).to_vec(),
    };
    for path in &candidates {
        match files.read(path) {
            Ok(content) => {
                let certificates = certificates(path, &content)?;
                return Ok(Some((path.clone(), certificates)));
            }
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(unreadable("root certificate file", path, &error)),
        }
    }
    if ssl.mode < SslMode::VerifyCa {
        return Ok(None);
    }
    let fact = match (&ssl.root_cert, candidates.first()) {
        (RootCert::System { .. }, _) => {
            "the system's trusted certificates were not found".to_owned()
        }
        (_, Some(path)) => format!("root certificate file \"{}\" does not exist", path.display()),
        (_, None) => "there is no root certificate file to verify the server by".to_owned(),
    };
    Err(failed(fact)
        .detail(format!("sslmode={} needs it", ssl.mode.word()))
        .hint("Name the certificate of the server's authority with sslrootcert, or use sslrootcert=system."))
}

fn revocation_lists(
    ssl: &SslParams,
    files: &dyn ReadFiles,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let Some(SslFile { path, .. }) = &ssl.crl else { return Ok(Vec::new()) };
    // libpq goes on without a list that it cannot load; a list that is there but broken is
    // more likely a mistake than a wish.
    let Ok(content) = files.read(path) else { return Ok(Vec::new()) };
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&content).collect();
    lists.map_err(|error| not_pem("certificate revocation list", path, &error))
}

struct ClientCertificate {
    file: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientCertificate {
    /// Puts certificate and key together.
    ///
    /// Not by rustls's own check, which refuses the version 1 certificates that the manual's
    /// commands make.
    fn resolver(self, provider: &CryptoProvider) -> Result<Arc<dyn ResolvesClientCert>, Error> {
        let file = self.file.display();
        let unusable = format!("client certificate \"{file}\" cannot be used");
        let key = provider.key_provider.load_private_key(self.key).map_err(|error| {
            failed(unusable.clone()).detail(format!("its private key is not usable: {error}"))
        })?;
        let first = self.chain.first().and_then(|der| Certificate::parse(der));
        let of_certificate = first.and_then(|c| c.public_key().map(|(info, _)| info));
        let fits = match (&of_certificate, key.public_key()) {
            (Some(certificate), Some(key)) => certificate.as_slice() == key.as_ref(),
            (None, _) => false,
            (Some(_), None) => true,
        };
        if !fits {
            return Err(failed(unusable)
                .detail("it does not belong to its private key")
                .hint("Name the key that belongs to it with sslkey."));
        }
        Ok(Arc::new(SingleCertAndKey::from(CertifiedKey::new(self.chain, key))))
    }
}

/// The client's certificate and key; `None` when it has no certificate.
fn client_certificate(
    ssl: &SslParams,
    files: &dyn ReadFiles,
) -> Result<Option<ClientCertificate>, Error> {
    let Some(SslFile { path: file, .. }) = &ssl.cert else { return Ok(None) };
    let content = match files.read(file) {
        Ok(content) => content,
        // Even when it was named: the server may not ask for it.
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(unreadable("certificate file", file, &error)),
    };
    let chain = certificates(file, &content)?;
    if chain.is_empty() {
        let fact = format!("certificate file \"{}\" holds no certificate", file.display());
        return Err(failed(fact).hint("It must hold a certificate in PEM form."));
    }
    let Some(SslFile { path, .. }) = &ssl.key else {
        let fact = format!("certificate \"{}\" has no private key file", file.display());
        return Err(failed(fact).hint("Name the key file with sslkey."));
    };
    check_key_file(path, files)?;
    let content = files.read(path).map_err(|error| unreadable("private key file", path, &error))?;
    let key = PrivateKeyDer::from_pem_slice(&content).map_err(|error| {
        let text = String::from_utf8_lossy(&content);
        if text.contains("ENCRYPTED") {
            let fact = format!("private key file \"{}\" is under a passphrase", path.display());
            return failed(fact).detail("pgdeck opens only keys without one").hint(
                "Write a copy without passphrase: openssl pkey -in KEY -out COPY; chmod 0600 COPY.",
            );
        }
        not_pem("private key file", path, &error)
    })?;
    Ok(Some(ClientCertificate { file: file.clone(), chain, key }))
}

/// The rules of libpq for a key: a plain file, 0600 or less; 0640 or less if root owns it.
fn check_key_file(path: &Path, files: &dyn ReadFiles) -> Result<(), Error> {
    let facts = files.facts(path).map_err(|error| unreadable("private key file", path, &error))?;
    if facts.kind != FileKind::Regular {
        return Err(failed(format!("private key file \"{}\" is not a plain file", path.display())));
    }
    let forbidden = if facts.owner == 0 { 0o037 } else { 0o077 };
    if facts.mode & forbidden != 0 {
        let fact = format!("private key file \"{}\" has group or world access", path.display());
        return Err(failed(fact)
            .detail(format!("its mode is {:04o}", facts.mode))
            .hint("Set its mode to 0600, or 0640 if root owns it."));
    }
    Ok(())
}

fn certificates(path: &Path, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    certificates.map_err(|error| not_pem("certificate file", path, &error))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unreadable(what: &str, path: &Path, error: &io::Error) -> Error {
    failed(format!("{what} \"{}\" cannot be read", path.display()))
        .detail(error.to_string())
        .hint("Check the path and who may read it.")
}

fn not_pem(what: &str, path: &Path, error: &pem::Error) -> Error {
    failed(format!("{what} \"{}\" is not in PEM form", path.display()))
        .detail(error.to_string())
        .hint("Name a file with -----BEGIN … lines.")
}

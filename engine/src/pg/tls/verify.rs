//! Whether a server's certificate is accepted, as libpq with OpenSSL would.
//!
//! Chains are checked by webpki. Two kinds of certificates that OpenSSL takes and webpki
//! does not are common with PostgreSQL, because its manual makes them ("Creating
//! Certificates"): a self-signed certificate that is its own root and says `CA:TRUE`, and a
//! version 1 certificate signed directly by the root. Both are checked here.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::certificate::Certificate;

/// Whom to trust.
#[derive(Debug)]
pub(super) struct Trust {
    /// Checks chains and revocation.
    pub(super) chains: Arc<WebPkiServerVerifier>,
    /// The trusted certificates themselves.
    pub(super) roots: Vec<CertificateDer<'static>>,
    /// Whether revocation lists are in use; those are not checked for the two exceptions.
    pub(super) has_revocation_lists: bool,
    /// Whether the certificate must be for the host.
    pub(super) checks_name: bool,
}

/// Accepts certificates by `trust`, or every one without it.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Option<Trust>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// The certificate is for other names than the host that was asked for.
#[derive(Clone, Debug)]
pub(super) struct NameMismatch {
    pub(super) wanted: String,
    pub(super) names: Vec<String>,
}

impl fmt::Display for NameMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.as_slice() {
            [] => f.write_str("the server's certificate names no host")?,
            [only] => write!(f, "the server's certificate is for \"{only}\"")?,
            names => write!(f, "the server's certificate is for \"{}\"", names.join("\", \""))?,
        }
        write!(f, " and not for \"{}\"", self.wanted)
    }
}

impl std::error::Error for NameMismatch {}

/// The issuer is not among the trusted ones.
#[derive(Clone, Debug)]
pub(super) struct IssuerUnknown {
    pub(super) issuer: String,
    pub(super) is_self_signed: bool,
}

impl fmt::Display for IssuerUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_self_signed {
            write!(f, "the server's certificate is signed by itself and not among the trusted ones")
        } else {
            write!(
                f,
                "the server's certificate is signed by \"{}\", which is not trusted",
                self.issuer
            )
        }
    }
}

impl std::error::Error for IssuerUnknown {}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

impl Trust {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let chain =
            self.chains.verify_server_cert(end_entity, intermediates, server_name, &[], now);
        let Err(error) = chain else { return Ok(()) };
        let Some(certificate) = Certificate::parse(end_entity) else { return Err(error) };
        match &error {
            // Reported only after the chain was found good.
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => {}
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                return Err(issuer_unknown(&certificate));
            }
            _ if self.is_exception(&certificate, end_entity, algorithms) => {
                check_time(&certificate, now)?;
            }
            // What keeps webpki from looking further is not what keeps it from being trusted.
            Error::InvalidCertificate(CertificateError::Other(_))
                if !self.has_revocation_lists
                    && (certificate.is_self_issued() || certificate.is_version_1()) =>
            {
                return Err(issuer_unknown(&certificate));
            }
            _ => return Err(error),
        }
        let wanted = server_name.to_str();
        if !self.checks_name || certificate.is_for_host(&wanted) {
            return Ok(());
        }
        Err(other(NameMismatch { wanted: wanted.into_owned(), names: certificate.names() }))
    }

    /// Whether this is one of the two kinds that OpenSSL takes and webpki does not.
    fn is_exception(
        &self,
        certificate: &Certificate<'_>,
        der: &CertificateDer<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> bool {
        if self.has_revocation_lists {
            return false;
        }
        if certificate.is_self_issued() && self.roots.iter().any(|root| root == der) {
            return true;
        }
        certificate.is_version_1()
            && self
                .roots
                .iter()
                .filter_map(|root| Certificate::parse(root))
                .any(|root| certificate.is_signed_by(&root, algorithms.all))
    }
}

fn issuer_unknown(certificate: &Certificate<'_>) -> Error {
    other(IssuerUnknown {
        issuer: certificate.issuer(),
        is_self_signed: certificate.is_self_issued(),
    })
}

fn check_time(certificate: &Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let seconds = i64::try_from(now.as_secs()).ok();
    let now: Option<DateTime<Utc>> = seconds.and_then(|s| DateTime::from_timestamp(s, 0));
    let (Some(now), Some(from), Some(until)) =
        (now, certificate.not_before(), certificate.not_after())
    else {
        return Err(CertificateError::BadEncoding.into());
    };
    let unix = |time: DateTime<Utc>| {
        let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    };
    if now > until {
        let (time, not_after) = (unix(now), unix(until));
        return Err(CertificateError::ExpiredContext { time, not_after }.into());
    }
    if now < from {
        let (time, not_before) = (unix(now), unix(from));
        return Err(CertificateError::NotValidYetContext { time, not_before }.into());
    }
    Ok(())
}

impl Verifier {
    /// Whether webpki cannot even read the certificate, as with version 1.
    fn needs_raw_key(error: &Error) -> bool {
        matches!(
            error,
            Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::BadEncoding)
        )
    }

    /// TLS 1.2 does not say which algorithm of a scheme was used: any that fits the key is
    /// tried, as [`verify_tls12_signature`] does.
    fn verify_tls12_by_key(
        &self,
        message: &[u8],
        certificate: &Certificate<'_>,
        signature: &DigitallySignedStruct,
    ) -> Option<HandshakeSignatureValid> {
        let (_, key) = certificate.public_key()?;
        let (_, candidates) =
            self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme)?;
        let is_good = candidates.iter().any(|algorithm| {
            certificate.key_fits(*algorithm)
                && algorithm.verify_signature(key, message, signature.signature()).is_ok()
        });
        is_good.then(HandshakeSignatureValid::assertion)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trust) = &self.trust {
            trust.verify(end_entity, intermediates, server_name, now, &self.algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls12_signature(message, cert, dss, &self.algorithms);
        match (verified, Certificate::parse(cert)) {
            (Err(error), Some(certificate)) if Self::needs_raw_key(&error) => {
                let by_key = self.verify_tls12_by_key(message, &certificate, dss);
                by_key.ok_or_else(|| CertificateError::BadSignature.into())
            }
            (verified, _) => verified,
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls13_signature(message, cert, dss, &self.algorithms);
        match (verified, Certificate::parse(cert)) {
            (Err(error), Some(certificate)) if Self::needs_raw_key(&error) => {
                let key = certificate.public_key().map(|(info, _)| info);
                let key = key.ok_or(Error::from(CertificateError::BadEncoding))?;
                let key = SubjectPublicKeyInfoDer::from(key);
                verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms)
            }
            (verified, _) => verified,
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

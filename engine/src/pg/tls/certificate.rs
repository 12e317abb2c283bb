//! What a certificate says: its names, its time, who signed it. Knows no files and no sockets.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use rustls::pki_types::SignatureVerificationAlgorithm;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::time::Time;

/// `id-at-commonName`, RFC 5280 appendix A.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// A parsed certificate.
pub(super) struct Certificate<'a> {
    der: &'a [u8],
    parsed: x509_cert::Certificate,
}

/// A name a server may go by, from `subjectAltName`.
enum AltName {
    Dns(String),
    Ip(IpAddr),
}

impl<'a> Certificate<'a> {
    /// `None` when it is no X.509 certificate.
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        Some(Self { der, parsed: x509_cert::Certificate::from_der(der).ok()? })
    }

    /// Whether it is of X.509 version 1, which has no extensions.
    pub(super) fn is_version_1(&self) -> bool {
        self.parsed.tbs_certificate.version == Version::V1
    }

    /// Whether issuer and subject are the same.
    pub(super) fn is_self_issued(&self) -> bool {
        self.parsed.tbs_certificate.issuer == self.parsed.tbs_certificate.subject
    }

    /// From when it is valid.
    pub(super) fn not_before(&self) -> Option<DateTime<Utc>> {
        utc(self.parsed.tbs_certificate.validity.not_before)
    }

    /// Until when it is valid.
    pub(super) fn not_after(&self) -> Option<DateTime<Utc>> {
        utc(self.parsed.tbs_certificate.validity.not_after)
    }

    /// The issuer as one line, such as `CN=Example CA,O=Example`.
    pub(super) fn issuer(&self) -> String {
        self.parsed.tbs_certificate.issuer.to_string()
    }

    /// The public key's structure and its bits.
    pub(super) fn public_key(&self) -> Option<(Vec<u8>, &[u8])> {
        let info = &self.parsed.tbs_certificate.subject_public_key_info;
        Some((info.to_der().ok()?, info.subject_public_key.as_bytes()?))
    }

    /// Whether an algorithm fits this certificate's public key.
    pub(super) fn key_fits(&self, algorithm: &dyn SignatureVerificationAlgorithm) -> bool {
        let info = &self.parsed.tbs_certificate.subject_public_key_info;
        let wanted = algorithm.public_key_alg_id();
        info.algorithm.to_der().is_ok_and(|der| der == sequence(wanted.as_ref()))
    }

    /// Whether `issuer` may sign others and has signed this certificate.
    pub(super) fn is_signed_by(
        &self,
        issuer: &Certificate<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        let constraints = issuer.parsed.tbs_certificate.get::<BasicConstraints>();
        let may_sign = match constraints {
            Ok(None) => true,
            Ok(Some((_, constraints))) => constraints.ca,
            Err(_) => false,
        };
        let named = issuer.parsed.tbs_certificate.subject == self.parsed.tbs_certificate.issuer;
        if !may_sign || !named {
            return false;
        }
        let (Some(signed), Some(signature), Some((_, key)), Ok(algorithm_der)) = (
            self.signed_bytes(),
            self.parsed.signature.as_bytes(),
            issuer.public_key(),
            self.parsed.signature_algorithm.to_der(),
        ) else {
            return false;
        };
        algorithms.iter().any(|algorithm| {
            algorithm_der == sequence(algorithm.signature_alg_id().as_ref())
                && issuer.key_fits(*algorithm)
                && algorithm.verify_signature(key, signed, signature).is_ok()
        })
    }

    /// The bytes that the signature covers, exactly as they were sent.
    fn signed_bytes(&self) -> Option<&'a [u8]> {
        let mut reader = SliceReader::new(self.der).ok()?;
        let parts = reader.sequence(|parts| {
            let signed = parts.tlv_bytes()?;
            parts.tlv_bytes()?;
            parts.tlv_bytes()?;
            Ok(signed)
        });
        parts.ok()
    }

    fn alt_names(&self) -> Vec<AltName> {
        let Ok(Some((_, names))) = self.parsed.tbs_certificate.get::<SubjectAltName>() else {
            return Vec::new();
        };
        let name = |name: GeneralName| match name {
            GeneralName::DnsName(name) => Some(AltName::Dns(name.to_string())),
            GeneralName::IpAddress(octets) => {
                let four = <[u8; 4]>::try_from(octets.as_bytes()).map(IpAddr::from);
                let sixteen = <[u8; 16]>::try_from(octets.as_bytes()).map(IpAddr::from);
                four.or(sixteen).ok().map(AltName::Ip)
            }
            _ => None,
        };
        names.0.into_iter().filter_map(name).collect()
    }

    fn common_name(&self) -> Option<String> {
        let parts = self.parsed.tbs_certificate.subject.0.iter();
        let mut attributes = parts.flat_map(|part| part.0.iter());
        let found = attributes.find(|attribute| attribute.oid == COMMON_NAME)?;
        Some(String::from_utf8_lossy(found.value.value()).into_owned())
    }

    /// Whether it is for this host, by libpq's rules.
    ///
    /// The common name counts only without a `subjectAltName` of the host's own kind; a
    /// wildcard stands for one whole first label. Source:
    /// `pgtls_verify_peer_name_matches_certificate_guts()` in `fe-secure-openssl.c` and
    /// `pq_verify_peer_name_matches_certificate_name()` in `fe-secure-common.c` of 15 and later.
    pub(super) fn is_for_host(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        let names = self.alt_names();
        let matches = names.iter().any(|name| match name {
            AltName::Dns(name) => name_matches(name, host),
            AltName::Ip(ip) => address == Some(*ip),
        });
        let same_kind = names.iter().any(|name| match name {
            AltName::Dns(_) => address.is_none(),
            AltName::Ip(_) => address.is_some(),
        });
        matches || !same_kind && self.common_name().is_some_and(|name| name_matches(&name, host))
    }

    /// The names it is for, as a message lists them.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .alt_names()
            .into_iter()
            .map(|name| match name {
                AltName::Dns(name) => name,
                AltName::Ip(address) => address.to_string(),
            })
            .collect();
        if names.is_empty() {
            names.extend(self.common_name());
        }
        names
    }
}

fn utc(time: Time) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
    DateTime::from_timestamp(seconds, 0)
}

/// An algorithm's content as the structure it stands in; all known ones are below 128 bytes.
fn sequence(content: &[u8]) -> Vec<u8> {
    let mut der = vec![0x30, u8::try_from(content.len()).unwrap_or(u8::MAX)];
    der.extend_from_slice(content);
    der
}

/// Whether a certificate's name covers a host.
fn name_matches(pattern: &str, host: &str) -> bool {
    if pattern.contains('\0') {
        return false;
    }
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix('*') else { return false };
    // "*." alone, or a wildcard that would have to span a dot, covers nothing.
    match host.split_once('.') {
        Some((first, rest)) => {
            suffix.len() > 1
                && !first.is_empty()
                && suffix.strip_prefix('.').is_some_and(|tail| tail.eq_ignore_ascii_case(rest))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_libpq() {
        for (pattern, host, expected) in [
            ("db1", "db1", true),
            ("DB1.Example", "db1.example", true),
            ("*.example", "db1.example", true),
            ("*.EXAMPLE", "db1.example", true),
            ("*.example", "a.db1.example", false),
            ("*.example", ".example", false),
            ("*.example", "example", false),
            ("*", "db1", false),
            ("*.", "db1.", false),
            ("d*.example", "db1.example", false),
            ("db1\0.example", "db1", false),
            ("10.0.0.1", "10.0.0.1", true),
        ] {
            assert_eq!(name_matches(pattern, host), expected, "{pattern} {host}");
        }
    }

    fn certificate(common_name: &str, alt_names: &[&str]) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = alt_names.iter().map(|&name| name.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_counts_only_without_names_of_its_kind() {
        for (common_name, alt_names, host, expected) in [
            ("db1", &[][..], "db1", true),
            ("10.0.0.1", &[], "10.0.0.1", true),
            ("db1", &["db2"], "db1", false),
            ("db1", &["db2"], "db2", true),
            ("db1", &["10.0.0.1"], "db1", true),
            ("10.0.0.2", &["10.0.0.1"], "10.0.0.2", false),
            ("10.0.0.2", &["db2"], "10.0.0.2", true),
            ("x", &["::1"], "::1", true),
            ("x", &["::1"], "0:0::1", true),
            ("x", &["db1", "*.db.example"], "a.db.example", true),
        ] {
            let der = certificate(common_name, alt_names);
            let certificate = Certificate::parse(&der).unwrap();
            assert_eq!(
                certificate.is_for_host(host),
                expected,
                "{common_name} {alt_names:?} {host}"
            );
        }
    }

    #[test]
    fn names_for_people() {
        let der = certificate("db1", &["db2", "10.0.0.1"]);
        assert_eq!(Certificate::parse(&der).unwrap().names(), ["db2", "10.0.0.1"]);
        let der = certificate("db1", &[]);
        assert_eq!(Certificate::parse(&der).unwrap().names(), ["db1"]);
        assert!(Certificate::parse(b"nonsense").is_none());
    }
}

//! Certificates for a server of a test: an authority, the server's own, clients'.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

/// A certificate authority of its own and a server certificate it has issued.
pub struct TlsMaterial {
    authority: CertifiedIssuer<'static, KeyPair>,
    server: Certificate,
}

impl TlsMaterial {
    /// An authority, and a server certificate for these host names and IP addresses.
    #[must_use]
    pub fn generate(hosts: &[&str]) -> Self {
        Self::build(hosts, None)
    }

    /// The same with a server certificate that has been invalid since the start of 2001.
    #[must_use]
    pub fn generate_expired(hosts: &[&str]) -> Self {
        Self::build(hosts, Some((2000, 2001)))
    }

    /// The authority's certificate, for `sslrootcert`.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    /// The server's certificate and key.
    #[must_use]
    pub fn server(&self) -> &Certificate {
        &self.server
    }

    /// A certificate for a role, for the authentication method `cert`.
    #[must_use]
    pub fn issue_client(&self, role: &str) -> Certificate {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.distinguished_name.push(DnType::CommonName, role);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        issue(&params, &self.authority)
    }

    fn build(hosts: &[&str], years: Option<(i32, i32)>) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.distinguished_name.push(DnType::CommonName, "pgdeck test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let authority = CertifiedIssuer::self_signed(params, key).expect("the authority is valid");

        let names: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the host names are valid");
        params.distinguished_name.push(DnType::CommonName, hosts.first().copied().unwrap_or("-"));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        if let Some((from, to)) = years {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        }
        let server = issue(&params, &authority);
        Self { authority, server }
    }
}

fn issue(params: &CertificateParams, authority: &CertifiedIssuer<'static, KeyPair>) -> Certificate {
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.signed_by(&key, authority).expect("the authority can sign");
    Certificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
}

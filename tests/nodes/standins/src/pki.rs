//! Certificates: reading, issuing as kubeadm does, and kubeconfig files.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::host;

/// A certificate and its private key, both PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

/// What a certificate says, without its key and its dates.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    pub cn: String,
    pub org: Vec<String>,
    pub dns: Vec<String>,
    pub ips: Vec<String>,
    pub server: bool,
    pub client: bool,
}

/// DER of the first certificate in PEM text.
pub fn der(pem: &str) -> Result<Vec<u8>> {
    let begin = "-----BEGIN CERTIFICATE-----";
    let start = pem
        .find(begin)
        .ok_or_else(|| anyhow!("no certificate in the PEM text"))?
        + begin.len();
    let end = pem[start..]
        .find("-----END CERTIFICATE-----")
        .ok_or_else(|| anyhow!("a certificate without an end"))?;
    let body: String = pem[start..start + end].split_whitespace().collect();
    STANDARD.decode(body).context("base64 of a certificate")
}

/// First and last second of a certificate's life.
pub fn validity(der: &[u8]) -> Result<(OffsetDateTime, OffsetDateTime)> {
    let (_, cert) = X509Certificate::from_der(der).map_err(|e| anyhow!("{e}"))?;
    let at = |t: i64| OffsetDateTime::from_unix_timestamp(t).context("a date outside of time");
    Ok((
        at(cert.validity().not_before.timestamp())?,
        at(cert.validity().not_after.timestamp())?,
    ))
}

/// Reads subject, alternative names and usages, to be copied into a new certificate.
pub fn spec_of(der: &[u8]) -> Result<Spec> {
    let (_, cert) = X509Certificate::from_der(der).map_err(|e| anyhow!("{e}"))?;
    let texts = |i: &mut dyn Iterator<Item = &x509_parser::x509::AttributeTypeAndValue>| {
        i.filter_map(|a| a.as_str().ok().map(str::to_owned)).collect::<Vec<_>>()
    };
    let mut spec = Spec {
        cn: texts(&mut cert.subject().iter_common_name())
            .into_iter()
            .next()
            .unwrap_or_default(),
        org: texts(&mut cert.subject().iter_organization()),
        ..Spec::default()
    };
    if let Ok(Some(san)) = cert.subject_alternative_name() {
        for name in &san.value.general_names {
            match name {
                GeneralName::DNSName(n) => spec.dns.push((*n).to_owned()),
                GeneralName::IPAddress(b) if b.len() == 4 => {
                    spec.ips
                        .push(std::net::Ipv4Addr::new(b[0], b[1], b[2], b[3]).to_string());
                }
                _ => {}
            }
        }
    }
    if let Ok(Some(eku)) = cert.extended_key_usage() {
        spec.server = eku.value.server_auth;
        spec.client = eku.value.client_auth;
    }
    Ok(spec)
}

/// Signs a new key for `spec` with the CA.
pub fn issue(spec: &Spec, ca: &Pair, from: OffsetDateTime, until: OffsetDateTime) -> Result<Pair> {
    let key = KeyPair::generate()?;
    let issuer = Issuer::from_ca_cert_pem(&ca.cert, KeyPair::from_pem(&ca.key)?)?;
    let cert = params(spec, from, until)?.signed_by(&key, &issuer)?;
    Ok(Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}

fn params(spec: &Spec, from: OffsetDateTime, until: OffsetDateTime) -> Result<CertificateParams> {
    let mut p = CertificateParams::default();
    p.distinguished_name = name(&spec.cn, &spec.org);
    p.not_before = from;
    p.not_after = until;
    p.serial_number = Some(SerialNumber::from_slice(&serial()));
    p.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    p.use_authority_key_identifier_extension = true;
    if spec.server {
        p.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if spec.client {
        p.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    for n in &spec.dns {
        p.subject_alt_names.push(SanType::DnsName(n.as_str().try_into()?));
    }
    for ip in &spec.ips {
        p.subject_alt_names.push(SanType::IpAddress(ip.parse()?));
    }
    Ok(p)
}

fn name(cn: &str, org: &[String]) -> DistinguishedName {
    let mut dn = DistinguishedName::new();
    for o in org {
        dn.push(DnType::OrganizationName, o.as_str());
    }
    dn.push(DnType::CommonName, cn);
    dn
}

fn serial() -> Vec<u8> {
    let hex = host::random_hex(16);
    let mut bytes: Vec<u8> = (0..8)
        .filter_map(|i| hex.get(2 * i..2 * i + 2).and_then(|b| u8::from_str_radix(b, 16).ok()))
        .collect();
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    bytes
}

/// A self-signed certificate authority.
pub fn authority(cn: &str, from: OffsetDateTime, until: OffsetDateTime) -> Result<Pair> {
    let key = KeyPair::generate()?;
    let cert = authority_params(cn, from, until).self_signed(&key)?;
    Ok(Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}

/// The same authority with the same key and other dates.
pub fn redated_authority(cn: &str, key: &str, from: OffsetDateTime, until: OffsetDateTime) -> Result<String> {
    Ok(authority_params(cn, from, until)
        .self_signed(&KeyPair::from_pem(key)?)?
        .pem())
}

fn authority_params(cn: &str, from: OffsetDateTime, until: OffsetDateTime) -> CertificateParams {
    let mut p = CertificateParams::default();
    p.distinguished_name = name(cn, &[]);
    p.not_before = from;
    p.not_after = until;
    p.serial_number = Some(SerialNumber::from_slice(&[0]));
    p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    p.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    p
}

/// A self-signed server certificate as a component makes it in memory.
pub fn self_signed(node: &str) -> Result<Pair> {
    let key = KeyPair::generate()?;
    let spec = Spec {
        cn: format!("{node}@{}", host::now().unix_timestamp()),
        dns: vec![node.to_owned(), "localhost".to_owned()],
        ips: vec!["127.0.0.1".to_owned()],
        server: true,
        ..Spec::default()
    };
    let from = host::now() - Duration::hours(1);
    let cert = params(&spec, from, from + Duration::days(365))?.self_signed(&key)?;
    Ok(Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}

/// Reads a certificate and its key from two files.
pub fn read(cert: &str, key: &str) -> Result<Pair> {
    let text = |p: &str| fs::read_to_string(p).with_context(|| format!("open {p}"));
    Ok(Pair {
        cert: text(cert)?,
        key: text(key)?,
    })
}

/// Writes `text` with `mode`, replacing the file.
pub fn write(path: impl AsRef<Path>, text: &str, mode: u32) -> Result<()> {
    let path = path.as_ref();
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .with_context(|| format!("write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// What a component needs of a kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubeconfig {
    pub server: String,
    pub ca: String,
    pub client: Pair,
}

/// Reads the first cluster and user of a kubeconfig.
pub fn kubeconfig(path: &str) -> Result<Kubeconfig> {
    let text = fs::read_to_string(path).with_context(|| format!("stat {path}"))?;
    let value = |key: &str| {
        text.lines().find_map(|l| {
            l.trim()
                .trim_start_matches("- ")
                .strip_prefix(key)?
                .strip_prefix(':')
                .map(str::trim)
        })
    };
    let decode = |key: &str| -> Result<String> {
        let data = value(key).ok_or_else(|| anyhow!("{path} has no {key}"))?;
        Ok(String::from_utf8(STANDARD.decode(data)?)?)
    };
    let client = match value("client-certificate") {
        Some(file) => read(file, value("client-key").unwrap_or(file))?,
        None => Pair {
            cert: decode("client-certificate-data")?,
            key: decode("client-key-data")?,
        },
    };
    let server = value("server")
        .ok_or_else(|| anyhow!("{path} has no server"))?
        .to_owned();
    Ok(Kubeconfig {
        server,
        ca: decode("certificate-authority-data")?,
        client,
    })
}

/// The text of a kubeconfig with everything inside.
pub fn kubeconfig_text(server: &str, ca: &str, user: &str, client: &Pair) -> String {
    let inside = format!(
        "    client-certificate-data: {}\n    client-key-data: {}\n",
        STANDARD.encode(&client.cert),
        STANDARD.encode(&client.key)
    );
    kubeconfig_shape(server, ca, user, &inside)
}

/// The text of kubelet.conf: the certificate is in a file that rotates.
pub fn kubelet_conf_text(server: &str, ca: &str, node: &str) -> String {
    let pem = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let inside = format!("    client-certificate: {pem}\n    client-key: {pem}\n");
    kubeconfig_shape(server, ca, &format!("system:node:{node}"), &inside)
}

fn kubeconfig_shape(server: &str, ca: &str, user: &str, inside: &str) -> String {
    let ca = STANDARD.encode(ca);
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: {server}\n  \
         name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    user: {user}\n  name: \
         {user}@kubernetes\ncurrent-context: {user}@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n- name: \
         {user}\n  user:\n{inside}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_what_it_was_asked_to_say() {
        let now = host::now();
        let ca = authority("kubernetes", now - Duration::days(1), now + Duration::days(1)).unwrap();
        let asked = Spec {
            cn: "system:node:m1".to_owned(),
            org: vec!["system:nodes".to_owned()],
            dns: vec!["m1".to_owned()],
            ips: vec!["10.0.0.1".to_owned()],
            server: false,
            client: true,
        };
        let pair = issue(&asked, &ca, now - Duration::hours(1), now + Duration::hours(1)).unwrap();
        let said = spec_of(&der(&pair.cert).unwrap()).unwrap();
        assert_eq!(
            (said.cn, said.org, said.dns, said.ips),
            (asked.cn, asked.org, asked.dns, asked.ips)
        );
        assert!(said.client && !said.server);
        let (_, until) = validity(&der(&pair.cert).unwrap()).unwrap();
        assert_eq!(until.unix_timestamp(), (now + Duration::hours(1)).unix_timestamp());
    }

    #[test]
    fn a_redated_authority_still_signs_for_its_children() {
        let now = host::now();
        let ca = authority("kubernetes", now - Duration::days(9), now + Duration::days(9)).unwrap();
        let child = issue(
            &Spec {
                cn: "a".to_owned(),
                client: true,
                ..Spec::default()
            },
            &ca,
            now - Duration::days(1),
            now + Duration::days(1),
        )
        .unwrap();
        let old = redated_authority("kubernetes", &ca.key, now - Duration::days(9), now - Duration::hours(1)).unwrap();
        let fresh = crate::tls::authenticate(&der(&child.cert).unwrap(), &ca.cert);
        assert_eq!(fresh.unwrap(), "a");
        let refused = crate::tls::authenticate(&der(&child.cert).unwrap(), &old).unwrap_err();
        assert!(matches!(refused, crate::tls::Failure::Expired { .. }), "{refused:?}");
    }
}

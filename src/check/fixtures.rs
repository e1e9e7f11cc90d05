//! Inspections for tests: a master as kubeadm leaves it, to be damaged by each test in its own way.

use jiff::Timestamp;

use crate::model::certificate::CertificateState;
use crate::model::facts::{Clock, ContainerFacts};
use crate::model::{CertificateFact, HostFacts, KeyMatch, Role, X509Facts};
use crate::probes::fixtures::at;
use crate::probes::served::{Endpoint, ServedAnswer, ServedCertificate, Server};
use crate::probes::surroundings::{CopyFacts, KubeletSettings, Surroundings, TokenFacts};

use super::inspection::{FleetInspection, Handshake, Inspection, Via};

pub(super) const NOW: &str = "2020-08-09T14:00:00Z";
pub(super) const RENEWED: &str = "2020-03-16T10:00:00Z";
pub(super) const GOOD: &str = "2021-03-16T10:00:00Z";
/// Two hours ago.
pub(super) const ENDED: &str = "2020-08-09T12:00:00Z";

pub(super) fn now() -> Timestamp {
    at(NOW)
}

pub(super) fn x509(name: &str, serial: &str, not_before: &str, not_after: &str) -> X509Facts {
    let authority = matches!(name, "ca" | "etcd-ca" | "front-proxy-ca");
    let signer = match name {
        "kubelet-serving" | "ca" | "etcd-ca" | "front-proxy-ca" => None,
        "front-proxy-client" => Some("front-proxy-ca"),
        n if n.starts_with("etcd") || n == "apiserver-etcd-client" => Some("etcd-ca"),
        _ => Some("ca"),
    };
    X509Facts {
        subject: format!("CN={name}"),
        issuer: format!("CN={}", signer.unwrap_or(name)),
        serial: serial.to_owned(),
        not_before: at(not_before),
        not_after: at(not_after),
        sha256: format!("{name}-{serial}"),
        sans: Vec::new(),
        is_ca: authority,
        signed_by: signer.map(str::to_owned),
    }
}

/// As kubeadm lays them out.
fn path(name: &str) -> String {
    match name.strip_prefix("etcd-") {
        _ if name.contains(".conf") => format!("/etc/kubernetes/{name}"),
        Some(member) => format!("/etc/kubernetes/pki/etcd/{member}.crt"),
        None => format!("/etc/kubernetes/pki/{name}.crt"),
    }
}

pub(super) fn file(x509: X509Facts, name: &str) -> CertificateFact {
    CertificateFact {
        name: name.to_owned(),
        path: path(name),
        state: CertificateState::Present(Box::new(x509)),
        modified: Some(at(RENEWED)),
        key: KeyMatch::Match,
    }
}

/// A healthy master: renewed in March, restarted in April.
pub(super) fn master(name: &str, number: u8) -> Inspection {
    let address = format!("10.0.0.{number}");
    let mut facts = HostFacts::unknown(name.into());
    facts.hostname = Some(name.to_owned());
    facts.advertise_address = Some(address.clone());
    facts.ca_key = Some(true);
    facts.root = Some(true);
    facts.clock = Some(Clock {
        offset_ms: 0,
        uncertainty_ms: 5,
    });
    facts.static_pods = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
        .map(str::to_owned)
        .to_vec();
    let leaf = |n: &str| file(x509(n, &format!("{number}2"), RENEWED, GOOD), n);
    facts.certificates = [
        "apiserver",
        "controller-manager.conf",
        "scheduler.conf",
        "admin.conf",
        "etcd-server",
    ]
    .map(leaf)
    .to_vec();
    for authority in ["ca", "etcd-ca"] {
        facts.certificates.push(file(
            x509(authority, "0", "2019-01-01T00:00:00Z", "2029-01-01T00:00:00Z"),
            authority,
        ));
    }
    for certificate in &mut facts.certificates {
        if let (CertificateState::Present(x), "apiserver" | "etcd-server") =
            (&mut certificate.state, certificate.name.as_str())
        {
            x.sans = vec![
                name.to_owned(),
                "kubernetes".to_owned(),
                "10.96.0.1".to_owned(),
                address.clone(),
            ];
        }
    }
    facts.containers = facts
        .static_pods
        .iter()
        .map(|p| container(p, "2020-04-01T00:00:00Z"))
        .collect();
    let handshakes = vec![served(
        Server::ApiServer,
        6443,
        ServedAnswer::Certificate(Box::new(x509("apiserver", &format!("{number}2"), RENEWED, GOOD))),
    )];
    Inspection {
        role: Role::ControlPlane,
        address: address.clone(),
        cert_dir: "/etc/kubernetes/pki".to_owned(),
        facts,
        handshakes,
        surroundings: Some(Surroundings {
            addresses: vec!["127.0.0.1".to_owned(), address],
            kubelet: KubeletSettings {
                rotates: Some(true),
                requests_serving: Some(false),
            },
            ..Surroundings::default()
        }),
        journal: None,
    }
}

pub(super) fn container(name: &str, started: &str) -> ContainerFacts {
    ContainerFacts {
        name: name.to_owned(),
        id: format!("{name}-1"),
        started: Some(at(started)),
    }
}

pub(super) fn served(server: Server, port: u16, answer: ServedAnswer) -> Handshake {
    let endpoint = Endpoint {
        server,
        address: "127.0.0.1".to_owned(),
        port,
    };
    Handshake {
        served: ServedCertificate { endpoint, answer },
        via: Via::Tunnel,
    }
}

/// The certificate that was loaded long ago.
pub(super) fn old_api(not_after: &str) -> ServedAnswer {
    ServedAnswer::Certificate(Box::new(x509("apiserver", "1", "2019-08-09T12:00:00Z", not_after)))
}

pub(super) fn fleet(hosts: Vec<Inspection>) -> FleetInspection {
    FleetInspection {
        cluster: "prod".to_owned(),
        at: now(),
        hosts,
        requests: None,
        typha: Vec::new(),
        marked: Vec::new(),
    }
}

/// The seed with everything else that can be seen: workers behind a VIP, a dead host, a token, an old copy, a clock.
pub(crate) fn evening() -> FleetInspection {
    let mut fleet = seed();
    for number in 1..=3_u8 {
        let mut worker = master(&format!("worker0{number}"), 10 + number);
        worker.role = Role::Worker;
        worker.facts.certificates = vec![file(x509("kubelet-client", "7", RENEWED, GOOD), "kubelet-client")];
        worker.facts.containers = Vec::new();
        worker.handshakes = vec![served(Server::Endpoint, 8443, old_api(ENDED))];
        fleet.hosts.push(worker);
    }
    let token = TokenFacts {
        path: "/etc/cni/net.d/calico-kubeconfig".to_owned(),
        expires: Some(at(ENDED)),
        issued: None,
    };
    let copy = CopyFacts {
        source: "root".to_owned(),
        path: "/root/.kube/config".to_owned(),
        state: CertificateState::Present(Box::new(x509("admin.conf", "1", "2019-08-09T00:00:00Z", ENDED))),
        modified: None,
    };
    if let Some(around) = &mut fleet.hosts[3].surroundings {
        around.tokens.push(token);
    }
    if let Some(around) = &mut fleet.hosts[0].surroundings {
        around.copies.push(copy);
    }
    let gone = HostFacts::unreachable("worker04".into(), "connection refused at 10.0.0.14:22");
    fleet.hosts.push(Inspection {
        facts: gone,
        ..fleet.hosts[3].clone()
    });
    fleet
}

/// The seed: files of March, processes of last year, what they serve ended two hours ago.
pub(super) fn seed() -> FleetInspection {
    let hosts = (1..=3).map(|number| {
        let mut host = master(&format!("m{number}"), number);
        for container in &mut host.facts.containers {
            container.started = Some(at("2019-08-09T12:00:00Z"));
        }
        host.handshakes = vec![served(Server::ApiServer, 6443, old_api(ENDED))];
        host
    });
    fleet(hosts.collect())
}

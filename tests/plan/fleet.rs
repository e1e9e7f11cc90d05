//! Small fleets made by hand: healthy hosts to which a test does one thing.

use std::collections::BTreeMap;

use certfleet::config::{load_playbook, parse_playbook};
use certfleet::model::certificate::RENEWABLE;
use certfleet::model::facts::{ContainerFacts, KubeVersion};
use certfleet::model::{
    BecomeSettings, CertificateFact, CertificateInUse, CertificateState, Clock, Health, Host, HostFacts, HostName,
    Inventory, KeyMatch, KubernetesSettings, LiveFacts, NodeObject, Playbook, Role, RuntimeKind, SshSettings,
    UnitFacts, Use, X509Facts,
};
use certfleet::plan::{Choice, Plan, PlanInput, Severity, Strategy, choose, plan, plan_chosen};
use jiff::{Timestamp, ToSpan};

pub(crate) struct Fleet {
    pub(crate) inventory: Inventory,
    pub(crate) facts: BTreeMap<HostName, HostFacts>,
}

pub(crate) fn now() -> Timestamp {
    "2020-11-22T19:00:00Z".parse().expect("a time")
}

pub(crate) fn built_in(name: &str) -> Playbook {
    load_playbook(name).expect("built in")
}

/// A playbook of one test.
pub(crate) fn written(phases: &str) -> Playbook {
    parse_playbook(&format!("name: test\ndescription: a test\nphases:\n{phases}"), "test")
        .unwrap_or_else(|e| panic!("{e}"))
}

/// As kubeadm lays them out.
fn path(name: &str) -> String {
    let file = match name.strip_prefix("etcd-") {
        Some(member) => format!("etcd/{member}"),
        None => name.to_owned(),
    };
    format!("/etc/kubernetes/pki/{file}.crt")
}

fn certificate(name: &str, days: i64) -> CertificateFact {
    let not_after = now() + (days * 24).hours();
    CertificateFact {
        name: name.to_owned(),
        path: path(name),
        state: CertificateState::Present(Box::new(X509Facts {
            subject: format!("CN={name}"),
            issuer: "CN=kubernetes".to_owned(),
            serial: "1a".to_owned(),
            not_before: not_after - (365 * 24).hours(),
            not_after,
            sha256: String::new(),
            sans: Vec::new(),
            is_ca: name.ends_with("ca"),
            signed_by: Some("ca".to_owned()),
        })),
        modified: None,
        key: KeyMatch::Match,
    }
}

fn facts_of(name: &str, role: Role) -> HostFacts {
    let up = UnitFacts {
        load: "loaded".to_owned(),
        active: "active".to_owned(),
        sub: "running".to_owned(),
        active_since_us: 7_000_000,
        main_pid: 100,
        restarts: Some(0),
    };
    let units = ["kubelet.service", "containerd.service"].map(|u| (u.to_owned(), up.clone()));
    let mut facts = HostFacts {
        root: Some(true),
        clock: Some(Clock {
            offset_ms: 0,
            uncertainty_ms: 5,
        }),
        units: units.into_iter().collect(),
        runtime: Some(RuntimeKind::Containerd),
        kubeadm_version: Some(KubeVersion::minor(24)),
        disk_free: Some(1 << 33),
        certificates: vec![certificate("kubelet-client", 200)],
        hostname: Some(name.to_owned()),
        kubelet_server: Some("https://10.0.0.1:6443".to_owned()),
        ..HostFacts::unknown(name.into())
    };
    if role == Role::ControlPlane {
        let components = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
        facts.static_pods = components.map(str::to_owned).to_vec();
        facts.containers = components.iter().map(|c| container(name, c)).collect();
        facts.ca_key = Some(true);
        let leaves = RENEWABLE.iter().filter(|n| **n != "super-admin.conf");
        facts.certificates.extend(leaves.map(|n| certificate(n, 20)));
        facts
            .certificates
            .extend(["ca", "etcd-ca", "front-proxy-ca"].map(|n| certificate(n, 3000)));
    }
    facts
}

fn container(host: &str, name: &str) -> ContainerFacts {
    ContainerFacts {
        name: name.to_owned(),
        id: format!("{host}-{name}"),
        started: None,
    }
}

fn live(master: bool, speaker: bool) -> LiveFacts {
    let row = |process: &str, certificate: &str| CertificateInUse {
        process: process.to_owned(),
        certificate: certificate.to_owned(),
        state: Use::Current,
        served_until: Some(now() + (20 * 24).hours()),
    };
    let yes = |applies: bool| applies.then_some(Health::Well);
    let in_use = vec![row("kube-apiserver", "apiserver"), row("etcd", "etcd-server")];
    LiveFacts {
        in_use: if master { in_use } else { Vec::new() },
        api: yes(master),
        etcd: yes(master),
        endpoint: yes(true),
        node: yes(true),
        network: yes(speaker),
        requests: yes(speaker),
        etcd_elsewhere: Vec::new(),
        object: None,
    }
}

impl Fleet {
    /// `m1` …, `w1` …: all well, on containerd, with certificates that end in 20 days.
    pub(crate) fn new(masters: usize, workers: usize) -> Self {
        let masters = (1..=masters).map(|n| (format!("m{n}"), Role::ControlPlane));
        let named: Vec<(String, Role)> = masters
            .chain((1..=workers).map(|n| (format!("w{n}"), Role::Worker)))
            .collect();
        let host = |(name, role): &(String, Role)| Host {
            name: name.as_str().into(),
            address: name.clone(),
            role: *role,
            ssh: SshSettings::default(),
            r#become: BecomeSettings::default(),
            kubernetes: KubernetesSettings::default(),
        };
        Self {
            inventory: Inventory {
                cluster: "test".to_owned(),
                hosts: named.iter().map(host).collect(),
            },
            facts: named
                .iter()
                .map(|(n, role)| (n.as_str().into(), facts_of(n, *role)))
                .collect(),
        }
    }

    /// Changes what was found on a host.
    pub(crate) fn with(mut self, host: &str, change: impl FnOnce(&mut HostFacts)) -> Self {
        change(self.facts.get_mut(&HostName::from(host)).expect("a host of the fleet"));
        self
    }

    /// Another end of a certificate, in days from now.
    pub(crate) fn with_certificate(self, host: &str, name: &str, days: i64) -> Self {
        self.with(host, |facts| {
            facts.certificates.retain(|c| c.name != name);
            facts.certificates.push(certificate(name, days));
        })
    }

    /// What runs there was looked at, and all of it is well.
    pub(crate) fn alive(mut self) -> Self {
        let masters: Vec<HostName> = self.inventory.masters().map(|h| h.name.clone()).collect();
        for (name, facts) in &mut self.facts {
            let object = NodeObject {
                name: name.to_string(),
                cordoned: false,
                cordoned_by: None,
            };
            facts.live = Some(LiveFacts {
                object: Some(object),
                ..live(masters.contains(name), masters.first() == Some(name))
            });
        }
        self
    }

    /// Changes what runs on a host.
    pub(crate) fn with_live(self, host: &str, change: impl FnOnce(&mut LiveFacts)) -> Self {
        self.with(host, |facts| change(facts.live.get_or_insert_default()))
    }

    /// Every certificate of every master was renewed just now.
    pub(crate) fn fresh(mut self) -> Self {
        let masters: Vec<HostName> = self.inventory.masters().map(|h| h.name.clone()).collect();
        for name in masters {
            for leaf in RENEWABLE.iter().filter(|n| **n != "super-admin.conf") {
                self = self.with_certificate(name.as_str(), leaf, 365);
            }
        }
        self
    }

    /// `HOST OPERATION` of every step that is not skipped.
    pub(crate) fn work(&self, playbook: &Playbook) -> Vec<String> {
        let plan = self.plan(playbook, "all");
        plan.work().map(|s| format!("{} {}", s.host, s.planned.title)).collect()
    }

    pub(crate) fn choose(&self, asked: Option<Strategy>) -> Choice {
        self.choice_of("all", asked)
    }

    /// With `--limit`.
    pub(crate) fn choice_of(&self, limit: &str, asked: Option<Strategy>) -> Choice {
        let limit = limit.parse().expect("a selector");
        choose(&self.inventory, &self.facts, &limit, now(), asked)
    }

    /// The plan of the choice.
    pub(crate) fn plan_chosen(&self, asked: Option<Strategy>) -> Plan {
        let choice = self.choose(asked);
        let playbook = built_in(choice.strategy.playbook());
        let input = PlanInput {
            inventory: &self.inventory,
            playbook: &playbook,
            facts: &self.facts,
            limit: &"all".parse().expect("a selector"),
            now: now(),
        };
        plan_chosen(&input, choice)
    }

    /// A host that was not asked at all, as hosts outside of `--limit` are.
    pub(crate) fn without_facts(mut self, host: &str) -> Self {
        self.facts.remove(&HostName::from(host));
        self
    }

    pub(crate) fn plan(&self, playbook: &Playbook, limit: &str) -> Plan {
        plan(&PlanInput {
            inventory: &self.inventory,
            playbook,
            facts: &self.facts,
            limit: &limit.parse().expect("a selector"),
            now: now(),
        })
    }

    /// `error CODE HOST` of every note.
    pub(crate) fn notes(&self, playbook: &Playbook) -> Vec<String> {
        notes(&self.plan(playbook, "all"))
    }
}

pub(crate) fn notes(plan: &Plan) -> Vec<String> {
    let word = |s| match s {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let line = |n: &certfleet::plan::Note| {
        let host = n.host.as_ref().map(|h| format!(" {h}")).unwrap_or_default();
        format!("{} {}{host}", word(n.severity), n.code)
    };
    plan.notes.iter().map(line).collect()
}

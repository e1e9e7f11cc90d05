//! One host's files: PKI, kubeconfigs, kubelet, manifests, as `kubeadm init` and `kubeadm join` leave them.

use std::fs;

use anyhow::{Result, anyhow};
use time::{Duration, OffsetDateTime};

use super::{CAS, DIR, authority, kubelet_client, manifests};
use crate::host::{self, flag};
use crate::kubeadm::{self, TABLE};
use crate::pki::{self, Pair, Spec};

/// One host to be made.
#[derive(Debug)]
pub struct Node {
    root: String,
    pki: String,
    name: String,
    address: String,
    vip: String,
    members: String,
    master: bool,
    first: bool,
    minor: u32,
    version: String,
    runtime: String,
    valid: i64,
}

impl Node {
    pub fn new(args: &[String]) -> Result<Self> {
        let need = |name: &str| flag(args, name).ok_or_else(|| anyhow!("--{name} is missing"));
        let members = need("members")?;
        let (name, version) = (need("name")?, need("version")?);
        Ok(Self {
            root: need("root")?,
            pki: need("pki")?,
            address: need("address")?,
            vip: need("vip")?,
            master: members.split(',').any(|m| m.starts_with(&format!("{name}="))),
            first: members.starts_with(&format!("{name}=")),
            members,
            minor: version.split('.').nth(1).and_then(|m| m.parse().ok()).unwrap_or(19),
            name,
            version,
            runtime: need("runtime")?,
            valid: need("valid")?.parse()?,
        })
    }

    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    fn dates(&self) -> (OffsetDateTime, OffsetDateTime) {
        let now = host::now();
        (now - Duration::minutes(5), now + Duration::seconds(self.valid))
    }

    pub fn make(&self) -> Result<()> {
        let ca = authority(&self.pki, "ca")?;
        pki::write(self.path(&format!("{DIR}/ca.crt")), &ca.cert, 0o644)?;
        pki::write(self.path("/etc/certfleet-lab/version"), &self.version, 0o644)?;
        pki::write(
            self.path("/etc/certfleet-lab/address"),
            &format!("{}/24", self.address),
            0o644,
        )?;
        let server = format!("https://{}:6443", self.vip);
        pki::write(
            self.path("/etc/kubernetes/kubelet.conf"),
            &pki::kubelet_conf_text(&server, &ca.cert, &self.name),
            0o600,
        )?;
        fs::create_dir_all(self.path("/etc/kubernetes/manifests"))?;
        self.kubelet(&ca)?;
        if self.master {
            self.control_plane(&ca, &server)?;
        }
        Ok(())
    }

    fn kubelet(&self, ca: &Pair) -> Result<()> {
        let (from, until) = self.dates();
        let spec = Spec {
            cn: format!("system:node:{}", self.name),
            org: vec!["system:nodes".to_owned()],
            client: true,
            ..Spec::default()
        };
        kubelet_client(&self.root, &spec, ca, from, until)?;
        let now = host::now();
        let own = pki::authority(
            &format!("{}-ca@{}", self.name, now.unix_timestamp()),
            now,
            now + Duration::days(365),
        )?;
        let serving = Spec {
            cn: format!("{}@{}", self.name, now.unix_timestamp()),
            dns: vec![self.name.clone()],
            server: true,
            ..Spec::default()
        };
        let serving = pki::issue(&serving, &own, now - Duration::hours(1), now + Duration::days(365))?;
        pki::write(self.path("/var/lib/kubelet/pki/kubelet.crt"), &serving.cert, 0o644)?;
        pki::write(self.path("/var/lib/kubelet/pki/kubelet.key"), &serving.key, 0o600)?;
        let config = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthentication:\n  x509:\n    clientCAFile: /etc/kubernetes/pki/ca.crt\nrotateCertificates: true\nstaticPodPath: /etc/kubernetes/manifests\n";
        pki::write(self.path("/var/lib/kubelet/config.yaml"), config, 0o644)?;
        let flags = if self.runtime == "docker" {
            "--network-plugin=cni --pod-infra-container-image=k8s.gcr.io/pause:3.2"
        } else {
            "--container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock"
        };
        pki::write(
            self.path("/var/lib/kubelet/kubeadm-flags.env"),
            &format!("KUBELET_KUBEADM_ARGS=\"{flags}\"\n"),
            0o644,
        )
    }

    fn control_plane(&self, ca: &Pair, server: &str) -> Result<()> {
        let (from, until) = self.dates();
        for (name, _) in CAS {
            let pair = authority(&self.pki, name)?;
            let base = self.path(&format!("{DIR}/{}", kubeadm::ca_path(name)));
            pki::write(format!("{base}.crt"), &pair.cert, 0o644)?;
            pki::write(format!("{base}.key"), &pair.key, 0o600)?;
        }
        for k in TABLE.iter().filter(|k| !k.path.is_empty()) {
            let pair = pki::issue(&self.spec(k.name), &authority(&self.pki, k.ca)?, from, until)?;
            let base = self.path(&format!("{DIR}/{}", k.path));
            pki::write(format!("{base}.crt"), &pair.cert, 0o644)?;
            pki::write(format!("{base}.key"), &pair.key, 0o600)?;
        }
        let local = format!("https://{}:6443", self.address);
        let mut users = vec![
            ("admin.conf", "kubernetes-admin", "system:masters", server),
            ("controller-manager.conf", "system:kube-controller-manager", "", &local),
            ("scheduler.conf", "system:kube-scheduler", "", &local),
        ];
        if self.minor >= 29 && self.first {
            users.push(("super-admin.conf", "kubernetes-super-admin", "system:masters", server));
        }
        for (file, cn, org, url) in users {
            let org: Vec<String> = Some(org.to_owned()).filter(|o| !o.is_empty()).into_iter().collect();
            let spec = Spec {
                cn: cn.to_owned(),
                org,
                client: true,
                ..Spec::default()
            };
            let pair = pki::issue(&spec, ca, from, until)?;
            pki::write(
                self.path(&format!("/etc/kubernetes/{file}")),
                &pki::kubeconfig_text(url, &ca.cert, cn, &pair),
                0o600,
            )?;
        }
        fs::create_dir_all(self.path("/var/lib/etcd"))?;
        for (name, command) in manifests::commands(&self.name, &self.address, &self.members) {
            let yaml = manifests::manifest(name, &self.version, &command);
            pki::write(
                self.path(&format!("/etc/kubernetes/manifests/{name}.yaml")),
                &yaml,
                0o600,
            )?;
        }
        Ok(())
    }

    fn spec(&self, name: &str) -> Spec {
        let own = |cn: &str| Spec {
            cn: cn.to_owned(),
            client: true,
            ..Spec::default()
        };
        let masters = |mut s: Spec| {
            s.org = vec!["system:masters".to_owned()];
            s
        };
        let serving = |mut s: Spec| {
            s.server = true;
            s.dns = vec!["localhost".to_owned(), self.name.clone()];
            s.ips = vec![self.address.clone(), "127.0.0.1".to_owned()];
            s
        };
        match name {
            "apiserver" => Spec {
                cn: "kube-apiserver".to_owned(),
                dns: [
                    "kubernetes",
                    "kubernetes.default",
                    "kubernetes.default.svc",
                    "kubernetes.default.svc.cluster.local",
                    &self.name,
                ]
                .map(str::to_owned)
                .to_vec(),
                ips: vec!["10.96.0.1".to_owned(), self.address.clone(), self.vip.clone()],
                server: true,
                ..Spec::default()
            },
            "apiserver-kubelet-client" => masters(own("kube-apiserver-kubelet-client")),
            "apiserver-etcd-client" => masters(own("kube-apiserver-etcd-client")),
            "etcd-healthcheck-client" => masters(own("kube-etcd-healthcheck-client")),
            "etcd-server" | "etcd-peer" => serving(own(&self.name)),
            other => own(other),
        }
    }
}

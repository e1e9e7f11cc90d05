//! `standins lab …`: what the fleet's own scripts do to the files of a host from outside: make its PKI, date it anew.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, anyhow, bail};
use time::{Duration, OffsetDateTime};

use crate::host::{self, flag};
use crate::kubeadm::{self, TABLE};
use crate::pki::{self, Pair, Spec};

const CAS: [(&str, &str); 3] = [
    ("ca", "kubernetes"),
    ("etcd-ca", "etcd-ca"),
    ("front-proxy-ca", "front-proxy-ca"),
];
const DIR: &str = "/etc/kubernetes/pki";

pub fn main(args: &[String]) -> Result<u8> {
    let need = |name: &str| flag(args, name).ok_or_else(|| anyhow!("--{name} is missing"));
    match args.first().map(String::as_str) {
        Some("authorities") => authorities(&need("pki")?)?,
        Some("host") => Node::new(args)?.make()?,
        Some("issue") => issue(
            &need("root")?,
            &need("pki")?,
            &need("only")?,
            need("valid")?.parse()?,
            ago(args)?,
        )?,
        Some("authority") => redate(&need("root")?, &need("pki")?, need("valid")?.parse()?)?,
        Some("foreign") => foreign(&need("root")?)?,
        other => bail!("lab authorities|host|issue|authority|foreign, not {other:?}"),
    }
    Ok(0)
}

/// Seconds between `notBefore` and now.
fn ago(args: &[String]) -> Result<i64> {
    Ok(flag(args, "ago").map_or(Ok(300), |a| a.parse())?)
}

fn authorities(out: &str) -> Result<()> {
    let now = host::now();
    for (file, cn) in CAS {
        let ca = pki::authority(cn, now - Duration::days(400), now + Duration::days(3250))?;
        pki::write(format!("{out}/{file}.crt"), &ca.cert, 0o644)?;
        pki::write(format!("{out}/{file}.key"), &ca.key, 0o600)?;
    }
    Ok(())
}

fn authority(pki: &str, name: &str) -> Result<Pair> {
    pki::read(&format!("{pki}/{name}.crt"), &format!("{pki}/{name}.key"))
}

/// Signs a host's certificates anew, for `valid` seconds from now (or, negative, until so long ago).
fn issue(root: &str, pki: &str, only: &str, valid: i64, ago: i64) -> Result<()> {
    let now = host::now();
    let until = now + Duration::seconds(valid);
    let from = now.min(until) - Duration::seconds(ago);
    if only != "kubelet" && fs::exists(format!("{root}/etc/kubernetes/admin.conf"))? {
        for k in TABLE {
            if k.name == "super-admin.conf" && !fs::exists(format!("{root}/etc/kubernetes/super-admin.conf"))? {
                continue;
            }
            kubeadm::reissue(root, k, DIR, &authority(pki, k.ca)?, from, until).context(k.name)?;
        }
    }
    if only != "control-plane" {
        let current = format!("{root}/var/lib/kubelet/pki/kubelet-client-current.pem");
        let link = fs::read_link(&current)?;
        let file = format!("{root}{}", link.display());
        let old = fs::read_to_string(&file).with_context(|| file.clone())?;
        kubelet_client(
            root,
            &pki::spec_of(&pki::der(&old)?)?,
            &authority(pki, "ca")?,
            from,
            until,
        )?;
    }
    Ok(())
}

fn kubelet_client(root: &str, spec: &Spec, ca: &Pair, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    let pair = pki::issue(spec, ca, from, until)?;
    let stamp = host::stamp(host::now()).replace('T', "-").replace([':', 'Z'], "-");
    let file = format!(
        "/var/lib/kubelet/pki/kubelet-client-{}.pem",
        stamp.trim_end_matches('-')
    );
    pki::write(format!("{root}{file}"), &format!("{}{}", pair.cert, pair.key), 0o600)?;
    let current = format!("{root}/var/lib/kubelet/pki/kubelet-client-current.pem");
    let _ = fs::remove_file(&current);
    symlink(&file, &current)?;
    Ok(())
}

/// The same authorities with other dates, in every place where a host keeps them.
fn redate(root: &str, pki: &str, valid: i64) -> Result<()> {
    let until = host::now() + Duration::seconds(valid);
    let old = fs::read_to_string(format!("{pki}/ca.crt"))?;
    let key = fs::read_to_string(format!("{pki}/ca.key"))?;
    let new = pki::redated_authority("kubernetes", &key, until - Duration::days(3650), until)?;
    replace_authority(root, &old, &new)
}

/// Another authority of the same name, which nothing on the other hosts knows.
fn foreign(root: &str) -> Result<()> {
    let now = host::now();
    let new = pki::authority("kubernetes", now - Duration::days(1), now + Duration::days(3650))?;
    let old = fs::read_to_string(format!("{root}{DIR}/ca.crt"))?;
    replace_authority(root, &old, &new.cert)
}

fn replace_authority(root: &str, old: &str, new: &str) -> Result<()> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let (was, is) = (STANDARD.encode(old), STANDARD.encode(new));
    for name in [
        "admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
        "kubelet.conf",
    ] {
        let path = format!("{root}/etc/kubernetes/{name}");
        if let Ok(text) = fs::read_to_string(&path) {
            pki::write(&path, &text.replace(&was, &is), 0o600)?;
        }
    }
    pki::write(format!("{root}{DIR}/ca.crt"), new, 0o644)
}

/// One host to be made.
#[derive(Debug)]
struct Node {
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
    fn new(args: &[String]) -> Result<Self> {
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

    fn make(&self) -> Result<()> {
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
        for (name, command) in self.commands() {
            let yaml = manifest(name, &self.version, &command);
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

    fn commands(&self) -> Vec<(&'static str, Vec<String>)> {
        let a = &self.address;
        let cluster: Vec<String> = self
            .members
            .split(',')
            .map(|m| m.replacen('=', "=https://", 1) + ":2380")
            .collect();
        let etcd = format!(
            "etcd --advertise-client-urls=https://{a}:2379 --cert-file={DIR}/etcd/server.crt --client-cert-auth=true --data-dir=/var/lib/etcd \
             --initial-advertise-peer-urls=https://{a}:2380 --initial-cluster={} --key-file={DIR}/etcd/server.key \
             --listen-client-urls=https://127.0.0.1:2379,https://{a}:2379 --listen-metrics-urls=http://127.0.0.1:2381 --listen-peer-urls=https://{a}:2380 \
             --name={} --peer-cert-file={DIR}/etcd/peer.crt --peer-client-cert-auth=true --peer-key-file={DIR}/etcd/peer.key \
             --peer-trusted-ca-file={DIR}/etcd/ca.crt --snapshot-count=10000 --trusted-ca-file={DIR}/etcd/ca.crt \
             --heartbeat-interval=250 --election-timeout=2500",
            cluster.join(","),
            self.name
        );
        let api = format!(
            "kube-apiserver --advertise-address={a} --allow-privileged=true --authorization-mode=Node,RBAC --client-ca-file={DIR}/ca.crt \
             --etcd-cafile={DIR}/etcd/ca.crt --etcd-certfile={DIR}/apiserver-etcd-client.crt --etcd-keyfile={DIR}/apiserver-etcd-client.key \
             --etcd-servers=https://127.0.0.1:2379 --kubelet-client-certificate={DIR}/apiserver-kubelet-client.crt \
             --kubelet-client-key={DIR}/apiserver-kubelet-client.key --proxy-client-cert-file={DIR}/front-proxy-client.crt \
             --proxy-client-key-file={DIR}/front-proxy-client.key --requestheader-client-ca-file={DIR}/front-proxy-ca.crt --secure-port=6443 \
             --service-cluster-ip-range=10.96.0.0/12 --tls-cert-file={DIR}/apiserver.crt --tls-private-key-file={DIR}/apiserver.key"
        );
        let conf = |name: &str| format!("/etc/kubernetes/{name}.conf");
        let manager = format!(
            "kube-controller-manager --authentication-kubeconfig={0} --bind-address=127.0.0.1 --kubeconfig={0} --leader-elect=true \
             --cluster-signing-cert-file={DIR}/ca.crt --cluster-signing-key-file={DIR}/ca.key --root-ca-file={DIR}/ca.crt",
            conf("controller-manager")
        );
        let scheduler = format!(
            "kube-scheduler --authentication-kubeconfig={0} --bind-address=127.0.0.1 --kubeconfig={0} --leader-elect=true",
            conf("scheduler")
        );
        [
            ("etcd", etcd),
            ("kube-apiserver", api),
            ("kube-controller-manager", manager),
            ("kube-scheduler", scheduler),
        ]
        .map(|(n, c)| (n, c.split_whitespace().map(str::to_owned).collect()))
        .to_vec()
    }
}

/// A manifest in the shape that kubeadm writes.
fn manifest(name: &str, version: &str, command: &[String]) -> String {
    let words: String = command.iter().map(|w| format!("    - {w}\n")).collect();
    let image = if name == "etcd" {
        "k8s.gcr.io/etcd:3.4.13-0".to_owned()
    } else {
        format!("k8s.gcr.io/{name}:{version}")
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  creationTimestamp: null\n  labels:\n    component: {name}\n    tier: \
         control-plane\n  name: {name}\n  namespace: kube-system\nspec:\n  containers:\n  - command:\n{words}    image: \
         {image}\n    imagePullPolicy: IfNotPresent\n    name: {name}\n  hostNetwork: true\n  priorityClassName: \
         system-node-critical\nstatus: {{}}\n"
    )
}

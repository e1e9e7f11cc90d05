//! What is this host? One round trip, partial answers.

use crate::model::facts::{KubeVersion, ListenFacts};
use crate::model::{Command, Host, HostFacts, HostName, Output, RuntimeKind, mask, scripts};

use super::error::{ProbeError, text_of};
use super::x509::public_keys;

const WHAT: &str = "facts";
/// kubelet's built-in docker support ended here: without a configured endpoint it can only be another runtime.
const WITHOUT_DOCKERSHIM: KubeVersion = KubeVersion::minor(24);

/// `certfleet:facts`.
pub fn command(host: &Host) -> Command {
    let kubernetes = &host.kubernetes;
    Command::script(
        &scripts::FACTS,
        [kubernetes.cert_dir.as_str(), kubernetes.kubeadm.as_str()],
    )
}

/// The facts of the script; units, certificates, containers and clock are other probes'.
///
/// # Errors
/// The script did not run.
pub fn parse(host: &HostName, output: &Output) -> Result<HostFacts, ProbeError> {
    let text = text_of(WHAT, output)?;
    let mut facts = HostFacts::unknown(host.clone());
    let (mut sockets, mut endpoint) = (Vec::new(), None);
    for (key, value) in text.lines().filter_map(|l| l.split_once('\t')) {
        match key {
            "socket" => sockets.push(value.to_owned()),
            "runtime-endpoint" => endpoint = Some(value.to_owned()),
            _ => fill(&mut facts, key, value),
        }
    }
    runtime(&mut facts, endpoint.as_deref(), &sockets);
    Ok(facts)
}

/// Keys that nobody knows are left out: a newer script may say more.
fn fill(facts: &mut HostFacts, key: &str, value: &str) {
    let text = || Some(value.to_owned());
    match key {
        "uid" => facts.root = Some(value == "0"),
        "hostname" => facts.hostname = text(),
        "machine-id" => facts.machine_id = text(),
        "boot-id" => facts.boot_id = text(),
        "os" => facts.os = Some(mask(value)),
        "kubeadm" => facts.kubeadm_version = version(facts, "kubeadm", value),
        "kubelet" => facts.kubelet_version = version(facts, "kubelet", value),
        "ca-key" => facts.ca_key = Some(value == "present"),
        "static-pod" => facts.static_pods.push(value.to_owned()),
        "advertise-address" => facts.advertise_address = text(),
        "kubelet-server" => facts.kubelet_server = text(),
        "listen" => facts.listens.extend(listen(value)),
        "disk-free" => facts.disk_free = value.parse().ok(),
        "live-restore" => facts.live_restore = Some(value == "true"),
        "hostname-override" => facts.hostname_override = text(),
        "kubelet-user" => facts.kubelet_user = text(),
        "serving-requested" => facts.serving_requested = Some(value == "true"),
        "address" => facts.addresses.push(value.to_owned()),
        "crictl" => facts.crictl = Some(value == "present"),
        "parked" => facts.shape.parked.push(value.to_owned()),
        "etcd-server" => facts.shape.etcd_servers.push(value.to_owned()),
        "kubeadm-config" => facts.shape.kubeadm_config = text(),
        "cluster-ca" => facts.shape.authority = public_keys(value),
        "serves-another" => facts.shape.serves_another = value == "yes",
        "kubelet-ca" => facts.shape.believes = public_keys(value),
        "distribution" => facts.shape.distribution = text(),
        "left-to-others" => facts.shape.left_to_others.push(value.to_owned()),
        _ => {}
    }
}

/// `NAME<TAB>ADDRESS<TAB>PORT`; port 0 is a server that is switched off.
fn listen(value: &str) -> Option<ListenFacts> {
    let fields: Vec<&str> = value.split('\t').collect();
    let [server, address, port] = fields[..] else {
        return None;
    };
    let address = address.trim_matches(['[', ']']);
    let every = matches!(address, "" | "-" | "0.0.0.0" | "::");
    Some(ListenFacts {
        server: server.to_owned(),
        address: (!every).then(|| address.to_owned()),
        port: port.parse().ok().filter(|p| *p != 0)?,
    })
}

fn version(facts: &mut HostFacts, program: &str, value: &str) -> Option<KubeVersion> {
    let parsed = value.parse();
    if let Err(error) = &parsed {
        facts.problems.push(mask(&format!("{program}: {error}")));
    }
    parsed.ok()
}

/// The kubelet's own setting decides; without one, the sockets that are there.
fn runtime(facts: &mut HostFacts, endpoint: Option<&str>, sockets: &[String]) {
    let has = |name: &str| sockets.iter().find(|s| s.contains(name)).cloned();
    let modern = facts.kubelet_version.is_some_and(|v| v >= WITHOUT_DOCKERSHIM);
    let found = || {
        let docker = has("/docker.sock").filter(|_| !modern || has("cri-dockerd").is_some());
        let docker = docker.map(|s| (RuntimeKind::Docker, s));
        let crio = has("/crio/").map(|s| (RuntimeKind::CriO, s));
        let containerd = has("/containerd/").map(|s| (RuntimeKind::Containerd, s));
        docker.or(crio).or(containerd)
    };
    let named = endpoint.and_then(|e| kind_of(e).map(|kind| (kind, e.trim_start_matches("unix://").to_owned())));
    let sure = endpoint.is_some() || modern;
    if let Some((kind, socket)) = named.or_else(found) {
        // Without a setting an old kubelet uses docker, whose own containerd runs on when docker is stopped: see
        // `settle_runtime`.
        facts.runtime = (sure || kind != RuntimeKind::Containerd).then_some(kind);
        facts.runtime_socket = Some(socket);
    }
}

fn kind_of(endpoint: &str) -> Option<RuntimeKind> {
    let table = [
        ("docker", RuntimeKind::Docker),
        ("containerd", RuntimeKind::Containerd),
        ("crio", RuntimeKind::CriO),
    ];
    table
        .iter()
        .find(|(word, _)| endpoint.contains(word))
        .map(|(_, kind)| *kind)
}

/// The last word on the runtime, once the units are known: the inventory, then the facts, then installed units.
/// A stopped docker has no socket, so the sockets alone would not find it on a half-finished run.
pub fn settle_runtime(host: &Host, facts: &mut HostFacts) {
    let modern = facts.kubelet_version.is_some_and(|v| v >= WITHOUT_DOCKERSHIM);
    let order = if modern {
        [RuntimeKind::Containerd, RuntimeKind::CriO, RuntimeKind::Docker]
    } else {
        [RuntimeKind::Docker, RuntimeKind::CriO, RuntimeKind::Containerd]
    };
    let installed = order
        .into_iter()
        .find(|k| facts.unit(k.service()).is_some_and(crate::model::UnitFacts::exists));
    let seen = host.kubernetes.runtime.or(facts.runtime);
    if seen.is_none() && installed != Some(RuntimeKind::Containerd) {
        facts.runtime_socket = None;
    }
    facts.runtime = seen.or(installed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnitFacts;

    fn read(text: &str) -> HostFacts {
        parse(&"m1".into(), &Output::new(0, text, "")).unwrap()
    }

    #[test]
    fn reads_what_is_there_and_leaves_the_rest_unknown() {
        let facts = read(
            "uid\t0\nos\tUbuntu 16.04.7 LTS\nkubeadm\tv1.19.3\nkubelet\tKubernetes v1.19.3\nca-key\tabsent\n\
             static-pod\tetcd\nstatic-pod\tkube-apiserver\ndisk-free\t1024\nfuture\tx\nlive-restore\tfalse\n",
        );
        assert_eq!(facts.root, Some(true));
        assert_eq!(facts.kubeadm_version.map(|v| v.to_string()).as_deref(), Some("v1.19.3"));
        assert_eq!(
            (facts.ca_key, facts.live_restore, facts.crictl),
            (Some(false), Some(false), None)
        );
        assert_eq!(facts.static_pods, ["etcd", "kube-apiserver"]);
        assert_eq!(read("kubeadm\tcommand failed\n").problems.len(), 1);
    }

    #[test]
    fn a_server_listens_where_it_was_told() {
        let facts = read(
            "listen\tkube-apiserver\t-\t7443\nlisten\tetcd-client\t[::1]\t12379\nlisten\tkubelet\t0.0.0.0\t10260\n\
             listen\tetcd-peer\t::\t12380\nlisten\tkube-scheduler\t127.0.0.1\t0\nlisten\tkubelet\n",
        );
        let at = |name: &str| facts.listen(name).map(|l| (l.address.as_deref(), l.port));
        assert_eq!(at("kube-apiserver"), Some((None, 7443)));
        assert_eq!(at("etcd-client"), Some((Some("::1"), 12379)));
        assert_eq!(at("kubelet"), Some((None, 10260)));
        assert_eq!(at("etcd-peer"), Some((None, 12380)), "every address, and those of IPv4");
        assert_eq!((at("kube-scheduler"), facts.listens.len()), (None, 4));
    }

    #[test]
    fn the_runtime_is_what_the_kubelet_uses() {
        let (docker, containerd) = (
            "socket\t/run/docker.sock\n",
            "socket\t/run/containerd/containerd.sock\n",
        );
        let table = [
            (format!("{docker}{containerd}"), Some(RuntimeKind::Docker)),
            (
                format!("kubelet\tKubernetes v1.28.0\n{docker}{containerd}"),
                Some(RuntimeKind::Containerd),
            ),
            (
                format!("runtime-endpoint\tunix:///run/containerd/containerd.sock\n{docker}"),
                Some(RuntimeKind::Containerd),
            ),
            (
                "runtime-endpoint\tunix:///var/run/cri-dockerd.sock\n".to_owned(),
                Some(RuntimeKind::Docker),
            ),
            ("socket\t/run/crio/crio.sock\n".to_owned(), Some(RuntimeKind::CriO)),
            (String::new(), None),
        ];
        for (text, kind) in table {
            assert_eq!(read(&text).runtime, kind, "{text}");
        }
    }

    #[test]
    fn a_stopped_docker_is_found_by_its_unit() {
        let host = crate::probes::fixtures::host("m1", crate::model::Role::ControlPlane);
        let mut facts = read("");
        let loaded = UnitFacts {
            load: "loaded".to_owned(),
            ..UnitFacts::default()
        };
        facts.units.insert("docker.service".to_owned(), loaded.clone());
        facts.units.insert("containerd.service".to_owned(), loaded);
        settle_runtime(&host, &mut facts);
        assert_eq!(facts.runtime, Some(RuntimeKind::Docker));
    }
}

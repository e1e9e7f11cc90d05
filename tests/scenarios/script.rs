//! The text of a scenario: `word: value` lines.

use certfleet::config::load_playbook;
use certfleet::lab::{CalicoTrouble, EtcdKey, Fault, FaultRule, Lab, LabConfig, Scenario, Workload};
use certfleet::model::facts::KubeVersion;
use certfleet::model::playbook::Share;
use certfleet::model::{HostName, Playbook, RuntimeKind};
use certfleet::plan::Strategy;

/// What `renew --strategy` was given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// `auto`.
    Chosen,
    Wanted(Strategy),
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) fleet: LabConfig,
    pub(crate) playbook: Playbook,
    /// Instead of a playbook.
    pub(crate) order: Option<Order>,
    pub(crate) limit: String,
    faults: Vec<FaultRule>,
    /// Host, unit, how many starts fail.
    failing: Vec<(String, String, u32)>,
    /// Nodes that a person has cordoned.
    cordoned: Vec<String>,
    /// `renew --drain`.
    pub(crate) drain: bool,
    /// Hosts whose manifests an earlier run left parked.
    parked: Vec<String>,
    /// Host and path of certificates that expired yesterday, on disk only.
    expired: Vec<(String, String)>,
    /// Hosts whose member of etcd is gone for good.
    lost: Vec<String>,
    /// Masters whose API server takes its certificate from a file of its own.
    own: Vec<String>,
    /// Masters whose API server takes its client certificate for etcd from one.
    own_etcd_client: Vec<String>,
    /// Masters on which an etcd of earlier days left its files.
    left_over: Vec<String>,
    /// Hosts whose kubelet runs with a client certificate that its next start will not find so: missing, dangling, mismatch.
    clients: Vec<(String, String)>,
    /// Line number, word and value of what must be seen.
    pub(crate) expectations: Vec<(usize, String, String)>,
}

const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const KUBELET_SERVING: &str = "/var/lib/kubelet/pki/kubelet.crt";

const EXPECTATIONS: [&str; 16] = [
    "end",
    "again",
    "chosen",
    "skipped",
    "planned",
    "note",
    "never-note",
    "phase",
    "host",
    "step",
    "saw",
    "never",
    "ran",
    "never-ran",
    "order",
    "healthy",
];

impl Script {
    /// Reads a file; an error names its line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim()));
        let lines: Vec<(usize, &str)> = lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#')).collect();
        let mut script = Self {
            fleet: LabConfig::new(Scenario::Seed).sized(1, 1),
            playbook: load_playbook("renew").map_err(|e| e.to_string())?,
            order: None,
            limit: "all".to_owned(),
            faults: Vec::new(),
            failing: Vec::new(),
            cordoned: Vec::new(),
            drain: false,
            parked: Vec::new(),
            expired: Vec::new(),
            lost: Vec::new(),
            own: Vec::new(),
            own_etcd_client: Vec::new(),
            left_over: Vec::new(),
            clients: Vec::new(),
            expectations: Vec::new(),
        };
        for (number, line) in lines {
            let (word, value) = line
                .split_once(':')
                .ok_or(format!("line {number}: not `word: value`"))?;
            let (word, value) = (word.trim(), value.trim());
            let first = word.split(' ').next().unwrap_or_default();
            if EXPECTATIONS.contains(&first) {
                script.expectations.push((number, word.to_owned(), value.to_owned()));
            } else {
                script
                    .set(word, value)
                    .map_err(|e| format!("line {number}: {word}: {e}"))?;
            }
        }
        if !script.expectations.iter().any(|(_, word, _)| word == "end") {
            return Err("a scenario must say how it ends: `end: succeeded`".to_owned());
        }
        Ok(script)
    }

    fn set(&mut self, word: &str, value: &str) -> Result<(), String> {
        let fleet = &mut self.fleet;
        match word {
            "scenario" => {
                *fleet = LabConfig::new(value.parse()?)
                    .sized(fleet.masters, fleet.workers)
                    .with_etcd(fleet.etcd);
            }
            "masters" => fleet.masters = number(value)?,
            "workers" => fleet.workers = number(value)?,
            "etcd" => fleet.etcd = number(value)?,
            "etcd-key" => fleet.etcd_key = etcd_key(value)?,
            "foreign-etcd" => fleet.foreign_etcd = yes(value)?,
            "own-certificate" => self.own.push(value.to_owned()),
            "own-etcd-client" => self.own_etcd_client.push(value.to_owned()),
            "left-over" => self.left_over.push(value.to_owned()),
            "lost-member" => self.lost.push(value.to_owned()),
            "expired" => {
                let (host, path) = value.split_once(' ').ok_or("HOST PATH")?;
                self.expired.push((host.to_owned(), path.trim().to_owned()));
            }
            "kubernetes" => fleet.kubernetes = value.parse()?,
            "version" => fleet.versions.push(version(value)?),
            "runtime" => fleet.runtime = runtime(value)?,
            "distribution" => fleet.distribution = Some(value.parse()?),
            "stale-listener" => fleet.stale_listener = yes(value)?,
            "cni" => fleet.cni = value.parse()?,
            "typha-expired" => fleet.typha_expired = yes(value)?,
            "haproxy" => fleet.haproxy = yes(value)?,
            "host-runtime" => {
                let (host, kind) = value.split_once(' ').ok_or("HOST RUNTIME")?;
                fleet.runtimes.push((host.to_owned(), runtime(kind)?));
            }
            "copy" => fleet.copies.push(value.to_owned()),
            "endpoint" => {
                let (host, master) = value.split_once(' ').ok_or("HOST MASTER")?;
                fleet.direct.push((host.to_owned(), master.to_owned()));
            }
            "live-restore" => fleet.live_restore = yes(value)?,
            "operator-calico" => fleet.operator_calico = yes(value)?,
            "server-tls-bootstrap" => fleet.serving_requests = yes(value)?.then(Vec::new),
            "foreign-request" => {
                let (host, name) = value.split_once(' ').ok_or("HOST NAME")?;
                let more = fleet.serving_requests.get_or_insert_default();
                more.push((host.to_owned(), name.to_owned()));
            }
            "external-ca" => fleet.external_ca = yes(value)?,
            "cert-dir" => value.clone_into(&mut fleet.cert_dir),
            "validity-days" => fleet.validity_days = number(value)?,
            "kept-config" => fleet.kept_config = yes(value)?,
            "kube-vip" => fleet.kube_vip = yes(value)?,
            "without-client" => fleet.without_client = yes(value)?,
            "workload" => fleet.workload.push(workload(value)?),
            "sick" => {
                let (host, component) = value.split_once(' ').ok_or("HOST COMPONENT")?;
                fleet.sick.push((host.to_owned(), component.to_owned()));
            }
            "looping" => {
                let (host, component) = value.split_once(' ').ok_or("HOST COMPONENT")?;
                fleet.looping.push((host.to_owned(), component.to_owned()));
            }
            "foreign-ca" => fleet.foreign_ca.push(value.to_owned()),
            "cordoned" => self.cordoned.push(value.to_owned()),
            "drain" => self.drain = yes(value)?,
            "parked" => self.parked.push(value.to_owned()),
            "looping-kubelet" => fleet.looping_kubelets.push(value.to_owned()),
            "expired-kubelet" => fleet.expired_kubelets.push(value.to_owned()),
            "kubelet-client" => {
                let (host, trouble) = value.split_once(' ').ok_or("HOST TROUBLE")?;
                if !["missing", "dangling", "mismatch"].contains(&trouble) {
                    return Err("missing, dangling or mismatch".to_owned());
                }
                self.clients.push((host.to_owned(), trouble.to_owned()));
            }
            "kubelet-serving" => match value.split_once(' ') {
                Some((host, "expired")) => self.expired.push((host.to_owned(), KUBELET_SERVING.to_owned())),
                _ => return Err("HOST expired".to_owned()),
            },
            "calico" if value == "well" => fleet.calico.clear(),
            "calico" => fleet.calico.push(calico(value)?),
            "clock" => fleet.clock_offsets.push(clock(value)?),
            "fault" => self.faults.push(fault(value)?),
            "fail-start" => self.failing.push(failing(value)?),
            "down" => self.faults.push(rule(value, "", Fault::RefuseConnection, u32::MAX)),
            "playbook" => self.playbook = load_playbook(value).map_err(|e| e.to_string())?,
            "strategy" => self.order = Some(order(value)?),
            "max-failures" => {
                let share = Share::Count(number(value)?);
                self.playbook.phases.iter_mut().for_each(|p| p.max_failures = share);
            }
            "limit" => value.clone_into(&mut self.limit),
            _ => return Err("there is no such word".to_owned()),
        }
        Ok(())
    }

    /// What goes wrong from now on.
    pub(crate) fn arrange(&self, lab: &Lab) {
        self.faults.iter().for_each(|f| lab.inject(f.clone()));
        self.cordoned.iter().for_each(|h| lab.cordon(&h.as_str().into(), true));
        self.parked.iter().for_each(|h| lab.park_manifests(&h.as_str().into()));
        self.own.iter().for_each(|h| lab.own_certificate(&h.as_str().into()));
        for host in &self.own_etcd_client {
            lab.own_etcd_client(&host.as_str().into());
        }
        for host in &self.left_over {
            lab.leave_member_behind(&host.as_str().into()).expect("a certificate");
        }
        for (host, path) in &self.expired {
            let made = lab.reissue(&host.as_str().into(), path, (-366, -1));
            made.expect("a certificate");
        }
        for (host, trouble) in &self.clients {
            spoil(lab, &host.as_str().into(), trouble);
        }
        for host in &self.lost {
            lab.lose_member(&host.as_str().into());
        }
        for (host, unit, starts) in &self.failing {
            lab.fail_starts(&host.as_str().into(), unit, *starts);
        }
    }
}

/// A running kubelet has loaded what was there before.
fn spoil(lab: &Lab, host: &HostName, trouble: &str) {
    match trouble {
        "missing" => lab.remove_file(host, KUBELET_CLIENT),
        "dangling" => lab.link_file(
            host,
            KUBELET_CLIENT,
            "/var/lib/kubelet/pki/kubelet-client-2020-01-01-00-00-00.pem",
        ),
        _ => lab.mismatch_kubelet_client(host).expect("a certificate"),
    }
}

fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("`{value}` is not a number"))
}

fn order(value: &str) -> Result<Order, String> {
    match value {
        "auto" => Ok(Order::Chosen),
        "stop-all" => Ok(Order::Wanted(Strategy::StopAll)),
        "rolling" => Ok(Order::Wanted(Strategy::Rolling)),
        _ => Err("auto, stop-all or rolling".to_owned()),
    }
}

fn yes(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("yes or no".to_owned()),
    }
}

fn etcd_key(value: &str) -> Result<EtcdKey, String> {
    match value {
        "first" => Ok(EtcdKey::First),
        "each" => Ok(EtcdKey::Each),
        "nowhere" => Ok(EtcdKey::Nowhere),
        _ => Err("first, each or nowhere".to_owned()),
    }
}

fn runtime(value: &str) -> Result<RuntimeKind, String> {
    match value {
        "docker" => Ok(RuntimeKind::Docker),
        "containerd" => Ok(RuntimeKind::Containerd),
        "cri-o" => Ok(RuntimeKind::CriO),
        _ => Err("docker, containerd or cri-o".to_owned()),
    }
}

/// `m2 1.20`.
fn version(value: &str) -> Result<(String, KubeVersion), String> {
    let (host, version) = value.split_once(' ').ok_or("HOST VERSION")?;
    Ok((host.to_owned(), version.trim().parse()?))
}

/// `w1 budget`.
fn workload(value: &str) -> Result<(String, Workload), String> {
    let (host, kind) = value.split_once(' ').ok_or("HOST KIND")?;
    let kind = match kind.trim() {
        "movable" => Workload::Movable,
        "budget" => Workload::Budget,
        "emptydir" => Workload::EmptyDir,
        _ => return Err("movable, budget or emptydir".to_owned()),
    };
    Ok((host.to_owned(), kind))
}

/// `w1 image-pull`.
fn calico(value: &str) -> Result<(String, CalicoTrouble), String> {
    let (host, trouble) = value.split_once(' ').ok_or("HOST TROUBLE")?;
    let trouble = match trouble.trim() {
        "crash-loop" => CalicoTrouble::CrashLoop,
        "image-pull" => CalicoTrouble::ImagePull,
        "terminating" => CalicoTrouble::Terminating,
        "token" => CalicoTrouble::Token,
        _ => return Err("crash-loop, image-pull, terminating or token".to_owned()),
    };
    Ok((host.to_owned(), trouble))
}

/// `w1 +120s`.
fn clock(value: &str) -> Result<(String, i64), String> {
    let (host, offset) = value.split_once(' ').ok_or("HOST +SECONDSs")?;
    let seconds: i64 = number(offset.trim().trim_end_matches('s').trim_start_matches('+'))?;
    Ok((host.to_owned(), seconds * 1000))
}

/// `w1 drop-after 1 systemctl stop kubelet`.
fn fault(value: &str) -> Result<FaultRule, String> {
    let words: Vec<&str> = value.splitn(4, ' ').collect();
    let [host, kind, times, line] = words[..] else {
        return Err("HOST KIND TIMES LINE".to_owned());
    };
    let kind = match kind {
        "refuse" => Fault::RefuseConnection,
        "drop-before" => Fault::DropBefore,
        "drop-during" => Fault::DropDuring,
        "drop-after" => Fault::DropAfter,
        "hang" => Fault::Hang,
        _ => return Err("refuse, drop-before, drop-after or hang".to_owned()),
    };
    Ok(rule(host, line, kind, number(times)?))
}

fn rule(host: &str, line: &str, fault: Fault, times: u32) -> FaultRule {
    FaultRule {
        host: host.into(),
        line: line.to_owned(),
        fault,
        times,
    }
}

/// `w1 docker 2`.
fn failing(value: &str) -> Result<(String, String, u32), String> {
    let words: Vec<&str> = value.split(' ').collect();
    let [host, unit, starts] = words[..] else {
        return Err("HOST UNIT STARTS".to_owned());
    };
    Ok((host.to_owned(), unit.to_owned(), number(starts)?))
}

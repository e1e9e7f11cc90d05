//! What decides whether a renewed certificate is in use: when processes started, who mounts and who copied kubeconfigs,
//! when the CNI's token ends, whether the kubelet rotates.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_parser::pem::Pem;

use crate::model::certificate::CertificateState;
use crate::model::{Command, Host, Output, mask, scripts};

use super::error::{ProbeError, text_of};
use super::x509;

const WHAT: &str = "surroundings";
const COPY: &str = "@copy\t";

/// Everything the script says; an empty list is "none found".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    pub processes: Vec<ProcessFacts>,
    /// Addresses of the host's interfaces, as text.
    pub addresses: Vec<String>,
    pub copies: Vec<CopyFacts>,
    pub mounts: Vec<MountFacts>,
    pub tokens: Vec<TokenFacts>,
    pub kubelet: KubeletSettings,
    /// `ca`, `etcd/ca`, `front-proxy-ca`: whether its key is beside it.
    pub ca_keys: Vec<(String, bool)>,
}

/// A process of the control plane or the kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// Base name of its first argument: `kube-scheduler`.
    pub name: String,
    pub pid: u32,
    /// By the host's clock, to the second.
    pub started: Timestamp,
}

/// A kubeconfig with a client certificate outside of kubeadm's own files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFacts {
    /// Whose it is: `root`, `user ops`, `pod kube-vip`, `inventory`.
    pub source: String,
    pub path: String,
    pub state: CertificateState,
    pub modified: Option<Timestamp>,
}

/// A kubeconfig that a static pod mounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountFacts {
    /// Manifest name without `.yaml`.
    pub pod: String,
    pub path: String,
}

/// The times of a service account token in a CNI kubeconfig; never the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFacts {
    pub path: String,
    /// `None`: a token without an end (before Kubernetes 1.21).
    pub expires: Option<Timestamp>,
    pub issued: Option<Timestamp>,
}

/// The kubelet's own settings; `None` = could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeletSettings {
    /// `rotateCertificates`; the kubelet's default is false, kubeadm writes true.
    pub rotates: Option<bool>,
    /// `serverTLSBootstrap`: its serving certificate is requested from the API, and somebody must approve it.
    pub requests_serving: Option<bool>,
}

/// `certfleet:inspect`; `extra` are kubeconfigs to look at by name.
pub fn command(host: &Host, extra: &[String]) -> Command {
    let login = host.ssh.user.clone().unwrap_or_default();
    let head = [host.kubernetes.cert_dir.clone(), login];
    Command::script(&scripts::INSPECT, head.into_iter().chain(extra.iter().cloned()))
}

/// Reads every line; keys that nobody knows are left out: a newer script may say more.
///
/// # Errors
/// The script did not run.
pub fn parse(output: &Output) -> Result<Surroundings, ProbeError> {
    let text = text_of(WHAT, output)?;
    let mut found = Surroundings::default();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(header) = line.strip_prefix(COPY) {
            let mut pem = String::new();
            while let Some(block) = lines.next_if(|l| !l.contains('\t')) {
                pem.push_str(block);
                pem.push('\n');
            }
            found.copies.extend(copy(header, &pem));
        } else {
            let fields: Vec<&str> = line.split('\t').collect();
            fill(&mut found, &fields);
        }
    }
    // A kubeconfig can be mounted by several pods, or be a user's and a mounted one.
    found.mounts.dedup();
    Ok(found)
}

fn fill(found: &mut Surroundings, fields: &[&str]) {
    match *fields {
        ["process", name, pid, started] => found.processes.extend(process(name, pid, started)),
        ["address", address] => found.addresses.push(address.to_owned()),
        ["mount", pod, path] => found.mounts.push(MountFacts {
            pod: pod.to_owned(),
            path: path.to_owned(),
        }),
        ["cni-token", path, expires, issued] => found.tokens.push(TokenFacts {
            path: path.to_owned(),
            expires: time(expires),
            issued: time(issued),
        }),
        ["rotate-certificates", value] => found.kubelet.rotates = Some(value == "true"),
        ["server-tls-bootstrap", value] => found.kubelet.requests_serving = Some(value == "true"),
        ["ca-key", name, state] => found.ca_keys.push((name.to_owned(), state == "present")),
        _ => {}
    }
}

fn process(name: &str, pid: &str, started: &str) -> Option<ProcessFacts> {
    Some(ProcessFacts {
        name: name.to_owned(),
        pid: pid.parse().ok()?,
        started: time(started)?,
    })
}

fn time(seconds: &str) -> Option<Timestamp> {
    seconds.parse().ok().and_then(|s| Timestamp::from_second(s).ok())
}

fn copy(header: &str, pem: &str) -> Option<CopyFacts> {
    let fields: Vec<&str> = header.split('\t').collect();
    let [source, path, state, modified] = fields[..] else {
        return None;
    };
    Some(CopyFacts {
        source: source.to_owned(),
        path: path.to_owned(),
        state: copy_state(state, pem),
        modified: time(modified),
    })
}

fn copy_state(state: &str, pem: &str) -> CertificateState {
    let (word, rest) = state.split_once(' ').unwrap_or((state, ""));
    match word {
        "present" => leaf(pem).unwrap_or_else(|why| CertificateState::Unreadable(why.to_string())),
        "missing" => CertificateState::Missing,
        "dangling" => CertificateState::Dangling(rest.to_owned()),
        _ => CertificateState::Unreadable(mask(rest)),
    }
}

fn leaf(pem: &str) -> Result<CertificateState, ProbeError> {
    let block = Pem::iter_from_buffer(pem.as_bytes()).next();
    let block = block
        .and_then(Result::ok)
        .ok_or_else(|| ProbeError::format(WHAT, "its PEM is damaged"))?;
    x509::parse_der(&block.contents).map(|x509| CertificateState::Present(Box::new(x509)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::fixtures::at;

    fn pem() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["m1".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn reads_every_kind_of_line_and_ignores_newer_ones() {
        let text = format!(
            "process\tkube-scheduler\t1200\t1600000000\naddress\t10.0.0.1\n@copy\troot\t/root/.kube/config\tpresent\t1600000000\n{}\
             @copy\tinventory\t/srv/ci.conf\tmissing\t-\nmount\tkube-vip\t/etc/kubernetes/admin.conf\n\
             cni-token\t/etc/cni/net.d/calico-kubeconfig\t1600086400\t-\nrotate-certificates\tunset\nfuture\tx\ty\nca-key\tca\tabsent\n",
            pem().replace('\r', "")
        );
        let found = parse(&Output::new(0, text, "")).unwrap();
        assert_eq!(found.processes[0].started, at("2020-09-13T12:26:40Z"));
        assert!(
            matches!(found.copies[0].state, CertificateState::Present(_)),
            "{:?}",
            found.copies[0]
        );
        assert_eq!(found.copies[1].state, CertificateState::Missing);
        assert_eq!(found.mounts[0].pod, "kube-vip");
        assert_eq!(
            (found.tokens[0].expires, found.tokens[0].issued),
            (Some(at("2020-09-14T12:26:40Z")), None)
        );
        assert_eq!(
            (found.kubelet.rotates, found.kubelet.requests_serving),
            (Some(false), None)
        );
        assert_eq!(found.ca_keys, [("ca".to_owned(), false)]);
        assert!(parse(&Output::new(127, "", "sh: not found")).is_err());
    }
}

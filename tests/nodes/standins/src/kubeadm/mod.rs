//! kubeadm: `version`, `certs renew`, `certs check-expiration`, with the real one's words and its habit of exiting 0.

mod expiration;

use std::path::Path;
use std::time::Duration as StdDuration;

use anyhow::{Result, anyhow, bail};
use time::{Duration, OffsetDateTime};

use crate::host::{self, flag};
use crate::http::Session;
use crate::pki::{self, Pair};
use crate::tls::Client;

const ETC: &str = "/etc/kubernetes";

/// A certificate that kubeadm knows: its name, its place below the PKI (or the kubeconfig), its signer, its words.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub name: &'static str,
    pub path: &'static str,
    pub ca: &'static str,
    pub words: &'static str,
}

const fn known(name: &'static str, path: &'static str, ca: &'static str, words: &'static str) -> Known {
    Known { name, path, ca, words }
}

/// In kubeadm's order.
pub const TABLE: [Known; 11] = [
    known(
        "admin.conf",
        "",
        "ca",
        "certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself",
    ),
    known(
        "apiserver",
        "apiserver",
        "ca",
        "certificate for serving the Kubernetes API",
    ),
    known(
        "apiserver-etcd-client",
        "apiserver-etcd-client",
        "etcd-ca",
        "certificate the apiserver uses to access etcd",
    ),
    known(
        "apiserver-kubelet-client",
        "apiserver-kubelet-client",
        "ca",
        "certificate for the API server to connect to kubelet",
    ),
    known(
        "controller-manager.conf",
        "",
        "ca",
        "certificate embedded in the kubeconfig file for the controller manager to use",
    ),
    known(
        "etcd-healthcheck-client",
        "etcd/healthcheck-client",
        "etcd-ca",
        "certificate for liveness probes to healthcheck etcd",
    ),
    known(
        "etcd-peer",
        "etcd/peer",
        "etcd-ca",
        "certificate for etcd nodes to communicate with each other",
    ),
    known("etcd-server", "etcd/server", "etcd-ca", "certificate for serving etcd"),
    known(
        "front-proxy-client",
        "front-proxy-client",
        "front-proxy-ca",
        "certificate for the front proxy client",
    ),
    known(
        "scheduler.conf",
        "",
        "ca",
        "certificate embedded in the kubeconfig file for the scheduler manager to use",
    ),
    known(
        "super-admin.conf",
        "",
        "ca",
        "certificate embedded in the kubeconfig file for the super-admin",
    ),
];

/// Place of an authority below the PKI.
pub fn ca_path(ca: &str) -> &'static str {
    match ca {
        "etcd-ca" => "etcd/ca",
        "front-proxy-ca" => "front-proxy-ca",
        _ => "ca",
    }
}

pub fn main(args: &[String]) -> Result<u8> {
    let version = host::version();
    let words: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let words = match words.as_slice() {
        ["version", ..] => {
            println!("{}", version.text);
            return Ok(0);
        }
        ["alpha", "certs", rest @ ..] if version.minor <= 20 => {
            if version.minor == 20 {
                eprintln!(
                    "Command \"{}\" is deprecated, please use the same command under \"kubeadm certs\"",
                    rest.last().unwrap_or(&"")
                );
            }
            rest.to_vec()
        }
        ["certs", rest @ ..] if version.minor >= 20 => rest.to_vec(),
        [first, ..] => {
            eprintln!(
                "unknown command {first:?} for \"kubeadm\"\nTo see the stack trace of this error execute with --v=5 or higher"
            );
            return Ok(1);
        }
        [] => bail!("kubeadm needs a command"),
    };
    let pki = flag(args, "cert-dir").unwrap_or_else(|| format!("{ETC}/pki"));
    let table = TABLE
        .iter()
        .filter(|k| version.minor >= 29 || k.name != "super-admin.conf");
    match words.as_slice() {
        ["check-expiration", ..] => {
            preamble("check-expiration", version.minor);
            expiration::check(&table.copied().collect::<Vec<_>>(), &pki);
            Ok(0)
        }
        ["renew", name, ..] => renew(&table.copied().collect::<Vec<_>>(), name, &pki, version.minor),
        _ => bail!("unknown command for \"kubeadm certs\""),
    }
}

/// Tries to read the cluster's configuration, as the real one does before anything else.
fn preamble(command: &str, minor: u32) {
    if minor >= 33 {
        println!(
            "[{command}] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"..."
        );
        println!(
            "[{command}] Use 'kubeadm init phase upload-config kubeadm --config your-config-file' to re-upload it."
        );
    } else if minor >= 16 {
        println!("[{command}] Reading configuration from the cluster...");
        println!(
            "[{command}] FYI: You can look at this config file with 'kubectl -n kube-system get cm kubeadm-config -o yaml'"
        );
    } else {
        return;
    }
    if cluster_answers().is_err() {
        println!("[{command}] Error reading configuration from the Cluster. Falling back to default configuration");
    }
    println!("");
}

fn cluster_answers() -> Result<()> {
    let config = pki::kubeconfig(&format!("{ETC}/admin.conf"))?;
    let client = Client::load(&config.ca, Some(&config.client))?;
    let mut session = Session::new(client, &config.server, StdDuration::from_secs(2));
    match session.ask("GET", "/api/v1/nodes", None) {
        Ok((200, _)) => Ok(()),
        other => Err(anyhow!("{other:?}")),
    }
}

fn renew(table: &[Known], name: &str, pki: &str, minor: u32) -> Result<u8> {
    let wanted: Vec<Known> = table
        .iter()
        .filter(|k| name == "all" || k.name == name)
        .copied()
        .collect();
    if wanted.is_empty() {
        eprintln!("unknown command {name:?} for \"kubeadm certs renew\"");
        return Ok(1);
    }
    preamble("renew", minor);
    for k in wanted {
        if !exists(k, pki) {
            println!("MISSING! {}", k.words);
            continue;
        }
        let ca = format!("{pki}/{}", ca_path(k.ca));
        if !Path::new(&format!("{ca}.key")).exists() {
            println!("Detected external {}, {} can't be renewed", k.ca, k.words);
            continue;
        }
        let ca = pki::read(&format!("{ca}.crt"), &format!("{ca}.key"))?;
        warn_of_ca(&ca, k.ca)?;
        let now = host::now();
        reissue("", k, pki, &ca, now - Duration::minutes(5), now + Duration::days(365))?;
        println!("{} renewed", k.words);
    }
    if name == "all" && minor >= 18 {
        println!(
            "\nDone renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates."
        );
    }
    Ok(0)
}

fn warn_of_ca(ca: &Pair, name: &str) -> Result<()> {
    let (from, until) = pki::validity(&pki::der(&ca.cert)?)?;
    if host::now() > until || host::now() < from {
        eprintln!(
            "W{} certs.go:522] WARNING: could not validate bounds for certificate {name}: the certificate has expired: NotBefore: {from}, NotAfter: {until}",
            host::now()
        );
    }
    Ok(())
}

fn exists(k: Known, pki: &str) -> bool {
    if k.path.is_empty() {
        return Path::new(&format!("{ETC}/{}", k.name)).exists();
    }
    Path::new(&format!("{pki}/{}.crt", k.path)).exists()
}

/// Signs a new key with the subject and names of the old certificate and writes both, below `root`.
pub fn reissue(root: &str, k: Known, pki: &str, ca: &Pair, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    if k.path.is_empty() {
        let path = format!("{root}{ETC}/{}", k.name);
        let old = pki::kubeconfig(&path)?;
        let user = std::fs::read_to_string(&path)?;
        let user = user
            .lines()
            .find_map(|l| l.trim().strip_prefix("user: ").map(str::to_owned))
            .unwrap_or_default();
        let new = pki::issue(&pki::spec_of(&pki::der(&old.client.cert)?)?, ca, from, until)?;
        return pki::write(&path, &pki::kubeconfig_text(&old.server, &old.ca, &user, &new), 0o600);
    }
    let base = format!("{root}{pki}/{}", k.path);
    let old = std::fs::read_to_string(format!("{base}.crt"))?;
    let new = pki::issue(&pki::spec_of(&pki::der(&old)?)?, ca, from, until)?;
    pki::write(format!("{base}.key"), &new.key, 0o600)?;
    pki::write(format!("{base}.crt"), &new.cert, 0o644)
}

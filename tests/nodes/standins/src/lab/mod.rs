//! `standins lab …`: what the fleet's own scripts do to the files of a host from outside: make its PKI, date it anew.

pub mod manifests;
mod node;

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, anyhow, bail};
use time::{Duration, OffsetDateTime};

use crate::host::{self, flag};
use crate::kubeadm::{self, TABLE};
use crate::pki::{self, Pair, Spec};
use node::Node;

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

//! `kubeadm [alpha] certs check-expiration`.

use jiff::Timestamp;

use crate::lab::clock::DAY;
use crate::lab::context::Context;
use crate::lab::fleet::is_master;
use crate::lab::pki::Signer;
use crate::model::ExitStatus;

use super::kubeadm::{preamble, told_of_external_etcd};
use super::kubeadm_names::{CERTIFICATES, Renewable};
use super::table;

const FINE: ExitStatus = ExitStatus::Code(0);

/// Prints the table; exit status 0 whatever it says.
pub(super) fn run(context: &mut Context, arguments: &[String], cert_dir: &str) -> ExitStatus {
    if !context.root {
        return context.fail(1, "failed to load existing certificate: open /etc/kubernetes/admin.conf: permission denied\nTo see the stack trace of this error execute with --v=5 or higher");
    }
    if !context.node(is_master) {
        return context.fail(
            1,
            format!("failed to load existing certificate: open {cert_dir}/apiserver.crt: no such file or directory"),
        );
    }
    let version = context.node(|n| n.kube);
    preamble(context, "check-expiration", version);
    let with_ca = version.minor >= 18;
    let now = context.change(|n, moment| n.wall(moment));
    let mut rows = vec![heading("CERTIFICATE", with_ca)];
    let external = told_of_external_etcd(context, arguments);
    let known = |c: &&Renewable| c.known_to(version) && !(external && c.signer == Signer::EtcdCa);
    for certificate in CERTIFICATES.iter().filter(known) {
        let leaf = context.node(|n| n.files.leaf(&certificate.path(cert_dir)));
        rows.push(match leaf {
            Some(leaf) => row(
                certificate.name,
                leaf.not_after,
                now,
                with_ca.then(|| certificate.signer.name()),
            ),
            None => vec![format!("!MISSING! {}", certificate.name)],
        });
    }
    let mut text = table(&rows);
    if with_ca {
        text.push('\n');
        text.push_str(&authorities(context, now));
    }
    context.out(text);
    FINE
}

fn heading(first: &str, with_ca: bool) -> Vec<String> {
    let ca = with_ca.then_some("CERTIFICATE AUTHORITY");
    let words = [
        Some(first),
        Some("EXPIRES"),
        Some("RESIDUAL TIME"),
        ca,
        Some("EXTERNALLY MANAGED"),
    ];
    words.into_iter().flatten().map(str::to_owned).collect()
}

fn row(name: &str, until: Timestamp, now: Timestamp, ca: Option<&str>) -> Vec<String> {
    let date = until.strftime("%b %d, %Y %H:%M UTC").to_string();
    let cells = [
        Some(name.to_owned()),
        Some(date),
        Some(residual(until, now)),
        ca.map(str::to_owned),
        Some("no".to_owned()),
    ];
    cells.into_iter().flatten().collect()
}

fn authorities(context: &Context, now: Timestamp) -> String {
    let mut rows = vec![heading("CERTIFICATE AUTHORITY", false)];
    let cas = context.with(|w| {
        [
            ("ca", w.pki.ca.not_after),
            ("etcd-ca", w.pki.etcd.not_after),
            ("front-proxy-ca", w.pki.front_proxy.not_after),
        ]
    });
    rows.extend(cas.into_iter().map(|(name, until)| row(name, until, now, None)));
    table(&rows)
}

/// `duration.ShortHumanDuration` of apimachinery.
fn residual(until: Timestamp, now: Timestamp) -> String {
    let seconds = until.as_second() - now.as_second();
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..DAY => format!("{}h", seconds / 3600),
        _ if seconds < 365 * DAY => format!("{}d", seconds / DAY),
        _ => format!("{}y", seconds / (365 * DAY)),
    }
}

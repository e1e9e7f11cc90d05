//! What ports show, against the files of the host (or of any master, behind a load balancer).

use crate::model::{HostName, X509Facts};
use crate::probes::served::{ServedAnswer, Server};

use super::View;
use super::inspection::{Handshake, Inspection, Via};
use super::level::Level;
use super::row::{Row, Subject, Verdict};

/// The rows of one host's ports.
pub(super) fn rows(view: &View<'_>, host: &Inspection) -> Vec<Row> {
    host.handshakes
        .iter()
        .map(|handshake| row(view, host, handshake))
        .collect()
}

fn row(view: &View<'_>, host: &Inspection, handshake: &Handshake) -> Row {
    let endpoint = &handshake.served.endpoint;
    let server = endpoint.server;
    let name = match server {
        Server::EtcdElsewhere => "etcd-server",
        _ => server.certificate().unwrap_or("self-made"),
    };
    let mut blank =
        Row::new(&host.facts.host, Subject::Served, name, &endpoint.place()).resting_on(evidence(handshake.via));
    blank.process = Some(server.process().to_owned());
    blank.modified = server.certificate().and_then(|n| host.file(n)).and_then(|f| f.modified);
    match &handshake.served.answer {
        ServedAnswer::Certificate(x509) => {
            if let Some(who) = answering(view, server, x509) {
                blank.evidence = format!("{}, {who} answered", blank.evidence);
            }
            let (judgement, detail) = judge(view, host, server, x509);
            blank.with_x509(x509).judged(judgement, detail)
        }
        ServedAnswer::Closed => unseen(blank, "nothing listens there"),
        ServedAnswer::Unknown(why) => unseen(blank, why),
    }
}

fn evidence(via: Via) -> &'static str {
    match via {
        Via::Tunnel => "TLS handshake through SSH",
        Via::OpensslOnHost => "openssl s_client on the host",
    }
}

fn unseen(row: Row, why: &str) -> Row {
    row.judged((Verdict::Unknown, Level::Unknown), Some(why.to_owned()))
}

type Judgement = ((Verdict, Level), Option<String>);

fn judge(view: &View<'_>, host: &Inspection, server: Server, served: &X509Facts) -> Judgement {
    match server {
        Server::ControllerManager | Server::Scheduler => {
            let why = "made in memory by the process: says nothing about its kubeconfig";
            ((Verdict::Ok, Level::Ok), Some(why.to_owned()))
        }
        Server::Endpoint => endpoint(view, host, served),
        Server::EtcdElsewhere => {
            let why = "not in this inventory: left alone".to_owned();
            (dates(view, host, server, served), Some(why))
        }
        _ => against_file(view, host, server, served),
    }
}

fn against_file(view: &View<'_>, host: &Inspection, server: Server, served: &X509Facts) -> Judgement {
    let dates = dates(view, host, server, served);
    let Some(file) = server.certificate().and_then(|name| host.x509(name)) else {
        let why = "no file to compare it with".to_owned();
        return (
            if dates.1 == Level::Ok {
                (Verdict::Unknown, Level::Unknown)
            } else {
                dates
            },
            Some(why),
        );
    };
    if file.sha256 == served.sha256 {
        return (dates, None);
    }
    let day = file.not_after.strftime("%Y-%m-%d");
    // Serials and fingerprints differ per host: they are in the rows, not in words that are to be folded.
    if newer(file, served) {
        let why = format!("shows an earlier certificate than the file, which expires {day}");
        ((Verdict::RenewedNotInUse, dates.1.max(Level::Warning)), Some(why))
    } else {
        let why = format!("shows a later certificate than the file, which expires {day}");
        ((Verdict::Mismatch, dates.1.max(Level::Warning)), Some(why))
    }
}

/// Made later; a kubeadm that copies the CA's notBefore is told apart by the end.
fn newer(file: &X509Facts, served: &X509Facts) -> bool {
    (file.not_before, file.not_after) > (served.not_before, served.not_after)
}

fn dates(view: &View<'_>, host: &Inspection, server: Server, served: &X509Facts) -> (Verdict, Level) {
    let kubelet = server == Server::Kubelet;
    let thresholds = if kubelet {
        view.thresholds
            .for_rotating(served.not_after.duration_since(served.not_before))
    } else {
        view.thresholds
    };
    let (verdict, level) = thresholds.judge(served, view.now(host));
    (verdict, if kubelet { level.min(Level::Warning) } else { level })
}

/// Behind a VIP or a load balancer any master may have answered; its name is evidence, not part of the verdict.
fn endpoint(view: &View<'_>, host: &Inspection, served: &X509Facts) -> Judgement {
    let dates = dates(view, host, Server::Endpoint, served);
    if view.api_files.contains_key(served.sha256.as_str()) {
        return (dates, None);
    }
    if showing(view, served).is_some() {
        let why = "a master answered with a certificate that is not its file any more".to_owned();
        return ((Verdict::RenewedNotInUse, dates.1.max(Level::Warning)), Some(why));
    }
    if view.api_files.is_empty() {
        return (dates, Some("no master's file to compare it with".to_owned()));
    }
    let verdict = if dates.1 == Level::Ok {
        Verdict::Mismatch
    } else {
        dates.0
    };
    (
        (verdict, dates.1.max(Level::Warning)),
        Some("the certificate is no master's file".to_owned()),
    )
}

/// The master that shows this certificate on its own port.
fn showing<'a>(view: &View<'a>, served: &X509Facts) -> Option<&'a Inspection> {
    view.fleet
        .hosts
        .iter()
        .find(|i| i.handshakes.iter().any(|h| is_api(h, served)))
}

fn answering<'a>(view: &View<'a>, server: Server, served: &X509Facts) -> Option<&'a HostName> {
    let behind = server == Server::Endpoint;
    let by_file = || view.api_files.get(served.sha256.as_str()).copied();
    behind
        .then(|| showing(view, served).or_else(by_file))
        .flatten()
        .map(Inspection::name)
}

fn is_api(handshake: &Handshake, served: &X509Facts) -> bool {
    handshake.served.endpoint.server == Server::ApiServer
        && matches!(&handshake.served.answer, ServedAnswer::Certificate(x) if x.sha256 == served.sha256)
}

//! What a playbook may not say although each of its words is known.

use super::located::Sp;
use super::playbook_file::{GateFile, PhaseFile};
use super::playbook_items::{ProbeFile, StepFile};
use super::settings::Context;
use super::suggest::nearest;
use crate::model::Gate;
use crate::model::certificate::RENEWABLE;
use crate::model::duration;

/// Times that cannot work, and probes that are missing or asked twice.
pub(super) fn gate(cx: &mut Context<'_>, file: &Sp<GateFile>, gate: &Gate) {
    let times = [&file.quiet, &file.interval, &file.timeout];
    let at = times
        .into_iter()
        .flatten()
        .map(|t| t.at)
        .next()
        .unwrap_or(file.probes.at);
    let shown = duration::display;
    if gate.timeout.is_zero() || gate.interval.is_zero() {
        cx.complain(
            at,
            "`interval` and `timeout` cannot be zero",
            "write for example `interval: 2s`, `timeout: 5m`",
        );
    } else if gate.quiet >= gate.timeout {
        let message = format!(
            "quiet for {} cannot be seen within a timeout of {}",
            shown(gate.quiet),
            shown(gate.timeout)
        );
        cx.complain(at, message, "make `timeout` much longer than `quiet`");
    } else if gate.interval >= gate.timeout {
        let message = format!(
            "an interval of {} within a timeout of {}",
            shown(gate.interval),
            shown(gate.timeout)
        );
        cx.complain(at, message, "make `timeout` much longer than `interval`");
    }
    if gate.probes.is_empty() {
        cx.complain(
            file.probes.at,
            "a gate without probes proves nothing",
            "add a probe, or remove the gate",
        );
    }
    for (i, probe) in gate.probes.iter().enumerate() {
        if gate.probes[..i].contains(probe) {
            let message = format!("probe `{}` is asked twice", probe.name());
            cx.complain(file.probes[i].at, message, "remove one of the two");
        }
    }
}

/// `names:` of a renewal: known to kubeadm, each once.
pub(super) fn certificate_names(cx: &mut Context<'_>, names: &[Sp<String>]) {
    if let Some((i, name)) = names
        .iter()
        .enumerate()
        .find(|(i, n)| names[..*i].iter().any(|m| m.value == n.value))
    {
        cx.complain(
            name.at,
            format!("`{}` is named twice", names[i].value),
            "remove one of the two",
        );
    }
    for name in names.iter().filter(|n| !RENEWABLE.contains(&n.value.as_str())) {
        let hint = match nearest(name, RENEWABLE) {
            _ if name.value == "all" => "write `names: all`, without a list".to_owned(),
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("kubeadm renews {}", RENEWABLE.join(", ")),
        };
        cx.complain(
            name.at,
            format!("`{}` is not a certificate that kubeadm renews", name.value),
            hint,
        );
    }
}

/// Steps and probes that need a control plane, in a phase for workers only.
pub(super) fn hosts_fit(cx: &mut Context<'_>, phase: &Sp<PhaseFile>) {
    if phase.hosts.split(',').map(str::trim).any(|term| term != "workers") {
        return;
    }
    for step in &phase.steps {
        let misplaced = match &step.value {
            StepFile::RenewCertificates(_) => Some((
                "renew-certificates",
                "kubeadm renews on masters; a kubelet renews its own",
            )),
            StepFile::ReissueEtcdCertificates(_) => {
                Some(("reissue-etcd-certificates", "workers have nothing that etcd's CA signs"))
            }
            StepFile::RecycleStaticPods => Some(("recycle-static-pods", "the control plane runs on masters")),
            StepFile::DeletePods(_) => Some(("delete-pods", "it needs kubectl with admin.conf")),
            StepFile::ApproveKubeletServing => Some(("approve-kubelet-serving", "it needs kubectl with admin.conf")),
            StepFile::RefreshKubeconfigCopies => Some(("refresh-kubeconfig-copies", "admin.conf is on masters")),
            StepFile::Backup
            | StepFile::PruneBackups(_)
            | StepFile::ReissueKubeletClient
            | StepFile::Service(_)
            | StepFile::Run(_) => None,
        };
        if let Some((name, why)) = misplaced {
            cx.complain(
                step.at,
                format!("`{name}` on workers only"),
                format!("{why}; write `hosts: masters`"),
            );
        }
    }
    let probes = phase.gate.iter().flat_map(|gate| gate.probes.iter());
    for probe in probes {
        if let ProbeFile::Plain(name @ ("api-server" | "etcd" | "static-pods" | "component-health")) = probe.value {
            let message = format!("probe `{name}` on workers only can never pass");
            cx.complain(
                probe.at,
                message,
                "it asks a master; move it to a phase with `hosts: masters`",
            );
        }
    }
}

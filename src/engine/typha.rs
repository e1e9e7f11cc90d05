//! Calico's own certificates, when its pods are not well: with an expired one calico-node and typha do not speak to each other, and
//! a new pod reads the same secret. Such pods are left alone, with the reason.

use futures::future::join_all;

use crate::model::Host;
use crate::probes::pods::{Cure, PodFinding};
use crate::probes::typha::{self, NAMESPACE, SECRETS};

use super::context::Run;
use super::looks::now_on_host;

/// The cure of each finding that deletion could not cure, replaced by the reason. Asked only where there is such a pod.
pub(super) async fn spare(run: &Run, master: &Host, findings: &mut [PodFinding]) {
    let concerned = |f: &PodFinding| f.namespace == NAMESPACE && !matches!(f.cure, Cure::LeaveAlone { .. });
    if !findings.iter().any(concerned) {
        return;
    }
    let Some(why) = expired(run, master).await else { return };
    for finding in findings.iter_mut().filter(|f| concerned(f)) {
        finding.cure = Cure::LeaveAlone { why: why.clone() };
    }
}

/// What has expired, and who renews it. A secret that cannot be read is no reason.
async fn expired(run: &Run, master: &Host) -> Option<String> {
    let asked = SECRETS.map(|secret| async move {
        let output = run.ask(&master.name, &typha::command(master, secret)).await.ok()?;
        typha::parse(secret, &output).ok().flatten()
    });
    let now = now_on_host(run, &master.name);
    let found = join_all(asked).await.into_iter().flatten();
    let ended: Vec<String> = found
        .filter(|c| c.x509.expired(now))
        .map(|c| format!("{NAMESPACE}/{} expired at {}", c.secret, c.x509.not_after))
        .collect();
    (!ended.is_empty()).then(|| {
        format!(
            "secret {}; deleting pods does not help: the Tigera operator renews it, see that it runs, or delete the secret of that \
             name in namespace tigera-operator",
            ended.join(" and ")
        )
    })
}

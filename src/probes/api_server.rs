//! Is the API server of this very master ready?

use crate::model::facts::KubeVersion;
use crate::model::{Command, Host, HostFacts, Output};

use super::served::Server;
use super::verdict::Verdict;

/// `/readyz` exists from here; before it there is `/healthz`.
const READYZ: KubeVersion = KubeVersion::minor(16);

/// What the API server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiAnswer {
    Ready,
    /// Not ready, or not there, in kubectl's words.
    NotReady(String),
}

/// Asked by address, so that no load balancer answers for another master.
pub fn command(host: &Host, facts: &HostFacts) -> Command {
    let address = facts.advertise_address.as_deref().unwrap_or(&host.address);
    let address = if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    let port = Server::ApiServer.on(facts).port;
    let server = format!("--server=https://{address}:{port}");
    let version = facts.kubelet_version.or(facts.kubeadm_version);
    let path = if version.is_some_and(|v| v < READYZ) {
        "--raw=/healthz"
    } else {
        "--raw=/readyz"
    };
    host.kubectl([server.as_str(), "get", path])
}

/// Every answer is one: kubectl's failure is what a dead API server looks like.
pub fn parse(output: &Output) -> ApiAnswer {
    if output.status.success() && output.stdout_text().trim() == "ok" {
        ApiAnswer::Ready
    } else {
        ApiAnswer::NotReady(output.last_line())
    }
}

/// Whether it is ready; errors of trust never clear by waiting.
pub fn judge(answer: &ApiAnswer) -> Verdict {
    let ApiAnswer::NotReady(line) = answer else {
        return Verdict::pass("the API server is ready");
    };
    let reason = format!("the API server is not ready: {line}");
    match never_clears(line) {
        Some(remedy) => Verdict::fail(reason, remedy),
        None => Verdict::wait(reason),
    }
}

fn never_clears(line: &str) -> Option<&'static str> {
    let table = [
        (
            "signed by unknown authority",
            "admin.conf and the API server have different authorities: compare ca.crt with the one in admin.conf.",
        ),
        (
            "certificate is valid for",
            "The serving certificate does not name this address: was it copied from another master? Renew apiserver with the right SANs.",
        ),
        (
            "executable file not found",
            "Set `kubernetes: { kubectl: /path }` in the inventory.",
        ),
        (
            "command not found",
            "Set `kubernetes: { kubectl: /path }` in the inventory.",
        ),
    ];
    table
        .iter()
        .find(|(text, _)| line.contains(text))
        .map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::probes::fixtures;

    #[test]
    fn asks_this_master_by_address_and_version() {
        let host = fixtures::host("m1", Role::ControlPlane);
        let mut facts = HostFacts::unknown("m1".into());
        facts.advertise_address = Some("fd00::1".to_owned());
        facts.kubelet_version = "v1.15.3".parse().ok();
        let words = command(&host, &facts).words.join(" ");
        assert!(
            words.ends_with("--server=https://[fd00::1]:6443 get --raw=/healthz"),
            "{words}"
        );
        assert!(
            command(&host, &HostFacts::unknown("m1".into()))
                .words
                .join(" ")
                .ends_with("https://m1:6443 get --raw=/readyz")
        );
    }

    #[test]
    fn only_errors_of_trust_fail_at_once() {
        let judged = |code, out, err| judge(&parse(&Output::new(code, out, err)));
        assert!(judged(0, "ok", "").passed());
        assert!(matches!(
            judged(1, "", "The connection to the server 10.0.0.1:6443 was refused"),
            Verdict::Wait(_)
        ));
        assert!(matches!(
            judged(
                1,
                "",
                "Unable to connect: x509: certificate has expired or is not yet valid"
            ),
            Verdict::Wait(_)
        ));
        let foreign = judged(
            1,
            "",
            "Unable to connect: x509: certificate signed by unknown authority",
        );
        assert!(matches!(foreign, Verdict::Fail { .. }));
    }
}

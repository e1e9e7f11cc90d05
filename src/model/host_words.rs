//! Words of command lines that follow from a host's settings; operations and probes must say them alike.

use std::time::Duration;

use super::command::Command;
use super::host::Host;

/// kubectl's own `--request-timeout` is 10 s; discovery adds some requests.
const KUBECTL_TIMEOUT: Duration = Duration::from_secs(60);

impl Host {
    /// kubectl as the admin of this very host, with a deadline for the API server.
    pub fn kubectl<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let head = [
            self.kubernetes.kubectl.as_str(),
            "--kubeconfig=/etc/kubernetes/admin.conf",
            "--request-timeout=10s",
        ];
        Command::root(head.into_iter().chain(words)).with_timeout(KUBECTL_TIMEOUT)
    }

    /// The kubelet's unit with its suffix, as systemd and the facts name it.
    pub fn kubelet_service(&self) -> String {
        unit_name(&self.kubernetes.kubelet_unit)
    }
}

/// `kubelet` is `kubelet.service` to systemd; other kinds of units keep their suffix.
pub fn unit_name(unit: &str) -> String {
    let kinds = [".service", ".socket", ".timer", ".target", ".mount", ".path"];
    if kinds.iter().any(|kind| unit.ends_with(kind)) {
        unit.to_owned()
    } else {
        format!("{unit}.service")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_has_no_suffix_of_its_own() {
        assert_eq!(unit_name("snap.kubelet.daemon"), "snap.kubelet.daemon.service");
        assert_eq!(unit_name("docker.socket"), "docker.socket");
    }
}

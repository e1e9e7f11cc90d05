//! What did `kubeadm certs renew` really do? Its exit status is 0 for "missing" and "external" too.
//!
//! The sentences are kubeadm's `LongName`s (kubernetes `cmd/kubeadm/app/phases/certs/certlist.go` and
//! `.../renewal/manager.go`, the same from 1.15 to 1.34). They are searched in the whole text, not line by line: what
//! people paste and what mail gateways return has lost its newlines.

use crate::model::Output;

/// `LongName` of each certificate; the second form is kubeadm's own typing error up to 1.16.
const SENTENCES: [(&str, &str); 12] = [
    (
        "admin.conf",
        "certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself",
    ),
    ("apiserver", "certificate for serving the Kubernetes API"),
    ("apiserver-etcd-client", "certificate the apiserver uses to access etcd"),
    (
        "apiserver-kubelet-client",
        "certificate for the API server to connect to kubelet",
    ),
    (
        "controller-manager.conf",
        "certificate embedded in the kubeconfig file for the controller manager to use",
    ),
    (
        "etcd-healthcheck-client",
        "certificate for liveness probes to healthcheck etcd",
    ),
    (
        "etcd-healthcheck-client",
        "certificate for liveness probes to healtcheck etcd",
    ),
    ("etcd-peer", "certificate for etcd nodes to communicate with each other"),
    ("etcd-server", "certificate for serving etcd"),
    ("front-proxy-client", "certificate for the front proxy client"),
    (
        "scheduler.conf",
        "certificate embedded in the kubeconfig file for the scheduler manager to use",
    ),
    (
        "super-admin.conf",
        "certificate embedded in the kubeconfig file for the super-admin",
    ),
];

/// What one `renew NAME` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// kubeadm says so; serial and notAfter must confirm it.
    Renewed,
    /// `MISSING!`: there is no such file.
    Missing,
    /// `Detected external …, … can't be renewed`: the CA's key is elsewhere.
    External,
    /// Something else; the line to show.
    Unknown(String),
}

/// Everything a run of `renew` said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenewAnswer {
    pub renewed: Vec<&'static str>,
    pub missing: Vec<&'static str>,
    pub external: Vec<&'static str>,
    /// The API was down, so kubeadm did not know its configuration.
    pub config_fallback: bool,
}

/// Reads the output of `renew NAME` or `renew all`.
pub fn parse(output: &Output) -> RenewAnswer {
    read(&format!("{}\n{}", output.stdout_text(), output.stderr_text()))
}

fn read(text: &str) -> RenewAnswer {
    // Also turns U+00A0 of localized prompts into plain blanks.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = |before: &str, sentence: &str, after: &str| text.contains(&format!("{before}{sentence}{after}"));
    let names = |before: &str, after: &str| {
        let found = SENTENCES.iter().filter(|(_, sentence)| said(before, sentence, after));
        let mut names: Vec<&'static str> = found.map(|(name, _)| *name).collect();
        names.dedup();
        names
    };
    RenewAnswer {
        renewed: names("", " renewed"),
        missing: names("MISSING! ", ""),
        external: names(", ", " can't be renewed"),
        config_fallback: text.contains("Falling back to default configuration"),
    }
}

/// What a run of `renew NAME` did to that name.
pub fn outcome(name: &str, output: &Output) -> Renewal {
    let answer = parse(output);
    let has = |names: &[&str]| names.contains(&name);
    if has(&answer.external) {
        Renewal::External
    } else if has(&answer.missing) {
        Renewal::Missing
    } else if has(&answer.renewed) && output.status.success() {
        Renewal::Renewed
    } else {
        Renewal::Unknown(output.last_line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_fallback_with_missing_names() {
        let text = "[renew] Error reading configuration from the Cluster. Falling back to default configuration\n\n\
            W1228 10:12:47.177137   10207 configset.go:202] WARNING: kubeadm cannot validate component configs\n\
            certificate for serving the Kubernetes API renewed\nMISSING! certificate for serving etcd\n";
        let answer = read(text);
        assert!(answer.config_fallback);
        assert_eq!(
            (answer.renewed, answer.missing),
            (vec!["apiserver"], vec!["etcd-server"])
        );
    }

    #[test]
    fn reads_glued_lines_and_the_old_typing_error() {
        let glued = "[sudo] Mot de passe de sumar\u{a0}: certificate for liveness probes to healtcheck etcd renewed \
            certificate for etcd nodes to communicate with each other renewedmaster $ kubeadm alpha certs renew \
            scheduler.confcertificate embedded in the kubeconfig file for the scheduler manager to use renewed";
        assert_eq!(
            read(glued).renewed,
            ["etcd-healthcheck-client", "etcd-peer", "scheduler.conf"]
        );
    }

    #[test]
    fn the_exit_status_is_not_believed() {
        let said = |code, text| outcome("apiserver", &Output::new(code, text, ""));
        assert_eq!(
            said(0, "certificate for serving the Kubernetes API renewed\n"),
            Renewal::Renewed
        );
        assert_eq!(
            said(0, "MISSING! certificate for serving the Kubernetes API\n"),
            Renewal::Missing
        );
        assert_eq!(
            said(
                0,
                "Detected external ca, certificate for serving the Kubernetes API can't be renewed\n"
            ),
            Renewal::External
        );
        assert_eq!(
            said(0, "certificate for serving etcd renewed\n"),
            Renewal::Unknown("certificate for serving etcd renewed".to_owned())
        );
        assert!(matches!(
            said(1, "certificate for serving the Kubernetes API renewed\n"),
            Renewal::Unknown(_)
        ));
    }

    /// Runs where the corpus of real outputs is beside the project; names to be found are in its `.expected.json`.
    #[test]
    fn agrees_with_real_outputs_where_the_corpus_is_there() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/renew");
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|e| e != "txt") {
                continue;
            }
            let expected = std::fs::read_to_string(path.with_extension("expected.json")).unwrap();
            let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
            let answer = read(&std::fs::read_to_string(&path).unwrap());
            assert_eq!(
                serde_json::json!(answer.renewed),
                expected["renewed"],
                "{}",
                path.display()
            );
            assert_eq!(
                serde_json::json!(answer.missing),
                expected["missing"],
                "{}",
                path.display()
            );
            assert_eq!(
                answer.config_fallback,
                expected["config_fallback"] == true,
                "{}",
                path.display()
            );
        }
    }
}

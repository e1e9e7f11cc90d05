//! The head of every kubectl command line, and how its failures read.

use crate::model::{Command, Host};

/// kubectl as the admin of this very host, with the API server's own deadline.
pub fn command<'a>(host: &'a Host, words: impl IntoIterator<Item = &'a str>) -> Command {
    let head = [
        host.kubernetes.kubectl.as_str(),
        "--kubeconfig=/etc/kubernetes/admin.conf",
        "--request-timeout=10s",
    ];
    Command::root(head.into_iter().chain(words)).with_timeout(std::time::Duration::from_secs(60))
}

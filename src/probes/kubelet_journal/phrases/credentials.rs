//! Statements about the kubelet's own client certificate that never clear by waiting.

use super::super::class::Class;
use super::super::facts::Text;
use super::super::remedy;
use super::{Phrase, block};

const RUN: &str = "failed to run Kubelet";
const CSR: &str = "cannot create certificate signing request";

pub(super) const TABLE: &[Phrase] = &[
    block(
        "bootstrap-file",
        Text::any(&["unable to load bootstrap kubec"]),
        Class::BootstrapFailed,
        remedy::BOOTSTRAP,
    )
    .from(
        "1.8-1.34",
        "cmd/kubelet/app/server.go run, bootstrap.go LoadClientConfig; website#42944, kubernetes#98150",
    ),
    block(
        "bootstrap-user",
        Text::all(&[CSR]).and_any(&["\"kubelet-boo", "\"system:bootst", "\"system:anonym"]),
        Class::BootstrapFailed,
        remedy::BOOTSTRAP,
    )
    .from("1.6-1.34", "bootstrap.go: RBAC refuses the bootstrap user"),
    block(
        "bootstrap-refused",
        Text::all(&[RUN, CSR]).and_any(&[
            "Unauthorized",
            "is forbidden",
            "the server has asked for the client to prov",
        ]),
        Class::BootstrapFailed,
        remedy::BOOTSTRAP,
    )
    .from("1.4-1.8", "bootstrap.go requestNodeCertificate; follow-me-install#235"),
    block(
        "bootstrap-unsigned",
        Text::all(&[RUN, "cannot get certificate"]),
        Class::BootstrapFailed,
        remedy::BOOTSTRAP,
    )
    .from("1.4-1.9", "bootstrap.go waitForCertificate"),
    block(
        "bootstrap-denied",
        Text::all(&[RUN, "certificate signing request"]).and_any(&["timed out", "denied"]),
        Class::BootstrapFailed,
        remedy::BOOTSTRAP,
    )
    .from("1.4-1.9", "bootstrap.go waitForCertificate"),
    block(
        "client-config-unusable",
        Text::any(&[
            "unable to read existing bootstrap client config",
            "unable to read client-cert",
            "unable to read client-key",
            "failed to find any PEM data in certificate input",
            "failed to find any PEM block in certificate input",
            "tls: private key does not match public key",
            "failed to run Kubelet: invalid kubeconfig",
            "failed to run Kubelet: error loading config file",
            "failed to run Kubelet: stat /etc/kubernetes/kubelet.conf",
        ]),
        Class::BootstrapFailed,
        remedy::BOOTSTRAP,
    )
    .from(
        "1.6-1.34",
        "bootstrap.go isClientConfigStillValid; client-go transport, certificate_store.go",
    ),
    block(
        "client-expired-at-start",
        Text::any(&["part of the existing bootstrap client cert"]),
        Class::Expired,
        remedy::EXPIRED_CLIENT,
    )
    .from(
        "1.8-1.34",
        "bootstrap.go isClientConfigStillValid (capital P up to 1.11; names the file from 1.21; in err= from 1.31)",
    ),
    block(
        "client-expired-running",
        Text::any(&["currently active client certificate has exp"]),
        Class::Expired,
        remedy::EXPIRED_CLIENT,
    )
    .from("1.10-1.34", "pkg/kubelet/certificate/transport.go addCertRotation"),
    block(
        "client-missing",
        Text::any(&[
            "since a valid client cert was found",
            "No valid client certificate is found",
            "restart may be necessary to retrieve new initial cred",
        ]),
        Class::Expired,
        remedy::EXPIRED_CLIENT,
    )
    .from(
        "1.10-1.34",
        "pkg/kubelet/certificate/transport.go addCertRotation, curr == nil; the end of both statements where a pager has cut the head",
    ),
    block(
        "another-nodes-certificate",
        Text::any(&[
            "is not allowed to modify node",
            " cannot modify node ",
            "with the same name as the requesting node",
            "', only its own Node object",
            "can only create pods with spec.nodeName",
            "can only delete pods with spec.nodeName",
            "can only create a node CSR with",
            "User \"system:node:\"",
            "User \\\"system:node:\\\"",
        ]),
        Class::Unauthorized,
        remedy::UNAUTHORIZED,
    )
    .from(
        "1.7-1.34",
        "plugin/pkg/admission/noderestriction, plugin/pkg/auth/authorizer/node: the client certificate carries another node's name, or none",
    ),
];

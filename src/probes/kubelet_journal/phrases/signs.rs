//! Positive signs, lines that are neither proof nor failure, and errors that say nothing about the API server.

use super::super::class::{Class, Clears};
use super::super::facts::Text;
use super::super::remedy;
use super::{By, CREDENTIALS, Phrase, hold, noise, positive, quiet};

pub(super) const TABLE: &[Phrase] = &[
    // Positive signs.
    positive(
        "rotation",
        Text::any(&["certificate rotation detected"]),
        Class::RotationOk,
    )
    .from("1.8-1.34", "pkg/kubelet/certificate/transport.go addCertRotation"),
    positive(
        "csr-issued",
        Text::all(&["certificate signing request ", " is issued"]),
        Class::RotationOk,
    )
    .from("1.14-1.34", "client-go util/certificate/csr/csr.go WaitForCertificate"),
    positive(
        "registered",
        Text::any(&["successfully registered node", "was previously registered"]),
        Class::Registered,
    )
    .from(
        "1.1-1.34",
        "kubelet_node_status.go registerWithAPIServer, tryRegisterWithAPIServer",
    ),
    positive(
        "certificate-expiration",
        Text::all(&["certificate expiration is 20", "rotation deadline is"]),
        Class::Benign,
    )
    .from("1.12-1.32", "certificate_manager.go nextRotationDeadline"),
    positive(
        "rotation-deadline",
        Text::any(&["certificate rotation deadline determined"]),
        Class::Benign,
    )
    .from(
        "1.33-1.34",
        "client-go util/certificate/certificate_manager.go nextRotationDeadline, contextual logging",
    ),
    quiet(
        "syncloop-api",
        Text::all(&["SyncLoop"]).and_any(&["source=\"api\"", "source=\\\"api\\\"", ", \"api\")"]),
    )
    .from(
        "1.2-1.34",
        "pkg/kubelet/kubelet.go syncLoopIteration: the API server listed the pods of this node",
    ),
    // Requests that wait for somebody else; the certificate was accepted, but the authorizer says no.
    hold(
        "csr-not-signed",
        Text::any(&[
            "certificate request was not signed",
            "certificate signing request is denied",
        ])
        .not(CREDENTIALS),
        Clears::Maybe,
        Some(remedy::CSR),
    )
    .from("1.9-1.34", "certificate_manager.go rotateCerts; kubernetes#77489"),
    hold(
        "node-authorizer",
        Text::any(&["no relationship found between node"]),
        Clears::Yes,
        None,
    )
    .from(
        "1.8-1.34",
        "plugin/pkg/auth/authorizer/node: its graph is not built yet",
    ),
    hold(
        "node-forbidden",
        Text::all(&["system:node:", "cannot "]).and_any(&["User \"", "User \\\""]),
        Clears::Yes,
        None,
    )
    .from(
        "1.7-1.34",
        "RBAC or node authorizer: authenticated, so not the certificate",
    ),
    // What journald hides.
    hold(
        "blob",
        Text::all(&["[", " blob data]"]).and_any(&["B blob data]", "K blob", "M blob", "G blob"]),
        Clears::Maybe,
        Some(remedy::BLOB),
    )
    .by(By::Journald)
    .from("all", "journalctl logs-show.c print_multiline"),
    hold(
        "suppressed",
        Text::all(&["Suppressed ", " messages from "]),
        Clears::Maybe,
        Some(remedy::SUPPRESSED),
    )
    .by(By::Journald)
    .from("all", "systemd journald-rate-limit.c"),
    // Errors that say nothing about the API server.
    noise(
        "network-plugin",
        Text::any(&[
            "container runtime network not ready",
            "NetworkPluginNotReady",
            "cni plugin not initialized",
            "cni config uninitialized",
            "No networks found in",
            "No valid networks found in",
            "unable to update cni config",
            "network plugin is not ready",
            "network is not ready",
            "no network config found in",
        ])
        .not(&["x509: ", "failed to patch status", "Error updating node status"]),
    )
    .from("1.3-1.34", "kubelet.go updateRuntimeUp, cni.go syncNetworkConfig"),
    noise("runtime-starting", Text::any(&["skipping pod synchronization"])).from(
        "1.3-1.34",
        "kubelet.go syncLoop: right after the start, until the runtime has answered",
    ),
    hold(
        "control-plane-crash",
        Text::any(&[
            "container=kube-apiserver",
            "container=\"kube-apiserver",
            "container=etcd",
            "container=\"etcd",
        ])
        .and_all(&["back-off"]),
        Clears::Yes,
        None,
    )
    .from("1.6-1.34", "pod_workers.go: the API server itself is not up yet"),
    noise("serving-certificate", Text::any(&["no serving certificate av"])).from(
        "1.11-1.34",
        "certificate_manager.go Current: the serving CSR is not approved",
    ),
    noise(
        "other-runtimes",
        Text::any(&[
            "Rkt api service",
            "container factory failed",
            "container factory successfully",
            "crio service",
        ])
        .not(&["failed to run Kubelet"]),
    )
    .from(
        "1.3-1.34",
        "cadvisor container/install: it tries every runtime there is, of which one answers",
    ),
    noise("node-fields", Text::any(&["failed to set some node status fields"])).from(
        "1.13-1.34",
        "kubelet_node_status.go setNodeStatus: before anything is sent",
    ),
    noise("not-registered", Text::any(&["\" not registered"])).from(
        "1.18-1.34",
        "pkg/kubelet/util/manager cache_based_manager.go; kubernetes#105204",
    ),
    quiet(
        "watch-ended",
        Text::all(&["watch of "])
            .and_any(&["ended with", "closed with"])
            .not(CREDENTIALS),
    )
    .from("1.2-1.34", "client-go tools/cache/reflector.go watchHandler"),
    quiet(
        "watch-ended-structured",
        Text::any(&["warning: watch ended with error"]).not(CREDENTIALS),
    )
    .from("1.33-1.34", "client-go tools/cache/reflector.go handleWatch"),
    quiet(
        "server-forbidden",
        Text::any(&["\"Forbidden\" user=", "Forbidden (user="]).not(&["scrape", "403 Forbidden"]),
    )
    .from(
        "1.8-1.34",
        "pkg/kubelet/server/server.go InstallAuthFilter: somebody without rights asked the kubelet",
    ),
    quiet("deprecated", Text::all(&["Flag --", "has been deprecated"])).from("1.6-1.34", "spf13/pflag"),
];

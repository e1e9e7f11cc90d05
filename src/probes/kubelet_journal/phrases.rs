//! Whole statements whose meaning does not depend on a further cause. First match wins.
//!
//! Each row names the Kubernetes versions that print the text and the source file or issue it was read in.

use super::class::{Clears, Class, Effect};
use super::component::Who;
use super::facts::Text;
use super::remedy;

/// One statement.
#[derive(Debug)]
pub(super) struct Phrase {
    pub(super) rule: &'static str,
    /// Who must be speaking.
    pub(super) by: By,
    pub(super) text: Text,
    pub(super) class: Class,
    pub(super) effect: Effect,
    pub(super) clears: Clears,
    pub(super) remedy: Option<&'static str>,
    /// Kubernetes versions that print it.
    #[expect(dead_code, reason = "for the reader who checks the table against the sources")]
    pub(super) versions: &'static str,
    /// Source file and function, or issue.
    #[expect(dead_code, reason = "for the reader who checks the table against the sources")]
    pub(super) origin: &'static str,
}

/// Whose mouth a statement must come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The kubelet, or a line that does not say who speaks.
    Kubelet,
    /// systemd, or a line that does not say who speaks.
    Systemd,
    /// journald, or the kubelet's unit.
    Journald,
}

impl By {
    pub(super) fn admits(self, who: Who) -> bool {
        match self {
            Self::Kubelet => matches!(who, Who::Kubelet | Who::Unknown),
            Self::Systemd => matches!(who, Who::Systemd | Who::Unknown),
            Self::Journald => matches!(who, Who::Journald | Who::Systemd | Who::Kubelet | Who::Unknown),
        }
    }
}

/// Starts a row as `block`, never clearing.
const fn block(rule: &'static str, text: Text, class: Class, remedy: &'static str) -> Phrase {
    Phrase { remedy: Some(remedy), clears: Clears::No, effect: Effect::Block, class, ..quiet(rule, text) }
}

const fn fail(rule: &'static str, text: Text, clears: Clears, remedy: &'static str) -> Phrase {
    Phrase { remedy: Some(remedy), clears, effect: Effect::Fail, class: Class::OtherError, ..quiet(rule, text) }
}

const fn hold(rule: &'static str, text: Text, clears: Clears, remedy: Option<&'static str>) -> Phrase {
    Phrase { remedy, clears, effect: Effect::Hold, class: Class::OtherError, ..quiet(rule, text) }
}

const fn positive(rule: &'static str, text: Text, class: Class) -> Phrase {
    Phrase { effect: Effect::Positive, class, ..quiet(rule, text) }
}

/// An error text that says nothing about the API server.
const fn noise(rule: &'static str, text: Text) -> Phrase {
    Phrase { class: Class::OtherError, clears: Clears::Maybe, ..quiet(rule, text) }
}

const fn quiet(rule: &'static str, text: Text) -> Phrase {
    Phrase {
        rule,
        by: By::Kubelet,
        text,
        class: Class::Benign,
        effect: Effect::Neutral,
        clears: Clears::Yes,
        remedy: None,
        versions: "all",
        origin: "",
    }
}

const fn from(row: Phrase, versions: &'static str, origin: &'static str) -> Phrase {
    Phrase { versions, origin, ..row }
}

const fn systemd(row: Phrase, origin: &'static str) -> Phrase {
    Phrase { by: By::Systemd, versions: "systemd", origin, ..row }
}

const RUN: &str = "failed to run Kubelet";
const CSR: &str = "cannot create certificate signing request";
const MAIN_EXIT: &str = "re:[Mm]ain process exited";
const UNIT: &str = "re:[Kk]ubelet";
const NODE_USER: &str = "re:User \\\\*\"system:node:";
const STARTS_RUNTIME: &str = "re:dial unix|[Cc]annot connect to the Docker daemon|validate service connection|unable to determine runtime API version|failed to get docker version|get remote runtime typed version";

/// The table.
pub(super) const PHRASES: &[Phrase] = &[
    // The kubelet's own client certificate.
    from(
        block("bootstrap-file", Text::any(&["unable to load bootstrap kubeconfig", "re:unable to load boots?t?r?a?p?$"]), Class::BootstrapFailed, remedy::BOOTSTRAP),
        "1.8-1.34",
        "cmd/kubelet/app/server.go run, bootstrap.go LoadClientConfig; website#42944, kubernetes#98150",
    ),
    from(
        block("bootstrap-user", Text::all(&[CSR]).and_any(&["re:User \\\\*\"(kubelet-boo|system:bootst|system:anonym)"]), Class::BootstrapFailed, remedy::BOOTSTRAP),
        "1.6-1.34",
        "bootstrap.go; RBAC refuses the bootstrap user",
    ),
    from(
        block("bootstrap-refused", Text::all(&[RUN, CSR]).and_any(&["re:\\bUnauthorized\\b", "is forbidden"]), Class::BootstrapFailed, remedy::BOOTSTRAP),
        "1.4-1.8",
        "bootstrap.go requestNodeCertificate; follow-me-install#235",
    ),
    from(
        block("bootstrap-unsigned", Text::all(&[RUN, "re:cannot get certificate|certificate signing request.*(timed out|denied)"]), Class::BootstrapFailed, remedy::BOOTSTRAP),
        "1.4-1.9",
        "bootstrap.go waitForCertificate",
    ),
    from(
        block(
            "client-config-unusable",
            Text::any(&[
                "re:[Uu]nable to read existing bootstrap client config",
                "unable to read client-cert",
                "unable to read client-key",
                "re:failed to find any PEM (data|block) in certificate input",
                "tls: private key does not match public key",
                "re:failed to run Kubelet: (invalid kubeconfig|error loading config file|stat /etc/kubernetes/kubelet\\.conf)",
                "re:could not convert data from .*kubelet-client",
                "re:no client certificate .*kubelet\\.conf",
            ]),
            Class::BootstrapFailed,
            remedy::BOOTSTRAP,
        ),
        "1.6-1.34",
        "bootstrap.go isClientConfigStillValid; client-go transport, certificate_store.go",
    ),
    from(
        block("client-expired-at-start", Text::any(&["re:[Pp]art of the existing bootstrap client cert"]), Class::Expired, remedy::EXPIRED_CLIENT),
        "1.8-1.34",
        "bootstrap.go isClientConfigStillValid (capital P up to 1.11; file named from 1.21; in err= from 1.31)",
    ),
    from(
        block("client-expired-running", Text::any(&["re:currently active client certificate has exp"]), Class::Expired, remedy::EXPIRED_CLIENT),
        "1.10-1.34",
        "pkg/kubelet/certificate/transport.go addCertRotation",
    ),
    from(
        block("client-missing", Text::any(&["since a valid client cert was found", "re:No valid client certificate is found"]), Class::Expired, remedy::EXPIRED_CLIENT),
        "1.10-1.34",
        "pkg/kubelet/certificate/transport.go addCertRotation, curr == nil",
    ),
    // Positive signs.
    from(positive("rotation", Text::any(&["re:[Cc]ertificate rotation detected"]), Class::RotationOk), "1.8-1.34", "transport.go addCertRotation"),
    from(positive("csr-issued", Text::any(&["re:[Cc]ertificate signing request ([^ ]+ )?is issued"]), Class::RotationOk), "1.14-1.34", "client-go util/certificate/csr/csr.go WaitForCertificate"),
    from(positive("registered", Text::any(&["re:[Ss]uccessfully registered node", "re:[Nn]ode .{0,260}was previously registered"]), Class::Registered), "1.1-1.34", "kubelet_node_status.go registerWithAPIServer, tryRegisterWithAPIServer"),
    from(positive("certificate-expiration", Text::all(&["re:[Cc]ertificate expiration is 20", "rotation deadline is"]), Class::Benign), "1.12-1.34", "certificate_manager.go nextRotationDeadline"),
    from(quiet("syncloop-api", Text::all(&["SyncLoop"]).and_any(&["re:source=\\\\*\"?api\\b", "re:SyncLoop \\([A-Z]+, \\\\*\"api"])), "1.2-1.34", "pkg/kubelet/kubelet.go syncLoopIteration: the API server listed the pods of this node"),
    // Requests that wait for somebody else.
    from(
        hold("csr-not-signed", Text::any(&["re:[Cc]ertificate request was not signed", "re:certificate signing request .{1,80}(is denied|was denied|not approved)"]).not(&["x509: ", "re:\\bUnauthorized\\b"]), Clears::Maybe, Some(remedy::CSR)),
        "1.9-1.34",
        "certificate_manager.go rotateCerts; kubernetes#77489",
    ),
    // The certificate was accepted, the authorizer is not ready or says no.
    from(hold("node-authorizer", Text::any(&["no relationship found between node"]), Clears::Yes, None), "1.8-1.34", "plugin/pkg/auth/authorizer/node: graph not built yet"),
    from(hold("node-forbidden", Text::all(&[NODE_USER]).not(&["is not allowed to modify node"]), Clears::Yes, None), "1.7-1.34", "RBAC or node authorizer: authenticated, so not the certificate"),
    // What journald hides.
    Phrase { by: By::Journald, ..from(hold("blob", Text::any(&["re:\\[[0-9.]+[BKMGT] blob data\\]"]), Clears::Maybe, Some(remedy::BLOB)), "all", "journalctl logs-show.c print_multiline") },
    Phrase { by: By::Journald, ..from(hold("suppressed", Text::any(&["re:Suppressed [0-9]+ messages from", "re:Missed [0-9]+ kernel messages"]), Clears::Maybe, Some(remedy::SUPPRESSED)), "all", "systemd-journald journald-rate-limit.c") },
    // Cannot start, not a certificate.
    from(fail("runtime-down", Text::all(&[STARTS_RUNTIME]).and_any(&[RUN, "failed to create kubelet", "command failed"]), Clears::Maybe, remedy::RUNTIME), "1.4-1.34", "cmd/kubelet/app/server.go, remote_runtime.go"),
    from(
        fail(
            "configuration",
            Text::any(&[
                "re:[Ff]ailed to load [Kk]ubelet config",
                "re:[Ff]ailed to validate kubelet",
                "re:[Ff]ailed to construct kubelet dependencies",
                "re:[Ff]ailed to parse kubelet flag",
                "re:unknown (shorthand )?flag: ",
                "re:Running with swap on is not supported|running with swap on is not supported",
                "re:misconfiguration: kubelet cgroup driver|is different from docker cgroup driver",
                "re:[Ff]ailed to set feature gates|unrecognized feature gate|cannot set feature gate",
                "re:[Ff]ailed to initialize kubelet|[Ff]ailed to create kubelet:",
                "re:[Ff]ailed to merge kubelet configs|no kind ..?KubeletConfiguration",
                "re:failed to run Kubelet: (could not init cloud|no cloud|unknown authorization|Unknown authorization|invalid|unsupported|failed to (get|parse|create|initialize)|unable to (load client CA|create|find))",
            ]),
            Clears::No,
            remedy::CONFIG,
        ),
        "1.4-1.34",
        "cmd/kubelet/app/server.go NewKubeletCommand, options.go; minikube#9122",
    ),
    from(
        fail("subsystem", Text::any(&["re:[Ff]ailed to start ContainerManager", "re:[Ff]ailed to listen and serve", "re:[Ff]ailed to start cAdvisor", "re:[Ff]ailed to start node (e|resource)", "re:[Ff]ailed to start OOM watcher"]), Clears::Maybe, remedy::DIED),
        "1.4-1.34",
        "pkg/kubelet/kubelet.go initializeRuntimeDependentModules: os.Exit(1)",
    ),
    // Errors that say nothing about the API server.
    from(
        noise(
            "network-plugin",
            Text::any(&[
                "re:[Cc]ontainer runtime network not ready",
                "NetworkPluginNotReady",
                "re:cni (plugin not initialized|config uninitialized)",
                "re:No (valid )?networks found in",
                "re:[Uu]nable to update cni config",
                "re:[Nn]etwork plugin is not ready",
                "network is not ready",
                "no network config found in",
            ]),
        ),
        "1.3-1.34",
        "kubelet.go updateRuntimeUp, cni.go syncNetworkConfig",
    ),
    from(noise("runtime-starting", Text::any(&["re:[Ss]kipping pod synchronization"])), "1.3-1.34", "kubelet.go syncLoop: right after the start, until the runtime has answered"),
    from(hold("control-plane-crash", Text::all(&["re:CrashLoopBackOff|back-off"]).and_any(&["kube-apiserver", "etcd-", "container=etcd", "re:container=\\\\*\"etcd"]), Clears::Yes, None), "1.6-1.34", "pod_workers.go: the API server itself is not up yet"),
    from(noise("serving-certificate", Text::any(&["no serving certificate av"])), "1.11-1.34", "certificate_manager.go Current: the serving CSR is not approved"),
    from(noise("not-registered", Text::any(&["re:object \\\\*\"[^ ]{1,200}\" not registered"])), "1.18-1.34", "pkg/kubelet/util/manager cache_based_manager.go; kubernetes#105204"),
    from(quiet("watch-ended", Text::any(&["re:[Ww]atch of .{1,80} ended with", "re:[Ww]atch of .{1,80} closed with", "too old resource version"]).not(&["x509: ", "re:\\bUnauthorized\\b"])), "1.2-1.34", "client-go tools/cache/reflector.go watchHandler"),
    from(quiet("deprecated", Text::any(&["has been deprecated,", "re:Flag --[a-z-]+ has been"])), "1.6-1.34", "spf13/pflag"),
    // systemd on the kubelet's unit.
    systemd(quiet("unit-clean-exit", Text::any(&["status=0/SUCCESS", "status=15/TERM", "status=143", "Deactivated successfully", "re:kubelet\\.service: Succeeded"])), "src/core/service.c"),
    systemd(fail("unit-start-limit", Text::all(&[UNIT, "re:[Ss]tart request repeated too quickly|start-limit"]), Clears::No, remedy::START_LIMIT), "src/core/unit.c"),
    systemd(fail("unit-cannot-exec", Text::all(&[UNIT]).and_any(&["re:Failed at step [A-Z]+", "Failed to execute", "Unable to locate executable", "Failed to locate executable", "re:kubelet\\.service is masked", "Unit is masked"]), Clears::No, remedy::CONFIG), "src/core/execute.c"),
    systemd(fail("unit-exited", Text::all(&[MAIN_EXIT, UNIT]), Clears::Maybe, remedy::DIED), "src/core/service.c (lower case up to 219)"),
    systemd(
        fail(
            "unit-failed",
            Text::all(&[UNIT]).and_any(&["Failed with result", "entered failed state", "re:kubelet\\.service failed", "re:Failed to start .{0,60}[Kk]ubelet", "re:[Cc]ontrol process exited"]),
            Clears::Maybe,
            remedy::DIED,
        ),
        "src/core/unit.c",
    ),
];

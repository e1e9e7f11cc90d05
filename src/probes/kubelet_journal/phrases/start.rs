//! The kubelet does not start or dies, for reasons other than certificates; and systemd on its unit.

use super::super::class::Clears;
use super::super::facts::Text;
use super::super::remedy;
use super::{By, Phrase, fail, quiet};

/// What the kubelet's unit is called.
const UNITS: &[&str] = &["kubelet", "origin-node.service", "atomic-openshift-node.service"];

/// Units with the kubelet's name in theirs that are not it.
const OTHER_UNITS: &[&str] = &[
    "kubelet-check",
    "kubelet-csr-approver",
    "kubelet-exporter",
    "kubelet-health",
    "kubelet-monitor",
    "kubelet-watchdog",
];

pub(super) const TABLE: &[Phrase] = &[
    fail(
        "runtime-down",
        Text::any(&[
            "dial unix",
            "cannot connect to the Docker daemon",
            "validate service connection",
            "unable to determine runtime API version",
            "failed to get docker version",
        ])
        .and_one_of(&["failed to run Kubelet", "failed to create kubelet", "command failed"]),
        Clears::Maybe,
        remedy::RUNTIME,
    )
    .from("1.4-1.34", "cmd/kubelet/app/server.go, remote_runtime.go"),
    fail(
        "cloud-provider",
        Text::any(&["failed to run Kubelet: could not init cloud"]),
        Clears::No,
        remedy::CONFIG,
    )
    .from("1.2-1.26", "cmd/kubelet/app/server.go: whatever the cloud's API said"),
    fail(
        "configuration",
        Text::any(&[
            "failed to load client CA file",
            "failed to load kubelet config",
            "failed to validate kubelet",
            "failed to construct kubelet dependencies",
            "failed to parse kubelet flag",
            "unknown flag: ",
            "unknown shorthand flag: ",
            "running with swap on is not supported",
            "misconfiguration: kubelet cgroup driver",
            "is different from docker cgroup driver",
            "failed to set feature gates",
            "flag: unrecognized feature gate",
            "cannot set feature gate",
            "failed to initialize kubelet",
            "failed to create kubelet:",
            "failed to merge kubelet configs",
            "failed to run Kubelet: unknown authorization",
            "failed to run Kubelet: invalid",
            "failed to run Kubelet: unsupported",
            "failed to run Kubelet: failed to get",
            "failed to run Kubelet: failed to parse",
            "failed to run Kubelet: failed to create",
            "failed to run Kubelet: failed to initialize",
            "failed to run Kubelet: unable to load client CA",
            "failed to run Kubelet: unable to create",
            "failed to run Kubelet: unable to find",
        ])
        .not(&["x509: ", "Unauthorized"]),
        Clears::No,
        remedy::CONFIG,
    )
    .from(
        "1.4-1.34",
        "cmd/kubelet/app/server.go NewKubeletCommand, options.go; minikube#9122",
    ),
    fail(
        "subsystem",
        Text::any(&[
            "failed to start ContainerManager",
            "failed to listen and serve",
            "failed to start cAdvisor",
            "failed to start OOM watcher",
        ]),
        Clears::Maybe,
        remedy::DIED,
    )
    .from(
        "1.4-1.34",
        "pkg/kubelet/kubelet.go initializeRuntimeDependentModules: os.Exit(1)",
    ),
    quiet(
        "unit-clean-exit",
        Text::any(&[
            "status=0/SUCCESS",
            "status=15/TERM",
            "code=exited, status=143",
            "Deactivated successfully",
        ]),
    )
    .by(By::Systemd)
    .from("systemd", "src/core/service.c: what a stop leaves"),
    fail(
        "unit-start-limit",
        Text::any(&["start request repeated too quickly", "start-limit"])
            .and_one_of(UNITS)
            .not(OTHER_UNITS),
        Clears::No,
        remedy::START_LIMIT,
    )
    .by(By::Systemd)
    .from("systemd", "src/core/unit.c"),
    fail(
        "unit-cannot-exec",
        Text::all(&["kubelet.service"]).and_any(&[
            "Failed at step ",
            "Failed to execute",
            "Unable to locate executable",
            "Failed to locate executable",
            "is masked",
            "Failed to load environment files",
            "Failed to run 'start",
        ]),
        Clears::No,
        remedy::CONFIG,
    )
    .by(By::Systemd)
    .from("systemd", "src/core/execute.c"),
    fail(
        "unit-exited",
        Text::all(&["main process exited"]).and_one_of(UNITS).not(OTHER_UNITS),
        Clears::Maybe,
        remedy::DIED,
    )
    .by(By::Systemd)
    .from("systemd", "src/core/service.c (lower case up to 219)"),
    fail(
        "unit-failed",
        Text::any(&[
            ".service: Failed with result",
            ".service entered failed state",
            ".service: Unit entered failed state",
            ".service failed.",
            "Failed to start kubelet",
            "Failed to start Kubernetes Kubelet",
            ".service: Control process exited",
            ".service: Watchdog timeout",
            "/start failed with result",
            "Dependency failed for kubelet",
            "Dependency failed for Kubernetes Kubelet",
        ])
        .and_one_of(UNITS)
        .not(OTHER_UNITS),
        Clears::Maybe,
        remedy::DIED,
    )
    .by(By::Systemd)
    .from("systemd", "src/core/unit.c"),
];

//! Whose trouble a kubelet line tells of. First match wins; a row matches by text or by klog source file.

use super::facts::Text;

/// Whose trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The kubelet asked its API server for something.
    ApiRequest,
    /// Somebody asked the kubelet (port 10250): its serving side.
    Serving,
    /// A CNI plugin, with its own kubeconfig.
    PodNetwork,
    /// A registry.
    Image,
    /// An admission webhook.
    Webhook,
    /// A cloud provider's API.
    Cloud,
    /// A pod's probe or hook.
    Probe,
    /// The container runtime's socket.
    Runtime,
    /// A pod, container or volume.
    Workload,
    /// The kubelet gives up.
    Fatal,
    /// Anything else it says.
    General,
}

impl Scope {
    /// Whether an error there is somebody else's.
    pub(super) fn is_foreign(self) -> bool {
        matches!(self, Self::PodNetwork | Self::Image | Self::Webhook | Self::Cloud | Self::Probe | Self::Workload)
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct ScopeRow {
    pub(super) rule: &'static str,
    pub(super) text: Text,
    /// klog source files that decide without any text.
    pub(super) files: &'static [&'static str],
    pub(super) scope: Scope,
    /// Where it was read.
    #[expect(dead_code, reason = "for the reader who checks the table against the sources")]
    pub(super) origin: &'static str,
}

const NEVER: Text = Text::all(&["\u{0}never\u{0}"]);

const fn text(rule: &'static str, scope: Scope, text: Text, origin: &'static str) -> ScopeRow {
    ScopeRow { rule, text, files: &[], scope, origin }
}

const fn files(rule: &'static str, scope: Scope, files: &'static [&'static str], origin: &'static str) -> ScopeRow {
    ScopeRow { rule, text: NEVER, files, scope, origin }
}

/// The table.
pub(super) const SCOPES: &[ScopeRow] = &[
    text(
        "token-review",
        Scope::ApiRequest,
        Text::any(&[
            "tokenreview",
            "subjectaccessreview",
            "webhook authenticator request",
            "webhook authorizer request",
            "re:Unable to authenticate the request due to an error:? ?(err=)?\\\\*\"?Unauthorized",
        ]),
        "apiserver/plugin/pkg/authenticator/token/webhook, authorizer/webhook: the kubelet asks with its own credentials; origin#17189",
    ),
    text(
        "serving",
        Scope::Serving,
        Text::any(&["http: TLS handshake error", "Unable to authenticate the request", "Authorization error", "re:http: (proxy|server|response|superfluous)"]),
        "pkg/kubelet/server/server.go InstallAuthFilter; net/http server.go",
    ),
    text("event-echo", Scope::Workload, Text::any(&["re:Event\\(&?(v1|api)\\.ObjectReference", "\"Event occurred\"", "re:Event occurred\\\\*\""]), "client-go tools/record event.go StartLogging"),
    text(
        "pod-network",
        Scope::PodNetwork,
        Text::any(&[
            "plugin type=",
            "re:[Nn]etwork[Pp]lugin cni",
            "CNI network",
            "ClusterInformation",
            "crd.projectcalico.org",
            "re:[Pp]odSandbox",
            "re:pod sandbox",
            "for sandbox",
            "network for pod",
            "re:[Ff]ailed to teardown pod|TearDownPod|SetUpPod",
            "re:delegateAdd|Multus|multus",
            "/var/lib/calico/nodename",
            "re:[Ff]lannel|cilium|weave-net|kube-ovn|antrea",
            "re:[Ee]rror (adding|deleting) .{0,120}network",
            "re:cni plugin|CNI plugin",
        ]),
        "dockershim/network/cni, containerd internal/cri/server/sandbox_run.go, calico cni-plugin; calico#7846",
    ),
    files("pod-network-file", Scope::PodNetwork, &["cni.go", "docker_sandbox.go", "kuberuntime_sandbox.go", "sandbox_run.go", "network_policy.go", "pod_sandbox.go"], "pkg/kubelet/kuberuntime, dockershim"),
    text(
        "image",
        Scope::Image,
        Text::any(&[
            "ErrImagePull",
            "ImagePullBackOff",
            "ImageInspectError",
            "re:[Pp]ull(ing)? image",
            "PullImage",
            "/v1/_ping",
            "re:https?://[^/ ]+/v2/",
            "re:failed to (pull|resolve|do request|fetch anonymous token|authorize)",
            "pull access denied",
            "unauthorized: authentication required",
            "re:[Ii]mage garbage",
        ]),
        "pkg/kubelet/images; docker distribution; containerd remotes; kubernetes#43924",
    ),
    files("image-file", Scope::Image, &["remote_image.go", "kuberuntime_image.go", "image_gc_manager.go", "image_manager.go", "puller.go", "docker_image.go"], "pkg/kubelet/images, cri-client"),
    text("webhook", Scope::Webhook, Text::any(&["re:(calling|call) (admission )?webhook", "re:admission webhook", "re:conversion webhook"]), "apiserver admission/plugin/webhook"),
    text(
        "cloud",
        Scope::Cloud,
        Text::any(&[
            "re:[Cc]loud [Pp]rovider",
            "cloudprovider",
            "amazonaws.com",
            "169.254.169.254",
            "metadata.google",
            "management.azure.com",
            "login.microsoftonline.com",
            "googleapis.com",
            "re:[Cc]redential ?provider|credential plugin",
            "compute flavors",
            "re:https?://[^/ ]+/(identity|compute)?/?v[23](\\.[0-9]+)?/(auth/tokens|[0-9a-f]{16,}|tokens)",
            "re:[Vv][Cc]enter|vsphere",
            "re::(8774|5000|35357|8776|9696)/v[0-9]",
            "InvalidClientTokenId",
            "InstanceMetadata",
        ])
        .not(&["re:No cloud provider specified|cloud provider specified"]),
        "pkg/cloudprovider/providers; kubernetes#45502",
    ),
    files(
        "cloud-file",
        Scope::Cloud,
        &[
            "openstack.go", "openstack_instances.go", "openstack_loadbalancer.go", "openstack_routes.go", "metadata.go", "aws.go", "aws_credentials.go",
            "aws_instancegroups.go", "tagging.go", "gce.go", "gce_instances.go", "token_source.go", "azure.go", "azure_auth.go", "azure_vmss.go",
            "azure_instances.go", "azure_backoff.go", "vsphere.go", "nodemanager.go", "cloud_request_manager.go", "azure_credentials.go",
            "gcp.go", "ecr.go", "provider.go", "config.go:dockercfg", "plugins.go", "cs.go", "photon.go",
        ],
        "pkg/cloudprovider/providers, legacy-cloud-providers, pkg/kubelet/cloudresource, pkg/credentialprovider",
    ),
    text("probe", Scope::Probe, Text::any(&["re:[Pp]robe failed", "re:([Ll]iveness|[Rr]eadiness|[Ss]tartup) probe", "re:(Liveness|Readiness|Startup)Probe", "probeType=", "PostStartHook", "PreStopHook"]), "pkg/kubelet/prober"),
    files("probe-file", Scope::Probe, &["prober.go", "prober_manager.go", "worker.go", "handlers.go"], "pkg/kubelet/prober, lifecycle"),
    text("runtime-socket", Scope::Runtime, Text::any(&["dial unix", "re:[Cc]annot connect to the Docker daemon", "container runtime is down", "PLEG is not healthy", "re:failed to get docker version"]), "cri-client, dockershim"),
    text(
        "volume-api",
        Scope::ApiRequest,
        Text::any(&[
            "failed to fetch token",
            "re:[Cc]ouldn't get (secret|config[Mm]ap)",
            "re:failed to sync (secret|configmap) cache",
            "couldn't propagate object cache",
            "re:CSINode|csinodes",
            "volumeattachments",
            "/apis/storage.k8s.io/",
        ]),
        "pkg/volume/projected, secret, configmap; pkg/volume/csi: the kubelet asks with its own credentials",
    ),
    text(
        "api-request",
        Scope::ApiRequest,
        Text::any(&[
            "re:[Ff]ailed to (list|watch) \\*?",
            "re:[Ff]ailed to watch\\\\*\"",
            "re:[Uu]nable to register",
            "Error updating node status",
            "Unable to update node status",
            "update node status exceeds retry count",
            "re:[Ff]ailed to (update|ensure|get|create|renew) (node )?lease",
            "re:[Uu]nable to write event",
            "Server rejected event",
            "re:[Ff]ailed while requesting a signed cert",
            "cannot create certificate signing request",
            "re:[Ff]ailed to contact API server",
            "re:[Ff]ailed (creating|deleting|to create|to delete) (a )?mirror pod",
            "re:[Ff]ailed to (get|update|patch) status for pod",
            "re:[Ff]ailed to (get|delete) pod.{0,60}from API",
            "re:error getting node \\\\*\"",
            "kube-node-lease",
            "re:/api/v1/(nodes|pods|services|namespaces|events|secrets|configmaps|persistentvolume)",
            "re:/apis/(coordination|node|storage|certificates|authentication|authorization|resource|events)\\.k8s\\.io/",
            "re:[Cc]ould not (contact|reach) (the )?api ?server",
            "Unable to fetch pod",
            "re:[Ff]ailed to (fetch|get) node (object|info from)",
        ]),
        "client-go reflector.go; kubelet_node_status.go; component-helpers lease/controller.go; event.go; certificate_manager.go; status_manager.go",
    ),
    text(
        "workload",
        Scope::Workload,
        Text::any(&[
            "re:[Ee]rror syncing pod",
            "CrashLoopBackOff",
            "RunContainerError",
            "CreateContainerError",
            "CreateContainerConfigError",
            "re:[Mm]ountVolume|UnmountVolume|[Uu]nmount failed|AttachVolume|WaitForAttach",
            "re:[Uu]nable to (attach or )?mount volumes",
            "re:failed to \\\\*\"(Start|Kill|Create)",
            "re:back-off .{0,20}restarting failed container",
            "re:StartContainer|KillContainer|RemoveContainer|StopContainer|ContainerStatus|ExecSync",
        ]),
        "pkg/kubelet/pod_workers.go, kuberuntime, volume/util/operationexecutor",
    ),
    files(
        "workload-file",
        Scope::Workload,
        &[
            "pod_workers.go", "kuberuntime_manager.go", "kuberuntime_container.go", "kuberuntime_gc.go", "kuberuntime_logs.go", "remote_runtime.go",
            "nestedpendingoperations.go", "goroutinemap.go", "operation_generator.go", "pod_container_deletor.go", "pod_container_manager_linux.go",
            "docker_container.go", "docker_manager.go", "manager.go:cadvisor", "log.go:container", "csi_mounter.go", "csi_attacher.go", "csi_client.go",
            "desired_state_of_world_populator.go", "reconciler.go", "reconciler_common.go", "kubelet_volumes.go", "mount_linux.go",
        ],
        "pkg/kubelet/kuberuntime, pkg/kubelet/volumemanager, pkg/volume",
    ),
    files(
        "api-request-file",
        Scope::ApiRequest,
        &[
            "reflector.go", "kubelet_node_status.go", "event.go", "events.go", "controller.go", "nodelease.go", "lease.go", "certificate_manager.go", "csr.go",
            "status_manager.go", "csi_plugin.go", "nodeinfomanager.go", "token_manager.go", "mirror_client.go", "bootstrap.go",
        ],
        "client-go, component-helpers, pkg/kubelet",
    ),
    text("fatal", Scope::Fatal, Text::any(&["failed to run Kubelet", "re:\"?command failed\\\\*\" err", "re:^command failed"]), "cmd/kubelet/app/server.go; component-base/cli/run.go"),
];

//! Static-pod manifests in the shape that kubeadm writes.

use super::DIR;

/// The command line of each component of the master `name`; `members` is `m1=ADDRESS,…`.
pub fn commands(name: &str, address: &str, members: &str) -> Vec<(&'static str, Vec<String>)> {
    let cluster: Vec<String> = members
        .split(',')
        .map(|m| m.replacen('=', "=https://", 1) + ":2380")
        .collect();
    let etcd = format!(
        "etcd --advertise-client-urls=https://{address}:2379 --cert-file={DIR}/etcd/server.crt --client-cert-auth=true --data-dir=/var/lib/etcd \
             --initial-advertise-peer-urls=https://{address}:2380 --initial-cluster={} --key-file={DIR}/etcd/server.key \
             --listen-client-urls=https://127.0.0.1:2379,https://{address}:2379 --listen-metrics-urls=http://127.0.0.1:2381 --listen-peer-urls=https://{address}:2380 \
             --name={} --peer-cert-file={DIR}/etcd/peer.crt --peer-client-cert-auth=true --peer-key-file={DIR}/etcd/peer.key \
             --peer-trusted-ca-file={DIR}/etcd/ca.crt --snapshot-count=10000 --trusted-ca-file={DIR}/etcd/ca.crt \
             --heartbeat-interval=250 --election-timeout=2500",
        cluster.join(","),
        name,
    );
    let api = format!(
        "kube-apiserver --advertise-address={address} --allow-privileged=true --authorization-mode=Node,RBAC --client-ca-file={DIR}/ca.crt \
             --etcd-cafile={DIR}/etcd/ca.crt --etcd-certfile={DIR}/apiserver-etcd-client.crt --etcd-keyfile={DIR}/apiserver-etcd-client.key \
             --etcd-servers=https://127.0.0.1:2379 --kubelet-client-certificate={DIR}/apiserver-kubelet-client.crt \
             --kubelet-client-key={DIR}/apiserver-kubelet-client.key --proxy-client-cert-file={DIR}/front-proxy-client.crt \
             --proxy-client-key-file={DIR}/front-proxy-client.key --requestheader-client-ca-file={DIR}/front-proxy-ca.crt --secure-port=6443 \
             --service-cluster-ip-range=10.96.0.0/12 --tls-cert-file={DIR}/apiserver.crt --tls-private-key-file={DIR}/apiserver.key"
    );
    let conf = |name: &str| format!("/etc/kubernetes/{name}.conf");
    let manager = format!(
        "kube-controller-manager --authentication-kubeconfig={0} --bind-address=127.0.0.1 --kubeconfig={0} --leader-elect=true \
             --cluster-signing-cert-file={DIR}/ca.crt --cluster-signing-key-file={DIR}/ca.key --root-ca-file={DIR}/ca.crt",
        conf("controller-manager")
    );
    let scheduler = format!(
        "kube-scheduler --authentication-kubeconfig={0} --bind-address=127.0.0.1 --kubeconfig={0} --leader-elect=true",
        conf("scheduler")
    );
    [
        ("etcd", etcd),
        ("kube-apiserver", api),
        ("kube-controller-manager", manager),
        ("kube-scheduler", scheduler),
    ]
    .map(|(n, c)| (n, c.split_whitespace().map(str::to_owned).collect()))
    .to_vec()
}

/// A manifest in the shape that kubeadm writes.
pub fn manifest(name: &str, version: &str, command: &[String]) -> String {
    let words: String = command.iter().map(|w| format!("    - {w}\n")).collect();
    let image = if name == "etcd" {
        "k8s.gcr.io/etcd:3.4.13-0".to_owned()
    } else {
        format!("k8s.gcr.io/{name}:{version}")
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  creationTimestamp: null\n  labels:\n    component: {name}\n    tier: \
         control-plane\n  name: {name}\n  namespace: kube-system\nspec:\n  containers:\n  - command:\n{words}    image: \
         {image}\n    imagePullPolicy: IfNotPresent\n    name: {name}\n  hostNetwork: true\n  priorityClassName: \
         system-node-critical\nstatus: {{}}\n"
    )
}

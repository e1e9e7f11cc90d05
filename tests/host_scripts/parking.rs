//! certfleet:containers and certfleet:stop-static-pods where no client can answer: by processes, and by parked manifests.
//! The control plane is `tail` by other names; the kubelet is a thread that ends what has no manifest.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use certfleet::model::scripts;
use certfleet::probes::containers;

use crate::tree::{Tree, files, said, shells};

static NEXT: AtomicU32 = AtomicU32::new(1);
/// No such process can be: the kernel's limit is 4194304.
const NOBODY: &str = "99999999";

/// A host without docker, crictl and ctr, whose processes are the real ones.
struct Bare {
    tree: Tree,
    /// A flag that only this host's pods have.
    flag: String,
    children: Vec<(String, Child)>,
}

fn bare(names: &[&str]) -> Bare {
    let tree = Tree::new();
    tree.link("/proc", "/proc");
    tree.stub("systemctl", r#"cat "$STATE/$2.active" 2>/dev/null || printf inactive"#);
    tree.stub("pidof", "exit 1");
    tree.stub("sleep", "exec /bin/sleep 0.1");
    let unique = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut host = Bare {
        flag: format!("--sleep-interval={}.{unique:04}", std::process::id()),
        tree,
        children: Vec::new(),
    };
    for name in names {
        host.start(name);
    }
    host
}

fn wait_until(holds: impl Fn() -> bool, what: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within 10 s");
        thread::sleep(Duration::from_millis(5));
    }
}

impl Bare {
    fn start(&mut self, name: &str) {
        let flag = self.flag.clone();
        self.tree.write(
            &format!("/etc/kubernetes/manifests/{name}.yaml"),
            format!("spec:\n  containers:\n  - command:\n    - {name}\n    - {flag}\n"),
        );
        self.process(name, &flag);
    }

    fn process(&mut self, name: &str, flag: &str) {
        self.run_as(name, "/usr/bin/tail", &[flag, "-f", "/dev/null"]);
    }

    /// A shell of that name, so that a test says what it does when it is asked to end. It listens for that on return.
    fn api_server(&mut self, asked_to_end: &str) {
        let (name, flag) = ("kube-apiserver", self.flag.clone());
        self.tree.write(
            &format!("/etc/kubernetes/manifests/{name}.yaml"),
            format!("  - command:\n    - {name}\n    - {flag}\n"),
        );
        let ready = self.tree.state("listens");
        let text = format!(
            "trap '{asked_to_end}' TERM; : >\"{}\"; while :; do sleep 0.05; done",
            ready.display()
        );
        self.run_as(name, "/bin/sh", &["-c", &text, &flag]);
        wait_until(|| ready.exists(), "the API server listens");
    }

    fn run_as(&mut self, name: &str, from: &str, arguments: &[&str]) {
        let program = self.tree.state("bin").join(name);
        if !program.exists() {
            // A link, not a copy: what another thread starts while a copy is written would hold that open (ETXTBSY).
            std::os::unix::fs::symlink(from, &program).unwrap();
        }
        let child = Command::new(&program)
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        let called = &name[..name.len().min(15)];
        wait_until(|| fs::read_to_string(&comm).unwrap().trim() == called, name);
        self.children.push((name.to_owned(), child));
    }

    fn manifest(&self, name: &str) -> PathBuf {
        self.tree.path(&format!("/etc/kubernetes/manifests/{name}.yaml"))
    }

    fn alive(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, child) in &mut self.children {
            if child.try_wait().unwrap().is_none() {
                found.push(name.clone());
            }
        }
        found
    }

    /// Waits until every manifest is gone, lives on for a while, then ends the processes. True when no manifest was there
    /// while its process still ran.
    fn kubelet(&mut self) -> thread::JoinHandle<bool> {
        fs::write(self.tree.state("kubelet.active"), "active").unwrap();
        fs::write(self.tree.state("kubelet.service.active"), "active").unwrap();
        let manifests: Vec<PathBuf> = self.children.iter().map(|(n, _)| self.manifest(n)).collect();
        let mut children: Vec<Child> = self.children.drain(..).map(|(_, c)| c).collect();
        thread::spawn(move || {
            let until = Instant::now() + Duration::from_secs(20);
            while manifests.iter().any(|m| m.exists()) {
                if Instant::now() > until {
                    for child in &mut children {
                        drop((child.kill(), child.wait()));
                    }
                    return false;
                }
                thread::sleep(Duration::from_millis(5));
            }
            let mut single = true;
            for _ in 0..30 {
                thread::sleep(Duration::from_millis(10));
                single &= !manifests.iter().any(|m| m.exists());
            }
            for child in &mut children {
                single &= child.try_wait().unwrap().is_none();
                child.kill().unwrap();
                child.wait().unwrap();
            }
            single
        })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            drop((child.kill(), child.wait()));
        }
    }
}

#[test]
fn processes_are_told_from_strangers_and_ended_while_the_kubelet_is_down() {
    for shell in shells() {
        let mut host = bare(&["kube-apiserver", "kube-controller-manager"]);
        // Somebody else's etcd: the manifest of ours has other flags.
        host.tree
            .write("/etc/kubernetes/manifests/etcd.yaml", "    - --name=m1\n");
        let strange = format!("{}9", host.flag);
        host.process("etcd", &strange);
        // And a service of the machine, without any flag.
        host.run_as("etcd", "/usr/bin/tail", &["-f", "/dev/null"]);
        for runtime in ["containerd", "cri-o", "docker"] {
            let output = host.tree.run(&shell, &scripts::CONTAINERS, &[runtime]);
            let found = containers::parse(&output).unwrap();
            let names: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
            assert_eq!(names.len(), 2, "{shell:?} {runtime}: {}", said(&output));
            assert!(names.contains(&"kube-controller-manager"), "{names:?}");
            assert!(found.iter().all(|c| c.started.is_some()), "{}", said(&output));
        }
        let output = host
            .tree
            .run(&shell, &scripts::STOP_STATIC_PODS, &["containerd", "60", "run-1"]);
        assert!(output.status.success(), "{shell:?}: {}", said(&output));
        assert_eq!(output.stdout_text().matches("stopped\t").count(), 2);
        assert_eq!(host.alive(), ["etcd", "etcd"], "{shell:?}");
        assert!(!host.tree.path("/etc/kubernetes/certfleet-parked").exists());
    }
}

#[test]
fn an_api_server_ends_while_its_etcd_still_answers() {
    for shell in shells() {
        let mut host = bare(&["etcd", "kube-scheduler"]);
        let etcd = host.children[0].1.id();
        // It has a request to answer, and looks for etcd at the end of it.
        let seen = host.tree.state("etcd-answered");
        let answering = format!(
            "sleep 0.4; grep -q sleep-interval /proc/{etcd}/cmdline && : >\"{}\"; exit 0",
            seen.display()
        );
        host.api_server(&answering);
        let output = host
            .tree
            .run(&shell, &scripts::STOP_STATIC_PODS, &["containerd", "60", "run-1"]);
        assert!(output.status.success(), "{shell:?}: {}", said(&output));
        assert_eq!(
            output.stdout_text().matches("stopped\t").count(),
            3,
            "{}",
            said(&output)
        );
        assert!(seen.exists(), "{shell:?}: etcd was gone");
    }
}

#[test]
fn an_api_server_that_does_not_end_is_killed_and_the_rest_follows() {
    let mut host = bare(&["etcd"]);
    host.api_server("");
    let output = host
        .tree
        .run(&["sh"], &scripts::STOP_STATIC_PODS, &["containerd", "2", "run-1"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(host.alive().is_empty());
}

#[test]
fn a_running_kubelet_ends_them_once_their_manifests_are_parked() {
    for shell in shells() {
        let mut host = bare(&["etcd", "kube-apiserver"]);
        host.tree.write("/etc/kubernetes/manifests/haproxy.yaml", "other");
        let before = files(&host.tree.path("/etc/kubernetes"));
        let kubelet = host.kubelet();
        let output = host
            .tree
            .run(&shell, &scripts::STOP_STATIC_PODS, &["containerd", "60", "run-1"]);
        assert!(output.status.success(), "{shell:?}: {}", said(&output));
        assert!(
            kubelet.join().unwrap(),
            "{shell:?}: a manifest came back beside a process"
        );
        assert_eq!(files(&host.tree.path("/etc/kubernetes")), before, "{shell:?}");
        assert!(output.stdout_text().contains("back\tetcd.yaml"), "{}", said(&output));
        assert!(
            !host.tree.path("/etc/kubernetes/certfleet-parked").exists(),
            "{shell:?}"
        );
    }
}

/// One process in a /proc of our own, which no signal can reach.
fn undying(tree: &Tree, name: &str, cgroup: &str, ticks: u64) {
    let start = format!("{NOBODY} ({name}) S {}{ticks} 0\n", "0 ".repeat(18));
    tree.write("/proc/stat", "cpu 1\nbtime 1600000000\n");
    for (file, text) in [
        ("comm", format!("{name}\n")),
        ("cmdline", format!("{name}\0--flag=1\0")),
        ("stat", start),
        ("cgroup", cgroup.to_owned()),
    ] {
        tree.write(&format!("/proc/{NOBODY}/{file}"), text);
    }
}

#[test]
fn what_does_not_end_keeps_its_manifest_parked_and_the_error_says_where() {
    for shell in shells() {
        let tree = Tree::new();
        tree.stub("pidof", "echo 77");
        tree.stub("sleep", "exit 0");
        undying(&tree, "etcd", "0::/\n", 100);
        tree.write("/etc/kubernetes/manifests/etcd.yaml", "    - --flag=1\n");
        let output = tree.run(&shell, &scripts::STOP_STATIC_PODS, &["containerd", "1", "run-1"]);
        assert_eq!(
            output.status.to_string(),
            "exit status 4",
            "{shell:?}: {}",
            said(&output)
        );
        let parked = tree.path("/etc/kubernetes/certfleet-parked/run-1");
        assert_eq!(files(&parked), ["etcd.yaml", "journal"]);
        assert!(
            fs::read_to_string(parked.join("journal"))
                .unwrap()
                .contains("run\trun-1\n")
        );
        assert!(files(&tree.path("/etc/kubernetes/manifests")).is_empty());
        let error = output.stderr_text().into_owned();
        assert!(
            error.contains("/etc/kubernetes/certfleet-parked/run-1") && error.contains("etcd process-99999999-100"),
            "{error}"
        );
        // The next run finds it, says so, and puts it back before anything else.
        let facts = tree.run(&shell, &scripts::FACTS, &["/etc/kubernetes/pki", "kubeadm"]);
        let text = facts.stdout_text().into_owned();
        assert!(
            text.contains("parked\t/etc/kubernetes/certfleet-parked/run-1/etcd.yaml\n"),
            "{text}"
        );
        assert!(text.contains("static-pod\tetcd\n"), "{text}");
        fs::remove_dir_all(tree.path(&format!("/proc/{NOBODY}"))).unwrap();
        let output = tree.run(&shell, &scripts::STOP_STATIC_PODS, &["containerd", "1", "run-2"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(files(&tree.path("/etc/kubernetes")), ["manifests/etcd.yaml"]);
    }
}

#[test]
fn a_half_moved_control_plane_is_put_back_whole() {
    for shell in shells() {
        let host = bare(&[]);
        let tree = &host.tree;
        let parked = "/etc/kubernetes/certfleet-parked/run-1";
        // Copied and not yet removed; removed; not yet copied to its end; and written anew by somebody meanwhile.
        tree.write(&format!("{parked}/etcd.yaml"), "etcd");
        tree.write("/etc/kubernetes/manifests/etcd.yaml", "etcd");
        tree.write(&format!("{parked}/kube-apiserver.yaml"), "api");
        tree.write(&format!("{parked}/.certfleet-kube-scheduler.yaml"), "sche");
        tree.write("/etc/kubernetes/manifests/kube-scheduler.yaml", "scheduler");
        tree.write(&format!("{parked}/kube-controller-manager.yaml"), "old");
        tree.write("/etc/kubernetes/manifests/kube-controller-manager.yaml", "new");
        tree.write(&format!("{parked}/journal"), "run\trun-1\n");
        let output = tree.run(&shell, &scripts::STOP_STATIC_PODS, &["containerd", "1", "run-2"]);
        assert!(output.status.success(), "{shell:?}: {}", said(&output));
        let manifests = tree.path("/etc/kubernetes/manifests");
        let read = |name: &str| fs::read_to_string(manifests.join(format!("{name}.yaml"))).unwrap();
        assert_eq!(
            ["etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager"].map(read),
            ["etcd", "api", "scheduler", "new"]
        );
        assert_eq!(files(&manifests).len(), 4, "{shell:?}");
        assert!(!tree.path("/etc/kubernetes/certfleet-parked").exists());
        let kept = tree.path("/var/lib/certfleet/parked-run-2");
        assert_eq!(files(&kept), ["run-1/kube-controller-manager.yaml.superseded"]);
    }
}

/// Prints every container that is asked for, and remembers what is stopped.
const CRICTL: &str = r#"while [ "${1#--}" != "$1" ]; do shift 2; done
verb=$1; shift
case $verb in
ps) name=; while [ $# -gt 0 ]; do [ "$1" != --name ] || name=$2; shift; done
  name=${name#^}; name=${name%\$}
  [ -e "$STATE/gone-id-$name" ] || printf 'id-%s\n' "$name" ;;
stop) : >"$STATE/gone-$3" ;;
esac"#;

#[test]
fn kube_vip_goes_only_where_its_kubeconfig_is_newer() {
    for (ticks, stopped) in [(0_u64, 4), (100, 5), (400_000_000_000, 4)] {
        let tree = Tree::new();
        tree.stub("pidof", "exit 1");
        tree.stub("crictl", CRICTL);
        tree.write(
            "/etc/kubernetes/manifests/kube-vip.yaml",
            "    image: ghcr.io/kube-vip/kube-vip:v0.6.4\n      path: /etc/kubernetes/super-admin.conf\n",
        );
        tree.write("/etc/kubernetes/super-admin.conf", "kind: Config");
        // Started in 2020, or in a far future; 0 is a start that is not known.
        undying(&tree, "kube-vip", "", ticks);
        let output = tree.run(&["sh"], &scripts::STOP_STATIC_PODS, &["containerd", "1", "run-1"]);
        assert!(output.status.success(), "{}", said(&output));
        let text = output.stdout_text().into_owned();
        assert_eq!(text.matches("stopped\t").count(), stopped, "{ticks}: {text}");
    }
}

#[test]
fn a_failing_client_is_answered_for_by_the_same_ids_or_not_at_all() {
    let id = "ab".repeat(32);
    let scope = format!("0::/kubepods.slice/kubepods-podx.slice/cri-containerd-{id}.scope\n");
    for shell in shells() {
        let tree = Tree::new();
        tree.stub("crictl", "exit 1");
        undying(&tree, "etcd", &scope, 100);
        tree.write("/etc/kubernetes/manifests/etcd.yaml", "    - --flag=1\n");
        let output = tree.run(&shell, &scripts::CONTAINERS, &["containerd"]);
        let found = containers::parse(&output).unwrap();
        assert_eq!((found.len(), found[0].id.as_str()), (1, id.as_str()), "{shell:?}");
        assert_eq!(found[0].started.unwrap().to_string(), "2020-09-13T12:26:41Z");
        // Without an id there is nothing to compare with what the client said earlier.
        tree.write(&format!("/proc/{NOBODY}/cgroup"), "0::/\n");
        let output = tree.run(&shell, &scripts::CONTAINERS, &["containerd"]);
        assert_eq!(
            output.status.to_string(),
            "exit status 3",
            "{shell:?}: {}",
            said(&output)
        );
    }
}

/// One running etcd, whose start ctr does not tell.
const CTR: &str = r#"shift 4
id=$(cat "$STATE/id")
case "$1 $2" in
'tasks ls') printf 'TASK    PID    STATUS\n%s    4242    RUNNING\n' "$id" ;;
'containers ls') case $4 in *==etcd,*) printf '%s\n' "$id" ;; esac ;;
esac"#;

#[test]
fn ctr_tells_no_start_so_the_process_does() {
    let tree = Tree::new();
    let id = "cd".repeat(32);
    fs::write(tree.state("id"), &id).unwrap();
    tree.stub("ctr", CTR);
    undying(&tree, "etcd", &format!("12:pids:/kubepods/burstable/podx/{id}\n"), 200);
    let output = tree.run(&["sh"], &scripts::CONTAINERS, &["containerd"]);
    let found = containers::parse(&output).unwrap();
    assert_eq!(found.len(), 1, "{}", said(&output));
    assert_eq!(found[0].started.unwrap().to_string(), "2020-09-13T12:26:42Z");
}

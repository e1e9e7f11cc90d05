//! certfleet:containers and certfleet:stop-static-pods with docker, crictl and ctr as stubs: one file per container.

use certfleet::model::{Output, RuntimeKind, scripts};
use certfleet::probes::containers;

use crate::tree::{Tree, said, shells};

/// Running containers are files `NAME.ID` in STATE/run.
fn host(names: &[&str]) -> Tree {
    let tree = Tree::new();
    std::fs::create_dir(tree.state("run")).unwrap();
    for (n, name) in names.iter().enumerate() {
        std::fs::write(tree.state("run").join(format!("{name}.{n}aa")), "").unwrap();
    }
    tree.stub("systemctl", r#"[ "$1" = is-active ] || exit 1; cat "$STATE/$2.active" 2>/dev/null || { [ "$2" = docker.service ] && printf active; }"#);
    tree.stub("pidof", "exit 1");
    tree.stub("sleep", "exit 0");
    tree
}

const DOCKER: &str = r#"case $1 in
ps) for f in "$STATE"/run/*; do [ -e "$f" ] || continue; f=${f##*/}; printf '%s\t%s\n' "${f%.*}" "${f##*.}"; done; printf 'POD\tpause\n' ;;
inspect) printf '2020-11-22T19:00:00.123456789Z\n' ;;
stop) [ "$2" = -t ] || exit 1; printf 'stop %s %s\n' "$3" "$4" >>"$STATE/log"; rm -f "$STATE"/run/*."$4" ;;
esac"#;

const CRICTL: &str = r#"while [ "${1#--}" != "$1" ]; do shift 2; done
verb=$1; shift
case $verb in
ps) name=; while [ $# -gt 0 ]; do [ "$1" != --name ] || name=$2; shift; done
  name=${name#^}; name=${name%\$}
  for f in "$STATE/run/$name".*; do [ -e "$f" ] && printf '%s\n' "${f##*.}"; done; exit 0 ;;
inspect) printf '{\n "status": {\n  "createdAt": "2020-11-22T18:59:59Z",\n  "startedAt": "2020-11-22T19:00:00.5Z"\n }\n}\n' ;;
stop) printf 'stop %s %s\n' "$2" "$3" >>"$STATE/log"; [ -e "$STATE/stubborn" ] || rm -f "$STATE"/run/*."$3" ;;
esac"#;

const CTR: &str = r#"shift 4
case "$1 $2" in
'tasks ls') printf 'TASK    PID    STATUS\n'; for f in "$STATE"/run/*; do [ -e "$f" ] || continue; printf '%s    4242    RUNNING\n' "${f##*.}"; done ;;
'containers ls') name=${4#*==}; name=${name%%,*}
  for f in "$STATE/run/$name".*; do [ -e "$f" ] && printf '%s\n' "${f##*.}"; done; printf 'exited-%s\n' "$name" ;;
'tasks kill') printf '%s %s\n' "$4" "$5" >>"$STATE/log"; [ "$4" = SIGKILL ] && rm -f "$STATE"/run/*."$5" ;;
esac
exit 0"#;

fn all_stopped(output: &Output, names: &[&str]) {
    let text = output.stdout_text().into_owned();
    let mut stopped: Vec<&str> = text.lines().filter_map(|l| l.split('\t').nth(1)).collect();
    stopped.sort_unstable();
    let mut wanted = names.to_vec();
    wanted.sort_unstable();
    assert_eq!((output.status.success(), stopped), (true, wanted), "{}", said(output));
}

const NAMES: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];

#[test]
fn every_runtime_is_listed_and_stopped() {
    let runtimes = [
        ("docker", "docker", DOCKER),
        ("containerd", "crictl", CRICTL),
        ("cri-o", "crictl", CRICTL),
        ("containerd", "ctr", CTR),
    ];
    for shell in shells() {
        for (runtime, program, stub) in runtimes {
            let tree = host(&NAMES);
            tree.stub(program, stub);
            let listed = tree.run(&shell, &scripts::CONTAINERS, &[runtime]);
            let found = containers::parse(&listed).unwrap();
            assert_eq!(found.len(), 4, "{runtime} {program} {shell:?}: {}", said(&listed));
            assert_eq!(
                found.iter().all(|c| c.started.is_some()),
                program != "ctr",
                "{}",
                said(&listed)
            );
            all_stopped(&tree.run(&shell, &scripts::STOP_STATIC_PODS, &[runtime, "1"]), &NAMES);
            assert!(
                containers::parse(&tree.run(&shell, &scripts::CONTAINERS, &[runtime]))
                    .unwrap()
                    .is_empty()
            );
            all_stopped(&tree.run(&shell, &scripts::STOP_STATIC_PODS, &[runtime, "1"]), &[]);
        }
    }
}

/// An API server told to end waits for its watches for longer than anybody does; it closes its port at once, and its etcd stays until it is gone.
#[test]
fn an_api_server_goes_first_and_has_less_time() {
    let rows = [
        ("docker", "docker", DOCKER, "stop"),
        ("cri-o", "crictl", CRICTL, "stop"),
        ("containerd", "ctr", CTR, "SIGTERM"),
    ];
    for shell in shells() {
        for (runtime, program, stub, word) in rows {
            for (flag, seconds) in [
                ("", 10),
                ("    - --shutdown-delay-duration=12s\n", 22),
                ("    - --shutdown-delay-duration=1m10s\n", 30),
            ] {
                let tree = host(&NAMES);
                tree.stub(program, stub);
                tree.write(
                    "/etc/kubernetes/manifests/kube-apiserver.yaml",
                    format!("    - kube-apiserver\n{flag}"),
                );
                all_stopped(&tree.run(&shell, &scripts::STOP_STATIC_PODS, &[runtime, "30"]), &NAMES);
                let log = std::fs::read_to_string(tree.state("log")).unwrap();
                let lines: Vec<&str> = log.lines().collect();
                if word == "stop" {
                    assert_eq!(lines[0], format!("stop {seconds} 0aa"), "{program} {shell:?}: {log}");
                    assert!(
                        lines[1..].iter().all(|l| l.starts_with("stop 30 ")),
                        "{program} {shell:?}: {log}"
                    );
                } else {
                    assert_eq!(lines[..2], ["SIGTERM 0aa", "SIGKILL 0aa"], "{program} {shell:?}: {log}");
                }
                assert_eq!(
                    lines.len(),
                    if word == "stop" { 4 } else { 8 },
                    "{program} {shell:?}: {log}"
                );
            }
        }
    }
}

/// In an outage that has begun every second counts.
#[test]
fn an_api_server_has_as_long_as_is_said() {
    let tree = host(&NAMES);
    tree.stub("docker", DOCKER);
    all_stopped(
        &tree.run(&["sh"], &scripts::STOP_STATIC_PODS, &["docker", "30", "run", "3"]),
        &NAMES,
    );
    let log = std::fs::read_to_string(tree.state("log")).unwrap();
    assert_eq!(log.lines().next(), Some("stop 3 0aa"), "{log}");
    let refused = tree.run(&["sh"], &scripts::STOP_STATIC_PODS, &["docker", "30", "run", "3s"]);
    assert_eq!(refused.status.to_string(), "exit status 2");
}

#[test]
fn a_running_kubelet_forbids_it_before_anything_is_touched() {
    for word in ["active", "activating"] {
        let tree = host(&["etcd"]);
        tree.stub("docker", DOCKER);
        std::fs::write(tree.state("kubelet.service.active"), word).unwrap();
        let output = tree.run(&["sh"], &scripts::STOP_STATIC_PODS, &["docker", "1"]);
        assert_eq!(output.status.to_string(), "exit status 5", "{}", said(&output));
        assert!(tree.state("run/etcd.0aa").exists());
    }
    let tree = host(&["etcd"]);
    tree.stub("docker", DOCKER);
    tree.stub("pidof", "echo 77");
    assert_eq!(
        tree.run(&["sh"], &scripts::STOP_STATIC_PODS, &["docker", "1"])
            .status
            .to_string(),
        "exit status 5"
    );
}

#[test]
fn what_stays_is_said_within_the_deadline() {
    let tree = host(&["etcd"]);
    tree.stub("crictl", CRICTL);
    std::fs::write(tree.state("stubborn"), "").unwrap();
    let output = tree.run(&["sh"], &scripts::STOP_STATIC_PODS, &["containerd", "1"]);
    assert_eq!(output.status.to_string(), "exit status 4");
    assert!(
        output
            .stderr_text()
            .contains("still running after 31 seconds: etcd 0aa"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_runtime_that_cannot_be_asked_is_no_empty_list() {
    let tree = host(&[]);
    tree.stub("docker", DOCKER);
    std::fs::write(tree.state("docker.service.active"), "inactive").unwrap();
    tree.stub("systemctl", "exit 3");
    for (runtime, word) in [("docker", "not running"), ("cri-o", "crictl is not installed")] {
        let output = tree.run(&["sh"], &scripts::CONTAINERS, &[runtime]);
        assert_eq!(output.status.to_string(), "exit status 3");
        assert!(containers::parse(&output).unwrap_err().to_string().contains(word));
    }
    tree.stub("crictl", "exit 1");
    let output = tree.run(&["sh"], &scripts::CONTAINERS, &["containerd"]);
    assert_eq!(output.status.to_string(), "exit status 3", "{}", said(&output));
    assert_eq!(
        containers::command(RuntimeKind::CriO).to_string(),
        "certfleet:containers cri-o"
    );
}
